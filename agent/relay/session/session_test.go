package session_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/agent/relay/session"
)

// Two hundred hosts on one key, with duplicates, others before others, and a neighbour that sends again what it hears.
func TestSubnet(t *testing.T) {
	r := newRelay(t, session.Options{})
	rng := rand.New(rand.NewPCG(1, 2))
	var hosts []*agent
	for i := range 200 {
		h := newAgent(many, fmt.Sprintf("10.0.1.%d", i+1), uint16(30000+i), fmt.Sprintf("ip-10-0-1-%d", i+1))
		hosts = append(hosts, h)
		h.start(r, h.port)
	}
	var sent []message
	for round := range 20 {
		var wave []message
		for _, h := range hosts {
			for range rng.IntN(20) {
				wave = append(wave, h.event())
			}
		}
		rng.Shuffle(len(wave), func(i, j int) { wave[i], wave[j] = wave[j], wave[i] })
		for _, m := range wave {
			r.now = r.now.Add(time.Millisecond)
			r.want(session.Accepted, m)
			if rng.IntN(3) == 0 {
				r.want(session.Replayed, m)
			}
		}
		sent = append(sent, wave...)
		for range 500 {
			m, from := sent[rng.IntN(len(sent))], hosts[rng.IntN(len(hosts))]
			if _, v := r.send(m.at(netip.AddrPortFrom(from.ip, from.port))); v != session.Replayed && v != session.Repeated {
				t.Fatalf("%s from %s: %s", m.inner, from.ip, v)
			}
			r.send(m.at(netip.MustParseAddrPort("10.0.1.250:40000")))
		}
		if r.store(); round%5 == 4 {
			r.kill()
		}
	}
	for _, h := range hosts {
		for _, m := range sent {
			if m.from.Addr() == h.ip && r.stored[m.inner] != "web/"+h.node {
				t.Fatalf("%s is %q's", m.inner, r.stored[m.inner])
			}
		}
	}
	if live, _ := r.s.Memory(many.ID); live != 200 || len(r.s.List()) != 200 {
		t.Fatalf("%d hosts", live)
	}
	x := r.want(session.Accepted, newAgent(many, "10.0.1.3", 30002, "ip-10-0-1-3").startupAt(1<<30))
	if x.Agent != "web/ip-10-0-1-3" {
		t.Fatalf("it is %q", x.Agent)
	}
}

// startupAt is a startup with a counter.
func (g *agent) startupAt(seq uint64) message {
	g.seq = seq - 1
	return g.startup()
}

// Clones of one image have the same counters and other random numbers.
func TestClones(t *testing.T) {
	r := newRelay(t, session.Options{})
	for i := range 3 {
		h := newAgent(many, fmt.Sprintf("10.0.1.%d", i), 1000, fmt.Sprintf("h%d", i))
		h.seq = 4000
		if x := h.start(r, 1000); x.Agent != fmt.Sprintf("web/h%d", i) {
			t.Fatalf("clone %d is %q", i, x.Agent)
		}
	}
}

func TestHostsBehindOneAddress(t *testing.T) {
	r := newRelay(t, session.Options{})
	rng := rand.New(rand.NewPCG(3, 4))
	var hosts []*agent
	for i, seq := range []uint64{0, 0, 50, 300, 9000, 1 << 20, 1 << 20, 1 << 30} { // clones, neighbours, strangers
		h := newAgent(many, "192.0.2.9", uint16(2000+i), fmt.Sprintf("h%d", i))
		h.seq = seq
		hosts = append(hosts, h)
		h.start(r, h.port)
	}
	for range 2000 {
		h := hosts[rng.IntN(len(hosts))]
		r.now = r.now.Add(10 * time.Millisecond)
		switch rng.IntN(100) {
		case 0: // the router forgets
			h.port = uint16(3000 + rng.IntN(30000))
		case 1:
			h.start(r, uint16(3000+rng.IntN(30000)))
		case 2:
			r.store()
			r.kill()
		}
		m := h.event()
		x := r.want(session.Accepted, m)
		r.want(session.Replayed, m)
		if x.Agent != "" && x.Agent != "web/"+h.node {
			t.Fatalf("%s's message is %s's", h.node, x.Agent)
		}
	}
}

