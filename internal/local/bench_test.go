package local_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/internal/analysis"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/local"
)

// repeated is a Source of n batches of 1000 events.
type repeated struct{ n, given int }

func (r *repeated) Name() string { return "local" }
func (r *repeated) Close() error { return nil }

func (r *repeated) Next(ctx context.Context) (local.Batch, error) {
	if r.n--; r.n < 0 {
		return local.Batch{}, context.Canceled
	}
	var b local.Batch
	for range 1000 {
		r.given++
		b.Events = append(b.Events, &event.Event{ID: event.ID{Agent: "web1", Epoch: 7, Seq: uint64(r.given)}})
	}
	return b, nil
}

// BenchmarkRun tells what keeping costs: nanoseconds by event, of which one in so many raises an alert.
func BenchmarkRun(b *testing.B) {
	for _, every := range []int{1, 10, 1000} {
		b.Run(fmt.Sprintf("alert=1in%d", every), func(b *testing.B) {
			s, err := local.Open(b.TempDir())
			if err != nil {
				b.Fatal(err)
			}
			src := &repeated{}
			analyze := func(ev *event.Event, _ analysis.State) (analysis.Verdict, error) {
				if ev.ID.Seq%uint64(every) != 0 {
					return analysis.Verdict{}, nil
				}
				at := noon.Add(time.Duration(ev.ID.Seq) * time.Millisecond)
				return analysis.Verdict{Alert: alert(ev.ID.Seq, at, 5, 5716, "192.0.2.1", "Nov 23 12:00:00 web1 sshd[71]: Failed password for root from 192.0.2.1 port 22 ssh2")}, nil
			}
			n := 0
			for b.Loop() {
				src.n = 1
				if _, err := local.Run(b.Context(), local.Options{Store: s, Source: src, Analyze: analyze, JSON: true}); !errors.Is(err, context.Canceled) {
					b.Fatal(err)
				}
				n += 1000
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/event")
			if err := s.Close(); err != nil {
				b.Error(err)
			}
		})
	}
}
