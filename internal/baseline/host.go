package baseline

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/fleet"
	"github.com/yagura-hids/yagura/internal/syscheck"
	"github.com/yagura-hids/yagura/internal/table"
)

// Names of the table's fields; those of the key are the schema's.
const (
	fieldVersion = "version"
	fieldExpires = "expires"
	fieldUpto    = "upto"  // of a bucket: the number of the journal's item up to which it is folded
	fieldParts   = "parts" // … in how many items it lies
	fieldOver    = "over"  // … true if it has only what differs from the image's
	fieldText    = "text"
)

// shelf is where a baseline's folded part lies in the table: a host's, or an image's.
type shelf struct {
	partition string
	buckets   map[int]*bucket // as read
}

// bucket is what is known of the files of one bucket.
type bucket struct {
	records map[string]*known
	version int64 // 0: there is none in the table
	upto    uint64
	parts   int
	over    bool // it has only what differs from the image's
}

// layer is what is known of paths, bucket by bucket.
type layer map[int]map[string]*known

func (l layer) put(path string, k *known) {
	b := syscheck.Bucket(path)
	if l[b] == nil {
		l[b] = map[string]*known{}
	}
	l[b][path] = k
}

// files returns how many paths of a bucket are files that are there.
func (l layer) files(b int) (n int) {
	for _, k := range l[b] {
		if k.file() != nil {
			n++
		}
	}
	return n
}

// place names an event of a host.
type place struct{ epoch, seq uint64 }

// host is one run's view of a host's baseline: what the buckets hold, the journal's tail over it, and what is to be appended.
type host struct {
	agent string
	own   shelf
	image shelf // of state.Image

	version int64 // of the head, 0 if there is none
	folded  uint64
	state   state
	founder bool // the image has no baseline yet; a fold ends that, no entry does
	cleared bool // what the buckets hold is void; likewise
	applied []mark
	overlay layer            // what the tail and pending entries made known; nil for nothing any more
	delta   syscheck.Digests // of all effects since the fold
	told    map[place]*entry // entries with a change since the fold
	heard   layer            // what was told since the agent was asked, of the buckets that it was asked for

	last    uint64    // number of the journal's last item in the table
	size    int       // bytes of the tail's items
	oldest  time.Time // when the tail's oldest item was made; zero for none
	newest  time.Time // …
	pending []entry
	bytes   int // of pending, unpacked, about

	appended int // bytes of the item that Ops made of pending
}

