package codec_test

import (
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/internal/codec"
	"github.com/yagura-hids/yagura/internal/event"
)

// lambdaSequence is the sequence number in AWS's example of an event for Lambda.
const lambdaSequence = "49590338271490256608559692538361571095921575989136588898"

// rec is a record as Kinesis would deliver it.
func rec(data []byte) codec.Record {
	return codec.Record{Data: data, PartitionKey: "web1", Sequence: lambdaSequence, Shard: "shardId-000000000006", Arrived: noon}
}

// firstID is the id of the first event of such a record. It must never change: the ids of stored alerts are made of it.
func firstID(agent string) event.ID {
	return event.ID{Agent: agent, Epoch: 8659990079037521203, Seq: 28420377788416}
}

func mustEvents(t *testing.T, r codec.Record) []*event.Event {
	t.Helper()
	events, err := codec.Events(r)
	if err != nil {
		t.Fatal(err)
	}
	return events
}

func TestBatchRecord(t *testing.T) {
	b := sample()
	events := mustEvents(t, rec(encode(t, b)))
	for i, ev := range events {
		mustEqual(t, ev.Agent, &b.Agent)
		ev.Agent = nil
		mustEqual(t, ev, b.Events[i])
	}
	b.Agent = event.Agent{Name: b.AgentID}
	for _, ev := range mustEvents(t, rec(encode(t, b))) {
		if ev.Agent != nil {
			t.Errorf("%s: %v, want no agent: the name is the id", ev.ID, ev.Agent)
		}
	}
}

const logsPayload = `{"messageType":"DATA_MESSAGE","owner":"123456789012","logGroup":"/ec2/var/log/secure","logStream":"i-0123",
 "subscriptionFilters":["yagura"],"logEvents":[
 {"id":"3195310660696698337880902507980421114328961542429EXAMPLE","timestamp":1795521600123,"message":"Nov 24 12:00:00 web1 sshd[7]: Failed password for root from 198.51.100.7 port 22 ssh2\n"},
 {"id":"x","timestamp":1795521601000,"message":"größe\r\nzwei"}]}`

func TestCloudWatchRecord(t *testing.T) {
	agent := &event.Agent{Account: "123456789012"}
	first := firstID("/ec2/var/log/secure")
	second := first
	second.Seq++
	mustEqual(t, mustEvents(t, rec(gzipped(t, []byte(logsPayload)))), []*event.Event{
		{
			ID: first, Time: noon.Add(123 * time.Millisecond), Location: "/ec2/var/log/secure:i-0123", Agent: agent,
			Text: "Nov 24 12:00:00 web1 sshd[7]: Failed password for root from 198.51.100.7 port 22 ssh2",
		},
		{ID: second, Time: noon.Add(time.Second), Location: "/ec2/var/log/secure:i-0123", Agent: agent, Text: "größe\r\nzwei"},
	})
	control := `{"messageType":"CONTROL_MESSAGE","owner":"CloudwatchLogs","logEvents":[{"id":"","timestamp":1,"message":"CWL CONTROL MESSAGE: Checking health of destination Kinesis stream."}]}`
	mustEqual(t, mustEvents(t, rec(gzipped(t, []byte(control)))), []*event.Event(nil))
}

const (
	lineJSON  = `Nov 24 12:00:00 web1 sshd[7]: Failed password`
	guardDuty = `{"version":"0","id":"c8c4daa7","detail-type":"GuardDuty Finding","source":"aws.guardduty","account":"111122223333",
 "time":"2026-11-24T11:59:00Z","detail":{"type":"UnauthorizedAccess:EC2/SSHBruteForce","severity":2, "text": "größe <&>"}}`
	guardDutyLine = `{"version":"0","id":"c8c4daa7","detail-type":"GuardDuty Finding","source":"aws.guardduty","account":"111122223333","time":"2026-11-24T11:59:00Z","detail":{"type":"UnauthorizedAccess:EC2/SSHBruteForce","severity":2,"text":"größe <&>"}}`
)

