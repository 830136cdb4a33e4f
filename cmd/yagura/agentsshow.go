package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/yagura-hids/yagura/internal/fleet"
)

type agentsShowCmd struct {
	ID   string `arg:"" help:"A key's id, its name, or a host's id." placeholder:"ID"`
	JSON bool   `short:"j" help:"One JSON object, as list --json shows it."`
}

// Help adds what the flags don't say.
func (agentsShowCmd) Help() string {
	return `What agent_control -i tells: the system, the version, and when the agent spoke and looked at its files last.

  yagura agents show 1026
  yagura agents show web-asg/ip-10-0-1-17`
}

// Run shows an agent.
func (c agentsShowCmd) Run(ctx context.Context, at *agentsCmd) error {
	return at.with(ctx, func(store *fleet.Store) error {
		list, err := roster(ctx, store)
		if err != nil {
			return err
		}
		a, err := find(list, c.ID)
		if err != nil {
			return err
		}
		now := time.Now()
		if c.JSON {
			return jsonTo(os.Stdout)(a.listed(now))
		}
		files, err := store.Files(ctx, groupOf(a.key))
		if err != nil {
			return err
		}
		return newScreen(os.Stdout).agent(a, files, now)
	})
}

// groupOf returns the group of a key's hosts.
func groupOf(k *fleet.Key) string {
	if k == nil || k.Group == "" {
		return fleet.DefaultGroup
	}
	return k.Group
}

// agent shows what is known of an agent, and of each of its hosts.
func (s screen) agent(a agent, files []byte, now time.Time) error {
	var b strings.Builder
	fact := func(label, value string) {
		if value == "" {
			value = "Unknown"
		}
		fmt.Fprintf(&b, "   %-25s %s\n", label+":", printable(value))
	}
	l := a.listed(now)
	if a.key != nil {
		best, so := a.status(now)
		state := string(best)
		if l.Many && len(a.hosts) > 0 {
			state = fmt.Sprintf("%s (%d of %d)", best, so, len(a.hosts))
		}
		fact("Agent ID", l.ID)
		fact("Agent Name", l.Name)
		fact("IP address", l.IP)
		fact("Status", state)
		fact("Group", l.Group)
		if l.Many {
			fact("Hosts at a time", fmt.Sprintf("%d at most", maxHosts(a.key)))
		}
		fact("Key given", moment(l.Created))
		if l.Rotating.After(now) {
			fact("Key before it", "taken until "+moment(l.Rotating))
		}
	}
	for i, h := range a.hosts {
		if a.key != nil || i > 0 {
			b.WriteString("\n")
		}
		fact("Host", h.Agent)
		s.host(fact, a.key, h, files, now)
	}
	_, err := io.WriteString(s.out, b.String())
	return err
}

func maxHosts(k *fleet.Key) int {
	if k.MaxHosts > 0 {
		return k.MaxHosts
	}
	return fleet.DefaultHosts
}

// host prints what a host told.
func (s screen) host(fact func(label, value string), key *fleet.Key, h fleet.Host, files []byte, now time.Time) {
	when := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return moment(t) + ", " + ago(t, now)
	}
	fact("Status", string(h.Status(now)))
	fact("Last heard from", h.Address)
	fact("Last seen", when(h.Last))
	if key == nil {
		fact("Sends", "syslog")
		return
	}
	fact("Operating system", h.OS)
	fact("Client version", h.Version)
	fact("Encryption", h.Cipher)
	fact("Last keep alive", when(h.Alive))
	for _, scan := range []string{"Syscheck", "Rootcheck"} {
		for _, end := range []string{"started", "ended"} {
			fact(fmt.Sprintf("%-9s last %s at", scan, end), when(h.Scans[strings.ToLower(scan)+" "+end]))
		}
	}
	fact("Shared files", sharedState(h.Files, files))
}

// sharedState tells whether a host has the files that its group is sent.
func sharedState(has string, files []byte) string {
	want := md5Of(files)
	switch {
	case files == nil && has == "":
		return "none"
	case files == nil:
		return has + ", its own: its group is sent none"
	case has == want:
		return has + ", those of its group"
	}
	return fmt.Sprintf("%s, its group's are %s", orNone(has), want)
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
