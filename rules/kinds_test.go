package rules_test

import (
	"strings"
	"testing"

	"github.com/yagura-hids/yagura/internal/analysis"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/syscheck"
)

// kindCases are what agents tell that is no log line, and the rule that it's for; 0 for none.
var kindCases = []struct {
	kind     event.Kind
	location string
	text     string
	rule     int
}{
	{event.Syscheck, "syscheck", change(syscheck.Modified, "/etc/hosts"), 550},
	{event.Syscheck, "syscheck", change(syscheck.Moved, "/etc/hosts"), 550},
	{event.Syscheck, "syscheck", change(syscheck.Deleted, "/etc/hosts"), 553},
	{event.Syscheck, "syscheck", change(syscheck.Added, "/etc/motd"), 554},
	{event.Syscheck, "syscheck-registry", change(syscheck.Modified, `HKEY_LOCAL_MACHINE\Software\X`), 594},
	{event.Syscheck, "syscheck-registry", noted(syscheck.Modified, `HKEY_LOCAL_MACHINE\Software\X`, syscheck.Notes{Changes: 2}), 595},
	{event.Syscheck, "syscheck-registry", noted(syscheck.Modified, `HKEY_LOCAL_MACHINE\Software\X`, syscheck.Notes{Changes: 3}), 596},
	{event.Syscheck, "syscheck-registry", change(syscheck.Deleted, `HKEY_LOCAL_MACHINE\Software\X`), 597},
	{event.Syscheck, "syscheck-registry", change(syscheck.Added, `HKEY_LOCAL_MACHINE\Software\X`), 598},
	{event.Syscheck, "syscheck", change(syscheck.Baseline, "/etc/hosts"), 0},
	{event.Syscheck, "syscheck", change("digests", ""), 0},
	{event.Syscheck, "syscheck", `{"type":"modified","path":`, 981},
	{event.Syscheck, "syscheck", `{"type":"modified"}`, 981},
	{event.Rootcheck, "rootcheck", "Starting rootcheck scan.", 515},
	{event.Rootcheck, "rootcheck", "Trojaned version of file '/bin/ls' detected. Signature used: 'x' (Generic).", 510},
	{event.Rootcheck, "rootcheck", "NTFS Alternate data stream found: 'C:/x.exe:Zone.Identifier'. Possible hidden content.", 511},
	{event.Rootcheck, "rootcheck", "Windows Audit: Null sessions allowed.", 512},
	{event.Rootcheck, "rootcheck", "Windows Malware: X. File: C:/x.exe.", 513},
	{event.Rootcheck, "rootcheck", "Application Found: Chat. File: C:/x.exe.", 514},
	{event.Rootcheck, "rootcheck", "System Audit: SSH Hardening - 1: Port 22. File: /etc/ssh/sshd_config.", 516},
	{event.Rootcheck, "rootcheck", "System Audit: Debian hardening: the policy is for this host. File: /etc/debian_version.", 982},
	{event.Rootcheck, "rootcheck", "Application Found: Adware X. File: C:/x.exe.", 518},
	{event.Rootcheck, "rootcheck", "System Audit: Web vulnerability - .htaccess file compromised. File: /srv/.htaccess.", 519},
	{event.Command, "df -P", "ossec: output: 'df -P': /dev/sda1 1000 1000 0 100% /", 531},
	{event.AgentState, "(web1) 192.0.2.7->/var/log/nmap.log", "hostinfo_new: Host: 192.0.2.9 (), open ports: 22(tcp)", 581},
	{event.AgentState, "(web1) 192.0.2.7->/var/log/nmap.log", "hostinfo_modified: Host: 192.0.2.9 (), open ports: 22(tcp) 80(tcp)", 580},
	{event.AgentState, "yagura-agent", `{"version":"1.0","lag":0}`, 0},
	{event.AgentState, "yagura-agent", "ossec: Agent started: 'web1->any'.", 501},
	{event.AgentState, "yagura-agent", "ossec: Agent configuration refused: /yagura/agents/web/10-logs:1:1: <x> is no configuration", 983},
	{event.AgentState, "yagura-agent", "ossec: Agent spool full: 3 events lost, 3 since 2026-11-24T10:00:00Z (3 log)", 980},
}

func noted(kind, path string, n syscheck.Notes) string {
	data := &syscheck.Record{Mode: 0o100644, UID: "0"}
	c := syscheck.Change{Type: kind, Path: path, Before: data, After: data, Notes: &n}
	switch kind {
	case syscheck.Added:
		c.Before = nil
	case syscheck.Deleted:
		c.After = nil
	}
	return c.String()
}

