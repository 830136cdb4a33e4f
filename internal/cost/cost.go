// Package cost models what Yagura on AWS costs a month: what there is to do, in the units that AWS counts, times its prices.
//
//	Load (events, hosts, alerts) + Habits (sizes, times) ─► units of each part ─► Prices ─► Bill
//
// It's a model: it says what matters, not what the invoice will be. What an instance pays to reach AWS (NAT, endpoints), what subscribers other
// than mail cost, and KMS's requests, which stay in its free tier, are not in it.
package cost

import "math"

// Load is what there is to watch.
type Load struct {
	EventsPerDay float64
	Hosts        float64
	Alerts       float64 // of all events, 0.001 for 0.1 %
	Shards       float64 // provisioned; 0 is on-demand
	KeepDays     float64 // alerts are kept
}

// Habits are what parts are like, measured or assumed as docs/cost.md tells of each.
type Habits struct {
	AgentSeconds  float64 // an agent gathers events so long for a record
	RecordBytes   float64 // of a record without its events
	EventBytes    float64 // of an event in a record, compressed
	WindowSeconds float64 // Lambda gathers records so long for a batch
	WaitDays      float64 // records are kept beyond the first day
	Memory        float64 // of analyze, GiB
	CallSeconds   float64 // an invocation takes, without its events
	EventSeconds  float64 // an event takes
	AlertSeconds  float64 // an alert takes, to read state and to store
	AlertBytes    float64 // of an alert's item
	IndexBytes    float64 // of it in an index
	StateItems    float64 // read and written for an alert
	StateBytes    float64 // of such an item
	Told          float64 // of all alerts, in messages
	LogBytes      float64 // an invocation logs
}

// Usual are habits of the parts as they are, with the template's defaults.
var Usual = Habits{
	AgentSeconds: 5, RecordBytes: 520, EventBytes: 24, WindowSeconds: 0, WaitDays: 6,
	Memory: 1769.0 / 1024, CallSeconds: 0.003, EventSeconds: 1.0 / 100_000, AlertSeconds: 0.010,
	AlertBytes: 1050, IndexBytes: 300, StateItems: 2.6, StateBytes: 430, Told: 0.1, LogBytes: 250,
}

// Keeping is the part that comes from alerts of earlier, not from what happens now.
const Keeping = "DynamoDB keeps"

// Line is a part of the bill.
type Line struct {
	Part, Unit string
	Units      float64 // a month
	USD        float64 // a month
}

const (
	days    = 365.0 / 12 // of a month
	hours   = 24 * days
	seconds = 3600 * hours
	million = 1e6
	gib     = 1 << 30

	onDemandShards = 4  // that a new on-demand stream has
	indexes        = 3  // of the alerts table
	alarmMetrics   = 15 // that the template's alarms look at
	ownMetrics     = 13 // six of each mapping, and one of the template's own
)

// Bill returns the parts of a month's bill.
func Bill(l Load, h Habits, p Prices) []Line {
	b := bill{l: l, h: h, p: p}
	b.events = l.EventsPerDay * days
	b.records = math.Min(b.events, l.Hosts*seconds/h.AgentSeconds)
	if b.records > 0 {
		b.recordBytes = h.RecordBytes + h.EventBytes*b.events/b.records
	}
	b.stream()
	b.analyze()
	b.tables()
	b.notify()
	b.watch()
	return b.lines
}

type bill struct {
	l Load
	h Habits
	p Prices

	events, records, recordBytes float64 // events and records a month
	lines                        []Line
}

func (b *bill) add(part, unit string, units, price float64) {
	b.lines = append(b.lines, Line{part, unit, units, units * price})
}

// units returns how many units things take, each rounded up to a whole one, whose sizes vary around this one.
func units(bytes, unit float64) float64 { return math.Max(1, bytes/unit+0.5) }

func (b *bill) stream() {
	gb := b.records * b.recordBytes / gib
	if n := b.l.Shards; n > 0 {
		b.add("Kinesis", "shard hours", n*hours, b.p.ShardHour)
		if b.h.WaitDays > 0 {
			b.add("Kinesis", "shard hours with more than a day kept", n*hours, b.p.KeptShardHour)
		}
		b.add("Kinesis", "million put units", b.records*units(b.recordBytes, 25<<10)/million, b.p.PutMillion)
		return
	}
	b.add("Kinesis", "stream hours", hours, b.p.StreamHour)
	b.add("Kinesis", "GB in", b.records*units(b.recordBytes, 1024)*1024/gib, b.p.InGB)
	b.add("Kinesis", "GB out", gb, b.p.OutGB)
	b.add("Kinesis", "GB-months kept beyond a day", gb/days*b.h.WaitDays, b.p.KeptGBMonth)
}

