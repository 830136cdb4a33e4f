package bolt

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"github.com/yagura-hids/yagura/internal/table"
)

// defaultLimit is how many items a page has at most if its query doesn't say.
const defaultLimit = 1000

// Query returns the next page.
func (t *Table) Query(ctx context.Context, q table.Query) (table.Page, error) {
	if err := ctx.Err(); err != nil {
		return table.Page{}, err
	}
	r, err := newWalk(q)
	if err != nil {
		return table.Page{}, err
	}
	name := bucketItems
	if q.Index != "" {
		name = indexName(q.Index)
	}
	var page table.Page
	err = t.view(func(tx *bolt.Tx) (err error) {
		if b := bucket(tx, q.Table, name); b != nil {
			page, err = r.page(b.Cursor())
		}
		return err
	})
	if err != nil {
		return table.Page{}, fmt.Errorf("query table %s: %w", q.Table.Name, err)
	}
	return page, nil
}

// walk is a query as a way through a bucket: low ≤ key < high.
type walk struct {
	table.Query
	fields    []string // what the parts of a key are
	low, high []byte
}

func newWalk(q table.Query) (*walk, error) {
	partition, sort, err := q.Order()
	if err != nil {
		return nil, err
	}
	r := &walk{Query: q, fields: []string{partition}}
	if sort != "" {
		r.fields = append(r.fields, sort)
	}
	if q.Index != "" {
		r.fields = append(r.fields, q.Table.Partition, q.Table.Sort)
	}
	if r.Limit <= 0 {
		r.Limit = defaultLimit
	}
	prefix := appendPart(nil, q.Partition)
	r.low = appendEscaped(bytes.Clone(prefix), q.From)
	r.high = append(prefix[:len(prefix)-1:len(prefix)-1], terminate[1]+1) // behind all that begin with prefix
	if q.To != "" {
		r.high = appendEscaped(prefix, q.To)
	}
	return r, r.goOn()
}

// goOn narrows the walk to what lies behind the page before.
func (r *walk) goOn() error {
	if r.After == "" {
		return nil
	}
	after, err := base64.RawURLEncoding.DecodeString(r.After)
	if err != nil {
		return fmt.Errorf("query table %s: %w cursor %q", r.Table.Name, table.ErrInvalid, r.After)
	}
	switch {
	case r.Descending && bytes.Compare(after, r.high) < 0:
		r.high = after
	case !r.Descending && bytes.Compare(after, r.low) >= 0:
		r.low = append(after, 0)
	}
	return nil
}

func (r *walk) page(c *bolt.Cursor) (table.Page, error) {
	var page table.Page
	k, v := r.first(c)
	for ; k != nil && bytes.Compare(r.low, k) <= 0 && bytes.Compare(k, r.high) < 0; k, v = r.next(c) {
		item, err := r.item(k, v)
		if err != nil {
			return table.Page{}, err
		}
		if page.Items = append(page.Items, item); len(page.Items) == r.Limit {
			page.Next = base64.RawURLEncoding.EncodeToString(k)
			break
		}
	}
	return page, nil
}

func (r *walk) first(c *bolt.Cursor) (k, v []byte) {
	if !r.Descending {
		return c.Seek(r.low)
	}
	if k, _ := c.Seek(r.high); k == nil {
		return c.Last()
	}
	return c.Prev()
}

func (r *walk) next(c *bolt.Cursor) (k, v []byte) {
	if r.Descending {
		return c.Prev()
	}
	return c.Next()
}

// item returns what an entry shows: its fields and, of an index, those of its key.
func (r *walk) item(k, v []byte) (table.Fields, error) {
	item := table.Fields{}
	if err := decode(item, v); err != nil || r.Index == "" {
		return item, err
	}
	values, err := parts(k)
	if err != nil {
		return nil, err
	}
	for i, field := range r.fields[:min(len(values), len(r.fields))] {
		if field != "" {
			item[field] = values[i]
		}
	}
	return item, nil
}
