package relay

import (
	"crypto/rand"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/yagura-hids/yagura/agent/relay/legacy"
	"github.com/yagura-hids/yagura/agent/relay/session"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/fleet"
)

const (
	nameWithin = 10 * time.Second // a host tells who it is just after it has started; after that its address has to do
	mostHeld   = 1000             // messages of a host that is not known yet
	hostHolds  = 1 << 20          // bytes of these
	allHold    = 64 << 20         // … of all hosts
)

// host is an agent at work, as long as its session lives. Who admits owns it; what others see of it is a fleet.Host.
type host struct {
	session *session.Session
	key     *key
	agent   string // "" until it is known who it is
	origin  string // "(web/ip-10-0-1-17) 10.0.1.17"
	first   time.Time
	seq     uint64 // its highest counter
	secret  string // that it was counted under
	last    time.Time
	alive   time.Time // of the last keep-alive
	os      string
	version string
	target

	files  string    // the md5 of the shared files that it has
	busy   bool      // files are being pushed to it
	pushed time.Time // when that began last
	nonce  string    // in strict freshness: what its files must have in them
	fresh  bool      // … and had

	held  []legacy.Message
	size  int  // bytes of these
	full  bool // more came than are held
	scans map[string]time.Time
	news  bool      // there is something that the fleet should know soon
	shown time.Time // when it was told last
}

// nonce returns what a host's files must have in them before it is believed; "" for nothing. Under a key of one host its counters tell enough.
func (r *Relay) nonce(k *key) string {
	if !r.opts.Config.Relay.StrictFreshness || !k.Many {
		return ""
	}
	return rand.Text()
}

// waits tells whether what the host says must be held back: it isn't known who it is, or whether it lives now.
func (h *host) waits() bool { return h.agent == "" || h.nonce != "" && !h.fresh }

// hold keeps a message until it is known whose it is.
func (r *Relay) hold(h *host, m legacy.Message) {
	size := len(m.Location) + len(m.Text)
	if len(h.held) < mostHeld && h.size+size <= hostHolds && r.held+size <= allHold {
		h.held = append(h.held, m)
		h.size += size
		r.held += size
		return
	}
	if !h.full {
		h.full = true
		r.counters.alert(fmt.Sprintf("key %s (%s), %s: more messages than are held before it has told who it is; the ones after these are lost until it does",
			h.key.ID, h.key.Name, h.from))
	}
	r.counters.held.Add(1)
}

// scans are what notes say of a host's scans, in the fleet's words.
var scans = map[legacy.Note]string{
	legacy.SyscheckStarted: "syscheck started", legacy.SyscheckEnded: "syscheck ended",
	legacy.RootcheckStarted: "rootcheck started", legacy.RootcheckEnded: "rootcheck ended",
}

func (h *host) note(n legacy.Note, at time.Time) {
	what := scans[n]
	if what == "" {
		return
	}
	if h.scans == nil {
		h.scans = map[string]time.Time{}
	}
	h.scans[what] = at
	h.news = true
}

// host returns the host of a session, a new one if it is heard first.
func (r *Relay) host(s *session.Session, p *packet, at time.Time) *host {
	h := r.hosts[s]
	if h == nil {
		h = &host{session: s, first: at}
		h.order, h.from, h.nonce = new(sync.Mutex), p.from, r.nonce(p.key)
		r.hosts[s] = h
	}
	h.key = p.key
	if h.agent == "" && (!p.key.Many || s.Agent != "") {
		r.name(h, s.Node)
	}
	return h
}

// byAgent returns the host at work that has an agent's id, nil if none has.
func (r *Relay) byAgent(agent string) *host {
	for _, h := range r.hosts {
		if h.agent == agent {
			return h
		}
	}
	return nil
}

// gone takes leave of a host that has been silent for too long. It has none at work if it has said nothing since the relay was started.
func (r *Relay) gone(s *session.Session, h *host, now time.Time, pend *pending) {
	if h != nil && h.agent != "" {
		r.show(h)
	}
	who := s.Agent
	if s.From.IsValid() {
		who += "-" + s.From.Addr().String()
	}
	pend.events = append(pend.events, &event.Event{
		ID: event.ID{Agent: s.Agent}, Kind: event.AgentState, Time: now, Location: who + "->ossec-monitord", //nolint:misspell // OSSEC's
		Text: fmt.Sprintf("ossec: Agent disconnected: '%s'.", who),
	})
}

// show makes what is known of a host visible to others: the fleet, the sender, the status.
func (r *Relay) show(h *host) {
	h.news, h.shown = false, h.last
	f := fleet.Host{
		Agent: h.agent, Key: h.key.ID, Node: h.session.Node, Address: h.from.String(), OS: h.os, Version: h.version, Cipher: h.cipher.String(),
		Files: h.files, First: h.first, Last: h.last, Alive: h.alive, Scans: maps.Clone(h.scans), Relay: r.opts.Name, Seq: h.seq, Mark: fleet.Mark(h.secret),
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if was, ok := r.seen[h.agent]; ok {
		f.First = was.First
	}
	r.seen[h.agent] = f
	r.unsaved[h.agent] = true
}

// saveEvery is how often the fleet is told that a host lives, if nothing else is new: once in so many rounds as are five minutes on AWS.
func (r *Relay) saveEvery() time.Duration { return 60 * r.opts.Poll }

// showAll shows the hosts of which there is news, and now and then the others.
func (r *Relay) showAll() {
	for _, h := range r.hosts {
		if h.agent != "" && (h.news || h.last.Sub(h.shown) >= r.saveEvery()) {
			r.show(h)
		}
	}
}
