package wire

import (
	"bytes"
	"sync/atomic"
	"time"
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

// Counter numbers what a server sends, by its clock: an agent that goes from one server to another, or whose server was started again, sees
// numbers that rise, and nobody has to keep them. One does for all agents: each sees a part. It may be used by several goroutines; an agent
// refuses what comes out of order, so that what is sealed for one agent has to be sent in that order.
type Counter struct{ last atomic.Uint64 }

// Next returns the numbers of a message at a time: the global one is the second, or one of the seconds to come if there are more than 9 messages
// a millisecond.
func (c *Counter) Next(now time.Time) (global, local uint32) {
	const most = 9997 // local numbers of a global one
	n := uint64(now.Unix())*most + uint64(now.Nanosecond()/1e6)*9
	for {
		last := c.last.Load()
		if n = max(n, last+1); c.last.CompareAndSwap(last, n) {
			return uint32(n / most), uint32(n%most) + 1
		}
	}
}
