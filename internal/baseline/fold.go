package baseline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/yagura-hids/yagura/internal/fleet"
	"github.com/yagura-hids/yagura/internal/syscheck"
	"github.com/yagura-hids/yagura/internal/table"
)

// When a tail is folded: it is longer than Options.Fold; or the first scan is over; or it is old, for its items expire.
const (
	foldFirst = 16 // as many times the length, while the first scan runs, or the agent was asked: what was told must be known then
	foldLeast = 16 // that part of the length, when the first scan is over
	foldAge   = leastKept / 8
)

func (k *Keeper) isLong(h *host) bool {
	limit := k.opts.Fold
	switch {
	case h.size == 0 || len(h.pending) > 0:
		return false
	case k.opts.Now().Sub(h.oldest) > foldAge:
		return true
	case h.state.First || len(h.state.Asked) > 0:
		limit *= foldFirst
	case h.founder:
		return true
	case h.version == 0:
		limit /= foldLeast
	}
	return h.size >= limit
}

// Fold folds the journals that have become long into their hosts' buckets. Nothing hangs on it but what reading costs: after an error, or if somebody
// else folds the same, it is tried again by the next run.
func (k *Keeper) Fold(ctx context.Context) error {
	k.ctx = ctx
	var errs []error
	for _, agent := range slices.Sorted(maps.Keys(k.hosts)) {
		h := k.hosts[agent]
		if !k.isLong(h) {
			continue
		}
		err := k.fold(h)
		delete(k.hosts, agent) // it is read anew
		var conflict *table.ConflictError
		if err != nil && !errors.As(err, &conflict) {
			errs = append(errs, fmt.Errorf("fold baseline of %q: %w", agent, err))
		}
	}
	return errors.Join(errs...)
}

// fold makes the tail of a host's journal part of its buckets, one after the other, and then of its head.
func (k *Keeper) fold(h *host) error {
	clear(h.own.buckets) // as they are now: what is cached may have been folded by others
	sums, err := k.digests(h)
	if err != nil {
		return err
	}
	founder := h.founder
	if h.founder && !h.state.First {
		if err := k.found(h); err != nil {
			return err
		}
		founder = false
	}
	for b := range syscheck.Buckets {
		if len(h.overlay[b]) == 0 && !h.cleared && founder == h.founder {
			continue
		}
		if err := k.foldBucket(h, b, h.state.Image != "" && !founder); err != nil {
			return err
		}
	}
	text, err := encode(head{Folded: h.last, State: h.state, Founder: founder, Applied: h.applied, Newest: h.newest.Unix()})
	if err != nil {
		return err
	}
	key := table.Fields{fleet.Schema.Partition: h.own.partition}
	version := table.Condition{Field: fieldVersion, Equal: h.version, Missing: h.version == 0}
	return k.table.Commit(k.ctx, []table.Op{
		{Table: fleet.Schema, Item: under(key, "digests", table.Fields{fieldUpto: int64(h.last), fieldText: encodeDigests(sums)})},
		{Table: fleet.Schema, Item: under(key, "head", table.Fields{fieldVersion: h.version + 1, fieldText: text}), If: version},
	})
}

func under(key table.Fields, sort string, fields table.Fields) table.Fields {
	maps.Copy(fields, key)
	fields[fleet.Schema.Sort] = sort
	return fields
}

// foldBucket writes a host's bucket as it is at the end of the tail: over that of its image only what differs.
func (k *Keeper) foldBucket(h *host, b int, overImage bool) error {
	all, err := k.records(h, b)
	if err != nil {
		return err
	}
	k.dropGone(all)
	own, err := k.bucket(&h.own, b)
	if err != nil {
		return err
	}
	if overImage {
		image, err := k.bucket(&h.image, b)
		if err != nil {
			return err
		}
		for path, r := range image.records {
			switch now, ok := all[path]; {
			case !ok:
				all[path] = &known{gone: 1}
			case now.same(r):
				delete(all, path)
			}
		}
	}
	if own.version > 0 && own.upto >= h.last && own.over == overImage || own.version == 0 && len(all)+len(h.overlay[b]) == 0 {
		return nil // a bucket that was touched is written even if it's empty: whoever folds an older journal must see how far it is
	}
	own.over = overImage
	return k.writeBucket(h.own.partition, b, all, own, h.last)
}

// goneFor is how long it is known that a file was there, so that it's told as one that came back.
const goneFor = 90 * 24 * time.Hour

func (k *Keeper) dropGone(records map[string]*known) {
	since := k.opts.Now().Add(-goneFor).Unix()
	maps.DeleteFunc(records, func(_ string, r *known) bool { return r.record == nil && r.gone < since })
}

// maxText is how many bytes of a bucket go into one item.
const maxText = table.MaxItem - 20<<10

// writeBucket writes a bucket in as many items as it needs, if it is still the one that was read.
func (k *Keeper) writeBucket(partition string, b int, records map[string]*known, was *bucket, upto uint64) error {
	text, err := encodeRecords(records)
	if err != nil {
		return err
	}
	parts := slices.Collect(slices.Chunk(text, maxText))
	if len(parts) == 0 {
		parts = [][]byte{{}}
	}
	key := table.Fields{fleet.Schema.Partition: partition}
	var ops []table.Op
	for i, part := range parts {
		fields := table.Fields{fieldVersion: was.version + 1, fieldText: part}
		op := table.Op{Table: fleet.Schema, Item: under(key, bucketKey(b, i), fields)}
		if i == 0 {
			fields[fieldUpto], fields[fieldParts], fields[fieldOver] = int64(upto), int64(len(parts)), was.over
			op.If = table.Condition{Field: fieldVersion, Equal: was.version, Missing: was.version == 0}
		}
		ops = append(ops, op)
	}
	return k.table.Commit(k.ctx, ops)
}

// found makes what is known of a host's files the baseline of its image, as far as it has none: buckets first, each for good, then the head, from
// which on others build on it.
func (k *Keeper) found(h *host) error {
	sums := new(syscheck.Digests)
	for b := range syscheck.Buckets {
		image, err := k.bucket(&h.image, b)
		if err != nil {
			return err
		}
		if image.version == 0 {
			all, err := k.records(h, b)
			if err != nil {
				return err
			}
			files := map[string]*known{}
			for path, r := range all {
				if r.record != nil {
					files[path] = &known{record: r.record}
				}
			}
			err = k.writeBucket(h.image.partition, b, files, image, 0)
			var conflict *table.ConflictError
			if err != nil && !errors.As(err, &conflict) {
				return err
			}
			delete(h.image.buckets, b)
			if image, err = k.bucket(&h.image, b); err != nil { // ours, or that of another host that was quicker
				return err
			}
		}
		for path, r := range image.records {
			sums.Add(path, r.record)
		}
	}
	key := table.Fields{fleet.Schema.Partition: h.image.partition}
	err := k.table.Commit(k.ctx, []table.Op{
		{Table: fleet.Schema, Item: under(key, "digests", table.Fields{fieldText: encodeDigests(sums)})},
		{Table: fleet.Schema, Item: under(key, "head", table.Fields{fieldVersion: int64(1)}), If: table.Condition{Field: fieldVersion, Equal: 1, Missing: true}},
	})
	return err
}
