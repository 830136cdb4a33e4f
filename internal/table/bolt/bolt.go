// Package bolt keeps tables in a bbolt file, which may hold other things beside them.
//
//	bucket NAME of the table
//	  items         partition 00 01 sort 00 01                                            →  fields
//	  index/NAME    partition 00 01 sort 00 01, of the index, then the item's key in items →  the projected fields
//
// A zero byte within a key's part is written as 00 FF, so keys have the order of their parts. Fields are written one after another: the
// name's length and the name, a letter for the sort of value, the value.
package bolt

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	bolt "go.etcd.io/bbolt"

	"github.com/yagura-hids/yagura/internal/table"
)

// ErrDamaged is returned when the file holds what this package didn't write.
var ErrDamaged = errors.New("damaged table")

// Table is tables in a file. Only one process may have the file open.
type Table struct{ db *bolt.DB }

var _ table.Table = (*Table)(nil)

// New returns the tables in db, which stays its caller's to close. A table's buckets are made by the first Commit to it.
func New(db *bolt.DB) *Table { return &Table{db} }

// view reads. What a damaged file does to bbolt, panics and reads beyond the end of the mapping, becomes an error.
func (t *Table) view(fn func(*bolt.Tx) error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", ErrDamaged, r)
		}
	}()
	return t.db.View(fn)
}

var bucketItems = []byte("items")

func indexName(index string) []byte { return []byte("index/" + index) }

// Get returns items by their keys.
func (t *Table) Get(ctx context.Context, s *table.Schema, keys []table.Key) ([]table.Fields, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var items []table.Fields
	err := t.view(func(tx *bolt.Tx) error {
		for _, key := range keys {
			item, err := Get(tx, s, key)
			if err != nil {
				return err
			}
			items = append(items, item)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("get from table %s: %w", s.Name, err)
	}
	return items, nil
}

// Get returns an item within the caller's transaction, nil if it isn't there.
func Get(tx *bolt.Tx, s *table.Schema, key table.Key) (table.Fields, error) {
	if err := s.ValidateKey(key); err != nil {
		return nil, err
	}
	b := bucket(tx, s, bucketItems)
	if b == nil {
		return nil, nil
	}
	text := b.Get(itemKey(s, key))
	if text == nil {
		return nil, nil
	}
	item := table.Fields{}
	return item, decode(item, text)
}

func bucket(tx *bolt.Tx, s *table.Schema, name []byte) *bolt.Bucket {
	b := tx.Bucket([]byte(s.Name))
	if b == nil {
		return nil
	}
	return b.Bucket(name)
}

// Commit does operations in a transaction of their own.
func (t *Table) Commit(ctx context.Context, ops []table.Op) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return t.db.Update(func(tx *bolt.Tx) error { return Commit(tx, ops) })
}

// Commit does operations within the caller's transaction, which stands as it was after a *table.ConflictError, table.ErrTooLarge or
// table.ErrInvalid. After other errors it must be rolled back.
func Commit(tx *bolt.Tx, ops []table.Op) error {
	if err := table.Validate(ops); err != nil {
		return err
	}
	old := make([]table.Fields, len(ops))
	var conflict table.ConflictError
	for i, op := range ops {
		var err error
		if old[i], err = Get(tx, op.Table, op.Table.Key(op.Item)); err != nil {
			return err
		}
		if !holds(op.If, old[i]) {
			conflict.Ops = append(conflict.Ops, i)
		}
	}
	if len(conflict.Ops) > 0 {
		return &conflict
	}
	for i, op := range ops {
		if op.Check {
			continue
		}
		if err := put(tx, op, old[i]); err != nil {
			return fmt.Errorf("put into table %s: %w", op.Table.Name, err)
		}
	}
	return nil
}

func holds(c table.Condition, item table.Fields) bool {
	switch {
	case c.Absent:
		return item == nil
	case c.Field == "":
		return true
	case item == nil:
		return c.Missing
	}
	n, ok := item[c.Field].(int64)
	return ok && n == c.Equal
}

// filled is how full pages are when they are split: most keys come in their order.
const filled = 0.9

func put(tx *bolt.Tx, op table.Op, old table.Fields) error {
	b, err := tx.CreateBucketIfNotExists([]byte(op.Table.Name))
	if err != nil {
		return err
	}
	items, err := b.CreateBucketIfNotExists(bucketItems)
	if err != nil {
		return err
	}
	items.FillPercent = filled
	if err := items.Put(itemKey(op.Table, op.Table.Key(op.Item)), encodeAll(op.Item)); err != nil {
		return err
	}
	for i := range op.Table.Indexes {
		if err := putIndex(b, op.Table, &op.Table.Indexes[i], op.Item, old); err != nil {
			return err
		}
	}
	return nil
}

func putIndex(b *bolt.Bucket, s *table.Schema, index *table.Index, item, old table.Fields) error {
	entries, err := b.CreateBucketIfNotExists(indexName(index.Name))
	if err != nil {
		return err
	}
	entries.FillPercent = filled
	key := indexKey(s, index, item)
	if was := indexKey(s, index, old); was != nil && string(was) != string(key) {
		if err := entries.Delete(was); err != nil {
			return err
		}
	}
	if key == nil {
		return nil
	}
	return entries.Put(key, encode(item, index.Projected))
}
