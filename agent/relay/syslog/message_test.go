package syslog_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/yagura-hids/yagura/agent/relay/syslog"
	"github.com/yagura-hids/yagura/internal/analysis"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/predecode"
	"github.com/yagura-hids/yagura/internal/ruleset"
	"github.com/yagura-hids/yagura/rules"
)

var (
	router = netip.MustParseAddr("192.0.2.1")
	at     = time.Date(2026, 11, 25, 1, 30, 0, 123_456_789, time.UTC)
)

// messages are what is sent, and the text and priority that must come of it; "" means none.
var messages = []struct {
	name, sent string
	priority   int
	want       string
}{
	{"RFC 3164", "<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8", 35, "Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8"},
	{"no PRI", "Oct 11 22:14:15 mymachine su: hi\n", 0, "Oct 11 22:14:15 mymachine su: hi"},
	{"emergency of the kernel", "<0>oops", 1, "oops"},
	{"the highest PRI", "<191>x", 192, "x"},
	{"a PRI too high", "<192>x", 0, "x"},
	{"zeros before it", "<013>x", 14, "x"},
	{"no PRI but a tag", "<event>x</event>", 0, "<event>x</event>"},
	{"PRI of four digits", "<1234>x", 0, "<1234>x"},
	{"PRI without digits", "<>x", 0, "<>x"},
	{"PRI not closed", "<13", 0, "<13"},
	{"PRI alone", "<13>", 0, ""},
	{"nothing", "\r\n\x00\n", 0, ""},
	{"a NUL and line ends after it", "<13>x\n\x00", 14, "x"},
	{"lines", "<13>a\r\nb\nc\rd", 14, "a b c d"},
	{"not UTF-8", "<13>a\xff\xfeb", 14, "a\uFFFDb"},

	{"Cisco IOS", "<189>123: *Mar  1 18:46:11.000: %SYS-5-CONFIG_I: Configured from console by vty2 (198.51.100.7)", 190,
		"123: *Mar  1 18:46:11.000: %SYS-5-CONFIG_I: Configured from console by vty2 (198.51.100.7)"},
	{"Cisco IOS with a zone", "<187>46: rtr1: .Nov 25 2026 01:30:00.001 CET: %LINK-3-UPDOWN: Interface Gi0/1, changed state to up", 188,
		"46: rtr1: .Nov 25 2026 01:30:00.001 CET: %LINK-3-UPDOWN: Interface Gi0/1, changed state to up"},
	{"Cisco ASA", "<166>%ASA-6-302013: Built outbound TCP connection 1 for outside:198.51.100.7/443", 167,
		"%ASA-6-302013: Built outbound TCP connection 1 for outside:198.51.100.7/443"},
	{"Cisco ASA with a time", "<166>Nov 25 2026 01:30:00 asa1 : %ASA-6-302013: Built", 167, "Nov 25 2026 01:30:00 asa1 : %ASA-6-302013: Built"},
	{"Cisco ASA with the time of RFC 5424", "<166>2026-11-25T01:30:00Z asa1 : %ASA-6-302013: Built", 167, "2026-11-25T01:30:00Z asa1 : %ASA-6-302013: Built"},
	{"VyOS", "<4>Nov 25 01:30:00 vyos kernel: [12.3] [ipv4-NAM-default-D]IN=eth0 OUT= SRC=198.51.100.7", 5,
		"Nov 25 01:30:00 vyos kernel: [12.3] [ipv4-NAM-default-D]IN=eth0 OUT= SRC=198.51.100.7"},

	{"RFC 5424", "<38>1 2026-11-25T01:30:00.003Z web1 sshd 71 - - Failed password", 39, "2026-11-25T01:30:00.003000+00:00 web1 sshd[71]: Failed password"},
	{"with a zone", "<38>1 2026-11-25T01:30:00-05:30 web1 sshd 71 ID47 - x", 39, "2026-11-25T01:30:00.000000-05:30 web1 sshd[71]: x"},
	{"with nanoseconds", "<38>1 2026-11-25T01:30:00.123456789+01:00 web1 a - - - x", 39, "2026-11-25T01:30:00.123456+01:00 web1 a: x"},
	{"all nil", "<38>1 - - - - - -", 39, "2026-11-25T01:30:00.123456+00:00 192.0.2.1 "},
	{"nil but a message", "<38>1 - - - - - - su: x", 39, "2026-11-25T01:30:00.123456+00:00 192.0.2.1 su: x"},
	{"no host", "<38>1 2026-11-25T01:30:00Z - sshd 71 - - x", 39, "2026-11-25T01:30:00.000000+00:00 192.0.2.1 sshd[71]: x"},
	{"host of IPv6", "<38>1 2026-11-25T01:30:00Z 2001:db8::1 sshd 71 - - x", 39, "2026-11-25T01:30:00.000000+00:00 2001-db8--1 sshd[71]: x"},
	{"odd program, process that is no number", "<38>1 2026-11-25T01:30:00Z web1 my%app main - - x", 39, "2026-11-25T01:30:00.000000+00:00 web1 my_app: x"},
	{"BOM", "<38>1 2026-11-25T01:30:00Z web1 a 1 - - \xef\xbb\xbfschön", 39, "2026-11-25T01:30:00.000000+00:00 web1 a[1]: schön"},
	{"rsyslog's blank", "<38>1 2026-11-25T01:30:00Z web1 a 1 - -  x  y", 39, "2026-11-25T01:30:00.000000+00:00 web1 a[1]: x  y"},
	{"structured data", `<38>1 2026-11-25T01:30:00Z web1 a 1 - [x@1 k="a]\"b" l="2"][timeQuality tzKnown="1"][y@2] m`, 39,
		`2026-11-25T01:30:00.000000+00:00 web1 a[1]: [x@1 k="a]\"b" l="2"][y@2] m`},
	{"structured data alone", `<38>1 2026-11-25T01:30:00Z web1 a 1 - [x@1 k="v"]`, 39, `2026-11-25T01:30:00.000000+00:00 web1 a[1]: [x@1 k="v"]`},
	{"only of the transport", `<38>1 2026-11-25T01:30:00Z web1 a 1 - [timeQuality tzKnown="1"][origin ip="192.0.2.1"] m`, 39,
		"2026-11-25T01:30:00.000000+00:00 web1 a[1]: m"},
	{"data not closed", `<38>1 2026-11-25T01:30:00Z web1 a 1 - [x@1 k="v" m`, 39, `1 2026-11-25T01:30:00Z web1 a 1 - [x@1 k="v" m`},
	{"no such time", "<38>1 yesterday web1 a 1 - - m", 39, "1 yesterday web1 a 1 - - m"},
	{"header broken off", "<38>1 2026-11-25T01:30:00Z web1 a", 39, "1 2026-11-25T01:30:00Z web1 a"},
	{"another version", "<38>2 2026-11-25T01:30:00Z web1 a 1 - - m", 39, "2 2026-11-25T01:30:00Z web1 a 1 - - m"},
}

