package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/yagura-hids/yagura/internal/fleet"
	"github.com/yagura-hids/yagura/internal/wire"
)

type agentsAddCmd struct {
	Name     string `arg:"" optional:"" help:"The agent's name: 2 to 128 letters, digits, _ . and -."`
	Address  string `arg:"" optional:"" help:"Where it may be: an address, a network such as 10.0.1.0/24, !NETWORK for anywhere else, or any."`
	ID       string `name:"id" help:"Its id (default: the next free one)." placeholder:"ID"`
	Many     bool   `help:"Several hosts may use the key at a time, each an agent of its own. Always so for a network."`
	MaxHosts int    `help:"At most so many of them at a time (default: 1024)." placeholder:"N"`
	Group    string `help:"Group, whose shared files its hosts are sent (default: default)." placeholder:"NAME"`
	File     string `short:"f" help:"Add the agents of a file (- for standard input), a line IP,NAME for each, as manage_agents -f." type:"path" placeholder:"FILE"`
	JSON     bool   `short:"j" help:"One JSON object a line, an agent with its key."`
}

// Help adds what the flags don't say.
func (agentsAddCmd) Help() string {
	return `Shows the agent's key, and what to do with it on the host.

  yagura agents add db1 192.0.2.10
  yagura agents add web-asg 10.0.1.0/24 --max-hosts 200
  yagura agents add laptops any --many --group roaming
  printf '192.0.2.21,web1\n192.0.2.22,web2\n' | yagura agents add -f -

Hosts that share a key are told apart by their address and name: web-asg/ip-10-0-1-17. Each has its own state, integrity baseline and counters, and
comes and goes as it likes. Whoever has the key can pretend to be any of them: where that matters, give each host its own.`
}

// Run adds one agent, or a file of them.
func (c agentsAddCmd) Run(ctx context.Context, at *agentsCmd) error {
	keys, err := c.keys(os.Stdin)
	if err != nil {
		return &codeError{2, err}
	}
	return at.with(ctx, func(store *fleet.Store) error {
		added, err := store.AddAll(ctx, keys)
		if errors.Is(err, fleet.ErrInvalid) {
			err = &codeError{2, err}
		}
		return errors.Join(each(added, c.show), err)
	})
}

// keys are what is to be added.
func (c agentsAddCmd) keys(stdin io.Reader) ([]fleet.Key, error) {
	if c.File == "" {
		k, err := c.key(c.Name, c.Address)
		return []fleet.Key{k}, err
	}
	if c.Name != "" || c.ID != "" {
		return nil, errors.New("--file names the agents: leave out NAME, ADDRESS and --id")
	}
	if c.File == "-" {
		return c.lines("standard input", stdin)
	}
	f, err := os.Open(c.File)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // which was only read
	return c.lines(c.File, f)
}

