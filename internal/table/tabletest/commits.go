package tabletest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/yagura-hids/yagura/internal/table"
)

// many is n operations on two tables in turns.
func many(n int, word string) []table.Op {
	var ops []table.Op
	for i := range n {
		if i%2 == 0 {
			ops = append(ops, table.Op{Table: Things, Item: with(thing("o", numbered(i)), table.Fields{"colour": word}), If: table.Condition{Absent: true}})
		} else {
			ops = append(ops, table.Op{Table: Notes, Item: table.Fields{"key": numbered(i), "word": word}, If: table.Condition{Absent: true}})
		}
	}
	return ops
}

func found(t *testing.T, tab table.Table, ops []table.Op) int {
	n := 0
	for _, op := range ops {
		if get(t, tab, op.Table, op.Table.Key(op.Item))[0] != nil {
			n++
		}
	}
	return n
}

func allOrNothing(t *testing.T, tab table.Table) {
	first := many(table.MaxOps, "first")
	put(t, tab, Notes, table.Fields{"key": numbered(37)})
	put(t, tab, Things, thing("o", numbered(80)))
	conflict(t, tab.Commit(t.Context(), first), 37, 80)
	if n := found(t, tab, first); n != 2 {
		t.Errorf("%d items, want the two of before", n)
	}
	if items := all(t, tab, table.Query{Table: Things, Index: "by-colour", Partition: "first"}); len(items) != 0 {
		t.Errorf("an index has %v", items)
	}
	first[37].If, first[80].If = table.Condition{}, table.Condition{}
	if err := tab.Commit(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if n := found(t, tab, first); n != table.MaxOps {
		t.Errorf("%d items, want all", n)
	}
	conflict(t, tab.Commit(t.Context(), first[:3]), 0, 1, 2)
	if err := tab.Commit(t.Context(), nil); err != nil {
		t.Errorf("nothing to do: %v", err)
	}
}

func checks(t *testing.T, tab table.Table) {
	put(t, tab, Notes, table.Fields{"key": "k", "version": int64(2), "word": "kept"})
	check := func(key string, c table.Condition) table.Op {
		return table.Op{Table: Notes, Item: table.Fields{"key": key}, Check: true, If: c}
	}
	write := table.Op{Table: Things, Item: thing("o", "n")}
	conflict(t, tab.Commit(t.Context(), []table.Op{write, check("k", table.Condition{Field: "version", Equal: 1})}), 1)
	conflict(t, tab.Commit(t.Context(), []table.Op{check("k", table.Condition{Absent: true}), write}), 0)
	conflict(t, tab.Commit(t.Context(), []table.Op{check("k", table.Condition{Absent: true})}), 0)
	if n := found(t, tab, []table.Op{write}); n != 0 {
		t.Error("written in spite of a check")
	}
	ops := []table.Op{check("new", table.Condition{Field: "version", Missing: true}), write, check("k", table.Condition{Field: "version", Equal: 2})}
	if err := tab.Commit(t.Context(), ops); err != nil {
		t.Fatal(err)
	}
	equal(t, "items", get(t, tab, Notes, table.Key{Partition: "k"}, table.Key{Partition: "new"}),
		[]table.Fields{{"key": "k", "version": int64(2), "word": "kept"}, nil})
	if n := found(t, tab, []table.Op{write}); n != 1 {
		t.Error("not written although all checks hold")
	}
}

func bounds(t *testing.T, tab table.Table) {
	if err := tab.Commit(t.Context(), many(table.MaxOps+1, "x")); !errors.Is(err, table.ErrTooLarge) {
		t.Errorf("too many: %v", err)
	}
	heavy := many(12, "x")
	for i := range heavy {
		heavy[i].Item["text"] = strings.Repeat("x", table.MaxItem-1000)
	}
	if err := tab.Commit(t.Context(), heavy); !errors.Is(err, table.ErrTooLarge) {
		t.Errorf("too heavy: %v", err)
	}
	twice := []table.Op{{Table: Things, Item: thing("o", "n")}, {Table: Notes, Item: table.Fields{"key": "o"}}, {Table: Things, Item: thing("o", "n")}}
	if err := tab.Commit(t.Context(), twice); !errors.Is(err, table.ErrInvalid) {
		t.Errorf("two of one key: %v", err)
	}
	if n := found(t, tab, heavy) + found(t, tab, twice); n != 0 {
		t.Errorf("%d were written", n)
	}
	if err := tab.Commit(t.Context(), heavy[:8]); err != nil {
		t.Errorf("8 of nearly the largest items: %v", err)
	}
}

const (
	goroutines = 6
	increment  = 10
)

func increments(t *testing.T, tab table.Table)      { incrementAll(t, tab, "a") }
func incrementsOfTwo(t *testing.T, tab table.Table) { incrementAll(t, tab, "a", "b") }

// incrementAll lets goroutines count up items together, each again whenever another one was before it.
func incrementAll(t *testing.T, tab table.Table, keys ...string) {
	var group sync.WaitGroup
	errs := make(chan error, goroutines)
	for who := range goroutines {
		group.Go(func() {
			for n := range increment {
				if err := Increment(t, tab, fmt.Sprint(who, "/", n), keys...); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	group.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
	for _, key := range keys {
		item := get(t, tab, Notes, table.Key{Partition: key})[0]
		equal(t, "count of "+key, item.Int("count"), int64(goroutines*increment))
		equal(t, "version of "+key, item.Int("version"), int64(goroutines*increment))
	}
}

// Increment counts up items of Notes together, under their versions, until nobody was before it. who makes what it writes its own.
func Increment(t *testing.T, tab table.Table, who string, keys ...string) error {
	for {
		var ops []table.Op
		for _, key := range keys {
			items, err := tab.Get(t.Context(), Notes, []table.Key{{Partition: key}})
			if err != nil {
				return err
			}
			version := items[0].Int("version")
			ops = append(ops, table.Op{
				Table: Notes, Item: table.Fields{"key": key, "version": version + 1, "count": items[0].Int("count") + 1, "who": who},
				If: table.Condition{Field: "version", Equal: version, Missing: version == 0},
			})
		}
		err := tab.Commit(t.Context(), ops)
		var c *table.ConflictError
		if !errors.As(err, &c) {
			return err
		}
		if len(c.Ops) == 0 {
			return fmt.Errorf("a conflict of nothing: %w", err)
		}
	}
}