func TestParse(t *testing.T) {
	for _, tt := range messages {
		m, ok := syslog.Parse([]byte(tt.sent), router, at)
		if ok != (tt.want != "") || m.Text != tt.want || m.Priority != tt.priority {
			t.Errorf("%s: got %d %q, want %d %q", tt.name, m.Priority, m.Text, tt.priority, tt.want)
		}
		if ok && (m.From != router || !m.At.Equal(at) || m.Cut) {
			t.Errorf("%s: %+v", tt.name, m)
		}
	}
}

// What is rewritten is what the predecoder knows, in both dialects, however short the message.
func TestPredecoderFindsHostAndProgram(t *testing.T) {
	for _, sent := range []string{
		"<38>1 2026-11-25T01:30:00.003Z web1 sshd 71 ID47 - Failed",
		"<38>1 2026-11-25T01:30:00Z web1 sshd - - - Failed",
		"<38>1 2026-11-25T01:30:00.1+01:00 web1 sshd x:y - - Failed",
		"<38>1 - web1 sshd 71 - - \ufeffFailed",
		`<38>1 2026-11-25T01:30:00.123456Z web1 sshd 1 - [timeQuality tzKnown="0"] Failed`,
	} {
		m, _ := syslog.Parse([]byte(sent), router, at)
		for _, wazuh := range []bool{false, true} {
			d := event.Decoded{Event: &event.Event{Text: m.Text, Location: "192.0.2.1"}}
			predecode.Split(&d, "relay", wazuh)
			if d.Hostname != "web1" || d.Program != "sshd" || d.Log != "Failed" {
				t.Errorf("%s\n→ %s\n→ host %q program %q log %q", sent, m.Text, d.Hostname, d.Program, d.Log)
			}
		}
	}
}

