package baseline

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/fleet"
	"github.com/yagura-hids/yagura/internal/syscheck"
	"github.com/yagura-hids/yagura/internal/table"
)

// stamp returns a time of nanoseconds since 1970, 0 for none.
func stamp(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}

// compare judges what an agent tells of all that it knows: a sum for each bucket.
//
//	equal                         ─► no news
//	not, in the first scan        ─► no news; the agent is asked to tell those buckets again
//	not, later                    ─► a disagreement, and likewise
//	after it was asked and told   ─► what it didn't tell is gone; is there still a difference, it's asked again
func (k *Keeper) compare(h *host, ev *event.Event) (*event.Event, error) {
	theirs, err := syscheck.ParseDigests(ev.Text)
	if err != nil {
		c := syscheck.Change{Type: syscheck.Disagreement, Notes: &syscheck.Notes{Disbelieved: err.Error()}}
		return k.told(h, ev, c, nil)
	}
	mine, err := k.digests(h)
	if err != nil {
		return nil, err
	}
	effects, err := k.missing(h, ev, theirs, mine)
	if err != nil {
		return nil, err
	}
	var different []int
	for b := range theirs {
		if theirs[b] != mine[b] {
			different = append(different, b)
		}
	}
	next := h.state
	next.Scans, next.Scanned, next.Epoch, next.Asked, next.Agent = h.state.Scans+1, ev.Time.UnixNano(), ev.ID.Epoch, different, whoseOf(ev)
	// The first scan is over when both agree, or when that was tried.
	next.First = h.state.First && len(different) > 0 && h.state.Scans == 0
	if h.state.First && !next.First {
		next.Differ, next.Differs = nil, 0
	}
	if err := k.prevalence.Mark(profileOf(ev), ev.ID.Agent); err != nil {
		return nil, err
	}
	c := h.verdict(&next, theirs.Files(), effects)
	e := entry{Epoch: ev.ID.Epoch, Seq: ev.ID.Seq, Time: ev.Time.UnixNano(), Change: c, Effects: effects, State: &next}
	out := silent(ev, syscheck.Change{})
	if c != nil {
		out = with(ev, *c)
	}
	if len(different) > 0 {
		k.asks[h.agent] = Ask{AgentID: h.agent, Agent: ev.Agent, Buckets: different}
	}
	return out, h.add(e)
}

func whoseOf(ev *event.Event) *whose {
	if a := ev.Agent; a != nil {
		return &whose{Name: a.Name, Instance: a.Instance, Profile: a.Profile}
	}
	return nil
}

// verdict returns what is to be told of a comparison, nil for nothing. next is what the host's state becomes.
func (h *host) verdict(next *state, files int, missing []effect) *syscheck.Change {
	s := &h.state
	switch {
	case s.First && next.First:
		return nil
	case s.First && len(next.Asked) == 0:
		if s.Image == "" || h.founder {
			return nil
		}
		n := &syscheck.Notes{Image: s.Image, Files: files, Differ: s.Differ, Differing: s.Differs}
		n.Missing, n.Gone = names(missing)
		return &syscheck.Change{Type: syscheck.Scanned, Notes: n}
	case len(next.Asked) == 0 && len(missing) == 0:
		return nil
	}
	n := &syscheck.Notes{Buckets: next.Asked}
	n.Missing, n.Gone = names(missing)
	return &syscheck.Change{Type: syscheck.Disagreement, Notes: n}
}

func names(effects []effect) (list []string, n int) {
	for i := range effects {
		if path := effects[i].path(); i < maxNamed {
			list = append(list, path)
		}
	}
	return list, len(effects)
}

// digests returns the sums of what is known of a host's files.
func (k *Keeper) digests(h *host) (*syscheck.Digests, error) {
	d := new(syscheck.Digests)
	if !h.cleared {
		var err error
		folded := h.folded
		switch {
		case h.version > 0:
			d, folded, err = readDigests(k, h.own.partition)
		case h.state.Image != "" && !h.founder:
			d, _, err = readDigests(k, h.image.partition)
		}
		if err != nil {
			return nil, err
		}
		if folded != h.folded { // somebody else has folded the journal: the host is to be read anew
			delete(k.hosts, h.agent)
			return nil, &table.ConflictError{}
		}
	}
	for b := range d {
		d[b] = d[b].Plus(h.delta[b])
	}
	return d, nil
}

// readDigests returns the sums of what is folded, and up to which number of the journal that is.
func readDigests(k *Keeper, partition string) (*syscheck.Digests, uint64, error) {
	items, err := k.table.Get(k.ctx, fleet.Schema, []table.Key{{Partition: partition, Sort: "digests"}})
	if err != nil || items[0] == nil {
		return new(syscheck.Digests), 0, err
	}
	d, err := decodeDigests(items[0].Bytes(fieldText))
	if err != nil {
		return nil, 0, fmt.Errorf("read %s: %w", partition, err)
	}
	return d, uint64(items[0].Int(fieldUpto)), nil
}

// maxGone bounds how many bytes of paths one message makes unknown. What is left differs again the next time.
const maxGone = 100 << 10

// missing returns what makes unknown those files of the asked buckets that the agent didn't tell, if it has told as many as it says that it
// knows. It corrects the sums.
func (k *Keeper) missing(h *host, ev *event.Event, theirs, mine *syscheck.Digests) ([]effect, error) {
	var effects []effect
	size := 0
	for _, b := range h.state.Asked {
		if theirs[b] == mine[b] || h.heard.files(b) != theirs[b].Files {
			continue
		}
		records, err := k.records(h, b)
		if err != nil {
			return nil, err
		}
		for _, path := range sorted(records) {
			r := records[path]
			if _, heard := h.heard[b][path]; heard || r.record == nil || size > maxGone {
				continue
			}
			size += len(path)
			mine[b].Remove(path, r.record)
			effects = append(effects, between(path, r, &known{gone: max(ev.Time.Unix(), 1), changes: r.changes + 1}))
		}
	}
	return effects, nil
}

// records returns all that is known of the files of a bucket.
func (k *Keeper) records(h *host, b int) (map[string]*known, error) {
	all := map[string]*known{}
	if !h.cleared {
		own, err := k.bucket(&h.own, b)
		if err != nil {
			return nil, err
		}
		if h.over(own) {
			image, err := k.bucket(&h.image, b)
			if err != nil {
				return nil, err
			}
			maps.Copy(all, image.records)
		}
		maps.Copy(all, own.records)
	}
	for path, r := range h.overlay[b] {
		if all[path] = r; r == nil {
			delete(all, path)
		}
	}
	return all, nil
}

func sorted(records map[string]*known) []string {
	paths := make([]string, 0, len(records))
	for path := range records {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	return paths
}
