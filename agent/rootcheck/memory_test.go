//go:build unix

package rootcheck_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/yagura-hids/yagura/agent/rootcheck"
	"github.com/yagura-hids/yagura/agent/spool"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/rules"
)

// host is a host whose clock moves only as Run waits, and that can be restarted.
type host struct {
	t     *testing.T
	path  string
	conf  rootcheck.Config
	clock clock
	looks int // at the clock, after which the agent is stopped; 0 for never
	check *rootcheck.Rootcheck
}

func newHost(t *testing.T) *host {
	h := &host{t: t, path: filepath.Join(t.TempDir(), "agent.db"), conf: only(rootcheck.Dev, t.TempDir())}
	h.clock.at = time.Unix(1_800_000_000, 0).UTC()
	h.conf.Every = time.Hour
	write(t, h.conf.Base+"/dev/keep/x", "x")
	return h
}

// life runs an agent from its start until it has waited so many times for the next check, and returns the texts of the events.
func (h *host) life(waits int) (texts []string) {
	h.t.Helper()
	s, err := spool.Open(h.path, spool.Options{Agent: "web1", Random: bytes.NewReader(make([]byte, 64)), Gather: -1})
	if err != nil {
		h.t.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithCancel(context.Background())
	h.check, err = rootcheck.New(h.conf, rootcheck.Options{
		Spool: s, Databases: rules.Rootcheck,
		Now: func() time.Time {
			if h.looks--; h.looks == 0 {
				cancel()
			}
			return h.clock.now()
		},
		After: func(d time.Duration) <-chan time.Time {
			if waits--; waits <= 0 {
				cancel()
				return nil
			}
			return h.clock.after(d)
		},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	if err := h.check.Run(ctx); !errors.Is(err, context.Canceled) {
		h.t.Fatal(err)
	}
	for s.Stats().Events > 0 {
		run, err := s.Next(context.Background())
		if err != nil {
			h.t.Fatal(err)
		}
		for _, ev := range run.Events {
			if ev.Kind != event.Rootcheck || ev.Location != "rootcheck" {
				h.t.Errorf("%+v", ev)
			}
			texts = append(texts, ev.Text)
		}
		if err := s.Sent(run); err != nil {
			h.t.Fatal(err)
		}
	}
	return texts
}

func (h *host) found(name string) string {
	return sprint("File '%s/dev/%s' present on /dev. Possible hidden file.", h.conf.Base, name)
}

const (
	starting = "Starting rootcheck scan."
	ending   = "Ending rootcheck scan."
)

// TestToldOnce: a finding is told once, over checks and restarts; again after two whole checks without it.
func TestToldOnce(t *testing.T) {
	h := newHost(t)
	expect := func(got []string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	file := write(t, h.conf.Base+"/dev/x", "x")
	expect(h.life(1), starting, h.found("keep/x"), h.found("x"), ending)
	expect(h.life(1)) // the next one isn't due
	expect(h.life(2), starting, ending)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	expect(h.life(2), starting, ending)
	write(t, file, "back after one check: it may have been out of sight only")
	expect(h.life(2), starting, ending)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	expect(h.life(2), starting, ending)
	if n := h.check.Stats().Known; n != 2 {
		t.Errorf("%d known", n)
	}
	expect(h.life(2), starting, ending)
	if n := h.check.Stats().Known; n != 1 {
		t.Errorf("%d known", n)
	}
	write(t, file, "back")
	expect(h.life(2), starting, h.found("x"), ending)
}

// TestCutShort stops a check at every place where it rests: with the one after it, each finding is told once.
func TestCutShort(t *testing.T) {
	for stop := 1; stop < 400; stop += 40 {
		h := newHost(t)
		want := map[string]int{h.found("keep/x"): 1}
		for i := range 300 {
			write(t, sprint("%s/dev/%d", h.conf.Base, i), "x")
			want[h.found(sprint("%d", i))] = 1
		}
		h.looks = stop
		got := map[string]int{}
		for range 2 {
			for _, text := range h.life(1) {
				if text != starting && text != ending {
					got[text]++
				}
			}
			h.looks = 0
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("stopped at %d: %s", stop, diff)
		}
	}
}

// TestScheduleOutlivesRestart: the next check is due from the end of the last one, whatever happens between; a clock that was set back
// delays it by no more than one interval.
func TestScheduleOutlivesRestart(t *testing.T) {
	h := newHost(t)
	h.life(1)
	ended := h.clock.at
	h.clock.at = ended.Add(40 * time.Minute)
	h.life(1)
	if st := h.check.Stats(); !st.Next.Equal(ended.Add(time.Hour)) || !st.Ended.Equal(ended) {
		t.Errorf("%+v, ended %s", st, ended)
	}
	h.clock.at = ended.Add(-1000 * time.Hour)
	h.life(1)
	if st := h.check.Stats(); st.Next.After(h.clock.at.Add(time.Hour)) {
		t.Errorf("%+v, now %s", st, h.clock.at)
	}
	h.clock.at = ended.Add(2 * time.Hour)
	if got := h.life(1); len(got) != 2 {
		t.Errorf("overdue: %q", got)
	}
}

func TestDisabled(t *testing.T) {
	r, err := rootcheck.New(rootcheck.Config{Disabled: true}, rootcheck.Options{Databases: rules.Rootcheck})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Run(context.Background()); err != nil {
		t.Error(err)
	}
}

// TestPace: a check in the background rests for four fifths of the time.
func TestPace(t *testing.T) {
	h := newHost(t)
	for i := range 200 {
		write(t, sprint("%s/dev/d%d/x", h.conf.Base, i), "x")
	}
	s, err := spool.Open(h.path, spool.Options{Agent: "web1", Random: bytes.NewReader(make([]byte, 64)), Gather: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithCancel(context.Background())
	began, rested := h.clock.at, time.Duration(0)
	r, err := rootcheck.New(h.conf, rootcheck.Options{
		Spool: s, Databases: rules.Rootcheck,
		Now: func() time.Time { h.clock.at = h.clock.at.Add(time.Millisecond); return h.clock.at }, // each look at it takes that long
		After: func(d time.Duration) <-chan time.Time {
			if d > 10*time.Minute {
				cancel() // the check has ended
				return nil
			}
			rested += d
			return h.clock.after(d)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if share := float64(rested) / float64(h.clock.at.Sub(began)); share < 0.7 || share > 0.8 {
		t.Errorf("rested for %.2f of the time", share)
	}
}
