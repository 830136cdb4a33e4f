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

// facts are lines of a name and a value, as agent_control -i has them.
type facts struct{ strings.Builder }

func (f *facts) add(label, value string) {
	if value == "" {
		value = "Unknown"
	}
	fmt.Fprintf(&f.Builder, "   %-26s %s\n", label+":", printable(value))
}

// agent shows what is known of an agent, and of each of its hosts.
func (s screen) agent(a agent, files []byte, now time.Time) error {
	var f facts
	if a.key != nil {
		f.key(a, now)
	}
	for i, h := range a.hosts {
		if a.key != nil || i > 0 {
			f.WriteString("\n")
		}
		f.host(a.key, h, files, now)
	}
	_, err := io.WriteString(s.out, f.String())
	return err
}

// key adds what is known of the agent's key.
func (f *facts) key(a agent, now time.Time) {
	k := a.key
	f.add("Agent ID", k.ID)
	f.add("Agent Name", k.Name)
	f.add("IP address", k.Address.String())
	if !k.Many || len(a.hosts) != 1 {
		f.add("Status", a.state(now))
	}
	f.add("Group", groupOf(k))
	if k.Many {
		f.add("Hosts at a time", fmt.Sprintf("%d at most", maxHosts(k)))
	}
	f.add("Key given", moment(k.Created))
	if k.Until.After(now) {
		f.add("Key before it", "taken until "+moment(k.Until))
	}
}

func maxHosts(k *fleet.Key) int {
	if k.MaxHosts > 0 {
		return k.MaxHosts
	}
	return fleet.DefaultHosts
}

// host adds what a host told.
func (f *facts) host(key *fleet.Key, h fleet.Host, files []byte, now time.Time) {
	when := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return moment(t) + ", " + ago(t, now)
	}
	if key == nil || key.Many {
		f.add("Host", h.Agent)
		f.add("Status", string(h.Status(now)))
	}
	f.add("Last heard from", h.Address)
	f.add("Last seen", when(h.Last))
	if key == nil {
		f.add("Sends", "syslog")
		return
	}
	f.add("Operating system", h.OS)
	f.add("Client version", h.Version)
	f.add("Encryption", h.Cipher)
	f.add("Last keep alive", when(h.Alive))
	for _, scan := range []string{"Syscheck", "Rootcheck"} {
		for _, end := range []string{"started", "ended"} {
			f.add(fmt.Sprintf("%s last %s at", scan, end), when(h.Scans[strings.ToLower(scan)+" "+end]))
		}
	}
	f.add("Shared files", sharedState(h.Files, files))
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
