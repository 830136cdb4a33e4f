package local

import (
	"os"
	"os/exec"
	"path/filepath"

	"github.com/yagura-hids/yagura/agent/logcollector"
)

// journalled are the logs that a syslog daemon writes from what the journal holds, too: following both would double every alert.
var journalled = []string{
	"/var/log/auth.log", "/var/log/secure", "/var/log/syslog", "/var/log/messages", "/var/log/kern.log", "/var/log/cron", "/var/log/maillog",
	"/var/log/mail.log",
}

// ownLogs are logs that programs write themselves, by format.
var ownLogs = []struct{ pattern, format string }{
	{"/var/log/apache2/*access*.log", "apache"}, {"/var/log/apache2/*error*.log", "apache"}, {"/var/log/httpd/*access_log", "apache"},
	{"/var/log/httpd/*error_log", "apache"}, {"/var/log/nginx/*access*.log", "apache"}, {"/var/log/nginx/*error*.log", "apache"},
	{"/var/log/dpkg.log", "syslog"}, {"/var/log/dnf.log", "syslog"}, {"/var/log/yum.log", "syslog"}, {"/var/log/vsftpd.log", "syslog"},
	{"/var/log/proftpd/proftpd.log", "syslog"}, {"/var/log/squid/access.log", "squid"}, {"/var/log/fail2ban.log", "syslog"},
}

// DefaultSources returns the logs to follow on a machine that has no configuration: its journal or, where none is written, the files of
// its syslog daemon; and the logs of web servers and the like, those that are there. root is "/", or a folder laid out like it.
func DefaultSources(root string) []logcollector.Source {
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