// noteCases are what the server knows of changes, and the rule that it's for.
var noteCases = []struct {
	kind, path string
	notes      syscheck.Notes
	rule       int
}{
	{syscheck.Modified, "/etc/x", syscheck.Notes{Changes: 1}, 550},
	{syscheck.Modified, "/etc/x", syscheck.Notes{Changes: 2}, 551},
	{syscheck.Modified, "/etc/x", syscheck.Notes{Changes: 3}, 552},
	{syscheck.Modified, "/etc/x", syscheck.Notes{Changes: 4}, 988},
	{syscheck.Modified, "/etc/x", syscheck.Notes{Changes: 4, Privileged: "executable"}, 550},
	{syscheck.Modified, "/etc/passwd", syscheck.Notes{Changes: 4}, 990},
	{syscheck.Deleted, "/etc/x", syscheck.Notes{Changes: 9}, 553},
	{syscheck.Readded, "/etc/x", syscheck.Notes{Changes: 9}, 554},
	{syscheck.Added, "/etc/x", syscheck.Notes{}, 554},
	{syscheck.Added, "/etc/cron.d/x", syscheck.Notes{}, 996},
	{syscheck.Added, "/etc/cron.d/x", syscheck.Notes{Maintenance: "w"}, 996},
	{syscheck.Added, "/usr/bin/x", syscheck.Notes{Privileged: "executable", Hosts: 50, Same: 1}, 997},
	{syscheck.Added, "/usr/bin/x", syscheck.Notes{Privileged: "executable", Hosts: 50, Same: 2}, 554},
	{syscheck.Modified, "/usr/bin/x", syscheck.Notes{Folded: true, Maintenance: "w", Changes: 2}, 987},
	{syscheck.Modified, "/etc/pam.d/x", syscheck.Notes{Folded: true}, 987},
	{syscheck.Modified, "/usr/bin/x", syscheck.Notes{Folded: true, Cache: true}, 995},
	{syscheck.Modified, "/usr/bin/x", syscheck.Notes{Disbelieved: "web2 told otherwise", Maintenance: "w"}, 995},
	{syscheck.Modified, "/usr/bin/x", syscheck.Notes{Image: "ami-1", Maintenance: "w"}, 995},
	{syscheck.Modified, "/etc/x", syscheck.Notes{Maintenance: "w", Hosts: 50, Same: 1}, 989},
	{syscheck.Modified, "/etc/sudoers.d/x", syscheck.Notes{Maintenance: "w"}, 990},
	{syscheck.Deleted, "/etc/audit/audit.rules", syscheck.Notes{Maintenance: "w"}, 990},
	{syscheck.Deleted, "/etc/x", syscheck.Notes{Maintenance: "w"}, 989},
	{syscheck.Modified, "/etc/x", syscheck.Notes{Hosts: 50, Same: 26}, 991},
	{syscheck.Modified, "/etc/x", syscheck.Notes{Hosts: 50, Same: 25}, 550},
	{syscheck.Modified, "/etc/x", syscheck.Notes{Hosts: 50, Same: 27}, 998},
	{syscheck.Modified, "/etc/x", syscheck.Notes{Hosts: 3, Same: 2}, 991},
	{syscheck.Modified, "/etc/x", syscheck.Notes{Hosts: 3, Same: 3}, 998},
	{syscheck.Modified, "/etc/x", syscheck.Notes{Hosts: 3, Same: 3, Maintenance: "w"}, 989},
	{syscheck.Modified, "/etc/x", syscheck.Notes{Hosts: 2, Same: 2}, 550},
	{syscheck.Modified, "/root/.ssh/authorized_keys", syscheck.Notes{Hosts: 50, Same: 50}, 998},
	{syscheck.Modified, "/root/.ssh/authorized_keys", syscheck.Notes{Maintenance: "w", Hosts: 50, Same: 50}, 990},
	{syscheck.Modified, `c:\Windows\System32\drivers\etc\hosts`, syscheck.Notes{Maintenance: "w"}, 990},
	{syscheck.Modified, `HKEY_LOCAL_MACHINE\Software\Microsoft\Windows\CurrentVersion\Run`, syscheck.Notes{Maintenance: "w"}, 990},
	{syscheck.Packages, "", syscheck.Notes{Maintenance: "w"}, 992},
	{syscheck.Disagreement, "", syscheck.Notes{Buckets: []int{1}}, 993},
	{syscheck.Scanned, "", syscheck.Notes{Image: "ami-1", Files: 3}, 994},
}

func TestNotes(t *testing.T) {
	engine := analysis.New(load(t), analysis.Options{LogLevel: 1, MailLevel: 7})
	for i, c := range noteCases {
		ev := &event.Event{ID: event.ID{Agent: "web1", Epoch: 1, Seq: uint64(i + 1)}, Kind: event.Syscheck, Location: "syscheck", Text: noted(c.kind, c.path, c.notes)}
		v, err := engine.Analyze(ev, analysis.NewMemory(0))
		if err != nil {
			t.Fatal(err)
		}
		got := 0
		if v.Rule != nil {
			got = v.Rule.ID
		}
		if got != c.rule {
			t.Errorf("%s: rule %d, want %d", ev.Text, got, c.rule)
		}
	}
}

func change(kind, path string) string { return syscheck.Change{Type: kind, Path: path}.String() }

// TestKinds gives each case to an engine that remembers nothing.
func TestKinds(t *testing.T) {
	engine := analysis.New(load(t), analysis.Options{LogLevel: 1, MailLevel: 7})
	for i, c := range kindCases {
		ev := &event.Event{ID: event.ID{Agent: "web1", Epoch: 1, Seq: uint64(i + 1)}, Kind: c.kind, Location: c.location, Text: c.text}
		v, err := engine.Analyze(ev, analysis.NewMemory(0))
		if err != nil {
			t.Fatal(err)
		}
		got := 0
		if v.Rule != nil {
			got = v.Rule.ID
		}
		if got != c.rule || !strings.Contains(v.Decoded.Hostname, "web1") {
			t.Errorf("%s of %s: rule %d, want %d", c.text, v.Decoded.Hostname, got, c.rule)
		}
	}
}
