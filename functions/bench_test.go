package functions_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/yagura-hids/yagura/internal/alertstore"
	"github.com/yagura-hids/yagura/internal/emulated/emulatedtest"
	"github.com/yagura-hids/yagura/internal/emulated/lambda"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/table"
)

// rulesets are the function's roots to measure with: the built-in rules, and OSSEC's if OSSEC_RULESET names them.
func rulesets(b *testing.B) map[string]string {
	b.Helper()
	roots := map[string]string{"built-in": b.TempDir()}
	if dir := os.Getenv("OSSEC_RULESET"); dir != "" {
		root := b.TempDir()
		if err := os.Symlink(dir, filepath.Join(root, "rules")); err != nil {
			b.Fatal(err)
		}
		roots["ossec"] = root
	}
	return roots
}

// alone runs analyze on one processor, beside a stack that does nothing else.
func alone(b *testing.B, p *path, root string, done func(lambda.Result)) *lambda.Host {
	b.Helper()
	f := *p.Functions["AnalyzeFunction"]
	bootstrap, err := lambda.Build(b.Context(), emulatedtest.Root(b), "./"+f.Code)
	if err != nil {
		b.Fatal(err)
	}
	h, err := lambda.NewHost(lambda.HostOptions{
		Function: f, Bootstrap: bootstrap, Root: root, Env: append(p.Env(), "GOMAXPROCS=1"), Concurrency: 1, Output: p.output, Done: done,
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(h.Close)
	return h
}

// invocation is a Kinesis event of records, in the shard's order from the n-th on.
func invocation(b *testing.B, n int, records ...[]byte) []byte {
	b.Helper()
	var in events.KinesisEvent
	for _, data := range records {
		n++
		sequence := fmt.Sprint("4959033827149025660855969253836157109", n)
		in.Records = append(in.Records, events.KinesisEventRecord{
			EventID: "shardId-000000000000:" + sequence, EventSource: "aws:kinesis", EventSourceArn: "arn:aws:kinesis:us-east-1:123456789012:stream/yagura",
			Kinesis: events.KinesisRecord{Data: data, PartitionKey: "web1", SequenceNumber: sequence},
		})
	}
	text, err := json.Marshal(in)
	if err != nil {
		b.Fatal(err)
	}
	return text
}

// BenchmarkColdStart tells how long analyze takes from its start to its first question for work, on one processor.
func BenchmarkColdStart(b *testing.B) {
	p := up(b, pathOptions{})
	for name, root := range rulesets(b) {
		b.Run(name, func(b *testing.B) {
			var inits []time.Duration
			h := alone(b, p, root, func(r lambda.Result) { inits = append(inits, r.Init) })
			for b.Loop() {
				r, err := h.Invoke(b.Context(), []byte(`{"Records":[]}`))
				if err != nil || r.FunctionError != "" {
					b.Fatal(err, string(r.Payload))
				}
				h.Kill(r.Environment)
			}
			slices.Sort(inits)
			b.ReportMetric(inits[len(inits)/2].Seconds()*1000, "ms-init")
			b.ReportMetric(inits[len(inits)-1].Seconds()*1000, "ms-init-max")
		})
	}
}

// BenchmarkAnalyze tells how many events a second one processor does, through the compiled function: 20 records of 1,000 events an invocation, of
// which one in a thousand raises an alert.
func BenchmarkAnalyze(b *testing.B) {
	p := up(b, pathOptions{})
	for name, root := range rulesets(b) {
		b.Run(name, func(b *testing.B) {
			h := alone(b, p, root, nil)
			n, at := 0, time.Date(2026, 11, 20, 3, 0, 0, 0, time.UTC)
			next := func() []byte {
				var records [][]byte
				for range 20 {
					var list []*event.Event
					for range 1000 {
						n++
						at = at.Add(20 * time.Millisecond)
						list = append(list, &event.Event{ID: event.ID{Agent: "web1", Epoch: 1, Seq: uint64(n)}, Time: at, Location: "/var/log/messages", Text: serverLine(n, at)})
					}
					records = append(records, encode(b, "web1", list))
				}
				return invocation(b, n, records...)
			}
			var took time.Duration
			invoke := func() {
				r, err := h.Invoke(b.Context(), next())
				if err != nil || r.FunctionError != "" || strings.Contains(string(r.Payload), "itemIdentifier") {
					b.Fatal(err, string(r.Payload))
				}
				took += r.Duration
			}
			invoke() // the cold start is measured elsewhere
			took = 0
			for b.Loop() {
				invoke()
			}
			b.ReportMetric(20_000*float64(b.N)/took.Seconds(), "events/s")
		})
	}
}

// serverLine is a line of a server; one in a thousand is a failed login, each time of another address.
func serverLine(n int, at time.Time) string {
	head := at.Format(time.Stamp) + " web1 "
	switch {
	case n%1000 == 0:
		return head + fmt.Sprintf("sshd[%d]: Failed password for root from 203.0.%d.%d port %d ssh2", n%30000, n/1000%250, n%250, n%60000)
	case n%10 == 1:
		return head + fmt.Sprintf("kernel: [%d.123456] usb 1-1: new high-speed device number %d", n, n%128)
	case n%10 == 2:
		return head + fmt.Sprintf("systemd[1]: Started Session %d of user joe.", n)
	case n%10 == 3:
		return head + fmt.Sprintf("dhclient[%d]: DHCPACK of 192.0.2.7 from 192.0.2.1", n%30000)
	}
	return fmt.Sprintf(`198.51.100.%d - - [%s +0000] "GET /page/%d HTTP/1.1" 200 5120 "-" "Mozilla/5.0"`, n%250, at.Format("02/Jan/2006:15:04:05"), n)
}

// BenchmarkLatency tells how long an alert takes from the reading of its line until it is stored, and until it is published: with analyze's window as
// in the template, and with one of a second.
func BenchmarkLatency(b *testing.B) {
	for _, window := range []string{"0", "1"} {
		b.Run("window="+window+"s", func(b *testing.B) { latency(b, window) })
	}
}

func latency(b *testing.B, window string) {
	p := up(b, pathOptions{seldom: true, parameters: map[string]string{"MailLevel": "1", "BatchSeconds": window}})
	s, tables := newSender(b, p), p.table()
	var stored, published []time.Duration
	for n := 1; b.Loop(); n++ {
		agent := fmt.Sprint("web", n)
		read := time.Now()
		ev := &event.Event{ID: event.ID{Agent: agent, Epoch: 1, Seq: 1}, Time: read.UTC(), Location: "x", Text: serverLine(1000, read)}
		if err := s.put(b.Context(), agent, encode(b, agent, []*event.Event{ev})); err != nil {
			b.Fatal(err)
		}
		key := alertstore.Key(&event.Alert{Event: ev.ID, Time: ev.Time})
		for {
			items, err := tables.Get(b.Context(), alertstore.Schema, []table.Key{key})
			if err != nil {
				b.Fatal(err)
			}
			if items[0] != nil {
				break
			}
		}
		stored = append(stored, time.Since(read))
		for {
			list, err := p.Receive(b.Context(), time.Second)
			if err != nil {
				b.Fatal(err)
			}
			if len(list) > 0 {
				break
			}
		}
		published = append(published, time.Since(read))
	}
	for name, list := range map[string][]time.Duration{"stored": stored, "published": published} {
		slices.Sort(list)
		b.ReportMetric(list[len(list)/2].Seconds()*1000, "ms-p50-"+name)
		b.ReportMetric(list[len(list)*99/100].Seconds()*1000, "ms-p99-"+name)
	}
}
