package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/yagura-hids/yagura/internal/fleet"
	"github.com/yagura-hids/yagura/internal/wire"
)

// errand is what agents are to be told.
type errand struct {
	text  string        // fleet.Command's
	name  string        // for a person: "restart"
	waits time.Duration // how long it waits for a host that isn't connected
}

// How long what is to be told waits. The clock goes on until it is stored.
const (
	longWait     = fleet.MaxCommandWaits - time.Minute
	responseWait = fleet.CommandWaits // what was to be blocked then may be another's address now
)

// tellFlags are those of commands that leave something for hosts, which a relay tells them.
type tellFlags struct {
	All  bool           `short:"a" help:"All agents that are connected."`
	Wait *time.Duration `help:"Wait so long until they have been told, and exit with 1 if they have not (default: 10s for connected ones on a terminal, else not at all)." placeholder:"TIME"`
	JSON bool           `short:"j" help:"One JSON object a line, a command and what became of it."`
}

const tellHelp = `
The command is left where the relays look, which tell it to the agents that are connected. To one that isn't it is told when it comes, for a day. A command for a key of many goes to each of its hosts.`

// targets are the hosts that are meant. A key of one host may have seen none yet.
func targets(list []agent, ids []string, all bool, now time.Time) (hosts []fleet.Host, err error) {
	if all == (len(ids) > 0) {
		return nil, &codeError{2, errors.New("it needs the IDs of agents, or --all")}
	}
	for _, a := range list {
		for _, h := range a.hosts {
			if all && a.key != nil && h.Status(now) == fleet.Active {
				hosts = append(hosts, h)
			}
		}
	}
	if all && len(hosts) == 0 {
		return nil, errors.New("no agent is connected")
	}
	for _, id := range ids {
		a, err := find(list, id)
		switch {
		case err != nil:
			return nil, err
		case a.key == nil:
			return nil, fmt.Errorf("%s only sends syslog: it can't be told anything", id)
		case len(a.hosts) == 0 && a.key.Many:
			return nil, fmt.Errorf("no host has used the key of agent %s (%s) yet", a.key.ID, a.key.Name)
		case len(a.hosts) == 0:
			hosts = append(hosts, fleet.Host{Agent: a.key.Name, Key: a.key.ID})
		}
		hosts = append(hosts, a.hosts...)
	}
	return hosts, nil
}

// told is a command as --json shows it.
type told struct {
	ID      string    `json:"id"`
	Agent   string    `json:"agent"`
	Status  string    `json:"status"` // the host's, when the command was left
	Command string    `json:"command"`
	Expires time.Time `json:"expires"`
	Told    time.Time `json:"told,omitzero"`
	Relay   string    `json:"relay,omitempty"`
}

// order is a command that was left, and for whom.
type order struct {
	fleet.Command
	host fleet.Host
}

// tell leaves something for agents, waits as long as is wanted, and shows what became of it.
func (f tellFlags) tell(ctx context.Context, at *agentsCmd, ids []string, e errand) error {
	now := time.Now()
	var orders []*order
	err := at.with(ctx, func(store *fleet.Store) error {
		list, err := roster(ctx, store)
		if err != nil {
			return err
		}
		hosts, err := targets(list, ids, f.All, now)
		if err != nil {
			return err
		}
		if response, ok := strings.CutPrefix(e.text, "execd "); ok {
			name, _, _ := strings.Cut(response, " ")
			if err := warnOfMissing(ctx, at, store, groupsOf(list, hosts), name); err != nil {
				return err
			}
		}
		orders, err = leave(ctx, store, hosts, e)
		return err
	})
	if err == nil {
		err = f.await(ctx, at, orders, now)
	}
	if err != nil {
		return err
	}
	return f.show(orders, e.name, now)
}

// groupsOf returns the groups that hosts are in.
func groupsOf(list []agent, hosts []fleet.Host) (groups []string) {
	for _, a := range list {
		group := groupOf(a.key)
		isOf := func(h fleet.Host) bool { return a.key != nil && h.Key == a.key.ID }
		if slices.ContainsFunc(hosts, isOf) && !slices.Contains(groups, group) {
			groups = append(groups, group)
		}
	}
	return groups
}

// warnOfMissing tells if a response isn't among those that groups are sent. Their hosts may have it all the same, from an old server.
func warnOfMissing(ctx context.Context, at *agentsCmd, store *fleet.Store, groups []string, name string) error {
	for _, group := range groups {
		merged, err := store.Files(ctx, group)
		if err != nil {
			return err
		}
		files, err := wire.Unmerge(merged)
		if err != nil {
			return err
		}
		if !slices.Contains(responses(files), name) {
			warn(fmt.Sprintf("group %s is sent no ar.conf with %s: who has none from elsewhere won't do it; yagura agents%s config push sends one",
				group, name, at.where()))
		}
	}
	return nil
}

