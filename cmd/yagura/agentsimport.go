package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/yagura-hids/yagura/internal/fleet"
	"github.com/yagura-hids/yagura/internal/wire"
)

type agentsImportCmd struct {
	From string `arg:"" help:"A client.keys, - for standard input, or the folder of the installation." type:"path" placeholder:"FILE"`
}

// Help adds what the flags don't say.
func (agentsImportCmd) Help() string {
	return `Ids, names, addresses and keys stay as they are, so the agents needn't be touched: they only have to reach the relay, at the old server's address
or at another one in their <server-ip>. It changes nothing in the installation. To do it again brings what is new.

  yagura agents import /var/ossec
  ssh old-server cat /var/ossec/etc/client.keys | yagura agents import -

What is no agent's line, or has the id or the name of another agent here, is left out and told. A network's key serves many hosts from now on.
Exit code 0: all agents are here; 1: some are not.`
}

// Run brings the agents that aren't here yet.
func (c agentsImportCmd) Run(ctx context.Context, at *agentsCmd) error {
	name, text, err := c.read()
	if err != nil {
		return err
	}
	keys, faults := wire.ReadKeys(bytes.NewReader(text))
	return at.with(ctx, func(store *fleet.Store) error {
		fresh, known, refused, err := compare(ctx, store, keys)
		if err != nil {
			return err
		}
		errs := append(faultsOf(name, faults), refused...)
		added, err := store.AddAll(ctx, fresh)
		if errors.Is(err, fleet.ErrExists) || errors.Is(err, fleet.ErrInvalid) { // of one, which keeps all
			added, refused, err = addEach(ctx, store, fresh)
			errs = append(errs, refused...)
		}
		fmt.Printf("%s: %s imported, %d already here, %d not imported\n", clean(name), count(len(added), "agent"), known, len(errs))
		return errors.Join(append(errs, err)...)
	})
}

// compare returns the keys that are to be added, how many are here, and why others can't be added.
func compare(ctx context.Context, store *fleet.Store, keys []wire.Key) (fresh []fleet.Key, known int, refused []error, err error) {
	here, err := store.Keys(ctx)
	if err != nil {
		return nil, 0, nil, err
	}
	byID, byName := map[string]wire.Key{}, map[string]wire.Key{}
	for _, k := range here {
		byID[k.ID], byName[k.Name] = k.Key, k.Key
	}
	for _, k := range keys {
		id, takenID := byID[k.ID]
		name, takenName := byName[k.Name]
		switch {
		case takenID && id == k:
			known++
		case takenID && id.Name == k.Name:
			refused = append(refused, fmt.Errorf("agent %s (%s): here it has another key or address; remove that agent to import this one", k.ID, k.Name))
		case takenID:
			refused = append(refused, fmt.Errorf("agent %s (%s): here that id is %s's", k.ID, k.Name, id.Name))
		case takenName:
			refused = append(refused, fmt.Errorf("agent %s (%s): here that name is agent %s's", k.ID, k.Name, name.ID))
		default:
			fresh, byID[k.ID], byName[k.Name] = append(fresh, fleet.Key{Key: k}), k, k
		}
	}
	return fresh, known, refused, nil
}

// addEach adds the keys that can be added, and tells why others can't.
func addEach(ctx context.Context, store *fleet.Store, keys []fleet.Key) (added []fleet.Key, refused []error, err error) {
	for _, k := range keys {
		k, err := store.Add(ctx, k)
		switch {
		case errors.Is(err, fleet.ErrExists), errors.Is(err, fleet.ErrInvalid):
			refused = append(refused, err)
		case err != nil:
			return added, refused, err
		default:
			added = append(added, k)
		}
	}
	return added, refused, nil
}

// read returns the file's name and what is in it.
func (c agentsImportCmd) read() (name string, text []byte, err error) {
	if c.From == "-" {
		text, err = io.ReadAll(os.Stdin)
		return "standard input", text, err
	}
	name = c.From
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		name = filepath.Join(name, "etc", "client.keys")
	}
	text, err = os.ReadFile(name)
	if err != nil {
		err = fmt.Errorf("%w; name a client.keys, or the folder that has it in etc/, such as /var/ossec", err)
	}
	return name, text, err
}

// faultsOf is a file's faults, each with the file's name.
func faultsOf(name string, err error) (list []error) {
	if err == nil {
		return nil
	}
	for line := range strings.Lines(err.Error()) {
		list = append(list, fmt.Errorf("%s: %s", name, strings.TrimSuffix(line, "\n")))
	}
	return list
}

type agentsExportCmd struct {
	To string `arg:"" optional:"" help:"The file (default: standard output)." type:"path" placeholder:"FILE"`
}

// Help adds what the flags don't say.
func (agentsExportCmd) Help() string {
	return `Writes a line for each agent as OSSEC's server has it in etc/client.keys, with its key: a secret file.

  yagura agents export /root/client.keys
  yagura agents export --aws | yagura agents import -`
}

// Run writes the file, which must not be there yet.
func (c agentsExportCmd) Run(ctx context.Context, at *agentsCmd) error {
	return at.with(ctx, func(store *fleet.Store) error {
		keys, err := store.Keys(ctx)
		if err != nil {
			return err
		}
		var b strings.Builder
		for _, k := range keys {
			b.WriteString(k.Key.String() + "\n")
		}
		if c.To == "" {
			_, err := io.WriteString(safeOnTerminal(os.Stdout), b.String())
			return err
		}
		f, err := os.OpenFile(c.To, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("%w; export writes no file that is there already", err)
		}
		_, err = f.WriteString(b.String())
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
		_, err = fmt.Printf("%s written to %s, with their keys: keep it secret\n", count(len(keys), "agent"), clean(c.To))
		return err
	})
}
