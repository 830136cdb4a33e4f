package relay

import (
	"context"
	"errors"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"github.com/yagura-hids/yagura/agent/relay/socket"
	"github.com/yagura-hids/yagura/internal/wire"
)

// The pipeline's bounds. What doesn't fit waits in the socket's buffer, and then with the kernel's own counter in nobody's.
const (
	batches      = 16            // on their way at a time
	batchPackets = socket.AtOnce // datagrams of one
	partPackets  = 32            // opened in one go
)

// replier sends a sealed datagram back to where one came from.
type replier interface {
	reply(datagram []byte, to netip.AddrPort, via []byte) error
}

// packet is a datagram on its way through the relay. Its memory is used again.
type packet struct {
	data []byte // as it came
	from netip.AddrPort
	via  []byte  // how a reply must leave, so that it comes from the address that the host sent to
	on   replier // where it came in

	key     *key
	codec   *wire.Codec // what opened it: of the key's secret, or of the one before
	secret  string      // the same
	message wire.Message
	inner   []byte // the message's memory
	why     reason // why it is refused; accepted if it isn't
}

// batch is datagrams that were read together.
type batch struct {
	packets []packet
	n       int
	at      time.Time // when they were read
	opened  sync.WaitGroup
}

// part is some packets of a batch.
type part struct {
	packets []packet
	batch   *batch
}

func newBatch() *batch { return &batch{packets: make([]packet, batchPackets)} }

// add returns the next free packet.
func (b *batch) add() *packet {
	p := &b.packets[b.n]
	b.n++
	p.data, p.via, p.key, p.why = p.data[:0], p.via[:0], nil, accepted
	return p
}

// spread gives a batch to be opened, in parts, and to be admitted after those that came before it. It waits while there are enough of them, and
// tells whether ctx let it. A small batch is opened here and now, with o: to wake somebody would cost more.
func (r *Relay) spread(ctx context.Context, b *batch, o *opener) bool {
	b.at = r.opts.Now()
	parts := b.packets[:b.n]
	if b.n <= partPackets {
		r.openAll(parts, o, b.at)
		parts = nil
	}
	for len(parts) > 0 {
		n := min(len(parts), partPackets)
		b.opened.Add(1)
		select {
		case r.work <- part{parts[:n], b}:
		case <-ctx.Done():
			b.opened.Done()
			return false
		}
		parts = parts[n:]
	}
	select {
	case r.arrived <- b:
		return true
	case <-ctx.Done():
		return false
	}
}

// empty returns a batch to fill; nil if ctx ended.
func (r *Relay) empty(ctx context.Context) *batch {
	select {
	case b := <-r.free:
		b.n = 0
		return b
	case <-ctx.Done():
		return nil
	}
}

func (r *Relay) workers() int {
	if r.opts.Workers > 0 {
		return r.opts.Workers
	}
	return runtime.GOMAXPROCS(0)
}

// open opens what is read until ctx ends.
func (r *Relay) open(ctx context.Context) error {
	var o opener
	for {
		select {
		case p := <-r.work:
			r.openAll(p.packets, &o, p.batch.at)
			p.batch.opened.Done()
		case <-ctx.Done():
			return nil
		}
	}
}

func (r *Relay) openAll(packets []packet, o *opener, at time.Time) {
	keys := r.keys.now.Load()
	for i := range packets {
		r.openOne(&packets[i], keys, o, at)
	}
}

// opener is memory of one who opens.
type opener struct {
	scratch wire.Scratch
	keys    []*key
}

// openOne finds a packet's key and opens it, or says why not.
func (r *Relay) openOne(p *packet, keys *keys, o *opener, at time.Time) {
	d, err := wire.Split(p.data)
	if err != nil {
		p.why = garbage
		return
	}
	from := p.from.Addr()
	var named bool
	if o.keys, named = keys.find(d, from, o.keys); len(o.keys) == 0 {
		p.why = unknownKey
		return
	}
	if named && !o.keys[0].Address.Covers(from) {
		p.why = wrongSource
		return
	}
	if !r.takes(d) {
		p.why = wrongCipher
		return
	}
	for _, k := range o.keys {
		if r.openWith(p, d, k, o, at) {
			return
		}
	}
}

// openWith opens a packet with one key, with the secret before its rotation if need be.
func (r *Relay) openWith(p *packet, d wire.Datagram, k *key, o *opener, at time.Time) bool {
	codec, secret := k.codec, k.Secret
	m, err := codec.Open(d, wire.MaxWazuh, &o.scratch)
	switch {
	case k.before == nil:
	case err == nil && !k.Many && !k.renewed.Swap(true): // its one host has the new secret
		r.counters.used(k)
	case err != nil && !k.renewed.Load() && at.Before(k.Until):
		codec, secret = k.before, k.Previous
		m, err = codec.Open(d, wire.MaxWazuh, &o.scratch)
	}
	switch {
	case err == nil:
		if !k.used.Load() {
			k.used.Store(true)
		}
		p.key, p.codec, p.secret, p.why, p.message = k, codec, secret, accepted, m
		p.inner = append(p.inner[:0], m.Inner...)
		p.message.Inner = p.inner
		p.message.Text = p.inner[len(m.Inner)-len(m.Text):]
		return true
	case errors.Is(err, wire.ErrTooLarge):
		p.why = tooLarge
	case errors.Is(err, wire.ErrFormat):
		p.why = garbage
	default:
		p.why = wrongKey
	}
	return false
}
