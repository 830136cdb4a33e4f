package spool

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"

	bolt "go.etcd.io/bbolt"

	"github.com/yagura-hids/yagura/internal/codec"
	"github.com/yagura-hids/yagura/internal/event"
)

// Class is what an event is worth when there is no room for all.
type Class uint8

// The classes, those that are dropped first at first.
const (
	Low    Class = iota // output of commands, which is repeated anyway, and heartbeats
	Normal              // log lines
	High                // integrity, rootkits, what the agent tells of itself
	classes
)

// Classify returns an event's class.
func Classify(ev *event.Event) Class {
	switch {
	case ev.Kind == event.Command, ev.Kind == event.AgentState && strings.HasPrefix(ev.Text, "{"):
		return Low
	case ev.Kind == event.Log:
		return Normal
	}
	return High
}

// block is some events of one class with successive numbers. On disk, under the first of these as 8 bytes, big-endian:
//
//	class (1) │ events (uvarint) │ bytes of text (uvarint) │ a batch as internal/codec writes it
//
// With the bit shared in its class, events of other agents are among them, and each one's agent stands before its location, with a NUL between.
type block struct {
	seq    uint64 // of the first event
	events int
	text   int // bytes of its texts
	size   int // bytes on disk
	class  Class
	shared bool
	data   []byte // of a fresh one
}

const shared = 0x80

// newBlock packs events, some of which may be of other agents than the spool's.
func newBlock(agent string, c Class, events []*event.Event, text int) (block, error) {
	first := events[0].ID
	head := []byte{byte(c)}
	stored := events
	if slices.ContainsFunc(events, func(ev *event.Event) bool { return ev.ID.Agent != agent }) {
		head[0] |= shared
		stored = withAgents(agent, events)
	}
	batch, err := codec.EncodeFast(&event.Batch{AgentID: agent, Epoch: first.Epoch, Events: stored})
	if err != nil {
		return block{}, err
	}
	head = binary.AppendUvarint(head, uint64(len(events)))
	head = binary.AppendUvarint(head, uint64(text))
	data := append(head, batch...)
	return block{seq: first.Seq, events: len(events), text: text, size: len(data), class: c, shared: head[0]&shared != 0, data: data}, nil
}

// withAgents returns events of one agent, with their own agents before their locations.
func withAgents(agent string, events []*event.Event) []*event.Event {
	copies, out := make([]event.Event, len(events)), make([]*event.Event, len(events))
	for i, ev := range events {
		copies[i] = *ev
		copies[i].ID.Agent = agent
		copies[i].Location = ev.ID.Agent + "\x00" + ev.Location
		out[i] = &copies[i]
	}
	return out
}

// readBlock reads what newBlock wrote, without unpacking its events.
func readBlock(k, v []byte) (b block, batch []byte, err error) {
	b = block{size: len(v)}
	if len(k) == 8 && len(v) > 3 && v[0]&^shared < byte(classes) {
		b.seq, b.class, b.shared = binary.BigEndian.Uint64(k), Class(v[0]&^shared), v[0]&shared != 0
		events, n := binary.Uvarint(v[1:])
		if n > 0 && events > 0 && events <= codec.MaxEvents {
			text, m := binary.Uvarint(v[1+n:])
			if m > 0 && text <= codec.MaxRaw {
				b.events, b.text = int(events), int(text)
				return b, v[1+n+m:], nil
			}
		}
	}
	return b, nil, fmt.Errorf("block %x: %w", k, codec.ErrDamaged)
}

func (b block) last() uint64 { return b.seq + uint64(b.events) - 1 }

// read unpacks the events of a block on disk.
func (b block) read(bucket *bolt.Bucket) ([]*event.Event, error) {
	_, data, err := readBlock(key(b.seq), bucket.Get(key(b.seq)))
	if err != nil {
		return nil, err
	}
	batch, err := codec.Decode(data)
	if err != nil {
		return nil, fmt.Errorf("block %d: %w", b.seq, err)
	}
	if b.shared {
		for _, ev := range batch.Events {
			ev.ID.Agent, ev.Location, _ = strings.Cut(ev.Location, "\x00")
		}
	}
	return batch.Events, nil
}

// lose counts what is lost with a block on disk. Of a damaged one only the number of its events is known.
func (l *Loss) lose(b block, bucket *bolt.Bucket) {
	events, err := b.read(bucket)
	if err != nil {
		l.add(Loss{Events: uint64(b.events), Kinds: map[string]uint64{"damaged": uint64(b.events)}, First: l.First, Last: l.Last})
		return
	}
	for _, ev := range events {
		l.add(Loss{Events: 1, Kinds: map[string]uint64{ev.Kind.String(): 1}, First: ev.Time, Last: ev.Time})
	}
}

