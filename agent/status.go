package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/yagura-hids/yagura/agent/agentd"
	"github.com/yagura-hids/yagura/agent/program"
)

type statusCmd struct {
	socket string
	json   bool
}

const statusHelp = `Exit codes: 0 all is well, 1 something can't be sent, or was lost, 3 the agent is not running.`

func (c *statusCmd) Flags(f *flag.FlagSet) {
	socketFlag(f, &c.socket)
	f.BoolVar(&c.json, "json", false, "show it as one JSON object")
}

func (c *statusCmd) Run(ctx context.Context) error {
	s, err := agentd.Ask(ctx, c.socket)
	if errors.Is(err, agentd.ErrNotRunning) {
		return &program.CodeError{Code: 3, Err: fmt.Errorf("%w; start it: systemctl start yagura-agent, or yagura-agent run", err)}
	}
	if err != nil {
		return err
	}
	if c.json {
		return json.NewEncoder(os.Stdout).Encode(s)
	}
	showStatus(os.Stdout, s)
	if stuck(s) != "" || s.Spool.Lost.Events > 0 {
		return program.Silent(1)
	}
	return nil
}

func showStatus(w io.Writer, s agentd.Status) {
	line := func(label, format string, args ...any) {
		program.Say(w, "%-10s %s\n", label, fmt.Sprintf(format, args...))
	}
	line("agent", "%s (%s), version %s, running for %s", s.Agent, s.Name, s.Version, s.Now.Sub(s.Started).Round(time.Second))
	line("config", "%s", s.Config)
	last := "nothing yet"
	if !s.Sent.Last.IsZero() {
		last = fmt.Sprintf("last %s ago", s.Now.Sub(s.Sent.Last).Round(time.Second))
	}
	line("sent", "%d events in %d batches, %s; %s", s.Sent.Events, s.Sent.Batches, program.Size(s.Sent.Bytes), last)
	if why := stuck(s); why != "" {
		line("trouble", "%s", why)
	}
	line("waiting", "%d events, %s of %s on disk", s.Spool.Events, program.Size(s.Spool.Bytes), program.Size(s.Spool.Max))
	if s.Spool.Lost.Events > 0 {
		line("lost", "%d events (%s) because the spool was full, from %s to %s", s.Spool.Lost.Events, s.Spool.Lost,
			s.Spool.Lost.First.Format(time.RFC3339), s.Spool.Lost.Last.Format(time.RFC3339))
	}
	line("uses", "%s of memory, %.1f s of processor time", program.Size(s.Memory), s.CPU)
	for _, name := range slices.Sorted(maps.Keys(s.Parts)) {
		showPart(line, name, s.Parts[name])
	}
}

// stuck returns why nothing is sent; "" if all is well.
func stuck(s agentd.Status) string {
	switch quiet := time.Duration(s.Lag) * time.Second; {
	case s.Sent.Trouble != "":
		return s.Sent.Trouble
	case quiet > 2*time.Minute:
		return fmt.Sprintf("nothing could be sent for %s; the agent tries again and again, and says why in its log", quiet)
	}
	return ""
}

// showPart shows what one reader tells: its figures in a line, and each entry of its lists in one more.
func showPart(line func(label, format string, args ...any), name string, part any) {
	figures, _ := part.(map[string]any)
	var words []string
	var below []any
	for _, key := range slices.Sorted(maps.Keys(figures)) {
		switch v := figures[key].(type) {
		case []any:
			below = append(below, v...)
		case float64:
			words = append(words, fmt.Sprintf("%s %.0f", key, v))
		default:
			if text := fmt.Sprint(v); text != "" && text != "0001-01-01T00:00:00Z" {
				words = append(words, key+" "+text)
			}
		}
	}
	line(name, "%s", strings.Join(words, ", "))
	for _, entry := range below {
		showPart(func(_, format string, args ...any) { line("", "  "+format, args...) }, "", entry)
	}
}
