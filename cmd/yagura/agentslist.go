package main

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/yagura-hids/yagura/internal/fleet"
)

type agentsListCmd struct {
	Status string `help:"Only those in this state: active, disconnected, pending or never." placeholder:"STATE"`
	Active bool   `short:"c" help:"Only those that are connected, as agent_control -lc."`
	Name   string `help:"Only those with this text in their id, name or address." placeholder:"TEXT"`
	JSON   bool   `short:"j" help:"One JSON object a line, an agent with its hosts, with all that is known but keys."`
	CSV    bool   `short:"s" name:"csv" help:"id,name,ip,status, a line, as agent_control -l -s. A host under a key of many has its key's id."`
}

// Help adds what the flags don't say.
func (agentsListCmd) Help() string {
	return `Hosts that share a key stand below it. Last come hosts that send syslog, which have no key.

  Active           told within half an hour that it lives
  Disconnected     told that it lives, but not since
  Pending          heard, but it has not told yet who it is
  Never connected  no host has used the key

  yagura agents list --status disconnected
  yagura agents list --name web --json | jq .hosts[].agent`
}

// listedAgent is an agent as --json shows it: a key, or a syslog source. Times that are not known are left out.
type listedAgent struct {
	ID       string       `json:"id,omitempty"`
	Name     string       `json:"name"`
	IP       string       `json:"ip"`
	Status   string       `json:"status"`
	Many     bool         `json:"many,omitempty"`
	MaxHosts int          `json:"max_hosts,omitempty"`
	Group    string       `json:"group,omitempty"`
	Created  time.Time    `json:"created,omitzero"`
	Rotating time.Time    `json:"previous_key_until,omitzero"`
	Hosts    []listedHost `json:"hosts"`
}

type listedHost struct {
	Agent   string               `json:"agent"`
	Status  string               `json:"status"`
	Node    string               `json:"node,omitempty"`
	Address string               `json:"address,omitempty"`
	OS      string               `json:"os,omitempty"`
	Version string               `json:"version,omitempty"`
	Cipher  string               `json:"encryption,omitempty"`
	Files   string               `json:"shared_files_md5,omitempty"`
	First   time.Time            `json:"first_seen,omitzero"`
	Last    time.Time            `json:"last_seen,omitzero"`
	Alive   time.Time            `json:"last_keep_alive,omitzero"`
	Scans   map[string]time.Time `json:"scans,omitempty"`
	Relay   string               `json:"relay,omitempty"`
}

func (a agent) listed(now time.Time) listedAgent {
	best, _ := a.status(now)
	l := listedAgent{Status: string(best), Hosts: []listedHost{}}
	for _, h := range a.hosts {
		l.Hosts = append(l.Hosts, listedHost{h.Agent, string(h.Status(now)), h.Node, h.Address, h.OS, h.Version, h.Cipher, h.Files, h.First, h.Last,
			h.Alive, h.Scans, h.Relay})
	}
	if k := a.key; k != nil {
		l.ID, l.Name, l.IP, l.Many, l.Group, l.Created, l.Rotating = k.ID, k.Name, k.Address.String(), k.Many, groupOf(k), k.Created, k.Until
		if k.Many {
			l.MaxHosts = k.MaxHosts
		}
		return l
	}
	l.Name, l.IP = a.hosts[0].Agent, ipOf(a.hosts[0].Address)
	return l
}

// states are the words of --status.
var states = []string{"", "active", "disconnected", "pending", "never"}

// Run lists the agents.
func (c agentsListCmd) Run(ctx context.Context, at *agentsCmd) error {
	if !slices.Contains(states, strings.ToLower(c.Status)) {
		return &codeError{2, fmt.Errorf("--status %q: write active, disconnected, pending or never", c.Status)}
	}
	return at.with(ctx, func(store *fleet.Store) error {
		list, err := roster(ctx, store)
		if err != nil {
			return err
		}
		now := time.Now()
		wanted := c.filter(list, now)
		switch {
		case c.JSON:
			return each(wanted, func(a agent) error { return jsonTo(os.Stdout)(a.listed(now)) })
		case c.CSV:
			return csv(os.Stdout, wanted, now)
		case len(list) == 0:
			fmt.Fprintf(os.Stderr, "no agents yet; yagura agents%s add NAME ADDRESS adds one\n", at.where())
			return nil
		case len(wanted) == 0:
			fmt.Fprintln(os.Stderr, "no agent is like that")
			return nil
		}
		return newScreen(os.Stdout).agents(wanted, now)
	})
}

func each[T any](list []T, do func(T) error) error {
	for _, v := range list {
		if err := do(v); err != nil {
			return err
		}
	}
	return nil
}

