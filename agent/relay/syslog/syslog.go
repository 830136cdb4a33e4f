// Package syslog takes in what appliances and other daemons send: syslog over UDP, TCP and TLS.
//
//	udp 514 ─► a datagram is a message ──────┐
//	tcp 514 ─► [tls] ─► frames (RFC 6587) ───┴► PRI off, RFC 5424 made plain ─► queue ─► Take, so many as are there
//
// A message keeps its PRI as a number. What follows is the event's text: that of RFC 3164, or of no RFC at all, as it is; that of RFC 5424
// as "TIME HOST APP[PID]: MESSAGE", in which the predecoder finds host and program.
//
// Who may send is said by network. A source that may not gets no answer.
package syslog

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/yagura-hids/yagura/agent/relay/limit"
	"github.com/yagura-hids/yagura/agent/relay/socket"
)

// Message is one message of syslog.
type Message struct {
	From     netip.Addr // of IPv4 where it came over IPv4; without a zone
	Priority int        // 8 times its facility, plus its severity, plus 1; 0 if it had none
	Text     string     // without PRI and line end; UTF-8, at most event.MaxText bytes
	Cut      bool       // it was longer, or its connection broke inside it
	At       time.Time  // when it was read
}

// Options are what a listener works with.
type Options struct {
	Network string         // "udp" or "tcp"
	Address string         // "HOST:PORT"; ":514" is all addresses of both families
	TLS     *tls.Config    // of tcp; nil for plain text
	Allowed []netip.Prefix // who may send; at least one network
	Denied  []netip.Prefix // who may not, all the same

	// Take keeps messages. It returns when they are safe, and blocks as long as there is no room for them; meanwhile nothing more is read.
	// An error ends Serve. The slice is the listener's own again when Take returns. One call is made at a time.
	Take   func(ctx context.Context, batch []Message) error
	Report func(line string) // tells of trouble; nil for nothing
	Now    func() time.Time  // nil for time.Now
}

// Stats counts what came in since the listener was opened.
type Stats struct {
	Messages    uint64 // taken
	Cut         uint64 // of these, longer than event.MaxText or broken off
	Empty       uint64 // datagrams and frames with nothing in them
	Refused     uint64 // datagrams and connections of sources that may not send
	Crowded     uint64 // connections beyond the limits
	Handshakes  uint64 // of TLS that failed
	Slow        uint64 // connections that were closed because they said nothing
	Dropped     uint64 // datagrams that the kernel had no room for; Linux tells
	Connections int    // open now
}

// Bounds on what connections may cost. Each may hold a message of event.MaxText bytes, so all together 64 MiB.
const (
	maxConns     = 1024
	maxPerSource = 64
)

// How long a connection may take. A quiet one is not cut off before a day is over, for many senders lose the next message then; that the
// other end is gone TCP's keep-alive finds.
const (
	idle      = 24 * time.Hour
	frameTime = time.Minute // for a message to come whole
	shakeTime = 10 * time.Second
)

// Listener is an open listener. It reads nothing before Serve.
type Listener struct {
	o      Options
	udp    *socket.UDP // one of these two
	tcp    net.Listener
	queue  *queue
	conns  limit.Conns
	limits timeouts

	messages, cut, empty, refused, crowded, handshakes, slow          atomic.Uint64
	refusedLine, crowdedLine, handshakeLine, droppedLine, troubleLine limit.Lines
}

type timeouts struct{ idle, frame, shake time.Duration }

