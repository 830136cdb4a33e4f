package main

import (
	"context"
	"flag"
	"os"

	"golang.org/x/term"

	"github.com/yagura-hids/yagura/agent/check"
	"github.com/yagura-hids/yagura/agent/config"
	"github.com/yagura-hids/yagura/agent/host"
	"github.com/yagura-hids/yagura/agent/program"
)

type checkCmd struct {
	places
	json bool
}

const checkHelp = `Looks at the configuration, what may be read, the state folder, credentials, the stream, the clock. It changes nothing, and sends
nothing but a record that says nothing, to find out whether the stream takes it.
Exit codes: 0 it would run, 1 something fails.`

func (c *checkCmd) Flags(f *flag.FlagSet) {
	c.places.flags(f)
	f.BoolVar(&c.json, "json", false, "show results as JSON lines")
}

func (c *checkCmd) Run(ctx context.Context) error {
	id, err := host.Identify(ctx, host.Options{State: c.state, Report: warn})
	if err != nil {
		return err
	}
	agent := id.Agent(ctx)
	results := check.Run(ctx, check.Options{
		Files: []string{c.conf}, State: c.state, Agent: id.ID,
		Host: config.Host{Name: agent.Name, OS: []string{agent.OS, id.Kernel}},
	})
	if err := check.Show(os.Stdout, results, c.json, term.IsTerminal(int(os.Stdout.Fd())) && os.Getenv("NO_COLOR") == ""); err != nil {
		return err
	}
	if check.Failed(results) {
		return program.Silent(1)
	}
	return nil
}