func TestJSONRecord(t *testing.T) {
	at := func(index uint64, agent string) event.ID {
		id := firstID(agent)
		id.Seq += index
		return id
	}
	for name, c := range map[string]struct {
		data string
		key  string
		want []*event.Event
	}{
		"numbered by its sender": {
			`{"agent":"web1","epoch":18446744073709551615,"seq":41,"time":"2026-11-24T13:00:00.5+05:30","location":"/var/log/auth.log","text":"` + lineJSON + `\n"}`, "other",
			[]*event.Event{{
				ID: event.ID{Agent: "web1", Epoch: 1<<64 - 1, Seq: 41}, Location: "/var/log/auth.log", Text: lineJSON,
				Time: time.Date(2026, 11, 24, 13, 0, 0, 5e8, time.FixedZone("", 19800)),
			}},
		},
		"of syslog": {
			`{"text":"a","priority":34}{"text":"b","priority":0}{"text":"c","priority":null}`, "web1",
			[]*event.Event{
				{ID: at(0, "web1"), Time: noon, Location: "kinesis", Text: "a", Priority: 35},
				{ID: at(1, "web1"), Time: noon, Location: "kinesis", Text: "b", Priority: 1},
				{ID: at(2, "web1"), Time: noon, Location: "kinesis", Text: "c"},
			},
		},
		"several, without numbers": {
			`{"text":"a"}` + "\n\n" + `{"agent":"web2","text":"b","location":"app"}{"text":"c","time":"2026-11-24T12:00:01Z","epoch":null}`, "web1",
			[]*event.Event{
				{ID: at(0, "web1"), Time: noon, Location: "kinesis", Text: "a"},
				{ID: at(1, "web2"), Time: noon, Location: "app", Text: "b"},
				{ID: at(2, "web1"), Time: noon.Add(time.Second), Location: "kinesis", Text: "c"},
			},
		},
		"EventBridge": {
			"\n " + guardDuty, "a\nb",
			[]*event.Event{{ID: at(0, "kinesis"), Time: noon.Add(-time.Minute), Location: "aws.guardduty:GuardDuty Finding", Text: guardDutyLine}},
		},
		"foreign": {
			`{"text":"x","level":"info","time":"soon","source":7} {"Text":"x"} {}`, "",
			[]*event.Event{
				{ID: at(0, "kinesis"), Time: noon, Location: "kinesis", Text: `{"text":"x","level":"info","time":"soon","source":7}`},
				{ID: at(1, "kinesis"), Time: noon, Location: "kinesis", Text: `{"Text":"x"}`},
				{ID: at(2, "kinesis"), Time: noon, Location: "kinesis", Text: `{}`},
			},
		},
		"hostile texts": {
			`{"text":"` + strings.Repeat("x", event.MaxText-1) + `é"}{"a":"` + "\xff\xfe" + `","source":"` + strings.Repeat("s", 300) + `","detail-type":"a\u0000b"}`, "web1",
			[]*event.Event{
				{ID: at(0, "web1"), Time: noon, Location: "kinesis", Text: strings.Repeat("x", event.MaxText-1), Cut: true},
				{ID: at(1, "web1"), Time: noon, Location: "kinesis", Text: `{"a":"` + "\uFFFD" + `","source":"` + strings.Repeat("s", 300) + `","detail-type":"a\u0000b"}`},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := rec([]byte(c.data))
			r.PartitionKey = c.key
			mustEqual(t, mustEvents(t, r), c.want)
		})
	}
}

func TestEventsRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		data []byte
		want error
		text string
	}{
		"nothing":             {nil, codec.ErrUnknown, "want a batch"},
		"a line":              {[]byte("Nov 24 12:00:00 web1 sshd[7]: hello"), codec.ErrUnknown, `it begins with "Nov 24 1"`},
		"a JSON list":         {[]byte("[{}]"), codec.ErrUnknown, "JSON object"},
		"a batch's half":      {encode(t, sample())[:50], codec.ErrDamaged, "decode batch"},
		"large":               {make([]byte, codec.MaxRecord+1), codec.ErrTooLarge, "1048576 are allowed"},
		"half an object":      {[]byte(`{"text":"x"}{"text`), codec.ErrDamaged, "JSON: object 1"},
		"no object":           {[]byte(`{"text":"x"} 7`), codec.ErrDamaged, `JSON: object 1: "7": want an object`},
		"many objects":        {[]byte(strings.Repeat(`{}`, 16385)), codec.ErrTooLarge, "more than 16384 events"},
		"seq alone":           {[]byte(`{"text":"x","agent":"a","seq":1}`), codec.ErrInvalid, "write agent, epoch and seq"},
		"numbers, no agent":   {[]byte(`{"text":"x","epoch":1,"seq":1}`), codec.ErrInvalid, "write agent, epoch and seq"},
		"seq too high":        {[]byte(`{"text":"x","agent":"a","epoch":1,"seq":18446744073709551616}`), codec.ErrInvalid, "18446744073709551616"},
		"seq negative":        {[]byte(`{"text":"x","agent":"a","epoch":1,"seq":-1}`), codec.ErrInvalid, "-1"},
		"seq with a fraction": {[]byte(`{"text":"x","agent":"a","epoch":1,"seq":1.5}`), codec.ErrInvalid, "1.5"},
		"text a number":       {[]byte(`{"text":5}`), codec.ErrInvalid, "type string"},
		"time":                {[]byte(`{"text":"x","time":"yesterday"}`), codec.ErrInvalid, "yesterday"},
		"time in 2200":        {[]byte(`{"text":"x","time":"2200-01-01T00:00:00Z"}`), codec.ErrInvalid, "from 1970 to 2200"},
		"priority":            {[]byte(`{"text":"x","priority":192}`), codec.ErrInvalid, "priority 192: want 0 to 191"},
		"priority negative":   {[]byte(`{"text":"x","priority":-1}`), codec.ErrInvalid, "priority -1"},
		"priority a word":     {[]byte(`{"text":"x","priority":"err"}`), codec.ErrInvalid, "type int"},
		"agent":               {[]byte(`{"text":"x","agent":""}`), codec.ErrInvalid, "agent id"},
		"location":            {[]byte(`{"text":"x","location":"` + strings.Repeat("x", 8193) + `"}`), codec.ErrTooLarge, "location"},
		"gzip of a log":       {gzipped(t, []byte("hello")), codec.ErrDamaged, "CloudWatch Logs"},
		"gzip of other JSON":  {gzipped(t, []byte(`{"text":"x"}`)), codec.ErrUnknown, `messageType ""`},
		"half of gzip":        {gzipped(t, []byte(logsPayload))[:100], codec.ErrDamaged, "unpack"},
		"gzip's header":       {[]byte("\x1f\x8b"), codec.ErrDamaged, "unpack"},
		"log event's time":    {gzipped(t, []byte(strings.Replace(logsPayload, "1795521601000", "-1", 1))), codec.ErrInvalid, "log event 1"},
		"log group":           {gzipped(t, []byte(strings.Replace(logsPayload, "/ec2/var/log/secure", "", 1))), codec.ErrInvalid, "agent id"},
		"owner":               {gzipped(t, []byte(strings.Replace(logsPayload, "123456789012", `\n`, 1))), codec.ErrInvalid, "owner"},
		"log events no list":  {gzipped(t, []byte(`{"messageType":"DATA_MESSAGE","logEvents":7}`)), codec.ErrDamaged, "no list"},
		"many log events":     {gzipped(t, []byte(`{"messageType":"DATA_MESSAGE","logEvents":[{}`+strings.Repeat(",{}", 16384)+`]}`)), codec.ErrTooLarge, "more than 16384"},
	} {
		t.Run(name, func(t *testing.T) {
			events, err := codec.Events(rec(c.data))
			if !errors.Is(err, c.want) || !strings.Contains(fmt.Sprint(err), c.text) {
				t.Errorf("%v, want %v and %q", err, c.want, c.text)
			}
			if err != nil && events != nil {
				t.Error("an error and events")
			}
		})
	}
}

