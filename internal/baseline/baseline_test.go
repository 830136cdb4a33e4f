package baseline_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"

	"github.com/yagura-hids/yagura/internal/baseline"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/fleet"
	"github.com/yagura-hids/yagura/internal/syscheck"
	"github.com/yagura-hids/yagura/internal/table"
	"github.com/yagura-hids/yagura/internal/table/bolt"
)

var start = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func open(t testing.TB) table.Table {
	t.Helper()
	db, err := bbolt.Open(filepath.Join(t.TempDir(), "t.db"), 0o600, &bbolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return bolt.New(db)
}

// server judges what agents send, as a function does.
type server struct {
	t     testing.TB
	table table.Table
	k     *baseline.Keeper
	opts  baseline.Options
	asks  []baseline.Ask
	now   time.Time
}

func newServer(t testing.TB, tab table.Table) *server {
	s := &server{t: t, table: tab, now: start}
	s.opts = baseline.Options{Now: func() time.Time { return s.now }, Ask: func(a baseline.Ask) { s.asks = append(s.asks, a) }}
	s.k = baseline.New(tab, s.opts)
	return s
}

// judge judges events in one commit, and returns what the rules see.
func (s *server) judge(events ...*event.Event) (out []syscheck.Change) {
	s.t.Helper()
	s.k.Begin(context.Background())
	for _, ev := range events {
		got, err := s.k.Judge(ev)
		if err != nil {
			s.t.Fatal(err)
		}
		c, err := syscheck.Parse(got.Text)
		if err != nil {
			s.t.Fatal(err)
		}
		out = append(out, c)
	}
	s.commit()
	return out
}

func (s *server) commit() {
	s.t.Helper()
	ops, err := s.k.Ops()
	if err == nil && len(ops) > 0 {
		err = s.table.Commit(context.Background(), ops)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.k.Committed()
}

// agent is one that tells of its files.
type agent struct {
	id    string
	image string
	epoch uint64
	seq   uint64
	at    time.Time
	files map[string]syscheck.Record
}

func newAgent(id string) *agent {
	return &agent{id: id, epoch: 7, at: start, files: map[string]syscheck.Record{}}
}

func (a *agent) event(text string) *event.Event {
	a.seq++
	a.at = a.at.Add(time.Second)
	return &event.Event{
		ID: event.ID{Agent: a.id, Epoch: a.epoch, Seq: a.seq}, Time: a.at, Kind: event.Syscheck, Location: "syscheck", Text: text,
		Agent: &event.Agent{Name: a.id, Image: a.image, Profile: "web"},
	}
}

// tell changes a file, nil for none, and returns the event.
func (a *agent) tell(what, path string, now *syscheck.Record) *event.Event {
	c := syscheck.Change{Type: what, Path: path, After: now}
	if was, ok := a.files[path]; ok && what != syscheck.Baseline {
		c.Before = &was
	}
	delete(a.files, path)
	if now != nil {
		a.files[path] = *now
	}
	return a.event(c.String())
}

func (a *agent) digests() *event.Event {
	var d syscheck.Digests
	for path, r := range a.files {
		d.Add(path, &r)
	}
	return a.event(d.String())
}

func file(content int) *syscheck.Record {
	return &syscheck.Record{
		Size: int64(content), Mode: 0o100644, UID: "0", GID: "0", User: "root", MTime: start.Add(time.Duration(content)), Inode: uint64(content),
		MD5: fmt.Sprintf("%032x", content), SHA1: fmt.Sprintf("%040x", content), SHA256: fmt.Sprintf("%064x", content),
	}
}

// scan is an agent's first scan, and its end.
func (a *agent) scan(n int) (list []*event.Event) {
	for i := range n {
		list = append(list, a.tell(syscheck.Baseline, fmt.Sprintf("/etc/f%d", i), file(i)))
	}
	return append(list, a.digests())
}

func types(changes []syscheck.Change) (list []string) {
	for _, c := range changes {
		list = append(list, c.Type)
	}
	return list
}

func want(t *testing.T, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("want -, got +\n%s", d)
	}
}

func (s *server) equal(a *agent) {
	s.t.Helper()
	records, err := baseline.NewStore(s.table, s.opts).Records(s.t.Context(), a.id)
	if err != nil {
		s.t.Fatal(err)
	}
	got := map[string]syscheck.Record{}
	for _, r := range records {
		got[r.Path] = r.Record
	}
	if d := cmp.Diff(a.files, got); d != "" {
		s.t.Errorf("baseline of %s: truth -, baseline +\n%s", a.id, d)
	}
}

func TestLife(t *testing.T) {
	s, a := newServer(t, open(t)), newAgent("web1")
	for _, c := range s.judge(a.scan(300)...) {
		if c.Type != syscheck.Baseline {
			t.Fatalf("the first scan told %s", c)
		}
	}
	s.equal(a)
	if err := s.k.Fold(t.Context()); err != nil {
		t.Fatal(err)
	}
	first := []*event.Event{
		a.tell(syscheck.Modified, "/etc/f1", file(1001)), a.tell(syscheck.Added, "/etc/new", file(5)), a.tell(syscheck.Deleted, "/etc/f2", nil),
		a.tell(syscheck.Added, "/etc/f2", file(2)), a.tell(syscheck.Modified, "/etc/f1", file(1002)), a.tell(syscheck.Unwatched, "/etc/f3", nil), a.digests(),
	}
	got := s.judge(first...)
	want(t, types(got), []string{"modified", "added", "deleted", "re-added", "modified", "baseline", "baseline"})
	want(t, []int{got[0].Notes.Changes, got[1].Notes.Changes, got[2].Notes.Changes, got[3].Notes.Changes, got[4].Notes.Changes}, []int{1, 0, 1, 2, 2})
	want(t, s.judge(first...), got)
	s.equal(a)
	s.opts.Fold = 1
	s.k = baseline.New(s.table, s.opts)
	want(t, s.judge(first...), got)
	if err := s.k.Fold(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.equal(a)
	want(t, s.judge(first...), got) // of what was folded, too
	s.equal(a)
	want(t, len(s.asks), 0)
}

// What an intruder does to the agent's cache shows by its digests.
func TestEditedCache(t *testing.T) {
	for _, fold := range []int{0, 1} {
		t.Run(fmt.Sprint("fold ", fold), func(t *testing.T) {
			s, a := newServer(t, open(t)), newAgent("web1")
			s.opts.Fold = fold
			s.k = baseline.New(s.table, s.opts)
			s.judge(a.scan(300)...)
			if err := s.k.Fold(t.Context()); err != nil {
				t.Fatal(err)
			}
			a.files["/etc/f1"], a.files["/etc/planted"] = *file(666), *file(667)
			delete(a.files, "/etc/f2")
			got := s.judge(a.digests())
			want(t, types(got), []string{"disagreement"})
			want(t, len(s.asks), 1)
			buckets := map[int]bool{}
			for _, b := range got[0].Notes.Buckets {
				buckets[b] = true
			}
			var again []*event.Event
			for path, r := range a.files {
				if buckets[syscheck.Bucket(path)] {
					again = append(again, a.tell(syscheck.Baseline, path, &r))
				}
			}
			found := map[string]string{}
			for _, c := range s.judge(append(again, a.digests())...) {
				if c.Type != syscheck.Baseline {
					found[c.Type] += c.Path
				}
				if c.Type == syscheck.Disagreement {
					want(t, c.Notes.Missing, []string{"/etc/f2"})
				}
			}
			want(t, found, map[string]string{"modified": "/etc/f1", "added": "/etc/planted", "disagreement": ""})
			want(t, types(s.judge(a.digests())), []string{"baseline"})
			s.equal(a)
		})
	}
}

// Hosts of one image keep what differs from it.
func TestImage(t *testing.T) {
	s := newServer(t, open(t))
	one, two := newAgent("i-1"), newAgent("i-2")
	one.image, two.image = "ami-1", "ami-1"
	s.judge(one.scan(300)...)
	if err := s.k.Fold(t.Context()); err != nil {
		t.Fatal(err)
	}
	var scan []*event.Event
	for i := range 299 { // the last one isn't there
		scan = append(scan, two.tell(syscheck.Baseline, fmt.Sprintf("/etc/f%d", i), file(i)))
	}
	tool := file(9)
	tool.Mode = 0o104755
	scan = append(scan, two.tell(syscheck.Baseline, "/etc/hostname", file(42)), two.tell(syscheck.Baseline, "/etc/tool", tool), two.digests())
	var told []syscheck.Change
	for _, c := range s.judge(scan...) {
		if c.Type != syscheck.Baseline {
			told = append(told, c)
		}
	}
	want(t, types(told), []string{"added"})
	want(t, told[0].Notes, &syscheck.Notes{Privileged: "set-user-id", Image: "ami-1"})
	want(t, len(s.asks), 1) // the file that isn't there
	var again []*event.Event
	for path, r := range two.files {
		if syscheck.Bucket(path) == s.asks[0].Buckets[0] {
			again = append(again, two.tell(syscheck.Baseline, path, &r))
		}
	}
	got := s.judge(append(again, two.digests())...)
	last := got[len(got)-1]
	want(t, last.Type, syscheck.Scanned)
	want(t, last.Notes, &syscheck.Notes{Image: "ami-1", Files: 301, Differ: []string{"/etc/hostname"}, Differing: 1, Missing: []string{"/etc/f299"}, Gone: 1})
	s.equal(one)
	s.equal(two)
}

// Two that judge the same events: one of them is told so, does it again, and says the same.
func TestTwoAtOnce(t *testing.T) {
	s, a := newServer(t, open(t)), newAgent("web1")
	s.judge(a.scan(10)...)
	other := newServer(t, s.table)
	other.k.Begin(t.Context())
	ev := a.tell(syscheck.Modified, "/etc/f1", file(77))
	mine, err := other.k.Judge(ev)
	if err != nil {
		t.Fatal(err)
	}
	got := s.judge(ev)
	ops, err := other.k.Ops()
	if err != nil {
		t.Fatal(err)
	}
	var conflict *table.ConflictError
	if err := s.table.Commit(t.Context(), ops); !errors.As(err, &conflict) {
		t.Fatalf("both were stored: %v", err)
	}
	other.k.Forget()
	want(t, other.judge(ev), got)
	want(t, mine.Text, got[0].String())
	s.equal(a)
}

// A journal's items expire; what they say is folded before, also of a host whose first scan never ends, as those behind a relay.
func TestOldJournal(t *testing.T) {
	s, a := newServer(t, open(t)), newAgent("web1")
	s.judge(a.tell(syscheck.Baseline, "/etc/a", file(1)), a.tell(syscheck.Baseline, "/etc/b", file(2)))
	if err := s.k.Fold(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.now = s.now.Add(20 * 24 * time.Hour)
	s.judge(a.tell(syscheck.Modified, "/etc/a", file(2)))
	if err := s.k.Fold(t.Context()); err != nil {
		t.Fatal(err)
	}
	expired := table.Query{Table: fleet.Schema, Partition: "baseline/web1", From: "journal/", To: "journal0"}
	page, err := s.table.Query(t.Context(), expired)
	if err != nil || len(page.Items) != 2 {
		t.Fatalf("%d items in the journal, %v", len(page.Items), err)
	}
	late := baseline.New(without{s.table, page.Items[0]}, s.opts)
	late.Begin(t.Context())
	ev, err := late.Judge(a.tell(syscheck.Modified, "/etc/b", file(3)))
	if err != nil {
		t.Fatal(err)
	}
	c, err := syscheck.Parse(ev.Text)
	if err != nil || c.Before == nil || c.Before.Size != 2 || c.Notes.Changes != 1 {
		t.Errorf("%s: %v", ev.Text, err)
	}
}

// without is a table in which an item has expired.
type without struct {
	table.Table
	item table.Fields
}

func (w without) Query(ctx context.Context, q table.Query) (table.Page, error) {
	page, err := w.Table.Query(ctx, q)
	page.Items = slices.DeleteFunc(page.Items, func(f table.Fields) bool { return q.Table.Key(f) == q.Table.Key(w.item) })
	return page, err
}
