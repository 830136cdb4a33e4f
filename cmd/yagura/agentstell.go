package main

import (
	"context"
	"errors"
	"fmt"
	"os"
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
		if response, ok := strings.CutPrefix(e.text, execd); ok {
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