func (l *Loss) add(m Loss) {
	if m.Events == 0 {
		return
	}
	if l.Events == 0 || m.First.Before(l.First) {
		l.First = m.First
	}
	if l.Events == 0 || m.Last.After(l.Last) {
		l.Last = m.Last
	}
	l.Events += m.Events
	if l.Kinds == nil {
		l.Kinds = map[string]uint64{}
	}
	for k, n := range m.Kinds {
		l.Kinds[k] += n
	}
}

// String returns the kinds with their numbers: "12 log, 3 command".
func (l Loss) String() string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(l.Kinds)) {
		parts = append(parts, fmt.Sprintf("%d %s", l.Kinds[k], k))
	}
	return strings.Join(parts, ", ")
}

// index is all blocks on disk, by number. Only the holder of writing changes it.
type index struct {
	blocks []block
	size   int64
	text   int64
	events uint64
}

func (x *index) add(list []block) {
	for _, b := range list {
		b.data = nil
		x.blocks = append(x.blocks, b)
		x.count(b, 1)
	}
}

func (x *index) count(b block, sign int) {
	x.size += int64(sign * b.size)
	x.text += int64(sign * b.text)
	x.events += uint64(sign * b.events)
}

// victims returns the blocks to drop so that the rest, with the fresh ones, fits into max: of the lowest class there is, the oldest first,
// none up to number underway.
func (x *index) victims(fresh []block, max int64, underway uint64) []block {
	size := x.size
	for _, b := range fresh {
		size += int64(b.size)
	}
	var out []block
	for c := Low; c < classes && size > max; c++ {
		for _, list := range [][]block{x.blocks, fresh} {
			for _, b := range list {
				if size > max && b.class == c && b.last() > underway {
					size -= int64(b.size)
					out = append(out, b)
				}
			}
		}
	}
	return out
}

// remove takes blocks out.
func (x *index) remove(list []block) {
	if len(list) == 0 {
		return
	}
	gone := map[uint64]bool{}
	for _, b := range list {
		gone[b.seq] = true
	}
	x.blocks = slices.DeleteFunc(x.blocks, func(b block) bool {
		if gone[b.seq] {
			x.count(b, -1)
		}
		return gone[b.seq]
	})
}

// upto returns the blocks up to a number.
func (x *index) upto(last uint64) []block {
	n := sort.Search(len(x.blocks), func(i int) bool { return x.blocks[i].last() > last })
	return x.blocks[:n:n]
}

// load reads the file's state and lists its blocks; a new file gets both, and one of another agent is begun anew.
func (s *Spool) load() error {
	return s.db.Update(func(tx *bolt.Tx) error {
		meta, err := tx.CreateBucketIfNotExists(bucketMeta)
		if err != nil {
			return err
		}
		if text := meta.Get(keyState); text != nil {
			if err := json.Unmarshal(text, &s.state); err != nil {
				return err
			}
		}
		switch {
		case s.state.Format > formatVersion:
			return fmt.Errorf("%w %d, this program knows %d: update it", ErrFormat, s.state.Format, formatVersion)
		case s.state.Format == 0, s.state.Agent != s.opts.Agent:
			if err := s.begin(tx); err != nil {
				return err
			}
		}
		b, err := tx.CreateBucketIfNotExists(bucketBlocks)
		if err != nil {
			return err
		}
		return b.ForEach(func(k, v []byte) error {
			blk, _, err := readBlock(k, v)
			s.index.add([]block{blk})
			return err
		})
	})
}

// begin begins an epoch.
func (s *Spool) begin(tx *bolt.Tx) error {
	var epoch [8]byte
	if _, err := s.opts.Random.Read(epoch[:]); err != nil {
		return fmt.Errorf("draw an epoch: %w", err)
	}
	if s.state.Format != 0 {
		s.opts.Report(fmt.Sprintf("spool %s: it was agent %s's, this is %s: it begins anew, and what that one had not sent stays with that one",
			s.path, s.state.Agent, s.opts.Agent))
		if err := tx.DeleteBucket(bucketBlocks); err != nil {
			return err
		}
	}
	// 63 bits: some readers of JSON know no more.
	s.state = state{Format: formatVersion, Agent: s.opts.Agent, Epoch: binary.BigEndian.Uint64(epoch[:]) >> 1}
	return putState(tx, s.state)
}

func (st state) clone() state {
	st.Lost.Kinds = maps.Clone(st.Lost.Kinds)
	return st
}
