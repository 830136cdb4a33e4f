package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"

	"github.com/yagura-hids/yagura/agent/agentd"
	"github.com/yagura-hids/yagura/agent/config"
	"github.com/yagura-hids/yagura/agent/spool"
)

type runCmd struct {
	places
	socketFlag
}

// Help adds what the flags don't say.
func (runCmd) Help() string {
	return `Killed at any moment, it goes on there at the next start: no line is lost, none is sent twice under another number.
SIGHUP reads the configuration again; a faulty one is refused, and the one in force stays.`
}

// Run runs the agent until ctx ends.
func (c runCmd) Run(ctx context.Context) (err error) {
	debug.SetGCPercent(50) // the agent shares its host with what the host is for
	conf, err := c.load()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.State, 0o700); err != nil {
		return fmt.Errorf("state: %w", err)
	}
	s, err := spool.Open(c.spoolPath(), spool.Options{Agent: "agent", MaxBytes: conf.Client.SpoolSize, Random: rand.Reader, Report: warn})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	a := agentd.New(agentd.Options{Config: conf, Spool: s, Version: version, Report: warn})
	return c.together(ctx, a)
}

func (c runCmd) load() (*config.Config, error) { return &config.Config{}, nil }

// together runs the agent's parts until ctx ends or one of them fails.
func (c runCmd) together(ctx context.Context, a *agentd.Agent) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wait sync.WaitGroup
	errs := make(chan error, 2)
	part := func(run func(context.Context) error) {
		wait.Go(func() {
			if err := run(ctx); err != nil {
				errs <- err
				cancel()
			}
		})
	}
	part(a.Run)
	wait.Go(func() {
		if err := a.Serve(ctx, c.Socket); err != nil {
			warn(err.Error() + "; yagura-agent status will not work while this runs")
		}
	})
	wait.Go(func() { c.reload(ctx, a) })
	wait.Wait()
	close(errs)
	var err error
	for e := range errs {
		err = errors.Join(err, e)
	}
	return err
}

// reload reads the configuration again whenever SIGHUP asks for it.
func (c runCmd) reload(ctx context.Context, a *agentd.Agent) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			conf, err := c.load()
			if err != nil {
				warn(fmt.Sprintf("the configuration in force stays: %v", err))
				continue
			}
			a.Reload(ctx, conf)
		}
	}
}
