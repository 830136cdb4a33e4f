package session

import (
	"time"

	bolt "go.etcd.io/bbolt"
)

// heard, sources, notices, bucket and window are to come.
type (
	heard   struct{}
	sources struct{}
	notices struct{}
	bucket  struct{}
	window  struct{}
)

// Open returns the sessions as they were stored. view opens a transaction on the store that Put is given one of; dir is for fingerprints, and
// is made if it isn't there.
func Open(view func(func(*bolt.Tx) error) error, dir string, o Options) (*Sessions, error) {
	panic("to come")
}

// Close closes the files of fingerprints.
func (s *Sessions) Close() error { panic("to come") }

// Admit says whose an arrival is and whether it is to be used. The session is nil if there is none.
func (s *Sessions) Admit(a Arrival) (*Session, Verdict) { panic("to come") }

// Name gives a session its agent's id, once its keep-alive told the host's name, or "" if none was told in time, or none is told by such
// hosts. It is to be called for each keep-alive: another name from the same address is another host. Until then Agent is "".
func (s *Sessions) Name(x *Session, node string) (agent string) { panic("to come") }

// Expire takes out of memory those that were idle for Idle, and returns them.
func (s *Sessions) Expire(now time.Time) []*Session { panic("to come") }

// List returns copies of those that are live.
func (s *Sessions) List() []Session { panic("to come") }

// Stats returns how things stand.
func (s *Sessions) Stats() Stats { panic("to come") }

// Changes returns what is to be stored with the events admitted since the last call. Each is to be put, in their order, before the next one
// is; one that can't be put ends the process, or the next Open knows less than it should.
func (s *Sessions) Changes() *Changes { panic("to come") }

// Changes is a part of what is known, as it was at one moment.
type Changes struct{}

// Put stores them. If the transaction fails it may be called again in another one.
func (c *Changes) Put(tx *bolt.Tx) error { panic("to come") }
