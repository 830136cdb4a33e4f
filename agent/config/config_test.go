package config_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/yagura-hids/yagura/agent/config"
	"github.com/yagura-hids/yagura/agent/logcollector"
	"github.com/yagura-hids/yagura/agent/rootcheck"
	"github.com/yagura-hids/yagura/agent/syscheck"
)

var web1 = config.Host{System: "linux", Name: "web1", OS: []string{"linux/arm64 Debian GNU/Linux 12", "Linux 6.1.0"}}

const every = syscheck.MD5 | syscheck.SHA1 | syscheck.SHA256 | syscheck.Size | syscheck.Permissions | syscheck.Owner | syscheck.Group

// agent is of the shape that OSSEC's installer writes for an agent, with what its sample file shows besides.
const agent = `<!-- OSSEC -->
<ossec_config>
  <client>
    <server-ip>192.0.2.1</server-ip>
    <server-hostname>hids.example.org</server-hostname>
    <port>1514</port>
    <config-profile>web, frankfurt</config-profile>
    <notify_time>300</notify_time>
    <uplink>kinesis:hids</uplink>
    <region>eu-central-1</region>
    <central>/yagura/agents/</central>
    <spool_size>64MiB</spool_size>
  </client>
  <syscheck>
    <frequency>79200</frequency>
    <directories check_all="yes">/etc,/usr/bin,/usr/sbin</directories>
    <directories realtime="yes" report_changes="yes" check_all="yes" check_sha1sum="no" restrict=".conf$|^/srv">/srv/www, /etc/,/opt</directories>
    <directories check_size="yes" no_recurse="yes">/boot</directories>
    <ignore>/etc/mtab</ignore>
    <ignore type="sregex">.log$|.swp$</ignore>
    <nodiff>/etc/ssl/private.key</nodiff>
    <scan_day>!weekends</scan_day>
    <scan_time>8:30 pm</scan_time>
    <scan_on_start>no</scan_on_start>
    <auto_ignore>no</auto_ignore>
    <skip_nfs>yes</skip_nfs>
    <packages>no</packages>
    <prefilter_cmd>/usr/sbin/prelink -y</prefilter_cmd>
    <cpu>20</cpu>
    <rate>5MB</rate>
  </syscheck>
  <rootcheck>
    <rootkit_files>/var/ossec/etc/shared/rootkit_files.txt</rootkit_files>
    <rootkit_trojans>/var/ossec/etc/shared/rootkit_trojans.txt</rootkit_trojans>
    <system_audit>/var/ossec/etc/shared/cis_debian_linux_rcl.txt</system_audit>
    <system_audit>/var/ossec/etc/shared/system_audit_ssh.txt</system_audit>
    <frequency>36000</frequency>
    <check_ports>no</check_ports>
    <check_pids>yes</check_pids>
    <ignore>/var/lib/docker</ignore>
  </rootcheck>
  <active-response><disabled>yes</disabled></active-response>
  <localfile>
    <log_format>syslog</log_format>
    <location>/var/log/messages</location>
  </localfile>
  <localfile>
    <log_format>command</log_format>
    <command>df -P</command>
    <frequency>360</frequency>
  </localfile>
  <localfile>
    <log_format>full_command</log_format>
    <command>last -n 5</command>
    <alias>logins</alias>
    <frequency>daily</frequency>
  </localfile>
  <localfile><log_format>eventlog</log_format><location>Security</location></localfile>
  <localfile><log_format>apache</log_format><location>/var/log/messages</location></localfile>
</ossec_config>
`

