package predecode_test

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/predecode"
)

const server = "vm"

// headers are lines with what Split must make of them.
var headers = []struct{ line, host, program, log string }{
	{"Mar  1 10:00:00 h1 sshd[12]: hi", "h1", "sshd", "hi"},
	{"Mar  1 10:00:00 h1 sshd[12] hi", "h1", "sshd", "hi"},
	{"Mar  1 10:00:00 h1 sshd[12]:hi", "h1", "", "sshd[12]:hi"},
	{"Mar  1 10:00:00 h1 sshd[12x]: hi", "h1", "", "sshd[12x]: hi"},
	{"Mar  1 10:00:00 h1 sshd:   hi", "h1", "sshd", "  hi"},
	{"Mar  1 10:00:00 sshd: hi", server, "sshd", "hi"},
	{"Mar  1 10:00:00 sshd[12]: hi", server, "", "sshd[12]: hi"},
	{"Mar  1 10:00:00  h1 sshd: one more space", "h1", "sshd", "one more space"},
	{"Mar  1 10:00:00 h1 kernel: [ID 5 kern.info] hi", "h1", "kernel", "hi"},
	{"Mar  1 10:00:00 h1 kernel: [ID 5 kern.info]hi", "h1", "kernel", "[ID 5 kern.info]hi"},
	{"Mar  1 10:00:00 h1 no program [ID 5 kern.info] hi", "h1", "", "no program [ID 5 kern.info] hi"},
	{"Mar  1 10:00:00 h1 (su): hi", "h1", "(su)", "hi"},
	{"Mar  1 10:00:00 ho%st p[1]: hi", server, "", "ho%st p[1]: hi"},
	{"Mar  1 10:00:00 2001:db8::1 p[1]: hi", server, "", "2001:db8::1 p[1]: hi"},
	{"Mar  1 10:00:00 h1 last message repeated 2 times", "h1", "", "last message repeated 2 times"},
	{"Mar  1 10:00:00 h1 %ASA-4-106023: Deny", "h1", "", "%ASA-4-106023: Deny"},
	{"M\xc3\xa4r  1 10:00:00 h1 sshd[12]: hi", "h1", "sshd", "hi"},
	{"J\xc3\xa4n  1 10:00:00 h1 sshd[12]: hi", "h1", "sshd", "hi"},
	{"Mar  1 10:00:00 ", server, "", "Mar  1 10:00:00 "},
	{"Mar  1 10:00:00 h", server, "", "h"},

	{"Mar  1 10:00:00 h1 auth|security:info sshd: hi", "h1", "sshd", "hi"},
	{"Mar  1 10:00:00 h1 auth|security:info sshd[7]: hi", "h1", "sshd", "hi"},
	{"Mar  1 10:00:00 h1 auth|security:info sshd[7] hi", "h1", "sshd", "hi"},
	{"Mar  1 10:00:00 h1 auth|security:info sshd hi", "h1", "", "auth|security:info sshd hi"},
	{"Mar  1 10:00:00 h1 auth|security info", "h1", "", "auth|security info"},
	{"Mar  1 10:00:00 h1 auth|security:info", "h1", "", "auth|security:info"},
	{"Mar  1 10:00:00 h1 auth|Security:info x: y", "h1", "", "auth|Security:info x: y"},

	{"2015-04-16 21:51:02,805 h1 proftpd[7]: hi", "h1", "proftpd", "hi"},
	{"2007-06-14T15:48:55-04:00 h1 sshd[12]: hi", "h1", "sshd", "hi"},
	{"2009-05-22T09:36:46.2-07:00 h1 sshd[12]: hi", "h1", "sshd", "hi"},
	{"2009-05-22T09:36:46,214994-07:00 h1 sshd[12]: hi", "h1", "sshd", "hi"},
	{"2009-05-22T09:36:46.2-07:00 h p", server, "", "2009-05-22T09:36:46.2-07:00 h p"},
	{"2024-05-22T09:36:46.214994Z h p[1]: hi", server, "", "2024-05-22T09:36:46.214994Z h p[1]: hi"},
	{"2012 Mar 05 10:00:00 WinEvtLog: Security: x", server, "WinEvtLog", "Security: x"},
	{"2019:11:06-00:08:03 h1 httpd[9]: hi", "h1", "httpd", "hi"},

	{"Mon Apr 17 18:27:14 2006 1 64.1.2.3 file", server, "", " 1 64.1.2.3 file"},
	{"01/28-09:13:16.240702  [**] [1:1] x", server, "", "[**] [1:1] x"},
	{"01/28/1979-09:13:16.240702  [**] [1:1] x", server, "", "[**] [1:1] x"},
	{"01/28/1979-09:13:16.240702 ", server, "", ""},
	{"[Fri Feb 11 18:06:35 2004] [warn] x", server, "", "[warn] x"},
	{"[Fri Feb 11 18:06:35 2004] ", server, "", ""},
	{"1140804070.368  11623 1.2.3.4 TCP_MISS/200", server, "", "11623 1.2.3.4 TCP_MISS/200"},

	{"[Time 2006.12.28 15:53:55 UTC] [Facility auth] [Sender sshd] [Message a [b] c] [Host h1] x", "h1", "sshd", "a [b"},
	{"[Time 2006.12.28 15:53:55 UTC] [Sender a] [Sender b] [Message x", server, "a", " UTC] [Sender a] [Sender b] [Message x"},
	{"[Time 2006.12.28 15:53:55 UTC] [Host h1] [Sender sshd]", "h1", "", " UTC] [Host h1] [Sender sshd]"},
	{"[Time 2006.12.28 15:53:55 UTC] [Host h1", server, "", " UTC] [Host h1"},

	{"", server, "", ""},
	{"no header", server, "", "no header"},
}

