package statestore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/internal/analysis"
	"github.com/yagura-hids/yagura/internal/analysis/statetest"
	"github.com/yagura-hids/yagura/internal/statestore"
	"github.com/yagura-hids/yagura/internal/table"
)

// fake is a table in memory, enough of one for a State.
type fake struct {
	items map[string]table.Fields
	err   error // of everything, if not nil
}

func newFake() *fake { return &fake{items: map[string]table.Fields{}} }

func (f *fake) Get(_ context.Context, _ *table.Schema, keys []table.Key) ([]table.Fields, error) {
	list := make([]table.Fields, len(keys))
	for i, k := range keys {
		list[i] = f.items[k.Partition]
	}
	return list, f.err
}

func (f *fake) Query(context.Context, table.Query) (table.Page, error) { panic("no State asks that") }

func (f *fake) Commit(_ context.Context, ops []table.Op) error {
	var bad []int
	for i, op := range ops {
		now, there := f.items[op.Item.String("key")]
		if ok := there && now.Int(op.If.Field) == op.If.Equal || !there && op.If.Missing; !ok {
			bad = append(bad, i)
		}
	}
	if len(bad) > 0 {
		return &table.ConflictError{Ops: bad}
	}
	for _, op := range ops {
		if !op.Check {
			f.items[op.Item.String("key")] = op.Item
		}
	}
	return f.err
}

var now = time.Unix(2_000_000_000, 0)

func open(t table.Table) *statestore.State {
	return statestore.New(context.Background(), t, statestore.Options{Now: func() time.Time { return now }})
}

func commit(t *testing.T, f *fake, s *statestore.State) error {
	t.Helper()
	ops, err := s.Ops()
	if err != nil {
		t.Fatal(err)
	}
	err = f.Commit(context.Background(), ops)
	if err == nil {
		s.Committed()
	}
	return err
}

// through commits each item at once, and reads it back from the table each time.
type through struct {
	*statestore.State
	t     *testing.T
	table *fake
}

func (s through) Put(key string, i *analysis.Item) error {
	_, err := s.Item(key) // its version, which an earlier Put forgot
	if err = errors.Join(err, s.State.Put(key, i)); err != nil {
		return err
	}
	if err := commit(s.t, s.table, s.State); err != nil {
		return err
	}
	s.Forget()
	return nil
}

func TestState(t *testing.T) {
	statetest.Run(t, func() analysis.State {
		f := newFake()
		return through{open(f), t, f}
	})
}

// What two views put under one key at once, the second one is refused, and it is well after it has read again.
func TestConflict(t *testing.T) {
	f := newFake()
	a, b := open(f), open(f)
	for _, s := range []*statestore.State{a, b} {
		if i, err := s.Item("count/1"); i != nil || err != nil {
			t.Fatal(i, err)
		}
		if err := s.Put("count/1", &analysis.Item{Time: 7}); err != nil {
			t.Fatal(err)
		}
	}
	if err := commit(t, f, a); err != nil {
		t.Fatal(err)
	}
	var conflict *table.ConflictError
	if err := commit(t, f, b); !errors.As(err, &conflict) {
		t.Fatalf("the second one: %v", err)
	}
	b.Forget()
	i, err := b.Item("count/1")
	if err != nil || i.Time != 7 {
		t.Fatal(i, err)
	}
	i.Time = 8
	if err := errors.Join(b.Put("count/1", i), commit(t, f, b)); err != nil {
		t.Fatal(err)
	}
	if i, err := a.Item("count/1"); err != nil || i.Time != 7 {
		t.Errorf("a view changed under its reader's hands: %v, %v", i, err)
	}
}

// A barrier that was only read must be the same at the commit; a count needn't.
func TestWhatMustHold(t *testing.T) {
	for key, holds := range map[string]bool{"barrier/x/web1": true, "count/1": false} {
		f := newFake()
		s, other := open(f), open(f)
		if _, err := s.Item(key); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(s.Put("count/2", &analysis.Item{}), other.Put(key, &analysis.Item{}), commit(t, f, other)); err != nil {
			t.Fatal(err)
		}
		if want := 1 + len(map[bool][]int{true: {0}}[holds]); s.Changed() != want {
			t.Errorf("%s: %d operations, want %d", key, s.Changed(), want)
		}
		if err := commit(t, f, s); (err != nil) != holds {
			t.Errorf("%s was read and then changed by somebody else: %v", key, err)
		}
	}
}

func TestOpsAreInOrder(t *testing.T) {
	s := open(newFake())
	for _, key := range []string{"newest/a", "count/1", "barrier/b", "first/1"} {
		if err := s.Put(key, &analysis.Item{}); err != nil {
			t.Fatal(err)
		}
	}
	ops, err := s.Ops()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, op := range ops {
		got = append(got, op.Item.String("key"))
	}
	if want := []string{"barrier/b", "count/1", "first/1", "newest/a"}; !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// An item of an event of last year is not deleted before it has lived its time.
func TestExpires(t *testing.T) {
	const day = 24 * 3600
	for _, c := range []struct {
		item analysis.Item
		want int64
	}{
		{analysis.Item{Time: 1_000_000_000, Until: 1_000_000_120}, now.Unix() + 120 + day},
		{analysis.Item{Time: now.Unix(), Until: now.Unix() + 120}, now.Unix() + 120 + day},
		{analysis.Item{Time: now.Unix() + 50, Until: now.Unix() + 170}, now.Unix() + 170 + day},
		{analysis.Item{Time: 1_000_000_000}, 0},
	} {
		s := open(newFake())
		if err := s.Put("count/1", &c.item); err != nil {
			t.Fatal(err)
		}
		ops, err := s.Ops()
		if err != nil {
			t.Fatal(err)
		}
		if got := ops[0].Item.Int("expires"); got != c.want {
			t.Errorf("%+v expires at %d, want %d", c.item, got, c.want)
		}
	}
}

// Any bytes make a key of valid UTF-8 and bounded length, and different ones make different keys.
func TestKeys(t *testing.T) {
	f := newFake()
	s := open(f)
	list := []string{"a/%41", "a/A", "a/\xff", "a/%FF", "a/ÿ", "a/" + strings.Repeat("x", 5000), "a/" + strings.Repeat("x", 5001), "a/%sha256/", "a/%25"}
	for _, key := range list {
		if err := s.Put(key, &analysis.Item{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := commit(t, f, s); err != nil {
		t.Fatal(err)
	}
	if len(f.items) != len(list) {
		t.Errorf("%d keys became %d", len(list), len(f.items))
	}
	for key := range f.items {
		if len(key) > 2048 || strings.ToValidUTF8(key, "") != key {
			t.Errorf("key %q", key)
		}
	}
}

func TestErrors(t *testing.T) {
	f := newFake()
	f.items["count/1"] = table.Fields{"key": "count/1", "version": int64(1), "item": []byte("no item")}
	if _, err := open(f).Item("count/1"); !errors.Is(err, statestore.ErrItem) || !strings.Contains(err.Error(), `"count/1"`) {
		t.Errorf("a foreign item: %v", err)
	}
	f.err = errors.New("throttled")
	if _, err := open(f).Item("count/2"); !errors.Is(err, f.err) {
		t.Errorf("a table that fails: %v", err)
	}
}

// FuzzItem: whatever stands in the table, reading it doesn't panic, and what can be read comes back as it was.
func FuzzItem(f *testing.F) {
	f.Add([]byte("no item"))
	for _, n := range []int{0, 1, 40} {
		fk := newFake()
		s := open(fk)
		i := &analysis.Item{Time: int64(n), Hours: make([]int, n)}
		for k := range n {
			i.Past = append(i.Past, analysis.Entry{Text: fmt.Sprint("text ", k, "\xff")})
		}
		if err := s.Put("k", i); err != nil {
			f.Fatal(err)
		}
		ops, err := s.Ops()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(ops[0].Item.Bytes("item"))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		fk := newFake()
		fk.items["k"] = table.Fields{"key": "k", "version": int64(1), "item": bytes.Clone(text)}
		s := open(fk)
		i, err := s.Item("k")
		if err != nil {
			return
		}
		if err := errors.Join(s.Put("k", i), commit(t, fk, s)); err != nil {
			t.Fatal(err)
		}
		s.Forget()
		if again, err := s.Item("k"); err != nil || !reflect.DeepEqual(again, i) {
			t.Fatalf("%+v came back as %+v, %v", i, again, err)
		}
	})
}
