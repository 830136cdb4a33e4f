package logcollector

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
)

// Check tells what keeps the source from being read on this system, however the host looks at the moment.
func (s Source) Check() error {
	command := s.Format == "command" || s.Format == "full_command"
	switch {
	case command && s.Command == "":
		return fmt.Errorf("log_format %s without a command; name one", s.Format)
	case command:
		return nil
	case s.Location == "":
		return errors.New("no location; name a file")
	case s.Format == "journald":
		return nil
	case s.Format == "eventlog" || s.Format == "eventchannel":
		if runtime.GOOS != "windows" {
			return fmt.Errorf("%q: log_format %s is for Windows; put it into <agent_config os=\"Windows\">", s.Location, s.Format)
		}
		return nil
	}
	if _, err := formatOf(s.Format); err != nil {
		return fmt.Errorf("%q: %w", s.Location, err)
	}
	if _, err := filepath.Match(s.Location, ""); err != nil {
		return fmt.Errorf("%q: %w; close every [ with a ]", s.Location, err)
	}
	return nil
}

// key is what must not be read twice.
func (s Source) key() string {
	switch s.Format {
	case "command", "full_command":
		return commandKey(s)
	case "eventlog", "eventchannel":
		return channelKey(s)
	case "journald":
		return s.Format + " " + s.Location
	}
	return s.Location
}

// channelKey names the channel in positions.
func channelKey(s Source) string {
	return strings.TrimSpace("eventchannel " + s.Location + " " + s.Query)
}
