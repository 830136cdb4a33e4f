package relay

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/yagura-hids/yagura/agent/relay/limit"
)

// reason is what becomes of a datagram.
type reason uint8

// The reasons.
const (
	accepted reason = iota
	garbage
	tooLarge
	unknownKey
	wrongSource
	wrongCipher
	wrongKey
	replayed
	repeated
	limited
	reasons
)

// reasonWords say what a refused datagram was; the words before the dash are its counter's name.
var reasonWords = [reasons]string{
	accepted:    "accepted",
	garbage:     "garbage - nothing that an agent sends",
	tooLarge:    "too large - more than an agent may say at a time",
	unknownKey:  "unknown key - no key has that id or is for that address; yagura agents list shows them",
	wrongSource: "wrong source - the key that it names is not for that address",
	wrongCipher: "wrong cipher - crypto_accept doesn't allow it",
	wrongKey:    "wrong key - it doesn't open with the key that it names, or was damaged; see that the agent's client.keys is the one of yagura agents extract-key",
	replayed:    "heard before",
	repeated:    "heard elsewhere",
	limited:     "beyond a limit - so many connections at a time are too many",
}

// counters count what came, and say it, each kind once a minute.
type counters struct {
	report func(string)
	came   [reasons]atomic.Uint64
	lines  [reasons]limit.Lines
	held   atomic.Uint64 // messages lost because their host had not told who it is
	unread atomic.Uint64 // messages that were not understood
	unsent atomic.Uint64 // answers that could not be sent

	mu       sync.Mutex
	troubles map[string]string // what is wrong, by where
	alerts   []string          // to be kept as events by who attends
	renewed  []*key            // whose new secret was used
}

func (c *counters) init(report func(string)) { c.report, c.troubles = report, map[string]string{} }

// refuse counts a datagram that is not taken, and says so.
func (c *counters) refuse(p *packet, now time.Time) {
	c.came[p.why].Add(1)
	name := ""
	if p.key != nil {
		name = fmt.Sprintf(" (key %s, %s)", p.key.ID, p.key.Name)
	}
	c.lines[p.why].Tell(now, c.report, "relay: from %s%s: %s", p.from, name, reasonWords[p.why])
}

// alert takes what is to become an event: of limits, replays, counters that went back.
func (c *counters) alert(msg string) {
	c.say(msg)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.alerts) < 1000 {
		c.alerts = append(c.alerts, msg)
	}
}

func (c *counters) say(msg string) { c.report("relay: " + msg) }

// taken returns the alerts that wait.
func (c *counters) taken() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.alerts
	c.alerts = nil
	return list
}

// used notes that a host has used its key's new secret.
func (c *counters) used(k *key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.renewed = append(c.renewed, k)
}

// turned returns the keys whose new secret was used since the last call.
func (c *counters) turned() []*key {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.renewed
	c.renewed = nil
	return list
}

// trouble says what is wrong somewhere, once, and that it works again when err is nil.
func (c *counters) trouble(where string, err error) {
	msg := ""
	if err != nil {
		msg = err.Error()
	}
	c.mu.Lock()
	was := c.troubles[where]
	c.troubles[where] = msg
	c.mu.Unlock()
	switch {
	case was == msg:
	case msg == "":
		c.report(where + ": works again")
	default:
		c.report(where + ": " + msg)
	}
}

// wrong returns what is wrong at the moment, by where.
func (c *counters) wrong() map[string]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := map[string]string{}
	for where, msg := range c.troubles {
		if msg != "" {
			out[where] = msg
		}
	}
	return out
}