// filter leaves out what is not wanted: agents, and hosts under keys of many.
func (c agentsListCmd) filter(list []agent, now time.Time) (wanted []agent) {
	if c.Active {
		c.Status = "active"
	}
	isSo := func(s fleet.Status) bool {
		return strings.HasPrefix(strings.ToLower(string(s)), strings.ToLower(c.Status))
	}
	has := func(texts ...string) bool {
		return slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(strings.ToLower(s), strings.ToLower(c.Name)) })
	}
	for _, a := range list {
		named := a.key != nil && has(a.key.ID, a.key.Name, a.key.Address.String())
		none := len(a.hosts) == 0
		a.hosts = slices.DeleteFunc(slices.Clone(a.hosts), func(h fleet.Host) bool {
			return !isSo(h.Status(now)) || !named && !has(h.Agent, h.Node, ipOf(h.Address))
		})
		if len(a.hosts) > 0 || none && named && isSo(fleet.NeverConnected) {
			wanted = append(wanted, a)
		}
	}
	return wanted
}

// csv writes a line for each host, and for each key that none has used.
func csv(w io.Writer, list []agent, now time.Time) error {
	var b strings.Builder
	for _, a := range list {
		l := a.listed(now)
		if len(l.Hosts) == 0 || !l.Many {
			fmt.Fprintf(&b, "%s,%s,%s,%s,\n", l.ID, l.Name, l.IP, l.Status)
			continue
		}
		for _, h := range l.Hosts {
			fmt.Fprintf(&b, "%s,%s,%s,%s,\n", l.ID, h.Agent, ipOf(h.Address), h.Status)
		}
	}
	_, err := io.WriteString(w, clean(b.String()))
	return err
}

// agents shows agents as a table, with the hosts of many below their key.
//
//	ID    Name                     IP            Status           Last seen  Version  OS
//	1026  web-asg                  10.0.1.0/24   Active (2 of 3)
//	        web-asg/ip-10-0-1-17   10.0.1.17     Active           4s ago     v4.2.0   Linux 6.1.0-18-amd64
func (s screen) agents(list []agent, now time.Time) error {
	rows := [][]string{{"ID", "Name", "IP", "Status", "Last seen", "Version", "OS"}}
	colours := []string{""}
	add := func(state fleet.Status, row ...string) {
		for i := range row {
			row[i] = shorten(visibleEdges(row[i]), 60)
		}
		rows, colours = append(rows, row), append(colours, statusColour(state))
	}
	counts := map[fleet.Status]int{}
	for _, a := range list {
		best, _ := a.status(now)
		if a.key != nil && (a.key.Many || len(a.hosts) == 0) {
			add(best, a.key.ID, a.key.Name, a.key.Address.String(), a.state(now))
		}
		if len(a.hosts) == 0 {
			counts[best]++
		}
		for _, h := range a.hosts {
			id, name, ip := "-", h.Agent, ipOf(h.Address) // a syslog source
			switch {
			case a.key != nil && a.key.Many:
				id, name = "", "  "+name
			case a.key != nil:
				id, ip = a.key.ID, a.key.Address.String()
			}
			status := h.Status(now)
			counts[status]++
			add(status, id, name, ip, string(status), ago(h.Last, now), shortVersion(h), shortOS(h.OS))
		}
	}
	if err := s.grid(rows, 3, func(row int) string { return colours[row] }); err != nil {
		return err
	}
	_, err := fmt.Fprintf(s.out, "%s\n", s.paint(grey, tally(counts)))
	return err
}

// visibleEdges is printable that keeps leading spaces.
func visibleEdges(text string) string {
	trimmed := strings.TrimLeft(text, " ")
	return text[:len(text)-len(trimmed)] + printable(trimmed)
}

// tally sums up: "3 agents: 1 Active, 2 Never connected".
func tally(counts map[fleet.Status]int) string {
	var parts []string
	all := 0
	for _, s := range []fleet.Status{fleet.Active, fleet.Disconnected, fleet.Pending, fleet.NeverConnected} {
		if n := counts[s]; n > 0 {
			parts = append(parts, thousands(n)+" "+string(s))
			all += n
		}
	}
	return count(all, "agent") + ": " + strings.Join(parts, ", ")
}

func statusColour(s fleet.Status) string {
	switch s {
	case fleet.Active:
		return "\x1b[32m"
	case fleet.Pending:
		return yellow
	case fleet.Disconnected:
		return red
	}
	return grey
}

// ipOf returns an address without its port.
func ipOf(address string) string {
	if at, err := netip.ParseAddrPort(address); err == nil {
		return at.Addr().Unmap().String()
	}
	return address
}

// shortVersion is "v4.2.0" of "OSSEC HIDS v4.2.0", and what a syslog source is.
func shortVersion(h fleet.Host) string {
	if h.Key == "" {
		return "syslog"
	}
	return h.Version[strings.LastIndexByte(h.Version, ' ')+1:]
}

// shortOS is system and release of what uname says, "Linux 6.1.0-18-amd64", and what other systems say as it is.
func shortOS(text string) string {
	if words := strings.Fields(text); len(words) > 4 && words[0] != "Microsoft" {
		return words[0] + " " + words[2]
	}
	return text
}