func TestCountersGoBack(t *testing.T) {
	for _, key := range []*session.Key{one, many} {
		for _, lost := range []uint64{5000, 500, 5} {
			t.Run(fmt.Sprintf("%s by %d", key.Name, lost), func(t *testing.T) {
				r := newRelay(t, session.Options{})
				h := newAgent(key, "10.0.1.7", 1000, "h")
				h.seq = 20000
				x := h.start(r, 1000)
				name := x.Agent
				var before []message
				for range 50 {
					before = append(before, h.event())
					r.want(session.Accepted, before[len(before)-1])
				}
				r.now = r.now.Add(time.Minute)
				h.seq -= lost
				h.salt++
				if x = h.start(r, 1001); x.Agent != name {
					t.Fatalf("it is %q, was %q", x.Agent, name)
				}
				r.wantTold(1, "counters went back")
				for range 50 {
					r.want(session.Accepted, h.event())
				}
				for _, m := range before[:40] {
					if key == one && m.seq > h.seq {
						continue // nobody keeps fingerprints of these
					}
					if _, v := r.send(m); v == session.Accepted {
						t.Fatalf("%s: accepted", m.inner)
					}
				}
			})
		}
	}
}

// The same again from the same port, and again too soon.
func TestCountersGoBackOften(t *testing.T) {
	for _, key := range []*session.Key{one, many} {
		r := newRelay(t, session.Options{})
		h := newAgent(key, "10.0.1.7", 1000, "h")
		h.seq = 20000
		h.start(r, 1000)
		captured := h.startup()
		r.want(session.Accepted, captured)
		h.seq = 0
		r.want(session.Old, h.event())
		r.want(session.Reset, h.startup())
		r.want(session.Accepted, h.event())
		if key.Many {
			r.want(session.Repeated, captured)
		}
		h.seq = 0
		r.want(session.Old, h.startup())
		r.now = r.now.Add(time.Minute)
		h.seq = 0
		r.want(session.Reset, h.startup())
	}
}

// An address that another host has now: it is another agent, and the one before keeps its id for its return.
func TestAddressIsUsedAgain(t *testing.T) {
	r := newRelay(t, session.Options{})
	first := newAgent(many, "10.0.1.7", 1000, "first")
	first.start(r, 1000)
	for range 30 {
		r.want(session.Accepted, first.event())
	}
	r.now = r.now.Add(time.Minute)
	second := newAgent(many, "10.0.1.7", 1000, "second")
	if x := second.start(r, 1001); x.Agent != "web/second" {
		t.Fatalf("it is %q", x.Agent)
	}
	for range 60 {
		r.want(session.Accepted, second.event())
	}
	r.store()
	r.kill()
	r.now = r.now.Add(time.Minute)
	if x := first.start(r, 1002); x.Agent != "web/first" {
		t.Fatalf("it is %q", x.Agent)
	}
	// and with nothing in between that says so: the same port and counters, another name
	third := newAgent(many, "10.0.1.7", 1002, "third")
	third.seq = first.seq
	x := r.want(session.Accepted, third.alive())
	if x.Agent != "web/third" {
		t.Fatalf("it is %q", x.Agent)
	}
}

func TestNames(t *testing.T) {
	r := newRelay(t, session.Options{})
	a := newAgent(many, "10.0.1.1", 1, "web1").start(r, 1)
	b := newAgent(many, "10.0.1.2", 1, "web1").start(r, 1)
	windows := newAgent(many, "10.0.1.3", 1, "")
	c := windows.start(r, 1)
	strange := newAgent(many, "10.0.1.4", 1, "a b/../é").start(r, 1)
	single := newAgent(one, "10.0.1.5", 1, "anything").start(r, 1)
	for _, n := range []struct{ got, want string }{
		{a.Agent, "web/web1"}, {b.Agent, "web/web1-10.0.1.2"}, {c.Agent, "web/10.0.1.3"}, {strange.Agent, "web/a_b_..__"}, {single.Agent, "db1"}, {single.Node, "anything"},
	} {
		if n.got != n.want {
			t.Errorf("%q, want %q", n.got, n.want)
		}
	}
	r.now = r.now.Add(time.Second)
	windows.node = "told-later"
	if x := r.want(session.Accepted, windows.alive()); x.Agent != "web/told-later" {
		t.Errorf("it is %q", x.Agent)
	}

	// Ids stay, also when the other is long gone.
	r.store()
	r.now = r.now.Add(session.Idle + time.Hour)
	r.s.Expire(r.now)
	r.kill()
	h := newAgent(many, "10.0.1.2", 1, "web1")
	h.seq = 100
	if x := h.start(r, 2); x.Agent != "web/web1-10.0.1.2" {
		t.Errorf("it is %q", x.Agent)
	}
}

