package config_test

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	agent "github.com/yagura-hids/yagura/agent/config"
	"github.com/yagura-hids/yagura/agent/relay/config"
	"github.com/yagura-hids/yagura/internal/osxml"
)

// whole uses all that there is, beside sections that belong to others.
const whole = `<!-- a server's -->
<ossec_config>
  <global><email_notification>yes</email_notification></global>
  <remote>
    <connection>secure</connection>
    <port>1614</port>
    <protocol>udp, tcp</protocol>
    <local_ip>192.0.2.1</local_ip>
    <crypto_accept>aes</crypto_accept>
    <queue_size>131072</queue_size>
  </remote>
  <remote>
    <connection>syslog</connection>
    <allowed-ips>192.0.2.0/24, 198.51.100.7</allowed-ips>
    <allowed-ips>203.0.113.0/255.255.255.0 2001:db8::/32</allowed-ips>
    <denied-ips>192.0.2.66</denied-ips>
    <ipv6>no</ipv6>
  </remote>
  <remote>
    <connection>syslog</connection>
    <port>6514</port>
    <protocol>tcp</protocol>
    <allowed-ips>any</allowed-ips>
    <tls_certificate>relay.pem</tls_certificate>
    <tls_key>/etc/ssl/relay.key</tls_key>
  </remote>
  <auth>
    <disabled>no</disabled>
    <port>1615</port>
    <use_source_ip>yes</use_source_ip>
    <use_password>yes</use_password>
    <purge>yes</purge>
    <ssl_manager_cert>sslmanager.cert</ssl_manager_cert>
    <ssl_manager_key>sslmanager.key</ssl_manager_key>
    <ssl_agent_ca>ca.pem</ssl_agent_ca>
  </auth>
  <client>
    <uplink>kinesis:hids</uplink>
    <region>eu-central-1</region>
    <spool_size>2GiB</spool_size>
    <gather>2</gather>
  </client>
  <relay>
    <name>relay-1</name>
    <fleet>dynamodb:hids-fleet</fleet>
    <health_port>1516</health_port>
    <strict_freshness>yes</strict_freshness>
  </relay>
  <syscheck><directories>of no concern here</directories></syscheck>
</ossec_config>`

var compare = cmp.Options{
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }), cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
}

