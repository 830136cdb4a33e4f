package relay

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/yagura-hids/yagura/agent/relay/config"
	"github.com/yagura-hids/yagura/agent/relay/legacy"
	"github.com/yagura-hids/yagura/agent/relay/session"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/wire"
)

// So many events, or bytes of their texts, wait to be kept before nothing more is admitted, and with that nothing more acknowledged: agents then
// stop reading their logs.
const (
	mostPending  = 8192
	pendingBytes = 16 << 20
)

// gather is the time between two transactions.
const gather = 50 * time.Millisecond

// keepEvery is how often it is kept how far hosts have counted when they have said nothing that becomes an event.
const keepEvery = 30 * time.Second

// pending is what has been admitted and is to be kept: all of it, or nothing.
type pending struct {
	events   []*event.Event
	size     int // bytes of their texts
	sessions *session.Changes
	known    *legacy.Changes
}

func (p *pending) put(tx *bolt.Tx) error {
	if err := p.sessions.Put(tx); err != nil {
		return err
	}
	return p.known.Put(tx)
}

// admitAll takes datagrams in their order and hands on what they mean, until ctx ends.
func (r *Relay) admitAll(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	p, kept := &pending{}, r.opts.Now()
	for {
		arrived, ready := r.arrived, r.ready
		if len(p.events) >= mostPending || p.size >= pendingBytes {
			arrived = nil
		}
		if len(p.events) == 0 && r.opts.Now().Sub(kept) < keepEvery {
			ready = nil
		}
		select {
		case b := <-arrived:
			r.admitBatch(b, p)
		case <-ready:
			p.sessions, p.known = r.sessions.Changes(), r.known.Changes()
			r.keep <- p
			p, kept = &pending{}, r.opts.Now()
		case <-tick.C:
			r.tick(r.opts.Now(), p)
		case fn := <-r.do:
			fn()
		case <-ctx.Done():
			r.rest = p
			return nil
		}
	}
}

func (r *Relay) admitBatch(b *batch, p *pending) {
	b.opened.Wait()
	for i := range b.packets[:b.n] {
		r.admit(&b.packets[i], b.at, p)
	}
	r.free <- b
}

// keepRest keeps at the end what has been admitted and not yet kept, unless the disk takes nothing.
func (r *Relay) keepRest() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	r.rest.sessions, r.rest.known = r.sessions.Changes(), r.known.Changes()
	return r.opts.Spool.Keep(ctx, r.rest.events, r.rest.put)
}

