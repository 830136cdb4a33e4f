// Package spool is an agent's disk: the events that are not sent yet and what their readers remember, changed together in one bbolt file.
//
//	reader ─► Keep(events, remember) ─► one transaction: numbers, events, position ─┐
//	                                                                                ▼
//	sender ◄─ Next (a run of events) ◄─ blocks, oldest first ◄─ agent.db, at most MaxBytes of blocks
//	sender ─► Sent ─► the run is deleted, the next one marked as on its way
//
// An event gets its number when it is kept. So whatever the moment at which the agent is killed, either an event is on disk with its number
// and its reader's position is behind it, or neither; and a run that is sent again has the same numbers.
package spool

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/yagura-hids/yagura/internal/codec"
)

// Errors that Open and Keep wrap.
var (
	// ErrInUse is returned when another process has the file open.
	ErrInUse = errors.New("in use by another process")
	// ErrFormat is returned for a file that a later version made.
	ErrFormat = errors.New("format of a later version")
)

const (
	formatVersion = 1
	defaultMax    = 512 << 20
	defaultGather = 5 * time.Second
	lockWait      = time.Second
	defaultRun    = 2 << 20 // what is gained in size by more is little, and it's all in memory
)

// Options are what a spool works with.
type Options struct {
	Agent    string                                 // the agent's id. Another one than the file's begins a new epoch: the disk was cloned
	MaxBytes int64                                  // of the events kept, as stored; 0 for 512 MiB. The file is a little larger
	Gather   time.Duration                          // how long Next waits for more; 0 for 5 s, negative for not at all
	Run      int                                    // bytes of a run's texts, after which Next waits no longer; 0 for 2 MiB
	Random   io.Reader                              // of the epoch
	After    func(d time.Duration) <-chan time.Time // nil for time.After
	Now      func() time.Time                       // nil for time.Now
	Report   func(msg string)                       // tells of trouble, and of its end; nil for nothing
}

// Spool is an open spool. Its methods may be called by several goroutines, Next and Sent by one.
type Spool struct {
	opts Options
	db   *bolt.DB
	path string
	more chan struct{} // something was kept

	writing sync.Mutex // held over a write, so that numbers are given in the order of the blocks
	mu      sync.Mutex // guards what follows: what is on disk
	state   state
	index   index
}

// state is the bucket meta, as JSON under "state".
type state struct {
	Format   int    `json:"format"`
	Agent    string `json:"agent"`
	Epoch    uint64 `json:"epoch"`
	Seq      uint64 `json:"seq"`                // the last number given
	Underway uint64 `json:"underway,omitempty"` // blocks up to this number may have been sent: they are not dropped, for then nobody could tell
	Lost     Loss   `json:"lost,omitzero"`
	Told     uint64 `json:"told,omitempty"` // how many of the lost ones an event has told of
}

// Loss is what was dropped in this epoch because the spool was full.
type Loss struct {
	Events uint64            `json:"events,omitempty"`
	Kinds  map[string]uint64 `json:"kinds,omitempty"` // by the kind's name
	First  time.Time         `json:"first,omitzero"`  // the times of the first and the last of them
	Last   time.Time         `json:"last,omitzero"`
}

var (
	bucketMeta   = []byte("meta")
	bucketBlocks = []byte("blocks")
	keyState     = []byte("state")
)

// Open opens the spool at path, and makes it if there is none. A file that is damaged is put aside under another name, which Report is told.
func Open(path string, o Options) (*Spool, error) {
	s := &Spool{opts: o, path: path, more: make(chan struct{}, 1)}
	s.defaults()
	db, err := open(path)
	if err == nil {
		s.db = db
		err = s.load()
	}
	if !damaged(err) {
		if err != nil {
			return nil, errors.Join(fmt.Errorf("spool %s: %w", path, err), s.Close())
		}
		return s, nil
	}
	aside := fmt.Sprintf("%s.damaged-%d", path, s.opts.Now().Unix())
	if err := errors.Join(s.Close(), os.Rename(path, aside)); err != nil {
		return nil, fmt.Errorf("spool %s: %w", path, err)
	}
	s.opts.Report(fmt.Sprintf("spool %s: %v; it is now %s, and a new one is begun: what it held and had not sent is lost", path, err, aside))
	if s.db, err = open(path); err == nil {
		err = s.load()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("spool %s: %w", path, err), s.Close())
	}
	return s, nil
}

func (s *Spool) defaults() {
	o := &s.opts
	if o.MaxBytes == 0 {
		o.MaxBytes = defaultMax
	}
	if o.Gather == 0 {
		o.Gather = defaultGather
	}
	if o.Run == 0 {
		o.Run = defaultRun
	}
	if o.After == nil {
		o.After = time.After
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Report == nil {
		o.Report = func(string) {}
	}
}

func open(path string) (*bolt.DB, error) {
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: lockWait, FreelistType: bolt.FreelistMapType})
	if errors.Is(err, berrors.ErrTimeout) {
		return nil, ErrInUse
	}
	return db, err
}

func damaged(err error) bool {
	var syntax *json.SyntaxError
	return errors.Is(err, berrors.ErrInvalid) || errors.Is(err, berrors.ErrChecksum) || errors.Is(err, berrors.ErrVersionMismatch) ||
		errors.Is(err, codec.ErrDamaged) || errors.As(err, &syntax)
}

// Close closes the file. What is kept stays.
func (s *Spool) Close() error {
	if s.db == nil {
		return nil
	}
	return s.db.Close()
}

// Agent returns the id that stands in the events' ids.
func (s *Spool) Agent() string { return s.opts.Agent }

// Epoch returns the epoch of the events' ids: the life of this file, on this agent.
func (s *Spool) Epoch() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.Epoch
}

// View calls fn with a transaction that sees what was remembered last.
func (s *Spool) View(fn func(tx *bolt.Tx) error) error { return s.db.View(fn) }
