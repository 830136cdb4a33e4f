package local

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/fxamacker/cbor/v2"

	"github.com/yagura-hids/yagura/internal/table"
)

// call is a call of a table.Table, as it goes through the socket: one to a request, CBOR in both directions. Schemas go by their names.
//
//	{"table": {"Name": "fleet"}, "keys": […]}  →  {"items": […]}: those of the first keys; the others are to be asked for again
//	{"query": {…}}                             →  {"items": […], "next": "…"}
//	{"commit": […]}                            →  {}, {"conflict": [0, 2]}
//	any of them                                →  {"invalid": "why"}, {"too_large": "what"}
type call struct {
	Table  *table.Schema `cbor:"table,omitempty"` // that the keys are of
	Keys   []table.Key   `cbor:"keys,omitempty"`
	Query  *table.Query  `cbor:"query,omitempty"`
	Commit []table.Op    `cbor:"commit,omitempty"`
}

type answer struct {
	Items    []table.Fields `cbor:"items,omitempty"`
	Next     string         `cbor:"next,omitempty"`
	Conflict []int          `cbor:"conflict,omitempty"`
	Invalid  string         `cbor:"invalid,omitempty"`
	TooLarge string         `cbor:"too_large,omitempty"`
}

// The bounds of a call and its answer. What is held at a time is a call, an answer, and the items of so many keys, or of a page.
const (
	maxCall    = 2 * table.MaxBytes
	maxKeys    = 1000
	maxAnswer  = table.MaxBytes // bytes, after which no more keys are looked up
	keysAtOnce = 16
	maxPage    = 100 // items
)

// Neither fails with these options. In a call an empty []byte is a value; in an answer a missing item is null.
var (
	callWriter, _ = cbor.EncOptions{NilContainers: cbor.NilContainerAsEmpty}.EncMode()
	callReader, _ = cbor.DecOptions{IntDec: cbor.IntDecConvertSignedOrFail, MaxNestedLevels: 8}.DecMode()
)

