package main

import (
	"context"
	"strings"

	"github.com/yagura-hids/yagura/agent/relay"
	"github.com/yagura-hids/yagura/agent/relay/config"
	"github.com/yagura-hids/yagura/agent/spool"
	"github.com/yagura-hids/yagura/internal/fleet"
)

// newRelay returns the relay that the configuration asks for.
func newRelay(ctx context.Context, conf *config.Config, s *spool.Spool, store *fleet.Store, dir string) (*relay.Relay, error) {
	o := relay.Options{Config: conf, Spool: s, Dir: dir, Fleet: store, Name: conf.Relay.Name, Version: version, Report: warn}
	if name, ok := strings.CutPrefix(conf.Auth.Password, "ssm:"); ok {
		o.Password = func(ctx context.Context) (string, error) { return parameter(ctx, name) }
	}
	return relay.New(ctx, o)
}
