package bolt_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/yagura-hids/yagura/internal/table"
	"github.com/yagura-hids/yagura/internal/table/bolt"
	"github.com/yagura-hids/yagura/internal/table/tabletest"
)

func open(t testing.TB) *bbolt.DB {
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
	return db
}

func TestTable(t *testing.T) {
	tabletest.Run(t, tabletest.Adapter{Transactions: true, Open: func(t *testing.T, _ ...*table.Schema) table.Table { return bolt.New(open(t)) }})
}

func note(key, word string) table.Op {
	return table.Op{Table: tabletest.Notes, Item: table.Fields{"key": key, "word": word}, If: table.Condition{Absent: true}}
}

// A caller's transaction holds the operations together with what the caller does, and goes on after a conflict.
func TestCommitWithin(t *testing.T) {
	db := open(t)
	stop := errors.New("stop")
	for _, end := range []error{stop, nil} {
		err := db.Update(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists([]byte("own"))
			if err := errors.Join(err, b.Put([]byte("k"), []byte("v")), bolt.Commit(tx, []table.Op{note("1", "first")})); err != nil {
				return err
			}
			var c *table.ConflictError
			if err := bolt.Commit(tx, []table.Op{note("2", "no"), note("1", "second")}); !errors.As(err, &c) || len(c.Ops) != 1 {
				t.Errorf("%v, want a conflict", err)
			}
			item, err := bolt.Get(tx, tabletest.Notes, table.Key{Partition: "1"})
			if err != nil || item.String("word") != "first" {
				t.Errorf("%v, %v", item, err)
			}
			return end
		})
		if !errors.Is(err, end) {
			t.Fatal(err)
		}
		items, err := bolt.New(db).Get(t.Context(), tabletest.Notes, []table.Key{{Partition: "1"}, {Partition: "2"}})
		if err != nil || (items[0] != nil) != (end == nil) || items[1] != nil {
			t.Errorf("after %v: %v, %v", end, items, err)
		}
	}
}

// What somebody else wrote into the buckets is an error, not a panic.
func FuzzDamaged(f *testing.F) {
	f.Add([]byte("k\x00\x01"), []byte("\x03keys\x01k"))
	f.Add([]byte("k\x00\x01n"), []byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Add([]byte("k\x00\x01n\x00\x01"), []byte("\x01ai\x80"))
	db := open(f)
	f.Fuzz(func(t *testing.T, key, value []byte) {
		if len(key) == 0 || len(key) > bbolt.MaxKeySize {
			return
		}
		err := db.Update(func(tx *bbolt.Tx) error {
			if tx.Bucket([]byte("things")) != nil {
				if err := tx.DeleteBucket([]byte("things")); err != nil {
					return err
				}
			}
			b, err := tx.CreateBucket([]byte("things"))
			for _, name := range []string{"items", "index/by-colour"} {
				inner, err2 := b.CreateBucket([]byte(name))
				err = errors.Join(err, err2, inner.Put(key, value))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		partition, _, _ := strings.Cut(string(key), "\x00\x01")
		for _, index := range []string{"", "by-colour"} {
			_, err := bolt.New(db).Query(t.Context(), table.Query{Table: tabletest.Things, Index: index, Partition: partition})
			if err != nil && !errors.Is(err, bolt.ErrDamaged) && !errors.Is(err, table.ErrInvalid) && !errors.Is(err, table.ErrTooLarge) {
				t.Error(err)
			}
		}
	})
}

// BenchmarkCommit tells what an item with two index entries costs, 100 in a transaction.
func BenchmarkCommit(b *testing.B) {
	tab := bolt.New(open(b))
	n := 0
	for b.Loop() {
		var ops []table.Op
		for range table.MaxOps {
			n++
			ops = append(ops, table.Op{Table: tabletest.Things, If: table.Condition{Absent: true}, Item: table.Fields{
				"owner": "o", "name": fmt.Sprintf("%012d", n), "colour": fmt.Sprint(n % 8), "place": fmt.Sprint(n % 50), "found": fmt.Sprint(n), "text": strings.Repeat("x", 1000),
			}})
		}
		if err := tab.Commit(b.Context(), ops); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/item")
}
