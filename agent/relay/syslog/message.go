package syslog

import (
	"bytes"
	"net/netip"
	"strings"
	"time"

	"github.com/yagura-hids/yagura/internal/event"
)

// parse makes a message of what came in a datagram or a frame; false if there is nothing in it.
func parse(data []byte, from netip.Addr, now func() time.Time) (Message, bool) {
	data = bytes.TrimRight(data, "\r\n\x00")
	priority, data := takePriority(data)
	if len(data) == 0 {
		return Message{}, false
	}
	m := Message{From: from, Priority: priority, At: now()}
	text := string(data)
	if strings.ContainsAny(text, "\r\n") {
		text = breaks.Replace(text)
	}
	if h, ok := readHeader(text); ok {
		text = h.plain(&m)
	}
	m.Text, m.Cut = event.Clip(text)
	return m, true
}

// breaks makes blanks of line breaks, which only counted frames and datagrams can hold: a message is one line.
var breaks = strings.NewReplacer("\r\n", " ", "\n", " ", "\r", " ")

// The highest PRI is facility 23, severity 7.
const maxPriority = 23*8 + 7

// takePriority takes "<34>" off. One to three digits between "<" and ">" are a PRI, if a wrong one; all else is text.
func takePriority(data []byte) (priority int, rest []byte) {
	end := bytes.IndexByte(data[:min(len(data), len("<191>"))], '>')
	if end < 2 || data[0] != '<' {
		return 0, data
	}
	for _, c := range data[1:end] {
		if c < '0' || c > '9' {
			return 0, data
		}
		priority = 10*priority + int(c-'0')
	}
	if priority++; priority > maxPriority+1 {
		priority = 0
	}
	return priority, data[end+1:]
}

// header is what a message of RFC 5424 says; "" is its nil value, "-". Behind it stands
//
//	1 2026-11-25T01:30:00.123Z web1 sshd 71 ID47 [origin ip="192.0.2.1"] Failed password for root …
//	  stamp                    host app  proc    └ data ───────────────┘ └ message ───────────────┘
type header struct {
	stamp           time.Time // zero where it is nil
	host, app, proc string
	data, message   string
}

// readHeader reads a message of RFC 5424, without its PRI; false for all others.
func readHeader(text string) (h header, ok bool) {
	rest, ok := strings.CutPrefix(text, "1 ")
	if !ok {
		return h, false
	}
	var stamp, id string
	for _, field := range []*string{&stamp, &h.host, &h.app, &h.proc, &id} {
		if *field, rest, ok = strings.Cut(rest, " "); !ok || *field == "" {
			return h, false
		}
		if *field == "-" {
			*field = ""
		}
	}
	if stamp != "" {
		var err error
		if h.stamp, err = time.Parse(time.RFC3339, stamp); err != nil {
			return h, false
		}
	}
	h.data, rest, ok = readData(rest)
	h.message = strings.TrimPrefix(strings.TrimPrefix(rest, " "), "\ufeff")
	h.message = strings.TrimPrefix(h.message, " ") // rsyslog sends the one that stood behind "sshd[71]:"
	return h, ok && (rest == "" || rest[0] == ' ')
}

// transport are the elements that tell how a message was sent, not what happened. IANA keeps their names.
var transport = []string{"timeQuality", "origin", "meta"}

// readData reads structured data: "-", or elements in brackets. Those about the transport are left out of data.
func readData(s string) (data, rest string, ok bool) {
	if rest, ok = strings.CutPrefix(s, "-"); ok {
		return "", rest, true
	}
	var kept strings.Builder
	for rest = s; strings.HasPrefix(rest, "["); {
		n := elementLen(rest)
		if n == 0 {
			return "", s, false
		}
		if element := rest[:n]; !isTransport(element) {
			kept.WriteString(element)
		}
		rest = rest[n:]
	}
	return kept.String(), rest, len(rest) < len(s)
}

func isTransport(element string) bool {
	name, _, _ := strings.Cut(strings.Trim(element, "[]"), " ")
	for _, t := range transport {
		if name == t {
			return true
		}
	}
	return false
}

// elementLen returns how long the element is that s begins with; 0 if it isn't closed. Brackets in quotes close nothing.
func elementLen(s string) int {
	quoted := false
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case c == ']' && !quoted:
			return i + 1
		}
	}
	return 0
}

// stampLayout is one of the forms that the predecoder knows whatever follows. It has no "Z", and six digits of a second at most.
const stampLayout = "2006-01-02T15:04:05.000000-07:00"

// plain returns the message as the predecoder reads it: "2026-11-25T01:30:00.123000+00:00 web1 sshd[71]: Failed password for root …". A time
// or host that it doesn't tell is when and where it came from.
func (h *header) plain(m *Message) string {
	stamp, host := h.stamp, h.host
	if stamp.IsZero() {
		stamp = m.At.UTC()
	}
	if host == "" {
		host = m.From.String()
	}
	var b strings.Builder
	b.Grow(len(stampLayout) + len(host) + len(h.app) + len(h.proc) + len(h.data) + len(h.message) + 8)
	b.WriteString(stamp.Format(stampLayout) + " " + name(host, '-') + " ")
	if h.app != "" {
		b.WriteString(name(h.app, '_'))
		if h.proc != "" && strings.Trim(h.proc, "0123456789") == "" {
			b.WriteString("[" + h.proc + "]")
		}
		b.WriteString(": ")
	}
	b.WriteString(h.data)
	if h.data != "" && h.message != "" {
		b.WriteByte(' ')
	}
	b.WriteString(h.message)
	return b.String()
}

// name returns a host's or program's name with what the predecoder doesn't take in one replaced, such as the colons of an address of IPv6.
func name(s string, by rune) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= '0' && r <= '9', r >= 'A' && r <= 'Z', r >= 'a' && r <= 'z', strings.ContainsRune("()-./@_", r):
			return r
		}
		return by
	}, s)
}
