// Package legacy turns what agents of OSSEC say into Yagura's events. It knows no sockets.
//
//	1 a b c  logs, command output ──────────────────────────────────► log, command: the text as it is
//	1        "ossec: Agent started: …": it will tell all files ─────► agent state
//	3        "Host: 192.0.2.7 (), open ports: …" ◄► known ports ────► agent state, if new or changed
//	8        "SIZE:MODE:UID:GID:MD5:SHA1[:SHA256] PATH" ◄► known sum ► syscheck.Change
//	9        findings ◄► known findings ────────────────────────────► rootcheck: the text, if new
//
// OSSEC's agents remember nothing: what is new, and what has changed, is decided by what is known of their host. That is kept in a bucket of
// the spool's file, and changed in the transaction that keeps the events.
package legacy

import (
	"errors"
	"fmt"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/yagura-hids/yagura/internal/event"
)

// Message is an agent's event message, "QUEUE:LOCATION:TEXT".
type Message struct {
	Agent    string // the host's id in events, at most 512 bytes
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
	SyscheckWhole // the registry's keys are told, too
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
	Report func(msg string) // tells of trouble, once for each agent and kind; nil for nothing
}

// How much is known of an agent at most.
const (
	maxAgent    = 512       // bytes of its id
	maxPath     = 4096      // bytes of a path
	maxFiles    = 1_000_000 // with the registry's keys, and those that are gone
	maxFindings = 10_000
	maxHosts    = 65_536 // whose open ports are known
)

type limits struct{ files, findings, hosts int }

// ErrAgent is returned for a message whose agent has no id, or one that is too long.
var ErrAgent = errors.New("no agent's id")

// Known is what is known of the hosts. All but Put of its Changes is for one goroutine.
type Known struct {
	view   func(func(tx *bolt.Tx) error) error
	report func(string)
	most   limits

	states   map[string]*state // of agents that were heard lately
	fresh    *Changes          // since the last call of Changes
	unstored []*Changes        // the calls' before, oldest first

	told map[string]bool // what was reported
}

// Open returns what is stored. view runs a read-only transaction of the file in which Put stores.
func Open(view func(func(tx *bolt.Tx) error) error, o Options) *Known {
	if o.Report == nil {
		o.Report = func(string) {}
	}
	return &Known{
		view: view, report: o.Report, most: limits{maxFiles, maxFindings, maxHosts},
		states: map[string]*state{}, fresh: newChanges(), told: map[string]bool{},
	}
}

// Read returns what a message means. Its errors are those of view, and ErrAgent.
func (k *Known) Read(m Message) (Result, error) {
	if m.Agent == "" || len(m.Agent) > maxAgent {
		return Result{}, fmt.Errorf("%w: %.20q", ErrAgent, m.Agent)
	}
	switch m.Queue {
	case '1', 'a', 'b', 'c':
		return k.log(&m)
	case '3':
		return k.ports(&m)
	case '8':
		return k.integrity(&m)
	case '9':
		return k.finding(&m)
	}
	return k.unknown(&m, fmt.Sprintf("messages of queue %q", m.Queue)), nil
}

// log reads a line of a log, the output of a command, or what the agent tells of itself.
func (k *Known) log(m *Message) (Result, error) {
	m.Text = strings.TrimSuffix(m.Text, "\n")
	switch {
	case m.Text == "", m.Location == "ossec-keepalive", strings.HasPrefix(m.Location, "keepalive"):
		return Result{}, nil
	case m.Location == "ossec" && strings.HasPrefix(m.Text, "ossec: Agent started: "):
		return Result{m.event(event.AgentState, m.Text), AgentStarted}, k.started(m)
	case strings.HasPrefix(m.Text, "ossec: output: '"):
		return Result{Event: m.event(event.Command, m.Text)}, nil
	}
	return Result{Event: m.event(event.Log, m.Text)}, nil
}

// event returns what is kept of a message.
func (m *Message) event(kind event.Kind, text string) *event.Event {
	return &event.Event{ID: event.ID{Agent: m.Agent}, Time: m.At, Kind: kind, Location: m.Host + "->" + m.Location, Text: text}
}

// maxTold is how many troubles are told apart.
const maxTold = 10_000

// tell reports a trouble of an agent; what kind it is of is told once.
func (k *Known) tell(m *Message, kind, format string, values ...any) {
	key := m.Agent + "\x00" + kind
	if k.told[key] || len(k.told) > maxTold {
		return
	}
	k.told[key] = true
	if len(k.told) > maxTold {
		k.report(fmt.Sprintf("more than %d troubles with what agents say; further ones are not told", maxTold))
		return
	}
	k.report("agent " + m.Agent + ": " + fmt.Sprintf(format, values...))
}

// unknown leaves a message out that is not understood.
func (k *Known) unknown(m *Message, what string) Result {
	k.tell(m, what, "%s are not understood and left out; the first, of %.100q, is %.100q; what it tells in OSSEC's words is kept", what, m.Location, m.Text)
	return Result{Note: Unknown}
}

func clip(s string, most int) string { return s[:min(len(s), most)] }
