package logcollector_test

import (
	"strings"
	"testing"
	"time"

	. "github.com/yagura-hids/yagura/agent/logcollector"
)

const (
	winLogon = `<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider Name='Microsoft-Windows-Security-Auditing'/>` +
		`<EventID>4625</EventID><Level>0</Level><Keywords>0x8010000000000000</Keywords><TimeCreated SystemTime='2026-11-24T10:00:00.1234567Z'/>` +
		`<Channel>Security</Channel><Computer>WIN1</Computer><Security/></System><EventData><Data Name='TargetUserName'>eve</Data></EventData></Event>`
	winService = `<Event><System><Provider Name='Service Control Manager'/><EventID Qualifiers='16384'>7036</EventID><Level>4</Level>` +
		`<Keywords>0x8080000000000000</Keywords><TimeCreated SystemTime='2026-11-24T10:00:00Z'/><Channel>System</Channel><Computer>WIN1</Computer>` +
		`<Security UserID='S-1-5-18'/></System><EventData><Data Name='param1'>Spooler</Data><Data>stopped</Data></EventData></Event>`
	winCleared = `<Event><System><Provider Name='Microsoft-Windows-Eventlog'/><EventID>104</EventID><Level>4</Level><TimeCreated SystemTime='x'/>` +
		`<Channel>System</Channel><Computer>WIN1</Computer></System><UserData><LogFileCleared xmlns='y'><Channel>Application</Channel></LogFileCleared></UserData></Event>`
)

func account(sid string) (user, domain string) {
	if sid == "S-1-5-18" {
		return "SYSTEM", "NT AUTHORITY"
	}
	return "", ""
}

func TestWinEvent(t *testing.T) {
	tests := []struct {
		name, xml, message string
		want               []string
	}{
		{"audit", winLogon, "An account failed to log on.\r\n\r\nSubject:\r\n\tSecurity ID:\t\tS-1-0-0\r\n", []string{
			"2026 Nov 24 10:00:00 WinEvtLog: Security: AUDIT_FAILURE(4625): Microsoft-Windows-Security-Auditing: (no user): no domain: WIN1: " +
				"An account failed to log on.    Subject:   Security ID:  S-1-0-0",
		}},
		{"success", strings.Replace(winLogon, "0x8010", "0x8020", 1), "m", []string{
			"2026 Nov 24 10:00:00 WinEvtLog: Security: AUDIT_SUCCESS(4625): Microsoft-Windows-Security-Auditing: (no user): no domain: WIN1: m",
		}},
		{"no message", winService, "", []string{
			"2026 Nov 24 10:00:00 WinEvtLog: System: INFORMATION(7036): Service Control Manager: SYSTEM: NT AUTHORITY: WIN1: param1: Spooler stopped",
		}},
		{"warning", strings.Replace(winService, "<Level>4", "<Level>3", 1), "m", []string{
			"2026 Nov 24 10:00:00 WinEvtLog: System: WARNING(7036): Service Control Manager: SYSTEM: NT AUTHORITY: WIN1: m",
		}},
		{"error", strings.Replace(winService, "<Level>4", "<Level>2", 1), "m", []string{
			"2026 Nov 24 10:00:00 WinEvtLog: System: ERROR(7036): Service Control Manager: SYSTEM: NT AUTHORITY: WIN1: m",
		}},
		{"cleared", winCleared, "m", []string{
			"0001 Jan 01 00:00:00 WinEvtLog: System: INFORMATION(104): Microsoft-Windows-Eventlog: (no user): no domain: WIN1: m",
			"ossec: Event log cleared: 'Application'",
		}},
	}
	for _, tt := range tests {
		lines, err := WinEventLines(tt.xml, tt.message, account, time.UTC)
		if err != nil || len(lines) != len(tt.want) {
			t.Errorf("%s: %v, %d lines", tt.name, err, len(lines))
			continue
		}
		for i, l := range lines {
			if l.Text != tt.want[i] || l.Location != "WinEvtLog" {
				t.Errorf("%s: got  %s: %q\nwant %q", tt.name, l.Location, l.Text, tt.want[i])
			}
		}
	}
	for _, bad := range []string{"", "<Event>", "x", "<Event>" + strings.Repeat(" ", 1<<20) + "</Event>"} {
		if _, err := WinEventLines(bad, "", account, time.UTC); err == nil {
			t.Errorf("%.20q is taken for an event", bad)
		}
	}
}

func FuzzWinEvent(f *testing.F) {
	for _, seed := range []string{winLogon, winService, winCleared, "<Event><System><Level>x</Level></System></Event>"} {
		f.Add(seed, "message\r\nof\ttwo")
	}
	f.Fuzz(func(t *testing.T, text, message string) {
		lines, err := WinEventLines(text, message, account, time.UTC)
		if err == nil && len(lines) == 0 {
			t.Error("an event without a line")
		}
		for _, l := range lines {
			if strings.ContainsAny(l.Text, "\r\n\t") || !strings.Contains(l.Text, ": ") {
				t.Errorf("%q is no line", l.Text)
			}
		}
	})
}
