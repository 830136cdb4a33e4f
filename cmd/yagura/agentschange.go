package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/yagura-hids/yagura/internal/fleet"
	"github.com/yagura-hids/yagura/internal/wire"
)

type agentsChangeCmd struct {
	ID       string  `arg:"" help:"The key's id or name." placeholder:"ID"`
	Address  *string `help:"Where its hosts may be from now on: an address, a network, or any." placeholder:"ADDRESS"`
	Many     *bool   `negatable:"" help:"Whether several hosts may use the key at a time. Always so for a network."`
	MaxHosts *int    `help:"At most so many of them at a time." placeholder:"N"`
	Group    *string `help:"Group, whose shared files its hosts are sent." placeholder:"NAME"`
}

// Help adds what the flags don't say.
func (agentsChangeCmd) Help() string {
	return `The key itself stays: nothing is to be done on its hosts. Its name and id can't be changed, for they are part of what is encrypted with.

  yagura agents change web-asg --max-hosts 2000
  yagura agents change laptops --many
  yagura agents change db1 --group databases --address 192.0.2.0/28`
}

// Run changes what goes with a key.
func (c agentsChangeCmd) Run(ctx context.Context, at *agentsCmd) error {
	if c.Address == nil && c.Many == nil && c.MaxHosts == nil && c.Group == nil {
		return &codeError{2, errors.New("say what to change: --address, --many, --max-hosts or --group")}
	}
	return at.with(ctx, func(store *fleet.Store) error {
		k, err := findKey(ctx, store, c.ID)
		if err != nil {
			return err
		}
		if k, err = store.Change(ctx, k.ID, c.change); errors.Is(err, fleet.ErrInvalid) || errors.Is(err, wire.ErrKey) {
			return &codeError{2, err}
		} else if err != nil {
			return err
		}
		hosts := ""
		if k.Many {
			hosts = fmt.Sprintf(", up to %s at a time", count(cmp.Or(k.MaxHosts, fleet.DefaultHosts), "host"))
		}
		_, err = fmt.Printf("Agent '%s' (%s): %s%s, group %s.\n", k.ID, k.Name, k.Address, hosts, groupOf(&k))
		return err
	})
}

// change makes the changes that the flags name.
func (c agentsChangeCmd) change(k *fleet.Key) error {
	if c.Address != nil {
		at, err := wire.ParseAddress(*c.Address)
		if err != nil {
			return err
		}
		k.Address = at
		if _, single := at.Single(); single {
			k.Many = false
		}
	}
	if c.Many != nil {
		k.Many = *c.Many
	}
	if c.MaxHosts != nil {
		k.MaxHosts = *c.MaxHosts
	}
	if c.Group != nil {
		k.Group = *c.Group
	}
	return nil
}
