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

	"github.com/yagura-hids/yagura/agent/program"
	"github.com/yagura-hids/yagura/agent/relay"
)

type statusCmd struct {
	socket string
	json   bool
}

const statusHelp = `Exit codes: 0 all is well, 1 something is wrong, or was lost, 3 the relay is not running.`

func (c *statusCmd) Flags(f *flag.FlagSet) {
	socketFlag(f, &c.socket)
	f.BoolVar(&c.json, "json", false, "show it as one JSON object")
}

func (c *statusCmd) Run(ctx context.Context) error {
	var s relay.Status
	err := askStatus(ctx, c.socket, &s)
	if errors.Is(err, errNotRunning) {
		return &program.CodeError{Code: 3, Err: fmt.Errorf("%w; start it: systemctl start yagura-relay, or yagura-relay run", err)}
	}
	if err != nil {
		return err
	}
	if c.json {
		return json.NewEncoder(os.Stdout).Encode(s)
	}
	showStatus(os.Stdout, s)
	if troubled(s) {
		return program.Silent(1)
	}
	return nil
}

// troubled tells whether somebody should look.
func troubled(s relay.Status) bool {
	return len(s.Trouble) > 0 || s.Sent.Trouble != "" || s.Spool.Lost.Events > 0
}

func showStatus(w io.Writer, s relay.Status) {
	line := func(label, format string, args ...any) {
		program.Say(w, "%-10s %s\n", label, fmt.Sprintf(format, args...))
	}
	line("relay", "%s, version %s, running for %s", s.Name, s.Version, s.Now.Sub(s.Started).Round(time.Second))
	line("listens", "%s", strings.Join(s.Ports, ", "))
	line("agents", "%d keys, %d hosts at work", s.Keys, s.Hosts)
	line("datagrams", "%d accepted", s.Datagrams["accepted"])
	for _, verdict := range slices.Sorted(maps.Keys(s.Datagrams)) {
		if n := s.Datagrams[verdict]; n > 0 && verdict != "accepted" {
			line("", "%d %s", n, verdict)
		}
	}
	last := "nothing yet"
	if !s.Sent.Last.IsZero() {
		last = fmt.Sprintf("last %s ago", s.Now.Sub(s.Sent.Last).Round(time.Second))
	}
	line("sent", "%d events in %d batches, %s; %s", s.Sent.Events, s.Sent.Batches, program.Size(s.Sent.Bytes), last)
	line("waiting", "%d events, %s of %s on disk", s.Spool.Events, program.Size(s.Spool.Bytes), program.Size(s.Spool.Max))
	if s.Spool.Lost.Events > 0 {
		line("lost", "%d events (%s) because the spool was full, from %s to %s", s.Spool.Lost.Events, s.Spool.Lost,
			s.Spool.Lost.First.Format(time.RFC3339), s.Spool.Lost.Last.Format(time.RFC3339))
	}
	if s.Sent.Trouble != "" {
		line("trouble", "%s", s.Sent.Trouble)
	}
	for _, where := range slices.Sorted(maps.Keys(s.Trouble)) {
		line("trouble", "%s: %s", where, s.Trouble[where])
	}
}
