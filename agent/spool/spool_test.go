package spool_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/yagura-hids/yagura/agent/spool"
	"github.com/yagura-hids/yagura/internal/event"
)

var (
	ctx   = context.Background()
	clock = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
)

func options() spool.Options {
	return spool.Options{Agent: "web1", Gather: -1, Random: bytes.NewReader(bytes.Repeat([]byte{1, 2, 3, 4, 5, 6, 7, 8}, 100)), Now: func() time.Time { return clock }}
}

func open(t testing.TB, path string, o spool.Options) *spool.Spool {
	t.Helper()
	s, err := spool.Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func file(t testing.TB) string { return filepath.Join(t.TempDir(), "agent.db") }

func logs(texts ...string) (events []*event.Event) {
	for _, text := range texts {
		events = append(events, &event.Event{Location: "/var/log/x", Text: text, Time: clock})
	}
	return events
}

// failer is a test, or one of rapid's.
type failer interface {
	Helper()
	Fatal(args ...any)
}

func keep(t failer, s *spool.Spool, events []*event.Event) {
	t.Helper()
	if err := s.Keep(ctx, events, nil); err != nil {
		t.Fatal(err)
	}
}

// next returns the next run and its texts.
func next(t failer, s *spool.Spool) (*spool.Run, []string) {
	t.Helper()
	c, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	run, err := s.Next(c)
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, ev := range run.Events {
		texts = append(texts, ev.Text)
	}
	return run, texts
}

func sent(t failer, s *spool.Spool, run *spool.Run) {
	t.Helper()
	if err := s.Sent(run); err != nil {
		t.Fatal(err)
	}
}

func equal(t testing.TB, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestKeepNextSent(t *testing.T) {
	path := file(t)
	s := open(t, path, options())
	keep(t, s, logs("a", "b"))
	run, texts := next(t, s)
	equal(t, texts, "a", "b")
	for i, ev := range run.Events {
		if want := (event.ID{Agent: "web1", Epoch: s.Epoch(), Seq: uint64(i + 1)}); ev.ID != want || !ev.Time.Equal(clock) || ev.Location != "/var/log/x" {
			t.Errorf("%+v, want id %v", ev, want)
		}
	}
	_, texts = next(t, s)
	equal(t, texts, "a", "b") // until it's said that they were sent
	sent(t, s, run)
	keep(t, s, logs("c"))
	run, texts = next(t, s)
	equal(t, texts, "c")
	if run.Events[0].ID.Seq != 3 || s.Stats().Events != 1 {
		t.Errorf("number %d, stats %+v", run.Events[0].ID.Seq, s.Stats())
	}
	sent(t, s, run)
	if st := s.Stats(); st.Events != 0 || st.Bytes != 0 || st.Lost.Events != 0 {
		t.Errorf("%+v", st)
	}
}

func TestReopen(t *testing.T) {
	path := file(t)
	s := open(t, path, options())
	keep(t, s, logs("a"))
	next(t, s)
	keep(t, s, logs("b"))
	epoch := s.Epoch()
	s.Close()

	s = open(t, path, options())
	run, texts := next(t, s)
	equal(t, texts, "a", "b")
	if s.Epoch() != epoch || run.Events[1].ID.Seq != 2 {
		t.Errorf("epoch %d, was %d; number %d", s.Epoch(), epoch, run.Events[1].ID.Seq)
	}
	sent(t, s, run)
	s.Close()
	s = open(t, path, options())
	keep(t, s, logs("c"))
	run, _ = next(t, s)
	if run.Events[0].ID.Seq != 3 {
		t.Errorf("number %d was given before", run.Events[0].ID.Seq)
	}
}

func TestRemember(t *testing.T) {
	s := open(t, file(t), options())
	bad := errors.New("bad")
	put := func(err error) func(tx *bolt.Tx) error {
		return func(tx *bolt.Tx) error {
			b, e := tx.CreateBucketIfNotExists([]byte("logs"))
			return errors.Join(e, b.Put([]byte("at"), []byte("7")), err)
		}
	}
	if err := s.Keep(ctx, logs("a"), put(bad)); !errors.Is(err, bad) {
		t.Errorf("got %v", err)
	}
	seen := func() (v string) {
		s.View(func(tx *bolt.Tx) error {
			if b := tx.Bucket([]byte("logs")); b != nil {
				v = string(b.Get([]byte("at")))
			}
			return nil
		})
		return v
	}
	if s.Stats().Events != 0 || seen() != "" {
		t.Error("half of it was kept")
	}
	if err := s.Keep(ctx, logs("b"), put(nil)); err != nil || seen() != "7" {
		t.Errorf("%v, remembered %q", err, seen())
	}
	if run, texts := next(t, s); texts[0] != "b" || run.Events[0].ID.Seq != 1 {
		t.Errorf("%v", run.Events[0])
	}
}

// filler is n bytes of text that take about half as many on disk.
func filler(n int) string {
	var b strings.Builder
	for i := range n / 8 {
		fmt.Fprintf(&b, "%08x", uint32(i)*2654435761)
	}
	return b.String()
}

func TestFull(t *testing.T) {
	o := options()
	o.MaxBytes = 14_000
	s := open(t, file(t), o)
	var all int
	one := func(kind event.Kind, name string) {
		t.Helper()
		all++
		keep(t, s, []*event.Event{{Kind: kind, Location: "x", Time: clock.Add(time.Duration(all) * time.Second), Text: name + filler(8_000)}})
	}
	one(event.Syscheck, "s1")
	one(event.Log, "l1")
	one(event.Command, "c1")
	one(event.Log, "l2")
	one(event.Log, "l3") // no room: c1 goes, then l1
	one(event.Log, "l4") // …
	st := s.Stats()
	if st.Bytes > o.MaxBytes || st.Lost.Events+st.Events != uint64(all) {
		t.Errorf("%+v of %d", st, all)
	}
	run, texts := next(t, s)
	var names []string
	for _, text := range texts {
		names = append(names, text[:2])
	}
	equal(t, names, "s1", "l3", "l4", "os")
	if t.Failed() {
		return
	}
	want := fmt.Sprintf("ossec: Agent spool full: 3 events lost, 3 since %s (1 command, 2 log)", clock.Add(2*time.Second).Format(time.RFC3339))
	if texts[3] != want || run.Dropped != 3 || run.Events[3].Kind != event.AgentState {
		t.Errorf("%d, told:\n%s\nwant:\n%s", run.Dropped, texts[3], want)
	}
	sent(t, s, run)
	one(event.Log, "l5")
	if _, texts = next(t, s); len(texts) != 1 {
		t.Errorf("told again: %q", texts[1:])
	}
}

// What may have been sent isn't dropped: it would be counted as lost and arrive.
func TestFullUnderway(t *testing.T) {
	o := options()
	o.MaxBytes = 5_000
	path := file(t)
	s := open(t, path, o)
	keep(t, s, logs("a"+filler(8_000)))
	next(t, s)
	s.Close()
	s = open(t, path, o) // killed before the answer came
	for range 3 {
		keep(t, s, logs("b"+filler(8_000)))
	}
	if st := s.Stats(); st.Events != 1 || st.Lost.Events != 3 {
		t.Errorf("%+v", st)
	}
	_, texts := next(t, s)
	if texts[0][:1] != "a" {
		t.Errorf("got %.1q", texts[0])
	}
}

func TestClone(t *testing.T) {
	path := file(t)
	o := options()
	s := open(t, path, o)
	keep(t, s, logs("of the image"))
	first := s.Epoch()
	s.Close()

	var told []string
	o.Agent, o.Random = "web2", bytes.NewReader([]byte("abcdefgh"))
	o.Report = func(msg string) { told = append(told, msg) }
	s = open(t, path, o)
	keep(t, s, logs("own"))
	run, texts := next(t, s)
	equal(t, texts, "own")
	if run.Events[0].ID.Agent != "web2" || run.Events[0].ID.Seq != 1 || s.Epoch() == first || len(told) != 1 {
		t.Errorf("%v, epoch %d was %d, told %q", run.Events[0].ID, s.Epoch(), first, told)
	}
}

func TestInUse(t *testing.T) {
	path := file(t)
	open(t, path, options())
	if _, err := spool.Open(path, options()); !errors.Is(err, spool.ErrInUse) {
		t.Errorf("got %v", err)
	}
}

func TestDamagedFile(t *testing.T) {
	path := file(t)
	if err := os.WriteFile(path, bytes.Repeat([]byte("no database "), 5000), 0o600); err != nil {
		t.Fatal(err)
	}
	var told []string
	o := options()
	o.Report = func(msg string) { told = append(told, msg) }
	s := open(t, path, o)
	keep(t, s, logs("a"))
	aside, _ := filepath.Glob(path + ".damaged-*")
	if len(told) != 1 || !strings.Contains(told[0], "what it held and had not sent is lost") || len(aside) != 1 {
		t.Errorf("told %q, aside %q", told, aside)
	}
}

func TestDamagedBlock(t *testing.T) {
	path := file(t)
	s := open(t, path, options())
	keep(t, s, logs("a", "b"))
	keep(t, s, logs("c"))
	s.Close()
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		b := tx.Bucket([]byte("blocks"))
		k := binary.BigEndian.AppendUint64(nil, 1)
		v := bytes.Clone(b.Get(k))
		v[len(v)-3] ^= 0xff
		return b.Put(k, v)
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	s = open(t, path, options())
	run, texts := next(t, s)
	equal(t, texts, "c")
	sent(t, s, run)
	_, texts = next(t, s)
	if len(texts) != 1 || !strings.Contains(texts[0], "2 events lost") || !strings.Contains(texts[0], "2 damaged") {
		t.Errorf("told %q", texts)
	}
}

// What strangers wrote is made fit to be sent.
func TestFit(t *testing.T) {
	s := open(t, file(t), options())
	keep(t, s, []*event.Event{{Location: "a\xff" + strings.Repeat("é", 5000), Text: "x\xff" + strings.Repeat("y", event.MaxText)}, {Location: "b"}})
	run, _ := next(t, s)
	ev := run.Events[0]
	if len(ev.Text) > event.MaxText || !ev.Cut || !strings.HasPrefix(ev.Text, "x\uFFFDy") || len(ev.Location) > 8<<10 || !ev.Time.Equal(clock) {
		t.Errorf("%d %v %d %v", len(ev.Text), ev.Cut, len(ev.Location), ev.Time)
	}
}

func TestGather(t *testing.T) {
	wake := make(chan time.Time)
	asked := make(chan time.Duration, 10)
	o := options()
	o.Gather = time.Minute
	o.After = func(d time.Duration) <-chan time.Time { asked <- d; return wake }
	s := open(t, file(t), o)
	keep(t, s, logs("a"))
	got := make(chan []string)
	go func() { _, texts := next(t, s); got <- texts }()
	if d := <-asked; d != time.Minute {
		t.Errorf("waits %v", d)
	}
	keep(t, s, logs("b"))
	wake <- clock
	equal(t, <-got, "a", "b")
}

func TestNextEnds(t *testing.T) {
	s := open(t, file(t), options())
	c, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := s.Next(c); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// Noise, of which nothing can be packed, is kept, too.
func TestNoise(t *testing.T) {
	s := open(t, file(t), options())
	noise := rand.New(rand.NewPCG(1, 2))
	var events []*event.Event
	for range 40 {
		var b strings.Builder
		for b.Len() < event.MaxText-4 {
			b.WriteRune(rune(0x20 + noise.IntN(0x700)))
		}
		events = append(events, &event.Event{Text: b.String(), Location: fmt.Sprint("/", b.String()[:8000]), Time: clock})
	}
	keep(t, s, events)
	got := 0
	for s.Stats().Events > 0 {
		run, texts := next(t, s)
		for _, text := range texts {
			if text != events[got].Text {
				t.Fatalf("event %d is another one", got)
			}
			got++
		}
		sent(t, s, run)
	}
	if got != len(events) {
		t.Errorf("%d of %d", got, len(events))
	}
}
