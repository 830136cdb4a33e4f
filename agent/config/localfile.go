package config

import (
	"slices"
	"strings"
	"time"

	"github.com/yagura-hids/yagura/agent/logcollector"
	"github.com/yagura-hids/yagura/internal/osxml"
)

// unread are Wazuh's formats that the collector doesn't have.
var unread = []string{"multi-line-regex", "macos"}

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
	case r.elsewhere(&s):
		r.note(e.Pos, "localfile %s (log_format %s) is not of this system", s.Location, s.Format)
	case !r.readable(e, s), command && r.refused(e, "localfile's command", s.Command):
	case r.first(e.Pos, "localfile", key(s)):
		r.config.Sources = append(r.config.Sources, s)
	}
}

// readable tells whether the collector takes the source.
func (r *reader) readable(e *osxml.Element, s logcollector.Source) bool {
	err := s.Check()
	if err == nil || ofEvents(s) && s.Location != "" { // the system is right, elsewhere says
		return true
	}
	what, hint, _ := strings.Cut(err.Error(), "; ")
	r.faults.Add(e.Pos, hint, "localfile: %s", what)
	return false
}

// ofEvents tells whether a source is one of Windows's event logs.
func ofEvents(s logcollector.Source) bool {
	return s.Format == "eventlog" || s.Format == "eventchannel"
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
	switch {
	case ofEvents(*s):
		return r.host.System != "windows"
	case s.Format == "journald":
		return r.host.System != "linux"
	case s.Format == "command", s.Format == "full_command":
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
