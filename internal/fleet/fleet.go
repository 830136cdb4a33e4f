// Package fleet is the agents that Yagura knows: their keys, the hosts that use these, what is to be told to them.
package fleet

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/yagura-hids/yagura/internal/table"
	"github.com/yagura-hids/yagura/internal/wire"
)

// Table is the table that all of it is in; template.yaml declares it with the same keys.
var Table = table.Schema{Name: "fleet", Partition: "agent", Sort: "item", Expires: "expires"}

// Key is an agent's key and what goes with it.
type Key struct {
	wire.Key
	Many     bool   // several hosts may use it at a time, each an agent of its own. Always so with a network as its address
	MaxHosts int    // of these; 0 for DefaultHosts
	Group    string // whose files its hosts are sent; "" for "default"
	Previous string // the secret before the last rotation, taken until PreviousUntil or until a host has used the new one
	Until    time.Time
	Created  time.Time
	Removed  time.Time // zero if it is in force
}

// DefaultHosts is how many hosts may use a key of many.
const DefaultHosts = 1024

// Host is an agent at work: one that came with a key, or one that sends syslog.
type Host struct {
	Agent   string // its id in events: the key's name, "NAME/NODE" under a key of many, or a syslog source's address
	Key     string // the key's id; "" for a syslog source
	Node    string // the host's own name, if it told it
	Address string // where it was heard last, "192.0.2.7:41234"
	OS      string // the words of uname, or Windows's
	Version string // "OSSEC HIDS v4.2.0"
	Cipher  string
	Files   string               // the md5 of the shared files that it has
	First   time.Time            // heard first
	Last    time.Time            // heard last: a message of any kind
	Alive   time.Time            // told last that it lives: the keep-alive. Zero: it is pending
	Scans   map[string]time.Time // "syscheck started", "syscheck ended", "rootcheck started", "rootcheck ended"
	Relay   string               // who heard it last
}

// Status is what agent_control calls a host's state.
type Status string

// The states.
const (
	NeverConnected Status = "Never connected" // a key that no host has used
	Pending        Status = "Pending"         // heard, but it has not yet told who it is
	Active         Status = "Active"
	Disconnected   Status = "Disconnected"
)

// AliveFor is how long a host is Active after its last keep-alive: three times the agent's default notify_time, and half a minute.
const AliveFor = 1830 * time.Second

// Status returns the host's state at a time.
func (h *Host) Status(now time.Time) Status { panic("to come") }

// Command is something to be told to a host, once.
type Command struct {
	ID      string // given by Send
	Agent   string // the host's
	Text    string // what is sent after "#!-": "syscheck restart", "execd restart-ossec0 null - (from_the_server) (no_rule_id)"; or one of the relay's own words: "clear syscheck", "clear rootcheck"
	Created time.Time
	Expires time.Time // then it is not told any more
	Told    time.Time // zero as long as it waits
	Relay   string    // who told it
}

// Errors that the store's functions wrap.
var (
	// ErrUnknown is returned for a key or a host that isn't there.
	ErrUnknown = errors.New("no such agent")
	// ErrExists is returned for a name or an id that is taken.
	ErrExists = errors.New("exists already")
)

// Store is the fleet in a table. It may be used by several goroutines, and by several processes if its table may.
type Store struct{}

// Options are what a store works with.
type Options struct {
	Now    func() time.Time // nil for time.Now
	Random io.Reader        // of secrets and ids; nil for crypto/rand's
}

// New returns the store over a table.
func New(t table.Table, o Options) *Store { panic("to come") }

// Version returns a number that changes whenever a key or a group's files do: what a relay asks often.
func (s *Store) Version(ctx context.Context) (int64, error) { panic("to come") }

// Keys returns all keys in force, by id as a number.
func (s *Store) Keys(ctx context.Context) ([]Key, error) { panic("to come") }

// Key returns the key of that id, or of that name if no key has it for an id.
func (s *Store) Key(ctx context.Context, idOrName string) (Key, error) { panic("to come") }

// Add adds a key. An empty ID is the next free one, at least three digits ("001"), or from 1024 on as authd gives them; an empty Secret a random one.
func (s *Store) Add(ctx context.Context, k Key) (Key, error) { panic("to come") }

// Put changes what is known of a key, or adds one as it is.
func (s *Store) Put(ctx context.Context, k Key) error { panic("to come") }

// Remove takes a key out of force. Its id is not given again.
func (s *Store) Remove(ctx context.Context, id string) error { panic("to come") }

// Rotate gives a key a new secret. The one before is taken, too, for that long, or until a host has used the new one.
func (s *Store) Rotate(ctx context.Context, id string, grace time.Duration) (Key, error) {
	panic("to come")
}

// Hosts returns all hosts, by their agent ids.
func (s *Store) Hosts(ctx context.Context) ([]Host, error) { panic("to come") }

// PutHosts stores what is known of hosts now.
func (s *Store) PutHosts(ctx context.Context, hosts []Host) error { panic("to come") }

// Send leaves a command for a host, and returns it with its id.
func (s *Store) Send(ctx context.Context, c Command) (Command, error) { panic("to come") }

// Waiting returns the commands that wait to be told.
func (s *Store) Waiting(ctx context.Context) ([]Command, error) { panic("to come") }

// Told claims a command for a relay: false if another one has it already, or it has expired.
func (s *Store) Told(ctx context.Context, id, relay string) (bool, error) { panic("to come") }

// Command returns a command, to see whether it was told.
func (s *Store) Command(ctx context.Context, id string) (Command, error) { panic("to come") }

// Files returns what hosts of a group are sent: a merged.mg. Nil if nothing is to be sent.
func (s *Store) Files(ctx context.Context, group string) ([]byte, error) { panic("to come") }

// PutFiles makes a merged.mg what hosts of a group are sent; nil for nothing. It is packed; what doesn't fit into an item is refused.
func (s *Store) PutFiles(ctx context.Context, group string, merged []byte) error { panic("to come") }
