package spool_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/agent/spool"
	"github.com/yagura-hids/yagura/internal/codec"
	"github.com/yagura-hids/yagura/internal/event"
)

// sshdLines are n lines of sshd, of many addresses, from one of these numbers on.
func sshdLines(first, n int) (events []*event.Event) {
	start := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for i := first; i < first+n; i++ {
		at := start.Add(time.Duration(i) * 20 * time.Millisecond)
		events = append(events, &event.Event{Location: "/var/log/auth.log", Time: at.Truncate(time.Second), Text: fmt.Sprintf(
			"%s web1 sshd[%d]: Failed password for root from 198.51.%d.%d port %d ssh2", at.Format(time.Stamp), 1000+i%977, i%7, i%251, 1024+i*7919%60000)})
	}
	return events
}

// BenchmarkNextEncode tells what it costs to make what is sent of a full run, by how many lines were kept together.
func BenchmarkNextEncode(b *testing.B) {
	for _, group := range []int{25, 4096} {
		b.Run(fmt.Sprintf("group=%d", group), func(b *testing.B) {
			s := openBench(b)
			for n := 0; n < 28_000; n += group {
				if err := s.Keep(b.Context(), sshdLines(n, group), nil); err != nil {
					b.Fatal(err)
				}
			}
			var events, size int
			var text int64
			b.ReportAllocs()
			for b.Loop() {
				run, err := s.Next(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				data, err := codec.Encode(&event.Batch{AgentID: "web1", Epoch: s.Epoch(), Events: run.Events})
				if err != nil {
					b.Fatal(err)
				}
				events, size, text = len(run.Events), len(data), 0
				for _, ev := range run.Events {
					text += int64(len(ev.Text)) + 1
				}
			}
			b.SetBytes(text)
			b.ReportMetric(float64(events)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(float64(text)/float64(size), "ratio")
		})
	}
}

func openBench(b *testing.B) *spool.Spool {
	b.Helper()
	s, err := spool.Open(filepath.Join(b.TempDir(), "agent.db"), spool.Options{Agent: "web1", Random: zeros{}, Gather: -1})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	return s
}

// zeros is a source of randomness without any.
type zeros struct{}

// Read gives zeros.
func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