// A failed password raises the same alert in both RFCs.
func TestRulesFire(t *testing.T) {
	fsys, files, err := ruleset.Choose(rules.FS, "")
	if err != nil {
		t.Fatal(err)
	}
	set, err := ruleset.Load(fsys, files)
	if err != nil {
		t.Fatal(err)
	}
	for _, head := range []string{
		"<38>Nov 25 01:30:00 web1 sshd[71]: ", "<38>1 2026-11-25T01:30:00.003Z web1 sshd 71 - - ",
		"<38>1 2026-11-25T01:30:00.003000+00:00 web1 sshd 71 - -  ",
		`<38>1 2026-11-25T01:30:00.003Z web1 sshd 71 - [timeQuality tzKnown="1" isSynced="1"] ` + "\ufeff",
	} {
		m, _ := syslog.Parse([]byte(head+"Failed password for root from 198.51.100.7 port 22 ssh2"), router, at)
		ev := &event.Event{Time: at, Location: "192.0.2.1", Text: m.Text}
		v, err := analysis.New(set, analysis.Options{Server: "relay", LogLevel: 1}).Analyze(ev, analysis.NewMemory(0))
		if err != nil || v.Rule == nil || v.Rule.ID != 5716 {
			t.Fatalf("%s: got %+v, %v; want rule 5716", head, v.Rule, err)
		}
		if from, _ := v.Decoded.Get(event.SrcIP); from != "198.51.100.7" || v.Decoded.Hostname != "web1" {
			t.Errorf("%s: srcip %q, host %q", head, from, v.Decoded.Hostname)
		}
	}
}

// FuzzSyslog: whatever a datagram holds, the text is one an event may have, and what is no message of RFC 5424 comes through.
func FuzzSyslog(f *testing.F) {
	for _, tt := range messages {
		f.Add([]byte(tt.sent))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, ok := syslog.Parse(data, router, at)
		switch {
		case !ok && m != syslog.Message{}:
			t.Errorf("nothing, and yet %+v", m)
		case !ok:
			return
		case m.Priority < 0 || m.Priority > 192:
			t.Errorf("priority %d", m.Priority)
		case !utf8.ValidString(m.Text) || len(m.Text) > event.MaxText || strings.ContainsAny(m.Text, "\r\n"):
			t.Errorf("no event's text: %q", m.Text)
		case m.Text == "":
			t.Error("an empty message")
		}
		again, ok := syslog.Parse([]byte(m.Text), router, at)
		if ok && !strings.HasPrefix(m.Text, "<") && !strings.HasPrefix(m.Text, "1 ") && strings.Trim(m.Text, "\x00") == m.Text && again.Text != m.Text {
			t.Errorf("%q became %q", m.Text, again.Text)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	for name, sent := range map[string]string{
		"3164": "<38>Nov 25 01:30:00 web1 sshd[71]: Failed password for root from 198.51.100.7 port 22 ssh2",
		"5424": `<38>1 2026-11-25T01:30:00.003Z web1 sshd 71 - [timeQuality tzKnown="1"] Failed password for root from 198.51.100.7 port 22 ssh2`,
	} {
		b.Run(name, func(b *testing.B) {
			data := []byte(sent)
			b.ReportAllocs()
			for b.Loop() {
				syslog.Parse(data, router, at)
			}
		})
	}
}
