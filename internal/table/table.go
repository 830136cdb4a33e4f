// Package table is the small ordered table that Yagura keeps things in: one interface, for a file on this machine (table/bolt) and for
// DynamoDB (table/dynamo). Package table/tabletest holds what both must do.
//
//	table alerts   partition (agent) │ sort (time, seq, id) │ fields: level, rule, source, alert …
//	               web1              │ 2026-11-24T10:00:01… │ ─┐
//	               web1              │ 2026-11-24T10:00:07… │  │ in the order of sort
//	               web2              │ 2026-11-24T09:12:33… │ ─┘
//	  index rule   partition (a field) │ sort (a field)        the same items, found and ordered by other fields
//
// An item is written whole. Several items, of several tables, are written together or not at all, each under its own condition: that is what
// makes an alert and the memory behind it one thing.
package table

import (
	"context"
	"errors"
	"fmt"
)

// Schema is what a table looks like. It is the table's users' to declare, as a variable; adapters know a table by its Name.
type Schema struct {
	Name      string  // what the adapter maps to the real table's name
	Partition string  // the field that is the first part of the key, a string
	Sort      string  // the second part, a string; "" if the first part is the whole key
	Expires   string  // the field that tells when an item may be deleted, an int64 in seconds since 1970; "" if items stay
	Indexes   []Index // other orders
}

// Index is another order of a table's items. An item that lacks one of its two fields isn't in it.
type Index struct {
	Name      string
	Partition string   // a field, a string
	Sort      string   // a field, a string
	Projected []string // fields that a Query of the index brings beside the keys; the others are to be got by Get
}

// Fields are an item's content by name: string (UTF-8; other bytes are the caller's to encode), int64, bool or []byte. Keys are fields, too. An
// empty string or []byte can be kept, but not as a key. Strings are ordered by their bytes.
type Fields map[string]any

// String returns the field's string, "" if it is none.
func (f Fields) String(name string) string { s, _ := f[name].(string); return s }

// Int returns the field's number, 0 if it is none.
func (f Fields) Int(name string) int64 { n, _ := f[name].(int64); return n }

// Bytes returns the field's bytes, nil if it has none. They are the caller's.
func (f Fields) Bytes(name string) []byte { b, _ := f[name].([]byte); return b }

// Key names an item of a table.
type Key struct{ Partition, Sort string }

// Key returns the key of an item.
func (s *Schema) Key(item Fields) Key { return Key{item.String(s.Partition), item.String(s.Sort)} }

// Index returns the index of that name, nil if there is none.
func (s *Schema) Index(name string) *Index {
	for i := range s.Indexes {
		if s.Indexes[i].Name == name {
			return &s.Indexes[i]
		}
	}
	return nil
}

// The bounds of a Commit, which are DynamoDB's: so many operations, and so many bytes in all of their items.
const (
	MaxOps   = 100
	MaxBytes = 4 << 20
	MaxItem  = 400 << 10 // of one item, names and values

	MaxPartition = 2048 // bytes of a key's first part, an index's, too
	MaxSort      = 1024 // … and of its second part
)

// Condition is what must hold of the item under a key for an operation to be done. The zero Condition always holds.
type Condition struct {
	Absent  bool   // there is no such item
	Field   string // or it has this field
	Equal   int64  // with this number
	Missing bool   // or there is no such item (with Field)
}

// Op is one operation of a Commit: it puts an item in place of an earlier one or, with Check, only asks for its condition.
type Op struct {
	Table *Schema
	Item  Fields // with Check, the key alone
	Check bool
	If    Condition
}

// Query asks for items of one partition in their order.
type Query struct {
	Table      *Schema
	Index      string // "" for the table itself
	Partition  string
	From, To   string // From ≤ sort < To; "" for no bound
	Descending bool
	Limit      int    // of a page; an adapter may return fewer, even none, of a list that goes on. 0 lets it choose
	After      string // the Next of the page before
}

// Page is a part of a query's answer. Next continues it; "" is its end.
type Page struct {
	Items []Fields
	Next  string
}

// Table is a store of tables. It may be used by several goroutines, and its tables by several processes unless the adapter says otherwise.
//
// Reads of tables see all that was committed before; reads of an index may lag behind. Errors of a busy or unreachable store are retried
// by the adapter as long as the context allows, and then returned: nothing is ever skipped.
type Table interface {
	// Get returns the items under keys of a table, in the keys' order, nil for one that isn't there. There may be any number of keys, none twice.
	Get(ctx context.Context, s *Schema, keys []Key) ([]Fields, error)
	// Query returns the next page.
	Query(ctx context.Context, q Query) (Page, error)
	// Commit does all operations, at most MaxOps of different keys, or none of them. If conditions don't hold, the error is a *ConflictError.
	//
	// A commit that had been done although the store reported a failure is recognised when the adapter tries it again: several operations
	// always; one by the item that it wrote, so unless another commit has replaced that since. Then it is reported as a conflict, and its caller,
	// who reads again, must find in the item that it was done.
	Commit(ctx context.Context, ops []Op) error
}

// ConflictError is returned when conditions of a Commit don't hold. Nothing was written.
type ConflictError struct {
	Ops []int // the operations concerned, in rising order
}

// Error names the operations.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("conditions of operations %v don't hold", e.Ops)
}

// Errors of a wrong call. Nothing was written.
var (
	// ErrTooLarge is returned for more than MaxOps operations, or more bytes than the bounds allow.
	ErrTooLarge = errors.New("too large")
	// ErrInvalid is returned for items, keys and queries that no table can hold or answer.
	ErrInvalid = errors.New("invalid")
)
