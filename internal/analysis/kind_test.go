package analysis_test

import (
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf8"

	"github.com/yagura-hids/yagura/internal/analysis"
	"github.com/yagura-hids/yagura/internal/config"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/ruleset"
	"github.com/yagura-hids/yagura/internal/syscheck"
)

const kindRules = `<group name="k,"><rule id="1" level="0" noalert="1"><category>syslog</category></rule>
<rule id="8" level="0" noalert="1"><category>ossec</category></rule>
<rule id="102" level="1"><category>ossec</category><decoded_as>ossec</decoded_as></rule>
<rule id="103" level="7"><category>ossec</category><decoded_as>syscheck_integrity_changed</decoded_as></rule>
<rule id="104" level="9"><if_sid>103</if_sid><field name="md5_before">^aa$</field></rule>
<rule id="105" level="10"><if_sid>103</if_sid><match>'/etc/shadow'</match></rule>
<rule id="106" level="5"><if_sid>103</if_sid><hostname>syscheck-registry</hostname></rule>
<rule id="107" level="6"><category>ossec</category><decoded_as>rootcheck</decoded_as><if_fts/></rule>
<rule id="108" level="8"><category>ossec</category><decoded_as>hostinfo_new</decoded_as></rule></group>`

func kindSet(tb testing.TB) *ruleset.Set {
	tb.Helper()
	set, err := ruleset.Load(fstest.MapFS{
		"decoder.xml": {Data: []byte(`<decoder name="ossec"><prematch>^ossec: </prematch><type>ossec</type></decoder>
<decoder name="loose"><prematch>file</prematch></decoder>`)},
		"rules/1.xml": {Data: []byte(kindRules)},
	}, config.Rules{})
	if err != nil {
		tb.Fatal(err)
	}
	return set
}

func TestKindsOfEvent(t *testing.T) {
	engine := analysis.New(kindSet(t), analysis.Options{LogLevel: 1, StatsLevel: 3, DropRepeats: true})
	memory := analysis.NewMemory(0)
	change := syscheck.Change{Type: "modified", Path: "/etc/shadow", Before: &syscheck.Record{MD5: "ab"}, After: &syscheck.Record{MD5: "bb"}}
	other := syscheck.Change{Type: "moved", Path: "/etc/x", From: "/etc/file"}
	marked := syscheck.Change{Type: "modified", Path: "/etc/x", Before: &syscheck.Record{MD5: "aa"}, After: &syscheck.Record{MD5: "bb"}}
	finding := "Trojaned version of file '/bin/ls' detected. MD5=" + strings.Repeat("a", 32) + " SHA1=short"
	for i, c := range []struct {
		kind                    event.Kind
		location, text          string
		rule                    int
		decoder, filename, wish string // wish: a part of the log
	}{
		{event.Syscheck, "syscheck", change.String(), 105, "syscheck_integrity_changed", "/etc/shadow", "\nOld md5sum was: 'ab'\nNew md5sum is : 'bb'"},
		{event.Syscheck, "syscheck", other.String(), 103, "syscheck_integrity_changed", "/etc/x", "File '/etc/file' was moved to '/etc/x'."},
		{event.Syscheck, "syscheck", marked.String(), 104, "syscheck_integrity_changed", "/etc/x", ""},
		{event.Syscheck, "syscheck-registry", other.String(), 106, "syscheck_integrity_changed", "/etc/x", ""},
		{event.Syscheck, "syscheck", `{"type":"baseline","path":"/etc/file"}`, 0, "", "", ""},
		{event.Syscheck, "syscheck", `[1]`, 102, "ossec", "", "ossec: Integrity message not understood (integrity message: json: "},
		{event.Syscheck, "syscheck", `{"type":"modified","path":""}`, 102, "ossec", "", "(no path in it): {"},
		{event.Rootcheck, "rootcheck", finding, 107, "rootcheck", "/bin/ls", ""},
		{event.Rootcheck, "rootcheck", finding, 107, "rootcheck", "/bin/ls", ""}, // told again: it was gone
		{event.AgentState, "yagura-agent", `{"file":1}`, 0, "", "", ""},
		{event.AgentState, "yagura-agent", "ossec: Nov 24 10:00:00", 102, "ossec", "", ""},
		{event.AgentState, "nmap.log", "hostinfo_new: Host: 192.0.2.9 (), open ports: 22(tcp)", 108, "hostinfo_new", "", "Host: 192.0.2.9 (), open ports: 22(tcp)"},
		{event.AgentState, "nmap.log", "hostinfo_old: Host: 192.0.2.9 ()", 0, "", "", ""},
		{event.Log, "nmap.log", "hostinfo_new: Host: 192.0.2.9 (), open ports: 22(tcp)", 0, "", "", ""},
		{event.Command, "df", "ossec: output: 'df': x", 102, "ossec", "", ""},
		{event.Log, "/var/log/x", change.String(), 0, "", "", ""},
	} {
		v, err := engine.Analyze(&event.Event{ID: event.ID{Agent: "web1", Seq: uint64(i + 1)}, Kind: c.kind, Location: c.location, Text: c.text}, memory)
		if err != nil {
			t.Fatal(err)
		}
		got := 0
		if v.Alert != nil {
			got = v.Alert.Rule.ID
		}
		file, _ := v.Decoded.Get(event.Filename)
		if got != c.rule || v.Decoded.Decoder != c.decoder || file != c.filename || !strings.Contains(v.Decoded.FullLog, c.wish) || v.Decoded.Hostname != "web1" {
			t.Errorf("%d: rule %d, decoder %q, file %q, log %q; want %+v", i, got, v.Decoded.Decoder, file, v.Decoded.FullLog, c)
		}
	}
}

