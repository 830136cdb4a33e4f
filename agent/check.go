package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/yagura-hids/yagura/agent/check"
	"github.com/yagura-hids/yagura/agent/config"
	"github.com/yagura-hids/yagura/agent/host"
)

type checkCmd struct {
	places
	json bool
}

const checkHelp = `Looks at the configuration, what may be read, the state folder, credentials, the stream, the clock. It changes nothing, and sends
nothing but a record that says nothing, to find out whether the stream takes it.
Exit codes: 0 it would run, 1 something fails.`

func (c *checkCmd) flags(f *flag.FlagSet) {
	c.places.flags(f)
	f.BoolVar(&c.json, "json", false, "show results as JSON lines")
}

func (c *checkCmd) run(ctx context.Context) error {
	id, err := host.Identify(ctx, host.Options{State: c.state, Report: warn})
	if err != nil {
		return err
	}
	agent := id.Agent(ctx)
	results := check.Run(ctx, check.Options{
		Files: []string{c.conf}, State: c.state, Agent: id.ID,
		Host: config.Host{Name: agent.Name, OS: []string{agent.OS, id.Kernel}},
	})
	for _, r := range results {
		if c.json {
			err = json.NewEncoder(os.Stdout).Encode(r)
		} else {
			_, err = fmt.Print(result(r, term.IsTerminal(int(os.Stdout.Fd())) && os.Getenv("NO_COLOR") == ""))
		}
		if err != nil {
			return err
		}
	}
	if check.Failed(results) {
		return &codeError{1, errors.New("")}
	}
	return nil
}

var colours = map[check.Verdict]string{check.OK: "32", check.Warn: "33", check.Fail: "31"}

// result writes one result for people: what was looked at, what was seen, and the way out below.
func result(r check.Result, colour bool) string {
	verdict := fmt.Sprintf("%-5s", r.Verdict)
	if colour {
		verdict = "\x1b[" + colours[r.Verdict] + "m" + verdict + "\x1b[0m"
	}
	indent := func(s string) string { return strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n      ") }
	out := fmt.Sprintf("%s %s: %s\n", verdict, r.Name, indent(r.Seen))
	if r.Hint != "" && r.Verdict != check.OK {
		out += "      → " + indent(r.Hint) + "\n"
	}
	return out
}
