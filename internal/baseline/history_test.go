package baseline_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/yagura-hids/yagura/internal/baseline"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/syscheck"
	"github.com/yagura-hids/yagura/internal/table"
)

var histories = flag.Int("histories", 60, "how many random histories TestHistories tries")

var errKilled = errors.New("killed")

// faulty is a table whose user is killed now and then, before a commit is done or after it.
type faulty struct {
	table.Table
	random *rand.Rand
	often  int // one of so many commits; 0 for none
}

func (f *faulty) Commit(ctx context.Context, ops []table.Op) error {
	if f.often == 0 || f.random.IntN(f.often) > 0 {
		return f.Table.Commit(ctx, ops)
	}
	if f.random.IntN(2) == 0 {
		return errKilled
	}
	return errors.Join(f.Table.Commit(ctx, ops), errKilled)
}

// story is a history in the making: hosts that tell of their files, and what comes of it.
type story struct {
	t        *testing.T
	random   *rand.Rand
	table    *faulty
	keepers  []*baseline.Keeper // of functions that share the table
	hosts    []*agent
	said     map[event.ID]string   // what was said of each event, first
	asked    map[string][]int      // what agents were asked and didn't answer yet
	released map[string]int        // events of a host that were told
	told     map[string][]event.ID // … and are news, in their order
}

func newStory(t *testing.T, seed uint64) *story {
	s := &story{
		t: t, random: rand.New(rand.NewPCG(seed, 7)), said: map[event.ID]string{}, asked: map[string][]int{}, released: map[string]int{}, told: map[string][]event.ID{},
	}
	s.table = &faulty{Table: open(t), random: s.random, often: 12}
	for range 2 {
		s.keepers = append(s.keepers, nil)
	}
	for i := range 1 + s.random.IntN(3) {
		a := newAgent(fmt.Sprint("web", i))
		if s.random.IntN(2) == 0 {
			a.image = "ami-1"
		}
		s.hosts = append(s.hosts, a)
	}
	return s
}

// keeper returns one of the functions' keepers, now and then a new one.
func (s *story) keeper() *baseline.Keeper {
	i := s.random.IntN(len(s.keepers))
	if s.keepers[i] == nil || s.random.IntN(6) == 0 {
		w := newServer(s.t, s.table)
		w.opts.Fold = []int{1, 2000, 1 << 20}[s.random.IntN(3)]
		w.opts.Ask = func(a baseline.Ask) { s.asked[a.AgentID] = a.Buckets }
		s.keepers[i] = baseline.New(s.table, w.opts)
	}
	return s.keepers[i]
}

// act lets a host do something, and returns what it tells.
func (s *story) act(a *agent) (list []*event.Event) {
	path := fmt.Sprintf("/etc/f%d", s.random.IntN(12))
	_, there := a.files[path]
	content := file(s.random.IntN(1000))
	switch s.random.IntN(12) {
	case 0, 1, 2:
		if there {
			return append(list, a.tell(syscheck.Modified, path, content))
		}
		return append(list, a.tell(syscheck.Added, path, content))
	case 3:
		if there {
			return append(list, a.tell(syscheck.Deleted, path, nil))
		}
	case 4:
		if there {
			return append(list, a.tell(syscheck.Unwatched, path, nil))
		}
		return append(list, a.tell(syscheck.Baseline, path, content))
	case 5:
		if to := path + "x"; there {
			was := a.files[path]
			delete(a.files, path)
			a.files[to] = was
			c := syscheck.Change{Type: syscheck.Moved, Path: to, From: path, Before: &was, After: &was}
			return append(list, a.event(c.String()))
		}
	case 6: // its spool is another one: it tells all anew
		a.epoch, a.seq = a.epoch+1, 0
		return append(s.all(a, nil), a.digests())
	case 7, 8:
		return append(list, a.digests())
	case 9:
		if buckets := s.asked[a.id]; buckets != nil {
			delete(s.asked, a.id)
			return append(s.all(a, buckets), a.digests())
		}
	}
	return list
}

// all returns what tells all files of some buckets again, of all if they are nil.
func (s *story) all(a *agent, buckets []int) (list []*event.Event) {
	for _, path := range slices.Sorted(maps.Keys(a.files)) {
		if buckets == nil || slices.Contains(buckets, syscheck.Bucket(path)) {
			r := a.files[path]
			list = append(list, a.tell(syscheck.Baseline, path, &r))
		}
	}
	return list
}

