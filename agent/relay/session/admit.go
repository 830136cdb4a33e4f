package session

import (
	"fmt"
	"net/netip"
)

// Admit says whose an arrival is and whether it is to be used. The session is nil if there is none.
func (s *Sessions) Admit(a Arrival) (*Session, Verdict) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a.From = netip.AddrPortFrom(a.From.Addr().Unmap().WithZone(""), a.From.Port())
	if a.At.After(s.now) {
		s.now = a.At
	}
	ks := s.key(a.Key.ID)
	var x *Session
	var v Verdict
	if a.Key.Many {
		x, v = s.admitMany(ks, &a)
	} else {
		x, v = s.admitOne(ks, &a)
	}
	s.counts[v]++
	if v != Accepted {
		s.note(v, &a)
	}
	return x, v
}

func (s *Sessions) key(id string) *keyState {
	ks := s.keys[id]
	if ks == nil {
		ks = &keyState{hosts: map[netip.Addr]*Session{}, agents: map[string]*Session{}}
		s.keys[id] = ks
	}
	return ks
}

// admitOne is Admit under a key of one host: its window protects it from anywhere. Of control messages the fingerprints are known, so that an
// old one doesn't take the counters back.
func (s *Sessions) admitOne(ks *keyState, a *Arrival) (*Session, Verdict) {
	var nowhere netip.Addr
	x := s.at(ks, a, nowhere)
	var f fingerprint
	seen := false
	if a.Control {
		f = s.heard.fingerprint(a)
		seen = s.known(f, a)
	}
	switch {
	case seen && x != nil && x.had(a.Seq):
		return x, Replayed
	case seen:
		return x, Repeated
	case x == nil:
		return s.begin(ks, a, nowhere, f)
	case !x.had(a.Seq) && (!a.Control || a.Seq > x.high || a.From == x.heard): // else it begins anew where something was lost
		return s.take(ks, x, a, f)
	}
	s.stray(ks, x, a)
	if a.Control {
		return s.restart(ks, x, a, f)
	}
	return x, refused(x, a)
}

// admitMany is Admit under a key of many.
func (s *Sessions) admitMany(ks *keyState, a *Arrival) (*Session, Verdict) {
	place := a.From.Addr()
	first := s.at(ks, a, place)
	x := choose(first, a)
	f := s.heard.fingerprint(a)
	if s.known(f, a) {
		if hadBy(first, a.Seq) {
			return x, Replayed
		}
		return x, Repeated
	}
	switch {
	case x != nil && !x.had(a.Seq):
		return s.take(ks, x, a, f)
	case x != nil && a.Control:
		return s.restart(ks, x, a, f)
	case x != nil:
		return x, refused(x, a)
	case !a.Control && old(first, a):
		return nil, Old
	}
	return s.begin(ks, a, place, f)
}

// refused says why an event of a session isn't taken.
func refused(x *Session, a *Arrival) Verdict {
	if x.below(a.Seq) {
		return Old
	}
	return Replayed
}

// choose returns the session whose stream an arrival continues: that of its port; else the one that its counters are near to, if that is plain.
// If there is none, it is the one of its port, though it can't take it.
func choose(first *Session, a *Arrival) *Session {
	var ofPort, next, nearby *Session
	nexts, candidates := 0, 0
	for x := first; x != nil; x = x.next {
		if x.heard.Port() == a.From.Port() {
			if !x.had(a.Seq) {
				return x
			}
			ofPort = x
		}
		switch d := x.distance(a); {
		case d > near:
		case x.live && a.Seq == x.successor():
			next = x
			nexts++
		case nearby == nil || x.live && !nearby.live || x.live == nearby.live && d < nearby.distance(a):
			nearby = x
		}
		if x.live && x.distance(a) <= near {
			candidates++
		}
	}
	switch {
	case nexts == 1:
		return next
	case nexts == 0 && candidates <= 1 && nearby != nil:
		return nearby
	}
	return ofPort
}

// distance returns how far an arrival from another port is from a stream; more than near if it can't be of it. A control message that isn't above
// a stream isn't: it is another host's, or the counters began anew.
func (x *Session) distance(a *Arrival) uint64 {
	switch {
	case a.Seq > x.high:
		return a.Seq - x.high
	case a.Control, x.had(a.Seq):
		return near + 1
	}
	return x.high - a.Seq
}

// successor returns the counter that an agent sends after its highest.
func (x *Session) successor() uint64 {
	if x.high%10000 == 9997 {
		return x.high + 4
	}
	return x.high + 1
}

// hadBy tells whether one of a place's sessions has had a counter.
func hadBy(first *Session, n uint64) bool {
	for x := first; x != nil; x = x.next {
		if x.had(n) {
			return true
		}
	}
	return false
}

// old tells whether an event is behind a place's sessions, and near to none.
func old(first *Session, a *Arrival) bool {
	behind := false
	for x := first; x != nil; x = x.next {
		if x.distance(a) <= near {
			return false
		}
		behind = behind || a.Seq <= x.high
	}
	return behind
}

// known tells whether a fingerprint was heard before.
func (s *Sessions) known(f fingerprint, a *Arrival) bool {
	known, err := s.heard.has(f)
	if err != nil {
		s.trouble(a.At, fmt.Sprintf("fingerprints: %v; replays of what is in that file are not known until it is gone, within a day", err))
	}
	return known
}

