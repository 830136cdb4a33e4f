package rules_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/yagura-hids/yagura/internal/analysis"
	"github.com/yagura-hids/yagura/internal/event"
)

// packets are lines of appliances, the rule that the daemon gives them, and the fields in which they tell of a packet or a login.
var packets = []struct {
	text   string
	rule   int
	fields string
}{
	{"Jan  2 03:04:05 vyos kernel: [4711.071000] [WAN_IN-default-D]IN=eth0 OUT= MAC=02:00 SRC=198.51.100.7 DST=192.0.2.7 LEN=40 TTL=245 ID=1 PROTO=TCP SPT=4711 DPT=23 SYN",
		4101, "srcip=198.51.100.7 dstip=192.0.2.7 srcport=4711 dstport=23 protocol=TCP action=DROP id=WAN_IN-default"},
	{"Jan  2 03:04:05 vyos kernel: [ipv4-NAM-WAN_IN-10-R]IN=eth0 OUT=eth1 MAC=02:00 SRC=198.51.100.7 DST=192.0.2.7 LEN=84 TTL=49 ID=0 DF PROTO=ICMP TYPE=8 CODE=0 ID=1 SEQ=1",
		4101, "srcip=198.51.100.7 dstip=192.0.2.7 protocol=ICMP action=DROP id=ipv4-NAM-WAN_IN-10"},
	{"Jan  2 03:04:05 vyos kernel: [ipv4-FWD-filter-20-A]IN=eth0 OUT= MAC=02:00 SRC=198.51.100.7 DST=192.0.2.7 LEN=56 TTL=49 ID=0 PROTO=ICMP TYPE=3 CODE=3 " +
		"[SRC=192.0.2.7 DST=203.0.113.9 LEN=60 TTL=1 ID=1 PROTO=UDP SPT=1234 DPT=53 LEN=40 ]",
		4100, "srcip=198.51.100.7 dstip=192.0.2.7 protocol=ICMP action=ALLOW id=ipv4-FWD-filter-20"},
	{"Jan  2 03:04:05 web1 kernel: iptables denied: IN=eth0 OUT= MAC=02:00 SRC=2001:db8::7 DST=2001:db8::1 LEN=80 TC=0 HOPLIMIT=57 FLOWLBL=0 PROTO=UDP SPT=53 DPT=4711 LEN=40",
		4101, "srcip=2001:db8::7 dstip=2001:db8::1 srcport=53 dstport=4711 protocol=UDP action=DROP"},
	{"189: *Mar  1 18:46:11.123 UTC: %SEC-6-IPACCESSLOGP: list X denied tcp 198.51.100.7(2179) (GigabitEthernet0/0 0200.0000.0001) -> 192.0.2.1(22), 1 packet",
		4101, "srcip=198.51.100.7 dstip=192.0.2.1 srcport=2179 dstport=22 protocol=tcp action=DROP id=%SEC-6-IPACCESSLOGP"},
	{"189: *Mar  1 18:46:11.123 UTC: %SEC-6-IPACCESSLOGDP: list X permitted icmp 198.51.100.7 -> 192.0.2.7 (8/0), 1 packet",
		4100, "srcip=198.51.100.7 dstip=192.0.2.7 protocol=icmp action=ALLOW id=%SEC-6-IPACCESSLOGDP"},
	{"189: *Mar  1 18:46:11.123 UTC: %SEC-6-IPACCESSLOGS: list 10 denied 198.51.100.7 1 packet", 4101, "srcip=198.51.100.7 action=DROP id=%SEC-6-IPACCESSLOGS"},
	{"189: *Mar  1 18:46:11.123 UTC: %SEC_LOGIN-4-LOGIN_FAILED: Login failed [user: x] [Source: 192.0.2.99] [localport: 1]] [Source: 198.51.100.7] [localport: 22] [Reason: x] at 18:46",
		4724, "dstuser=x] [Source: 192.0.2.99] [localport: 1] srcip=198.51.100.7 dstport=22 id=%SEC_LOGIN-4-LOGIN_FAILED"},
	{"%IPS-4-SIGNATURE: Sig:2004 Subsig:0 Sev:25 ICMP Echo Req [2001:db8::7:80 -> 192.0.2.7:81]", 4734, "srcip=2001:db8::7 dstip=192.0.2.7 srcport=80 dstport=81 id=%IPS-4-SIGNATURE"},
	{"%SYS-5-CONFIG_I: Configured from console by ann on vty0 (198.51.100.7)", 4721, "dstuser=ann srcip=198.51.100.7 id=%SYS-5-CONFIG_I"},
	{"%PARSER-5-CFGLOG_LOGGEDCMD: User:ann  logged command:no logging host 192.0.2.9", 4732, "dstuser=ann id=%PARSER-5-CFGLOG_LOGGEDCMD extra_data=no logging host 192.0.2.9"},
	{`%ASA-4-106023: Deny tcp src outside:198.51.100.7/4711(LOCAL\ann) dst inside:192.0.2.7/22 by access-group "x" [0x0, 0x0]`,
		4101, "srcip=198.51.100.7 dstip=192.0.2.7 srcport=4711 dstport=22 protocol=tcp action=DROP id=4-106023"},
	{`%ASA-4-106023: Deny protocol 47 src outside:2001:db8::7 dst inside:2001:db8::1 by access-group "x" [0x0, 0x0]`,
		4101, "srcip=2001:db8::7 dstip=2001:db8::1 protocol=47 action=DROP id=4-106023"},
	{"%ASA-2-106001: Inbound TCP connection denied from 198.51.100.7/4711 to 192.0.2.7/22 flags SYN  on interface outside",
		4101, "srcip=198.51.100.7 dstip=192.0.2.7 srcport=4711 dstport=22 protocol=TCP action=DROP id=2-106001"},
	{"%ASA-6-106015: Deny TCP (no connection) from 198.51.100.7/4711 to 192.0.2.7/22 flags RST  on interface outside",
		4101, "srcip=198.51.100.7 dstip=192.0.2.7 srcport=4711 dstport=22 protocol=TCP action=DROP id=6-106015"},
	{"%ASA-6-106100: access-list x permitted udp outside/2001:db8::7(4711)(LOCAL\\ann) -> inside/2001:db8::1(53) hit-cnt 1 first hit [0x0, 0x0]",
		4100, "srcip=2001:db8::7 dstip=2001:db8::1 srcport=4711 dstport=53 protocol=udp action=ALLOW id=6-106100"},
	{"%ASA-3-710003: TCP access denied by ACL from 2001:db8::7/4711 to outside:2001:db8::1/22",
		4101, "srcip=2001:db8::7 dstip=2001:db8::1 srcport=4711 dstport=22 protocol=TCP action=DROP id=3-710003"},
	{"%ASA-7-710005: UDP request discarded from 198.51.100.7/4711 to outside:192.0.2.255/netbios-ns",
		4101, "srcip=198.51.100.7 dstip=192.0.2.255 srcport=4711 dstport=netbios-ns protocol=UDP action=DROP id=7-710005"},
	{"%ASA-3-106011: Deny inbound (No xlate) udp src outside:198.51.100.7/137 dst outside:192.0.2.7/137",
		4101, "srcip=198.51.100.7 dstip=192.0.2.7 srcport=137 dstport=137 protocol=udp action=DROP id=3-106011"},
	{"%PIX-4-400013 IDS:2003 ICMP redirect from 198.51.100.7 to 192.0.2.7 on interface dmz", 4333, "srcip=198.51.100.7 dstip=192.0.2.7 id=4-400013"},
	{"%FTD-1-430003: EventPriority: Low, AccessControlRuleAction: Block with reset, SrcIP: 198.51.100.7, DstIP: 192.0.2.7, SrcPort: 4711, DstPort: 22, Protocol: tcp, IngressInterface: outside",
		4101, "srcip=198.51.100.7 dstip=192.0.2.7 srcport=4711 dstport=22 protocol=tcp action=DROP id=1-430003"},
	{"%ASA-6-302013: Built outbound TCP connection 7 for outside:203.0.113.9/443 (203.0.113.9/443) to inside:192.0.2.7/50000 (198.51.100.1/50000)",
		4314, "srcip=192.0.2.7 dstip=203.0.113.9 srcport=50000 dstport=443 protocol=TCP action=Built id=6-302013"},
	{"%ASA-6-302014: Teardown TCP connection 7 for outside:203.0.113.9/443 to inside:192.0.2.7/50000 duration 0:00:30 bytes 4711 TCP FINs",
		4314, "srcip=203.0.113.9 dstip=192.0.2.7 srcport=443 dstport=50000 protocol=TCP action=Teardown id=6-302014"},
	{`%ASA-6-605004: Login denied from 198.51.100.7/4711 to outside:192.0.2.1/ssh for user "x" from 192.0.2.99/1"`,
		4321, `dstuser=x" from 192.0.2.99/1 srcip=198.51.100.7 srcport=4711 action=denied id=6-605004`},
	{"%ASA-6-113005: AAA user authentication Rejected : reason = AAA failure : server = 192.0.2.9 : user = x : user IP = 192.0.2.99 : user IP = 198.51.100.7",
		4334, "dstuser=x : user IP = 192.0.2.99 srcip=198.51.100.7 id=6-113005"},
	{"%ASA-5-111010: User 'ann', running 'CLI' from IP 198.51.100.7, executed 'no logging enable'", 4341, "dstuser=ann srcip=198.51.100.7 id=5-111010 extra_data=no logging enable"},
	{"%ASA-4-733101: Host 198.51.100.7 is attacking. Current burst rate is 200 per second", 4343, "srcip=198.51.100.7 id=4-733101"},
}

// TestAppliances judges as the daemon does, which names actions: that is what drops are counted by.
func TestAppliances(t *testing.T) {
	engine := analysis.New(load(t), analysis.Options{NameActions: true, LogLevel: 1, MailLevel: 7})
	for i, c := range packets {
		ev := &event.Event{ID: event.ID{Agent: "192.0.2.1", Seq: uint64(i)}, Location: "192.0.2.1", Text: c.text}
		v, err := engine.Analyze(ev, analysis.NewMemory(0))
		if err != nil {
			t.Fatal(err)
		}
		var fields []string
		for f := range event.NumFields {
			if value, ok := v.Decoded.Get(f); ok {
				fields = append(fields, fmt.Sprintf("%s=%s", f, value))
			}
		}
		if v.Rule == nil || v.Rule.ID != c.rule || strings.Join(fields, " ") != c.fields {
			t.Errorf("%s:\nrule %v %s\nwant %d %s", c.text, v.Rule, strings.Join(fields, " "), c.rule, c.fields)
		}
	}
}
