package analysis_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/yagura-hids/yagura/internal/analysis"
	"github.com/yagura-hids/yagura/internal/analysis/statetest"
	"github.com/yagura-hids/yagura/internal/event"
)

func TestMemory(t *testing.T) {
	statetest.Run(t, func() analysis.State { return analysis.NewMemory(0) })
}

func TestMemoryLimit(t *testing.T) {
	m := analysis.NewMemory(50)
	for seq := range uint64(200) {
		if err := m.Remember(&analysis.Entry{Keys: []string{"group/1", "group/1"}, Event: event.ID{Seq: seq}}); err != nil {
			t.Fatal(err)
		}
		list, err := m.History("group/1")
		if err != nil || len(list) > 2*50 || seq >= 50 && len(list) < 2*41 {
			t.Fatalf("after event %d the history holds %d entries, %v; want 41 to 50 events, each twice", seq, len(list), err)
		}
		if last := list[len(list)-1].Event.Seq; last != seq {
			t.Fatalf("the last event is %d, want %d", last, seq)
		}
	}
	c := m.Changes()
	if len(c.Entries)+len(c.Dropped) != 200 {
		t.Errorf("%d entries and %d dropped, want 200 together", len(c.Entries), len(c.Dropped))
	}
	small := analysis.NewMemory(20)
	small.Restore(c.Entries, nil)
	if list, err := small.History("group/1"); err != nil || len(list) > 2*20 {
		t.Errorf("a smaller memory took %d entries back, %v", len(list), err)
	}
}

func TestMemoryForgets(t *testing.T) {
	m := analysis.NewMemory(0)
	for i := range 1000 {
		if err := m.SetNote(fmt.Sprintf("n/%d", i), analysis.Note{Time: int64(i), Until: int64(i) + 10}); err != nil {
			t.Fatal(err)
		}
	}
	c := m.Changes()
	if len(c.Notes) > 210 || len(c.Notes)+len(c.Forgotten) != 1000 {
		t.Errorf("%d notes and %d forgotten, want at most 210 and 1000 together", len(c.Notes), len(c.Forgotten))
	}
	m.Saved()
	if c := m.Changes(); len(c.Notes)+len(c.Forgotten)+len(c.Entries)+len(c.Dropped) != 0 {
		t.Errorf("after Saved there is still %+v", c)
	}
}

// disk is a store as a Memory's owner keeps one: everything as bytes.
type disk struct {
	entries map[uint64][]byte
	notes   map[string][]byte
}

func (d *disk) save(t *testing.T, m *analysis.Memory) {
	t.Helper()
	c := m.Changes()
	put := func(v any) []byte {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, e := range c.Entries {
		d.entries[e.Number] = put(e)
	}
	for _, n := range c.Dropped {
		delete(d.entries, n)
	}
	for key, n := range c.Notes {
		d.notes[key] = put(n)
	}
	for _, key := range c.Forgotten {
		delete(d.notes, key)
	}
	m.Saved()
}

func (d *disk) restore(t *testing.T, limit int) *analysis.Memory {
	t.Helper()
	m := analysis.NewMemory(limit)
	var entries []*analysis.Entry
	for _, number := range slices.Sorted(maps.Keys(d.entries)) {
		var e analysis.Entry
		if err := json.Unmarshal(d.entries[number], &e); err != nil {
			t.Fatal(err)
		}
		entries = append(entries, &e)
	}
	notes := map[string]analysis.Note{}
	for key, b := range d.notes {
		var n analysis.Note
		if err := json.Unmarshal(b, &n); err != nil {
			t.Fatal(err)
		}
		notes[key] = n
	}
	m.Restore(entries, notes)
	return m
}

// Whatever moments a restart comes at, the verdicts are those of an undisturbed run.
func TestRestart(t *testing.T) {
	const limit = 40
	e := engine(t, everything)
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 3))
		lines := make([]string, 400)
		for i := range lines {
			lines[i] = fmt.Sprintf("%s srcip=192.0.2.%d url=/%d user=u%d id=%d", []string{"evt", "evt", "evt", "other", "diff", "ign", "fts", "acc"}[r.IntN(8)],
				r.IntN(3), r.IntN(3), r.IntN(3), r.IntN(4))
		}
		want := undisturbed(t, e, lines, limit)
		store := &disk{map[uint64][]byte{}, map[string][]byte{}}
		m := analysis.NewMemory(limit)
		for i, line := range lines {
			if got := summary(e.analyze(t, m, i, line)); got != want[i] {
				t.Fatalf("seed %d, event %d %q: %s after a restart, want %s", seed, i, line, got, want[i])
			}
			switch r.IntN(12) {
			case 0:
				store.save(t, m)
			case 1:
				store.save(t, m)
				m = store.restore(t, limit)
			}
		}
	}
}

func undisturbed(t *testing.T, e *bench, lines []string, limit int) []string {
	t.Helper()
	m := analysis.NewMemory(limit)
	list := make([]string, len(lines))
	for i, line := range lines {
		list[i] = summary(e.analyze(t, m, i, line))
	}
	return list
}

func summary(v analysis.Verdict) string {
	id := 0
	if v.Rule != nil {
		id = v.Rule.ID
	}
	if v.Alert == nil {
		return fmt.Sprintf("rule %d, ignored %t", id, v.Ignored)
	}
	return fmt.Sprintf("rule %d, fired %d, previous %q, fields %v", id, v.Alert.Fired, v.Alert.Previous, v.Alert.Fields)
}
