// Package baseline keeps what the server knows of every host's files, and says what a change means.
//
//	event of kind Syscheck ─► Judge ─► event for the rules, with the server's Notes
//	                            │
//	           baseline/AGENT   ├── head        what is folded into the buckets
//	           (table fleet)    ├── digests     … as sums, see syscheck.Digests
//	                            ├── bucket/7f   … as path ─► record, zstd of CBOR
//	                            └── journal/42  what came since: the entries of a commit in one item. It's the history, too
//
//	           record of a path = journal's tail, else the host's bucket, else the bucket of its image
//
// A commit appends one item to the journal, which nobody else has appended meanwhile, or fails. So of two that judge an agent's events at the same
// time one does it again, and finds them done. Once the tail is long it is folded into the buckets; each step of that may be the last.
package baseline

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/fleet"
	"github.com/yagura-hids/yagura/internal/maintenance"
	"github.com/yagura-hids/yagura/internal/prevalence"
	"github.com/yagura-hids/yagura/internal/table"
)

// Options are a Keeper's surroundings.
type Options struct {
	Now  func() time.Time
	Keep time.Duration // how long history is kept, at least 60 days; 0 for ever
	Ask  func(Ask)     // is told after a commit which agents should tell buckets again; nil for nobody
	Fold int           // bytes of a journal's tail from which on it is folded; 0 for 1 MiB
}

// Ask asks an agent to tell again what is in some buckets.
type Ask struct {
	AgentID string
	Agent   *event.Agent // who that is, as its events say; nil for nothing
	Buckets []int
}

// Keeper is one run's view of the baselines, as statestore.State is of the engine's memory, kept from run to run: that it is out of date shows when
// it is committed. It's not for concurrent use.
type Keeper struct {
	ctx        context.Context // of the run
	table      table.Table
	opts       Options
	hosts      map[string]*host
	held       int // records held, about
	prevalence *prevalence.View
	windows    *maintenance.Windows // as read in this run
	asks       map[string]Ask       // of what is not committed yet
}

// leastKept is how long a journal's items are kept at least: long enough to be folded.
const leastKept = 60 * 24 * time.Hour

// New returns a view of the baselines in the table of the fleet. Each run is to call Begin.
func New(t table.Table, o Options) *Keeper {
	if o.Ask == nil {
		o.Ask = func(Ask) {}
	}
	if o.Fold == 0 {
		o.Fold = 1 << 20
	}
	if o.Keep > 0 {
		o.Keep = max(o.Keep, leastKept)
	}
	k := &Keeper{table: t, opts: o, hosts: map[string]*host{}}
	k.Begin(context.Background())
	return k
}

// maxHeld bounds the records held from run to run, some hundred bytes each.
const maxHeld = 200_000

// Begin begins a run: ctx ends its reading. What was judged and not committed before is dropped.
func (k *Keeper) Begin(ctx context.Context) {
	k.ctx = ctx
	k.Forget()
	if k.held > maxHeld {
		k.hosts, k.held = map[string]*host{}, 0
	}
}

// Forget drops everything judged that isn't committed, and whatever may be out of date with it.
func (k *Keeper) Forget() {
	maps.DeleteFunc(k.hosts, func(_ string, h *host) bool { return len(h.pending) > 0 })
	k.prevalence = prevalence.New(k.ctx, k.table, prevalence.Options{Now: k.opts.Now})
	k.windows, k.asks = nil, map[string]Ask{}
}

// host returns the host that an event is of.
func (k *Keeper) host(ev *event.Event) (*host, error) {
	if h := k.hosts[ev.ID.Agent]; h != nil {
		return h, nil
	}
	h, err := k.load(ev.ID.Agent)
	if err != nil {
		return nil, err
	}
	k.hosts[ev.ID.Agent] = h
	k.held += len(h.told)
	for _, records := range h.overlay {
		k.held += len(records)
	}
	if h.last > 0 {
		return h, nil
	}
	begin, founder := state{First: true, Agent: whoseOf(ev)}, false
	if ev.Agent != nil {
		begin.Image = ev.Agent.Image
	}
	if begin.Image != "" {
		if founder, err = k.unknownImage(begin.Image); err != nil {
			delete(k.hosts, ev.ID.Agent)
			return nil, err
		}
		h.image = shelf{partition: imagePartition(begin.Image), buckets: map[int]*bucket{}}
	}
	return h, h.add(entry{Time: ev.Time.UnixNano(), State: &begin, Founder: founder})
}

