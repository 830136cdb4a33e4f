//go:build linux || windows

package syscheck_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/agent/syscheck"
	"github.com/yagura-hids/yagura/internal/event"
	words "github.com/yagura-hids/yagura/internal/syscheck"
)

// running is a Syscheck at work, and what it told so far.
type running struct {
	*host
	check *syscheck.Syscheck
	stop  func()
	told  []words.Change
}

// run starts a Syscheck whose directories are watched as it happens, once all that is there is known.
func (h *host) run() *running {
	h.t.Helper()
	h.scan()
	for i := range h.conf.Directories {
		h.conf.Directories[i].Realtime = true
	}
	h.conf.Schedule = syscheck.Schedule{Every: time.Hour, At: -1}
	return h.start()
}

func (h *host) start() *running {
	h.t.Helper()
	r := &running{host: h, check: h.new()}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.check.Run(ctx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			h.t.Errorf("ended with %v", err)
		}
		r.collect()
	})
	h.t.Cleanup(r.stop)
	r.await("the watch", func() bool { // of which nothing is told: a file that comes and goes until it is noticed
		h.write("probe", "x")
		return slices.ContainsFunc(r.told, func(c words.Change) bool { return filepath.Base(c.Path) == "probe" })
	})
	h.must(os.Remove(h.path("probe")))
	r.await("its end", func() bool { return r.told[len(r.told)-1].Type == words.Deleted })
	r.told = nil
	return r
}

// collect takes what is in the spool.
func (r *running) collect() {
	for _, ev := range r.take() {
		c, err := words.Parse(ev.Text)
		if ev.Kind == event.Syscheck && err == nil && c.Type != words.DigestsType {
			r.told = append(r.told, c)
		}
	}
}

func (r *running) await(what string, cond func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if r.collect(); cond() {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("%s: told %q; %q", what, r.lines(), r.reports())
		}
	}
}

func (r *running) lines() (list []string) {
	for _, c := range r.told {
		line := c.Type + " "
		if c.From != "" {
			line += r.name(c.From) + " > "
		}
		list = append(list, line+r.name(c.Path))
	}
	return list
}

func TestLive(t *testing.T) {
	h := newHost(t)
	h.speed = 10
	h.write("a", "one\n")
	h.write("d/b", "two\n")
	h.conf.Directories[0].ReportChanges = true
	r := h.run()
	h.write("a", "one\nmore\n")
	h.must(os.Rename(h.path("d"), h.path("e")))
	h.write("new", "three\n")
	r.await("three changes", func() bool { return len(r.told) == 3 })
	got := r.lines()
	slices.Sort(got)
	if want := []string{"added new", "modified a", "moved d/b > e/b"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	for _, c := range r.told {
		if !c.Live {
			t.Errorf("%s %s isn't live", c.Type, c.Path)
		}
		if c.Type == words.Modified && c.Diff != "@@ -1,0 +2 @@\n+more\n" {
			t.Errorf("%q", c.Diff)
		}
	}
}

// TestLiveNotMissedAtStart changes a file while the agent is away, and at once when it is back.
func TestLiveNotMissedAtStart(t *testing.T) {
	h := newHost(t)
	h.speed = 10
	h.write("a", "one")
	r := h.run()
	r.stop()
	h.write("a", "two")
	h.conf.Schedule = syscheck.Schedule{Every: time.Nanosecond, At: -1}
	r = h.start()
	h.write("b", "x")
	r.await("both", func() bool { return len(r.told) >= 1 && slices.Contains(r.lines(), "added b") })
}

// TestLiveAndScan has writers do what they like while changes are told as they happen and one scan follows the other. Who applies what is told
// comes to what is there, and each change follows from the one before: nothing was missed, told twice or invented.
func TestLiveAndScan(t *testing.T) {
	h := newHost(t)
	out := tempDir(t)
	r := h.run()
	var wg sync.WaitGroup
	for w := range 2 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(uint64(w), 7))
			for range 8000 {
				anything(random, h.dir, out)
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for working := true; working; {
		select {
		case <-done:
			working = false
		default:
		}
		if _, err := r.check.Scan(context.Background(), true); err != nil {
			t.Fatal(err)
		}
	}
	server := map[string]words.Record{}
	applied := 0
	r.await("all as it is", func() bool {
		for ; applied < len(r.told); applied++ {
			if err := follow(server, r.told[applied]); err != nil {
				t.Fatalf("change %d: %v", applied, err)
			}
		}
		return maps.Equal(server, h.records())
	})
	t.Logf("%d changes", applied)
	r.told = nil
	if _, err := r.check.Scan(context.Background(), true); err != nil {
		t.Fatal(err)
	}
	if r.collect(); len(r.told) > 0 {
		t.Errorf("a scan finds %q after all was told", r.lines())
	}
}

// follow does what a change tells, as a server does, and checks that it fits what was told before.
func follow(server map[string]words.Record, c words.Change) error {
	at := c.Path
	if c.Type == words.Moved {
		at = c.From
	}
	before, known := server[at]
	switch {
	case c.Type == words.Added && known:
		return fmt.Errorf("%s added, and was there", at)
	case c.Type != words.Added && !known:
		return fmt.Errorf("%s %s, and wasn't there", at, c.Type)
	case c.Type != words.Added && before.SHA256 != c.Before.SHA256:
		return fmt.Errorf("%s %s, and was another one before: %+v, told %+v", at, c.Type, before, *c.Before)
	case c.Type == words.Modified && same(before, *c.After):
		return fmt.Errorf("%s modified, and is the same", at)
	}
	if _, ok := server[c.From]; c.From != "" && !ok {
		return errors.New(c.From + " moved, and wasn't there")
	}
	delete(server, c.From)
	delete(server, c.Path)
	if c.After != nil {
		server[c.Path] = comparable(*c.After)
	}
	return nil
}

func same(a, b words.Record) bool { return comparable(a) == comparable(b) }

// comparable leaves what the tests compare.
func comparable(r words.Record) words.Record {
	return words.Record{Size: r.Size, Mode: r.Mode, SHA256: r.SHA256, MTime: r.MTime.UTC()}
}

// records returns what a scan of a fresh agent tells of the tree.
func (h *host) records() map[string]words.Record {
	h.t.Helper()
	fresh := &host{t: h.t, dir: h.dir, conf: h.conf, spool: openSpool(h.t, filepath.Join(tempDir(h.t), "agent.db"), "other")}
	list := map[string]words.Record{}
	for _, ev := range fresh.scan() {
		if c, err := words.Parse(ev.Text); err == nil && ev.Kind == event.Syscheck && c.Type == words.Baseline {
			list[c.Path] = comparable(*c.After)
		}
	}
	return list
}
