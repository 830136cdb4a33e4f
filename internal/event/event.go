// Package event holds the words everyone shares: an Event as it was read, what decoding found in it, and the Alert it raised.
//
//	line ─► Event (id, time, location, text) ─► Decoded (host, program, log, decoder, fields) ─► Alert (rule, event, fields)
//
// It depends on the standard library only, and knows neither files, nor rules, nor stores.
package event

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// MaxText is the most text an event carries, in bytes. Whoever reads longer text cuts it here and sets Event.Cut.
const MaxText = 64 << 10

// ID names an event once, where it is read. Every effect of the event is keyed by it, so doing a thing twice is doing it once.
type ID struct {
	Agent string // the host's name or id
	Epoch uint64 // the life of the spool that numbered the event
	Seq   uint64 // increasing within the epoch, not necessarily by one
}

// String returns the id as agent/epoch/seq, the epoch in hexadecimal. JSON has it in this form, too.
func (id ID) String() string { return fmt.Sprintf("%s/%x/%d", id.Agent, id.Epoch, id.Seq) }

// MarshalText returns String's form.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads String's form. The agent may hold slashes itself.
func (id *ID) UnmarshalText(text []byte) error {
	rest, seq, ok := cutLast(string(text))
	agent, epoch, ok2 := cutLast(rest)
	var err, err2 error
	id.Agent = agent
	id.Epoch, err = strconv.ParseUint(epoch, 16, 64)
	id.Seq, err2 = strconv.ParseUint(seq, 10, 64)
	if !ok || !ok2 || err != nil || err2 != nil {
		return fmt.Errorf("%q is no event id: want agent/epoch/seq", text)
	}
	return nil
}

func cutLast(s string) (before, after string, found bool) {
	i := strings.LastIndexByte(s, '/')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// Kind is what sort of message an event carries.
type Kind uint8

// The kinds of event. Syscheck and Rootcheck have decoders of their own.
const (
	Log Kind = iota
	Syscheck
	Rootcheck
	Command
	AgentState
)

var kindNames = [...]string{"log", "syscheck", "rootcheck", "command", "agent"}

// String returns the kind's name: log, syscheck, rootcheck, command or agent.
func (k Kind) String() string {
	if int(k) >= len(kindNames) {
		return "unknown"
	}
	return kindNames[k]
}

// ParseKind returns the kind of that name.
func ParseKind(name string) (Kind, bool) {
	i := slices.Index(kindNames[:], name)
	return Kind(max(i, 0)), i >= 0
}

// Event is one message as it was read on its host, before anybody looked inside.
type Event struct {
	ID       ID
	Time     time.Time // when it was read; in a replay, the log's own time
	Kind     Kind
	Location string // path, command, channel, or "(agent) ip->path"
	Text     string // without its line end; at most MaxText bytes
	Cut      bool   // Text was longer and lost its end
	Priority int    // of a syslog message that had one: 8 times its facility, plus its severity, plus 1; else 0
	Agent    *Agent // who read it, if more is known than ID.Agent says
}

// Plausible tells whether a time that a line or a journal claims can be an event's: from 1970 to 2200. Lines are written by strangers, and
// JSON and nanoseconds since 1970 can't hold every year.
func Plausible(t time.Time) bool { return t.Unix() >= 0 && t.Unix() < 7_258_118_400 }

// AlertID returns the id of the alert that rule raises for the event: 32 hexadecimal digits, the same whenever and wherever it is computed.
func (id ID) AlertID(rule int) string {
	buf := make([]byte, 0, len(id.Agent)+25)
	buf = append(buf, id.Agent...)
	buf = append(buf, 0)
	buf = binary.BigEndian.AppendUint64(buf, id.Epoch)
	buf = binary.BigEndian.AppendUint64(buf, id.Seq)
	buf = binary.BigEndian.AppendUint64(buf, uint64(rule))
	sum := sha256.Sum256(buf)
	return hex.EncodeToString(sum[:16])
}
