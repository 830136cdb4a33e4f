package main

import (
	"context"
	"flag"
	"os"

	"golang.org/x/term"

	"github.com/yagura-hids/yagura/agent/check"
	"github.com/yagura-hids/yagura/agent/program"
	relay "github.com/yagura-hids/yagura/agent/relay/check"
)

type checkCmd struct {
	places
	json bool
}

const checkHelp = `Looks at the configuration, ports, certificates, the kernel's buffers, the state folder, credentials, the stream, the clock, the fleet. It changes
nothing, and sends nothing but a record that says nothing, to find out whether the stream takes it.
Exit codes: 0 it would run, 1 something fails.`

func (c *checkCmd) Flags(f *flag.FlagSet) {
	c.places.Flags(f)
	f.BoolVar(&c.json, "json", false, "show results as JSON lines")
}

func (c *checkCmd) Run(ctx context.Context) error {
	name := "yagura-relay"
	if conf, err := readConfig(c.conf); err == nil {
		name = conf.Relay.Name
	}
	var running any
	results := relay.Run(ctx, relay.Options{
		Conf: c.conf, Running: askStatus(ctx, c.socket, &running) == nil, Send: check.Options{State: c.state, Agent: name},
		Fleet: openFleet, Password: lookAtPassword,
	})
	if err := check.Show(os.Stdout, results, c.json, term.IsTerminal(int(os.Stdout.Fd())) && os.Getenv("NO_COLOR") == ""); err != nil {
		return err
	}
	if check.Failed(results) {
		return program.Silent(1)
	}
	return nil
}
