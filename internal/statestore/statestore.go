// Package statestore keeps the engine's memory in a table, so that any number of processes share it.
//
//	key            version  expires     item
//	count/5720/…   17       1795428368  zstd of CBOR of an analysis.Item
//	newest/web1    203      1795433000  …
//
// A State is one run's view of the table: it reads an item when the engine first asks for it, and collects what the engine puts. Its
// owner commits that, each item on the condition that nobody has changed it meanwhile, and starts anew if somebody has.
package statestore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/yagura-hids/yagura/internal/analysis"
	"github.com/yagura-hids/yagura/internal/table"
)

// Names of the table's fields.
const (
	fieldKey     = "key"
	fieldVersion = "version"
	fieldItem    = "item"
	fieldExpires = "expires"
)

// Schema is the table's.
var Schema = &table.Schema{Name: "state", Partition: fieldKey, Expires: fieldExpires}

// ErrItem is returned when what is kept under a key is no item of ours.
var ErrItem = errors.New("not an item of this program's")

// Options are a State's surroundings.
type Options struct {
	Now func() time.Time // when an item may be deleted is told by this clock: events may be old
}

// State is an analysis.State over a table. It's not for concurrent use.
type State struct {
	ctx   context.Context // of the run: analysis.State has no place for one
	table table.Table
	opts  Options
	items map[string]*kept
	put   map[string]bool // changed since the last commit
	asked map[string]bool // read since the last commit
}

// kept is an item and the version that the table has of it, 0 if it has none.
type kept struct {
	item    *analysis.Item
	version int64
}

var _ analysis.State = (*State)(nil)

// New returns a view of the table's items as they are now. ctx ends its reading.
func New(ctx context.Context, t table.Table, opts Options) *State {
	s := &State{ctx: ctx, table: t, opts: opts}
	s.Forget()
	return s
}

// Forget drops everything read and put, so that it is read anew.
func (s *State) Forget() {
	s.items, s.put, s.asked = map[string]*kept{}, map[string]bool{}, map[string]bool{}
}

// Len returns how many items are held.
func (s *State) Len() int { return len(s.items) }

// Item returns the item under key.
func (s *State) Item(key string) (*analysis.Item, error) {
	s.asked[key] = true
	if k, ok := s.items[key]; ok {
		return k.item, nil
	}
	found, err := s.table.Get(s.ctx, Schema, []table.Key{{Partition: tableKey(key)}})
	if err != nil {
		return nil, fmt.Errorf("read state %q: %w", key, err)
	}
	k := &kept{}
	if found[0] != nil {
		if k.item, err = decode(found[0].Bytes(fieldItem)); err != nil {
			return nil, fmt.Errorf("read state %q: %w", key, err)
		}
		k.version = found[0].Int(fieldVersion)
	}
	s.items[key] = k
	return k.item, nil
}

// Put keeps an item until it's committed.
func (s *State) Put(key string, i *analysis.Item) error {
	k, ok := s.items[key]
	if !ok { // put without having been read: there must be no other
		k = &kept{}
		s.items[key] = k
	}
	k.item = i
	s.put[key] = true
	return nil
}

// Changed returns how many operations Ops returns.
func (s *State) Changed() int {
	n := len(s.put)
	for key := range s.asked {
		if !s.put[key] && analysis.MustHold(key) {
			n++
		}
	}
	return n
}

// Ops returns what is to be committed since the last Committed: items in the order in which they may be stored one after another (see
// analysis.State), each on the condition that the table has the version that was read; before them the condition alone of those which were only
// read, and on which the others rest.
func (s *State) Ops() ([]table.Op, error) {
	if len(s.put) == 0 {
		return nil, nil
	}
	var ops []table.Op
	for _, key := range slices.Sorted(maps.Keys(s.asked)) {
		if k := s.items[key]; !s.put[key] && analysis.MustHold(key) {
			ops = append(ops, table.Op{Table: Schema, Item: table.Fields{fieldKey: tableKey(key)}, Check: true, If: k.unchanged()})
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(s.put), analysis.CompareKeys) {
		k := s.items[key]
		text, err := encode(k.item)
		if err != nil {
			return nil, fmt.Errorf("encode state %q: %w", key, err)
		}
		fields := table.Fields{fieldKey: tableKey(key), fieldVersion: k.version + 1, fieldItem: text}
		if k.item.Until != 0 {
			fields[fieldExpires] = s.expires(k.item)
		}
		ops = append(ops, table.Op{Table: Schema, Item: fields, If: k.unchanged()})
	}
	return ops, nil
}

func (k *kept) unchanged() table.Condition {
	return table.Condition{Field: fieldVersion, Equal: k.version, Missing: k.version == 0}
}

// expires tells when the table may forget an item: a day after its end, and not before it has lived as long by the clock as it lives by the
// time of its events, which may be of last year.
func (s *State) expires(i *analysis.Item) int64 {
	const day = 24 * 3600
	return max(i.Until, s.opts.Now().Unix()+i.Until-i.Time) + day
}

// Committed tells that what Ops returned is stored.
func (s *State) Committed() {
	for key := range s.put {
		s.items[key].version++
	}
	clear(s.put)
	clear(s.asked)
}

// maxTableKey is how long a key may be: DynamoDB's limit is 2048 bytes.
const maxTableKey = 1024

// tableKey writes a key of any bytes as one of UTF-8 and of bounded length.
func tableKey(key string) string {
	if !utf8.ValidString(key) || strings.ContainsRune(key, '%') {
		var b strings.Builder
		for i := range len(key) {
			if c := key[i]; c < ' ' || c >= 0x7f || c == '%' {
				fmt.Fprintf(&b, "%%%02X", c)
			} else {
				b.WriteByte(c)
			}
		}
		key = b.String()
	}
	if len(key) <= maxTableKey {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	kind, _, _ := strings.Cut(key, "/")
	return kind + "/%sha256/" + hex.EncodeToString(sum[:]) // no written key has "%s" in it
}
