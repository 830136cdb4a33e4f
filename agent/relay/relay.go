// Package relay takes what OSSEC's agents and appliances send, unmodified, and makes events of it.
//
//	udp 1514 ─┐                                                                       ┌► answers, sealed, to the host's newest port
//	tcp 1514 ─┴► read ► key ► open (in parallel) ► admit (in order of arrival) ► read ┴► keep: one transaction
//	syslog ───────────────────────────────────────────────────────────────────────────┘    │ events, sessions, what is known of hosts
//	tcp 1515 ─► authd ─► a key in the fleet                                                  └► sender ► batches by agent ► uplink
//
// The relay is to a legacy agent what our agent has inside: its spool, its cache of files, its identity. Events are numbered where they are
// kept, and in the same transaction goes down how far each host has counted; so killed at any moment, the relay neither takes a datagram twice
// nor forgets one that it has kept. Between a datagram's arrival and that there are milliseconds, in which UDP's senders can't know.
package relay

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/yagura-hids/yagura/agent/relay/config"
	"github.com/yagura-hids/yagura/agent/relay/legacy"
	"github.com/yagura-hids/yagura/agent/relay/session"
	"github.com/yagura-hids/yagura/agent/relay/socket"
	"github.com/yagura-hids/yagura/agent/sender"
	"github.com/yagura-hids/yagura/agent/spool"
	"github.com/yagura-hids/yagura/internal/codec"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/fleet"
	"github.com/yagura-hids/yagura/internal/wire"
)

// Options are what a relay works with.
type Options struct {
	Config   *config.Config
	Spool    *spool.Spool
	Dir      string                                    // a folder of its own: certificates, fingerprints
	Fleet    *fleet.Store                              // keys, and what hosts are to be told
	Name     string                                    // of this relay, in the fleet
	Version  string                                    // of the program
	Password func(ctx context.Context) (string, error) // of enrolment; nil for the one that the configuration names
	Report   func(msg string)                          // tells of trouble, and of its end; nil for nothing
	Ready    func()                                    // called when all ports are open; nil for nothing
	Poll     time.Duration                             // how often the fleet is asked for commands and changed keys; 0 for 5 s
	Now      func() time.Time                          // nil for time.Now
	Workers  int                                       // that open datagrams; 0 for one a processor
}

// Relay is a running relay.
type Relay struct {
	opts     Options
	started  time.Time
	counters counters
	counter  wire.Counter // of what is sent. One serves all hosts

	keys     keyring
	sessions *session.Sessions
	known    *legacy.Known

	arrived chan *batch   // in the order of arrival, being opened
	work    chan part     // of these, to be opened
	free    chan *batch   // to be filled
	ready   chan struct{} // the keeper can take a pending
	keep    chan *pending // what it takes
	rest    *pending      // what was admitted when it ended
	keeping atomic.Int64  // since when it is at it, in ns since 1970; 0 if it isn't
	do      chan func()   // run between batches, by who admits
	pushes  chan push     // to be pushed
	looked  time.Time     // when who attends last looked for what is done once a minute
	look    chan struct{} // a datagram of an unknown key came

	hosts   map[*session.Session]*host // of who admits
	held    int                        // bytes of messages of hosts that are not known yet
	swept   time.Time                  // when it last forgot hosts
	unknown bool                       // what is known of hosts could not be read the last time

	mu        sync.Mutex            // guards what follows
	seen      map[string]fleet.Host // all hosts, by agent, as they were shown last
	unsaved   map[string]bool       // of these, those that the fleet is to be told of
	ports     []string              // that are listened to
	udp       *socket.UDP           // the agents'
	elsewhere map[place]uint64      // how far hosts had counted when other relays heard them
	sources   int                   // of syslog, in seen
	sender    *sender.Sender        // nil where others empty the spool
}

// Location is where the events stand that the relay tells of itself.
const Location = "yagura-relay"