func prefixes(list ...string) (out []netip.Prefix) {
	for _, p := range list {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

func TestWhole(t *testing.T) {
	file := filepath.Join(t.TempDir(), "relay.conf")
	if err := os.WriteFile(file, []byte(whole), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := config.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(file)
	want := &config.Config{
		Remotes: []config.Remote{
			{UDP: true, TCP: true, Port: 1614, Address: netip.MustParseAddr("192.0.2.1"), Ciphers: config.AES},
			{
				Syslog: true, UDP: true, Port: 514, Address: netip.IPv4Unspecified(), Ciphers: config.Both,
				Allowed: prefixes("192.0.2.0/24", "198.51.100.7/32", "203.0.113.0/24", "2001:db8::/32"), Denied: prefixes("192.0.2.66/32"),
			},
			{
				Syslog: true, TCP: true, Port: 6514, Ciphers: config.Both, Allowed: prefixes("0.0.0.0/0", "::/0"),
				Certificate: filepath.Join(dir, "relay.pem"), Key: "/etc/ssl/relay.key",
			},
		},
		Auth: config.Auth{
			Enabled: true, Port: 1615, UseSourceIP: true, Password: "file:" + filepath.Join(dir, "authd.pass"),
			Certificate: filepath.Join(dir, "sslmanager.cert"), Key: filepath.Join(dir, "sslmanager.key"), CA: filepath.Join(dir, "ca.pem"),
		},
		Client: agent.Client{Uplink: "kinesis:hids", Region: "eu-central-1", SpoolSize: 2 << 30, Gather: 2 * time.Second},
		Relay:  config.Relay{Name: "relay-1", Fleet: "hids-fleet", HealthPort: 1516, StrictFreshness: true},
		Unused: []string{"remote <queue_size>", "auth <purge>"},
	}
	if diff := cmp.Diff(want, got, compare); diff != "" {
		t.Error(diff)
	}
	if got.Secure() != &got.Remotes[0] {
		t.Errorf("%+v is for agents", got.Secure())
	}
}

func parse(t *testing.T, text string) *config.Config {
	t.Helper()
	got, err := config.Parse("/var/ossec/etc/ossec.conf", []byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return got
}

// What is not said.
func TestDefaults(t *testing.T) {
	secure := config.Remote{UDP: true, TCP: true, Port: 1514, Ciphers: config.Both}
	for _, text := range []string{"", "<ossec_config/>", "<ossec_config><remote/></ossec_config>", "<ossec_config><remote><connection>secure</connection></remote></ossec_config>"} {
		want := &config.Config{Remotes: []config.Remote{secure}, Auth: config.Auth{Port: 1515}}
		if diff := cmp.Diff(want, parse(t, text), compare); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
	// Who listens to syslog alone wants no agents, and a server without <auth> has no authd.
	only := parse(t, "<ossec_config><remote><connection>syslog</connection><allowed-ips>192.0.2.1</allowed-ips></remote></ossec_config>")
	if len(only.Remotes) != 1 || only.Secure() != nil || only.Auth.Enabled {
		t.Errorf("%+v", only)
	}
	for text, want := range map[string]config.Auth{
		"":                                     {Enabled: true, Port: 1515, Password: "file:/var/ossec/etc/authd.pass"},
		"<disabled>yes</disabled>":             {Port: 1515, Password: "file:/var/ossec/etc/authd.pass"},
		"<use_password>no</use_password>":      {Enabled: true, Port: 1515},
		"<use_password>yes</use_password>":     {Enabled: true, Port: 1515, Password: "file:/var/ossec/etc/authd.pass"},
		"<password>file:secret</password>":     {Enabled: true, Port: 1515, Password: "file:/var/ossec/etc/secret"},
		"<password>ssm:/hids/enrol</password>": {Enabled: true, Port: 1515, Password: "ssm:/hids/enrol"},
	} {
		if got := parse(t, "<ossec_config><auth>"+text+"</auth></ossec_config>").Auth; got != want {
			t.Errorf("%s: %+v", text, got)
		}
	}
}

// Several blocks add up, as OSSEC has it.
func TestBlocks(t *testing.T) {
	got := parse(t, `<ossec_config><remote><connection>secure</connection><protocol>tcp</protocol></remote></ossec_config>
<ossec_config><remote><connection>syslog</connection><allowed-ips>::1</allowed-ips></remote><client><uplink>file:/x</uplink></client></ossec_config>`)
	if len(got.Remotes) != 2 || got.Remotes[0].UDP || !got.Remotes[0].TCP || !got.Remotes[1].Syslog || got.Client.Uplink != "file:/x" {
		t.Errorf("%+v", got)
	}
}

func TestFaults(t *testing.T) {
	syslog := func(more string) string {
		return "<remote><connection>syslog</connection><allowed-ips>192.0.2.1</allowed-ips>" + more + "</remote>"
	}
	for _, tt := range []struct{ in, want string }{
		{"<remote><connection>open</connection></remote>", `c:1:23: <connection> is "open": write secure or syslog`},
		{"<remote><port>0</port></remote>", `<port> is "0": write a number from 1 to 65535`},
		{"<remote><port>70000</port></remote>", `<port> is "70000"`},
		{"<remote><protocol>icmp</protocol></remote>", `<protocol> is "icmp"`},
		{"<remote><local_ip>here</local_ip></remote>", `<local_ip> is "here"`},
		{"<remote><ipv6>maybe</ipv6></remote>", `<ipv6> is "maybe": write yes or no`},
		{"<remote><crypto_accept>des</crypto_accept></remote>", `<crypto_accept> is "des"`},
		{"<remote><conn/></remote>", "c:1:23: remote: unknown element <conn>: known are allowed-ips, connection, "},
		{"<remote><tls_key>x</tls_key></remote>", "tls_certificate of agents"},
		{"<remote><connection>syslog</connection></remote>", "remote: syslog without allowed-ips"},
		{syslog("<protocol>udp,tcp</protocol>"), "syslog by udp and tcp at once: write a <remote> for each"},
		{syslog("<allowed-ips/>"), "<allowed-ips> is empty"},
		{syslog("<allowed-ips>192.0.2.0/33</allowed-ips>"), "/33 is no length of a network"},
		{syslog("<allowed-ips>192.0.2.0/255.0.255.0</allowed-ips>"), "/255.0.255.0 is no length"},
		{syslog("<denied-ips>router1</denied-ips>"), `"router1" is no address`},
		{syslog("<protocol>tcp</protocol><tls_certificate>x</tls_certificate>"), "only one of tls_certificate and tls_key"},
		{syslog("<tls_certificate>x</tls_certificate><tls_key>x</tls_key>"), "tls_certificate without tcp"},
		{"<remote/><remote/>", "c:1:24: remote: a second one for agents: one is enough"},
		{"<remote><port>514</port></remote>" + syslog(""), "remote: port 514 is listened to already"},
		{syslog("") + syslog("<local_ip>127.0.0.1</local_ip>"), "remote: port 514 is listened to already"},
		{"<auth><use_password>x</use_password></auth>", `<use_password> is "x"`},
		{"<auth><password>secret</password></auth>", `<password> is "secret": write where it is: file:/PATH, or ssm:NAME`},
		{"<auth><ssl_manager_cert>x</ssl_manager_cert></auth>", "only one of ssl_manager_cert and ssl_manager_key"},
		{"<auth><ssl_agent_ca/></auth>", "<ssl_agent_ca> is empty"},
		{"<auth><port>1514</port></auth>", "auth: port 1514 is a <remote>'s"},
		{"<relay><health_port>1514</health_port></relay>", "relay: health_port 1514 is a <remote>'s"},
		{"<auth/><relay><health_port>1515</health_port></relay>", "relay: health_port 1515 is <auth>'s"},
		{"<relay><fleet>fleet</fleet></relay>", `<fleet> is "fleet": write dynamodb:TABLE`},
		{"<relay><name>a b</name></relay>", `<name> is "a b"`},
		{"<relay><title>x</title></relay>", "relay: unknown element <title>: known are fleet, health_port, name, strict_freshness"},
		{"<client><uplink>stream</uplink></client>", `c:1:23: <uplink> is "stream"`},
		{"<remote>", "c:1:23: "},
	} {
		_, err := config.Parse("c", []byte("<ossec_config>"+tt.in+"</ossec_config>"))
		var faults *osxml.FaultError
		if !errors.As(err, &faults) || len(faults.Faults) != 1 || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s:\n got %v\nwant %s", tt.in, err, tt.want)
		}
	}
}

func TestNoConfiguration(t *testing.T) {
	if _, err := config.Parse("c", []byte("<relay><name>x</name></relay>")); err == nil || !strings.Contains(err.Error(), "c:1:1: <relay> is no configuration: write <ossec_config> around it") {
		t.Errorf("%v", err)
	}
}

// All faults come at once, in the order of their lines.
func TestAllFaults(t *testing.T) {
	_, err := config.Parse("c", []byte("<ossec_config>\n<relay><health_port>x</health_port></relay>\n<client><uplink>x</uplink></client>\n<auth><port>x</port></auth>\n<remote><port>x</port></remote></ossec_config>"))
	if err == nil {
		t.Fatal("no fault")
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 4 || !strings.HasPrefix(lines[0], "c:2:") || !strings.HasPrefix(lines[3], "c:5:") {
		t.Errorf("%v", err)
	}
}

func TestMany(t *testing.T) {
	text := "<remote><connection>secure</connection></remote>"
	for i := range 15 {
		text += "<remote><connection>syslog</connection><port>" + string(rune('1'+i/10)) + "0" + string(rune('0'+i%10)) + "</port><allowed-ips>any</allowed-ips></remote>"
	}
	if got := parse(t, "<ossec_config>"+text+"</ossec_config>"); len(got.Remotes) != config.MaxRemotes {
		t.Errorf("%d listeners", len(got.Remotes))
	}
	_, err := config.Parse("c", []byte("<ossec_config>"+text+"<remote><connection>syslog</connection><port>99</port><allowed-ips>any</allowed-ips></remote></ossec_config>"))
	if err == nil || !strings.Contains(err.Error(), "remote: more than 16") {
		t.Errorf("%v", err)
	}
}

func TestNoFile(t *testing.T) {
	if _, err := config.Read(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// Whatever the text is, it is taken, or refused with faults that have places; and what is taken can be listened to.
func FuzzParse(f *testing.F) {
	f.Add(whole)
	f.Add("<ossec_config><remote><allowed-ips>::ffff:192.0.2.1/120,any</allowed-ips></remote></ossec_config>")
	f.Add("<ossec_config><auth><disabled>yes</disabled></auth><relay/><remote/></ossec_config>")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := config.Parse("c", []byte(text))
		var faults *osxml.FaultError
		if err != nil {
			if !errors.As(err, &faults) || len(faults.Faults) == 0 || faults.Faults[0].Pos.File == "" {
				t.Fatalf("%v", err)
			}
			return
		}
		secure := 0
		for _, l := range got.Remotes {
			if !l.Syslog {
				secure++
			}
			if l.Port == 0 || !l.UDP && !l.TCP || l.Syslog && len(l.Allowed) == 0 || (l.Certificate == "") != (l.Key == "") {
				t.Errorf("%+v", l)
			}
			for _, p := range append(l.Allowed, l.Denied...) {
				if !p.IsValid() || p.Addr().Is4In6() || p.Masked() != p {
					t.Errorf("%v", p)
				}
			}
		}
		if secure > 1 || len(got.Remotes) == 0 || len(got.Remotes) > config.MaxRemotes || got.Auth.Port == 0 {
			t.Errorf("%+v", got)
		}
	})
}
