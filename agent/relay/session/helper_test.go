package session_test

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/yagura-hids/yagura/agent/relay/session"
)

// start is when the tests' first messages come.
var start = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

var (
	many = &session.Key{ID: "1026", Name: "web", Many: true}
	one  = &session.Key{ID: "001", Name: "db1"}
)

// fataler is a test, or a step of rapid's.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// relay is sessions as the relay uses them: events are stored with the changes, and when it is killed what wasn't stored is forgotten.
type relay struct {
	t       fataler
	dir     string
	opts    session.Options
	db      *bolt.DB
	s       *session.Sessions
	now     time.Time
	pending map[string]string // events that are not stored, by what they held, with the agent
	stored  map[string]string // and those that are
	told    []string
}

func newRelay(t testing.TB, o session.Options) *relay {
	r := openRelay(t, t.TempDir(), o)
	t.Cleanup(r.close)
	return r
}

func openRelay(t fataler, dir string, o session.Options) *relay {
	r := &relay{t: t, dir: dir, opts: o, now: start, stored: map[string]string{}}
	tell := func(msg string) { r.told = append(r.told, msg) }
	r.opts.Report, r.opts.Alert = tell, tell
	db, err := bolt.Open(filepath.Join(dir, "relay.db"), 0o600, &bolt.Options{NoSync: true})
	if err != nil {
		t.Fatalf("%v", err)
	}
	r.db = db
	r.open()
	return r
}

func (r *relay) open() {
	r.t.Helper()
	s, err := session.Open(r.db.View, filepath.Join(r.dir, "heard"), r.opts)
	if err != nil {
		r.t.Fatalf("%v", err)
	}
	r.s, r.pending = s, map[string]string{}
}

func (r *relay) close() { r.s.Close(); r.db.Close() }

// kill forgets what wasn't stored.
func (r *relay) kill() {
	r.t.Helper()
	r.s.Close()
	r.open()
}

// store stores what is pending.
func (r *relay) store() {
	r.t.Helper()
	if err := r.db.Update(r.s.Changes().Put); err != nil {
		r.t.Fatalf("%v", err)
	}
	for inner, agent := range r.pending {
		r.stored[inner] = agent
	}
	clear(r.pending)
	if drift := r.s.Drift(); drift != "" {
		r.t.Fatalf("%s", drift)
	}
}

// send has a message arrive.
func (r *relay) send(m message) (*session.Session, session.Verdict) {
	r.t.Helper()
	x, v := r.s.Admit(session.Arrival{Key: m.key, From: m.from, Seq: m.seq, Inner: []byte(m.inner), Control: m.control, At: r.now})
	if v != session.Accepted && v != session.Reset {
		return x, v
	}
	if r.has(m) {
		r.t.Fatalf("accepted a second time: %s from %s", m.inner, m.from)
	}
	if m.keepalive {
		r.s.Name(x, m.node)
	}
	r.pending[m.inner] = x.Agent
	return x, v
}

func (r *relay) has(m message) bool {
	_, pending := r.pending[m.inner]
	_, stored := r.stored[m.inner]
	return pending || stored
}

// want sends a message and wants a verdict.
func (r *relay) want(v session.Verdict, m message) *session.Session {
	r.t.Helper()
	x, got := r.send(m)
	if got != v {
		r.t.Fatalf("%s from %s: %s, want %s", m.inner, m.from, got, v)
	}
	return x
}

// wantTold wants to have been told so many times something with these words, and forgets all that was told.
func (r *relay) wantTold(times int, words string) {
	r.t.Helper()
	n := 0
	for _, msg := range r.told {
		if strings.Contains(msg, words) {
			n++
		}
	}
	if n != times {
		r.t.Fatalf("told %d times of %q, want %d: %q", n, words, times, r.told)
	}
	r.told = nil
}

// message is a datagram, as it may arrive more than once.
type message struct {
	key       *session.Key
	from      netip.AddrPort
	seq       uint64
	inner     string
	control   bool
	keepalive bool
	node      string
}

// at returns the message as from another address.
func (m message) at(from netip.AddrPort) message {
	m.from = from
	return m
}

// agent is a host with OSSEC's agent.
type agent struct {
	key  *session.Key
	ip   netip.Addr
	port uint16
	node string
	seq  uint64
	made int  // messages: what its random numbers are for
	salt int  // of its life
	told bool // who it is, in this life
}

func newAgent(key *session.Key, ip string, port uint16, node string) *agent {
	return &agent{key: key, ip: netip.MustParseAddr(ip), port: port, node: node}
}

func (g *agent) message(text string) message {
	g.seq++
	g.made++
	return message{
		key: g.key, from: netip.AddrPortFrom(g.ip, g.port), seq: g.seq,
		inner: fmt.Sprintf("%s/%s/%d.%d:%d:%s", g.ip, g.node, g.salt, g.made, g.seq, text),
	}
}

func (g *agent) event() message { return g.message("1:/var/log/syslog:x") }

func (g *agent) startup() message {
	m := g.message("#!-agent startup ")
	m.control = true
	return m
}

func (g *agent) alive() message {
	m := g.message("#!-Linux " + g.node)
	m.control, m.keepalive, m.node = true, true, g.node
	return m
}

// start has the agent start: from a new port, what the server must hear first.
func (g *agent) start(r *relay, port uint16) *session.Session {
	r.t.Helper()
	g.port = port
	r.send(g.startup())
	r.want(session.Accepted, g.event())
	return r.want(session.Accepted, g.alive())
}
