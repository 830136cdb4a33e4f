package config

import (
	"os"
	"os/exec"
	"path/filepath"

	"github.com/yagura-hids/yagura/agent/logcollector"
	"github.com/yagura-hids/yagura/agent/syscheck"
)

// defaults fills in the parts that no file spoke of. rootcheck's is its zero value.
func (r *reader) defaults() {
	for _, name := range []string{"localfile", "syscheck", "rootcheck"} {
		if !r.spoken[name] {
			r.config.BuiltIn = append(r.config.BuiltIn, name)
		}
	}
	if !r.spoken["localfile"] {
		r.config.Sources = defaultSources(r.host)
	}
	if !r.spoken["syscheck"] {
		r.config.Syscheck = defaultSyscheck(r)
	}
}

// journalled are the logs that a syslog daemon writes from what the journal holds, too: following both would double every alert.
var journalled = []string{
	"/var/log/auth.log", "/var/log/secure", "/var/log/syslog", "/var/log/messages", "/var/log/kern.log", "/var/log/cron", "/var/log/maillog",
	"/var/log/mail.log", "/var/log/security", "/var/log/system.log", "/var/log/install.log", // the last three are FreeBSD's and macOS's
}

// ownLogs are logs that programs write themselves, by format.
var ownLogs = []struct{ pattern, format string }{
	{"/var/log/apache2/*access*.log", "apache"}, {"/var/log/apache2/*error*.log", "apache"}, {"/var/log/httpd/*access_log", "apache"},
	{"/var/log/httpd/*error_log", "apache"}, {"/var/log/httpd-*.log", "apache"}, {"/var/log/nginx/*access*.log", "apache"},
	{"/var/log/nginx/*error*.log", "apache"},
	{"/var/log/dpkg.log", "syslog"}, {"/var/log/dnf.log", "syslog"}, {"/var/log/yum.log", "syslog"}, {"/var/log/vsftpd.log", "syslog"},
	{"/var/log/proftpd/proftpd.log", "syslog"}, {"/var/log/squid/access.log", "squid"}, {"/var/log/fail2ban.log", "syslog"},
}

// defaultSources returns the logs to follow where no configuration names any: the journal or, where none is written, the files of the syslog
// daemon; and the logs of web servers and the like, those that are there. On Windows, three event channels.
func defaultSources(host Host) []logcollector.Source {
	if host.System == "windows" {
		return []logcollector.Source{
			{Location: "Application", Format: "eventchannel"}, {Location: "Security", Format: "eventchannel"}, {Location: "System", Format: "eventchannel"},
		}
	}
	root := filepath.Join("/", host.Root)
	var list []logcollector.Source
	if hasJournal(root) {
		list = append(list, logcollector.Source{Location: "all", Format: "journald"})
	} else {
		for _, path := range journalled {
			if name := filepath.Join(root, path); isFile(name) {
				list = append(list, logcollector.Source{Location: name, Format: "syslog"})
			}
		}
	}
	for _, l := range ownLogs {
		name := filepath.Join(root, l.pattern)
		if found, err := filepath.Glob(name); err == nil && len(found) > 0 {
			list = append(list, logcollector.Source{Location: name, Format: l.format})
		}
	}
	return list
}

// hasJournal tells whether journald runs and there is a program to read its journal with.
func hasJournal(root string) bool {
	if _, err := os.Stat(filepath.Join(root, "/run/systemd/journal/socket")); err != nil {
		return false
	}
	_, err := exec.LookPath("journalctl")
	return err == nil
}

func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

// compared is what the built-in default compares: one hash is enough to see a change.
const compared = syscheck.Size | syscheck.Permissions | syscheck.Owner | syscheck.Group | syscheck.SHA256

// place is one directory of the built-in default, and what lies directly in it or also below.
type place struct {
	path, restrict string
	realtime, flat bool
}

// watched are the directories of the built-in default: what is run, what says who may enter, and what starts by itself.
var watched = map[string][]place{
	"linux": {
		{path: "/etc", realtime: true}, {path: "/bin"}, {path: "/sbin"}, {path: "/usr/bin"}, {path: "/usr/sbin"}, {path: "/usr/local/bin"},
		{path: "/usr/local/sbin"}, {path: "/boot"}, {path: "/usr/lib/systemd/system"}, {path: "/usr/lib/*/security"},
		{path: "/usr/lib64/security"}, {path: "/var/spool/cron", realtime: true},
		{path: "/root/.ssh", realtime: true}, {path: "/home/*/.ssh", realtime: true},
	},
	"freebsd": {
		{path: "/etc"}, {path: "/usr/local/etc"}, {path: "/bin"}, {path: "/sbin"}, {path: "/usr/bin"}, {path: "/usr/sbin"}, {path: "/usr/local/bin"},
		{path: "/usr/local/sbin"}, {path: "/boot"}, {path: "/var/cron/tabs"}, {path: "/root/.ssh"}, {path: "/home/*/.ssh"}, {path: "/usr/home/*/.ssh"},
	},
	"darwin": {
		{path: "/private/etc"}, {path: "/bin"}, {path: "/sbin"}, {path: "/usr/bin"}, {path: "/usr/sbin"}, {path: "/usr/local/bin"},
		{path: "/Library/LaunchAgents"}, {path: "/Library/LaunchDaemons"}, {path: "/Users/*/Library/LaunchAgents"},
		{path: "/Library/Security/SecurityAgentPlugins"}, {path: "/var/at/tabs"}, {path: "/var/root/.ssh"}, {path: "/Users/*/.ssh"},
	},
	"windows": {
		{path: `%WINDIR%\System32`, restrict: `.exe$|.com$`, flat: true}, {path: `%WINDIR%\SysWOW64`, restrict: `.exe$|.com$`, flat: true},
		{path: `%WINDIR%\System32\drivers\etc`, realtime: true}, {path: `%WINDIR%\System32\drivers`, restrict: `.sys$`},
		{path: `%WINDIR%\System32\WindowsPowerShell`, restrict: `.exe$|.ps1$|.psm1$`}, {path: `%WINDIR%\System32\GroupPolicy`},
		{path: `%WINDIR%\System32\Tasks`, realtime: true}, {path: `%WINDIR%`, restrict: `.exe$|.ini$`, flat: true},
		{path: `%PROGRAMDATA%\Microsoft\Windows\Start Menu\Programs\Startup`, realtime: true},
	},
}

