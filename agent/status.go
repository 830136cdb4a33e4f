package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/yagura-hids/yagura/agent/agentd"
)

type statusCmd struct {
	socketFlag
	JSON bool `help:"Show it as one JSON object."`
}

// Help adds what the flags don't say.
func (statusCmd) Help() string {
	return `Exit codes: 0 all is well, 1 something is not sent or was lost, 3 the agent is not running.`
}

// Run asks the running agent.
func (c statusCmd) Run(ctx context.Context) error {
	s, err := agentd.Ask(ctx, c.Socket)
	if errors.Is(err, agentd.ErrNotRunning) {
		return &codeError{3, fmt.Errorf("%w; start it: systemctl start yagura-agent, or yagura-agent run", err)}
	}
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(os.Stdout).Encode(s)
	}
	showStatus(os.Stdout, s)
	if s.Sent.Trouble != "" || s.Spool.Lost.Events > 0 {
		return &codeError{1, errors.New("")}
	}
	return nil
}

func showStatus(w io.Writer, s agentd.Status) {
	line := func(label, format string, args ...any) {
		fmt.Fprintf(w, "%-10s %s\n", label, fmt.Sprintf(format, args...)) //nolint:errcheck // a screen
	}
	line("agent", "%s (%s), version %s, running for %s", s.Agent, s.Name, s.Version, s.Now.Sub(s.Started).Round(time.Second))
	line("config", "%s", s.Config)
	last := "nothing yet"
	if !s.Sent.Last.IsZero() {
		last = fmt.Sprintf("last %s ago", s.Now.Sub(s.Sent.Last).Round(time.Second))
	}
	line("sent", "%d events in %d batches, %s; %s", s.Sent.Events, s.Sent.Batches, size(s.Sent.Bytes), last)
	if s.Sent.Trouble != "" {
		line("trouble", "%s", s.Sent.Trouble)
	}
	line("waiting", "%d events, %s of %s on disk", s.Spool.Events, size(s.Spool.Bytes), size(s.Spool.Max))
	if s.Spool.Lost.Events > 0 {
		line("lost", "%d events (%s) because the spool was full, from %s to %s", s.Spool.Lost.Events, s.Spool.Lost,
			s.Spool.Lost.First.Format(time.RFC3339), s.Spool.Lost.Last.Format(time.RFC3339))
	}
	line("uses", "%s of memory, %.1f s of processor time", size(s.Memory), s.CPU)
	for _, name := range slices.Sorted(maps.Keys(s.Parts)) {
		text, err := json.MarshalIndent(s.Parts[name], strings.Repeat(" ", 11), "  ")
		if err == nil {
			line(name, "%s", text)
		}
	}
}

// size writes a number of bytes for people.
func size(n int64) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%d GiB", n>>30)
	case n >= 10<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 10<<10:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}
