package functions_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/internal/event"
)

// One source tries two passwords on each of forty hosts, whose records lie in two shards and are judged by four functions at once. The composite
// rule fires as often as on a single server, and each try has one alert.
func TestBruteForceAcrossHosts(t *testing.T) {
	var first, second []*event.Event
	start := time.Date(2026, 11, 20, 3, 0, 0, 0, time.UTC)
	for n := range 80 {
		at := start.Add(time.Duration(n) * time.Second)
		ev := &event.Event{
			ID: event.ID{Agent: fmt.Sprint("web", n%40), Epoch: 1, Seq: uint64(1 + n/40)}, Time: at, Location: "/var/log/auth.log",
			Text: fmt.Sprintf("%s web%d sshd[7]: Failed password for root from 198.51.100.7 port %d ssh2", at.Format(time.Stamp), n%40, 1024+n),
		}
		if n < 40 {
			first = append(first, ev)
		} else {
			second = append(second, ev)
		}
	}
	want := byRule(t, onServer(t, perSource, slices.Concat(first, second)))
	p := up(t, pathOptions{rules: overlay(t, perSource), parameters: map[string]string{"Parallelization": "2", "BatchSize": "5", "BatchSeconds": "0"}})
	s := newSender(t, p)
	for _, tries := range [][]*event.Event{first, second} {
		var all sync.WaitGroup
		for _, ev := range tries {
			all.Go(func() {
				if err := s.put(t.Context(), ev.ID.Agent, encode(t, ev.ID.Agent, []*event.Event{ev})); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	}
	p.drain(t)
	alerts := stored(t, p.table())
	if got := byRule(t, alerts); got[5720] != want[5720] || len(alerts) != 80 || want[5720] < 5 {
		t.Errorf("alerts by rule: %v, on a single server %v", got, want)
	}
}

// byRule counts alerts.
func byRule(t testing.TB, alerts map[string]string) map[int]int {
	t.Helper()
	counts := map[int]int{}
	for _, text := range alerts {
		var a event.Alert
		if err := json.Unmarshal([]byte(text), &a); err != nil {
			t.Fatal(err)
		}
		counts[a.Rule.ID]++
	}
	return counts
}