// leave leaves something for hosts. One that waits already isn't left again.
func leave(ctx context.Context, store *fleet.Store, hosts []fleet.Host, e errand) ([]*order, error) {
	waiting, err := store.Waiting(ctx)
	if err != nil {
		return nil, err
	}
	var orders []*order
	for _, h := range hosts {
		if slices.ContainsFunc(orders, func(o *order) bool { return o.Agent == h.Agent }) {
			continue // by its key and by itself
		}
		i := slices.IndexFunc(waiting, func(c fleet.Command) bool { return c.Agent == h.Agent && c.Text == e.text })
		if i >= 0 {
			orders = append(orders, &order{waiting[i], h})
			continue
		}
		c, err := store.Send(ctx, fleet.Command{Agent: h.Agent, Text: e.text, Expires: time.Now().Add(e.waits)})
		if err != nil {
			return orders, err
		}
		orders = append(orders, &order{c, h})
	}
	return orders, nil
}

const (
	shortWait = 10 * time.Second       // for connected hosts, where a person watches
	askEvery  = 250 * time.Millisecond // whether something was told
)

// await waits until the commands are told, or it has waited long enough.
func (f tellFlags) await(ctx context.Context, at *agentsCmd, orders []*order, now time.Time) error {
	patience, wanted := time.Duration(0), orders
	switch {
	case f.Wait != nil:
		patience = *f.Wait
	case interactive():
		patience = shortWait
		wanted = slices.DeleteFunc(slices.Clone(orders), func(o *order) bool { return o.host.Status(now) != fleet.Active })
	}
	tick, end := time.NewTicker(askEvery), time.After(patience)
	defer tick.Stop()
	for over := patience <= 0 || len(wanted) == 0; !over; {
		open, err := 0, error(nil)
		select {
		case <-tick.C:
		case <-end:
			over = true
		case <-ctx.Done():
			return nil // what was left stays left, and is shown
		}
		err = at.with(ctx, func(store *fleet.Store) error {
			open, err = refresh(ctx, store, wanted)
			return err
		})
		if err != nil || open == 0 {
			return err
		}
	}
	return nil
}

// refresh looks what became of commands, and returns how many still wait.
func refresh(ctx context.Context, store *fleet.Store, orders []*order) (open int, err error) {
	waiting, err := store.Waiting(ctx)
	if err != nil {
		return 0, err
	}
	for _, o := range orders {
		switch {
		case !o.Told.IsZero():
		case slices.ContainsFunc(waiting, func(c fleet.Command) bool { return c.ID == o.ID }):
			open++
		default:
			if o.Command, err = store.Command(ctx, o.ID); err != nil {
				return 0, err
			}
		}
	}
	return open, nil
}

// show tells of each command what became of it.
func (f tellFlags) show(orders []*order, what string, now time.Time) error {
	out, untold := newScreen(os.Stdout), 0
	for _, o := range orders {
		status := o.host.Status(now)
		if o.Told.IsZero() {
			untold++
		}
		var err error
		if f.JSON {
			err = jsonTo(os.Stdout)(told{o.ID, o.Agent, string(status), o.Text, o.Expires, o.Told, o.Relay})
		} else {
			_, err = fmt.Fprintf(out.out, "%s: %s\n", printable(o.Agent), o.outcome(what, status, now))
		}
		if err != nil {
			return err
		}
	}
	if f.Wait != nil && untold > 0 {
		return &codeError{1, fmt.Errorf("%d of %s not told within %s; the command waits on", untold, count(len(orders), "agent"), *f.Wait)}
	}
	return nil
}

// outcome says what became of a command.
func (o *order) outcome(what string, status fleet.Status, now time.Time) string {
	switch {
	case !o.Told.IsZero():
		return what + ": told"
	case status == fleet.Active:
		return what + ": left for the relay, which tells it at once if it runs"
	case status == fleet.NeverConnected || o.host.Last.IsZero():
		return fmt.Sprintf("%s: has never connected; told when it comes, until %s", what, moment(o.Expires))
	}
	return fmt.Sprintf("%s: %s, last seen %s; told when it comes, until %s", what, status, ago(o.host.Last, now), moment(o.Expires))
}

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
	return c.tell(ctx, at, c.IDs, errand{response(restartName, "null", ""), "restart", longWait})
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
	return c.tell(ctx, at, c.IDs, errand{"syscheck restart", which + " now", longWait})
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
  yagura agents respond db1 disable-account0 --user mallory`
}

// What agents hand to scripts as arguments, split at spaces.
var (
	responseName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)
	responseUser = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.@$\\-]{0,127}$`)
)

// response is the text that lets an agent run an active response.
func response(name, user, ip string) string {
	dash := func(s string) string {
		if s == "" {
			return "-"
		}
		return s
	}
	return fmt.Sprintf("execd %s %s %s (from_the_server) (no_rule_id)", name, dash(user), dash(ip))
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
