package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"github.com/yagura-hids/yagura/internal/fleet"
	"github.com/yagura-hids/yagura/internal/wire"
)

type agentsRestartCmd struct {
	IDs []string `arg:"" optional:"" name:"id" help:"Ids or names of keys, or hosts' ids." placeholder:"ID"`
	tellFlags
}

// Help adds what the flags don't say.
func (agentsRestartCmd) Help() string {
	return `Agents read a new agent.conf only when they start.
` + tellHelp + `

  yagura agents restart db1
  yagura agents restart --all --wait 1m`
}

// Run lets agents restart.
func (c agentsRestartCmd) Run(ctx context.Context, at *agentsCmd) error {
	return c.tell(ctx, at, c.IDs, errand{strings.TrimPrefix(wire.AgentRestart, wire.Control), "restart", longWait})
}

// checkFlags are those of syscheck and rootcheck.
type checkFlags struct {
	IDs     []string `arg:"" optional:"" name:"id" help:"Ids or names of keys, or hosts' ids." placeholder:"ID"`
	Clear   bool     `help:"Forget what the relay knows of the agent: it is learnt anew with its next messages, without alerts." xor:"what"`
	Results bool     `help:"List the alerts that came of it, the newest first." xor:"what"`
	Limit   int      `short:"n" default:"20" help:"Of --results at most so many for a host; 0 for all (default: ${default})." placeholder:"N"`
	tellFlags
}

type agentsSyscheckCmd struct{ checkFlags }

// Help adds what the flags don't say.
func (agentsSyscheckCmd) Help() string {
	return `Without a flag the agent checks its files now, and looks for rootkits: OSSEC's agent can't do one alone.
` + tellHelp + `

  yagura agents syscheck db1
  yagura agents syscheck db1 --results
  yagura agents syscheck db1 --clear          as syscheck_control -u, after a planned update`
}

// Run does what the flags say.
func (c agentsSyscheckCmd) Run(ctx context.Context, at *agentsCmd) error {
	return c.run(ctx, at, "syscheck")
}

type agentsRootcheckCmd struct{ checkFlags }

// Help adds what the flags don't say.
func (agentsRootcheckCmd) Help() string {
	return `Without a flag the agent looks for rootkits now, and checks its files: OSSEC's agent can't do one alone.
` + tellHelp + `

  yagura agents rootcheck db1 --results
  yagura agents rootcheck db1 --clear         as rootcheck_control -u`
}

// Run does what the flags say.
func (c agentsRootcheckCmd) Run(ctx context.Context, at *agentsCmd) error {
	return c.run(ctx, at, "rootcheck")
}

func (c checkFlags) run(ctx context.Context, at *agentsCmd, which string) error {
	switch {
	case c.Results:
		return c.results(ctx, at, which)
	case c.Clear:
		return c.tell(ctx, at, c.IDs, errand{"clear " + which, "clear " + which, longWait})
	}
	return c.tell(ctx, at, c.IDs, errand{strings.TrimPrefix(wire.SyscheckRestart, wire.Control), which + " now", longWait})
}

// results lists the alerts of each host.
func (c checkFlags) results(ctx context.Context, at *agentsCmd, which string) error {
	var hosts []fleet.Host
	err := at.with(ctx, func(store *fleet.Store) error {
		list, err := roster(ctx, store)
		if err == nil {
			hosts, err = targets(list, c.IDs, c.All, time.Now())
		}
		return err
	})
	if err != nil {
		return err
	}
	return each(hosts, func(h fleet.Host) error {
		if !c.JSON && len(hosts) > 1 {
			fmt.Printf("\n%s\n", printable(h.Agent))
		}
		return alertsCmd{Data: at.Data, stackFlags: at.stackFlags, Agent: h.Agent, Group: which, Limit: c.Limit, JSON: c.JSON}.Run(ctx)
	})
}

type agentsRespondCmd struct {
	ID   string `arg:"" optional:"" help:"A key's id or name, or a host's id." placeholder:"ID"`
	AR   string `arg:"" optional:"" name:"ar" help:"The response: a name of the agents' ar.conf, such as firewall-drop600." placeholder:"AR"`
	IP   string `name:"ip" help:"The address that it is about." placeholder:"IP"`
	User string `help:"The user that it is about." placeholder:"NAME"`
	tellFlags
}

// Help adds what the flags don't say.
func (agentsRespondCmd) Help() string {
	return `The agent runs what its ar.conf says of that name; what is not there it doesn't run, and doesn't say so. ar.conf is one of the files of
yagura agents config push, with lines such as

  firewall-drop600 - firewall-drop.sh - 600

With a time out the agent undoes the response after so many seconds. To an agent that isn't connected it is told only if it comes within the hour.
` + tellHelp + `

  yagura agents respond db1 firewall-drop600 --ip 198.51.100.7
  yagura agents respond db1 disable-account0 --user mallory
  yagura agents respond --all host-deny600 --ip 198.51.100.7`
}

// What agents hand to scripts as arguments, split at spaces.
var (
	responseName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)
	responseUser = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.@$\\-]{0,127}$`)
)

// execd is how the text of an active response begins.
var execd = strings.TrimPrefix(wire.Execd, wire.Control)

// response is the text that lets an agent run an active response.
func response(name, user, ip string) string {
	dash := func(s string) string {
		if s == "" {
			return "-"
		}
		return s
	}
	return fmt.Sprintf("%s%s %s %s (from_the_server) (no_rule_id)", execd, name, dash(user), dash(ip))
}

// check finds what is wrong with the call. With --all the first word is the response.
func (c *agentsRespondCmd) check() error {
	if c.All {
		c.ID, c.AR = "", c.ID
	}
	ip, err := netip.ParseAddr(c.IP)
	switch {
	case !responseName.MatchString(c.AR):
		return fmt.Errorf("%q is no active response: write a name of ar.conf, such as firewall-drop600", c.AR)
	case c.IP == "" && c.User == "":
		return errors.New("it needs --ip or --user: what the response is about")
	case c.IP != "" && (err != nil || ip.Zone() != ""):
		return fmt.Errorf("--ip: %q is no address", c.IP)
	case c.User != "" && !responseUser.MatchString(c.User):
		return fmt.Errorf("--user: %q is no name that can be handed to a script", c.User)
	}
	return nil
}

// Run lets agents run the response.
func (c agentsRespondCmd) Run(ctx context.Context, at *agentsCmd) error {
	if err := c.check(); err != nil {
		return &codeError{2, err}
	}
	var ids []string
	if c.ID != "" {
		ids = []string{c.ID}
	}
	return c.tell(ctx, at, ids, errand{response(c.AR, c.User, c.IP), c.AR, responseWait})
}
