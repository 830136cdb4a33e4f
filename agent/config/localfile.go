package config

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/yagura-hids/yagura/agent/logcollector"
	"github.com/yagura-hids/yagura/internal/osxml"
)

// OSSEC's and Wazuh's words for log_format. "multi-line" takes a number behind a colon.
var (
	formats = []string{
		"syslog", "generic", "snort-fast", "apache", "iis", "squid", "syslog-pipe", "json", "journald", "command", "full_command",
		"multi-line_indented", "audit", "modsec-audit", "mysql_log", "postgresql_log", "mssql_log", "snort-full", "nmapg", "djb-multilog",
		"ossecalert", "eventlog", "eventchannel",
	}
	unread = []string{"multi-line-regex", "macos"}
)

func (r *reader) localfile(e *osxml.Element) {
	var s logcollector.Source
	for _, child := range e.Children {
		r.ofLocalfile(child, &s)
	}
	if s.Format == "journald" && (s.Location == "" || s.Location == "journald") { // the latter is Wazuh's way
		s.Location = "all"
	}
	command := s.Format == "command" || s.Format == "full_command"
	switch {
	case s.Format == "":
		r.faults.Add(e.Pos, "add <log_format>syslog</log_format>", "localfile without log_format")
	case slices.Contains(unread, s.Format):
		r.unused(strings.TrimSpace("localfile "+s.Location) + " (log_format " + s.Format + ")")
	case !slices.Contains(formats, s.Format) && !r.lines(e, &s):
		r.faults.Add(e.Pos, "write syslog for plain lines; others are "+strings.Join(formats[1:], ", ")+", multi-line:N",
			"localfile: unknown log_format %q", s.Format)
	case command && s.Command == "":
		r.faults.Add(e.Pos, "add <command>…</command>", "localfile of log_format %s without command", s.Format)
	case command && r.refused(e, "localfile's command", s.Command):
	case !command && s.Location == "":
		r.faults.Add(e.Pos, "add <location>/var/log/…</location>", "localfile without location")
	case r.elsewhere(&s):
		r.note(e.Pos, "localfile %s (log_format %s) is not of this system", s.Location, s.Format)
	case !command && !r.isPattern(e, s.Location):
	case r.first(e.Pos, "localfile", key(s)):
		r.config.Sources = append(r.config.Sources, s)
	}
}

func (r *reader) ofLocalfile(e *osxml.Element, s *logcollector.Source) {
	switch name := strings.ToLower(e.Name); name {
	case "location":
		s.Location = r.text(e)
	case "log_format":
		s.Format = strings.TrimSpace(e.Content)
	case "command":
		s.Command = strings.TrimSpace(e.Content)
	case "alias":
		s.Alias = strings.TrimSpace(e.Content)
	case "query":
		s.Query = strings.TrimSpace(e.Content)
	case "only-future-events":
		r.yes(e, &s.Future)
	case "frequency":
		r.frequency(e, &s.Every)
	default:
		if !choosing[name] {
			r.faults.Add(e.Pos, "known are location, log_format, command, alias, frequency, query, only-future-events", "localfile: unknown element <%s>", e.Name)
			return
		}
		r.unused("localfile <" + e.Name + ">")
	}
}

// frequency reads seconds, or one of two words.
func (r *reader) frequency(e *osxml.Element, into *time.Duration) {
	switch strings.ToLower(strings.TrimSpace(e.Content)) {
	case "hourly":
		*into = time.Hour
	case "daily":
		*into = 24 * time.Hour
	default:
		r.seconds(e, into)
	}
}

// lines tells whether the format is that of so many lines, and writes it without the space that Wazuh allows.
func (r *reader) lines(e *osxml.Element, s *logcollector.Source) bool {
	text, found := strings.CutPrefix(s.Format, "multi-line:")
	if !found {
		return false
	}
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || n < 1 || n > 1000 {
		r.faults.Add(e.Pos, "write how many lines make one event, as multi-line:3", "localfile: log_format %q", s.Format)
	}
	s.Format = "multi-line:" + strconv.Itoa(n)
	return true
}

// refused tells whether a command may not be run, since it came over the network.
func (r *reader) refused(e *osxml.Element, what, command string) bool {
	if !r.central || r.config.Client.RemoteCommands {
		return false
	}
	r.note(e.Pos, "%s %q of the central configuration is refused; to allow such, write <remote_commands>yes</remote_commands> into <client> on this host",
		what, command)
	return true
}

// elsewhere tells whether a source is one that this system doesn't have. The path of one that it may have is made whole.
func (r *reader) elsewhere(s *logcollector.Source) bool {
	switch s.Format {
	case "eventlog", "eventchannel":
		return r.host.System != "windows"
	case "journald":
		return r.host.System != "linux"
	case "command", "full_command":
		return false
	}
	s.Location = r.whole(s.Location)
	return r.foreign(s.Location)
}

// key is what two entries for the same have in common.
func key(s logcollector.Source) string {
	switch s.Format {
	case "command", "full_command":
		return strings.TrimSpace(s.Format + " " + s.Command + " " + s.Alias)
	case "journald", "eventlog", "eventchannel":
		return strings.TrimSpace(s.Format + " " + s.Location + " " + s.Query)
	}
	return s.Location
}
