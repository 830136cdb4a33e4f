package spool_test

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"github.com/yagura-hids/yagura/agent/spool"
	"github.com/yagura-hids/yagura/internal/event"
)

// Whatever happens to a spool that is too small, each number that was given is either received, with the text it was given to, or counted as lost.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "spool")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		o := options()
		o.MaxBytes = rapid.Int64Range(1_000, 40_000).Draw(t, "room")
		path := filepath.Join(dir, "agent.db")
		s, err := spool.Open(path, o)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { s.Close() }()
		w := &world{given: map[string]string{}, received: map[uint64]string{}}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"keep", "keep", "keep", "next", "sent", "kill"}).Draw(t, "step") {
			case "keep":
				w.keep(t, s)
			case "next":
				w.next(t, s, false)
			case "sent":
				w.next(t, s, true)
			case "kill":
				s.Close()
				if s, err = spool.Open(path, o); err != nil {
					t.Fatal(err)
				}
			}
		}
		for s.Stats().Events > 0 || w.told != s.Stats().Lost.Events {
			w.next(t, s, true)
		}
		if lost := s.Stats().Lost.Events; uint64(len(w.received))+lost != w.last {
			t.Fatalf("%d numbers were given, %d received, %d told as lost", w.last, len(w.received), lost)
		}
	})
}

type world struct {
	given    map[string]string // the agents of the texts
	received map[uint64]string
	last     uint64 // the highest number seen
	told     uint64
}

func (w *world) keep(t *rapid.T, s *spool.Spool) {
	var events []*event.Event
	for range rapid.IntRange(0, 4).Draw(t, "events") {
		agent := rapid.SampledFrom([]string{"", "web/a", "web/b"}).Draw(t, "agent")
		ev := &event.Event{
			ID: event.ID{Agent: agent}, Kind: event.Kind(rapid.IntRange(0, 3).Draw(t, "kind")), Location: "x", Time: clock,
			Text: fmt.Sprintf("%d ", len(w.given)) + filler(rapid.SampledFrom([]int{0, 100, 5_000}).Draw(t, "size")),
		}
		w.given[ev.Text] = cmp.Or(agent, s.Agent())
		events = append(events, ev)
	}
	keep(t, s, events)
	for _, ev := range events {
		w.last = max(w.last, ev.ID.Seq)
	}
}

func (w *world) next(t *rapid.T, s *spool.Spool, done bool) {
	if s.Stats().Events == 0 && w.told == s.Stats().Lost.Events {
		return
	}
	run, texts := next(t, s)
	for i, ev := range run.Events {
		var since, all uint64
		if n, _ := fmt.Sscanf(texts[i], "ossec: Agent spool full: %d events lost, %d since", &since, &all); n == 2 {
			w.told = all
		} else if ev.ID.Agent != w.given[texts[i]] || ev.Location != "x" {
			t.Fatalf("invented: %s at %q: %.60q", ev.ID, ev.Location, texts[i])
		}
		if was, ok := w.received[ev.ID.Seq]; ok && was != texts[i] {
			t.Fatalf("number %d is %.60q and %.60q", ev.ID.Seq, was, texts[i])
		}
		w.received[ev.ID.Seq] = texts[i]
		w.last = max(w.last, ev.ID.Seq)
	}
	if done {
		sent(t, s, run)
	}
}