// Listen opens a listener.
func Listen(o Options) (*Listener, error) {
	if len(o.Allowed) == 0 {
		return nil, fmt.Errorf("syslog on %s %s: no network may send; say which with <allowed-ips>", o.Network, o.Address)
	}
	if o.Report == nil {
		o.Report = func(string) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	l := &Listener{
		o: o, queue: newQueue(), conns: limit.Conns{Most: maxConns, PerSource: maxPerSource},
		limits: timeouts{idle, frameTime, shakeTime},
	}
	if err := l.open(); err != nil {
		return nil, fmt.Errorf("syslog: %w", err)
	}
	return l, nil
}

func (l *Listener) open() (err error) {
	switch {
	case l.o.Network == "udp" && l.o.TLS != nil:
		return errors.New("udp has no TLS; take tcp")
	case l.o.Network == "udp":
		if l.udp, err = socket.Listen(l.o.Address); err != nil {
			return err
		}
		if advice := l.udp.Advice(); advice != "" {
			l.o.Report("syslog: " + advice)
		}
	case l.o.Network == "tcp":
		l.tcp, err = net.Listen("tcp", l.o.Address)
	default:
		return fmt.Errorf("network is %q, want udp or tcp", l.o.Network)
	}
	return err
}

// Addr returns where it listens.
func (l *Listener) Addr() net.Addr {
	if l.udp != nil {
		return l.udp.LocalAddr()
	}
	return l.tcp.Addr()
}

// Stats returns the counts so far.
func (l *Listener) Stats() Stats {
	s := Stats{
		Messages: l.messages.Load(), Cut: l.cut.Load(), Empty: l.empty.Load(), Refused: l.refused.Load(), Crowded: l.crowded.Load(),
		Handshakes: l.handshakes.Load(), Slow: l.slow.Load(), Connections: l.conns.Open(),
	}
	if l.udp != nil {
		s.Dropped = l.udp.Dropped()
	}
	return s
}

// Close closes the listener without serving it. Serve does it itself.
func (l *Listener) Close() error {
	var c io.Closer = l.tcp
	if l.udp != nil {
		c = l.udp
	}
	if err := c.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("close syslog: %w", err)
	}
	return nil
}

// lastTake is how long Take may need for what was read when Serve's ctx ended.
const lastTake = 5 * time.Second

// Serve reads messages and gives them to Take until ctx ends; that is no error. What was read by then is still given.
func (l *Listener) Serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		l.queue.close() // first: who waits for room has the socket
		_ = l.Close()   // which ends the reading
	})()
	var wait sync.WaitGroup
	var reading error
	wait.Go(func() {
		defer cancel()
		if l.udp != nil {
			reading = l.readDatagrams(ctx)
		} else {
			reading = l.accept(ctx)
		}
	})
	taking := l.take(ctx)
	cancel()
	wait.Wait()
	return errors.Join(reading, taking, l.takeRest(ctx, taking))
}

// take gives Take what there is, until ctx ends.
func (l *Listener) take(ctx context.Context) error {
	for ctx.Err() == nil {
		batch := l.queue.next()
		if err := l.give(ctx, batch); err != nil {
			l.queue.putBack(batch)
			return unlessEnded(ctx, err)
		}
	}
	return nil
}

// unlessEnded returns err, but nil when ctx has ended, which is then why.
func unlessEnded(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return nil
}

// takeRest gives what was read when it all ended, unless Take has failed.
func (l *Listener) takeRest(ctx context.Context, failed error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastTake)
	defer cancel()
	for {
		batch := l.queue.next()
		if len(batch) == 0 {
			return nil
		}
		err := failed
		if err == nil {
			err = l.give(ctx, batch)
		}
		if err != nil {
			n := len(batch) + len(l.queue.next())
			l.o.Report(fmt.Sprintf("syslog %s: %d messages that had been read are lost: %v", l.where(), n, err))
			return nil
		}
	}
}

func (l *Listener) give(ctx context.Context, batch []Message) error {
	if len(batch) == 0 {
		return nil
	}
	if err := l.o.Take(ctx, batch); err != nil {
		return fmt.Errorf("take syslog: %w", err)
	}
	l.messages.Add(uint64(len(batch)))
	for _, m := range batch {
		if m.Cut {
			l.cut.Add(1)
		}
	}
	return nil
}

// admits tells whether a source may send, and counts and reports it if not. What is denied is denied first.
func (l *Listener) admits(from netip.Addr) bool {
	covers := func(p netip.Prefix) bool { return p.Contains(from) }
	why := "in no <allowed-ips>"
	if slices.ContainsFunc(l.o.Denied, covers) {
		why = "in <denied-ips>"
	} else if slices.ContainsFunc(l.o.Allowed, covers) {
		return true
	}
	l.refused.Add(1)
	l.refusedLine.Tell(l.o.Now(), l.o.Report, "syslog %s: %s was refused: it is %s", l.where(), from, why)
	return false
}

// where returns "udp 0.0.0.0:514".
func (l *Listener) where() string { return l.o.Network + " " + l.Addr().String() }

// plain returns an address as networks contain it.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// push queues a message that a source sent.
func (l *Listener) push(from netip.Addr, data []byte, cut bool) {
	m, ok := parse(data, from, l.o.Now)
	if !ok {
		l.empty.Add(1)
		return
	}
	m.Cut = m.Cut || cut
	l.queue.push(m)
}
