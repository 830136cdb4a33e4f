package prevalence

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/yagura-hids/yagura/internal/table"
)

// Bounds of a list of hosts. See of a path remembers less hosts than Mark does of a profile, and not half of them: so if there are too many to remember,
// it never looks as if most of them had the same.
const (
	inHead    = 50  // hosts in the head itself
	inShard   = 64  // of a path in each of the 256 shards: 16,000
	inProfile = 256 // of a profile: 65,000
	maxStates = 32  // of a path; hosts in a further one are like no other
)

// A host that is noted is counted for keeps more periods, which begin for each host at another time, so that they don't all renew at once: 30 days, and
// up to six more. It is renewed when a new period has begun.
const (
	period = 3 * 24 * time.Hour
	keeps  = 10
	lives  = (keeps + 2) * period
)

// head is what the first item of a list is called; it comes after all shards.
const head = "head"

// Count tells how common a thing is.
type Count struct {
	Hosts int // of the profile that were at work in the last 30 days, this one among them
	Same  int // of them that came into the same state in the last 30 days, this one among them
}

// See notes that a host of a profile has a path in a state since a time (sum names the state, "" is one, too), and counts. A host has one state of a path:
// the last one. What was before that, by its time, is counted but changes nothing.
//
// What is counted is exact, as long as what Ops returns can be committed. If it returns nothing, it was exact when it was read.
func (v *View) See(profile, host, path, sum string, at time.Time) (Count, error) {
	c, err := v.see(profile, host, path, sum, at)
	if err != nil {
		return Count{}, fmt.Errorf("count the hosts of profile %q that have %q: %w", profile, path, err)
	}
	return c, nil
}

func (v *View) see(profile, host, path, sum string, at time.Time) (c Count, err error) {
	seen, hosts := keyOf("seen", head, profile, path), keyOf("profile", head, profile)
	if err = v.fetchHosts(seen, hosts); err != nil {
		return c, err
	}
	if c.Hosts, err = v.note(hosts, inProfile, host, "", time.Time{}); err != nil {
		return c, err
	}
	c.Same, err = v.note(seen, inShard, host, sum, at)
	return Count{max(c.Hosts, c.Same), c.Same}, err
}

// Mark notes that a host of a profile is at work, for the count of its hosts. Whoever hears of a host's scans calls it: a host whose files don't change is
// one of the profile, too. Nothing is written if that is known of the last three days.
func (v *View) Mark(profile, host string) error {
	hosts := keyOf("profile", head, profile)
	err := v.fetchHosts(hosts)
	if err == nil {
		_, err = v.note(hosts, inProfile, host, "", time.Time{})
	}
	if err != nil {
		return fmt.Errorf("count the hosts of profile %q: %w", profile, err)
	}
	return nil
}

// hosts are a list's head or a shard of it.
type hosts struct {
	kept
	list   []host
	states []state // of a head
}

// host is one that is noted.
type host struct {
	id     uint64 // a hash
	at     uint64 // since when it's in the state, in hundredths of a second since 1970; 40 bits
	period uint16 // when that was noted, by our clock
	slot   uint8  // of the state
}

// state is one that hosts are in. Slot 0 stands for all that there's no room for.
type state struct {
	slot uint8
	sum  sum
	out  []tally // hosts in the shards
}

// tally counts hosts that were noted in a period.
type tally struct {
	period uint16
	hosts  uint32
}

func (v *View) fetchHosts(keys ...table.Key) error {
	now := v.opts.Now()
	empty := func() *hosts { return &hosts{kept: kept{lives: lives}} }
	return fetch(v, empty, func(h *hosts, text []byte) error { return h.decode(text, now) }, keys...)
}

// note notes a host in the list that has its head, read already, under a key. It returns how many are in the host's state, itself among them.
func (v *View) note(at table.Key, room int, name, text string, since time.Time) (int, error) {
	first, h := v.items[at].(*hosts), v.host(name, since)
	in, room, err := v.place(at, h.id, room)
	if err != nil {
		return 0, err
	}
	s := sumOf(text)
	slot, free := first.slot(s)
	h.slot = slot
	i := slices.IndexFunc(in.list, func(noted host) bool { return noted.id == h.id })
	switch {
	case i < 0 && len(in.list) >= room:
		return first.count(slot) + 1, nil
	case i >= 0 && in.list[i].knows(h, free):
		if in.list[i].slot != slot || slot == 0 {
			return first.count(slot) + 1, nil
		}
		return first.count(slot), nil
	case i >= 0:
		first.tally(in, in.list[i], -1)
		in.list = slices.Delete(in.list, i, i+1)
	}
	h.slot = first.take(s)
	in.list = append(in.list, h)
	first.tally(in, h, +1)
	in.changed, first.changed = true, true
	return max(first.count(h.slot), 1), nil
}