func split(line, location string) *event.Decoded {
	d := new(event.Decoded)
	d.Reset(&event.Event{Location: location, Text: line})
	predecode.Split(d, server, false)
	return d
}

func TestSplit(t *testing.T) {
	for _, h := range headers {
		d := split(h.line, "/var/log/messages")
		if d.FullLog != h.line || d.Hostname != h.host || d.Program != h.program || d.Log != h.log {
			t.Errorf("%q:\n got host %q program %q log %q\nwant host %q program %q log %q", h.line, d.Hostname, d.Program, d.Log, h.host, h.program, h.log)
		}
	}
}

func TestSplitWazuh(t *testing.T) {
	for _, h := range []struct{ line, host, program, log string }{
		{"Mar  1 10:00:00 h1 sshd[12]:hi", "h1", "sshd", "hi"},
		{"Mar  1 10:00:00 h1 sshd:{\"a\"", "h1", "sshd", "{\"a\""},
		{"Mar  1 10:00:00 h1 sshd[12]: hi", "h1", "sshd", "hi"},
		{"Mar  1 10:00:00 h1 sshd[12] hi", "h1", "sshd", "hi"},
		{"Mar  1 10:00:00 h1 sshd[12x]:hi", "h1", "", "sshd[12x]:hi"},
		{"Mar  1 10:00:00 sshd: hi", server, "sshd", "hi"},
		{"Mar  1 10:00:00 sshd:hi", server, "", "sshd:hi"},
		{"2021-04-21 10:16:09.404756-0700 h1 sshd[12]: hi", server, "", "2021-04-21 10:16:09.404756-0700 h1 sshd[12]: hi"},
		{"2021-04-21T10:16:09.404756+0700 h1 sshd[12]: hi", "h1", "sshd", "hi"},
		{"2021-04-21T10:16:09.404756+07:00 h1 sshd[12]: hi", "h1", "sshd", "hi"},
		{"2021-04-21T10:16:09.404756Z h1 sshd[12]: hi", server, "", "2021-04-21T10:16:09.404756Z h1 sshd[12]: hi"},
		{"Mon Apr 17 18:27:14 2006 1 64.1.2.3 x", server, "", "1 64.1.2.3 x"},
		{"a\tb\x00\x01\nc", server, "", "a\tb  c"},
	} {
		d := new(event.Decoded)
		d.Reset(&event.Event{Location: "stdin", Text: h.line})
		predecode.Split(d, server, true)
		if d.Hostname != h.host || d.Program != h.program || d.Log != h.log {
			t.Errorf("%q:\n got host %q program %q log %q\nwant host %q program %q log %q", h.line, d.Hostname, d.Program, d.Log, h.host, h.program, h.log)
		}
	}
}

// An agent's host is its name.
func TestSplitWazuhAgent(t *testing.T) {
	d := new(event.Decoded)
	d.Reset(&event.Event{Location: "(web1) 192.0.2.5->/var/log/x", Text: "Mar  1 10:00:00 h1 sshd[12]: hi"})
	if predecode.Split(d, server, true); d.Hostname != "web1" {
		t.Errorf("host %q", d.Hostname)
	}
}

// A line cut at any byte still has an end to look past.
func TestSplitCutLines(t *testing.T) {
	for _, h := range headers {
		for i := range h.line {
			if d := split(h.line[:i], "stdin"); !strings.HasSuffix(d.FullLog, d.Log) && h.line[0] != '[' {
				t.Errorf("%q: log %q is not its end", h.line[:i], d.Log)
			}
		}
	}
}

func TestSplitDeletesControlCharacters(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"a\tb\nc", "abc"}, {"\x00\x1f\x7f", ""}, {"\x80\xff \xc3\xa4", "\x80\xff \xc3\xa4"}, {"end\r", "end"},
	} {
		if d := split(c.text, "stdin"); d.FullLog != c.want {
			t.Errorf("%q became %q, want %q", c.text, d.FullLog, c.want)
		}
	}
	if d := split("Mar\t  1 10:00:00 h1 a\x01b: hi\n", "stdin"); d.Program != "ab" || d.Log != "hi" {
		t.Errorf("header read before the deletion: program %q, log %q", d.Program, d.Log)
	}
}

