package wire

import (
	"bytes"
	"sync/atomic"
)

// Control is what control messages begin with.
const Control = "#!-"

// Control messages, whole, where nothing follows. The final space belongs to some.
const (
	Startup         = "#!-agent startup "  // of an agent that starts, or has had no answer for long. Wazuh's version follows as JSON
	Shutdown        = "#!-agent shutdown " // of a Wazuh agent that ends
	Ack             = "#!-agent ack "      // the answer to each control message
	SyscheckRestart = "#!-syscheck restart"
	Execd           = "#!-execd " // an active response, whose words follow
	AgentRestart    = Execd + "restart-ossec0 null - (from_the_server) (no_rule_id)"

	upFile    = "#!-up file "
	closeFile = "#!-close file "
)

// Ping is what asks a Wazuh server, in clear and instead of a datagram, whether it is there; Pong is its answer.
const (
	Ping = "#ping"
	Pong = "#pong"
)

// IsControl tells a control message from an event.
func IsControl(text []byte) bool { return bytes.HasPrefix(text, []byte(Control)) }

// IsStartup tells whether an agent starts.
func IsStartup(text []byte) bool { return is(text, Startup) }

// IsShutdown tells whether an agent ends.
func IsShutdown(text []byte) bool { return is(text, Shutdown) }

// is tells whether the text is that control message, with or without its final space and what follows.
func is(text []byte, message string) bool {
	word := message[:len(message)-1]
	return bytes.HasPrefix(text, []byte(word)) && (len(text) == len(word) || text[len(word)] == ' ')
}

// Event is what an agent has read or found.
type Event struct {
	Queue    byte   // which of the agent's parts it comes from
	Location []byte // a file's path, a command, "syscheck", "rootcheck", "ossec", "WinEvtLog"
	Text     []byte
}

// Queues, as OSSEC calls an event's kind. MySQL and PostgreSQL are further ones of logs.
const (
	QueueLog       = '1'
	QueueSyslog    = '2' // only within a server
	QueueHostInfo  = '3' // open ports as nmap sees them
	QueueSyscheck  = '8'
	QueueRootcheck = '9'
	QueueMySQL     = 'a'
	QueuePostgres  = 'b'
)

// ParseEvent takes an event apart: queue ":" location ":" text. The slices are the message's. The error is ErrFormat.
func ParseEvent(text []byte) (Event, error) {
	if len(text) < 2 || text[1] != ':' || IsControl(text) {
		return Event{}, ErrFormat
	}
	location, rest, ok := bytes.Cut(text[2:], []byte(":"))
	if !ok {
		return Event{}, ErrFormat
	}
	return Event{Queue: text[0], Location: location, Text: rest}, nil
}

// Counter numbers what a server sends. One does for all agents: each sees a part of its numbers, and these rise. It may be used by several
// goroutines; an agent refuses what comes out of order, so that what is sealed for one agent has to be sent in that order.
type Counter struct {
	start uint32
	sent  atomic.Uint64
}

// NewCounter returns a counter that begins at the global number start. The Unix time in seconds is one that nothing has to be kept for: no
// server sends 9997 messages each second all the time.
func NewCounter(start uint32) *Counter { return &Counter{start: start} }

// Next returns the next message's numbers.
func (c *Counter) Next() (global, local uint32) {
	n := c.sent.Add(1) - 1
	return c.start + uint32(n/9997), uint32(n%9997) + 1
}
