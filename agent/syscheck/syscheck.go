// Package syscheck watches files: what was added, changed, deleted, moved.
//
//	schedule ─► scan: walk ∪ cache, in one order ─┐                  ┌─ nothing
//	inotify ──► watcher: paths and trees ─────────┴─► look ─► settle ┼─ a change ─┐
//	                                                   ▲             └─ held ─────┼─► pending ─► spool.Keep(events, records)
//	                                                   └─ cache: path ─► record ◄─┘
//
// Whoever comes to a path looks at it and compares with what the cache knows at that moment; the change and the new record go into one
// transaction. So a change is told once, whoever sees it first, and again after no kill. A file that vanished and one that appeared may be one
// that was moved: both are held until the scan has ended, some minutes at most.
package syscheck

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/yagura-hids/yagura/agent/spool"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/syscheck"
)

// Options are what a Syscheck works with.
type Options struct {
	Spool  *spool.Spool
	Report func(msg string)                       // tells of trouble; nil for nothing
	Now    func() time.Time                       // nil for time.Now
	After  func(d time.Duration) <-chan time.Time // nil for time.After
	Proc   string                                 // where the kernel tells of memory; "" for /proc
	Audit  string                                 // what auditd writes; "" for /var/log/audit/audit.log
	Root   string                                 // below which the packages' files and databases lie; "" for /
}

// Stats is what there is to know of a Syscheck at the moment.
type Stats struct {
	Files   int       `json:"files"`          // in the cache
	Began   time.Time `json:"began,omitzero"` // the last scan
	Ended   time.Time `json:"ended,omitzero"` // the last one that came to its end
	Running bool      `json:"running"`
	Paused  string    `json:"paused,omitempty"` // why a running scan waits, "" if it doesn't
	Looked  int       `json:"looked"`           // at how many files, by the scan that runs or the last one of this process
	Bytes   int64     `json:"bytes"`            // that it read
	Changes uint64    `json:"changes"`          // told since the start, without baselines
}

// Syscheck watches the files that a configuration names. Its methods may be called by several goroutines.
type Syscheck struct {
	conf     Config
	o        Options
	scanning sync.Mutex // held over a scan
	tree     atomic.Pointer[tree]
	noDiff   matcher
	live     atomic.Pointer[watcher] // while Run is at work and something is to be told as it happens
	progress progress

	mu      sync.Mutex // guards what follows, and changes to the cache
	memory  memory
	looking map[string]bool // paths that are being looked at
	held    held
	pending pending
	told    map[string]bool   // trouble that was told
	names   map[string]string // of owners
	audit   audit
	hive    hive
	manager manager
	err     error // why nothing can be kept any more
}

// progress is what Stats tells: it must be told even while mu is held over a write to a disk that is full.
type progress struct {
	files   atomic.Int64
	changes atomic.Uint64
	began   atomic.Pointer[time.Time]
	ended   atomic.Pointer[time.Time]
	running atomic.Bool
	looked  atomic.Int64
	bytes   atomic.Int64
	paused  atomic.Pointer[string]
}

// pending is what goes into the next transaction.
type pending struct {
	events []*event.Event
	puts   map[string][]byte // records by key; nil: none any more
	texts  map[string][]byte // contents by key; …
	memory bool              // is to be stored, too
	timed  bool              // somebody waits to keep it

	packages map[string][]byte // what is known of packages; …

	textSize int // of all texts that were set
}

func newPending() pending {
	return pending{puts: map[string][]byte{}, texts: map[string][]byte{}, packages: map[string][]byte{}}
}

// A transaction is made when so much has come together, or after that time.
const (
	groupSize = 256
	groupText = 4 << 20 // bytes of contents
	groupTime = time.Second
)

