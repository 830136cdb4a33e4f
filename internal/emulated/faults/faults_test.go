package faults_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	ddb "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	kin "github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/google/go-cmp/cmp"

	"github.com/yagura-hids/yagura/internal/emulated"
	"github.com/yagura-hids/yagura/internal/emulated/emulatedtest"
	"github.com/yagura-hids/yagura/internal/emulated/faults"
)

// noon is when all tests of limits begin.
var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// clock is a time that tests set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func serve(t *testing.T, o faults.Options) (*faults.Proxy, aws.Config) {
	t.Helper()
	if o.Now == nil {
		o.Now = (&clock{now: noon}).Now
	}
	p, err := faults.Serve(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p, conf(p.URL)
}

// conf is the SDK's, without tries again.
func conf(url string) aws.Config {
	return aws.Config{
		Region: "us-east-1", BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
		Retryer: func() aws.Retryer { return aws.NopRetryer{} },
	}
}

// stream makes a stream of two shards behind a proxy.
func stream(t *testing.T, o faults.Options) (*faults.Proxy, *kinesis.Client) {
	t.Helper()
	o.Target = emulatedtest.Shared(t, emulated.Kinesis)
	direct := kinesis.NewFromConfig(conf(o.Target))
	if _, err := direct.DeleteStream(t.Context(), &kinesis.DeleteStreamInput{StreamName: aws.String("s")}); err == nil { // an earlier test's
		gone := kinesis.NewStreamNotExistsWaiter(direct, func(o *kinesis.StreamNotExistsWaiterOptions) { o.MinDelay = 10 * time.Millisecond })
		if err := gone.Wait(t.Context(), &kinesis.DescribeStreamInput{StreamName: aws.String("s")}, time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := direct.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: aws.String("s"), ShardCount: aws.Int32(2)}); err != nil {
		t.Fatal(err)
	}
	waiter := kinesis.NewStreamExistsWaiter(direct, func(o *kinesis.StreamExistsWaiterOptions) { o.MinDelay = 10 * time.Millisecond })
	if err := waiter.Wait(t.Context(), &kinesis.DescribeStreamInput{StreamName: aws.String("s")}, time.Minute); err != nil {
		t.Fatal(err)
	}
	p, c := serve(t, o)
	return p, kinesis.NewFromConfig(c)
}

// Keys of the two shards of a stream: their MD5 begin with 0 and f.
const (
	firstShard  = "web22"
	secondShard = "web12"
)

func records(key string, n, size int) []kin.PutRecordsRequestEntry {
	var list []kin.PutRecordsRequestEntry
	for range n {
		list = append(list, kin.PutRecordsRequestEntry{PartitionKey: aws.String(key), Data: make([]byte, size-len(key))})
	}
	return list
}

// put writes and returns how many records failed, and by which code.
func put(t *testing.T, c *kinesis.Client, list []kin.PutRecordsRequestEntry) (failed int, codes map[string]int) {
	t.Helper()
	out, err := c.PutRecords(t.Context(), &kinesis.PutRecordsInput{StreamName: aws.String("s"), Records: list})
	if err != nil {
		t.Fatal(err)
	}
	codes = map[string]int{}
	for _, r := range out.Records {
		if r.ErrorCode != nil {
			codes[aws.ToString(r.ErrorCode)]++
		}
	}
	if len(out.Records) != len(list) {
		t.Errorf("%d results for %d records", len(out.Records), len(list))
	}
	return int(aws.ToInt32(out.FailedRecordCount)), codes
}

// stored reads everything from a stream.
func stored(t *testing.T, c *kinesis.Client) (n int) {
	t.Helper()
	for _, id := range []string{"shardId-000000000000", "shardId-000000000001"} {
		at, err := c.GetShardIterator(t.Context(), &kinesis.GetShardIteratorInput{
			StreamName: aws.String("s"), ShardId: aws.String(id), ShardIteratorType: kin.ShardIteratorTypeTrimHorizon,
		})
		if err != nil {
			t.Fatal(err)
		}
		out, err := c.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: at.ShardIterator})
		if err != nil {
			t.Fatal(err)
		}
		n += len(out.Records)
	}
	return n
}

