package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	"pgregory.net/rapid"

	"github.com/yagura-hids/yagura/internal/fleet"
	"github.com/yagura-hids/yagura/internal/table"
	"github.com/yagura-hids/yagura/internal/table/bolt"
)

// racing is a table in which somebody else is faster: before a commit others happen.
type racing struct {
	table.Table
	before []func()
}

func (r *racing) Commit(ctx context.Context, ops []table.Op) error {
	if len(r.before) > 0 {
		first := r.before[0]
		r.before = r.before[1:]
		first()
	}
	return r.Table.Commit(ctx, ops)
}

// model is what a fleet's keys should be.
type model struct {
	names  map[string]string // id → name of the keys in force
	given  map[string]bool   // ids, for ever
	froms  map[string]netip.Addr
	change int64
}

func (m *model) idOf(name string) string {
	for id, n := range m.names {
		if n == name {
			return id
		}
	}
	return ""
}

// has tells whether a key in force has an id or a name.
func (m *model) has(idOrName string) bool { return m.names[idOrName] != "" || m.idOf(idOrName) != "" }

func (m *model) gave(r *rapid.T, k fleet.Key) {
	if m.given[k.ID] || m.idOf(k.Name) != "" {
		r.Fatalf("%s %s was given again", k.ID, k.Name)
	}
	m.given[k.ID], m.names[k.ID], m.froms[k.ID] = true, k.Name, k.From
	m.change++
}

// step draws something to do to the fleet. It returns an error if what comes of it isn't what the model says.
func (m *model) step(t *testing.T, r *rapid.T) func(*fleet.Store) error {
	name := rapid.SampledFrom([]string{"ab", "ab2", "ab3", "cd"}).Draw(r, "name")
	id := rapid.SampledFrom([]string{"001", "002", "003", "1024", "1025"}).Draw(r, "id")
	from := netip.AddrFrom4([4]byte{192, 0, 2, byte(rapid.IntRange(1, 2).Draw(r, "from"))})
	switch rapid.SampledFrom([]string{"add", "add id", "enrol", "enrol", "remove", "rotate", "rename"}).Draw(r, "what") {
	case "add":
		return m.add(t, r, "", name)
	case "add id":
		return m.add(t, r, id, name)
	case "enrol":
		return m.enrol(r, name, from)
	case "remove":
		return func(s *fleet.Store) error {
			return m.changed(r, id, s.Remove(r.Context(), id), func(id string) { delete(m.names, id) })
		}
	case "rotate":
		return func(s *fleet.Store) error {
			_, err := s.Rotate(r.Context(), name, time.Hour)
			return m.changed(r, name, err, func(string) {})
		}
	}
	return func(s *fleet.Store) error {
		_, err := s.Change(r.Context(), id, func(k *fleet.Key) error { k.Name = name; return nil })
		if errors.Is(err, fleet.ErrExists) && m.idOf(name) != "" && m.idOf(name) != id {
			return nil
		}
		if err == nil && m.names[id] == name { // as it was
			return nil
		}
		return m.changed(r, id, err, func(id string) { m.names[id] = name })
	}
}

func (m *model) add(t *testing.T, r *rapid.T, id, name string) func(*fleet.Store) error {
	k := key(t, id, name, "any")
	return func(s *fleet.Store) error {
		added, err := s.Add(r.Context(), k)
		switch taken := m.idOf(name) != "" || m.given[id]; {
		case taken != errors.Is(err, fleet.ErrExists):
			return fmt.Errorf("add %s %s, taken: %t: %w", id, name, taken, err)
		case err == nil:
			m.gave(r, added)
		}
		return nil
	}
}

func (m *model) enrol(r *rapid.T, name string, from netip.Addr) func(*fleet.Store) error {
	return func(s *fleet.Store) error {
		k, err := s.Enrol(r.Context(), fleet.Request{Name: name, From: from})
		if err != nil {
			return err
		}
		if m.names[k.ID] == k.Name && m.froms[k.ID] == from { // its own, again
			m.change++
			return nil
		}
		m.gave(r, k)
		return nil
	}
}

// changed notes a change of a key in force, or that there is none.
func (m *model) changed(r *rapid.T, idOrName string, err error, note func(id string)) error {
	if there := m.has(idOrName); there == errors.Is(err, fleet.ErrUnknown) {
		return fmt.Errorf("%s is there: %t: %w", idOrName, there, err)
	}
	if err == nil {
		m.change++
		if id := m.idOf(idOrName); m.names[idOrName] == "" {
			note(id)
		} else {
			note(idOrName)
		}
	}
	return nil
}

// check compares the fleet with the model.
func (m *model) check(r *rapid.T, s *fleet.Store) {
	keys, err := s.Keys(r.Context())
	if err != nil || len(keys) != len(m.names) {
		r.Fatalf("%d keys, want %v; %v", len(keys), m.names, err)
	}
	for _, k := range keys {
		if m.names[k.ID] != k.Name {
			r.Fatalf("%s is %s, want %s", k.ID, k.Name, m.names[k.ID])
		}
		for _, by := range []string{k.ID, k.Name} {
			if got, err := s.Key(r.Context(), by); err != nil || got != k {
				r.Fatalf("%s: %+v, %v; want %+v", by, got, err, k)
			}
		}
	}
	if v, err := s.Version(r.Context()); err != nil || v != m.change {
		r.Fatalf("version %d after %d changes, %v", v, m.change, err)
	}
}

// Whatever others do between a change's reading and its writing: no id is given twice, no two keys have one name, and no change is lost.
func TestModel(t *testing.T) {
	dir, n := t.TempDir(), 0
	rapid.Check(t, func(r *rapid.T) {
		n++
		db, err := bbolt.Open(filepath.Join(dir, fmt.Sprint(n)), 0o600, &bbolt.Options{NoSync: true, NoFreelistSync: true})
		if err != nil {
			r.Fatal(err)
		}
		defer db.Close()
		m := &model{names: map[string]string{}, given: map[string]bool{}, froms: map[string]netip.Addr{}}
		race := &racing{Table: bolt.New(db)}
		options := fleet.Options{Now: func() time.Time { return noon }}
		slow, quick := fleet.New(race, options), fleet.New(bolt.New(db), options)
		for range rapid.IntRange(1, 12).Draw(r, "steps") {
			do := m.step(t, r)
			var rivals []func(*fleet.Store) error
			for range rapid.IntRange(0, 2).Draw(r, "rivals") {
				rivals = append(rivals, m.step(t, r))
			}
			for rival := range slices.Values(rivals) {
				race.before = append(race.before, func() {
					if err := rival(quick); err != nil {
						r.Fatal(err)
					}
				})
			}
			if err := do(slow); err != nil {
				r.Fatal(err)
			}
			race.before = nil
			m.check(r, quick)
		}
	})
}
