package logcollector

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/yagura-hids/yagura/internal/event"
)

// entry is one entry of the journal as journalctl --output=json writes it:
//
//	{"__CURSOR":"s=…;i=…","__REALTIME_TIMESTAMP":"1795600000123456","_HOSTNAME":"web1","SYSLOG_IDENTIFIER":"sshd","_PID":"71","MESSAGE":"…"}
type entry struct {
	Cursor     string `json:"__CURSOR"`
	Realtime   string `json:"__REALTIME_TIMESTAMP"` // microseconds since 1970
	Hostname   values `json:"_HOSTNAME"`
	Identifier values `json:"SYSLOG_IDENTIFIER"`
	Comm       values `json:"_COMM"`
	PID        values `json:"_PID"`
	SyslogPID  values `json:"SYSLOG_PID"`
	Message    values `json:"MESSAGE"`
}

// values are the values of a field, mostly one. journalctl writes "text", [104,105] for bytes that are no UTF-8, null for none,
// and ["a",[98]] for a field given several times.
type values []string

func (v *values) UnmarshalJSON(b []byte) error {
	*v = nil
	if string(b) == "null" {
		return nil
	}
	if one, err := parseValue(b); err == nil {
		*v = values{one}
		return nil
	}
	var many []json.RawMessage
	if err := json.Unmarshal(b, &many); err != nil {
		return err
	}
	for _, m := range many {
		if string(m) == "null" {
			continue
		}
		one, err := parseValue(m)
		if err != nil {
			return fmt.Errorf("neither text, nor bytes, nor a list of them: %w", err)
		}
		*v = append(*v, one)
	}
	return nil
}

func parseValue(b []byte) (string, error) {
	var text string
	if json.Unmarshal(b, &text) == nil {
		return text, nil
	}
	var raw []number
	if err := json.Unmarshal(b, &raw); err != nil {
		return "", err
	}
	out := make([]byte, len(raw))
	for i, c := range raw {
		out[i] = byte(c)
	}
	return string(out), nil
}

// number is a byte that JSON writes as a number; a slice of plain bytes would be base64.
type number uint8

func (u *number) UnmarshalJSON(b []byte) error {
	n, err := strconv.ParseUint(string(b), 10, 8)
	*u = number(n)
	return err
}

func (v values) first() string {
	if len(v) == 0 {
		return ""
	}
	return v[0]
}

func parseEntry(b []byte) (entry, error) {
	var e entry
	if err := json.Unmarshal(b, &e); err != nil {
		return entry{}, fmt.Errorf("journal entry %.80q: %w", b, err)
	}
	if e.Cursor == "" {
		return entry{}, fmt.Errorf("journal entry %.80q: no __CURSOR", b)
	}
	return e, nil
}

// lines returns one line for each line of the message, all with the same header:
//
//	2026-11-23T10:00:00+01:00 host ident[pid]: message
//
// What follows the entryLines-th line of a message is one last line: anybody may write to the journal, and millions of short lines in one
// message would cost gigabytes. An entry without an identifier goes by its program's name, and one without either by "unknown", for nothing is to be lost.
func (e *entry) lines(zone *time.Location) []Line {
	at := e.time()
	head := at.In(zone).Format("2006-01-02T15:04:05-07:00") + " " + word(e.Hostname.first(), "localhost") + " " +
		word(e.Identifier.first(), word(e.Comm.first(), "unknown"))
	if pid := word(e.PID.first(), word(e.SyslogPID.first(), "")); pid != "" {
		head += "[" + pid + "]"
	}
	head += ": "
	var out []Line
	for _, m := range e.Message {
		m, tail := cutLines(m, entryLines)
		split := lines{limit: event.MaxText - min(len(head), event.MaxText), buf: []byte(m)}
		for l, ok := split.next(); ok; l, ok = split.next() {
			out = append(out, Line{Location: "journald", Text: head + string(l.text), Cut: l.cut, Time: at})
		}
		if l, ok := split.rest(); ok {
			out = append(out, Line{Location: "journald", Text: head + string(l.text), Cut: l.cut, Time: at})
		}
		if tail != "" {
			most := min(len(tail), split.limit)
			out = append(out, Line{Location: "journald", Text: head + strings.ReplaceAll(tail[:most], "\n", " "), Cut: most < len(tail), Time: at})
		}
	}
	return out
}

// entryLines is how many lines of a message are lines of their own.
const entryLines = 1000

// cutLines divides m behind its nth line.
func cutLines(m string, n int) (before, after string) {
	end := 0
	for range n {
		i := strings.IndexByte(m[end:], '\n')
		if i < 0 {
			return m, ""
		}
		end += i + 1
	}
	return m[:end], m[end:]
}

func (e *entry) time() time.Time {
	us, err := strconv.ParseInt(e.Realtime, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMicro(us)
}

// word returns s fit for a header, or otherwise if it is empty. A user chooses his identifier: it must not end the header, nor the line.
func word(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	clean := func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '_'
		}
		return r
	}
	return strings.Map(clean, s[:min(len(s), 256)])
}
