package session

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

const (
	maxNode  = 128         // how much of a host's name is used, in bytes
	underway = time.Second // so late a datagram may be
)

// Name gives a session its agent's id, and returns it. It is to be called for each keep-alive, with the name that the host tells, and with ""
// if none came in time or such hosts tell none. Until then Agent is "". Under a key of one host the id is the key's name. Else it is
//
//	NAME/NODE      KEY's name and the host's
//	NAME/NODE-IP   if another live session has that; with "-2" and so on if that is taken, too
//	NAME/IP        if no name was told
//
// and stays with key, address and name as long as these are Remembered. Another name from the same address is another host: what was known of
// the one before is kept for its return. A session whose host was here before, and has been silent since the new one began, takes its place.
func (s *Sessions) Name(x *Session, node string) (agent string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	node = clean(node)
	ks := s.keys[x.Key.ID]
	switch {
	case !x.Key.Many:
		if node != "" && node != x.Node {
			x.Node = node
			s.touch(x)
		}
		return x.Agent
	case !x.live, x.Agent != "" && (node == "" || node == x.Node):
		return x.Agent
	case node == "":
		node = x.Node // of before it was idle
	}
	if x.given != "" && x.Node != node {
		if x.Agent != "" && !spend(&ks.rate, s.sources.of(x.place), x.Last) {
			return x.Agent
		}
		s.part(ks, x)
	}
	x.Node = node
	if o := s.former(ks, x); o != nil {
		s.replace(ks, o, x)
	}
	s.giveID(ks, x)
	s.touch(x)
	return x.Agent
}

// clean makes a host's name fit for an id: a letter, digit, dot, colon, dash or underscore each.
func clean(node string) string {
	node = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(".:-_", r) {
			return r
		}
		return '_'
	}, node)
	return node[:min(len(node), maxNode)]
}

// part takes from a session what it was before its host told another name. That is kept in a session of its own, which is idle after a while,
// or is heard of: two hosts may be behind one address.
func (s *Sessions) part(ks *keyState, x *Session) {
	if x.Agent != "" {
		delete(ks.agents, x.Agent)
	}
	if x.Node != "" {
		old := *x
		old.leavePort()
		s.distinct(ks, &old)
		s.link(ks, &old)
		if old.live = x.Agent != ""; old.live {
			ks.live++
			ks.agents[x.Agent] = &old
		}
		old.dirty = false
		s.touch(&old)
	}
	x.Agent, x.given, x.First, x.began = "", "", x.Last, x.Last
}

// former returns the session of the same host at the same place that x goes on, if there is one: it was not heard since x began, but for what
// was under way.
func (s *Sessions) former(ks *keyState, x *Session) *Session {
	if x.given != "" {
		return nil
	}
	for o := ks.hosts[x.place]; o != nil; o = o.next {
		if o != x && o.given != "" && o.Node == x.Node && o.Last.Sub(x.began) <= underway {
			return o
		}
	}
	return nil
}

// replace gives x what o was. The counters of o are kept: should it be heard again it is another host after all.
func (s *Sessions) replace(ks *keyState, o, x *Session) {
	if o.high > x.high {
		s.counts[Reset]++
		s.note(Reset, &Arrival{Key: x.Key, From: x.From, At: x.Last})
	}
	x.given, x.First = o.given, o.First
	still := s.retire(ks, o)
	still.given = ""
	s.touch(still)
	o.Agent = ""
	s.ended = append(s.ended, o)
}

// giveID gives x the id it had, or one that no other live session of the key has.
func (s *Sessions) giveID(ks *keyState, x *Session) {
	ip := x.place.String()
	id := x.given
	if id == "" {
		id = x.Key.Name + "/" + ip
		if x.Node != "" {
			id = x.Key.Name + "/" + x.Node
		}
	}
	if o := ks.agents[id]; o != nil && o != x && x.Node != "" {
		id = x.Key.Name + "/" + x.Node + "-" + ip
	}
	base := id
	for n := 2; ks.agents[id] != nil && ks.agents[id] != x; n++ {
		id = fmt.Sprintf("%s-%d", base, n)
	}
	x.Agent, x.given = id, id
	ks.agents[id] = x
}

// retire ends a session, and puts one that is only remembered in its place, which it returns: who holds the ended one sees who it was, and
// never hears of it again.
func (s *Sessions) retire(ks *keyState, x *Session) *Session {
	still := *x
	still.Agent, still.live = "", false
	if first := ks.hosts[x.place]; first == x {
		ks.hosts[x.place] = &still
	} else {
		for first.next != x {
			first = first.next
		}
		first.next = &still
	}
	if still.dirty {
		s.changed[slices.Index(s.changed, x)] = &still
	}
	if ks.agents[x.Agent] == x {
		delete(ks.agents, x.Agent)
	}
	if x.live {
		ks.live--
	}
	x.live, x.dirty, x.next = false, false, nil
	return &still
}

// link puts a session at its place.
func (s *Sessions) link(ks *keyState, x *Session) {
	x.next = ks.hosts[x.place]
	ks.hosts[x.place] = x
	s.total++
}

// unlink takes a session out of memory.
func (s *Sessions) unlink(ks *keyState, x *Session) {
	s.total--
	if first := ks.hosts[x.place]; first != x {
		for first.next != x {
			first = first.next
		}
		first.next = x.next
	} else if x.next != nil {
		ks.hosts[x.place] = x.next
	} else {
		delete(ks.hosts, x.place)
	}
}

// distinct makes a new session differ from the others of its place on disk.
func (s *Sessions) distinct(ks *keyState, x *Session) {
	for o := ks.hosts[x.place]; o != nil; o = o.next {
		x.born = max(x.born, o.born+1)
	}
}

// leavePort makes a session none of a port.
func (x *Session) leavePort() { x.heard = netip.AddrPortFrom(x.heard.Addr(), 0) }