// New returns a relay, with what its spool's file and the fleet remember. It listens to nothing before Run.
func New(ctx context.Context, o Options) (*Relay, error) {
	o.defaults()
	r := &Relay{
		opts: o, started: o.Now(), hosts: map[*session.Session]*host{}, seen: map[string]fleet.Host{}, unsaved: map[string]bool{}, elsewhere: map[place]uint64{}, pushes: make(chan push, 4096), arrived: make(chan *batch, batches), work: make(chan part, batches*4),
		free: make(chan *batch, batches), ready: make(chan struct{}), keep: make(chan *pending), do: make(chan func()), look: make(chan struct{}, 1),
	}
	r.counters.init(o.Report)
	for range batches {
		r.free <- newBatch()
	}
	if err := r.load(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

func (o *Options) defaults() {
	if o.Report == nil {
		o.Report = func(string) {}
	}
	if o.Ready == nil {
		o.Ready = func() {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Password == nil {
		o.Password = o.password
	}
	if o.Poll == 0 {
		o.Poll = 5 * time.Second
	}
}

// load reads what there is.
func (r *Relay) load(ctx context.Context) (err error) {
	view := func(fn func(*bolt.Tx) error) error { return r.opts.Spool.View(fn) }
	if err := r.loadKeys(ctx); err != nil {
		return err
	}
	if err := r.loadHosts(ctx); err != nil {
		return err
	}
	if r.sessions, err = session.Open(view, r.opts.Dir, session.Options{Floor: r.floor, Alert: r.counters.alert, Report: r.counters.say}); err != nil {
		return fmt.Errorf("sessions: %w", err)
	}
	r.known = legacy.Open(view, legacy.Options{Report: r.opts.Report})
	return nil
}

// Close lets go of the files. The spool is its owner's.
func (r *Relay) Close() error { return r.sessions.Close() }

// Run listens until ctx ends; that is no error. Another one means that a port can't be had, or that the spool is beyond help.
func (r *Relay) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	doors, err := r.listen(ctx)
	if err != nil {
		return err
	}
	var wait sync.WaitGroup
	part := func(run func(context.Context) error) {
		wait.Go(func() {
			if err := run(ctx); err != nil && ctx.Err() == nil {
				cancel(failure{err})
			}
		})
	}
	for range r.workers() {
		part(r.open)
	}
	part(r.admitAll)
	part(r.keepAll)
	part(r.pushAll)
	part(r.attend)
	for _, d := range doors {
		part(d.serve)
		context.AfterFunc(ctx, d.close)
	}
	r.opts.Ready()
	wait.Wait()
	err = r.keepRest()
	r.leave()
	var own failure
	if errors.As(context.Cause(ctx), &own) {
		return own.error
	}
	return err
}

// Send empties the spool until ctx ends; see [sender.Sender.Run]. deliver stores batches of several agents, those of one in their order.
func (r *Relay) Send(ctx context.Context, deliver func(context.Context, []codec.Encoded) error) error {
	s := sender.New(sender.Options{
		Spool: r.opts.Spool, Deliver: deliver, Report: r.opts.Report, Now: r.opts.Now,
		Head: func(agent string) event.Batch {
			return event.Batch{AgentID: agent, Agent: r.Agent(agent), Version: r.opts.Version}
		},
	})
	r.mu.Lock()
	r.sender = s
	r.mu.Unlock()
	return s.Run(ctx)
}

// sent returns what was sent.
func (r *Relay) sent() sender.Sent {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sender == nil {
		return sender.Sent{}
	}
	return r.sender.Sent()
}

// failure is why a part failed, as the cause of a context's end.
type failure struct{ error }

func (f failure) Unwrap() error { return f.error }

// Tell keeps an event of the relay's own.
func (r *Relay) Tell(ctx context.Context, text string) error {
	ev := &event.Event{Kind: event.AgentState, Location: Location, Time: r.opts.Now(), Text: text}
	return r.opts.Spool.Keep(ctx, []*event.Event{ev}, nil)
}

// run calls fn between two batches, with what only who admits may touch.
func (r *Relay) run(ctx context.Context, fn func()) {
	done := make(chan struct{})
	select {
	case r.do <- func() { fn(); close(done) }:
		<-done
	case <-ctx.Done():
	}
}

// closed tells whether an error only says that a door was closed.
func closed(err error) bool { return errors.Is(err, net.ErrClosed) || errors.Is(err, fs.ErrClosed) }

// unmap returns an address of IPv4 as such.
func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }
