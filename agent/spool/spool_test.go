package spool_test

import (
	"bytes"
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/agent/spool"
	"github.com/yagura-hids/yagura/internal/event"
)

func open(t *testing.T, path string, o spool.Options) *spool.Spool {
	t.Helper()
	if o.Agent == "" {
		o.Agent = "web1"
	}
	if o.Random == nil {
		o.Random = bytes.NewReader(make([]byte, 1024))
	}
	if o.Gather == 0 {
		o.Gather = -1
	}
	s, err := spool.Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func logs(texts ...string) (events []*event.Event) {
	for _, text := range texts {
		events = append(events, &event.Event{Location: "/var/log/x", Text: text, Time: time.Unix(1_800_000_000, 0).UTC()})
	}
	return events
}

func TestKeepNextSent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.db")
	s := open(t, path, spool.Options{})
	if err := s.Keep(context.Background(), logs("a", "b"), nil); err != nil {
		t.Fatal(err)
	}
	run, err := s.Next(context.Background())
	if err != nil || len(run.Events) != 2 || run.Events[1].Text != "b" || run.Events[1].ID.Seq != 2 {
		t.Fatalf("%+v, %v", run, err)
	}
	if err := s.Sent(run); err != nil || s.Stats().Events != 0 {
		t.Fatalf("%+v, %v", s.Stats(), err)
	}
}