// host returns a host as it is to be noted now.
func (v *View) host(name string, since time.Time) host {
	now, s := v.opts.Now(), sumOf(name)
	id := binary.BigEndian.Uint64(s[:])
	if since.After(now) { // by a wrong clock: later times must not be taken for earlier ones
		since = now
	}
	begins := int64(id % uint64(period/time.Second))
	return host{id: id, at: uint64(max(since.UnixMilli()/10, 0)), period: uint16((now.Unix() + begins) / int64(period/time.Second))}
}

// place returns where in a list a host is, or else is to be, and how many have room there.
func (v *View) place(at table.Key, id uint64, room int) (*hosts, int, error) {
	first := v.items[at].(*hosts)
	if first.has(id) || len(first.list) < inHead && !first.further() {
		return first, inHead, nil
	}
	at.Sort = fmt.Sprintf("%02x", id>>56)
	if err := v.fetchHosts(at); err != nil {
		return nil, 0, err
	}
	shard := v.items[at].(*hosts)
	if len(first.list) < inHead && !shard.has(id) {
		return first, inHead, nil
	}
	return shard, room, nil
}

// knows tells whether there's nothing new in what is to be noted of the same host. free is that there's room for one more state.
func (h host) knows(told host, free bool) bool {
	return told.at < h.at || told.slot == h.slot && told.period <= h.period && (h.slot != 0 || !free)
}

func (h *hosts) has(id uint64) bool {
	return slices.ContainsFunc(h.list, func(h host) bool { return h.id == id })
}

// further tells whether shards have hosts, too.
func (h *hosts) further() bool {
	return slices.ContainsFunc(h.states, func(s state) bool { return len(s.out) > 0 })
}

// count returns how many hosts are in the state of a slot; of those that there was no room for, none.
func (h *hosts) count(slot uint8) (n int) {
	if slot == 0 {
		return 0
	}
	for _, noted := range h.list {
		if noted.slot == slot {
			n++
		}
	}
	for _, s := range h.states {
		for _, t := range s.out {
			if s.slot == slot {
				n += int(t.hosts)
			}
		}
	}
	return n
}

// slot returns the slot of a state, 0 if it has none, and whether one is free.
func (h *hosts) slot(sum sum) (slot uint8, free bool) {
	for _, s := range h.states {
		free = free || s.slot != 0 && h.count(s.slot) == 0
		if s.sum == sum && s.slot != 0 {
			slot = s.slot
		}
	}
	return slot, free || h.unused() != 0
}

// unused returns the lowest slot that no state has, 0 if there is none.
func (h *hosts) unused() uint8 {
	for slot := uint8(1); slot <= maxStates; slot++ {
		if !slices.ContainsFunc(h.states, func(s state) bool { return s.slot == slot }) && h.count(slot) == 0 {
			return slot
		}
	}
	return 0
}

// take returns the slot of a state, a free one if it had none, 0 if none is free.
func (h *hosts) take(sum sum) uint8 {
	if slot, _ := h.slot(sum); slot != 0 {
		return slot
	}
	h.states = slices.DeleteFunc(h.states, func(s state) bool { return s.slot != 0 && h.count(s.slot) == 0 })
	slot := h.unused()
	if slot != 0 {
		h.states = append(h.states, state{slot: slot, sum: sum})
	}
	return slot
}

// tally counts one host of a shard more or less.
func (h *hosts) tally(in *hosts, noted host, by int) {
	if in == h {
		return
	}
	i := slices.IndexFunc(h.states, func(s state) bool { return s.slot == noted.slot })
	if i < 0 {
		if by < 0 { // it was noted and not counted: see Ops
			return
		}
		h.states, i = append(h.states, state{}), len(h.states) // of slot 0: take has made all others
	}
	out := &h.states[i].out
	j := slices.IndexFunc(*out, func(t tally) bool { return t.period == noted.period })
	switch {
	case j < 0 && by > 0:
		*out = append(*out, tally{noted.period, 1})
	case j >= 0:
		if n := int((*out)[j].hosts) + by; n > 0 {
			(*out)[j].hosts = uint32(n)
		} else {
			*out = slices.Delete(*out, j, j+1)
		}
	}
}
