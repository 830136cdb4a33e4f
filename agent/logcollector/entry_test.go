package logcollector_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	. "github.com/yagura-hids/yagura/agent/logcollector"
	"github.com/yagura-hids/yagura/internal/event"
)

const fields = `"__CURSOR":"s=1;i=2","__REALTIME_TIMESTAMP":"1795600000123456","_HOSTNAME":"web1"`

func TestEntry(t *testing.T) {
	zone := time.FixedZone("", 5*3600+1800)
	const head = "2026-11-25T15:16:40+05:30 web1 "
	tests := []struct{ name, json, want string }{
		{"plain", `"SYSLOG_IDENTIFIER":"sshd","_PID":"71","MESSAGE":"hi there"`, head + "sshd[71]: hi there"},
		{"pid as the program says it", `"SYSLOG_IDENTIFIER":"sshd","SYSLOG_PID":"72","MESSAGE":"hi"`, head + "sshd[72]: hi"},
		{"kernel", `"SYSLOG_IDENTIFIER":"kernel","MESSAGE":"oops"`, head + "kernel: oops"},
		{"by its program's name", `"_COMM":"java","_PID":"9","MESSAGE":"hi"`, head + "java[9]: hi"},
		{"by no name", `"MESSAGE":"hi"`, head + "unknown: hi"},
		{"bytes", `"SYSLOG_IDENTIFIER":"a","MESSAGE":[104,255,105]`, head + "a: h\xffi"},
		{"null", `"SYSLOG_IDENTIFIER":"a","MESSAGE":null`, ""},
		{"no message", `"SYSLOG_IDENTIFIER":"a"`, ""},
		{"several values", `"SYSLOG_IDENTIFIER":["a","b"],"MESSAGE":["one",[116,119,111],null]`, head + "a: one\n" + head + "a: two"},
		{"several lines", `"SYSLOG_IDENTIFIER":"a","MESSAGE":"one\n\ntwo\r\n"`, head + "a: one\n" + head + "a: two"},
		{"a forged header", `"SYSLOG_IDENTIFIER":"a\nb","MESSAGE":"x"`, head + "a_b: x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			lines, cursor, err := ParseEntry([]byte("{"+fields+","+tt.json+"}"), zone)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, l := range lines {
				got = append(got, l.Text)
				if l.Time.UnixMicro() != 1795600000123456 || l.Location != "journald" {
					t.Errorf("time %v, location %s", l.Time, l.Location)
				}
			}
			if s := strings.Join(got, "\n"); s != tt.want || cursor != "s=1;i=2" {
				t.Errorf("cursor %s, got\n%q\nwant\n%q", cursor, s, tt.want)
			}
		})
	}
}

func TestEntryFaults(t *testing.T) {
	for _, bad := range []string{
		"", "{", "[]", `{"MESSAGE":"no cursor"}`, `{` + fields + `,"MESSAGE":{}}`, `{` + fields + `,"MESSAGE":[256]}`,
		`{` + fields + `,"MESSAGE":[[[1]]]}`, `{` + fields + `,"MESSAGE":[-1]}`,
	} {
		if lines, _, err := ParseEntry([]byte(bad), time.UTC); err == nil {
			t.Errorf("%s: taken as %+v", bad, lines)
		}
	}
}

func TestEntryTooLong(t *testing.T) {
	lines, _, err := ParseEntry(fmt.Appendf(nil, `{%s,"MESSAGE":"%s\nshort"}`, fields, strings.Repeat("x", event.MaxText)), time.UTC)
	if err != nil || len(lines) != 2 || !lines[0].Cut || len(lines[0].Text) != event.MaxText || lines[1].Cut {
		t.Errorf("%v, %d lines", err, len(lines))
	}
}

func TestEntryOfManyLines(t *testing.T) {
	lines, _, err := ParseEntry(fmt.Appendf(nil, `{%s,"MESSAGE":"%slast"}`, fields, strings.Repeat(`a\n`, 1_000_000)), time.UTC)
	if err != nil || len(lines) != 1001 || lines[999].Cut || !lines[1000].Cut || !strings.HasSuffix(lines[1000].Text, " a a a ") {
		t.Errorf("%v, %d lines", err, len(lines))
	}
}

// FuzzEntry: no line is empty, too long or divided, and the message's text is all there.
func FuzzEntry(f *testing.F) {
	f.Add([]byte(`{` + fields + `,"SYSLOG_IDENTIFIER":"sshd","_PID":"71","MESSAGE":"one\ntwo"}`))
	f.Add([]byte(`{` + fields + `,"SYSLOG_IDENTIFIER":["a","b"],"MESSAGE":["one",[116,119,111],null]}`))
	f.Add([]byte(`{` + fields + `,"MESSAGE":[0,10,13,255]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		lines, cursor, err := ParseEntry(b, time.UTC)
		if err != nil {
			return
		}
		if cursor == "" {
			t.Error("no cursor")
		}
		for _, l := range lines {
			if len(l.Text) > event.MaxText || strings.Contains(l.Text, "\n") || !strings.Contains(l.Text, ": ") {
				t.Errorf("line %q", l.Text)
			}
		}
		var plain struct{ MESSAGE string }
		if json.Unmarshal(b, &plain) == nil && !strings.ContainsAny(plain.MESSAGE, "\r\n") && len(plain.MESSAGE) < 1000 && plain.MESSAGE != "" {
			if len(lines) != 1 || !strings.HasSuffix(lines[0].Text, ": "+plain.MESSAGE) {
				t.Errorf("%q became %+v", plain.MESSAGE, lines)
			}
		}
	})
}
