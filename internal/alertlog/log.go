// Package alertlog writes alerts the way OSSEC's files and the tools that read them know them.
//
// A record of alerts.log, for people and for mail:
//
//	** Alert 1795423330.8: mail  - syslog,sshd,            epoch.n, "mail " if marked for mail, the rule's groups
//	2026 Nov 23 08:42:10 web1->/var/log/auth.log           the event's time, hostname->location
//	Rule: 5720 (level 10) -> 'Several failed logins.'
//	Src IP: 192.0.2.7                                      Src IP, Src Port, Dst IP, Dst Port, User: as far as decoded
//	User: root
//	Nov 23 08:42:10 web1 sshd[71]: Failed password …       the log, at most 1256 bytes
//	Nov 23 08:42:08 web1 sshd[71]: Failed password …       the events that a composite rule counted, newest first
//	                                                       one empty line
//
// A line of alerts.json, for programs; absent values have no key:
//
//	{"rule":{"level":5,"comment":…,"sidid":5716,…},"id":"1795423330.8","TimeStamp":1795423330000,"decoder":"sshd",…}
//
// The n of the id counts alerts and is the writer's to give. The same alert and n always give the same bytes: a writer that was
// interrupted can tell what it has written already.
package alertlog

import (
	"io"
	"strconv"

	"github.com/yagura-hids/yagura/internal/event"
)

const (
	logBytes  = 1256                   // OSSEC cuts logs to this in alerts.log
	timestamp = "2006 Jan 02 15:04:05" // in the alert's own zone
)

// logFields are the fields that alerts.log shows, with their titles.
var logFields = []struct {
	field event.Field
	title string
}{
	{event.SrcIP, "Src IP: "}, {event.SrcPort, "Src Port: "}, {event.DstIP, "Dst IP: "}, {event.DstPort, "Dst Port: "}, {event.DstUser, "User: "},
}

// WriteLog writes a as record n of alerts.log, in one Write.
func WriteLog(w io.Writer, n uint64, a *event.Alert) error {
	b := append(make([]byte, 0, 512+len(a.FullLog)), "** Alert "...)
	b = appendID(b, n, a)
	b = append(b, ':')
	if a.Rule.Mail {
		b = append(b, " mail "...)
	}
	b = append(b, " - "...)
	b = append(b, a.Rule.GroupText...)
	b = append(b, '\n')
	b = a.Time.AppendFormat(b, timestamp)
	b = append(b, ' ')
	if a.Hostname != a.Location {
		b = append(append(b, a.Hostname...), "->"...)
	}
	b = append(append(b, a.Location...), "\nRule: "...)
	b = strconv.AppendInt(b, int64(a.Rule.ID), 10)
	b = append(b, " (level "...)
	b = strconv.AppendInt(b, int64(a.Rule.Level), 10)
	b = append(b, ") -> '"...)
	b = append(append(b, description(a)...), "'\n"...)
	for _, f := range logFields {
		if v := a.Field(f.field.String()); v != "" {
			b = append(append(append(b, f.title...), v...), '\n')
		}
	}
	b = appendCut(b, a.FullLog)
	for _, p := range a.Previous {
		b = appendCut(b, p)
	}
	_, err := w.Write(append(b, '\n'))
	return err
}

func appendID(b []byte, n uint64, a *event.Alert) []byte {
	b = strconv.AppendInt(b, a.Time.Unix(), 10)
	return strconv.AppendUint(append(b, '.'), n, 10)
}

func appendCut(b []byte, text string) []byte {
	return append(append(b, text[:min(len(text), logBytes)]...), '\n')
}

func description(a *event.Alert) string {
	if a.Rule.Description == "" {
		return "(null)"
	}
	return a.Rule.Description
}
