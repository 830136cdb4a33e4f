// Package prevalence knows which hosts of a profile have a file in the same state, and what hosts told that a version of a package brings.
//
//	See(profile, host, path, sum)     ─► 12 of 50 hosts have it so
//	Brings(host, package, path, sum)  ─► 3 hosts told the same before, or another content
//
// It is kept in the table of the fleet, all of it under hashes, so that no name is too long and no part of the table has all the writing:
//
//	agent         item  fields
//	seen/HASH     head  of a profile and a path: the first hosts, each with its state; how many more are in which state. version, expires
//	seen/HASH     7f    the further hosts whose hash begins so
//	profile/HASH  …     of a profile, in the same way: the hosts that were at work lately
//	brings/HASH   files of a package's version: path, content, and the first hosts that told it
//
// Of a small profile one item is read and written for a change; of one of thousands, two of 1 KiB. What is known already is not written.
//
// A View is one run's view, as statestore.State is of the engine's memory: its owner commits what was seen, each item on the condition that nobody has
// changed it meanwhile, and sees it anew if somebody has. To see a thing twice is to see it once.
package prevalence

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/yagura-hids/yagura/internal/fleet"
	"github.com/yagura-hids/yagura/internal/table"
)

// ErrItem is returned when what is kept in the table is no item of ours.
var ErrItem = errors.New("not an item of this program's")

// Options are a View's surroundings.
type Options struct {
	Now func() time.Time // how long things are remembered is told by this clock: events may be old
}

// View is what was seen, as the table has it and a run adds to it. It's not for concurrent use.
type View struct {
	ctx   context.Context // of the run
	table table.Table
	opts  Options
	items map[table.Key]item
}

// item is one of the table's. Its content is in the types that embed kept.
type item interface {
	state() *kept
	encode() ([]byte, error)
}

// kept is what all items have.
type kept struct {
	version int64 // that the table has, 0 if it has none
	expires int64
	changed bool          // since the last commit
	lives   time.Duration // without a change
}

func (k *kept) state() *kept { return k }

// Names of the table's fields.
const (
	fieldVersion = "version"
	fieldExpires = "expires"
	fieldSeen    = "seen"
)

// New returns a view. ctx ends its reading.
func New(ctx context.Context, t table.Table, o Options) *View {
	v := &View{ctx: ctx, table: t, opts: o}
	v.Forget()
	return v
}

// Forget drops everything read and seen, so that it is read anew.
func (v *View) Forget() { v.items = map[table.Key]item{} }

// Changed returns how many operations Ops returns.
func (v *View) Changed() int {
	n := 0
	for _, i := range v.items {
		if i.state().changed {
			n++
		}
	}
	return n
}

// Ops returns what is to be committed since the last Committed. Should it not fit into one commit, it may be stored in this order: cut off, hosts are
// noted that are not counted, never the other way round.
func (v *View) Ops() ([]table.Op, error) {
	var ops []table.Op
	for _, key := range slices.SortedFunc(maps.Keys(v.items), compareKeys) {
		k := v.items[key].state()
		if !k.changed {
			continue
		}
		content, err := v.items[key].encode()
		if err != nil {
			return nil, fmt.Errorf("encode %s/%s: %w", key.Partition, key.Sort, err)
		}
		k.expires = v.opts.Now().Add(k.lives).Unix()
		fields := table.Fields{
			fleet.Schema.Partition: key.Partition, fleet.Schema.Sort: key.Sort,
			fieldVersion: k.version + 1, fieldExpires: k.expires, fieldSeen: content,
		}
		unchanged := table.Condition{Field: fieldVersion, Equal: k.version, Missing: k.version == 0}
		ops = append(ops, table.Op{Table: fleet.Schema, Item: fields, If: unchanged})
	}
	return ops, nil
}

func compareKeys(a, b table.Key) int {
	return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Sort, b.Sort))
}

// maxItems bounds the items that are held between two commits, of some KiB each.
const maxItems = 5_000

// Committed tells that what Ops returned is stored.
func (v *View) Committed() {
	for _, i := range v.items {
		if k := i.state(); k.changed {
			k.version, k.changed = k.version+1, false
		}
	}
	if len(v.items) > maxItems {
		v.Forget()
	}
}

// fetch reads items that aren't held yet, all at once. empty makes one without content; decode reads content into it.
func fetch[T item](v *View, empty func() T, decode func(T, []byte) error, keys ...table.Key) error {
	keys = slices.DeleteFunc(keys, func(k table.Key) bool { return v.items[k] != nil })
	if len(keys) == 0 {
		return nil
	}
	found, err := v.table.Get(v.ctx, fleet.Schema, keys)
	if err != nil {
		return err
	}
	for n, key := range keys {
		i := empty()
		if f := found[n]; f != nil {
			k := i.state()
			k.version, k.expires = f.Int(fieldVersion), f.Int(fieldExpires)
			if k.version <= 0 {
				return fmt.Errorf("%s/%s: %w: version %d", key.Partition, key.Sort, ErrItem, k.version)
			}
			if k.expires > v.opts.Now().Unix() { // a table deletes late
				err = decode(i, f.Bytes(fieldSeen))
			}
		}
		if err != nil {
			return fmt.Errorf("%s/%s: %w", key.Partition, key.Sort, err)
		}
		v.items[key] = i
	}
	return nil
}

// sum is what names are known by: no two have the same that anyone could find.
type sum [16]byte

func sumOf(texts ...string) (s sum) {
	h := sha256.New()
	for _, text := range texts {
		fmt.Fprintf(h, "%d:%s", len(text), text)
	}
	copy(s[:], h.Sum(nil))
	return s
}

func keyOf(kind, sort string, names ...string) table.Key {
	s := sumOf(names...)
	return table.Key{Partition: kind + "/" + base64.RawURLEncoding.EncodeToString(s[:]), Sort: sort}
}
