package legacy_test

import (
	"testing"

	"github.com/yagura-hids/yagura/internal/analysis"
	"github.com/yagura-hids/yagura/internal/event"
)

const (
	hkey    = `HKEY_LOCAL_MACHINE\Software\Run`
	rootkit = "Rootkit 'x' detected by the presence of file '/dev/.x'."
	stream  = `NTFS Alternate data stream found: 'C:\x.exe:Zone.Identifier'. Possible hidden content.`
	adware  = `Application Found: Adware X. File: C:\x.exe.`
	webHole = "System Audit: Web vulnerability - Backdoors. File: /srv/.yop."
)

// history is what an agent says, and what OSSEC's rules make of it: rule 0 for nothing, -1 for no event at all.
var history = []struct {
	message string
	kind    event.Kind
	rule    int
	decoder string
	log     string // "" if it's the message's text
}{
	{"1:ossec:ossec: Agent started: 'web->192.0.2.0'.", event.AgentState, 501, "ossec", ""},
	{"1:ossec:ossec: Agent started: 'web->192.0.2.0'.", event.AgentState, 503, "ossec", ""},
	{"9:rootcheck:Starting syscheck scan.", event.Rootcheck, 515, "rootcheck", ""},
	{"8:syscheck:100:33188:0:0:" + hashesA + " /etc/hosts", event.Syscheck, 0, "", ""},
	{"8:syscheck:1:33188:0:0:" + hashesA + " /etc/a b", event.Syscheck, 0, "", ""},
	{"8:syscheck-registry:0:0:0:0:" + md5A + ":" + sha1A + " " + hkey, event.Syscheck, 0, "", ""},
	{"9:rootcheck:Ending syscheck scan.", event.Rootcheck, 515, "rootcheck", ""},
	{"8:syscheck:syscheck-db-completed", 0, -1, "", ""},
	{"8:syscheck:100:33188:0:0:" + hashesA + " /etc/hosts", 0, -1, "", ""},

	{"8:syscheck:105:33261:1000:4:" + hashesB + " /etc/hosts\n1c1\n< a\n---\n> b\n", event.Syscheck, 550, "syscheck_integrity_changed", `Integrity checksum changed for: '/etc/hosts'
Size changed from '100' to '105'
Permissions changed from 'rw-r--r--' to 'rwxr-xr-x'
Ownership was '0', now it is '1000'
Group ownership was '0', now it is '4'
Old md5sum was: '` + md5A + `'
New md5sum is : '` + md5B + `'
Old sha1sum was: '` + sha1A + `'
New sha1sum is : '` + sha1B + `'
Old sha256sum was: '` + sha256A + `'
New sha256sum is : '` + sha256B + `'
What changed:
1c1
< a
---
> b`},
	{"8:syscheck:-1 /etc/hosts", event.Syscheck, 553, "syscheck_deleted", "File '/etc/hosts' was deleted. Unable to retrieve checksum."},
	{"8:syscheck:-1 /etc/hosts", 0, -1, "", ""},
	{"8:syscheck:100:33188:0:0:" + hashesA + " /etc/hosts", event.Syscheck, 554, "syscheck_new_entry", `New file '/etc/hosts' added to the file system.
New sha1sum is : '` + sha1A + `'
New md5sum is : '` + md5A + `'
New sha256sum is : '` + sha256A + `'`},
	{"8:syscheck:1:33188:0:0:" + md5A + ":" + sha1A + " /etc/new", event.Syscheck, 554, "syscheck_new_entry", `New file '/etc/new' added to the file system.
New sha1sum is : '` + sha1A + `'
New md5sum is : '` + md5A + `'`},
	{"8:syscheck:1:33188:0:0:" + hashesA + " /etc/a b", 0, -1, "", ""},
	{"8:syscheck-registry:0:0:0:0:" + md5B + ":" + sha1A + " " + hkey, event.Syscheck, 594, "syscheck_integrity_changed",
		"Integrity checksum changed for: '" + hkey + "'\nOld md5sum was: '" + md5A + "'\nNew md5sum is : '" + md5B + "'"},
	{"8:syscheck-registry:-1 " + hkey, event.Syscheck, 597, "syscheck_deleted", "File '" + hkey + "' was deleted. Unable to retrieve checksum."},
	{"8:syscheck-registry:0:0:0:0:" + md5B + ":" + sha1A + " " + hkey, event.Syscheck, 598, "syscheck_new_entry",
		"New file '" + hkey + "' added to the file system.\nNew sha1sum is : '" + sha1A + "'\nNew md5sum is : '" + md5B + "'"},

	{"9:rootcheck:Starting rootcheck scan.", event.Rootcheck, 515, "rootcheck", ""},
	{"9:rootcheck:" + rootkit, event.Rootcheck, 510, "rootcheck", ""},
	{"9:rootcheck:" + rootkit, 0, -1, "", ""},
	{"9:rootcheck:" + stream, event.Rootcheck, 511, "rootcheck", ""},
	{"9:rootcheck:Windows Audit: Null sessions allowed.", event.Rootcheck, 512, "rootcheck", ""},
	{"9:rootcheck:Windows Malware: X. File: C:\\x.exe.", event.Rootcheck, 513, "rootcheck", ""},
	{"9:rootcheck:Application Found: Chat. File: C:\\x.exe.", event.Rootcheck, 514, "rootcheck", ""},
	{"9:rootcheck:System Audit: SSH Hardening - 1: Port 22. File: /etc/ssh/sshd_config.", event.Rootcheck, 516, "rootcheck", ""},
	{"9:rootcheck:" + adware, event.Rootcheck, 518, "rootcheck", ""},
	{"9:rootcheck:" + webHole, event.Rootcheck, 519, "rootcheck", ""},
	{"9:rootcheck:Ending rootcheck scan.", event.Rootcheck, 515, "rootcheck", ""},

	{"3:/var/log/nmap.log:Host: 192.0.2.9 (a.example.org), open ports: 22(tcp)", event.AgentState, 581, "hostinfo_new",
		"Host: 192.0.2.9 (a.example.org), open ports: 22(tcp)"},
	{"3:/var/log/nmap.log:Host: 192.0.2.9 (a.example.org), open ports: 22(tcp)", 0, -1, "", ""},
	{"3:/var/log/nmap.log:Host: 192.0.2.9 (), open ports: 22(tcp) 80(tcp)", event.AgentState, 580, "hostinfo_modified",
		"Host: 192.0.2.9 (), open ports: 22(tcp) 80(tcp)"},
	{"3:/var/log/nmap.log:Host: 192.0.2.90 (), open ports:", event.AgentState, 581, "hostinfo_new", "Host: 192.0.2.90 (), open ports:"},

	{"1:ossec-logcollector:ossec: File rotated (inode changed): '/var/log/syslog'.", event.Log, 591, "ossec", ""},
	{"1:ossec-logcollector:ossec: File size reduced (inode remained): '/var/log/syslog'.", event.Log, 592, "ossec", ""},
	{"1:WinEvtLog:ossec: Event log cleared: 'Security'", event.Log, 593, "ossec", ""},
	{"1:df -P:ossec: output: 'df -P': /dev/sda1 1000 1000 0 100% /", event.Command, 531, "ossec", ""},
	{"1:netstat -tan:ossec: output: 'netstat -tan':\ntcp 0.0.0.0:22", event.Command, 530, "ossec", "ossec: output: 'netstat -tan':tcp 0.0.0.0:22"},
	{"1:netstat -tan:ossec: output: 'netstat -tan':\ntcp 0.0.0.0:22\ntcp 0.0.0.0:80", event.Command, 533, "ossec",
		"ossec: output: 'netstat -tan':tcp 0.0.0.0:22tcp 0.0.0.0:80"},
	{"1:/var/log/auth.log:Nov 25 10:00:00 a sshd[12]: Failed password for root from 192.0.2.99 port 1 ssh2", event.Log, 5716, "sshd", ""},
	{"1:ossec-keepalive:--MARK--: x(7Tn", 0, -1, "", ""},
	{"1:keepalive:x", 0, -1, "", ""},
	{"1:/var/log/x:", 0, -1, "", ""},
}

