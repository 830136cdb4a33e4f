package main

import (
	"context"
	"strings"

	"github.com/yagura-hids/yagura/agent/relay"
	"github.com/yagura-hids/yagura/agent/relay/config"
	"github.com/yagura-hids/yagura/agent/sender"
	"github.com/yagura-hids/yagura/agent/spool"
	"github.com/yagura-hids/yagura/agent/uplink"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/fleet"
)

// core is a relay, and what empties its spool.
type core struct {
	*relay.Relay
	sender *sender.Sender
}

// newCore returns the relay of a configuration.
func newCore(ctx context.Context, conf *config.Config, s *spool.Spool, store *fleet.Store, dir string, up *uplink.Uplink) (*core, error) {
	o := relay.Options{Config: conf, Spool: s, Dir: dir, Fleet: store, Name: conf.Relay.Name, Version: version, Report: warn}
	if name, ok := strings.CutPrefix(conf.Auth.Password, "ssm:"); ok {
		o.Password = func(ctx context.Context) (string, error) { return parameter(ctx, name) }
	}
	r, err := relay.New(ctx, o)
	if err != nil {
		return nil, err
	}
	head := func(agent string) event.Batch { return event.Batch{AgentID: agent, Version: version} }
	return &core{r, sender.New(sender.Options{Spool: s, Head: head, Deliver: up.SendAll, Report: warn})}, nil
}

// status is how a relay is, and what it has sent.
type status struct {
	relay.Status
	Sent sender.Sent `json:"sent"`
}

func (c *core) status() status { return status{c.Relay.Status(), c.sender.Sent()} }
