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
	{event.Syscheck, "syscheck", change(syscheck.Added, "/etc/hosts"), 554},
	{event.Syscheck, "syscheck-registry", change(syscheck.Modified, `HKEY_LOCAL_MACHINE\Software\X`), 594},
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