// TestAlerts: what an agent of OSSEC says is judged as by OSSEC's server, by our rules and by OSSEC's.
func TestAlerts(t *testing.T) {
	for name, engine := range engines(t) {
		h, memory := newHome(t), analysis.NewMemory(0)
		for i, c := range history {
			m := h.message(c.message)
			r := h.readOf(m)
			if i%3 == 0 {
				h.keep()
			}
			if r.Event == nil || c.rule < 0 {
				if r.Event != nil || c.rule >= 0 {
					t.Errorf("%s: %q: event %v, want rule %d", name, c.message, r.Event, c.rule)
				}
				continue
			}
			ev := *r.Event
			ev.ID.Seq = uint64(i + 1)
			v, err := engine.Analyze(&ev, memory)
			if err != nil {
				t.Fatal(err)
			}
			if want := "(web/a) 192.0.2.7->" + m.Location; ev.ID.Agent != "web/a" || ev.Location != want || !ev.Time.Equal(m.At) || ev.Kind != c.kind {
				t.Errorf("%s: %q: %v of %v at %v in %q, want %v in %q", name, c.message, ev.Kind, ev.ID, ev.Time, ev.Location, c.kind, want)
			}
			rule, log := 0, c.log
			if v.Rule != nil {
				rule = v.Rule.ID
			}
			if log == "" {
				log = m.Text
			}
			if rule != c.rule || v.Decoded.Decoder != c.decoder && v.Decoded.Parent != c.decoder || c.rule > 0 && v.Decoded.FullLog != log {
				t.Errorf("%s: %q: rule %d, decoder %q, log\n%s\nwant %d, %q, log\n%s", name, c.message, rule, v.Decoded.Decoder, v.Decoded.FullLog, c.rule, c.decoder, log)
			}
		}
		if len(h.told) > 0 {
			t.Errorf("told %q", h.told)
		}
	}
}