// lines reads a file of IP,NAME. Either all is well with it, or nothing is added.
func (c agentsAddCmd) lines(name string, r io.Reader) (keys []fleet.Key, err error) {
	var errs []error
	scan, n, seen := bufio.NewScanner(r), 0, map[string]int{}
	for scan.Scan() {
		n++
		line := strings.TrimSpace(scan.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		address, agent, both := strings.Cut(line, ",")
		agent = strings.TrimSpace(agent)
		k, err := c.key(agent, strings.TrimSpace(address))
		switch first := seen[agent]; {
		case !both:
			err = errors.New("want IP,NAME")
		case err == nil && first > 0:
			err = fmt.Errorf("%s is the name of line %d", agent, first)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s:%d: %w", name, n, err))
		}
		keys, seen[agent] = append(keys, k), n
	}
	if err := scan.Err(); err != nil {
		errs = append(errs, fmt.Errorf("%s:%d: %w", name, n+1, err))
	}
	if len(keys) == 0 && len(errs) == 0 {
		errs = append(errs, fmt.Errorf("%s: no agents in it; want a line IP,NAME for each", name))
	}
	return keys, errors.Join(errs...)
}

// key makes a key of a name, an address, and the flags.
func (c agentsAddCmd) key(name, address string) (fleet.Key, error) {
	if name == "" || address == "" {
		return fleet.Key{}, errors.New("it needs a NAME and an ADDRESS, such as: yagura agents add web1 192.0.2.10")
	}
	if why := fleet.BadName(name); why != "" {
		return fleet.Key{}, fmt.Errorf("%q is no agent's name: %s", name, why)
	}
	where, err := wire.ParseAddress(address)
	if err != nil {
		return fleet.Key{}, err
	}
	_, single := where.Single()
	many := c.Many || !single && !where.Any() && !strings.HasPrefix(address, "!") // as fleet has it
	switch {
	case c.Many && single:
		return fleet.Key{}, fmt.Errorf("--many: only one host has the address %s; write a network or any", address)
	case c.MaxHosts != 0 && !many, c.MaxHosts < 0:
		return fleet.Key{}, fmt.Errorf("--max-hosts %d: write how many hosts may use the key at a time; it goes with --many or a network", c.MaxHosts)
	}
	return fleet.Key{Key: wire.Key{ID: c.ID, Name: name, Address: where}, Many: many, MaxHosts: c.MaxHosts, Group: c.Group}, nil
}

// shownKey is a key as --json shows it.
type shownKey struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	IP       string    `json:"ip"`
	Many     bool      `json:"many,omitempty"`
	MaxHosts int       `json:"max_hosts,omitempty"`
	Group    string    `json:"group"`
	Key      string    `json:"key"` // as manage_agents -e shows it
	Rotating time.Time `json:"previous_key_until,omitzero"`
}

func shownOf(k fleet.Key) shownKey {
	return shownKey{k.ID, k.Name, k.Address.String(), k.Many, k.MaxHosts, groupOf(&k), k.Export(), k.Until}
}

// show tells of a new agent: of one what to do with its key, of many only the keys.
func (c agentsAddCmd) show(k fleet.Key) error {
	if c.JSON {
		return jsonTo(os.Stdout)(shownOf(k))
	}
	if c.File != "" {
		_, err := fmt.Printf("ID: %s, Name: %s, IP: %s, Key: %s\n", k.ID, k.Name, k.Address, k.Export())
		return err
	}
	_, err := fmt.Printf("Agent added: ID: %s, Name: %s, IP: %s\n\n%s", k.ID, k.Name, k.Address, pasting(k))
	return err
}

// pasting says what to do with a key on its host.
func pasting(k fleet.Key) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Agent key information for '%s' is:\n%s\n\n", k.ID, k.Export())
	fmt.Fprintf(&b, `Paste this on the host, as root; its ossec.conf names the relay in <client><server-ip>:

  OSSEC_ACTION_CONFIRMED=y /var/ossec/bin/manage_agents -i %s
  /var/ossec/bin/ossec-control restart

On Windows, paste the key into the Agent Manager, save, and restart the agent there.
`, k.Export())
	if k.Many {
		fmt.Fprintf(&b, `
Up to %s may use it at a time, from %s, each an agent of its own: %s/NODE.
To have it in an image, do this there without the restart, and leave its /var/ossec/queue/rids empty.
`, count(maxHosts(&k), "host"), placeOf(k), k.Name)
	}
	return b.String()
}

func placeOf(k fleet.Key) string {
	if k.Address.Any() {
		return "anywhere"
	}
	return k.Address.String()
}

type agentsExtractKeyCmd struct {
	ID   string `arg:"" help:"The key's id or name." placeholder:"ID"`
	JSON bool   `short:"j" help:"One JSON object."`
}

// Help adds what the flags don't say.
func (agentsExtractKeyCmd) Help() string {
	return `Shows what manage_agents -e shows, and manage_agents -i on the host takes. It is a secret.

  yagura agents extract-key 1026
  yagura agents extract-key web1 --json | jq -r .key`
}

// Run shows the key.
func (c agentsExtractKeyCmd) Run(ctx context.Context, at *agentsCmd) error {
	return at.with(ctx, func(store *fleet.Store) error {
		k, err := findKey(ctx, store, c.ID)
		if err != nil {
			return err
		}
		if c.JSON {
			return jsonTo(os.Stdout)(shownOf(k))
		}
		_, err = fmt.Printf("Agent key information for '%s' is:\n%s\n", k.ID, k.Export())
		return err
	})
}

