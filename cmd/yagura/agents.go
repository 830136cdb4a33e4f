package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/yagura-hids/yagura/internal/fleet"
	"github.com/yagura-hids/yagura/internal/table"
)

// agentsCmd is what manage_agents, agent_control, syscheck_control and rootcheck_control are in OSSEC.
type agentsCmd struct {
	fleetFlags

	Menu       agentsMenuCmd       `cmd:"" hidden:"" default:"1" help:"The small menu, or the list where nobody can answer."`
	Add        agentsAddCmd        `cmd:"" help:"Give an agent a key, or many of them one."`
	List       agentsListCmd       `cmd:"" help:"List the agents, and whether they are connected."`
	Show       agentsShowCmd       `cmd:"" help:"Show all that is known of an agent."`
	ExtractKey agentsExtractKeyCmd `cmd:"" help:"Show an agent's key, to be pasted on its host."`
	Remove     agentsRemoveCmd     `cmd:"" help:"Remove agents: their keys are refused from then on."`
	RotateKey  agentsRotateKeyCmd  `cmd:"" help:"Give an agent a new key; the one before is taken for some time."`
	Change     agentsChangeCmd     `cmd:"" help:"Change where a key is for, for how many hosts, and their group."`
	Import     agentsImportCmd     `cmd:"" help:"Take over the agents of an OSSEC or Wazuh server: its client.keys."`
	Export     agentsExportCmd     `cmd:"" help:"Write all agents as a client.keys."`
	Restart    agentsRestartCmd    `cmd:"" help:"Restart agents."`
	Syscheck   agentsSyscheckCmd   `cmd:"" help:"Let agents check their files now, show what they found, or forget what is known of the files."`
	Rootcheck  agentsRootcheckCmd  `cmd:"" help:"The same for rootkits and policies."`
	Respond    agentsRespondCmd    `cmd:"" help:"Let agents run an active response."`
	Config     struct {
		Push  configPushCmd  `cmd:"" help:"Make files what the hosts of a group are sent."`
		Show  configShowCmd  `cmd:"" help:"Show what the hosts of a group are sent."`
		Clear configClearCmd `cmd:"" help:"Send the hosts of a group nothing."`
	} `cmd:"" help:"The files that agents are sent, such as agent.conf."`
}

// Help adds what the flags don't say.
func (agentsCmd) Help() string {
	return `Unmodified OSSEC agents, and hosts that send syslog, as the relay knows them: that of yagura local --relay or, with --aws, those of a stack.
Yagura's own agents need no key, and aren't here.

  yagura agents add db1 192.0.2.10                  one host, one key
  yagura agents add web-asg 10.0.1.0/24             one key for all that come and go there
  yagura agents list
  yagura agents restart web-asg/ip-10-0-1-17

  manage_agents -a IP -n NAME   agents add NAME IP         agent_control -l         agents list
  manage_agents -e ID           agents extract-key ID      agent_control -i ID      agents show ID
  manage_agents -r ID           agents remove ID           agent_control -R ID      agents restart ID
  manage_agents -f FILE         agents add -f FILE         agent_control -r -u ID   agents syscheck ID
  syscheck_control -i ID        agents syscheck ID --results
  syscheck_control -u ID        agents syscheck ID --clear
  agent_control -b IP -f AR -u ID                          agents respond ID AR --ip IP

An ID is a key's id, its name, or a host's under a key of many, as list shows it. Without a command, on a terminal, there is a small menu.

Exit code 0: done; 1: not, or not all; 2: a wrong call.`
}

// with opens the fleet that is meant, as fleetFlags.with does.
func (a *agentsCmd) with(ctx context.Context, do func(*fleet.Store) error) error {
	return a.fleetFlags.with(ctx, func(t table.Table) error { return do(fleet.New(t, fleet.Options{})) })
}

// agent is a key with the hosts that use it, or a syslog source, which has none.
type agent struct {
	key   *fleet.Key
	hosts []fleet.Host
}

// status is the state of the agent's host. A key of many is as well as the best of its hosts, of which it tells how many are so.
func (a agent) status(now time.Time) (best fleet.Status, so int) {
	order := []fleet.Status{fleet.NeverConnected, fleet.Disconnected, fleet.Pending, fleet.Active}
	best = fleet.NeverConnected
	for _, h := range a.hosts {
		s := h.Status(now)
		switch {
		case slices.Index(order, s) > slices.Index(order, best):
			best, so = s, 1
		case s == best:
			so++
		}
	}
	return best, so
}