// FuzzKinds: whatever an agent sends, the engine neither panics nor stays silent about what it doesn't understand, and the alert can be stored.
func FuzzKinds(f *testing.F) {
	f.Add(uint8(1), `{"type":"modified","path":"/etc/shadow","before":{"md5":"aa"},"after":{"md5":"bb"}}`)
	f.Add(uint8(1), `{"type":"modi`)
	f.Add(uint8(2), "Rootkit 'x' by file '/dev/.x'. MD5=0")
	f.Add(uint8(4), "{")
	set := kindSet(f)
	f.Fuzz(func(t *testing.T, kind uint8, in string) {
		text, _ := event.Clip(in)
		ev := &event.Event{ID: event.ID{Agent: "web1", Seq: 1}, Kind: event.Kind(kind % 5), Location: "syscheck", Text: text}
		v, err := analysis.New(set, analysis.Options{LogLevel: 1}).Analyze(ev, analysis.NewMemory(0))
		if err != nil {
			t.Fatal(err)
		}
		c, err := syscheck.Parse(text)
		if ev.Kind == event.Syscheck && (err != nil || c.Type == syscheck.Modified) && v.Alert == nil {
			t.Fatalf("%q: no alert", text)
		}
		if ev.Kind == event.Rootcheck && v.Alert == nil {
			t.Fatalf("%q: no alert", text)
		}
		if v.Alert != nil && !utf8.ValidString(v.Alert.FullLog) {
			t.Fatalf("%q: log %q", text, v.Alert.FullLog)
		}
	})
}

// What syslog tells of a message beside its text is there for rules and alerts, unless a decoder found fields of these names.
func TestSyslogFields(t *testing.T) {
	set, err := ruleset.Load(fstest.MapFS{
		"decoder.xml": {Data: []byte(`<decoder name="own"><program_name>^own$</program_name><regex>level (\S+)</regex><order>Severity</order></decoder>`)},
		"rules/1.xml": {Data: []byte(`<group name="k,"><rule id="1" level="0" noalert="1"><category>syslog</category></rule>
<rule id="102" level="5"><field name="severity">^crit$</field></rule>
<rule id="103" level="4"><field name="facility">^local7$</field></rule>
<rule id="104" level="3"><match>hello</match></rule></group>`)},
	}, config.Rules{})
	if err != nil {
		t.Fatal(err)
	}
	engine := analysis.New(set, analysis.Options{LogLevel: 1})
	for i, c := range []struct {
		priority           int
		text               string
		rule               int
		facility, severity string
	}{
		{0, "hello crit local7", 104, "", ""},
		{1, "hello", 104, "kern", "emerg"},
		{34 + 1, "hello", 102, "auth", "crit"},
		{event.MaxPriority, "hello", 103, "local7", "debug"},
		{event.MaxPriority + 1, "hello", 104, "", ""},
		{-1, "hello", 104, "", ""},
		{34 + 1, "Nov 24 12:00:00 web1 own: hello level low", 104, "auth", "low"},
	} {
		ev := &event.Event{ID: event.ID{Agent: "web1", Seq: uint64(i)}, Location: "192.0.2.1", Text: c.text, Priority: c.priority}
		v, err := engine.Analyze(ev, analysis.NewMemory(0))
		if err != nil {
			t.Fatal(err)
		}
		if v.Rule == nil || v.Rule.ID != c.rule || v.Alert == nil {
			t.Fatalf("%d %s: rule %v, want %d", c.priority, c.text, v.Rule, c.rule)
		}
		facility, _ := v.Decoded.Dynamic("facility")
		severity, _ := v.Decoded.Dynamic("severity")
		if facility != c.facility || severity != c.severity {
			t.Errorf("%d %s: %s.%s, want %s.%s", c.priority, c.text, facility, severity, c.facility, c.severity)
		}
		if v.Alert.Field("facility") != c.facility {
			t.Errorf("%d %s: %v", c.priority, c.text, v.Alert.Fields)
		}
	}
}

// A finding is news once, and when it's back; not when the agent was set up anew. An event that comes twice gets its verdict again.
func TestFindings(t *testing.T) {
	engine, memory := analysis.New(kindSet(t), analysis.Options{LogLevel: 1}), analysis.NewMemory(0)
	for _, c := range []struct {
		agent      string
		epoch, seq uint64
		text       string
		news       bool
	}{
		{"web1", 1, 1, "A.", true}, {"web1", 1, 1, "A.", true}, {"web1", 1, 2, "B.", true}, {"web2", 1, 1, "A.", true},
		{"web1", 1, 3, "A.", true}, {"web1", 2, 1, "A.", false}, {"web1", 2, 1, "A.", false}, {"web1", 1, 1, "A.", true},
		{"web1", 2, 2, "C.", true}, {"web1", 2, 3, "A.", true}, {"web1", 2, 1, "A.", false},
	} {
		ev := &event.Event{ID: event.ID{Agent: c.agent, Epoch: c.epoch, Seq: c.seq}, Kind: event.Rootcheck, Location: "rootcheck", Text: c.text}
		v, err := engine.Analyze(ev, memory)
		if err != nil {
			t.Fatal(err)
		}
		if got := v.Alert != nil; got != c.news {
			t.Errorf("%+v: an alert: %v", c, got)
		}
	}
}
