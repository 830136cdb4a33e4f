package alertlog_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/yagura-hids/yagura/internal/alertlog"
	"github.com/yagura-hids/yagura/internal/event"
)

// composite is an alert with everything that the layouts show.
func composite() *event.Alert {
	d := &event.Decoded{}
	d.Reset(&event.Event{
		ID: event.ID{Agent: "web1", Epoch: 1, Seq: 2}, Time: time.Date(2026, 11, 3, 8, 42, 10, 0, time.FixedZone("", 3600)),
		Location: "/var/log/auth.log", Text: "Failed <b>\tfor root",
	})
	d.Hostname, d.Program, d.Decoder, d.Parent, d.FullLog = "h1", "sshd", "sshd-fail", "sshd", "Failed <b>\tfor root"
	for f, v := range map[event.Field]string{
		event.SrcIP: "192.0.2.7", event.SrcPort: "4022", event.DstIP: "192.0.2.1", event.DstPort: "22", event.DstUser: "joe", event.SrcUser: "jim",
		event.FieldID: "404", event.Data: "extra", event.SystemName: "sys", event.Status: "failed", event.URL: "/x", event.Action: "deny", event.Protocol: "tcp",
	} {
		d.Set(f, v)
	}
	d.SetDynamic("tty", "pts/0")
	d.SetDynamic("rule", "theirs")
	a := event.NewAlert(d, event.Rule{
		ID: 100101, Level: 10, Description: "it's \"bad\"", Groups: []string{"tst"}, GroupText: "tst,attack,pci_dss_10.2.4,cis_4,", Mail: true, Frequency: 6,
		CVE: []string{"2026-1"}, Info: []event.Info{{Type: "text", Text: "see"}, {Type: "link", Text: "http://example.org"}, {Type: "cve", Text: "2026-1"}},
	})
	a.Previous, a.Fired = []string{"first", strings.Repeat("é", 700)}, 3
	return a
}

// plain is an alert with as little as possible, of an agent.
func plain() *event.Alert {
	return &event.Alert{
		Time: time.Unix(1795423226, 0).UTC(), Location: "(w) 10.0.0.5->/var/log/x", Hostname: "(w) 10.0.0.5->/var/log/x", FullLog: "x\n",
		Rule: event.Rule{ID: 7, GroupText: "a,b,"},
	}
}

// short is a plain alert of a rule with Wazuh's options.
func short() *event.Alert {
	a := plain()
	a.Rule.NoFullLog, a.Rule.NoCounter = true, true
	a.Rule.Mitre = []event.Mitre{{Technique: "T1110"}, {Technique: "T1078", Tactic: "TA0006"}, {Technique: "T1110", Tactic: "TA0006"}}
	return a
}

func TestWriteLog(t *testing.T) {
	for _, c := range []struct {
		alert *event.Alert
		want  string
	}{
		{composite(), `** Alert 1793691730.8: mail  - tst,attack,pci_dss_10.2.4,cis_4,
2026 Nov 03 08:42:10 h1->/var/log/auth.log
Rule: 100101 (level 10) -> 'it's "bad"'
Src IP: 192.0.2.7
Src Port: 4022
Dst IP: 192.0.2.1
Dst Port: 22
User: joe
Failed <b>	for root
first
` + strings.Repeat("é", 628) + "\n\n"},
		{plain(), `** Alert 1795423226.8: - a,b,
2026 Nov 23 08:40:26 (w) 10.0.0.5->/var/log/x
Rule: 7 (level 0) -> '(null)'
x


`},
	} {
		var b bytes.Buffer
		if err := alertlog.WriteLog(&b, 8, c.alert); err != nil {
			t.Fatal(err)
		}
		if b.String() != c.want {
			t.Errorf("got\n%s\nwant\n%s", &b, c.want)
		}
	}
}

func TestWriteJSON(t *testing.T) {
	long := strings.Repeat("é", 700)
	for _, c := range []struct {
		alert *event.Alert
		want  string
	}{
		{composite(), `{"rule":{"level":10,"comment":"it's \"bad\"","sidid":100101,"cve":"2026-1","info":"see http://example.org","frequency":6,"firedtimes":3,` +
			`"group":"tst,attack,pci_dss_10.2.4,cis_4,","groups":["tst","attack"],"PCI_DSS":["10.2.4"],"CIS":["4"]},"id":"1793691730.8",` +
			`"TimeStamp":1793691730000,"decoder":"sshd-fail","decoder_parent":"sshd","action":"deny","protocol":"tcp","srcip":"192.0.2.7",` +
			`"srcport":"4022","srcuser":"jim","dstip":"192.0.2.1","dstport":"22","dstuser":"joe","location":"/var/log/auth.log",` +
			`"full_log":"Failed <b>\tfor root","previous_output":"` + long + `","hostname":"h1","program_name":"sshd","status":"failed","url":"/x",` +
			`"data":"extra","systemname":"sys","tty":"pts/0","rule_":"theirs","decoder_desc":{"parent":"sshd","name":"sshd-fail"},` +
			`"agent_name":"h1","timestamp":"2026 Nov 03 08:42:10","logfile":"/var/log/auth.log"}`},
		{plain(), `{"rule":{"sidid":7,"firedtimes":0,"group":"a,b,","groups":["a","b"]},"id":"1795423226.8","TimeStamp":1795423226000,` +
			`"location":"(w) 10.0.0.5->/var/log/x","full_log":"x\n","hostname":"(w) 10.0.0.5->/var/log/x","agent_name":"w","agentip":"10.0.0.5",` +
			`"timestamp":"2026 Nov 23 08:40:26","logfile":"/var/log/x"}`},
		{short(), `{"rule":{"sidid":7,"mitre":{"id":["T1110","T1078"],"tactic_id":["TA0006"]},"group":"a,b,","groups":["a","b"]},` +
			`"id":"1795423226.8","TimeStamp":1795423226000,"location":"(w) 10.0.0.5->/var/log/x","hostname":"(w) 10.0.0.5->/var/log/x",` +
			`"agent_name":"w","agentip":"10.0.0.5","timestamp":"2026 Nov 23 08:40:26","logfile":"/var/log/x"}`},
	} {
		var b bytes.Buffer
		if err := alertlog.WriteJSON(&b, 8, c.alert); err != nil {
			t.Fatal(err)
		}
		if b.String() != c.want+"\n" {
			t.Errorf("got\n%s\nwant\n%s", &b, c.want)
		}
	}
}

