// Package statetest holds what every analysis.State must do, as tests that its implementers run.
//
//	statetest.Run(t, func() analysis.State { return analysis.NewMemory(0) })
package statetest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/yagura-hids/yagura/internal/analysis"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/rule"
)

// Run tests a State. open returns an empty one that remembers at least 2000 events; it is called once a test.
func Run(t *testing.T, open func() analysis.State) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, analysis.State){
		"an empty state knows nothing": empty, "histories are oldest first": order, "an entry stands under each of its keys": keys,
		"a rule's history is bounded": bounded, "marks stay": marks, "notes": notes, "fields come back": fields,
	} {
		t.Run(name, func(t *testing.T) { test(t, open()) })
	}
}

func remember(t *testing.T, s analysis.State, seq uint64, keys ...string) {
	t.Helper()
	e := &analysis.Entry{Keys: keys, Event: event.ID{Agent: "a", Epoch: 1, Seq: seq}, Time: 1_000_000 + int64(seq)}
	if err := s.Remember(e); err != nil {
		t.Fatal(err)
	}
}

func history(t *testing.T, s analysis.State, key string) []*analysis.Entry {
	t.Helper()
	list, err := s.History(key)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// seqs shows a history as the Seq of its events.
func seqs(t *testing.T, s analysis.State, key string) []uint64 {
	t.Helper()
	var list []uint64
	for _, e := range history(t, s, key) {
		list = append(list, e.Event.Seq)
	}
	return list
}

func want(t *testing.T, s analysis.State, key string, want ...uint64) {
	t.Helper()
	if got := seqs(t, s, key); !slices.Equal(got, want) {
		t.Errorf("history %s: events %v, want %v", key, got, want)
	}
}

func empty(t *testing.T, s analysis.State) {
	want(t, s, "sid/1")
	if n, ok, err := s.Note("x"); ok || err != nil || n != (analysis.Note{}) {
		t.Errorf("an unknown note: %+v, %t, %v", n, ok, err)
	}
}

func order(t *testing.T, s analysis.State) {
	for seq := range uint64(5) {
		remember(t, s, seq, "group/1")
	}
	want(t, s, "group/1", 0, 1, 2, 3, 4)
	last := uint64(0)
	for _, e := range history(t, s, "group/1") {
		if e.Number <= last {
			t.Errorf("event %d has number %d, not above %d", e.Event.Seq, e.Number, last)
		}
		last = e.Number
	}
}

func keys(t *testing.T, s analysis.State) {
	remember(t, s, 1, "sid/1", rule.Events)
	remember(t, s, 2, "group/7", "group/7", "group/8", rule.Events)
	remember(t, s, 3, "sid/2")
	want(t, s, "sid/1", 1)
	want(t, s, "sid/2", 3)
	want(t, s, "group/7", 2, 2)
	want(t, s, "group/8", 2)
	want(t, s, rule.Events, 1, 2)
}

func bounded(t *testing.T, s analysis.State) {
	for seq := range uint64(300) {
		remember(t, s, seq, "sid/1", "group/1")
	}
	if got := seqs(t, s, "sid/1"); len(got) != 128 || got[0] != 300-128 || got[127] != 299 {
		t.Errorf("a rule's history holds %d events, %v; want the last 128 of 300", len(got), got)
	}
	if got := seqs(t, s, "group/1"); len(got) != 300 {
		t.Errorf("a group's history holds %d events, want all 300", len(got))
	}
}

func marks(t *testing.T, s analysis.State) {
	for seq := range uint64(3) {
		remember(t, s, seq, "sid/1", "group/1")
	}
	e := history(t, s, "sid/1")[1]
	number := e.Number
	e.Level = 10
	if err := s.Remember(e); err != nil {
		t.Fatal(err)
	}
	want(t, s, "sid/1", 0, 1, 2)
	for _, key := range []string{"sid/1", "group/1"} {
		for i, e := range history(t, s, key) {
			if marked := e.Level == 10; marked != (i == 1) {
				t.Errorf("%s: event %d has level %d", key, i, e.Level)
			}
		}
	}
	if got := history(t, s, "sid/1")[1].Number; got != number {
		t.Errorf("a mark changed an entry's number from %d to %d", number, got)
	}
}

func notes(t *testing.T, s analysis.State) {
	set := func(key string, n analysis.Note) {
		t.Helper()
		if err := s.SetNote(key, n); err != nil {
			t.Fatal(err)
		}
		if got, ok, err := s.Note(key); !ok || err != nil || got != n {
			t.Errorf("note %q: %+v, %t, %v; want %+v", key, got, ok, err, n)
		}
	}
	set("a", analysis.Note{Time: 5, Event: event.ID{Agent: "a", Epoch: 9, Seq: 3}, Count: 2, Text: "text\x00\xff", Until: 0})
	set("a", analysis.Note{Time: 6})
	set("key with spaces / and \xff bytes", analysis.Note{Text: "x"})
	for i := range 1000 { // those whose time is over may go, the others stay
		set(fmt.Sprintf("mortal/%d", i), analysis.Note{Time: 1000, Until: 1000 + int64(i%2)*1000 - 500})
	}
	for i := 1; i < 1000; i += 2 {
		if _, ok, err := s.Note(fmt.Sprintf("mortal/%d", i)); !ok || err != nil {
			t.Fatalf("note mortal/%d is gone before its time: %v", i, err)
		}
	}
	if n, ok, err := s.Note("a"); !ok || err != nil || n.Time != 6 {
		t.Errorf("a note without end is gone: %+v, %t, %v", n, ok, err)
	}
}

func fields(t *testing.T, s analysis.State) {
	put := &analysis.Entry{
		Keys: []string{"sid/1"}, Event: event.ID{Agent: "a", Epoch: 1, Seq: 1}, Time: 7, Level: 3, Category: event.CategoryIDS, Hostname: "h",
		Fields: []event.Dynamic{{Name: "srcip", Value: "192.0.2.1"}, {Name: "url", Value: ""}}, Log: "log \xff", FullLog: "full log",
	}
	if err := s.Remember(put); err != nil {
		t.Fatal(err)
	}
	got := history(t, s, "sid/1")[0]
	if got.Time != 7 || got.Level != 3 || got.Category != event.CategoryIDS || got.Hostname != "h" || got.FullLog != "full log" {
		t.Errorf("remembered %+v, want %+v", got, put)
	}
	if v, ok := got.Field("srcip"); !ok || v != "192.0.2.1" {
		t.Errorf("srcip is %q, %t", v, ok)
	}
	if v, ok := got.Field("url"); !ok || v != "" {
		t.Errorf("an empty field is %q, %t; want it there", v, ok)
	}
	if _, ok := got.Field("dstip"); ok {
		t.Error("a field that the event hadn't is there")
	}
}