func TestShardTakesSoManyRecordsAndBytes(t *testing.T) {
	time := &clock{now: noon}
	p, c := stream(t, faults.Options{Shard: faults.ShardLimits, Now: time.Now})
	const refused = "ProvisionedThroughputExceededException"
	mib := records(firstShard, 20, 1<<16)
	for _, step := range []struct {
		name string
		list []kin.PutRecordsRequestEntry
		want int
	}{
		{"20 × 64 KiB: 16 are 1 MiB", mib, 4},
		{"the same shard is full", mib[:1], 1},
		{"the other isn't", records(secondShard, 500, 100), 0},
		{"also not at 1,000", records(secondShard, 500, 100), 0},
		{"but then", records(secondShard, 1, 100), 1},
	} {
		if failed, codes := put(t, c, step.list); failed != step.want || codes[refused] != step.want {
			t.Errorf("%s: %d failed %v, want %d", step.name, failed, codes, step.want)
		}
	}
	_, err := c.PutRecord(t.Context(), &kinesis.PutRecordInput{StreamName: aws.String("s"), PartitionKey: aws.String(secondShard), Data: []byte("x")})
	if full := (*kin.ProvisionedThroughputExceededException)(nil); !errors.As(err, &full) {
		t.Errorf("PutRecord: got %v", err)
	}
	time.pass(250e6) // a quarter of a second: 4 × 64 KiB
	if failed, _ := put(t, c, mib[:5]); failed != 1 {
		t.Errorf("a quarter of a second later %d of 5 records fail, want 1", failed)
	}
	if n := stored(t, c); n != 16+1000+4 {
		t.Errorf("%d records are stored, want those that didn't fail", n)
	}
	if got := p.Injected()["shard limit"]; got != 4+1+1+1+1 {
		t.Errorf("%d faults were counted", got)
	}
}

func TestShardIsReadSoOften(t *testing.T) {
	time := &clock{now: noon}
	_, c := stream(t, faults.Options{Shard: faults.Limits{Reads: 5}, Now: time.Now})
	at, err := c.GetShardIterator(t.Context(), &kinesis.GetShardIteratorInput{
		StreamName: aws.String("s"), ShardId: aws.String("shardId-000000000000"), ShardIteratorType: kin.ShardIteratorTypeTrimHorizon,
	})
	if err != nil {
		t.Fatal(err)
	}
	next := at.ShardIterator
	read := func() error {
		out, err := c.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: next})
		if err == nil {
			next = out.NextShardIterator
		}
		return err
	}
	for i := range 5 {
		if err := read(); err != nil {
			t.Errorf("read %d: %v", i+1, err)
		}
	}
	if full := (*kin.ProvisionedThroughputExceededException)(nil); !errors.As(read(), &full) {
		t.Error("the sixth read in a second isn't refused")
	}
	time.pass(200e6)
	if err := read(); err != nil {
		t.Error(err)
	}
}

func TestPartialFailureStoresTheOthers(t *testing.T) {
	p, c := stream(t, faults.Options{Seed: 1, Rates: faults.Rates{Partial: 0.3}})
	failed, _ := put(t, c, records(firstShard, 200, 10))
	if failed < 30 || failed > 90 || p.Injected()["partial"] != failed {
		t.Errorf("%d of 200 records failed, %v were counted", failed, p.Injected())
	}
	if n := stored(t, c); n != 200-failed {
		t.Errorf("%d records are stored, %d failed of 200", n, failed)
	}
	p.SetRates(faults.Rates{Partial: 1})
	if failed, _ := put(t, c, records(firstShard, 2, 10)); failed != 2 {
		t.Errorf("%d of 2 records failed, want all", failed)
	}
}

