package logcollector

import (
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/yagura-hids/yagura/internal/event"
)

// winEvent is what Windows renders of an event, as far as OSSEC's text tells it:
//
//	2026 Nov 24 10:00:00 WinEvtLog: CHANNEL: TYPE(ID): SOURCE: USER: DOMAIN: COMPUTER: MESSAGE
type winEvent struct {
	System struct {
		Provider struct {
			Name string `xml:"Name,attr"`
		}
		EventID  string
		Level    int
		Keywords string
		Time     struct {
			At string `xml:"SystemTime,attr"`
		} `xml:"TimeCreated"`
		Channel  string
		Computer string
		Security struct {
			SID string `xml:"UserID,attr"`
		}
	}
	Data []struct {
		Name string `xml:"Name,attr"`
		Text string `xml:",chardata"`
	} `xml:"EventData>Data"`
	Cleared string `xml:"UserData>LogFileCleared>Channel"`
}

const (
	auditFailure = 1 << 52 // of Keywords
	auditSuccess = 1 << 53
	winEventMax  = 1 << 20 // bytes of an event's XML
)

func parseWinEvent(text string) (*winEvent, error) {
	if len(text) > winEventMax {
		return nil, fmt.Errorf("event of %d bytes; more than %d are not read", len(text), winEventMax)
	}
	e := new(winEvent)
	if err := xml.Unmarshal([]byte(text), e); err != nil {
		return nil, fmt.Errorf("event %.80q: %w", text, err)
	}
	return e, nil
}

// lines returns the event's line. message is Windows' own wording; without one the event's data stand for it. account is the name and the
// domain of Security's SID, "" for unknown.
func (e *winEvent) lines(message string, account func(sid string) (user, domain string), zone *time.Location) []Line {
	s := &e.System
	at, err := time.Parse(time.RFC3339Nano, s.Time.At)
	if err != nil {
		at = time.Time{}
	}
	user, domain := "", ""
	if s.Security.SID != "" {
		user, domain = account(s.Security.SID)
	}
	if message == "" {
		message = e.data()
	}
	text := fmt.Sprintf("%s WinEvtLog: %s: %s(%s): %s: %s: %s: %s: %s", at.In(zone).Format("2006 Jan 02 15:04:05"), s.Channel, e.kind(), s.EventID,
		s.Provider.Name, word(user, "(no user)"), word(domain, "no domain"), s.Computer, message)
	line := Line{Location: "WinEvtLog", Time: at}
	line.Text, line.Cut = event.Clip(strings.TrimRight(flatten.Replace(text), " "))
	if log := e.cleared(); log != "" {
		return []Line{line, {Location: "WinEvtLog", Time: at, Text: "ossec: Event log cleared: '" + flatten.Replace(log) + "'"}}
	}
	return []Line{line}
}

// flatten puts each character that would end a line into a space of its own, as OSSEC does: its rules count on it.
var flatten = strings.NewReplacer("\r", " ", "\n", " ", "\t", " ", "\x00", " ")

func (e *winEvent) kind() string {
	words, _ := strconv.ParseUint(strings.TrimPrefix(e.System.Keywords, "0x"), 16, 64)
	switch {
	case words&auditFailure != 0:
		return "AUDIT_FAILURE"
	case words&auditSuccess != 0:
		return "AUDIT_SUCCESS"
	case e.System.Level == 1 || e.System.Level == 2: // critical, error
		return "ERROR"
	case e.System.Level == 3:
		return "WARNING"
	}
	return "INFORMATION"
}

// data is the event's data in place of a message: the program that could word it is not installed any more.
func (e *winEvent) data() string {
	var out []string
	for _, d := range e.Data {
		if d.Name != "" {
			d.Text = d.Name + ": " + d.Text
		}
		out = append(out, d.Text)
	}
	return strings.Join(out, " ")
}

// cleared returns the log that somebody cleared, of which the event tells.
func (e *winEvent) cleared() string {
	switch {
	case e.System.Provider.Name != "Microsoft-Windows-Eventlog":
		return ""
	case e.System.EventID == "1102":
		return e.System.Channel
	case e.System.EventID == "104":
		return e.Cleared
	}
	return ""
}
