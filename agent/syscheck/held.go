package syscheck

import (
	"context"
	"slices"
	"time"

	"github.com/yagura-hids/yagura/internal/syscheck"
)

// What may be half of a move is held so long, and so many: a scan in the background may take hours, and memory is short.
const (
	heldTime = 10 * time.Minute
	heldMax  = 8192
)

// held is what was seen and not told yet: files that are gone, and files that came, as new ones or in place of others. The file that is gone
// and the one that came are one that was moved if device, inode and content are the same. Of several such, the first ones make a pair.
//
// The cache doesn't know of it. So a kill loses nothing: the next scan sees it again.
type held struct {
	byKey map[string]*sight
	gone  map[id][]*sight // by what they were
	came  map[id][]*sight
	order []*sight // oldest first, with some that are done
}

func newHeld() held {
	return held{byKey: map[string]*sight{}, gone: map[id][]*sight{}, came: map[id][]*sight{}}
}

// side returns where a sight is held, and under what.
func (h *held) side(v *sight) (map[id][]*sight, id) {
	if v.seen == nil {
		return h.gone, v.old.id()
	}
	return h.came, v.seen.id()
}

func (h *held) add(v *sight) {
	side, id := h.side(v)
	side[id] = append(side[id], v)
	h.byKey[string(v.key)] = v
	if len(h.order) > 2*len(h.byKey)+1024 {
		h.order = slices.DeleteFunc(h.order, func(o *sight) bool { return o.done })
	}
	h.order = append(h.order, v)
}

// drop forgets what is held under a key.
func (h *held) drop(k []byte) {
	v := h.byKey[string(k)]
	if v == nil {
		return
	}
	delete(h.byKey, string(k))
	side, id := h.side(v)
	if side[id] = slices.DeleteFunc(side[id], func(o *sight) bool { return o == v }); len(side[id]) == 0 {
		delete(side, id)
	}
	v.done = true
}

// partner returns the other half of a move, nil if none is held.
func (h *held) partner(v *sight) *sight {
	if v.seen == nil {
		for _, came := range h.came[v.old.id()] {
			if came.seen.sameContent(v.old) {
				return came
			}
		}
		return nil
	}
	for _, gone := range h.gone[v.seen.id()] {
		if gone.old.sameContent(v.seen) {
			return gone
		}
	}
	return nil
}

// hold holds a sight, or tells of a move if the other half is there. The caller holds mu.
func (s *Syscheck) hold(v *sight) {
	other := s.held.partner(v)
	if other == nil {
		s.held.add(v)
		return
	}
	s.held.drop(other.key)
	gone, came := v, other
	if v.seen != nil {
		gone, came = other, v
	}
	came.in = v.in
	s.put(gone.key, nil, gone.was)
	if came.old != nil {
		s.emit(came, syscheck.Modified, gone.path)
		return
	}
	came.old = gone.old // as it was before it was moved
	s.emit(came, syscheck.Moved, gone.path)
}

// single tells of a sight that was no half of a move. The caller holds mu.
func (s *Syscheck) single(v *sight) {
	s.held.drop(v.key)
	switch {
	case v.seen == nil:
		s.emit(v, syscheck.Deleted, "")
	case v.old == nil:
		s.emit(v, syscheck.Added, "")
	default:
		s.emit(v, syscheck.Modified, "")
	}
}

// release tells of all that a round holds, of all rounds if in is nil. The caller holds mu.
func (s *Syscheck) release(ctx context.Context, in *round) error {
	for _, v := range s.held.order {
		if v.done || in != nil && v.in != in {
			continue
		}
		s.single(v)
		if err := s.full(ctx); err != nil {
			return err
		}
	}
	s.trim()
	return nil
}

// releaseAged tells of what was held long enough, or is too much. The caller holds mu.
func (s *Syscheck) releaseAged(ctx context.Context, now time.Time) error {
	for len(s.held.order) > 0 {
		v := s.held.order[0]
		if !v.done {
			if now.Sub(v.at) < heldTime && len(s.held.byKey) <= heldMax {
				break
			}
			s.single(v)
			if err := s.full(ctx); err != nil {
				return err
			}
		}
		s.held.order = s.held.order[1:]
	}
	return nil
}

// trim forgets the done ones at the front.
func (s *Syscheck) trim() {
	for len(s.held.order) > 0 && s.held.order[0].done {
		s.held.order = s.held.order[1:]
	}
	if len(s.held.order) == 0 {
		s.held.order = nil
	}
}
