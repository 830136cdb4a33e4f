package tabletest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/yagura-hids/yagura/internal/table"
)

func roundTrip(t *testing.T, tab table.Table) {
	item := table.Fields{
		"key": "k", "empty": "", "text": "a\x00b\u007f\u2028é\U0001F3EF\"\\", "zero": int64(0), "least": int64(math.MinInt64), "most": int64(math.MaxInt64),
		"yes": true, "no": false, "bytes": []byte{0, 1, 0xFF, 0}, "none": []byte{}, "long": strings.Repeat("x", 100_000),
	}
	put(t, tab, Notes, item)
	equal(t, "item", get(t, tab, Notes, table.Key{Partition: "k"})[0], item)
	equal(t, "queried", all(t, tab, table.Query{Table: Notes, Partition: "k"}), []table.Fields{item})
}

func replaced(t *testing.T, tab table.Table) {
	first := with(thing("o", "n"), table.Fields{"a": int64(1), "b": "x"})
	second := with(thing("o", "n"), table.Fields{"b": "y"})
	put(t, tab, Things, first, second)
	equal(t, "item", get(t, tab, Things, table.Key{Partition: "o", Sort: "n"})[0], second)
	got := get(t, tab, Things, table.Key{Partition: "o", Sort: "n"})[0]
	got["b"] = "changed" // it is the caller's
	equal(t, "item", get(t, tab, Things, table.Key{Partition: "o", Sort: "n"})[0], second)
}

// oddKeys are in the order of their bytes.
var oddKeys = []string{
	"\x00", "\x00\x00", "\x00\x01", "\x01", "\n", " ", "#", "A", "a", "a\x00", "a\x00a", "a\x00\u00ff", "a\x01", "a b", "a/b", "aa", "b", "\u007f", "\u0080", "é", "\uffff",
	"\U00010000", "\U0010ffff", "\U0010ffffa",
}

func keys(utf16 bool) func(*testing.T, table.Table) {
	keys := oddKeys
	if utf16 {
		keys = slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return key >= "\U00010000" })
	}
	return func(t *testing.T, tab table.Table) { orderedKeys(t, tab, keys) }
}

func orderedKeys(t *testing.T, tab table.Table, oddKeys []string) {
	if !slices.IsSorted(oddKeys) {
		t.Fatal("the keys of this test aren't in order")
	}
	for i, key := range oddKeys {
		put(t, tab, Things, thing(key, "n"), with(thing("sorted", key), table.Fields{"colour": "red", "at": int64(i)}))
	}
	for _, key := range oddKeys {
		items := all(t, tab, table.Query{Table: Things, Partition: key})
		equal(t, fmt.Sprintf("partition %q", key), items, []table.Fields{thing(key, "n")})
		if get(t, tab, Things, table.Key{Partition: "sorted", Sort: key})[0] == nil {
			t.Errorf("no item %q", key)
		}
	}
	equal(t, "order", namesOf(all(t, tab, table.Query{Table: Things, Partition: "sorted", Limit: 5})), oddKeys)
	equal(t, "order of the index", namesOf(all(t, tab, table.Query{Table: Things, Index: "by-colour", Partition: "red", Limit: 5})), oddKeys)
	for i, from := range oddKeys {
		for j, to := range oddKeys[i:] {
			got := namesOf(all(t, tab, table.Query{Table: Things, Partition: "sorted", From: from, To: to}))
			if !slices.Equal(got, oddKeys[i:i+j]) {
				t.Errorf("from %q to %q: %q", from, to, got)
			}
		}
	}
}