func TestUnproven(t *testing.T) {
	r := newRelay(t, session.Options{})
	h := newAgent(many, "10.0.1.1", 1, "h")
	if x := r.want(session.Accepted, h.event()); x.Proven || x.From.IsValid() {
		t.Error("an event proves nothing")
	}
	if x := r.want(session.Accepted, h.startup()); !x.Proven || x.From != netip.AddrPortFrom(h.ip, 1) {
		t.Error("it is proven")
	}
}

// Answers go to where the newest control message came from.
func TestFrom(t *testing.T) {
	r := newRelay(t, session.Options{})
	h := newAgent(one, "10.0.1.1", 1, "h")
	h.ip, h.port = netip.MustParseAddr("192.0.2.1"), 7
	r.want(session.Accepted, h.startup())
	h.ip = netip.MustParseAddr("192.0.2.3")
	if x := r.want(session.Accepted, h.event()); x.From != netip.MustParseAddrPort("192.0.2.1:7") {
		t.Errorf("answers go to %s", x.From)
	}
	h.ip = netip.MustParseAddr("::ffff:192.0.2.2")
	if x := r.want(session.Accepted, h.startup()); x.From != netip.MustParseAddrPort("192.0.2.2:7") {
		t.Errorf("answers go to %s", x.From)
	}
}

func TestExpire(t *testing.T) {
	r := newRelay(t, session.Options{})
	h := newAgent(many, "10.0.1.1", 1, "h")
	x := h.start(r, 1)
	heard := h.event()
	r.want(session.Accepted, heard)
	if gone := r.s.Expire(r.now.Add(session.Idle - time.Second)); len(gone) != 0 {
		t.Fatal("too early")
	}
	gone := r.s.Expire(r.now.Add(session.Idle))
	if len(gone) != 1 || gone[0] != x || gone[0].Agent != "web/h" {
		t.Fatalf("%v are gone", gone)
	}
	if _, all := r.s.Memory(many.ID); all != 1 {
		t.Fatal("what isn't stored must stay in memory")
	}
	r.store()
	r.s.Expire(r.now.Add(session.Idle))
	if _, all := r.s.Memory(many.ID); all != 0 {
		t.Fatal("it is still in memory")
	}
	r.now = r.now.Add(10 * 24 * time.Hour)
	r.want(session.Replayed, heard) // by its counters, its fingerprint is forgotten
	back := r.want(session.Accepted, h.event())
	if back == x || back.Agent != "" || back.First != x.First {
		t.Fatalf("came back as %+v", back)
	}
	if agent := r.s.Name(back, ""); agent != "web/h" {
		t.Fatalf("it is %q", agent)
	}
	r.store()
	r.now = r.now.Add(session.Remembered + time.Hour)
	r.s.Expire(r.now)
	newAgent(many, "10.0.1.2", 1, "other").start(r, 1)
	r.store()
	h.seq = 0
	if x := h.start(r, 1); x.First != r.now {
		t.Fatal("it is remembered for too long")
	}
}

func TestTwoHostsOnOneHostsKey(t *testing.T) {
	r := newRelay(t, session.Options{})
	a, b := newAgent(one, "10.0.1.1", 1, "a"), newAgent(one, "10.0.1.2", 1, "b")
	a.seq = 50000
	a.start(r, 1)
	for range 120 {
		r.now = r.now.Add(time.Minute)
		r.send(b.startup())
		r.send(b.event())
		r.send(a.event())
		r.send(a.event())
	}
	r.wantTold(2, "--many")
}

func TestFloor(t *testing.T) {
	r := newRelay(t, session.Options{Floor: func(keyID string, host netip.Addr) uint64 {
		if keyID == many.ID && host == netip.MustParseAddr("10.0.1.1") {
			return 100
		}
		return 0
	}})
	h := newAgent(many, "10.0.1.1", 1, "h")
	h.seq = 99
	r.want(session.Old, h.startup())
	r.want(session.Accepted, h.startup())
	newAgent(many, "10.0.1.2", 1, "h").start(r, 1)
}