// lookSeconds is how often Lambda looks at a shard for records.
const lookSeconds = 1

// calls returns how often a function is called a month: for each batch of each shard, if there is something.
func (b *bill) calls(records, shards float64) float64 {
	return math.Min(records, shards*seconds/math.Max(b.h.WindowSeconds, lookSeconds))
}

func (b *bill) shards() float64 {
	if b.l.Shards > 0 {
		return b.l.Shards
	}
	return onDemandShards
}

func (b *bill) analyze() {
	calls := b.calls(b.records, b.shards())
	time := calls*b.h.CallSeconds + b.events*b.h.EventSeconds + b.alerts()*b.h.AlertSeconds
	b.add("Lambda analyze", "million requests", calls/million, b.p.RequestMillion)
	b.add("Lambda analyze", "GB-seconds", time*b.h.Memory, b.p.GBSecond)
	b.add("CloudWatch", "GB of analyze's log", calls*b.h.LogBytes/gib, b.p.LogGB)
}

func (b *bill) alerts() float64 { return b.events * b.l.Alerts }

func (b *bill) tables() {
	alerts := b.alerts()
	kb := func(bytes float64) float64 { return units(bytes, 1024) }
	b.add("DynamoDB", "million write units, alerts (twice: a transaction)", 2*alerts*kb(b.h.AlertBytes)/million, b.p.WriteMillion)
	b.add("DynamoDB", "million write units, three indexes", alerts*indexes*kb(b.h.IndexBytes)/million, b.p.WriteMillion)
	b.add("DynamoDB", "million write units, state (twice: a transaction)", 2*alerts*b.h.StateItems*kb(b.h.StateBytes)/million, b.p.WriteMillion)
	b.add("DynamoDB", "million read units, state", alerts*b.h.StateItems*units(b.h.StateBytes, 4096)/million, b.p.ReadMillion)
	gb := alerts / days * b.l.KeepDays * (b.h.AlertBytes + indexes*b.h.IndexBytes) / gib
	b.add(Keeping, "GB-months of alerts, once KeepDays are full", gb, b.p.TableGBMonth)
	b.add(Keeping, "GB-months of point-in-time recovery", gb, b.p.BackupGBMonth)
}

func (b *bill) notify() {
	told := b.alerts() * b.h.Told
	calls := b.calls(told, 1)
	b.add("Lambda notify", "million requests", calls/million, b.p.RequestMillion)
	b.add("Lambda notify", "GB-seconds", told*0.03*0.25, b.p.GBSecond)
	b.add("SNS", "million messages", told/million, b.p.PublishMillion)
	b.add("SNS", "million mails, to one address", told/million, b.p.MailMillion)
}

func (b *bill) watch() {
	b.add("CloudWatch", "metrics that alarms look at", alarmMetrics, b.p.AlarmMonth)
	b.add("CloudWatch", "metrics of the mappings, and our own", ownMetrics, b.p.MetricMonth)
	b.add("KMS", "keys", 1, b.p.KeyMonth)
}

// Part is a line of the bill beside what a million events add to it.
type Part struct {
	Line
	Idle     float64 // USD a month, if nothing happens
	Marginal float64 // USD that the next million events cost: the difference that half as many again make
}

// Compare returns the bill, and what of each line depends on events. Alerts stay the same share of the events.
func Compare(l Load, h Habits, p Prices) []Part {
	more, idle := l, l
	more.EventsPerDay *= 1.5
	idle.EventsPerDay = 0
	now, then, none := Bill(l, h, p), Bill(more, h, p), Bill(idle, h, p)
	parts := make([]Part, len(now))
	for i, line := range now {
		parts[i] = Part{Line: line, Idle: none[i].USD}
		if l.EventsPerDay > 0 {
			parts[i].Marginal = (then[i].USD - line.USD) / (0.5 * l.EventsPerDay * days / million)
		}
	}
	return parts
}

// Total returns the sums of parts.
func Total(parts []Part) (sum Part) {
	for _, p := range parts {
		sum.USD += p.USD
		sum.Idle += p.Idle
		sum.Marginal += p.Marginal
	}
	return sum
}
