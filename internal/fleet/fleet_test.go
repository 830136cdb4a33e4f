package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/yagura-hids/yagura/internal/emulated"
	"github.com/yagura-hids/yagura/internal/emulated/emulatedtest"
	"github.com/yagura-hids/yagura/internal/fleet"
	"github.com/yagura-hids/yagura/internal/table"
	"github.com/yagura-hids/yagura/internal/table/bolt"
	"github.com/yagura-hids/yagura/internal/table/dynamo/dynamotest"
	"github.com/yagura-hids/yagura/internal/wire"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 5, time.UTC)

// clock is a time that tests move.
type clock struct{ ns atomic.Int64 }

func (c *clock) now() time.Time          { return noon.Add(time.Duration(c.ns.Load())) }
func (c *clock) advance(d time.Duration) { c.ns.Add(int64(d)) }

func inFile(t testing.TB) table.Table {
	t.Helper()
	db, err := bbolt.Open(filepath.Join(t.TempDir(), "test.db"), 0o600, &bbolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return bolt.New(db)
}

// each runs a test over each home of the fleet.
func each(t *testing.T, test func(t *testing.T, tab table.Table)) {
	t.Helper()
	t.Run("bolt", func(t *testing.T) { test(t, inFile(t)) })
	t.Run("dynamodb", func(t *testing.T) {
		test(t, dynamotest.Open(t, emulatedtest.Shared(t, emulated.DynamoDB), fleet.Schema))
	})
}

func open(tab table.Table) (*fleet.Store, *clock) {
	c := &clock{}
	return fleet.New(tab, fleet.Options{Now: c.now}), c
}

func address(t testing.TB, text string) wire.Address {
	t.Helper()
	a, err := wire.ParseAddress(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func key(t testing.TB, id, name, where string) fleet.Key {
	t.Helper()
	return fleet.Key{Key: wire.Key{ID: id, Name: name, Address: address(t, where)}}
}

func add(t testing.TB, s *fleet.Store, k fleet.Key) fleet.Key {
	t.Helper()
	k, err := s.Add(t.Context(), k)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func ids(t testing.TB, s *fleet.Store) []string {
	t.Helper()
	keys, err := s.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, k := range keys {
		list = append(list, k.ID)
	}
	return list
}

func version(t testing.TB, s *fleet.Store) int64 {
	t.Helper()
	v, err := s.Version(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// rises fails the test unless what it calls changes the version just so.
func rises(t testing.TB, s *fleet.Store, by bool, what string, f func() error) {
	t.Helper()
	before := version(t, s)
	if err := f(); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if after := version(t, s); (after > before) != by || after < before {
		t.Errorf("%s: version %d after %d", what, after, before)
	}
}

// A key's life: it is added, found, changed, rotated, removed; its id is not given again, its name is.
func TestKey(t *testing.T) {
	each(t, func(t *testing.T, tab table.Table) {
		s, c := open(tab)
		if v := version(t, s); v != 0 {
			t.Errorf("an empty fleet has the version %d", v)
		}
		k := add(t, s, key(t, "", "web1", "192.0.2.1"))
		if k.ID != "001" || len(k.Secret) != 64 || !k.Created.Equal(noon) || k.Many {
			t.Errorf("added %+v", k)
		}
		full := fleet.Key{
			Key:  wire.Key{ID: "0700", Name: "web-asg", Address: address(t, "10.0.0.0/24"), Secret: "a secret of imported"},
			Many: true, MaxHosts: 7, Group: "web", Previous: "before", Until: noon.Add(time.Hour), From: netip.MustParseAddr("2001:db8::1"), Created: noon.Add(-1),
		}
		rises(t, s, true, "put", func() error { return s.Put(t.Context(), full) })
		rises(t, s, false, "put the same", func() error { return s.Put(t.Context(), full) })
		for _, by := range []string{"0700", "web-asg"} {
			if got, err := s.Key(t.Context(), by); err != nil || got != full {
				t.Errorf("%s: %+v, %v; want %+v", by, got, err, full)
			}
		}
		rises(t, s, true, "rename", func() error {
			_, err := s.Change(t.Context(), "web1", func(k *fleet.Key) error { k.Name, k.ID = "web2", "ignored"; return nil })
			return err
		})
		if got, err := s.Key(t.Context(), "web2"); err != nil || got.ID != "001" || got.Secret != k.Secret {
			t.Errorf("renamed: %+v, %v", got, err)
		}
		if _, err := s.Change(t.Context(), "web2", func(k *fleet.Key) error { k.Name = "web-asg"; return nil }); !errors.Is(err, fleet.ErrExists) {
			t.Errorf("renamed to a name that is taken: %v", err)
		}
		rises(t, s, true, "remove", func() error { return s.Remove(t.Context(), "001") })
		for _, by := range []string{"001", "web1", "web2", "1", "", "700", "a/b", strings.Repeat("9", 30)} {
			if got, err := s.Key(t.Context(), by); !errors.Is(err, fleet.ErrUnknown) {
				t.Errorf("%q: %+v, %v", by, got, err)
			}
		}
		if err := s.Remove(t.Context(), "001"); !errors.Is(err, fleet.ErrUnknown) || !strings.Contains(err.Error(), "removed") {
			t.Errorf("removed again: %v", err)
		}
		if _, err := s.Add(t.Context(), key(t, "001", "web3", "any")); !errors.Is(err, fleet.ErrExists) {
			t.Errorf("an id that was removed: %v", err)
		}
		c.advance(time.Hour)
		if again := add(t, s, key(t, "", "web2", "any")); again.ID != "002" || !again.Created.Equal(noon.Add(time.Hour)) {
			t.Errorf("a name that was removed: %+v", again)
		}
		if got := ids(t, s); !slices.Equal(got, []string{"002", "0700"}) {
			t.Errorf("keys %v", got)
		}
		k.Name = "web1"
		if err := s.Put(t.Context(), k); err != nil || len(ids(t, s)) != 3 {
			t.Errorf("a removed one put back: %v, %v", err, ids(t, s))
		}
	})
}

// A removed key's secret is nowhere in the table.
func TestRemovedSecret(t *testing.T) {
	tab := inFile(t)
	s, _ := open(tab)
	k := add(t, s, key(t, "", "web1", "any"))
	if _, err := s.Rotate(t.Context(), k.ID, time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(t.Context(), k.ID); err != nil {
		t.Fatal(err)
	}
	page, err := tab.Query(t.Context(), table.Query{Table: fleet.Schema, Partition: "keys"})
	if err != nil || len(page.Items) != 1 {
		t.Fatal(page, err)
	}
	want := table.Fields{
		"agent": "keys", "item": "000000000000000001/001", "id": "001", "name": "web1", "address": "any", "secret": "",
		"created": "2026-11-24T12:00:00.000000005Z", "removed": "2026-11-24T12:00:00.000000005Z",
	}
	if !reflect.DeepEqual(page.Items[0], want) {
		t.Errorf("%v, want %v", page.Items[0], want)
	}
}

// The next id is the lowest that was never given; enrolled hosts begin at 1024.
func TestIDs(t *testing.T) {
	each(t, func(t *testing.T, tab table.Table) {
		s, _ := open(tab)
		var imported []fleet.Key
		for i, id := range []string{"001", "2", "004", "1024", "1026", "7", "0007"} {
			imported = append(imported, key(t, id, fmt.Sprint("old", i), "any"))
		}
		if _, err := s.AddAll(t.Context(), imported); err != nil {
			t.Fatal(err)
		}
		var got []string
		for i := range 5 {
			got = append(got, add(t, s, key(t, "", fmt.Sprint("new", i), "any")).ID)
		}
		for i := range 3 {
			k, err := s.Enrol(t.Context(), fleet.Request{Name: fmt.Sprint("enrolled", i), From: netip.MustParseAddr("192.0.2.9")})
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, k.ID)
		}
		if want := []string{"003", "005", "006", "008", "009", "1025", "1027", "1028"}; !slices.Equal(got, want) {
			t.Errorf("given %v, want %v", got, want)
		}
		want := []string{"001", "2", "003", "004", "005", "006", "0007", "7", "008", "009", "1024", "1025", "1026", "1027", "1028"}
		if got := ids(t, s); !slices.Equal(got, want) {
			t.Errorf("in order %v, want %v", got, want)
		}
	})
}

// Many keys are added in few commits, each with a name and an id of its own, or none of them.
func TestAddAll(t *testing.T) {
	each(t, func(t *testing.T, tab table.Table) {
		counts := &counted{Table: tab}
		s, _ := open(counts)
		var keys []fleet.Key
		for i := range 1000 {
			id := ""
			if i%10 == 3 {
				id = fmt.Sprintf("%03d", i)
			}
			keys = append(keys, key(t, id, fmt.Sprint("host", i), "192.0.2.1"))
		}
		start := time.Now()
		added, err := s.AddAll(t.Context(), keys)
		if err != nil || len(added) != 1000 {
			t.Fatal(len(added), err)
		}
		t.Logf("1000 keys: %d commits, %v", counts.commits.Load(), time.Since(start))
		if counts.commits.Load() > 21 {
			t.Errorf("%d commits", counts.commits.Load())
		}
		got := ids(t, s)
		if len(got) != 1000 || got[0] != "001" || got[999] != "1000" || added[3].ID != "003" || added[0].Name != "host0" {
			t.Errorf("%d ids from %s to %s; %+v", len(got), got[0], got[len(got)-1], added[3])
		}
		before := version(t, s)
		for what, bad := range map[string]fleet.Key{
			"name": key(t, "", "host7", "any"), "id": key(t, "003", "other", "any"), "twice": keys[0], "invalid": key(t, "", "b a d", "any"), "zero": key(t, "000", "zero", "any"),
		} {
			list := append(slices.Clone(keys[:0]), key(t, "", "fine-"+what, "any"), bad)
			if what == "twice" {
				list = []fleet.Key{key(t, "", "one", "any"), key(t, "", "one", "any")}
			}
			added, err := s.AddAll(t.Context(), list)
			if !errors.Is(err, fleet.ErrExists) && !errors.Is(err, fleet.ErrInvalid) || len(added) != 0 {
				t.Errorf("%s: %d added, %v", what, len(added), err)
			}
		}
		if version(t, s) != before {
			t.Error("a list that was refused changed something")
		}
	})
}

// counted counts commits.
type counted struct {
	table.Table
	commits atomic.Int64
}

func (c *counted) Commit(ctx context.Context, ops []table.Op) error {
	c.commits.Add(1)
	return c.Table.Commit(ctx, ops)
}

func TestInvalid(t *testing.T) {
	s, _ := open(inFile(t))
	long := strings.Repeat("x", 129)
	for what, k := range map[string]fleet.Key{
		"no name": key(t, "", "", "any"), "short": key(t, "", "x", "any"), "long": key(t, "", long, "any"), "space": key(t, "", "a b", "any"), "slash": key(t, "", "a/b", "any"),
		"umlaut": key(t, "", "bär", "any"), "id": key(t, "1a", "web1", "any"), "id 0": key(t, "0", "web1", "any"), "long id": key(t, strings.Repeat("1", 19), "web1", "any"),
		"no address": {Key: wire.Key{Name: "web1"}},
		"secret":     {Key: wire.Key{Name: "web1", Address: address(t, "any"), Secret: "two\nlines"}},
		"bytes":      {Key: wire.Key{Name: "web1", Address: address(t, "any"), Secret: "\xff"}},
		"hosts":      {Key: wire.Key{Name: "web1", Address: address(t, "any")}, MaxHosts: -1},
		"group":      {Key: wire.Key{Name: "web1", Address: address(t, "any")}, Group: "a/b"},
	} {
		if _, err := s.Add(t.Context(), k); !errors.Is(err, fleet.ErrInvalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
	add(t, s, key(t, "", long[:128], "any"))
	for where, many := range map[string]bool{"192.0.2.1": false, "any": false, "192.0.2.0/24": true, "2001:db8::/64": true, "!192.0.2.1": false} {
		k := add(t, s, key(t, "", "at-"+strings.NewReplacer("/", "_", ":", "_", "!", "not").Replace(where), where))
		if k.Many != many {
			t.Errorf("%s: many %t", where, k.Many)
		}
	}
}

func TestRotate(t *testing.T) {
	s, c := open(inFile(t))
	old := add(t, s, key(t, "", "web1", "any"))
	k, err := s.Rotate(t.Context(), "web1", time.Hour)
	if err != nil || k.Secret == old.Secret || !slices.Equal(k.Secrets(noon), []string{k.Secret, old.Secret}) {
		t.Fatalf("%+v, %v", k, err)
	}
	rises(t, s, false, "the old secret used", func() error { return s.Used(t.Context(), k.ID, old.Secret) })
	c.advance(time.Hour)
	if got := k.Secrets(c.now()); !slices.Equal(got, []string{k.Secret}) {
		t.Errorf("after its grace: %v", got)
	}
	rises(t, s, true, "the new secret used", func() error { return s.Used(t.Context(), k.ID, k.Secret) })
	rises(t, s, false, "and again", func() error { return s.Used(t.Context(), k.ID, k.Secret) })
	if got, err := s.Key(t.Context(), k.ID); err != nil || got.Previous != "" || !got.Until.IsZero() {
		t.Errorf("%+v, %v", got, err)
	}
	if k, err = s.Rotate(t.Context(), k.ID, 0); err != nil || len(k.Secrets(c.now())) != 1 {
		t.Errorf("without grace: %+v, %v", k, err)
	}
	if _, err := s.Rotate(t.Context(), k.ID, -1); !errors.Is(err, fleet.ErrInvalid) {
		t.Error(err)
	}
	many := add(t, s, key(t, "", "web-asg", "10.0.0.0/8"))
	if many, err = s.Rotate(t.Context(), many.ID, time.Hour); err != nil {
		t.Fatal(err)
	}
	rises(t, s, false, "one of many uses the new secret", func() error { return s.Used(t.Context(), many.ID, many.Secret) })
}

// Stores that add, enrol, rename and remove at once never lose a change, and give no id or name twice.
func TestConcurrent(t *testing.T) {
	each(t, func(t *testing.T, tab table.Table) {
		const stores, rounds = 4, 12
		var mu sync.Mutex
		given := map[string]string{}
		var wg sync.WaitGroup
		for n := range stores {
			s, _ := open(tab)
			wg.Go(func() {
				for i := range rounds {
					k, err := s.Enrol(t.Context(), fleet.Request{Name: "web", From: netip.AddrFrom4([4]byte{10, 0, byte(n), byte(i)})})
					if err == nil && i%3 == 0 {
						err = s.Remove(t.Context(), k.ID)
					} else if err == nil {
						_, err = s.Rotate(t.Context(), k.ID, time.Hour)
					}
					mu.Lock()
					if given[k.ID] != "" || err != nil {
						t.Errorf("%s was given to %s, and to %s: %v", k.ID, given[k.ID], k.Name, err)
					}
					given[k.ID] = k.Name
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		s, _ := open(tab)
		if v := version(t, s); v != 2*stores*rounds {
			t.Errorf("%d changes, want %d", v, 2*stores*rounds)
		}
		keys, err := s.Keys(t.Context())
		names := map[string]bool{}
		for _, k := range keys {
			names[k.Name] = true
		}
		if err != nil || len(keys) != stores*rounds*2/3 || len(names) != len(keys) {
			t.Errorf("%d keys with %d names, %v", len(keys), len(names), err)
		}
	})
}
