package session_test

import (
	"fmt"
	"net/netip"
	"os"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/yagura-hids/yagura/agent/relay/session"
)

// world is hosts of one key, each at an address of its own, on a network that repeats and reorders, with a listener who sends anything again from
// anywhere, and a relay that is killed at any moment.
type world struct {
	*relay
	hosts    []*agent
	sent     []message // and arrived
	late     []message // that didn't arrive yet
	nodes    int       // given to others
	restored bool      // some host's counters went back
}

func TestWorld(t *testing.T) {
	for _, key := range []*session.Key{one, many} {
		t.Run(key.Name, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				dir, err := os.MkdirTemp(t.TempDir(), "")
				if err != nil {
					rt.Fatal(err)
				}
				w := &world{relay: openRelay(rt, dir, session.Options{})}
				defer os.RemoveAll(dir)
				defer w.close()
				for i := range rapid.IntRange(1, 4).Draw(rt, "hosts") {
					if i > 0 && key == one {
						break
					}
					h := newAgent(key, fmt.Sprintf("10.0.1.%d", i+1), 1000, fmt.Sprintf("h%d", i))
					h.seq = rapid.SampledFrom([]uint64{0, 0, 9990, 1 << 33}).Draw(rt, "counter")
					w.hosts = append(w.hosts, h)
					w.start(h)
				}
				rt.Repeat(map[string]func(*rapid.T){
					"event":   func(rt *rapid.T) { w.arrive(w.host(rt).event()) },
					"burst":   w.burst,
					"delay":   func(rt *rapid.T) { w.late = append(w.late, w.host(rt).event()) },
					"arrive":  w.arriveLate,
					"alive":   func(rt *rapid.T) { w.arrive(w.host(rt).alive()) },
					"again":   w.again,
					"restart": func(rt *rapid.T) { w.start(w.host(rt)) },
					"restore": w.restore,
					"reuse":   w.reuse,
					"store":   func(*rapid.T) { w.store() },
					"kill":    func(*rapid.T) { w.die() },
					"wait":    w.wait,
				})
				w.store()
			})
		})
	}
}

func (w *world) host(t *rapid.T) *agent { return rapid.SampledFrom(w.hosts).Draw(t, "host") }

// arrive has a new message arrive, which must be let in.
func (w *world) arrive(m message) {
	w.t.Helper()
	x, v := w.send(m)
	if v != session.Accepted && v != session.Reset {
		w.t.Fatalf("%s from %s: %s", m.inner, m.from, v)
	}
	if want := w.agentOf(m); x.Agent != want {
		w.t.Fatalf("%s is %q's, want %q", m.inner, x.Agent, want)
	}
	w.sent = append(w.sent, m)
}

// agentOf returns who said it, and "" if it can't be known yet, because its host has just started.
func (w *world) agentOf(m message) string {
	for _, h := range w.hosts {
		if h.ip == m.from.Addr() && h.told {
			if h.key.Many {
				return h.key.Name + "/" + h.node
			}
			return h.key.Name
		}
	}
	if m.key == one {
		return one.Name
	}
	return ""
}

// start starts a host: a startup, a keep-alive.
func (w *world) start(h *agent) {
	w.t.Helper()
	h.port++
	w.late = nil
	_, v := w.send(h.startup())
	for v == session.Old { // counters went back twice in a minute
		w.now = w.now.Add(time.Minute)
		_, v = w.send(h.startup())
	}
	if v != session.Accepted && v != session.Reset {
		w.t.Fatalf("startup of %s: %s", h.ip, v)
	}
	h.told = true
	w.arrive(h.alive())
}

func (w *world) burst(t *rapid.T) {
	h := w.host(t)
	for range rapid.IntRange(1, 1500).Draw(t, "burst") {
		w.arrive(h.event())
	}
	w.late = nil // it is too late for these
}

func (w *world) arriveLate(t *rapid.T) {
	if len(w.late) == 0 {
		return
	}
	i := rapid.IntRange(0, len(w.late)-1).Draw(t, "late")
	m := w.late[i]
	w.late = append(w.late[:i], w.late[i+1:]...)
	w.arrive(m)
}

// again sends again what was sent, from where it came or another's address. It is let in only if it was lost with the relay's memory.
func (w *world) again(t *rapid.T) {
	for range 20 {
		if len(w.sent) == 0 {
			return
		}
		m := rapid.SampledFrom(w.sent).Draw(t, "again")
		if !w.has(m) {
			continue
		}
		from := rapid.SampledFrom(append(w.hosts, newAgent(m.key, "10.0.1.99", 999, ""))).Draw(t, "from")
		m.from = netip.AddrPortFrom(from.ip, from.port)
		if m.key == one && !m.control && w.restored {
			continue // nobody knows these, once the counters went back
		}
		w.send(m)
	}
}

// restore sets a host back to an earlier state of its disk.
func (w *world) restore(t *rapid.T) {
	h := w.host(t)
	h.seq -= min(h.seq, rapid.OneOf(rapid.Uint64Range(0, 30), rapid.Uint64Range(0, 5000), rapid.Just(h.seq)).Draw(t, "lost"))
	h.salt++
	w.restored = true
	w.start(h)
}

// reuse puts another host, of the same image, at a host's address.
func (w *world) reuse(t *rapid.T) {
	h := w.host(t)
	if !h.key.Many {
		return
	}
	w.now = w.now.Add(2 * time.Second)
	h.node, h.seq, h.told = fmt.Sprintf("n%d", w.nodes), 0, false
	w.nodes++
	h.salt++
	w.start(h)
}

func (w *world) wait(t *rapid.T) {
	w.now = w.now.Add(time.Duration(rapid.SampledFrom([]int{1, 60, 1000, 1900, 4000}).Draw(t, "seconds")) * time.Second)
	if w.now.Sub(start) > 20*time.Hour { // older ones may be forgotten
		w.now = start.Add(20 * time.Hour)
	}
	w.store()
	w.s.Expire(w.now)
	for _, x := range w.s.List() {
		if w.now.Sub(x.Last) >= session.Idle {
			w.t.Fatalf("%s is idle, and live", x.Agent)
		}
	}
	for _, h := range w.hosts {
		w.start(h) // who came back must say who it is
	}
}

// die kills the relay. What it had not stored arrives again, or doesn't.
func (w *world) die() {
	w.t.Helper()
	forgotten := w.pending
	w.kill()
	w.late = nil
	for i, m := range w.sent {
		if forgotten[m.inner] != "" && i%3 == 0 && w.current(m) {
			w.send(m)
		}
	}
	for _, h := range w.hosts {
		w.start(h)
	}
}

// current tells whether a message was from where its host is now.
func (w *world) current(m message) bool {
	for _, h := range w.hosts {
		if m.from == netip.AddrPortFrom(h.ip, h.port) {
			return true
		}
	}
	return false
}