// state is the status in words: "Active", and of a key of many "Active (1 of 3)".
func (a agent) state(now time.Time) string {
	best, so := a.status(now)
	if a.key != nil && a.key.Many && len(a.hosts) > 0 {
		return fmt.Sprintf("%s (%d of %d)", best, so, len(a.hosts))
	}
	return string(best)
}

// roster returns all agents: those with keys by their ids, then syslog's sources. Hosts whose key was removed are none any more.
func roster(ctx context.Context, store *fleet.Store) ([]agent, error) {
	keys, err := store.Keys(ctx)
	if err != nil {
		return nil, err
	}
	hosts, err := store.Hosts(ctx)
	if err != nil {
		return nil, err
	}
	list, at := make([]agent, len(keys)), map[string]int{}
	for i := range keys {
		list[i].key, at[keys[i].ID] = &keys[i], i
	}
	for _, h := range hosts {
		if i, ok := at[h.Key]; ok {
			list[i].hosts = append(list[i].hosts, h)
		} else if h.Key == "" {
			list = append(list, agent{hosts: []fleet.Host{h}})
		}
	}
	return list, nil
}

// find returns what an ID means: a key with all its hosts, or one host of it.
func find(list []agent, id string) (agent, error) {
	for _, a := range list {
		if a.key != nil && a.key.ID == id {
			return a, nil
		}
	}
	for _, a := range list {
		if a.key != nil && a.key.Name == id {
			return a, nil
		}
		for _, h := range a.hosts {
			if h.Agent == id {
				return agent{a.key, []fleet.Host{h}}, nil
			}
		}
	}
	hint := "; yagura agents list shows them"
	digits := strings.TrimLeft(id, "0") // 1 and 001 are two ids
	for _, a := range list {
		if a.key != nil && digits != "" && strings.TrimLeft(a.key.ID, "0") == digits {
			hint = ": did you mean " + a.key.ID + "?"
		}
	}
	return agent{}, fmt.Errorf("no agent has the id or the name %s%s", id, hint)
}

// findKey returns the key of an id or a name, and says what to do if there is none.
func findKey(ctx context.Context, store *fleet.Store, id string) (fleet.Key, error) {
	key, err := store.Key(ctx, id)
	if !errors.Is(err, fleet.ErrUnknown) {
		return key, err
	}
	list, err := roster(ctx, store)
	if err != nil {
		return fleet.Key{}, err
	}
	a, err := find(list, id)
	switch {
	case err != nil:
		return fleet.Key{}, err
	case a.key == nil:
		return fleet.Key{}, fmt.Errorf("%s sends syslog, and has no key", id)
	}
	return fleet.Key{}, fmt.Errorf("%s is a host of agent %s (%s), whose key it shares with others: name that", id, a.key.ID, a.key.Name)
}

// jsonTo returns what writes values as JSON, one a line.
func jsonTo(f *os.File) func(any) error {
	enc := json.NewEncoder(safeOnTerminal(f))
	enc.SetEscapeHTML(false)
	return enc.Encode
}

// ago writes how long ago a time was, in its largest unit.
func ago(t, now time.Time) string {
	d := max(now.Sub(t), 0)
	switch {
	case t.IsZero():
		return ""
	case d < time.Minute:
		return fmt.Sprintf("%ds ago", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh ago", int(d.Hours()))
	}
	return fmt.Sprintf("%dd ago", int(d.Hours()/24))
}

// moment writes a time for a person.
func moment(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

// grid writes rows in columns as wide as they must be, with colour[i] for row i's column of that number if it is a terminal.
func (s screen) grid(rows [][]string, coloured int, colour func(row int) string) error {
	width := map[int]int{}
	for _, row := range rows {
		for i, cell := range row {
			width[i] = max(width[i], len([]rune(cell)))
		}
	}
	var b strings.Builder
	for n, row := range rows {
		line := ""
		for i, cell := range row {
			pad := strings.Repeat(" ", width[i]-len([]rune(cell)))
			if i == coloured {
				cell = s.paint(colour(n), cell)
			}
			line += cell + pad + "  "
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	_, err := io.WriteString(s.out, b.String())
	return err
}