func TestCutAndFailedRequests(t *testing.T) {
	p, c := stream(t, faults.Options{})
	for _, test := range []struct {
		kind  string
		rates faults.Rates
		wrong string
		kept  int
	}{
		{"cut before", faults.Rates{CutBefore: 1}, "EOF", 0},
		{"500", faults.Rates{Error500: 1}, "InternalFailure", 0},
		{"throttle", faults.Rates{Throttle: 1}, "Rate exceeded", 0},
		{"cut after", faults.Rates{CutAfter: 1}, "EOF", 1},
	} {
		p.SetRates(test.rates)
		_, err := c.PutRecord(t.Context(), &kinesis.PutRecordInput{StreamName: aws.String("s"), PartitionKey: aws.String("k"), Data: []byte("x")})
		if err == nil || !strings.Contains(err.Error(), test.wrong) {
			t.Errorf("%s: got %v", test.kind, err)
		}
		p.SetRates(faults.Rates{})
		if n := stored(t, c); n != test.kept || p.Injected()[test.kind] != 1 {
			t.Errorf("%s: %d records are stored, want %d; counted %v", test.kind, n, test.kept, p.Injected())
		}
	}
	if n := p.Requests()["PutRecord"]; n != 4 {
		t.Errorf("%d calls of PutRecord were counted, want 4", n)
	}
}

// table makes a table behind a proxy.
func table(t *testing.T, o faults.Options) (*faults.Proxy, *dynamodb.Client) {
	t.Helper()
	o.Target = emulatedtest.Shared(t, emulated.DynamoDB)
	direct := dynamodb.NewFromConfig(conf(o.Target))
	_, _ = direct.DeleteTable(t.Context(), &dynamodb.DeleteTableInput{TableName: aws.String("tab")}) // an earlier test's, if there was one
	_, err := direct.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: aws.String("tab"), BillingMode: ddb.BillingModePayPerRequest,
		AttributeDefinitions: []ddb.AttributeDefinition{{AttributeName: aws.String("k"), AttributeType: ddb.ScalarAttributeTypeS}},
		KeySchema:            []ddb.KeySchemaElement{{AttributeName: aws.String("k"), KeyType: ddb.KeyTypeHash}},
	})
	if err != nil {
		t.Fatal(err)
	}
	p, c := serve(t, o)
	return p, dynamodb.NewFromConfig(c)
}

func item(key string) map[string]ddb.AttributeValue {
	return map[string]ddb.AttributeValue{"k": &ddb.AttributeValueMemberS{Value: key}}
}

func transact(t *testing.T, c *dynamodb.Client, keys ...string) error {
	t.Helper()
	in := &dynamodb.TransactWriteItemsInput{}
	for _, k := range keys {
		in.TransactItems = append(in.TransactItems, ddb.TransactWriteItem{Put: &ddb.Put{TableName: aws.String("tab"), Item: item(k)}})
	}
	_, err := c.TransactWriteItems(t.Context(), in)
	return err
}