// unknownImage tells whether an image has no baseline yet.
func (k *Keeper) unknownImage(image string) (bool, error) {
	items, err := k.table.Get(k.ctx, fleet.Schema, []table.Key{{Partition: imagePartition(image), Sort: "head"}})
	if err != nil {
		return false, fmt.Errorf("read baseline of image %q: %w", image, err)
	}
	return items[0] == nil, nil
}

// changed returns the hosts with entries to append, in order.
func (k *Keeper) changed() []*host {
	var list []*host
	for _, agent := range slices.Sorted(maps.Keys(k.hosts)) {
		if h := k.hosts[agent]; len(h.pending) > 0 {
			list = append(list, h)
		}
	}
	return list
}

// Changed returns how many operations Ops returns, or a few more.
func (k *Keeper) Changed() int { return 2*len(k.changed()) + k.prevalence.Changed() }

// enough is how many bytes of entries make a journal's item, unpacked: packed, it must be an item of the table.
const enough = 256 << 10

// Full tells that what is to be committed is as large as it should get.
func (k *Keeper) Full() bool {
	sum := 0
	for _, h := range k.hosts {
		if h.bytes > enough {
			return true
		}
		sum += h.bytes
	}
	return sum > table.MaxBytes/4
}

// partitionAgents is where the agents are listed that have a baseline.
const partitionAgents = "baselines"

// Ops returns what is to be committed since the last Committed, in the order in which it may be stored one after another.
func (k *Keeper) Ops() ([]table.Op, error) {
	ops, err := k.prevalence.Ops()
	if err != nil {
		return nil, err
	}
	for _, h := range k.changed() {
		if h.last == 0 {
			listed := table.Fields{fleet.Schema.Partition: partitionAgents, fleet.Schema.Sort: keyOf(h.agent), "id": []byte(h.agent)}
			ops = append(ops, table.Op{Table: fleet.Schema, Item: listed})
		}
		op, err := k.append(h)
		if err != nil {
			return nil, fmt.Errorf("baseline of %q: %w", h.agent, err)
		}
		ops = append(ops, op)
	}
	return ops, nil
}

// append returns what appends the pending entries to a host's journal.
func (k *Keeper) append(h *host) (table.Op, error) {
	packed := make([]entry, len(h.pending))
	keep := k.opts.Keep
	if !slices.ContainsFunc(h.pending, func(e entry) bool { return e.Change != nil }) {
		keep = leastKept
	}
	for i, e := range h.pending {
		packed[i] = e.packed()
	}
	text, err := encode(packed)
	if err != nil {
		return table.Op{}, err
	}
	fields := table.Fields{
		fleet.Schema.Partition: h.own.partition, fleet.Schema.Sort: journalKey(h.last + 1), "made": k.opts.Now().Unix(), fieldText: text,
	}
	if keep > 0 {
		fields[fieldExpires] = k.opts.Now().Add(keep).Unix()
	}
	h.appended = table.Size(fields)
	return table.Op{Table: fleet.Schema, Item: fields, If: table.Condition{Absent: true}}, nil
}

// Committed tells that what Ops returned is stored.
func (k *Keeper) Committed() {
	for _, h := range k.changed() {
		h.last++
		h.size += h.appended
		h.newest = k.opts.Now()
		if h.oldest.IsZero() {
			h.oldest = h.newest
		}
		k.held += len(h.pending)
		h.pending, h.bytes = nil, 0
	}
	k.prevalence.Committed()
	for _, agent := range slices.Sorted(maps.Keys(k.asks)) {
		k.opts.Ask(k.asks[agent])
	}
	clear(k.asks)
}
