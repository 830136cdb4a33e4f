// Package session tells who is behind a datagram, and whether it was heard before.
//
//	Arrival ─► the key's session whose stream it continues ─► window ─► fingerprints ─► Accepted, or why not
//	                 none: a new one, within the limits        │            │
//	                                                           ▼            ▼
//	                     Changes ─► Put, in the transaction that stores the events ─► heard-N.fp, hourly
//
// A key of one host has one session, wherever it comes from. Under a key of many, a session is the stream of counters that comes from one
// address; several from one address (hosts behind a NAT, a host that came after another) are told apart by their ports and by where their
// counters are. A stream has its agent's id when its keep-alive has told the host's name; see [Sessions.Name].
//
// A message is let in once: each session has a window of 1024 counters, in any order. A datagram of one host that is sent again from
// another address is known by its fingerprint, which is kept for at least a day. Who holds the key can forge anything; who only listens can't.
package session

import (
	"net/netip"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Bounds that aren't options.
const (
	DefaultHosts = 1024                // under a key that doesn't say
	Idle         = 1830 * time.Second  // after so long without a message a session leaves memory: three times notify_time and half a minute
	Remembered   = 30 * 24 * time.Hour // for so long its counters and its id stay on disk
	resetEvery   = time.Minute         // a session's counters may go back once in it
	former       = 8                   // sessions of hosts that were at an address before are in memory
	overtaken    = 64                  // events that a session's first event may have overtaken
	perAddress   = 256                 // sessions of a key at one address
	near         = 1 << 14             // so far above a stream a message from another port may still be of it
	retention    = 24 * time.Hour      // of fingerprints
	sealAfter    = time.Hour           // fingerprints leave memory,
	sealAt       = 1_000_000           // or when they are so many
	tellEvery    = time.Minute         // the same thing is told once in it
	sharedEvery  = time.Hour           // that a key seems to be used by two hosts
	defaultMax   = 1 << 16             // sessions in memory
	defaultBytes = int64(2) << 30      // of fingerprints on disk
)

// Key is what a session must know of an agent's key.
type Key struct {
	ID       string
	Name     string
	Many     bool // several hosts may use it at a time
	MaxHosts int  // of these; 0 for DefaultHosts
}

// Arrival is a datagram that its key has opened.
type Arrival struct {
	Key     *Key
	From    netip.AddrPort
	Seq     uint64 // the counters as one number
	Inner   []byte // checksum, random number, counters and text: what a fingerprint is made of. It is not kept
	Control bool   // the text begins with "#!-"
	At      time.Time
}

// Verdict is what becomes of an arrival.
type Verdict uint8

// The verdicts. Only the first two are to be used and answered.
const (
	Accepted     Verdict = iota
	Reset                // accepted, though the session's counters went back: a host set up anew, or its counters lost. Worth an alert
	Replayed             // this session has had it: a network's duplicate, or a replay
	Repeated             // it was heard before, from elsewhere: probably a replay
	Old                  // its counters are too far back, and nothing says that they began anew
	TooManyHosts         // the key has as many hosts as it may, or all keys have
	TooFast              // new sessions come faster than they may, under this key or from this address
	verdicts
)

// String returns the verdict in a few words: "heard before, from elsewhere".
func (v Verdict) String() string {
	return [...]string{"accepted", "accepted, its counters went back", "a duplicate", "heard before, from elsewhere", "counters too far back", "too many hosts", "new hosts come too fast"}[v]
}

// Session is a host at work. It is changed by the methods of Sessions: who is not between two calls of these takes copies, by List.
type Session struct {
	Agent  string // its id in events; "" until Name gave it
	Key    *Key
	Node   string         // the host's own name, if it told it
	From   netip.AddrPort // where its newest control message came from, and answers go
	First  time.Time      // heard first
	Last   time.Time      // heard last
	Alive  time.Time      // its last control message; zero for none
	Proven bool           // it has sent a control message: what an agent does before all else

	window
	place netip.Addr     // where it is: under a key of one host, the zero address
	heard netip.AddrPort // where the newest message came from; under a key of many no port if another session has it now
	born  int64          // tells it from others at the place, on disk
	given string         // the id it has or had before it was idle, under which it comes back
	began time.Time      // the first message since it came, or came back
	reset time.Time      // its counters went back
	live  bool           // heard from in this life, not only known from the disk
	dirty bool           // to be stored
	era   uint64         // of the last Changes it was in
	next  *Session       // at the same place
}

// Options are what sessions work with.
type Options struct {
	Max      int                                        // sessions in memory; 0 for 65536
	MaxBytes int64                                      // of fingerprints on disk; 0 for 2 GiB. A sixth as much is needed in memory
	Floor    func(keyID string, host netip.Addr) uint64 // the highest counter that another relay had lately, 0 for none: what is new or comes back here must be above. Nil for one relay alone
	Alert    func(msg string)                           // is told of limits, replays and resets, each once a minute with its count; nil for nothing
	Report   func(msg string)                           // is told of duplicates, as rarely, and of the disk's troubles; nil for nothing
}

// Sessions is all of them. Its methods may be called by several goroutines; the order of Admit is the order of arrival.
type Sessions struct {
	opts Options
	view func(func(*bolt.Tx) error) error
	dir  string

	mu       sync.Mutex
	keys     map[string]*keyState
	total    int        // in memory
	changed  []*Session // dirty
	ended    []*Session // to be returned by Expire
	heard    heard
	sources  sources
	notices  map[about]*notice
	counts   [verdicts]uint64
	now      time.Time // of the newest arrival
	era      uint64    // of the last Changes
	safe     uint64    // the newest era on disk
	purged   time.Time // when what is too old was deleted from the disk
	troubled time.Time // when it was told that fingerprints can't be read
}

// keyState is a key's sessions in memory.
type keyState struct {
	hosts   map[netip.Addr]*Session // by place; the first of a list
	agents  map[string]*Session     // those live, by their ids
	live    int
	rate    bucket
	strays  int       // messages of another address that didn't fit in, under a key of one host,
	strayed time.Time // in the hour since then
}

// Stats is how things stand.
type Stats struct {
	Sessions     int
	Verdicts     map[Verdict]uint64 // since Open
	Fingerprints uint64             // known
	Since        time.Time          // as far back they reach; zero if there are none
	Bytes        int64              // of them on disk
}
