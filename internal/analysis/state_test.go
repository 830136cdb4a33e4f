package analysis_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/yagura-hids/yagura/internal/analysis"
	"github.com/yagura-hids/yagura/internal/analysis/statetest"
)

func TestMemory(t *testing.T) {
	statetest.Run(t, func() analysis.State { return analysis.NewMemory(0) })
}

func TestMemoryLimit(t *testing.T) {
	m := analysis.NewMemory(50)
	put := func(n int, until int64) {
		t.Helper()
		if err := m.Put(fmt.Sprint("n/", n), &analysis.Item{Time: int64(n), Until: until}); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 100 {
		put(-1-n, 0) // without end
	}
	for n := range 200 {
		put(n, int64(n)+10)
		kept := 0
		for k := range n + 1 {
			if i, err := m.Item(fmt.Sprint("n/", k)); i != nil && err == nil {
				kept++
			}
		}
		if kept > 50 || n >= 50 && kept < 45 {
			t.Fatalf("after %d items with an end %d are there, want 45 to 50", n+1, kept)
		}
		if i, _ := m.Item(fmt.Sprint("n/", n)); i == nil {
			t.Fatalf("item %d, the last to end, is gone", n)
		}
	}
	c := m.Changes()
	if len(c.Items)+len(c.Forgotten) != 300 || len(c.Items) < 145 {
		t.Errorf("%d items and %d forgotten, want 300 together, those without end among them", len(c.Items), len(c.Forgotten))
	}
	small := analysis.NewMemory(5)
	small.Restore(c.Items)
	if n := len(small.Changes().Forgotten); len(c.Items)-n > 5+5*16 {
		t.Errorf("a smaller memory took %d items back and forgot %d", len(c.Items), n)
	}
	m.Saved()
	if c := m.Changes(); len(c.Items)+len(c.Forgotten) != 0 {
		t.Errorf("after Saved there is still %+v", c)
	}
}

// disk is a store as a Memory's owner keeps one: everything as bytes.
type disk map[string][]byte

func (d disk) save(t *testing.T, m *analysis.Memory) {
	t.Helper()
	c := m.Changes()
	for key, i := range c.Items {
		b, err := json.Marshal(i)
		if err != nil {
			t.Fatal(err)
		}
		d[key] = b
	}
	for _, key := range c.Forgotten {
		delete(d, key)
	}
	m.Saved()
}

func (d disk) restore(t *testing.T, limit int) *analysis.Memory {
	t.Helper()
	m := analysis.NewMemory(limit)
	items := map[string]*analysis.Item{}
	for key, b := range d {
		i := &analysis.Item{}
		if err := json.Unmarshal(b, i); err != nil {
			t.Fatal(err)
		}
		items[key] = i
	}
	m.Restore(items)
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
		store := disk{}
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
	return fmt.Sprintf("rule %d, previous %q, fields %v", id, v.Alert.Previous, v.Alert.Fields)
}
