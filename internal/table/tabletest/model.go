package tabletest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/yagura-hids/yagura/internal/table"
)

// fataler is a test, or one of rapid's.
type fataler interface {
	Helper()
	Context() context.Context
	Fatalf(format string, args ...any)
}

// book is the model of a table: its items by key.
type book map[table.Key]table.Fields

// model compares a table with a map, over random commits and queries.
func model(a Adapter) func(*testing.T, table.Table) {
	most := 1
	if a.Transactions {
		most = 4
	}
	return func(t *testing.T, tab table.Table) {
		round := 0
		rapid.Check(t, func(r *rapid.T) {
			round++ // each round has partitions of its own
			m := &modelled{tab: tab, round: fmt.Sprint(round), items: book{}}
			for range rapid.IntRange(1, 12).Draw(r, "steps") {
				m.commit(r, rapid.IntRange(1, most).Draw(r, "operations"))
				m.query(r)
			}
			m.get(r)
		})
	}
}

type modelled struct {
	tab   table.Table
	round string
	items book
}

func (m *modelled) word(r *rapid.T, what string) string {
	return m.round + rapid.SampledFrom([]string{"", "a", "b", "\x00"}).Draw(r, what)
}

func name(r *rapid.T, what string) string {
	return rapid.SampledFrom([]string{"1", "2", "3", "2\x00", "é"}).Draw(r, what)
}

func (m *modelled) op(r *rapid.T) table.Op {
	item := thing(m.word(r, "owner"), name(r, "name"))
	item["version"] = int64(rapid.IntRange(1, 3).Draw(r, "version"))
	for _, field := range []string{"colour", "place", "found", "size"} {
		if rapid.Bool().Draw(r, "has "+field) {
			item[field] = m.word(r, field)
		}
	}
	op := table.Op{Table: Things, Item: item}
	switch rapid.IntRange(0, 4).Draw(r, "condition") {
	case 0:
		op.If.Absent = true
	case 1:
		op.If = table.Condition{Field: "version", Equal: int64(rapid.IntRange(1, 3).Draw(r, "equal")), Missing: rapid.Bool().Draw(r, "or missing")}
	}
	return op
}

func (m *modelled) commit(r *rapid.T, n int) {
	var ops []table.Op
	seen := map[table.Key]bool{}
	var wrong []int
	for range n {
		op := m.op(r)
		key := Things.Key(op.Item)
		if seen[key] {
			continue
		}
		if n > 1 && rapid.IntRange(0, 3).Draw(r, "check") == 0 && op.If != (table.Condition{}) {
			op = table.Op{Table: Things, Item: thing(key.Partition, key.Sort), Check: true, If: op.If}
		}
		seen[key] = true
		old, there := m.items[key]
		if op.If.Absent && there || op.If.Field != "" && !(there && old.Int("version") == op.If.Equal || !there && op.If.Missing) {
			wrong = append(wrong, len(ops))
		}
		ops = append(ops, op)
	}
	err := m.tab.Commit(r.Context(), ops)
	var c *table.ConflictError
	switch {
	case errors.As(err, &c) && slices.Equal(c.Ops, wrong):
		return
	case err != nil || len(wrong) > 0:
		r.Fatalf("%v: %v, want a conflict of %v", ops, err, wrong)
	}
	for _, op := range ops {
		if !op.Check {
			m.items[Things.Key(op.Item)] = op.Item
		}
	}
}

func (m *modelled) query(r *rapid.T) {
	q := table.Query{
		Table: Things, Partition: m.word(r, "partition"), Descending: rapid.Bool().Draw(r, "descending"), Limit: rapid.IntRange(0, 3).Draw(r, "limit"),
		Index: rapid.SampledFrom([]string{"", "by-colour", "by-place"}).Draw(r, "index"),
	}
	for what, bound := range map[string]*string{"from": &q.From, "to": &q.To} {
		if rapid.Bool().Draw(r, "has "+what) {
			*bound = rapid.SampledFrom([]string{"1", "2", "2\x00", "é", m.round + "a"}).Draw(r, what)
		}
	}
	if q.Index != "" && q.Descending && q.From != "" {
		q.Limit = 0 // DynamoDB Local 2.6.1 loses items of one index key between pages of this kind
	}
	got := all(r, m.tab, q)
	partition, sort, _ := q.Order()
	order := func(a, b table.Fields) int {
		if q.Descending {
			a, b = b, a
		}
		return cmp.Compare(a.String(sort), b.String(sort))
	}
	if !slices.IsSortedFunc(got, order) {
		r.Fatalf("%+v: not in order: %v", q, got)
	}
	want := book{}
	for key, item := range m.items {
		_, has := item[sort]
		if s := item.String(sort); item.String(partition) == q.Partition && has && s >= q.From && (q.To == "" || s < q.To) {
			want[key] = m.shown(item, q.Index)
		}
	}
	for _, item := range got {
		key := Things.Key(item)
		if !reflect.DeepEqual(want[key], item) {
			r.Fatalf("%+v: %v, want %v", q, item, want[key])
		}
		delete(want, key)
	}
	if len(want) > 0 {
		r.Fatalf("%+v: lacks %v", q, want)
	}
}

// shown returns what a query of the index shows of an item.
func (m *modelled) shown(item table.Fields, index string) table.Fields {
	if index == "" {
		return item
	}
	i := Things.Index(index)
	shown := maps.Clone(item)
	maps.DeleteFunc(shown, func(name string, _ any) bool {
		return !slices.Contains(append([]string{Things.Partition, Things.Sort, i.Partition, i.Sort}, i.Projected...), name)
	})
	return shown
}

func (m *modelled) get(r *rapid.T) {
	keys := slices.Collect(maps.Keys(m.items))
	keys = append(keys, table.Key{Partition: m.round, Sort: "never"})
	items, err := m.tab.Get(r.Context(), Things, keys)
	if err != nil || len(items) != len(keys) {
		r.Fatalf("get %v: %v, %v", keys, items, err)
	}
	for i, key := range keys {
		if !reflect.DeepEqual(items[i], m.items[key]) {
			r.Fatalf("%v has %v, want %v", key, items[i], m.items[key])
		}
	}
}