func TestWriteJSONFile(t *testing.T) {
	a := plain()
	a.Fields = []event.Dynamic{{Name: "filename", Value: "/etc/passwd"}}
	a.Rule.GroupText = "ossec,rootcheck,"
	a.FullLog = "System Audit: x {CIS: 1.4 a, 2} {PCI_DSS: 3} {no: b;d} {KEY:x} {open: a"
	var b bytes.Buffer
	if err := alertlog.WriteJSON(&b, 1, a); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"SyscheckFile":{"path":"/etc/passwd"}`, `"groups":["ossec","rootcheck"],"CIS":["1.4 a","2"],"PCI_DSS":["3"]}`} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %s in %s", want, &b)
		}
	}
}

// An integrity alert: alerts.log has OSSEC's text as it is, alerts.json what was before and after in SyscheckFile, and only there.
func TestWriteIntegrity(t *testing.T) {
	a := plain()
	a.Decoder, a.FullLog = "syscheck_integrity_changed", "Integrity checksum changed for: '/etc/hosts'\nSize changed from '1' to '2'"
	a.Fields = []event.Dynamic{
		{Name: "filename", Value: "/etc/hosts"}, {Name: "size_before", Value: "1"}, {Name: "perm_before", Value: "33188"},
		{Name: "size_after", Value: "2"}, {Name: "perm_after", Value: "x"}, {Name: "md5_after", Value: "ab"}, {Name: "process_name", Value: "vim"},
	}
	var log, json bytes.Buffer
	if err := errors.Join(alertlog.WriteLog(&log, 1, a), alertlog.WriteJSON(&json, 1, a)); err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(log.String(), "\n"+a.FullLog+"\n\n") {
		t.Errorf("%s", &log)
	}
	want := `"SyscheckFile":{"path":"/etc/hosts","md5_after":"ab","perm_before":33188,"perm_after":"x","size_before":"1","size_after":"2"},`
	if !strings.Contains(json.String(), want) || !strings.Contains(json.String(), `,"process_name":"vim",`) || strings.Count(json.String(), "size_after") != 1 {
		t.Errorf("no %s in %s", want, &json)
	}
}

// FuzzWrite: whatever an attacker gets into a log, a JSON record is one line of valid JSON that says the same, and an alerts.log record
// has its header only at its start.
func FuzzWrite(f *testing.F) {
	f.Add("Failed password", "web1", "tty", "sshd,")
	f.Add("a\x00\"\\\xff\n{PCI_DSS: x}\u2028", "(w) 1.2.3.4->x", "rule", "rootcheck,pci_dss_")
	f.Fuzz(func(t *testing.T, log, host, name, groups string) {
		a := &event.Alert{
			Time: time.Unix(1e9, 0).UTC(), FullLog: log, Hostname: host, Location: host, Fields: []event.Dynamic{{Name: name, Value: log}},
			Previous: []string{log, host}, Rule: event.Rule{ID: 1, Level: 3, GroupText: groups},
		}
		var b bytes.Buffer
		if err := alertlog.WriteJSON(&b, 1, a); err != nil {
			t.Fatal(err)
		}
		if !utf8.Valid(b.Bytes()) || bytes.Count(b.Bytes(), []byte("\n")) != 1 {
			t.Fatalf("not one line of UTF-8: %q", &b)
		}
		var got map[string]any
		if err := json.Unmarshal(b.Bytes(), &got); err != nil {
			t.Fatalf("%v: %q", err, &b)
		}
		want := strings.Map(func(r rune) rune { return r }, log)
		if said, _ := got["full_log"].(string); said != want || got["id"] != "1000000000.1" {
			t.Fatalf("log %q became %q", want, said)
		}
		b.Reset()
		if err := alertlog.WriteLog(&b, 1, a); err != nil || !strings.HasSuffix(b.String(), "\n\n") {
			t.Fatalf("record %q, %v", &b, err)
		}
	})
}

func BenchmarkWriteLog(b *testing.B) {
	a, out := composite(), bytes.Buffer{}
	for b.Loop() {
		out.Reset()
		if err := alertlog.WriteLog(&out, 1, a); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWriteJSON(b *testing.B) {
	a, out := composite(), bytes.Buffer{}
	for b.Loop() {
		out.Reset()
		if err := alertlog.WriteJSON(&out, 1, a); err != nil {
			b.Fatal(err)
		}
	}
}
