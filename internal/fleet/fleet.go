// Package fleet is the agents that Yagura knows: their keys, the hosts that use these, what is to be told to them, and the files that they are
// sent. All of it is in one table, in DynamoDB or in the file of one machine:
//
//	agent     item                fields
//	fleet     version             version: rises with every change of keys and files; next, enrol: lower ids are taken
//	keys      0…01026/1026        id, name, address, secret …: a Key, for good; removed ones stay, without their secret
//	names     web-asg             id: of the key in force that has the name; "" if none has it any more
//	hosts/7   web-asg/ip-10-0-1-17  host: a Host as JSON; version, expires
//	commands  20261124T100001…    host, text, created, until, told, relay, version, expires
//	files     default             files: a merged.mg, packed by zstd; length
//
// Hosts are spread over hosts/0 … hosts/15, so that no part of the table has all the writing. Times are text in RFC 3339, in UTC, but for
// expires, which is in seconds since 1970.
//
// Who changes keys or files reads the version first, then what the change rests on, and commits on the condition that the version is still
// that: so all changes happen one after another, whoever makes them. Hosts and commands change by themselves, each on the condition of its own
// version.
package fleet

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"
	"time"

	"github.com/yagura-hids/yagura/internal/table"
)

// Names of the table's fields that several kinds of items have.
const (
	fieldAgent   = "agent"
	fieldItem    = "item"
	fieldVersion = "version"
	fieldExpires = "expires"
)

// Schema is the table's; template.yaml declares the same.
var Schema = &table.Schema{Name: "fleet", Partition: fieldAgent, Sort: fieldItem, Expires: fieldExpires}

// Errors that the store's functions wrap.
var (
	// ErrUnknown is returned for a key, a host or a command that isn't there.
	ErrUnknown = errors.New("no such agent")
	// ErrExists is returned for a name or an id that is taken.
	ErrExists = errors.New("exists already")
	// ErrInvalid is returned for what nobody may store: a name, an id, a key without an address.
	ErrInvalid = errors.New("not valid")
)

// Store is the fleet in a table. It may be used by several goroutines, and by several processes if its table may.
type Store struct {
	table    table.Table
	opts     Options
	changing sync.Mutex // changes of one process wait for each other, and needn't be tried again
}

// Options are what a store works with.
type Options struct {
	Now    func() time.Time // nil for time.Now
	Random io.Reader        // of secrets and ids, for use by several goroutines; nil for crypto/rand's
}

// New returns the store over a table.
func New(t table.Table, o Options) *Store {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	return &Store{table: t, opts: o}
}

// The item with the version.
var versionKey = table.Key{Partition: "fleet", Sort: "version"}

// state is what the item with the version says.
type state struct {
	version int64
	next    int64 // all ids below it are taken
	enrol   int64 // and all from firstEnrolled up to below this
}

func (s *Store) state(ctx context.Context) (state, error) {
	items, err := s.table.Get(ctx, Schema, []table.Key{versionKey})
	if err != nil {
		return state{}, err
	}
	item := items[0]
	return state{item.Int(fieldVersion), max(item.Int("next"), 1), max(item.Int("enrol"), firstEnrolled)}, nil
}

// put returns the operation that counts the version up, and holds only if nobody else has.
func (st state) put() table.Op {
	item := table.Fields{fieldVersion: st.version + 1, "next": st.next, "enrol": st.enrol}
	return table.Op{Table: Schema, Item: with(versionKey, item), If: unchanged(st.version)}
}

// unchanged holds for an item that has the version which was read, 0 if there was none.
func unchanged(version int64) table.Condition {
	return table.Condition{Field: fieldVersion, Equal: version, Missing: version == 0}
}

// with gives fields their key.
func with(key table.Key, f table.Fields) table.Fields {
	f[fieldAgent], f[fieldItem] = key.Partition, key.Sort
	return f
}

// Version returns a number that rises whenever a key or a group's files change: what a relay asks often. Who wants to know of all changes
// reads it before the keys.
func (s *Store) Version(ctx context.Context) (int64, error) {
	st, err := s.state(ctx)
	return st.version, err
}

// change commits what plan returns, as one change of the fleet, unless that is nothing. If another process changed the fleet meanwhile, plan
// is called again; so it reads anew each time, and changes nothing outside but what it sets anew.
func (s *Store) change(ctx context.Context, plan func(*state) ([]table.Op, error)) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	for {
		st, err := s.state(ctx)
		if err != nil {
			return err
		}
		ops, err := plan(&st)
		if err != nil || len(ops) == 0 {
			return err
		}
		if err = s.table.Commit(ctx, append(ops, st.put())); !conflict(err) {
			return err
		}
	}
}

func conflict(err error) bool {
	var c *table.ConflictError
	return errors.As(err, &c)
}

// items gives all items that a query finds.
func (s *Store) items(ctx context.Context, q table.Query) iter.Seq2[table.Fields, error] {
	return func(yield func(table.Fields, error) bool) {
		for {
			page, err := s.table.Query(ctx, q)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, item := range page.Items {
				if !yield(item, nil) {
					return
				}
			}
			if q.After = page.Next; q.After == "" {
				return
			}
		}
	}
}

// formatTime writes a time for a field, "" for none.
func formatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// readTime reads what formatTime wrote.
func readTime(item table.Fields, field string) (time.Time, error) {
	text := item.String(field)
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%s of %s/%s: %w; not written by this program", field, item.String(fieldAgent), item.String(fieldItem), err)
	}
	return t.UTC(), nil
}
