// Package tabletest holds what every table.Table must do, as tests that its implementers run.
//
//	tabletest.Run(t, tabletest.Adapter{Transactions: true, Open: func(t *testing.T, schemas ...*table.Schema) table.Table { … }})
package tabletest

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"

	"github.com/yagura-hids/yagura/internal/table"
)

// Adapter is a Table under test.
type Adapter struct {
	Open         func(t *testing.T, schemas ...*table.Schema) table.Table // empty tables; called once a test
	Transactions bool                                                     // Commit takes several operations; without it, the tests of that are left out
	UTF16        bool                                                     // strings are ordered as UTF-16: keys beyond U+FFFF are left out
}

// Things and Notes are the tables that the tests use.
var (
	Things = &table.Schema{Name: "things", Partition: "owner", Sort: "name", Expires: "until", Indexes: []table.Index{
		{Name: "by-colour", Partition: "colour", Sort: "name", Projected: []string{"size"}},
		{Name: "by-place", Partition: "place", Sort: "found"},
	}}
	Notes = &table.Schema{Name: "notes", Partition: "key"}
)

// Run tests an adapter.
func Run(t *testing.T, a Adapter) {
	tests := map[string]func(*testing.T, table.Table){
		"fields come back as they were": roundTrip, "an item is replaced whole": replaced, "keys are any UTF-8, ordered by bytes": keys(a.UTF16),
		"what no table can hold is refused": refused, "get many": getMany, "a range in both directions": ranges, "pages": pages,
		"an index is another order": indexes, "an index follows its items": moved, "items of one index key": sameKey,
		"conditions": conditions, "many increment one item": increments, "an ended context": ended, "as a map would do it": model(a),
	}
	if a.Transactions {
		maps.Copy(tests, map[string]func(*testing.T, table.Table){
			"all or nothing": allOrNothing, "checks": checks, "bounds of a commit": bounds, "many increment two items": incrementsOfTwo,
		})
	}
	for _, name := range slices.Sorted(maps.Keys(tests)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tests[name](t, a.Open(t, Things, Notes))
		})
	}
}

func put(t testing.TB, tab table.Table, s *table.Schema, items ...table.Fields) {
	t.Helper()
	for _, item := range items {
		if err := tab.Commit(t.Context(), []table.Op{{Table: s, Item: item}}); err != nil {
			t.Fatalf("put %v: %v", item, err)
		}
	}
}

func get(t testing.TB, tab table.Table, s *table.Schema, keys ...table.Key) []table.Fields {
	t.Helper()
	items, err := tab.Get(t.Context(), s, keys)
	if err != nil || len(items) != len(keys) {
		t.Fatalf("get %v: %d items, %v", keys, len(items), err)
	}
	return items
}

func thing(owner, name string) table.Fields { return table.Fields{"owner": owner, "name": name} }

func with(item table.Fields, more table.Fields) table.Fields {
	all := maps.Clone(item)
	maps.Copy(all, more)
	return all
}

// all returns all that a query lists, by pages, and sees that these keep to its limit.
func all(t fataler, tab table.Table, q table.Query) []table.Fields {
	t.Helper()
	var list []table.Fields
	for range 10_000 {
		page, err := tab.Query(t.Context(), q)
		if err != nil {
			t.Fatalf("%+v: %v", q, err)
		}
		if q.Limit > 0 && len(page.Items) > q.Limit {
			t.Fatalf("%+v: a page of %d", q, len(page.Items))
		}
		list = append(list, page.Items...)
		if q.After = page.Next; q.After == "" {
			return list
		}
	}
	t.Fatalf("%+v: never ends", q)
	return nil
}

func namesOf(items []table.Fields) []string {
	var list []string
	for _, item := range items {
		list = append(list, item.String("name"))
	}
	return list
}

// conflict fails the test unless err names exactly these operations.
func conflict(t testing.TB, err error, ops ...int) {
	t.Helper()
	var c *table.ConflictError
	if !errors.As(err, &c) || !slices.Equal(c.Ops, ops) {
		t.Errorf("%v, want a conflict of %v", err, ops)
	}
}

func equal(t testing.TB, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: %s, want %s", what, short(got), short(want))
	}
}

func short(v any) string { return fmt.Sprintf("%.500q", fmt.Sprint(v)) }
