package decoder_test

import (
	"strings"
	"testing"

	"github.com/yagura-hids/yagura/internal/event"
)

func plugin(t *testing.T, name string) *bench {
	t.Helper()
	return load(t, `<decoder name="p"><prematch>^</prematch><type>firewall</type><plugin_decoder>`+name+`</plugin_decoder></decoder>`)
}

func TestPlugins(t *testing.T) {
	for _, tt := range []struct {
		plugin, log, want string
		category          event.Category
	}{
		{"PF_Decoder", "x rule 2/0(match) pass in on xl0: 192.0.2.1.1025 > 198.51.100.7.53: udp 40",
			"p srcip=192.0.2.1, dstip=198.51.100.7, srcport=1025, dstport=53, protocol=UDP, action=pass", event.CategoryFirewall},
		{"PF_Decoder", "rule 7/0(match): block in on em0: 192.0.2.1 > 198.51.100.7: icmp: echo request",
			"p", event.CategoryFirewall},
		{"PF_Decoder", "rule 7/0(match) block in on em0: 192.0.2.1 > 198.51.100.7: icmp: echo request",
			"p srcip=192.0.2.1, dstip=198.51.100.7, protocol=ICMP, action=block", event.CategoryFirewall},
		{"PF_Decoder", "(match) block in on em0: 192.0.2.1.9 > 198.51.100.7.80: S 12:12(0) win 5",
			"p srcip=192.0.2.1, dstip=198.51.100.7, srcport=9, dstport=80, protocol=TCP, action=block", event.CategoryFirewall},
		{"PF_Decoder", "(match) pass in", "p action=pass", event.CategoryFirewall},
		{"PF_Decoder", "(match) pass in on em0: 192.0.2.1.9 < x", "p srcip=192.0.2.1, srcport=9, action=pass", event.CategoryFirewall},
		{"PF_Decoder", "(match) pass in on em0: 192.0.2.1.9 > 198.51.100.7.80:", "p srcip=192.0.2.1, dstip=198.51.100.7, srcport=9, dstport=80, action=pass",
			event.CategoryFirewall},
		{"PF_Decoder", "(match) rdr in", "p", event.CategoryFirewall},
		{"PF_Decoder", "(match) ", "p", event.CategoryFirewall},
		{"PF_Decoder", "no paren", "p", event.CategoryFirewall},

		{"SymantecWS_Decoder", "time,3=1,2=1,10=joe,11=192.0.2.1,60=http://example.net/a=b", "p dstuser=joe, srcip=192.0.2.1, id=3=1,2=1,1, url=http://example.net/a=b",
			event.CategoryFirewall},
		{"SymantecWS_Decoder", "time,10=joe,10=jim,11=" + strings.Repeat("1", 200), "p dstuser=joe, srcip=" + strings.Repeat("1", 128), event.CategoryFirewall},
		{"SymantecWS_Decoder", "time,2=9", "p id=2=9", event.CategoryFirewall},
		{"SymantecWS_Decoder", "no list", "p", event.CategoryFirewall},

		{"SonicWall_Decoder", `pri=6 c=1024 m=537 msg="x" src=192.0.2.1:1025:X0 dst=198.51.100.7:80:X1 proto=tcp/http rcvd=9`,
			"p srcip=192.0.2.1, dstip=198.51.100.7, srcport=1025, dstport=80, protocol=tcp, action=close, id=537, status=6", event.CategoryFirewall},
		{"SonicWall_Decoder", "pri=1 c=32 m=82 src=192.0.2.1:1:X0 dst=198.51.100.7:2:X1",
			"p srcip=192.0.2.1, dstip=198.51.100.7, srcport=1, dstport=2, id=82, status=1", event.CategoryIDS},
		{"SonicWall_Decoder", "pri=6 c=1 m=98 x", "p action=pass, id=98, status=6", event.CategoryFirewall},
		{"SonicWall_Decoder", "pri=6 c=1 m=36 x", "p action=drop, id=36, status=6", event.CategoryFirewall},
		{"SonicWall_Decoder", "pri=6 c=1 m=97 src=192.0.2.1:1:X0 dst=198.51.100.7:2:X1 op=1 result=200 dstname=www.example.net arg=/index",
			"p srcip=192.0.2.1, dstip=198.51.100.7, srcport=1, dstport=2, id=200, url=www.example.net/index, status=6", event.CategorySquid},
		{"SonicWall_Decoder", "pri=6 c=1 m=97 result=200 dstname=www.example.net", "p id=97, status=6", event.CategorySquid},
		{"SonicWall_Decoder", "pri=6 c=1 m=1 src=192.0.2.1 dst=198.51.100.7", "p id=1, status=6", event.CategorySyslog},
		{"SonicWall_Decoder", "pri=66 c=1 m=1 ", "p", event.CategorySyslog},
		{"SonicWall_Decoder", "pri=6 c=x m=1 ", "p", event.CategorySyslog},
		{"SonicWall_Decoder", "pri=6 c=1 n=1 ", "p", event.CategorySyslog},
	} {
		d := plugin(t, tt.plugin).decode("", tt.log)
		if got := show(d); got != tt.want || d.Category != tt.category {
			t.Errorf("%s: %s\n got %s (%s)\nwant %s (%s)", tt.plugin, tt.log, got, d.Category, tt.want, tt.category)
		}
	}
}

func TestForwardedAlert(t *testing.T) {
	b := plugin(t, "OSSECAlert_Decoder")
	const head = "ossec: Alert Level: 5; Rule: 5716 - Failed.; Location: (web1) 192.0.2.9->/var/log/auth.log;"
	for _, tt := range []struct {
		log, want, text string
		rule            int
	}{
		{head + " srcip: 192.0.2.1; user: joe;  Failed password; for joe", "p dstuser=joe, srcip=192.0.2.1", "Failed password; for joe", 5716},
		{strings.TrimPrefix(head, "ossec: ") + " classification: a,b; user: joe;  the log", "p dstuser=joe", "the log", 5716},
		{head + "  the log: a; b", "p", "the log: a; b", 5716},
		{"ossec: Alert Level: 5; Rule: x - Failed.; Location: a;  the log", "p", "", 0},
		{"ossec: Alert Level: 5; Rule: 5716 - Failed.", "p", "", 0},
	} {
		d := b.decode("", tt.log)
		if got := show(d); got != tt.want || d.Forwarded != tt.rule || d.Category != event.CategoryOSSECAlert {
			t.Errorf("%s\n got %s, rule %d, %s\nwant %s, rule %d", tt.log, got, d.Forwarded, d.Category, tt.want, tt.rule)
		}
		if tt.rule == 0 {
			continue
		}
		const place = "here|(web1) 192.0.2.9->/var/log/auth.log"
		if d.Log != tt.text || d.FullLog != tt.text || d.Location != place || d.Hostname != place {
			t.Errorf("%s\nlog %q, full log %q, location %q, host %q; want %q of %q", tt.log, d.Log, d.FullLog, d.Location, d.Hostname, tt.text, place)
		}
	}
	if d := b.decode("", "ossec: Agent started"); d.Category != event.CategoryFirewall || d.Forwarded != 0 {
		t.Errorf("a message that is no alert became one: %s, rule %d", d.Category, d.Forwarded)
	}
}