// get returns which of the keys are there, and how many weren't looked up.
func get(t *testing.T, c *dynamodb.Client, keys ...string) (found, unprocessed int) {
	t.Helper()
	var list []map[string]ddb.AttributeValue
	for _, k := range keys {
		list = append(list, item(k))
	}
	out, err := c.BatchGetItem(t.Context(), &dynamodb.BatchGetItemInput{
		RequestItems: map[string]ddb.KeysAndAttributes{"tab": {Keys: list, ConsistentRead: aws.Bool(true)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if rest := out.UnprocessedKeys["tab"]; len(rest.Keys) > 0 && !aws.ToBool(rest.ConsistentRead) {
		t.Error("what isn't processed has lost its ConsistentRead")
	}
	return len(out.Responses["tab"]), len(out.UnprocessedKeys["tab"].Keys)
}

func TestTransactions(t *testing.T) {
	p, c := table(t, faults.Options{Rates: faults.Rates{Conflict: 1}})
	cancelled := (*ddb.TransactionCanceledException)(nil)
	if err := transact(t, c, "a", "b"); !errors.As(err, &cancelled) {
		t.Fatalf("got %v", err)
	}
	codes := map[string]int{}
	for _, r := range cancelled.CancellationReasons {
		codes[aws.ToString(r.Code)]++
	}
	if diff := cmp.Diff(map[string]int{"None": 1, "TransactionConflict": 1}, codes); diff != "" {
		t.Error(diff)
	}
	if n, _ := get(t, c, "a", "b"); n != 0 {
		t.Errorf("a cancelled transaction stored %d items", n)
	}
	p.SetRates(faults.Rates{CutAfter: 1})
	if err := transact(t, c, "a", "b"); err == nil {
		t.Error("a cut connection is no error")
	}
	p.SetRates(faults.Rates{})
	if n, _ := get(t, c, "a", "b"); n != 2 {
		t.Errorf("cut after storing, %d items are there, want 2", n)
	}
	p.SetRates(faults.Rates{Throttle: 1})
	kinds := map[string]bool{}
	for i := range 20 {
		for _, kind := range []string{"ProvisionedThroughputExceededException", "ThrottlingException"} {
			if strings.Contains(fmt.Sprint(transact(t, c, fmt.Sprint("c", i))), kind) {
				kinds[kind] = true
			}
		}
	}
	if len(kinds) != 2 {
		t.Errorf("throttled as %v only", kinds)
	}
}

func TestBatchesLeaveHalf(t *testing.T) {
	p, c := table(t, faults.Options{})
	if err := transact(t, c, "a", "b", "c"); err != nil {
		t.Fatal(err)
	}
	p.SetRates(faults.Rates{Partial: 1})
	if found, left := get(t, c, "a", "b", "c"); found != 1 || left != 2 {
		t.Errorf("%d found and %d left, want 1 and 2", found, left)
	}
	if found, left := get(t, c, "a"); found != 0 || left != 1 {
		t.Errorf("%d found and %d left of one", found, left)
	}
	put := []ddb.WriteRequest{{PutRequest: &ddb.PutRequest{Item: item("d")}}, {PutRequest: &ddb.PutRequest{Item: item("e")}}}
	out, err := c.BatchWriteItem(t.Context(), &dynamodb.BatchWriteItemInput{RequestItems: map[string][]ddb.WriteRequest{"tab": put}})
	if err != nil || len(out.UnprocessedItems["tab"]) != 1 {
		t.Errorf("%v left of two: %v", out, err)
	}
}

func TestOneSeedIsOneRun(t *testing.T) {
	run := func(seed uint64) (verdicts string) {
		_, c := table(t, faults.Options{Seed: seed, Rates: faults.Rates{Error500: 0.2, Throttle: 0.2, Conflict: 0.2, CutAfter: 0.2}})
		for i := range 40 {
			err := transact(t, c, fmt.Sprint(i), fmt.Sprint("other", i))
			verdicts += fmt.Sprint(err == nil, strings.Contains(fmt.Sprint(err), "InternalFailure"), " ")
		}
		return verdicts
	}
	first := run(7)
	if again := run(7); first != again {
		t.Errorf("seed 7 gave\n%s then\n%s", first, again)
	}
	if other := run(8); first == other {
		t.Error("seeds 7 and 8 give one run")
	}
}

func TestMomentsBeforeAndAfter(t *testing.T) {
	var seen []string
	p, c := stream(t, faults.Options{At: func(m faults.Moment) { seen = append(seen, fmt.Sprint(m.Operation, m.Done)) }})
	put(t, c, records("k", 1, 10))
	p.SetRates(faults.Rates{Error500: 1})
	_, _ = c.ListStreams(t.Context(), &kinesis.ListStreamsInput{}) // refused, so no moment
	if diff := cmp.Diff([]string{"PutRecordsfalse", "PutRecordstrue"}, seen); diff != "" {
		t.Error(diff)
	}
}