type agentsRemoveCmd struct {
	IDs []string `arg:"" name:"id" help:"Ids or names of keys." placeholder:"ID"`
	Yes bool     `short:"y" help:"Don't ask."`
}

// Help adds what the flags don't say.
func (agentsRemoveCmd) Help() string {
	return `From then on the key is refused, and with it all hosts that use it. Its id is not given again.

  yagura agents remove 1026
  yagura agents remove --yes web1 web2`
}

// Run removes agents, if the user confirms it.
func (c agentsRemoveCmd) Run(ctx context.Context, at *agentsCmd) error {
	return c.remove(ctx, at, func(agents []agent) error {
		switch {
		case c.Yes:
			return nil
		case !interactive():
			return &codeError{2, errors.New("nobody can be asked here: add --yes to remove agents")}
		}
		return confirmRemoval(ctx, newQuestions(), agents)
	})
}

// remove removes agents, unless one isn't there, or sure returns an error.
func (c agentsRemoveCmd) remove(ctx context.Context, at *agentsCmd, sure func([]agent) error) error {
	var agents []agent
	err := at.with(ctx, func(store *fleet.Store) error {
		list, err := roster(ctx, store)
		if err != nil {
			return err
		}
		return each(c.IDs, func(id string) error {
			k, err := findKey(ctx, store, id)
			i := slices.IndexFunc(list, func(a agent) bool { return a.key != nil && a.key.ID == k.ID })
			if err == nil {
				agents = append(agents, list[max(i, 0)])
			}
			return err
		})
	})
	if err == nil {
		err = sure(agents)
	}
	if err != nil {
		return err
	}
	return at.with(ctx, func(store *fleet.Store) error {
		return each(agents, func(a agent) error {
			if err := store.Remove(ctx, a.key.ID); err != nil {
				return err
			}
			_, err := fmt.Printf("Agent '%s' (%s) removed.\n", a.key.ID, a.key.Name)
			return err
		})
	})
}

// confirmRemoval shows the agents and asks.
func confirmRemoval(ctx context.Context, q questions, agents []agent) error {
	if err := newScreen(os.Stdout).agents(agents, time.Now()); err != nil {
		return err
	}
	return confirm(ctx, q, "Confirm deleting it?")
}

type agentsRotateKeyCmd struct {
	ID    string        `arg:"" help:"The key's id or name." placeholder:"ID"`
	Grace time.Duration `help:"How long the key before is taken (default: ${default})." default:"168h" placeholder:"TIME"`
	JSON  bool          `short:"j" help:"One JSON object."`
}

// Help adds what the flags don't say.
func (agentsRotateKeyCmd) Help() string {
	return `Shows the new key, and what to do with it on the host. Hosts that still have the one before are heard as long as --grace says, so that no word of
theirs is lost meanwhile. With --grace 0s they are refused at once.

  yagura agents rotate-key web-asg --grace 48h`
}

// Run gives the agent a new key.
func (c agentsRotateKeyCmd) Run(ctx context.Context, at *agentsCmd) error {
	if c.Grace < 0 {
		return &codeError{2, fmt.Errorf("--grace %s: write how long, such as 168h", c.Grace)}
	}
	return at.with(ctx, func(store *fleet.Store) error {
		k, err := findKey(ctx, store, c.ID)
		if err != nil {
			return err
		}
		if k, err = store.Rotate(ctx, k.ID, c.Grace); err != nil {
			return err
		}
		if c.JSON {
			return jsonTo(os.Stdout)(shownOf(k))
		}
		before := "the one before is refused from now on"
		if c.Grace > 0 {
			before = "the one before is taken until " + moment(k.Until)
		}
		_, err = fmt.Printf("Agent '%s' (%s) has a new key; %s.\n\n%s", k.ID, k.Name, before, pasting(k))
		return err
	})
}
