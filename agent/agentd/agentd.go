// Package agentd is an agent's life: readers that fill the spool, and a sender that empties it.
//
//	logcollector ─┐                                          ┌─► kinesis:STREAM
//	syscheck ─────┼─► spool (agent.db) ─► run ─► batch ─► ───┼─► file:DIR
//	rootcheck ────┤      ▲                                   └─► https://…
//	heartbeat ────┘      └ full: the oldest of the least value is dropped, counted, and told
//
// A new configuration takes effect without a restart: the readers whose part of it changed are ended and begun anew, and go on where they
// were, for that is in the spool.
package agentd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"sync"
	"time"

	"github.com/yagura-hids/yagura/agent/config"
	"github.com/yagura-hids/yagura/agent/logcollector"
	"github.com/yagura-hids/yagura/agent/sender"
	"github.com/yagura-hids/yagura/agent/spool"
	"github.com/yagura-hids/yagura/agent/syscheck"
	"github.com/yagura-hids/yagura/internal/event"
)

// Options are what an agent works with.
type Options struct {
	Config    *config.Config
	Spool     *spool.Spool
	Host      func(ctx context.Context) event.Agent  // who this is; asked at the start and at each heartbeat
	Version   string                                 // of the program
	Collector logcollector.Options                   // Report is set by the agent
	Databases fs.FS                                  // rootcheck's own: rootcheck/*.txt
	Report    func(msg string)                       // tells of trouble, and of its end; nil for nothing
	Ready     func()                                 // called when the logs have been looked at, or can't be: what is written from now on is read; nil for nothing
	Now       func() time.Time                       // nil for time.Now
	After     func(d time.Duration) <-chan time.Time // nil for time.After
}

// Agent is a running agent.
type Agent struct {
	opts    Options
	started time.Time
	reload  chan *config.Config

	reading   sync.Mutex // guards positions
	positions logcollector.Positions

	mu       sync.Mutex // guards what follows
	conf     *config.Config
	host     event.Agent
	sent     func() sender.Sent
	readers  map[string]*reader
	syscheck *syscheck.Syscheck // at work; nil if no file is watched
}

// reader is one part of the configuration at work.
type reader struct {
	name  string
	conf  any
	begin func() (run, func() any, error) // what it does, and what tells how far it is
	stats func() any                      // nil if there is nothing to tell
	stop  context.CancelFunc
	done  chan struct{}
}

// New returns an agent. It does nothing before Run.
func New(o Options) *Agent {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.After == nil {
		o.After = time.After
	}
	if o.Report == nil {
		o.Report = func(string) {}
	}
	if o.Ready == nil {
		o.Ready = func() {}
	}
	if o.Host == nil {
		o.Host = func(context.Context) event.Agent { return event.Agent{} }
	}
	o.Collector.Report = o.Report
	return &Agent{opts: o, conf: o.Config, started: o.Now(), reload: make(chan *config.Config), readers: map[string]*reader{},
		sent: func() sender.Sent { return sender.Sent{} }}
}

// Run fills the spool until ctx ends; that is no error. Any other one means that the spool is beyond help.
func (a *Agent) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer a.stopAll()
	a.setHost(a.opts.Host(ctx))
	if err := a.Tell(ctx, fmt.Sprintf("ossec: Agent started: '%s->any'.", a.name())); err != nil {
		return ended(ctx, err)
	}
	a.apply(ctx, a.opts.Config, cancel)
	for {
		if err := a.heartbeat(ctx); err != nil {
			return ended(ctx, err)
		}
		select {
		case <-ctx.Done():
			return ended(ctx, context.Cause(ctx))
		case conf := <-a.reload:
			a.apply(ctx, conf, cancel)
		case <-a.opts.After(a.every()):
			a.setHost(a.opts.Host(ctx))
		}
	}
}

// failure is why a reader failed, as the cause of a context's end.
type failure struct{ error }

func (f failure) Unwrap() error { return f.error }

// ended returns nil for the error of a context that ended from outside, whatever the cause: that may be a signal.
func ended(ctx context.Context, err error) error {
	var own failure
	if ctx.Err() != nil && !errors.As(context.Cause(ctx), &own) {
		return nil
	}
	return err
}

// Reload makes conf the configuration, when the readers that it concerns have ended. It returns when that has begun, or with ctx.
func (a *Agent) Reload(ctx context.Context, conf *config.Config) {
	select {
	case a.reload <- conf:
	case <-ctx.Done():
	}
}

// apply starts the readers of conf and ends those whose part has changed.
func (a *Agent) apply(ctx context.Context, conf *config.Config, fail context.CancelCauseFunc) {
	wanted := a.parts(conf)
	for name, r := range a.running() {
		if w := wanted[name]; w == nil || !reflect.DeepEqual(w.conf, r.conf) {
			a.stop(r)
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.conf = conf
	for name, r := range wanted {
		if a.readers[name] == nil {
			a.start(ctx, r, fail)
		}
	}
}

// start runs r, if its configuration can be used. A reader that fails later ends the agent: only a spool that is beyond help makes one fail.
func (a *Agent) start(ctx context.Context, r *reader, fail context.CancelCauseFunc) {
	run, stats, err := r.begin()
	if err != nil {
		a.opts.Report(fmt.Sprintf("%s: not done: %v", r.name, err))
		return
	}
	a.readers[r.name] = r
	r.stats = stats
	ctx, r.stop = context.WithCancel(ctx)
	r.done = make(chan struct{})
	go func() {
		defer close(r.done)
		if err := run(ctx); err != nil && ctx.Err() == nil {
			fail(failure{fmt.Errorf("%s: %w", r.name, err)})
		}
	}()
}

func (a *Agent) running() map[string]*reader {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := map[string]*reader{}
	for name, r := range a.readers {
		out[name] = r
	}
	return out
}

func (a *Agent) stop(r *reader) {
	r.stop()
	<-r.done
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.readers, r.name)
	if r.name == partSyscheck {
		a.syscheck = nil
	}
}

func (a *Agent) stopAll() {
	for _, r := range a.running() {
		a.stop(r)
	}
}
