package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"

	"github.com/yagura-hids/yagura/agent/agentd"
	"github.com/yagura-hids/yagura/agent/central"
	"github.com/yagura-hids/yagura/agent/config"
	"github.com/yagura-hids/yagura/agent/program"
	"github.com/yagura-hids/yagura/agent/uplink"
	"github.com/yagura-hids/yagura/rules"
)

type runCmd struct {
	places
	socket string
}

const runHelp = `Killed at any moment, it goes on there at the next start: no line is lost, none is sent twice under another number.
SIGHUP reads the configuration again; a faulty one is refused, and the one in force stays.`

// exitNoUplink is what the unit takes for a reason not to try again: sysexits' EX_CONFIG.
const exitNoUplink = 78

func (c *runCmd) Flags(f *flag.FlagSet) {
	c.places.flags(f)
	socketFlag(f, &c.socket)
}

func (c *runCmd) Run(ctx context.Context) (err error) {
	debug.SetGCPercent(50) // the agent shares its host with what the host is for
	return service(ctx, c.serve)
}

// serve runs the agent until ctx ends.
func (c *runCmd) serve(ctx context.Context) (err error) {
	h, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	up, err := uplink.Open(h.config.Client.Uplink, uplink.Options{Agent: h.id.ID, Report: warn})
	if err != nil {
		return &program.CodeError{Code: exitNoUplink, Err: fmt.Errorf("%w; name one in %s: <client><uplink>kinesis:STREAM</uplink></client>", err, c.conf)}
	}
	a := agentd.New(agentd.Options{
		Config: h.config, Spool: h.spool, Host: h.id.Agent, Version: version, Report: warn, Databases: rules.Rootcheck,
	})
	return c.together(ctx, h, a, up)
}

// together runs the agent's parts until ctx ends or one of them fails.
func (c *runCmd) together(ctx context.Context, h *home, a *agentd.Agent, up agentd.Uplink) error {
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
	part(a.Run)
	part(func(ctx context.Context) error { return a.Send(ctx, up) })
	wait.Go(func() {
		if err := a.Serve(ctx, c.socket); err != nil {
			warn(err.Error() + "; yagura-agent status will not work while this runs")
		}
	})
	wait.Go(func() { c.configure(ctx, h, a) })
	wait.Wait()
	close(errs)
	var err error
	for e := range errs {
		err = errors.Join(err, e)
	}
	return err
}

// configure puts a new configuration into force whenever SIGHUP asks for it, or the central one has changed.
func (c *runCmd) configure(ctx context.Context, h *home, a *agentd.Agent) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	changed := make(chan change)
	if h.config.Client.Central != "" {
		go followCentral(ctx, h.centralOptions(), changed)
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			if err := h.load(h.central); err != nil {
				warn(fmt.Sprintf("the configuration in force stays: %v", err))
				continue
			}
		case ch := <-changed:
			err := h.load(ch.texts)
			ch.done <- err
			if err != nil {
				if err := a.Tell(ctx, "ossec: Agent configuration refused: "+err.Error()); err != nil {
					warn(err.Error())
				}
				continue
			}
		}
		a.Reload(ctx, h.config)
	}
}

// change is a new central configuration, to be put into force or refused.
type change struct {
	texts []config.Text
	done  chan error
}

// followCentral asks SSM again and again until ctx ends, and hands over what is new.
func followCentral(ctx context.Context, o central.Options, changed chan<- change) {
	o.Client = central.Connect(uplink.Config)
	o.Apply = func(ctx context.Context, texts []config.Text) error {
		ch := change{texts, make(chan error, 1)}
		select {
		case changed <- ch:
			return <-ch.done
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	c, err := central.New(o)
	if err != nil {
		warn(err.Error())
	}
	c.Run(ctx)
}
