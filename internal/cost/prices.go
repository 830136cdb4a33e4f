package cost

// Prices are what AWS asks, in USD. The default ones are those of us-east-1 as AWS's pricing pages had them, without free tiers, discounts, and
// taxes. Which page a price comes from stands beside it.
type Prices struct {
	AsOf string // when they were read; look whether they still hold

	StreamHour     float64 // aws.amazon.com/kinesis/data-streams/pricing, on-demand
	InGB           float64 // each record rounded up to 1 KiB
	OutGB          float64
	KeptGBMonth    float64 // beyond the first day, up to seven days
	ShardHour      float64 // provisioned
	PutMillion     float64 // units of 25 KiB
	KeptShardHour  float64 // beyond the first day
	RequestMillion float64 // aws.amazon.com/lambda/pricing, arm64
	GBSecond       float64
	WriteMillion   float64 // aws.amazon.com/dynamodb/pricing/on-demand: units of 1 KiB; in a transaction each counts twice
	ReadMillion    float64 // units of 4 KiB
	TableGBMonth   float64
	BackupGBMonth  float64 // point-in-time recovery
	PublishMillion float64 // aws.amazon.com/sns/pricing, 64 KiB each
	MailMillion    float64
	LogGB          float64 // aws.amazon.com/cloudwatch/pricing: taken in
	AlarmMonth     float64 // for each metric that an alarm looks at
	MetricMonth    float64
	KeyMonth       float64 // aws.amazon.com/kms/pricing
}

// Known are the prices that this version knows.
var Known = Prices{
	AsOf: "us-east-1, from memory of AWS's price lists of 2025, written down in November 2026 without a look at the pages",

	StreamHour: 0.04, InGB: 0.08, OutGB: 0.04, KeptGBMonth: 0.10,
	ShardHour: 0.015, PutMillion: 0.014, KeptShardHour: 0.02,
	RequestMillion: 0.20, GBSecond: 0.0000133334,
	WriteMillion: 0.625, ReadMillion: 0.125, TableGBMonth: 0.25, BackupGBMonth: 0.20,
	PublishMillion: 0.50, MailMillion: 20,
	LogGB: 0.50, AlarmMonth: 0.10, MetricMonth: 0.30,
	KeyMonth: 1,
}