func TestParseOSSEC(t *testing.T) {
	got, err := config.Parse(web1, config.Text{Name: "ossec.conf", Source: []byte(agent)})
	if err != nil {
		t.Fatal(err)
	}
	dir := func(path string, check syscheck.Check) syscheck.Directory {
		return syscheck.Directory{Path: path, Check: check, Recursion: -1}
	}
	live := func(path string) syscheck.Directory {
		return syscheck.Directory{Path: path, Check: every &^ syscheck.SHA1, Recursion: -1, Realtime: true, ReportChanges: true, Restrict: ".conf$|^/srv"}
	}
	want := &config.Config{
		Client: config.Client{
			Uplink: "kinesis:hids", Region: "eu-central-1", Profiles: []string{"web", "frankfurt"}, Central: "/yagura/agents",
			Heartbeat: 5 * time.Minute, SpoolSize: 64 << 20, Labels: map[string]string{},
		},
		Sources: []logcollector.Source{
			{Location: "/var/log/messages", Format: "syslog"},
			{Format: "command", Command: "df -P", Every: 6 * time.Minute},
			{Format: "full_command", Command: "last -n 5", Alias: "logins", Every: 24 * time.Hour},
		},
		Syscheck: syscheck.Config{
			Directories: []syscheck.Directory{
				dir("/etc", every), dir("/usr/bin", every), dir("/usr/sbin", every), live("/srv/www"), live("/opt"),
				{Path: "/boot", Check: syscheck.SHA256 | syscheck.Size},
			},
			Ignore:  []syscheck.Match{{Text: "/etc/mtab"}, {Text: ".log$|.swp$", Pattern: true}},
			NoDiff:  []syscheck.Match{{Text: "/etc/ssl/private.key"}},
			SkipNFS: true, Prefilter: []string{"/usr/sbin/prelink", "-y"}, CPU: 20, Rate: 5_000_000,
			Schedule: syscheck.Schedule{Every: 22 * time.Hour, At: 20*time.Hour + 30*time.Minute, Days: [7]bool{1: true, 2: true, 3: true, 4: true, 5: true}},
		},
		Rootcheck: rootcheck.Config{
			Files: []string{"/var/ossec/etc/shared/rootkit_files.txt"}, Trojans: []string{"/var/ossec/etc/shared/rootkit_trojans.txt"},
			Audits: []string{"/var/ossec/etc/shared/cis_debian_linux_rcl.txt", "/var/ossec/etc/shared/system_audit_ssh.txt"},
			Every:  10 * time.Hour, Off: rootcheck.Ports, Ignore: []string{"/var/lib/docker"},
		},
		Unused: []string{"client <server-ip>", "client <server-hostname>", "client <port>", "syscheck <auto_ignore>", "active-response"},
		Notes: []string{
			"ossec.conf:17:5: directory /etc is listed twice; the first one counts",
			"ossec.conf:58:3: localfile Security (log_format eventlog) is not of this system",
			"ossec.conf:59:3: localfile /var/log/messages is listed twice; the first one counts",
		},
		Hash: got.Hash,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// wazuh is of the shape that Wazuh's packages write for an agent.
const wazuh = `<ossec_config>
  <client>
    <server><address>192.0.2.1</address><port>1514</port><protocol>tcp</protocol></server>
    <config-profile>debian, debian12</config-profile>
    <crypto_method>aes</crypto_method>
  </client>
  <client_buffer><disabled>no</disabled><queue_size>5000</queue_size></client_buffer>
  <rootcheck>
    <disabled>no</disabled>
    <check_files>yes</check_files>
    <rootkit_files>etc/shared/rootkit_files.txt</rootkit_files>
    <skip_nfs>yes</skip_nfs>
    <ignore type="sregex">^/proc</ignore>
  </rootcheck>
  <wodle name="syscollector"><disabled>no</disabled></wodle>
  <sca><enabled>yes</enabled></sca>
  <syscheck>
    <disabled>no</disabled>
    <frequency>43200</frequency>
    <directories>/etc,/usr/bin</directories>
    <directories whodata="yes" recursion_level="3" tags="web" follow_symbolic_link="yes">/var/www</directories>
    <directories check_all="yes" check_mtime="yes" check_inode="yes">/bin</directories>
    <skip_sys>yes</skip_sys>
    <synchronization><enabled>yes</enabled></synchronization>
  </syscheck>
  <labels><label key="aws.zone">eu-central-1a</label><label key="team" hidden="yes">blue</label></labels>
  <localfile><log_format>journald</log_format><location>journald</location><filter field="PRIORITY">[0-3]</filter></localfile>
  <localfile><log_format>multi-line: 3</log_format><location>/var/log/app.log</location></localfile>
  <localfile><log_format>multi-line-regex</log_format><location>/var/log/java.log</location><multiline_regex>^x</multiline_regex></localfile>
</ossec_config>
<ossec_config>
  <localfile><log_format>syslog</log_format><location>/var/log/dpkg.log</location><only-future-events>yes</only-future-events></localfile>
</ossec_config>
`

func TestParseWazuh(t *testing.T) {
	got, err := config.Parse(web1, config.Text{Name: "/var/ossec/etc/ossec.conf", Source: []byte(wazuh)})
	if err != nil {
		t.Fatal(err)
	}
	want := &config.Config{
		Client: config.Client{Profiles: []string{"debian", "debian12"}, Labels: map[string]string{"aws.zone": "eu-central-1a", "team": "blue"}},
		Sources: []logcollector.Source{
			{Location: "all", Format: "journald"}, {Location: "/var/log/app.log", Format: "multi-line: 3"},
			{Location: "/var/log/dpkg.log", Format: "syslog", Future: true},
		},
		Syscheck: syscheck.Config{
			Directories: []syscheck.Directory{
				{Path: "/etc", Check: every, Recursion: -1}, {Path: "/usr/bin", Check: every, Recursion: -1},
				{Path: "/var/www", Check: every, Recursion: 3, WhoData: true, FollowLinks: true},
				{Path: "/bin", Check: every | syscheck.MTime | syscheck.Inode, Recursion: -1},
			},
			Packages: true, Schedule: syscheck.Schedule{Every: 12 * time.Hour, At: -1, OnStart: true},
		},
		Rootcheck: rootcheck.Config{Files: []string{"/var/ossec/etc/shared/rootkit_files.txt"}, SkipNFS: true},
		Unused: []string{
			"client <server>", "client <crypto_method>", "client_buffer", "rootcheck <ignore type=>", "wodle", "sca", "directories tags=",
			"syscheck <skip_sys>", "syscheck <synchronization>", "label hidden=", "localfile <filter>", "localfile <multiline_regex>",
			"localfile /var/log/java.log (log_format multi-line-regex)",
		},
		Hash: got.Hash,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// windows is of the shape that OSSEC's Windows installer writes.
const windows = `<ossec_config>
  <localfile><location>Application</location><log_format>eventlog</log_format></localfile>
  <localfile><location>Security</location><log_format>eventchannel</log_format><query>Event/System[EventID != 5156]</query></localfile>
  <localfile><location>%YAGURA_TEST%\LogFiles\W3SVC1\ex%y%m%d.log</location><log_format>iis</log_format></localfile>
  <localfile><location>active-response/active-responses.log</location><log_format>syslog</log_format></localfile>
  <syscheck>
    <frequency>72000</frequency>
    <directories check_all="yes">%YAGURA_TEST%/win.ini,%YAGURA_TEST%\System32\cmd.exe, C:\boot.ini</directories>
    <directories check_all="yes">c:\BOOT.ini</directories>
    <directories check_all="yes">/etc</directories>
    <ignore>%YAGURA_TEST%\System32\LogFiles</ignore>
    <windows_registry>HKEY_LOCAL_MACHINE\Software\Policies</windows_registry>
    <windows_registry arch="both" report_changes="yes">HKEY_LOCAL_MACHINE\Software\Microsoft\Windows\CurrentVersion\Run</windows_registry>
    <registry_ignore>HKEY_LOCAL_MACHINE\Security\SAM\Domains\Account\Users</registry_ignore>
    <registry_ignore type="sregex">\Enum$</registry_ignore>
  </syscheck>
  <rootcheck>
    <windows_audit>./shared/win_audit_rcl.txt</windows_audit>
    <windows_apps>./shared/win_applications_rcl.txt</windows_apps>
    <windows_malware>./shared/win_malware_rcl.txt</windows_malware>
  </rootcheck>
</ossec_config>`

func TestParseWindows(t *testing.T) {
	t.Setenv("YAGURA_TEST", `C:\Windows`)
	got, err := config.Parse(config.Host{System: "windows", Name: "dc1"}, config.Text{Name: "C:/ossec/ossec.conf", Source: []byte(windows)})
	if err != nil {
		t.Fatal(err)
	}
	dir := func(path string) syscheck.Directory {
		return syscheck.Directory{Path: path, Check: every, Recursion: -1}
	}
	const run = `HKEY_LOCAL_MACHINE\Software\Microsoft\Windows\CurrentVersion\Run`
	want := &config.Config{
		Client: config.Client{Labels: map[string]string{}},
		Sources: []logcollector.Source{
			{Location: "Application", Format: "eventlog"}, {Location: "Security", Format: "eventchannel", Query: "Event/System[EventID != 5156]"},
			{Location: `C:\Windows\LogFiles\W3SVC1\ex%y%m%d.log`, Format: "iis"},
			{Location: "C:/ossec/active-response/active-responses.log", Format: "syslog"},
		},
		Syscheck: syscheck.Config{
			Directories:    []syscheck.Directory{dir(`C:\Windows/win.ini`), dir(`C:\Windows\System32\cmd.exe`), dir(`C:\boot.ini`)},
			Ignore:         []syscheck.Match{{Text: `C:\Windows\System32\LogFiles`}},
			Registry:       []syscheck.Registry{{Key: `HKEY_LOCAL_MACHINE\Software\Policies`, Bits: 32}, {Key: run, Bits: 32, ReportChanges: true}, {Key: run, Bits: 64, ReportChanges: true}},
			RegistryIgnore: []syscheck.Match{{Text: `HKEY_LOCAL_MACHINE\Security\SAM\Domains\Account\Users`}, {Text: `\Enum$`, Pattern: true}},
			Packages:       true, Schedule: syscheck.Schedule{Every: 20 * time.Hour, At: -1, OnStart: true},
		},
		Rootcheck: rootcheck.Config{
			WindowsAudits: []string{"C:/ossec/shared/win_audit_rcl.txt"}, WindowsApps: []string{"C:/ossec/shared/win_applications_rcl.txt"},
			WindowsMalware: []string{"C:/ossec/shared/win_malware_rcl.txt"},
		},
		Notes: []string{
			`C:/ossec/ossec.conf:9:5: directory c:\boot.ini is listed twice; the first one counts`,
			`C:/ossec/ossec.conf:10:5: directory /etc is not of this system`,
		},
		Hash: got.Hash,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Blocks are for hosts that fit all their attributes.
func TestSelection(t *testing.T) {
	local := config.Text{Name: "ossec.conf", Source: []byte(`<ossec_config><client><config-profile>web, db</config-profile></client></ossec_config>`)}
	for attrs, want := range map[string]bool{
		"": true, `name="WEB"`: true, `name="^web1$"`: true, `name="^eb1"`: false, `name="db1|web1"`: true, `os="linux"`: true, `os="Windows"`: false,
		`os="^Linux 6"`: true, `os="Debian" name="web"`: true, `os="Debian" name="db"`: false, `profile="web"`: true, `profile="^db$"`: true,
		`profile="^web, db$"`: false, `profile="mail"`: false, `profile="db" overwrite="yes"`: true,
	} {
		text := "<agent_config " + attrs + "><localfile><log_format>syslog</log_format><location>/x</location></localfile></agent_config>"
		got, err := config.Parse(web1, local, config.Text{Name: "agent.conf", Source: []byte(text)})
		if err != nil {
			t.Fatalf("%s: %v", attrs, err)
		}
		if taken := len(got.Sources) == 1 && got.Sources[0].Location == "/x"; taken != want {
			t.Errorf("%s: taken %v", attrs, taken)
		}
	}
}

// What comes over the network adds to what is there. Its commands are run only where that is allowed; the rest of it counts.
func TestCentral(t *testing.T) {
	const central = `<agent_config>
  <localfile><log_format>full_command</log_format><command>id</command></localfile>
  <localfile><log_format>syslog</log_format><location>/var/log/app</location></localfile>
  <syscheck><prefilter_cmd>/bin/sh</prefilter_cmd><frequency>7200</frequency><directories check_all="yes">/srv</directories></syscheck>
</agent_config>`
	parse := func(client string) *config.Config {
		t.Helper()
		local := "<ossec_config><client>" + client + `</client><syscheck><frequency>60</frequency><directories check_all="yes">/etc</directories></syscheck>
			<localfile><log_format>command</log_format><command>df</command></localfile></ossec_config>`
		got, err := config.Parse(web1, config.Text{Name: "ossec.conf", Source: []byte(local)}, config.Text{Name: "central", Source: []byte(central), Central: true})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	got := parse("")
	if len(got.Sources) != 2 || got.Sources[1].Location != "/var/log/app" || got.Syscheck.Prefilter != nil {
		t.Errorf("%+v", got)
	}
	if got.Syscheck.Schedule.Every != 2*time.Hour || len(got.Syscheck.Directories) != 2 {
		t.Errorf("%+v", got.Syscheck)
	}
	if len(got.Notes) != 2 || !strings.HasPrefix(got.Notes[0], `central:2:3: localfile's command "id" of the central configuration is refused`) ||
		!strings.HasPrefix(got.Notes[1], `central:4:13: prefilter_cmd "/bin/sh"`) {
		t.Errorf("%q", got.Notes)
	}
	allowed := parse("<remote_commands>yes</remote_commands>")
	if len(allowed.Sources) != 3 || allowed.Syscheck.Prefilter == nil || allowed.Notes != nil {
		t.Errorf("%+v", allowed)
	}
	if allowed.Hash == got.Hash || len(got.Hash) != 12 {
		t.Errorf("hashes %s and %s", got.Hash, allowed.Hash)
	}
}

func TestRead(t *testing.T) {
	name := filepath.Join(t.TempDir(), "ossec.conf")
	if _, err := config.Read(web1, []string{name}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if err := os.WriteFile(name, []byte(agent), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := config.Read(web1, []string{name}, config.Text{Name: "central", Central: true})
	if err != nil || len(got.Sources) != 3 {
		t.Errorf("%+v, %v", got, err)
	}
}