func TestSequenceNumbers(t *testing.T) {
	for number, text := range map[string]string{
		"": "want decimal digits", "x": "want decimal digits", "-5": "want decimal digits", "0x10": "want decimal digits",
		strings.Repeat("9", 129): "want decimal digits", new(big.Int).Lsh(big.NewInt(1), 130).String(): "its counter is",
	} {
		r := rec([]byte(`{"text":"x"}`))
		r.Sequence = number
		if _, err := codec.Events(r); !errors.Is(err, codec.ErrInvalid) || !strings.Contains(err.Error(), text) {
			t.Errorf("%q: %v, want %q", number, err, text)
		}
	}
}

// Ids rise with the sequence number, and differ between records, shards and a shard's lives.
func TestArrivalIDs(t *testing.T) {
	number := func(life, counter, low int64) string {
		n := new(big.Int).Lsh(big.NewInt(life), 64)
		n.Add(n, big.NewInt(counter)).Lsh(n, 80)
		return n.Add(n, big.NewInt(low)).String()
	}
	id := func(shard, sequence string) event.ID {
		r := rec([]byte(`{"text":"x"}`))
		r.Shard, r.Sequence = shard, sequence
		return mustEvents(t, r)[0].ID
	}
	a := id("shardId-0", number(7, 1, 5))
	if b := id("shardId-0", number(7, 2, 3)); b.Epoch != a.Epoch || b.Seq != a.Seq+1<<14 {
		t.Errorf("%s comes after %s", b, a)
	}
	if b := id("shardId-0", number(7, 1<<50-1, 0)); b.Epoch != a.Epoch || b.Seq != 1<<64-1<<14 {
		t.Errorf("the last one is %s", b)
	}
	for _, b := range []event.ID{id("shardId-1", number(7, 1, 5)), id("shardId-0", number(8, 1, 5))} {
		if b.Epoch == a.Epoch {
			t.Errorf("%s and %s have one epoch", a, b)
		}
	}
	// Of one shard, from AWS's documentation of GetRecords.
	r1, r2 := id("shardId-000000000000", "49544985256907370027570885864065577703022652638596431874"), id("shardId-000000000000", "49544985256907370027570885864068042655494010394062683138")
	if r1.Epoch != r2.Epoch || r1.Seq >= r2.Seq {
		t.Errorf("%s, then %s", r1, r2)
	}
}

func FuzzEvents(f *testing.F) {
	for _, data := range [][]byte{encode(f, sample()), []byte(`{"text":"a","time":"2026-11-24T12:00:00Z","priority":34}{"agent":"a","epoch":1,"seq":2,"text":"b"}`), []byte(guardDuty)} {
		f.Add(data, false)
	}
	f.Add([]byte(logsPayload), true)
	f.Fuzz(func(t *testing.T, data []byte, pack bool) {
		if pack {
			data = gzipped(t, data)
		}
		events, err := codec.Events(rec(data))
		if err != nil {
			return
		}
		again := mustEvents(t, rec(data))
		mustEqual(t, again, events)
		// What comes in can be sent on: each of the events stands in a batch of its agent.
		for _, ev := range events {
			b := &event.Batch{AgentID: ev.ID.Agent, Epoch: ev.ID.Epoch, Events: []*event.Event{ev}}
			if _, err := codec.Encode(b); err != nil {
				t.Fatal(err)
			}
		}
	})
}
