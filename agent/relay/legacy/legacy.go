// Package legacy turns what agents of OSSEC say into Yagura's events. It knows no sockets.
//
//	1 a b c  logs, command output ─────────────────────────────────────► the text as it is
//	1        "ossec: Agent started: …" ─► the host tells all files ────► agent state
//	3        "Host: 192.0.2.7 (), open ports: …" ◄► known ports ───────► agent state, if new or changed
//	8        "SIZE:MODE:UID:GID:MD5:SHA1[:SHA256] PATH" ◄► known sums ─► syscheck.Change
//	9        findings ◄► known findings ───────────────────────────────► the text, if new
//
// OSSEC's agents remember nothing: what is new and what changed is decided by what is known of their host. That is kept in a bucket of the
// spool's file, and changed in the transaction that keeps the events.
package legacy

import (
	"errors"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/yagura-hids/yagura/internal/event"
)

// Message is an agent's event message: "QUEUE:LOCATION:TEXT".
type Message struct {
	Agent    string // the host's id in events; at most 512 bytes
	Host     string // what its locations begin with: "(web-asg/ip-10-0-1-17) 10.0.1.17"
	Queue    byte
	Location string
	Text     string
	At       time.Time // when it came
}

// Note is what a message says of its host, beside its event.
type Note uint8

// The notes.
const (
	None Note = iota
	AgentStarted
	SyscheckStarted
	SyscheckEnded
	SyscheckWhole // all that syscheck knows was told: the end of its scan
	RootcheckStarted
	RootcheckEnded
	Unknown // the message was not understood
)

// Result is what came of a message.
type Result struct {
	Event *event.Event // nil for no news. Its ID has the agent only
	Note  Note
}

// Options are what Known works with.
type Options struct {
	Report func(msg string) // tells of trouble, once for each host and kind; nil for nothing
}

// Known is what is known of hosts. But for Changes' Put, it is for one goroutine.
type Known struct{}

// Open returns what is stored. view is a read-only transaction of the file in which Put stores.
func Open(view func(func(tx *bolt.Tx) error) error, o Options) *Known { return &Known{} }

// ErrAgent is returned for a message of no agent.
var ErrAgent = errors.New("no agent's id")

// Read returns what a message means. Its errors are those of view, and ErrAgent.
func (k *Known) Read(m Message) (Result, error) { panic("to come") }

// What Clear forgets.
const (
	Syscheck  = "syscheck"
	Rootcheck = "rootcheck"
	All       = "all" // for a host that is gone
)

// Clear forgets what is known of a host: Syscheck, Rootcheck, or All.
func (k *Known) Clear(agent, what string) { panic("to come") }

// Changes is what was learnt between two calls of Changes.
type Changes struct{}

// Changes returns what was learnt since the last call. Each must be put, in their order; until one is, it takes memory.
func (k *Known) Changes() *Changes { panic("to come") }

// Put stores the changes in the transaction in which the events of the same messages are stored. If that fails, it is called again with the next.
func (c *Changes) Put(tx *bolt.Tx) error { panic("to come") }
