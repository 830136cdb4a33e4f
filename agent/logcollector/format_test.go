package logcollector_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/yagura-hids/yagura/agent/logcollector"
)

// formatCases are, for each format, what a log holds and the events that it is.
var formatCases = []struct {
	format, log string
	want        []string
}{
	{"syslog-pipe", "a\nb\n", []string{"a", "b"}},
	{"iis", "#Fields: date time\n2026-11-24 10:00:00 GET /\n", []string{"2026-11-24 10:00:00 GET /"}},
	{"snort-full", "[**] [1:2003:8] Worm [**]\n[Classification: Misc] [Priority: 2] \n11/24-10:00:00.000000 192.0.2.1:1 -> 192.0.2.2:2\nUDP TTL:113\n\n" +
		"[**] [116:56:1] (snort_decoder) [**]\n[Priority: 3] \n11/24/26-10:00:00.1 192.0.2.1 -> 192.0.2.2\n\n[**] [1:1:1] cut short [**]\n\n",
		[]string{
			"[**] [1:2003:8] Worm [**] [Classification: Misc] [Priority: 2]  192.0.2.1:1 -> 192.0.2.2:2",
			"[**] [116:56:1] (snort_decoder) [**] [Classification: Preprocessor] [Priority: 3]  192.0.2.1 -> 192.0.2.2",
			"[**] [1:1:1] cut short [**]",
		}},
	{"nmapg", "# Nmap\nHost: 192.0.2.1 (web1)\tStatus: Up\n" +
		"Host: 192.0.2.1 (web1)\tPorts: 22/open/tcp//ssh///, 23/closed/tcp//telnet///, 53/open/udp//domain///\tIgnored State: closed (1)\n",
		[]string{"Host: 192.0.2.1 (web1), open ports: 22(tcp) 53(udp)"}},
	{"mysql_log", "mysqld started\n261124 10:00:00\t   71 Connect\troot@localhost\n\t\t      71 Query\tselect 1\n261124  1:00:00\t   72 Quit\t\n" +
		"2026-11-24T10:00:00.5Z\t   73 Quit\t\n",
		[]string{
			"mysqld started", "MySQL log: 261124 10:00:00 71 Connect\troot@localhost", "MySQL log: 261124 10:00:00 71 Query\tselect 1",
			"MySQL log: 261124  1:00:00 72 Quit\t", "MySQL log: 2026-11-24T10:00:00.5Z 73 Quit\t",
		}},
	{"postgresql_log", "[2026-11-24 10:00:00 UTC] LOG:  statement: select\n\t1,\n\t2\n[2026-11-24 10:00:01 UTC] LOG:  end\n",
		[]string{"[2026-11-24 10:00:00 UTC] LOG:  statement: select 1, 2", "[2026-11-24 10:00:01 UTC] LOG:  end"}},
	{"mssql_log", "2026-11-24 10:00:00.12 Logon  Error: 18456\nSeverity: 14\n\n2026-11-24 10:00:01.00 spid1  Starting\n",
		[]string{"2026-11-24 10:00:00.12 Logon  Error: 18456 Severity: 14", "2026-11-24 10:00:01.00 spid1  Starting"}},
	{"djb-multilog", "@400000006aff9c0a00000000 info: started\n@400000006aff9c0a00000000 Nov 24 10:00:00 web1 x: y\nno mark\n",
		[]string{"Nov 20 01:01:52 web1 PROGRAM: info: started", "Nov 24 10:00:00 web1 x: y", "no mark"}},
	{"ossecalert", "** Alert 1795600000.1: - syslog,\n2026 Nov 24 10:00:00 web1->/var/log/auth.log\nRule: 5710 (level 5) -> 'a comment'\n" +
		"Src IP: 192.0.2.1\nUser: root\nthe log\nof two lines\n\n** Alert 1795600000.2: - x,\n2026 Nov 24 10:00:01 web1->y\nRule: 1 (level 2) -> 'c'\nlog\n\n",
		[]string{
			"ossec: Alert Level: 5; Rule: 5710 - a comment; Location: web1->/var/log/auth.log; srcip: 192.0.2.1; user: root;  the log\nof two lines",
			"ossec: Alert Level: 2; Rule: 1 - c; Location: web1->y;  log",
		}},
	{"audit", "type=SYSCALL msg=audit(1.1:5): a\ntype=PATH msg=audit(1.1:5): b\ntype=SYSCALL msg=audit(1.1:6): c\ntype=EOE msg=audit(1.1:6): \nnonsense\n",
		[]string{"type=SYSCALL msg=audit(1.1:5): a type=PATH msg=audit(1.1:5): b", "type=SYSCALL msg=audit(1.1:6): c type=EOE msg=audit(1.1:6): ", "nonsense"}},
	{"modsec-audit", "--ab1-A--\n[time] 1\n\n--ab1-B--\nGET /\n--ab1-Z--\n\n--ab2-A--\nnever ended\n--ab3-A--\nx\n--ab3-Z--\n",
		[]string{"--ab1-A-- [time] 1 --ab1-B-- GET / --ab1-Z--", "--ab2-A-- never ended", "--ab3-A-- x --ab3-Z--"}},
	{"multi-line:3", "1\n2\n3\n4\n\n6\n7\n", []string{"1 2 3", "4  6", "7"}},
	{"multi-line_indented", "a\n  b\n\tc\nd\n\n  e\n", []string{"a   b \tc", "d", "  e"}},
}

func TestFormats(t *testing.T) {
	for _, tt := range formatCases {
		for how, run := range map[string]func(o *owner){
			"at once": func(o *owner) { o.append("log", tt.log); o.run() },
			"byte by byte": func(o *owner) {
				for i := range tt.log {
					o.append("log", tt.log[i:i+1])
					o.run()
				}
			},
			"killed at each line": func(o *owner) {
				for l := range strings.Lines(tt.log) {
					o.append("log", l)
					o.run()
					o.kill()
					o.start()
				}
			},
			"copied and truncated at each line": func(o *owner) {
				for l := range strings.Lines(tt.log) {
					w := &writer{o: o, name: "log", copies: true}
					w.write(l)
					w.copy()
					w.truncate()
					o.run()
				}
			},
		} {
			t.Run(tt.format+" "+how, func(t *testing.T) {
				o := newOwner(t, Source{Location: "log", Format: tt.format})
				o.append("log", "")
				o.start()
				run(o)
				o.now = o.now.Add(2 * time.Minute) // nothing more comes of a group
				o.run()
				for i := range tt.want {
					tt.want[i] = strings.Replace(tt.want[i], "PROGRAM", o.program(), 1)
				}
				if !slices.Equal(o.stored, tt.want) {
					t.Fatalf("got  %q\nwant %q", o.stored, tt.want)
				}
			})
		}
	}
}