// serveTables answers calls of some tables.
func serveTables(t table.Table, schemas ...*table.Schema) http.HandlerFunc {
	known := map[string]*table.Schema{}
	for _, s := range schemas {
		known[s.Name] = s
	}
	return func(w http.ResponseWriter, r *http.Request) {
		var c call
		err := callReader.NewDecoder(http.MaxBytesReader(w, r.Body, maxCall)).Decode(&c)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		var a answer
		if err = c.resolve(known); err == nil {
			a, err = c.do(r.Context(), t)
		}
		if err = a.keep(err); err != nil {
			refuse(w, err)
			return
		}
		text, err := cbor.Marshal(a)
		if err != nil {
			refuse(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/cbor")
		_, _ = w.Write(text) // if that fails, the asker is gone
	}
}

// resolve puts the schemas that are known here in place of those that were sent.
func (c *call) resolve(known map[string]*table.Schema) error {
	schemas := []**table.Schema{}
	if len(c.Keys) > 0 {
		schemas = append(schemas, &c.Table)
	}
	if c.Query != nil {
		schemas = append(schemas, &c.Query.Table)
	}
	for i := range c.Commit {
		schemas = append(schemas, &c.Commit[i].Table)
	}
	for _, s := range schemas {
		if *s == nil || known[(*s).Name] == nil {
			return fmt.Errorf("%w: a table that isn't served here", table.ErrInvalid)
		}
		*s = known[(*s).Name]
	}
	return nil
}

func (c *call) do(ctx context.Context, t table.Table) (answer, error) {
	switch {
	case len(c.Keys) > 0:
		return c.get(ctx, t)
	case c.Query != nil:
		if c.Query.Limit <= 0 || c.Query.Limit > maxPage {
			c.Query.Limit = maxPage
		}
		page, err := t.Query(ctx, *c.Query)
		return answer{Items: page.Items, Next: page.Next}, err
	case len(c.Commit) > 0:
		return answer{}, t.Commit(ctx, c.Commit)
	}
	return answer{}, nil
}

func (c *call) get(ctx context.Context, t table.Table) (a answer, err error) {
	size := 0
	for len(c.Keys) > 0 && size < maxAnswer {
		n := min(keysAtOnce, len(c.Keys))
		items, err := t.Get(ctx, c.Table, c.Keys[:n])
		if err != nil {
			return answer{}, err
		}
		for _, item := range items {
			size += table.Size(item)
		}
		a.Items, c.Keys = append(a.Items, items...), c.Keys[n:]
	}
	return a, nil
}

// keep writes an error that its caller must know from others into the answer, and returns any other.
func (a *answer) keep(err error) error {
	var conflict *table.ConflictError
	switch {
	case errors.As(err, &conflict):
		a.Conflict = conflict.Ops
	case errors.Is(err, table.ErrTooLarge):
		a.TooLarge = err.Error()
	case errors.Is(err, table.ErrInvalid):
		a.Invalid = err.Error()
	default:
		return err
	}
	return nil
}

// error returns what keep has written.
func (a *answer) error() error {
	switch {
	case len(a.Conflict) > 0:
		return &table.ConflictError{Ops: a.Conflict}
	case a.TooLarge != "":
		return &told{a.TooLarge, table.ErrTooLarge}
	case a.Invalid != "":
		return &told{a.Invalid, table.ErrInvalid}
	}
	return nil
}

// told is an error as its text came through the socket.
type told struct {
	text string
	kind error
}

func (e *told) Error() string { return e.text }
func (e *told) Unwrap() error { return e.kind }

// remote is the tables of the yagura that runs in a data directory.
type remote struct{ dir string }

var _ table.Table = remote{}

func (r remote) Get(ctx context.Context, s *table.Schema, keys []table.Key) ([]table.Fields, error) {
	for _, key := range keys {
		if err := s.ValidateKey(key); err != nil {
			return nil, fmt.Errorf("get from table %s: %w", s.Name, err)
		}
	}
	items := make([]table.Fields, 0, len(keys))
	for len(items) < len(keys) {
		rest := keys[len(items):]
		a, err := r.call(ctx, call{Table: s, Keys: rest[:min(maxKeys, len(rest))]})
		if err == nil && (len(a.Items) == 0 || len(a.Items) > len(rest)) {
			err = fmt.Errorf("%d items were answered, and %d asked for", len(a.Items), len(rest))
		}
		if err != nil {
			return nil, fmt.Errorf("get from table %s: %w", s.Name, err)
		}
		items = append(items, a.Items...)
	}
	return items, nil
}

func (r remote) Query(ctx context.Context, q table.Query) (table.Page, error) {
	if _, _, err := q.Order(); err != nil {
		return table.Page{}, err
	}
	a, err := r.call(ctx, call{Query: &q})
	if err != nil {
		return table.Page{}, fmt.Errorf("query table %s: %w", q.Table.Name, err)
	}
	return table.Page{Items: a.Items, Next: a.Next}, nil
}

func (r remote) Commit(ctx context.Context, ops []table.Op) error {
	if err := table.Validate(ops); err != nil {
		return err
	}
	if len(ops) == 0 {
		return ctx.Err()
	}
	_, err := r.call(ctx, call{Commit: ops})
	return err
}

// call sends a call, and returns its answer. The error wraps ErrNotRunning if there is nobody to answer.
func (r remote) call(ctx context.Context, c call) (a answer, err error) {
	body, err := callWriter.Marshal(c)
	if err != nil {
		return answer{}, err
	}
	resp, err := fetch(ctx, r.dir, http.MethodPost, "/fleet", body)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	if err := callReader.NewDecoder(resp.Body).Decode(&a); err != nil {
		return answer{}, fmt.Errorf("read answer from %s: %w", SocketName, err)
	}
	return a, a.error()
}