// load reads a host's head and the tail of its journal.
func (k *Keeper) load(agent string) (*host, error) {
	h := &host{
		agent: agent, own: shelf{partition: partition(agent), buckets: map[int]*bucket{}}, state: state{First: true},
		overlay: layer{}, told: map[place]*entry{}, heard: layer{},
	}
	items, err := k.table.Get(k.ctx, fleet.Schema, []table.Key{{Partition: h.own.partition, Sort: "head"}})
	if err != nil {
		return nil, fmt.Errorf("read baseline of %q: %w", agent, err)
	}
	if items[0] != nil {
		var d head
		if err := decode(items[0].Bytes(fieldText), &d); err != nil {
			return nil, fmt.Errorf("read baseline of %q: head: %w", agent, err)
		}
		h.version, h.folded, h.state, h.founder, h.applied, h.newest = items[0].Int(fieldVersion), d.Folded, d.State, d.Founder, d.Applied, time.Unix(d.Newest, 0)
	}
	h.last = h.folded
	err = journal(k.ctx, k.table, table.Query{Partition: h.own.partition, From: journalKey(h.folded + 1), To: "journal0"}, func(item item) error {
		if item.number != h.last+1 {
			h.lost()
		}
		h.last = item.number
		h.size += item.size
		h.newest = item.made
		if h.oldest.IsZero() {
			h.oldest = item.made
		}
		for i := range item.entries {
			if err := h.apply(&item.entries[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read baseline of %q: %w", agent, err)
	}
	h.image = shelf{partition: imagePartition(h.state.Image), buckets: map[int]*bucket{}}
	return h, nil
}

// lost makes the host one that begins anew: items of its journal's tail have expired, because it was silent for months.
func (h *host) lost() {
	h.overlay, h.delta = layer{}, syscheck.Digests{}
	h.state, h.cleared, h.founder = state{First: true, Agent: h.state.Agent}, true, false
}

// item is an item of a journal.
type item struct {
	number  uint64
	size    int // bytes
	made    time.Time
	entries []entry
}

// journal gives the items of a journal that a query finds.
func journal(ctx context.Context, t table.Table, q table.Query, yield func(item) error) error {
	q.Table = fleet.Schema
	for {
		page, err := t.Query(ctx, q)
		if err != nil {
			return err
		}
		for _, fields := range page.Items {
			i := item{size: table.Size(fields), made: time.Unix(fields.Int("made"), 0)}
			key := fields.String(fleet.Schema.Sort)
			if _, err := fmt.Sscanf(key, "journal/%016x", &i.number); err != nil {
				return fmt.Errorf("%s: %w", key, ErrItem)
			}
			if err := decode(fields.Bytes(fieldText), &i.entries); err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
			for n := range i.entries {
				if err := i.entries[n].complete(); err != nil {
					return fmt.Errorf("%s: %w", key, err)
				}
			}
			if err := yield(i); err != nil {
				return err
			}
		}
		if q.After = page.Next; q.After == "" {
			return nil
		}
	}
}

// apply does what an entry says.
func (h *host) apply(e *entry) error {
	for i := range e.Effects {
		if err := h.effect(&e.Effects[i]); err != nil {
			return err
		}
	}
	if e.Heard != "" {
		h.heard.put(e.Heard, &known{record: &syscheck.Record{}})
	}
	if e.Differs {
		h.state.Differs++
		if len(h.state.Differ) < maxNamed {
			h.state.Differ = append(slices.Clip(h.state.Differ), e.Effects[0].path())
		}
	}
	if e.Change != nil {
		h.told[place{e.Epoch, e.Seq}] = e
	}
	h.founder = h.founder || e.Founder
	if e.State != nil {
		h.state = *e.State
		if e.Clear {
			h.cleared, h.founder = true, false
			h.overlay, h.delta = layer{}, syscheck.Digests{}
		}
		clear(h.heard)
	}
	if e.Epoch != 0 {
		h.mark(e.Epoch, e.Seq)
	}
	return nil
}

func (h *host) effect(f *effect) error {
	path := f.path()
	var now *known
	if f.Old != nil {
		old, err := f.Old.unpack()
		if err != nil {
			return err
		}
		if old.record != nil {
			h.delta.Remove(path, old.record)
		}
	}
	if f.New != nil {
		var err error
		if now, err = f.New.unpack(); err != nil {
			return err
		}
		if now.record != nil {
			h.delta.Add(path, now.record)
		}
	}
	h.overlay.put(path, now)
	if h.asked(path) {
		h.heard.put(path, now)
	}
	return nil
}

// maxMarks is how many epochs are remembered: a host has another one when its agent, or the relay that it speaks through, is set up anew.
const maxMarks = 8

func (h *host) mark(epoch, seq uint64) {
	i := slices.IndexFunc(h.applied, func(m mark) bool { return m.Epoch == epoch })
	m := mark{Epoch: epoch, Seq: seq}
	if i >= 0 {
		m.Seq = max(m.Seq, h.applied[i].Seq)
		h.applied = slices.Delete(h.applied, i, i+1)
	}
	h.applied = append(h.applied, m)
	h.applied = h.applied[max(0, len(h.applied)-maxMarks):]
}

// dealt tells whether the event was judged before.
func (h *host) dealt(id event.ID) bool {
	return slices.ContainsFunc(h.applied, func(m mark) bool { return m.Epoch == id.Epoch && id.Seq <= m.Seq })
}

// add applies an entry, which is then to be appended to the journal.
func (h *host) add(e entry) error {
	h.bytes += e.weight()
	h.pending = append(h.pending, e)
	return h.apply(&h.pending[len(h.pending)-1])
}

// pass notes that an event was judged that changes nothing: should it come again, it must not be taken for a later one.
func (h *host) pass(ev *event.Event) error {
	if n := len(h.pending); n > 0 && h.pending[n-1].bare() && h.pending[n-1].Epoch == ev.ID.Epoch {
		h.pending[n-1].Seq, h.pending[n-1].Time = ev.ID.Seq, ev.Time.UnixNano()
		h.mark(ev.ID.Epoch, ev.ID.Seq)
		return nil
	}
	return h.add(entry{Epoch: ev.ID.Epoch, Seq: ev.ID.Seq, Time: ev.Time.UnixNano()})
}

// bare tells whether the entry says only that an event was judged.
func (e *entry) bare() bool {
	return e.Change == nil && len(e.Effects) == 0 && e.Heard == "" && e.State == nil
}

// weight is about how many bytes the entry is, unpacked.
func (e *entry) weight() int {
	n := 64
	for i := range e.Effects {
		n += 2 * (160 + len(e.Effects[i].path()))
	}
	if e.Change != nil {
		n += 512 + 2*len(e.Change.Path) + len(e.Change.Diff) + 200*len(e.Change.Packages)
	}
	return n + len(e.Heard)
}

// known returns what is known of a path, nil for nothing.
func (k *Keeper) known(h *host, path string) (*known, error) {
	b := syscheck.Bucket(path)
	if now, ok := h.overlay[b][path]; ok {
		return now, nil
	}
	if h.cleared {
		return nil, nil
	}
	own, err := k.bucket(&h.own, b)
	if err != nil {
		return nil, err
	}
	if now, ok := own.records[path]; ok {
		return now, nil
	}
	if !h.over(own) {
		return nil, nil
	}
	image, err := k.bucket(&h.image, b)
	if err != nil {
		return nil, err
	}
	return image.records[path], nil
}

// over tells whether the image's bucket lies below one of the host's own. The bucket itself knows: it may be folded when the head isn't yet.
func (h *host) over(own *bucket) bool {
	if own.version > 0 {
		return own.over
	}
	return h.state.Image != "" && !h.founder
}

// bucket returns a bucket of a shelf, an empty one if there is none.
func (k *Keeper) bucket(s *shelf, b int) (*bucket, error) {
	if found, ok := s.buckets[b]; ok {
		return found, nil
	}
	found, err := readBucket(k.ctx, k.table, s.partition, b)
	if err != nil {
		return nil, fmt.Errorf("read %s: bucket %d: %w", s.partition, b, err)
	}
	s.buckets[b] = found
	k.held += len(found.records)
	return found, nil
}

func readBucket(ctx context.Context, t table.Table, partition string, b int) (*bucket, error) {
	items, err := t.Get(ctx, fleet.Schema, []table.Key{{Partition: partition, Sort: bucketKey(b, 0)}})
	if err != nil || items[0] == nil {
		return &bucket{records: map[string]*known{}}, err
	}
	found := &bucket{version: items[0].Int(fieldVersion), upto: uint64(items[0].Int(fieldUpto)), parts: int(items[0].Int(fieldParts))}
	found.over, _ = items[0][fieldOver].(bool)
	text := items[0].Bytes(fieldText)
	if found.parts > 1 {
		var keys []table.Key
		for part := 1; part < min(found.parts, table.MaxOps); part++ {
			keys = append(keys, table.Key{Partition: partition, Sort: bucketKey(b, part)})
		}
		rest, err := t.Get(ctx, fleet.Schema, keys)
		if err != nil {
			return nil, err
		}
		for _, fields := range rest {
			if fields == nil || fields.Int(fieldVersion) != found.version {
				return nil, &table.ConflictError{} // somebody writes it just now
			}
			text = append(text, fields.Bytes(fieldText)...)
		}
	}
	found.records, err = decodeRecords(text)
	return found, err
}
