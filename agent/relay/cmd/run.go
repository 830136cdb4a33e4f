package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"

	"github.com/yagura-hids/yagura/agent/program"
	"github.com/yagura-hids/yagura/agent/relay"
	"github.com/yagura-hids/yagura/agent/relay/config"
	"github.com/yagura-hids/yagura/agent/spool"
	"github.com/yagura-hids/yagura/agent/uplink"
)

type runCmd struct{ places }

const runHelp = `Killed at any moment, it goes on there at the next start: what it has kept is sent, and what a host has sent is not taken twice.
A changed configuration takes effect when it is started again; changed keys do within seconds.`

// exitConfig is what the unit takes for a reason not to try again: sysexits' EX_CONFIG.
const exitConfig = 78

// Run does it until ctx ends.
func (c *runCmd) Run(ctx context.Context) (err error) {
	debug.SetGCPercent(400) // memory is there for what is on its way, and little of it lasts
	conf, up, err := c.configure()
	if err != nil {
		return &program.CodeError{Code: exitConfig, Err: err}
	}
	store, err := openFleet(ctx, conf)
	if err != nil {
		return err
	}
	s, err := spool.Open(filepath.Join(c.state, "relay.db"), spool.Options{
		Agent: conf.Relay.Name, MaxBytes: conf.Client.SpoolSize, Gather: conf.Client.Gather, Run: runBytes, Random: rand.Reader, Report: warn,
	})
	if errors.Is(err, spool.ErrInUse) {
		return fmt.Errorf("%w: a relay runs already (yagura-relay status shows it); stop it first: systemctl stop yagura-relay", err)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	r, err := newRelay(ctx, conf, s, store, c.state)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return c.together(ctx, r, up)
}

// runBytes is what is sent in one go, of all hosts: so that each host's part of it is worth packing.
const runBytes = 16 << 20

// configure reads what is to be done, and where to send.
func (c *runCmd) configure() (*config.Config, *uplink.Uplink, error) {
	conf, err := readConfig(c.conf)
	if err != nil {
		return nil, nil, err
	}
	up, err := uplink.Open(conf.Client.Uplink, uplink.Options{Agent: conf.Relay.Name, Report: warn})
	if err != nil {
		return nil, nil, fmt.Errorf("%w; name one in %s: <client><uplink>kinesis:STREAM</uplink></client>", err, c.conf)
	}
	if conf.Relay.Fleet == "" {
		return nil, nil, fmt.Errorf("nothing says where agents' keys are; write it into %s: <relay><fleet>dynamodb:STACK-fleet</fleet></relay>", c.conf)
	}
	if err := os.MkdirAll(c.state, 0o700); err != nil {
		return nil, nil, fmt.Errorf("state: %w; name another folder with --state", err)
	}
	return conf, up, nil
}

// readConfig reads the configuration, and gives the relay this host's name if it has none.
func readConfig(file string) (*config.Config, error) {
	conf, err := config.Read(file)
	if err != nil {
		return nil, err
	}
	if conf.Relay.Name == "" {
		if conf.Relay.Name, err = os.Hostname(); err != nil {
			return nil, fmt.Errorf("this host has no name: %w; write <relay><name>", err)
		}
	}
	return conf, conf.Client.SetRegion()
}

// together runs the relay's parts until ctx ends or one of them fails.
func (c *runCmd) together(ctx context.Context, r *relay.Relay, up *uplink.Uplink) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wait sync.WaitGroup
	errs := make(chan error, 2)
	part := func(run func(context.Context) error) {
		wait.Go(func() {
			if err := run(ctx); err != nil {
				errs <- err
			}
			cancel()
		})
	}
	part(r.Run)
	part(func(ctx context.Context) error { return r.Send(ctx, up.SendAll) })
	wait.Go(func() {
		if err := serveStatus(ctx, c.socket, func() any { return r.Status() }); err != nil {
			warn(err.Error() + "; yagura-relay status will not work while this runs")
		}
	})
	wait.Wait()
	close(errs)
	var err error
	for e := range errs {
		err = errors.Join(err, e)
	}
	return err
}