// passedOver are paths that change without anybody's doing, on any system, and what editors and packagers leave for a while.
var passedOver = []syscheck.Match{
	{Text: "/etc/mtab"}, {Text: "/etc/adjtime"}, {Text: "/etc/random-seed"}, {Text: "/etc/cups/certs"}, {Text: "/etc/cups/subscriptions.conf"},
	{Text: "/private/etc/cups/certs"}, {Text: `.swp$|.swx$|~$|.dpkg-new$|.dpkg-tmp$|.rpmnew$|.lock$`, Pattern: true},
}

// secret are files whose contents are nobody's business, should somebody ask for differences.
var secret = []syscheck.Match{
	{Text: `/shadow|/gshadow|/opasswd|/master.passwd|/spwd.db|/ssl/private/|/.ssh/id_|/ssh_host_|.key$|.pem$|/krb5.keytab`, Pattern: true},
}

func defaultSyscheck(r *reader) syscheck.Config {
	c := syscheck.Config{SkipNFS: true, Packages: true, Schedule: syscheck.Schedule{At: -1, OnStart: true}, NoDiff: secret}
	for _, p := range watched[r.host.System] {
		d := syscheck.Directory{Path: r.expand(p.path), Check: compared, Realtime: p.realtime, Restrict: p.restrict, Recursion: -1}
		if p.flat {
			d.Recursion = 0
		}
		c.Directories = append(c.Directories, d)
	}
	if r.host.System != "windows" {
		c.Ignore = passedOver
		return c
	}
	c.Ignore = []syscheck.Match{{Text: `.log$|.etl$|.evtx$|.tmp$|.pf$|.regtrans-ms$|.blf$`, Pattern: true}}
	for _, key := range registryKeys {
		c.Registry = append(c.Registry, syscheck.Registry{Key: `HKEY_LOCAL_MACHINE\` + key, Bits: 64})
	}
	for _, key := range registryTwice {
		for _, bits := range []int{32, 64} {
			c.Registry = append(c.Registry, syscheck.Registry{Key: `HKEY_LOCAL_MACHINE\Software\` + key, Bits: bits})
		}
	}
	c.RegistryIgnore = []syscheck.Match{{Text: registryNoise, Pattern: true}}
	return c
}

// Keys by which programs are started, loaded in place of others, or kept from being stopped. registryTwice are those that 32-bit programs
// have of their own.
var (
	registryKeys = []string{
		`System\CurrentControlSet\Services`, `System\CurrentControlSet\Control\Lsa`, `System\CurrentControlSet\Control\SafeBoot`,
		`System\CurrentControlSet\Control\SecurityProviders`, `System\CurrentControlSet\Control\NetworkProvider\Order`,
		`System\CurrentControlSet\Control\Session Manager\KnownDLLs`, `System\CurrentControlSet\Control\Session Manager\AppCertDlls`,
		`System\CurrentControlSet\Control\Print\Monitors`, `System\CurrentControlSet\Control\Terminal Server\WinStations\RDP-Tcp`,
	}
	registryTwice = []string{
		`Microsoft\Windows\CurrentVersion\Run`, `Microsoft\Windows\CurrentVersion\RunOnce`, `Microsoft\Windows\CurrentVersion\RunOnceEx`,
		`Microsoft\Windows\CurrentVersion\Policies`, `Microsoft\Windows\CurrentVersion\ShellServiceObjectDelayLoad`,
		`Microsoft\Windows NT\CurrentVersion\Winlogon`, `Microsoft\Windows NT\CurrentVersion\Windows`,
		`Microsoft\Windows NT\CurrentVersion\Image File Execution Options`, `Microsoft\Windows NT\CurrentVersion\SilentProcessExit`,
		`Microsoft\Active Setup\Installed Components`, `Policies`,
		`Classes\exefile\shell`, `Classes\batfile\shell`, `Classes\cmdfile\shell`, `Classes\comfile\shell`, `Classes\piffile\shell`,
	}
	registryNoise = `\Enum$|\Enum\|\bam\State|\W32Time\SecureTimeLimits|\Tcpip\Parameters|\Tcpip6\Parameters|\Dhcp\|\PerfLogs|\Performance$|\Diag\`
)