// deliver gives a run of one host's events to a function, which may be killed: then they come again, perhaps more than that.
func (s *story) deliver(events []*event.Event) {
	for {
		k := s.keeper()
		var meanwhile *baseline.Keeper
		if s.random.IntN(4) == 0 { // a second function has the same events
			meanwhile = s.keeper()
		}
		said, err := s.judge(k, events)
		if err == nil && meanwhile != nil && meanwhile != k {
			if other, err := s.judge(meanwhile, events); err == nil {
				s.note(events, other, s.commit(meanwhile))
			}
		}
		if err == nil {
			err = s.commit(k)
		}
		s.note(events, said, err)
		if err == nil && s.random.IntN(3) == 0 {
			err = k.Fold(s.t.Context())
		}
		var conflict *table.ConflictError
		switch {
		case err == nil:
			return
		case errors.Is(err, errKilled):
			s.keepers = []*baseline.Keeper{nil, nil}
		case errors.As(err, &conflict):
			k.Forget()
		default:
			s.t.Fatal(err)
		}
	}
}

func (s *story) judge(k *baseline.Keeper, events []*event.Event) (said []string, err error) {
	k.Begin(s.t.Context())
	for _, ev := range events {
		out, err := k.Judge(ev)
		if err != nil {
			return nil, err
		}
		said = append(said, out.Text)
	}
	return said, nil
}

func (s *story) commit(k *baseline.Keeper) error {
	ops, err := k.Ops()
	if err != nil || len(ops) == 0 {
		return err
	}
	if err = s.table.Commit(s.t.Context(), ops); err == nil {
		k.Committed()
	}
	return err
}

// note holds what is said of events against what was said before, if it's stored.
func (s *story) note(events []*event.Event, said []string, err error) {
	if err != nil {
		return
	}
	for i, ev := range events {
		c, err := syscheck.Parse(said[i])
		if err != nil {
			s.t.Fatal(err)
		}
		text := c.Text()
		if c.Type == syscheck.Baseline {
			text = ""
		}
		if was, ok := s.said[ev.ID]; ok && was != text {
			s.t.Fatalf("of %s it was said\n%s\nand now\n%s", ev.ID, was, text)
		}
		if s.said[ev.ID] == "" && text != "" {
			s.told[ev.ID.Agent] = append(s.told[ev.ID.Agent], ev.ID)
		}
		s.said[ev.ID] = text
	}
}

// run makes some steps of a story, and compares the end with the truth.
func (s *story) run() {
	streams := map[string][]*event.Event{}
	for _, a := range s.hosts {
		streams[a.id] = a.scan(s.random.IntN(10))
	}
	for range 15 + s.random.IntN(25) {
		a := s.hosts[s.random.IntN(len(s.hosts))]
		streams[a.id] = append(streams[a.id], s.act(a)...)
		s.release(a, streams[a.id])
	}
	for _, a := range s.hosts {
		for range 3 { // until host and server agree
			streams[a.id] = append(streams[a.id], s.all(a, s.asked[a.id])...)
			delete(s.asked, a.id)
			streams[a.id] = append(streams[a.id], a.digests())
			for s.released[a.id] < len(streams[a.id]) {
				s.release(a, streams[a.id])
			}
		}
		s.check(a)
	}
}

// release delivers some of a host's events that were not delivered yet, perhaps with some before them once more.
func (s *story) release(a *agent, stream []*event.Event) {
	from := s.released[a.id]
	to := from + s.random.IntN(len(stream)-from+1)
	if s.random.IntN(3) == 0 {
		from = max(0, from-s.random.IntN(8))
	}
	s.deliver(stream[from:to])
	s.released[a.id] = max(s.released[a.id], to)
}

func (s *story) check(a *agent) {
	s.t.Helper()
	store := baseline.NewStore(s.table, newServer(s.t, s.table).opts)
	records, err := store.Records(s.t.Context(), a.id)
	if err != nil {
		s.t.Fatal(err)
	}
	got := map[string]syscheck.Record{}
	for _, r := range records {
		got[r.Path] = r.Record
	}
	if d := cmp.Diff(a.files, got); d != "" {
		s.t.Fatalf("%s: truth -, baseline +\n%s", a.id, d)
	}
	var past []event.ID
	err = store.History(s.t.Context(), a.id, start.AddDate(-1, 0, 0), false, func(e baseline.Entry) bool {
		past = append(past, e.Event)
		return true
	})
	if err != nil {
		s.t.Fatal(err)
	}
	slices.Reverse(past)
	if d := cmp.Diff(s.told[a.id], past); d != "" {
		s.t.Fatalf("%s: told -, history +\n%s", a.id, d)
	}
	if last := s.said[event.ID{Agent: a.id, Epoch: a.epoch, Seq: a.seq}]; last != "" {
		s.t.Fatalf("%s: in the end host and server don't agree: %s", a.id, last)
	}
}

// TestHistories: whatever comes twice, whoever is killed or judges the same at the same time, the baseline is the truth, the history has each change once, and what
// was said of an event is said of it again. More of them: go test ./internal/baseline -run Histories -args -histories 10000.
func TestHistories(t *testing.T) {
	for seed := range uint64(*histories) {
		ok := t.Run(fmt.Sprint(seed), func(t *testing.T) { newStory(t, seed).run() })
		if !ok {
			return
		}
	}
}
