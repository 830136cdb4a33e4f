package spool_test

import (
	"fmt"
	"testing"

	"github.com/yagura-hids/yagura/internal/event"
)

// BenchmarkKeep keeps, hands out and forgets lines as a busy collector and a sender do.
func BenchmarkKeep(b *testing.B) {
	for _, group := range []int{25, 1000, 4096} {
		b.Run(fmt.Sprint(group), func(b *testing.B) {
			o := options()
			s := open(b, file(b), o)
			n := 0
			for b.Loop() {
				var events []*event.Event
				for range group {
					n++
					events = append(events, &event.Event{Time: clock, Location: "/var/log/auth.log", Text: fmt.Sprintf(
						"Nov 24 12:00:00 web1 sshd[%d]: Failed password for invalid user admin%d from 198.51.100.%d port %d ssh2", n%9000, n%17, n%250, 1024+n%60000)})
				}
				keep(b, s, events)
				if s.Stats().Bytes > 1<<20 {
					run, _ := next(b, s)
					sent(b, s, run)
				}
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "lines/s")
		})
	}
}
