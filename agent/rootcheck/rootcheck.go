// Package rootcheck looks for what rootkits leave behind, and holds the host against policy files.
//
//	rootkit_files, rootkit_trojans, policies ─► databases ─┐
//	                                                        ▼
//	files ─ trojans ─ audits ─ dev ─ sys ─ pids ─ ports ─ if: each looks in two ways at one thing, and tells where they differ
//	                                                        ▼
//	a finding is a text, in OSSEC's words ─► known already? ─► spool: event and memory in one transaction
//
// A finding is told when it is new. It is forgotten when two whole checks in a row came without it, and is then new again.
package rootcheck

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/yagura-hids/yagura/agent/spool"
)

const (
	defaultEvery   = 10 * time.Hour
	defaultPercent = 20
	maxFindings    = 10_000 // of one check. More is a host where something else is wrong
)

// Options are what a Rootcheck works with.
type Options struct {
	Spool     *spool.Spool                           // Once needs none
	Databases fs.FS                                  // the built-in ones, as rootcheck/*.txt
	Percent   int                                    // of one processor that a check in the background may take; 0 for 20
	Proc      string                                 // where /proc is; "" for /proc
	Report    func(msg string)                       // tells of trouble; nil for nothing
	Now       func() time.Time                       // nil for time.Now
	After     func(d time.Duration) <-chan time.Time // nil for time.After
}

// Rootcheck checks this host. Run and Once may be called by one goroutine, Stats by any.
type Rootcheck struct {
	conf  Config
	opts  Options
	lstat func(path string) (fs.FileInfo, error) // os.Lstat, but for tests
	mu    sync.Mutex                             // guards stats
	stats Stats
}

// Stats is what there is to know of a Rootcheck.
type Stats struct {
	Running string    `json:"running,omitempty"` // the check that is under way
	Ended   time.Time `json:"ended,omitzero"`    // when the last whole check ended
	Next    time.Time `json:"next,omitzero"`     // when the next one begins
	Known   int       `json:"known"`             // findings that are remembered
	Faults  int       `json:"faults"`            // in the databases, when they were last read
}

// Finding is one thing that is not as it should be.
type Finding struct {
	Check string `json:"check"` // OSSEC's name of the check without check_, as in the configuration
	Text  string `json:"text"`  // what the event says
}

// New returns a Rootcheck. What is wrong with the files that conf names is reported, with place and way out, and is no error: the rest of
// them works. So it is each time they are read, which is at the start of each check.
func New(conf Config, o Options) (*Rootcheck, error) {
	if o.Databases == nil {
		return nil, errors.New("rootcheck: no built-in databases given")
	}
	if o.Percent <= 0 || o.Percent > 100 {
		o.Percent = defaultPercent
	}
	if o.Proc == "" {
		o.Proc = "/proc"
	}
	if o.Report == nil {
		o.Report = func(string) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.After == nil {
		o.After = time.After
	}
	if conf.Every <= 0 {
		conf.Every = defaultEvery
	}
	return &Rootcheck{conf: conf, opts: o, lstat: os.Lstat}, nil
}

// Run checks again and again until ctx ends, which is its only error beside those of the spool. A restart changes nothing of the schedule;
// a check that was cut short begins anew. If rootcheck is disabled, Run returns at once.
func (r *Rootcheck) Run(ctx context.Context) error {
	if r.conf.Disabled {
		return nil
	}
	for {
		wait, err := r.due()
		if err != nil {
			return err
		}
		if wait > 0 {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-r.opts.After(wait):
			}
		}
		if err := r.background(ctx); err != nil {
			return fmt.Errorf("rootcheck: %w", err)
		}
	}
}

// background makes one whole check, and tells what is new.
func (r *Rootcheck) background(ctx context.Context) error {
	m := &memory{spool: r.opts.Spool, now: r.opts.Now, seen: map[string]bool{}}
	if err := m.tell(ctx, []string{"Starting rootcheck scan."}, false); err != nil {
		return err
	}
	s := r.scan(&throttle{percent: r.opts.Percent, now: r.opts.Now, after: r.opts.After})
	s.tell = func(ctx context.Context, f []Finding) error { return m.tell(ctx, texts(f), true) }
	if err := r.check(ctx, s); err != nil {
		return err
	}
	known, err := m.end(ctx)
	r.update(func(st *Stats) { st.Known = known })
	return err
}

func texts(findings []Finding) (list []string) {
	for _, f := range findings {
		list = append(list, f.Text)
	}
	return list
}

// Once makes one whole check at full speed and returns all that it finds. Nothing is remembered, nothing is sent.
func (r *Rootcheck) Once(ctx context.Context) ([]Finding, error) {
	var all []Finding
	s := r.scan(&throttle{percent: 100, now: r.opts.Now, after: r.opts.After})
	s.tell = func(_ context.Context, f []Finding) error { all = append(all, f...); return nil }
	err := r.check(ctx, s)
	return all, err
}

// check runs the checks that are not switched off, in OSSEC's order. One that can't be made is reported and left out.
func (r *Rootcheck) check(ctx context.Context, s *scan) error {
	defer r.update(func(st *Stats) { st.Running = "" })
	for _, c := range checks() {
		if r.conf.Off&c.bit != 0 {
			continue
		}
		r.update(func(st *Stats) { st.Running = c.name })
		s.name = c.name
		if err := c.run(ctx, s); ctx.Err() != nil {
			return ctx.Err()
		} else if err != nil {
			r.opts.Report(fmt.Sprintf("rootcheck: %s: %v", c.name, err))
		}
		if err := s.flush(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Faults reads the databases and returns what is wrong with them, all of it, as a *osxml.FaultError; nil if nothing is.
func (r *Rootcheck) Faults() error {
	_, faults := r.load()
	return faults.Err()
}

// Stats tells how far the checks are.
func (r *Rootcheck) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stats
}

func (r *Rootcheck) update(fn func(*Stats)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fn(&r.stats)
}