func refused(t *testing.T, tab table.Table) {
	long := func(n int) string { return strings.Repeat("x", n) }
	for _, c := range []struct {
		item table.Fields
		want error
	}{
		{table.Fields{"name": "n"}, table.ErrInvalid},
		{thing("o", ""), table.ErrInvalid},
		{thing("o\xff", "n"), table.ErrInvalid},
		{table.Fields{"owner": "o", "name": int64(1)}, table.ErrInvalid},
		{with(thing("o", "n"), table.Fields{"text": "\xff"}), table.ErrInvalid},
		{with(thing("o", "n"), table.Fields{"number": 1}), table.ErrInvalid},
		{with(thing("o", "n"), table.Fields{"nothing": nil}), table.ErrInvalid},
		{with(thing("o", "n"), table.Fields{"colour": ""}), table.ErrInvalid},
		{with(thing("o", "n"), table.Fields{"place": []byte("x")}), table.ErrInvalid},
		{with(thing("o", "n"), table.Fields{"colour": long(table.MaxPartition + 1)}), table.ErrTooLarge},
		{thing(long(table.MaxPartition+1), "n"), table.ErrTooLarge},
		{thing("o", long(table.MaxSort+1)), table.ErrTooLarge},
		{with(thing("o", "n"), table.Fields{"text": long(table.MaxItem)}), table.ErrTooLarge},
	} {
		if err := tab.Commit(t.Context(), []table.Op{{Table: Things, Item: c.item}}); !errors.Is(err, c.want) {
			t.Errorf("%.100q: %v, want %v", fmt.Sprint(c.item), err, c.want)
		}
	}
	if _, err := tab.Get(t.Context(), Things, []table.Key{{Partition: "o"}}); !errors.Is(err, table.ErrInvalid) {
		t.Errorf("half a key: %v", err)
	}
	for _, q := range []table.Query{
		{Table: Things}, {Table: Things, Partition: "\xff"}, {Table: Things, Partition: "o", From: "\xff"}, {Table: Things, Partition: "o", Index: "none"},
		{Table: Things, Partition: "o", After: "no cursor!"},
	} {
		if _, err := tab.Query(t.Context(), q); !errors.Is(err, table.ErrInvalid) {
			t.Errorf("%+v: %v", q, err)
		}
	}
	big := with(thing(long(table.MaxPartition), long(table.MaxSort)), table.Fields{"colour": long(table.MaxPartition), "text": ""})
	big["text"] = long(table.MaxItem - table.Size(big))
	put(t, tab, Things, big)
	equal(t, "the largest item", get(t, tab, Things, Things.Key(big))[0], big)
}

// getMany asks for more than DynamoDB gives at once, in number and in bytes.
func getMany(t *testing.T, tab table.Table) {
	var keys []table.Key
	for i := range 230 {
		key := table.Key{Partition: fmt.Sprint("o", i%7), Sort: fmt.Sprint("n", i)}
		if keys = append(keys, key); i%3 > 0 {
			put(t, tab, Things, with(thing(key.Partition, key.Sort), table.Fields{"text": strings.Repeat("x", 1000*(i%200))}))
		}
	}
	for i, item := range get(t, tab, Things, keys...) {
		if (item != nil) != (i%3 > 0) || item != nil && (Things.Key(item) != keys[i] || len(item.String("text")) != 1000*(i%200)) {
			t.Fatalf("key %v has %.100q", keys[i], fmt.Sprint(item))
		}
	}
	if items := get(t, tab, Things); len(items) != 0 {
		t.Errorf("no keys have %v", items)
	}
}

func conditions(t *testing.T, tab table.Table) {
	present := with(thing("o", "there"), table.Fields{"version": int64(3), "word": "three"})
	for _, c := range []struct {
		name            string
		cond            table.Condition
		holds, holdsNew bool
	}{
		{"none", table.Condition{}, true, true},
		{"absent", table.Condition{Absent: true}, false, true},
		{"equal", table.Condition{Field: "version", Equal: 3}, true, false},
		{"other", table.Condition{Field: "version", Equal: 4}, false, false},
		{"equal or missing", table.Condition{Field: "version", Equal: 3, Missing: true}, true, true},
		{"other or missing", table.Condition{Field: "version", Equal: 0, Missing: true}, false, true},
		{"no such field", table.Condition{Field: "release", Equal: 0}, false, false},
		{"no such field, or missing", table.Condition{Field: "release", Equal: 0, Missing: true}, false, true},
		{"no number", table.Condition{Field: "word", Equal: 3}, false, false},
		{"a reserved word", table.Condition{Field: "size", Equal: 3, Missing: true}, false, true},
	} {
		for name, holds := range map[string]bool{"there": c.holds, "new " + c.name: c.holdsNew} {
			put(t, tab, Things, present)
			item := with(thing("o", name), table.Fields{"word": c.name})
			err := tab.Commit(t.Context(), []table.Op{{Table: Things, Item: item, If: c.cond}})
			got := get(t, tab, Things, table.Key{Partition: "o", Sort: name})[0]
			if holds {
				if err != nil {
					t.Errorf("%s, %s: %v", c.name, name, err)
				}
				equal(t, c.name, got, item)
				continue
			}
			conflict(t, err, 0)
			if name == "there" {
				equal(t, c.name, got, present)
			} else if got != nil {
				t.Errorf("%s: written: %v", c.name, got)
			}
		}
	}
}

func ended(t *testing.T, tab table.Table) {
	put(t, tab, Things, thing("o", "n"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err1 := tab.Get(ctx, Things, []table.Key{{Partition: "o", Sort: "n"}})
	_, err2 := tab.Query(ctx, table.Query{Table: Things, Partition: "o"})
	err3 := tab.Commit(ctx, []table.Op{{Table: Things, Item: thing("o", "late")}})
	for _, err := range []error{err1, err2, err3} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v, want %v", err, context.Canceled)
		}
	}
	if item := get(t, tab, Things, table.Key{Partition: "o", Sort: "late"})[0]; item != nil {
		t.Errorf("written: %v", item)
	}
}