func TestSplitAgentsLocationIsTheHost(t *testing.T) {
	const location = "(web1) 192.0.2.7->/var/log/auth.log"
	if d := split("Mar  1 10:00:00 h1 sshd[12]: hi", location); d.Hostname != location || d.Program != "sshd" {
		t.Errorf("host %q program %q", d.Hostname, d.Program)
	}
}

// recorded is a line with what OSSEC made of it.
type recorded struct {
	Time     int64   `json:"t"`
	Log      string  `json:"log"`
	Hostname *string `json:"hostname"` // nil: OSSEC left the line out
	Program  string  `json:"program_name"`
	Prelog   string  `json:"prelog"`
}

// TestOSSEC compares with what OSSEC itself said of real lines, where ORACLE names a folder of such records; else with the sample.
func TestOSSEC(t *testing.T) {
	dir := os.Getenv("ORACLE")
	if dir == "" {
		dir = "testdata"
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no records under %s (%v)", dir, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) { compareRecords(t, file) })
	}
}

func compareRecords(t *testing.T, file string) {
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	logTime := strings.HasPrefix(filepath.Base(file), "seq-logtime-") // else t is a clock of the recorder's own
	clock := predecode.NewClock(time.UTC, time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC))
	var latest, shift int64
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	n := 0
	for ; lines.Scan(); n++ {
		var want recorded
		if err := json.Unmarshal(lines.Bytes(), &want); err != nil {
			t.Fatal(err)
		}
		d := split(want.Log, "stdin")
		if want.Hostname != nil && *want.Hostname == "" { // three blanks after the date; a host has a name
			*want.Hostname = server
		}
		if want.Hostname != nil && (d.Hostname != *want.Hostname || d.Program != want.Program || d.Log != want.Prelog) {
			t.Errorf("%q: host %q program %q log %q, want %+v", want.Log, d.Hostname, d.Program, d.Log, want)
		}
		if !logTime {
			continue
		}
		// The recorder's clock never went back, and it took access logs' times as they stand, without their zone.
		latest = max(latest, clock.Time(want.Log).Unix())
		if n == 0 && strings.HasSuffix(strings.Split(want.Log, "]")[0], " -0400") {
			shift = 4 * 3600
		}
		if latest-shift != want.Time {
			t.Errorf("%q: time %d, want %d", want.Log, latest-shift, want.Time)
		}
	}
	if err := lines.Err(); err != nil || n == 0 {
		t.Fatalf("%d lines read, %v", n, err)
	}
}

func TestSplitAllocatesNothing(t *testing.T) {
	d := new(event.Decoded)
	for _, h := range headers {
		ev := &event.Event{Text: h.line}
		if n := testing.AllocsPerRun(10, func() { d.Reset(ev); predecode.Split(d, server, false) }); n != 0 {
			t.Errorf("%q: %v allocations", h.line, n)
		}
	}
}

// FuzzSplit: nothing panics, no control character stays, and every part comes from the line.
func FuzzSplit(f *testing.F) {
	for _, h := range headers {
		f.Add(h.line, "stdin", false)
		f.Add(h.line, "stdin", true)
	}
	f.Fuzz(func(t *testing.T, text, location string, wazuh bool) {
		d := new(event.Decoded)
		d.Reset(&event.Event{Location: location, Text: text})
		predecode.Split(d, server, wazuh)
		if strings.ContainsFunc(d.FullLog, func(r rune) bool { return r < ' ' && (r != '\t' || !wazuh) || r == 0x7f }) {
			t.Errorf("control character in %q", d.FullLog)
		}
		if !strings.Contains(d.FullLog, d.Log) || !strings.Contains(d.FullLog, d.Program) {
			t.Errorf("log %q or program %q not from %q", d.Log, d.Program, d.FullLog)
		}
		if d.Hostname == "" || d.Hostname != server && !strings.Contains(location, d.Hostname) && !strings.Contains(d.FullLog, d.Hostname) {
			t.Errorf("host %q of %q at %q", d.Hostname, text, location)
		}
		again := new(event.Decoded)
		again.Reset(&event.Event{Location: location, Text: d.FullLog})
		predecode.Split(again, server, wazuh)
		if again.Log != d.Log || again.Hostname != d.Hostname || again.Program != d.Program {
			t.Errorf("%q read twice differs", text)
		}
	})
}

func BenchmarkSplit(b *testing.B) {
	lines := map[string]string{
		"syslog": "Dec 10 06:55:46 LabSZ sshd[24200]: Invalid user webmaster from 192.0.2.36", "none": "192.0.2.1 - - [27/Jun/2004:04:16:09 -0400] \"GET / HTTP/1.0\" 200 2890",
	}
	for name, line := range lines {
		b.Run(name, func(b *testing.B) {
			d, ev := new(event.Decoded), &event.Event{Text: line}
			b.ReportAllocs()
			for b.Loop() {
				d.Reset(ev)
				predecode.Split(d, server, false)
			}
		})
	}
}