// New returns a Syscheck that works on the cache in the spool. Its error tells what is wrong with the configuration, or that the spool can't
// be read.
func New(conf Config, o Options) (*Syscheck, error) {
	if o.Report == nil {
		o.Report = func(string) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.After == nil {
		o.After = time.After
	}
	if o.Proc == "" {
		o.Proc = "/proc"
	}
	if o.Audit == "" {
		o.Audit = "/var/log/audit/audit.log"
	}
	s := &Syscheck{conf: conf, o: o, looking: map[string]bool{}, told: map[string]bool{}, names: map[string]string{}, held: newHeld(), pending: newPending(), hive: systemHive{}}
	t, err := newTree(&conf)
	if err != nil {
		return nil, err
	}
	s.tree.Store(t)
	if s.noDiff, err = compile("nodiff", conf.NoDiff); err != nil {
		return nil, err
	}
	s.audit = audit{path: o.Audit, name: s.userName}
	err = o.Spool.View(func(tx *bolt.Tx) (err error) {
		if s.memory, err = readMemory(tx); err == nil && filesOf(tx) != nil {
			s.progress.files.Store(int64(filesOf(tx).Stats().KeyN))
		}
		return err
	})
	if err == nil {
		err = s.openPackages()
	}
	s.progress.began.Store(&s.memory.Began)
	s.progress.ended.Store(&s.memory.Ended)
	return s, err
}

// Stats returns what there is to know at the moment.
func (s *Syscheck) Stats() Stats {
	p := &s.progress
	st := Stats{
		Files: int(p.files.Load()), Began: *p.began.Load(), Ended: *p.ended.Load(), Changes: p.changes.Load(),
		Running: p.running.Load(), Looked: int(p.looked.Load()), Bytes: p.bytes.Load(),
	}
	if why := p.paused.Load(); why != nil {
		st.Paused = *why
	}
	return st
}

// cached returns what is known under a key, as bytes; nil for nothing. The caller holds mu.
func (s *Syscheck) cached(k []byte) (raw []byte, err error) {
	if raw, ok := s.pending.puts[string(k)]; ok {
		return raw, nil
	}
	err = s.o.Spool.View(func(tx *bolt.Tx) error {
		if files := filesOf(tx); files != nil {
			raw = append([]byte(nil), files.Get(k)...)
		}
		return nil
	})
	return raw, err
}

// put makes raw the record under a key; nil: none any more. The caller holds mu.
func (s *Syscheck) put(k, raw, before []byte) {
	s.pending.puts[string(k)] = raw
	switch {
	case raw != nil && before == nil:
		s.progress.files.Add(1)
	case raw == nil && before != nil:
		s.progress.files.Add(-1)
	}
}

// tell makes an event. The caller holds mu.
func (s *Syscheck) tell(kind event.Kind, location, text string) {
	s.pending.events = append(s.pending.events, &event.Event{Kind: kind, Location: location, Time: s.o.Now(), Text: text})
}

// full sees to it that what is pending is kept, now if it is much, and soon if not. The caller holds mu.
func (s *Syscheck) full(ctx context.Context) error {
	p := &s.pending
	if m := &s.manager; !m.attended && m.busyWithPackages() {
		m.attended = true
		go s.attend(ctx)
	}
	switch {
	case max(len(p.events), len(p.puts)) >= groupSize, p.textSize >= groupText:
		return s.flush(ctx)
	case !p.timed && len(p.events)+len(p.puts)+len(p.texts)+len(p.packages) > 0:
		p.timed = true
		go s.flushLater(ctx)
	}
	return s.err
}

func (s *Syscheck) flushLater(ctx context.Context) {
	select {
	case <-ctx.Done(): // who ended it flushes
	case <-s.o.After(groupTime):
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending.timed = false
	if ctx.Err() == nil {
		_ = s.flush(ctx) // whoever comes next is told
	}
}

// flush keeps what is pending. The caller holds mu.
func (s *Syscheck) flush(ctx context.Context) error {
	p, timed := &s.pending, s.pending.timed
	if s.err != nil || len(p.events)+len(p.puts)+len(p.texts)+len(p.packages) == 0 && !p.memory {
		return s.err
	}
	var m *memory
	if p.memory {
		m = &s.memory
	}
	full := false
	remember := func(tx *bolt.Tx) error {
		err := store(tx, p.puts, m)
		if err == nil {
			err = storePackages(tx, p.packages)
		}
		if err != nil {
			return err
		}
		full, err = keep(tx, p.texts)
		return err
	}
	kept := make(chan error, 1)
	go func() { kept <- s.o.Spool.Keep(ctx, p.events, remember) }() // not on the scan's thread, which is the last to be served: others wait for it
	if err := <-kept; err != nil {
		if ctx.Err() == nil {
			s.err = err
		}
		return err
	}
	s.pending = newPending()
	s.pending.timed = timed
	if full && !s.told[diffFull] {
		s.told[diffFull] = true
		s.o.Report(diffFull)
	}
	return nil
}

// finish keeps what is pending when ctx has ended, or tells why not.
func (s *Syscheck) finish(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	s.mu.Lock()
	err := s.release(ctx, nil)
	s.mu.Unlock()
	s.finishPackages(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(err, s.flush(ctx))
}

// text returns a change as an event's text, which has a limit that only the strangest of paths come near to.
func text(c syscheck.Change) string {
	text := c.String()
	if len(text) > event.MaxText {
		c.Diff = ""
		text = c.String()
	}
	if len(text) > event.MaxText {
		c.Before = nil
		text = c.String()
	}
	return text
}