// keepAll keeps what was admitted until ctx ends. Between two transactions it gathers a little: agents are told nothing of their events anyway.
func (r *Relay) keepAll(ctx context.Context) error {
	for {
		select {
		case r.ready <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		p := <-r.keep // which comes at once
		r.keeping.Store(r.opts.Now().UnixNano())
		if err := r.opts.Spool.Keep(ctx, p.events, p.put); err != nil {
			return err
		}
		r.keeping.Store(0)
		select {
		case <-time.After(gather):
		case <-ctx.Done():
			return nil
		}
	}
}

// admit takes one datagram.
func (r *Relay) admit(p *packet, at time.Time, pend *pending) {
	if p.why != accepted {
		r.counters.refuse(p, at)
		if p.why == unknownKey {
			select {
			case r.look <- struct{}{}:
			default:
			}
		}
		return
	}
	text := p.message.Text
	control := wire.IsControl(text)
	s, verdict := r.sessions.Admit(session.Arrival{
		Key: &p.key.session, From: p.from, Seq: p.message.Seq(), Inner: p.message.Inner, Control: control, At: at,
	})
	if p.why = why(verdict); p.why != accepted {
		r.counters.came[p.why].Add(1) // which the sessions tell
		return
	}
	r.counters.came[accepted].Add(1)
	h := r.host(s, p, at)
	h.last = at
	if seq := p.message.Seq(); seq > h.seq || verdict == session.Reset {
		h.seq, h.secret = seq, p.secret
	}
	if verdict == session.Reset {
		r.begun(h, p)
	}
	if control {
		r.control(h, p, at, pend)
		return
	}
	ev, err := wire.ParseEvent(text)
	if err != nil {
		p.why = garbage
		r.counters.refuse(p, at)
		return
	}
	m := legacy.Message{Queue: ev.Queue, Location: string(ev.Location), Text: string(ev.Text), At: at}
	if h.waits() {
		r.hold(h, m)
		return
	}
	r.read(h, m, pend)
}

// begun takes note of a host whose counters went back. Under a key of many, one that counts from the start is another machine at an address, and by
// that of a name, that an earlier one had: autoscaling gives them out again. What is known of the earlier one's files is nothing to compare with.
func (r *Relay) begun(h *host, p *packet) {
	if h.agent != "" && p.key.Many && p.message.Global == 0 {
		r.counters.trouble("what is known of hosts", r.known.Clear(h.agent, legacy.All))
	}
}

// why returns the reason for a verdict.
func why(v session.Verdict) reason {
	switch v {
	case session.Accepted, session.Reset:
		return accepted
	case session.Replayed, session.Old:
		return replayed
	case session.Repeated:
		return repeated
	}
	return limited
}

// takes tells whether the configuration allows the cipher.
func (r *Relay) takes(d wire.Datagram) bool {
	s := r.opts.Config.Secure()
	return s == nil || s.Ciphers == config.Both || s.Ciphers == "" || (s.Ciphers == config.AES) == d.AES
}

// read makes a host's message events.
func (r *Relay) read(h *host, m legacy.Message, pend *pending) {
	m.Agent, m.Host = h.session.Agent, h.origin
	res, err := r.known.Read(m)
	if failed := err != nil; failed || r.unknown {
		r.unknown = failed
		r.counters.trouble("what is known of hosts", err)
	}
	if res.Event != nil {
		pend.events = append(pend.events, res.Event)
		pend.size += len(res.Event.Text)
	}
	if res.Note == legacy.Unknown {
		r.counters.unread.Add(1)
	}
	h.note(res.Note, m.At)
}

// control takes a control message. It is acknowledged whatever it says.
func (r *Relay) control(h *host, p *packet, at time.Time, pend *pending) {
	h.target = target{h.order, p.on, p.from, slices.Clone(p.via), p.codec, p.message.Cipher}
	r.send(h.target, wire.Ack)
	text := p.message.Text
	switch {
	case wire.IsStartup(text):
	case wire.IsShutdown(text):
		h.alive = time.Time{}
	default:
		k, err := wire.ParseKeepalive(text)
		if err != nil {
			p.why = garbage
			r.counters.refuse(p, at)
			return
		}
		r.alive(h, k, at, pend)
	}
}

// alive takes a keep-alive: who the host is, and which files it has.
func (r *Relay) alive(h *host, k wire.Keepalive, at time.Time, pend *pending) {
	h.news = h.news || h.alive.IsZero() || h.os != k.Uname || h.version != k.Version || h.files != k.MergedSum()
	h.alive, h.os, h.version, h.files = at, k.Uname, k.Version, k.MergedSum()
	r.name(h, k.Node)
	r.offer(h)
	r.release(h, pend)
}

// name gives a host its agent's id, once it is known who it is.
func (r *Relay) name(h *host, node string) {
	agent := r.sessions.Name(h.session, node)
	h.origin = origin(agent, h.from.Addr())
	if h.agent != agent {
		h.agent, h.news = agent, true
	}
}

// origin is where an agent's events come from, in OSSEC's words.
func origin(agent string, from netip.Addr) string { return fmt.Sprintf("(%s) %s", agent, from) }

// release reads what a host said before it was known.
func (r *Relay) release(h *host, pend *pending) {
	if h.waits() {
		return
	}
	for _, m := range h.held {
		r.read(h, m, pend)
	}
	r.drop(h)
}

// drop lets go of what is held of a host.
func (r *Relay) drop(h *host) {
	r.held -= h.size
	h.held, h.size = nil, 0
}

// tick looks at what time has done.
func (r *Relay) tick(now time.Time, pend *pending) {
	for _, h := range r.hosts {
		if h.agent == "" && now.Sub(h.first) >= nameWithin {
			r.name(h, "")
			r.release(h, pend)
		}
	}
	for _, s := range r.sessions.Expire(now) {
		h := r.hosts[s]
		if h != nil {
			r.drop(h)
			delete(r.hosts, s)
		}
		if s.Agent != "" { // else another session goes on with it
			r.gone(s, h, now, pend)
		}
	}
	r.showAll()
	if now.Sub(r.swept) >= time.Hour {
		r.swept = now
		_, err := r.known.Forget(now.Add(-forgetAfter))
		r.counters.trouble("what is known of hosts", err)
	}
}

// forgetAfter is how long a host's files are known after it was heard last: autoscaled hosts don't come back.
const forgetAfter = 90 * 24 * time.Hour
