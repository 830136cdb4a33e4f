package session

import (
	"slices"
	"time"
)

// Expire takes those out of memory that were idle for Idle, and returns them. Their counters stay on disk; when the host comes back it is another
// Session. Among them are those that others took the place of, see Name: these have no Agent.
func (s *Sessions) Expire(now time.Time) []*Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.After(s.now) {
		s.now = now
	}
	for _, ks := range s.keys {
		for _, first := range ks.hosts {
			s.expirePlace(ks, first, now)
		}
	}
	for id, n := range s.notices {
		s.tell(id.verdict, n, now)
	}
	ended := s.ended
	s.ended = nil
	return ended
}

func (s *Sessions) expirePlace(ks *keyState, first *Session, now time.Time) {
	live, idle := 0, []*Session(nil)
	for x := first; x != nil; {
		next := x.next
		if x.live && now.Sub(x.Last) >= Idle {
			s.ended = append(s.ended, x)
			x = s.retire(ks, x)
		}
		if x.live {
			live++
		} else {
			idle = append(idle, x)
		}
		x = next
	}
	s.release(ks, idle, live == 0)
}

// release takes sessions of a place out of memory: all or none of them if they are all there are, for then the place is looked for on disk the
// next time; else those beyond the newest.
func (s *Sessions) release(ks *keyState, idle []*Session, all bool) {
	waits := func(x *Session) bool { return x.dirty || x.era > s.safe }
	switch {
	case !all && len(idle) > former:
		newestFirst(idle)
		idle = slices.DeleteFunc(idle[former:], waits)
	case !all, slices.ContainsFunc(idle, waits):
		return
	}
	for _, x := range idle {
		s.unlink(ks, x)
	}
}

func newestFirst(list []*Session) {
	slices.SortFunc(list, func(x, y *Session) int { return y.Last.Compare(x.Last) })
}

func (x *Session) copy() *Session {
	c := *x
	c.next = nil
	return &c
}

// List returns copies of those that are live, in no order. Of a key that sent nothing since Open only the id is known.
func (s *Sessions) List() []Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Session
	for _, ks := range s.keys {
		for _, x := range ks.hosts {
			for ; x != nil; x = x.next {
				if x.live {
					out = append(out, *x.copy())
				}
			}
		}
	}
	return out
}

// Stats returns how things stand.
func (s *Sessions) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Stats{Sessions: s.total, Verdicts: map[Verdict]uint64{}, Fingerprints: uint64(s.heard.newest.n)}
	for v, n := range s.counts {
		st.Verdicts[Verdict(v)] = n
	}
	if s.heard.newest.n > 0 {
		st.Since = s.heard.began
	}
	if seal := s.heard.sealing; seal != nil {
		st.Fingerprints += uint64(seal.n)
		st.Since = seal.From
	}
	for _, g := range s.heard.segments {
		st.Fingerprints += uint64(g.Count)
		st.Bytes += g.size()
	}
	if len(s.heard.segments) > 0 {
		st.Since = s.heard.segments[0].From
	}
	return st
}