// begin begins a session, if there may be one more.
func (s *Sessions) begin(ks *keyState, a *Arrival, place netip.Addr, f fingerprint) (*Session, Verdict) {
	if s.total >= s.opts.Max || count(ks.hosts[place]) >= perAddress {
		return nil, TooManyHosts
	}
	if v := s.mayEnter(ks, a, place); v != Accepted {
		return nil, v
	}
	if a.Key.Many && !spend(&ks.rate, s.sources.of(place), a.At) {
		return nil, TooFast
	}
	x := &Session{Key: a.Key, First: a.At, place: place, born: a.At.UnixNano()}
	if a.Control { // an agent says nothing before this is answered
		x.begin(a.Seq, 0)
	} else {
		x.begin(a.Seq, overtaken)
	}
	s.distinct(ks, x)
	s.link(ks, x)
	return s.take(ks, x, a, f)
}

func count(first *Session) (n int) {
	for x := first; x != nil; x = x.next {
		n++
	}
	return n
}

// mayEnter says whether one more may be live. At an address where there is one already, one or two more may come with a control message
// although the key has all it may have: it is probably the same host, begun anew. Where nothing is live yet, the arrival must be above what
// another relay had of the place.
func (s *Sessions) mayEnter(ks *keyState, a *Arrival, place netip.Addr) Verdict {
	here := 0
	for x := ks.hosts[place]; x != nil; x = x.next {
		if x.live {
			here++
		}
	}
	hosts := a.Key.MaxHosts
	if hosts == 0 {
		hosts = DefaultHosts
	}
	again := a.Control && here > 0 && here < 3
	if a.Key.Many && ks.live >= hosts && !again {
		return TooManyHosts
	}
	if here == 0 && s.opts.Floor != nil && a.Seq <= s.opts.Floor(a.Key.ID, a.From.Addr()) {
		return Old
	}
	return Accepted
}

// take lets an arrival in; the first one of a session that is known from the disk only if it may enter.
func (s *Sessions) take(ks *keyState, x *Session, a *Arrival, f fingerprint) (*Session, Verdict) {
	if v := s.enter(ks, x, a); v != Accepted {
		return x, v
	}
	newest := a.Seq >= x.high
	x.mark(a.Seq)
	s.update(x, a, newest)
	if f != 0 {
		s.heard.add(f, a.At)
	}
	return x, Accepted
}

// enter makes a session live.
func (s *Sessions) enter(ks *keyState, x *Session, a *Arrival) Verdict {
	if x.live {
		return Accepted
	}
	if v := s.mayEnter(ks, a, x.place); v != Accepted {
		return v
	}
	x.live, x.began = true, a.At
	ks.live++
	return Accepted
}

// update notes what an accepted arrival says of its session.
func (s *Sessions) update(x *Session, a *Arrival, newest bool) {
	x.Key, x.Last = a.Key, a.At
	if !a.Key.Many {
		x.Agent, x.given = a.Key.Name, a.Key.Name
	}
	if newest {
		if a.Key.Many && x.heard.Port() != a.From.Port() {
			s.takePort(x, a.From.Port())
		}
		x.heard = a.From
	}
	if a.Control {
		x.Alive, x.Proven = a.At, true
		if newest {
			x.From = a.From
		}
	}
	s.touch(x)
}

// takePort takes a port from those at a place that had it before x.
func (s *Sessions) takePort(x *Session, port uint16) {
	for o := s.keys[x.Key.ID].hosts[x.place]; o != nil; o = o.next {
		if o != x && o.heard.Port() == port {
			o.leavePort()
			s.touch(o)
		}
	}
}

// restart lets a control message in that is not above its session's counters and was never heard.
func (s *Sessions) restart(ks *keyState, x *Session, a *Arrival, f fingerprint) (*Session, Verdict) {
	if !x.reset.IsZero() && a.At.Sub(x.reset) < resetEvery {
		return x, Old
	}
	if v := s.enter(ks, x, a); v != Accepted {
		return x, v
	}
	x.window.restart(max(a.Seq, 1) - 1)
	x.reset = a.At
	s.take(ks, x, a, f)
	return x, Reset
}

// stray tells of a key of one host that seems to be used by two.
func (s *Sessions) stray(ks *keyState, x *Session, a *Arrival) {
	if a.From.Addr() == x.heard.Addr() {
		return
	}
	if a.At.Sub(ks.strayed) >= sharedEvery {
		ks.strays, ks.strayed = 0, a.At
	}
	if ks.strays++; ks.strays != 3 {
		return
	}
	s.opts.Alert(fmt.Sprintf("key %s (%s): %s and %s both use it, each with counters of its own, so that what one says is refused while the other is heard; "+
		"if both are yours make it a key of many hosts (yagura agents change ID --many), or give each its own", a.Key.ID, a.Key.Name, x.heard.Addr(), a.From.Addr()))
}

// touch has a session stored with the next Changes.
func (s *Sessions) touch(x *Session) {
	if !x.dirty {
		x.dirty = true
		s.changed = append(s.changed, x)
	}
}
