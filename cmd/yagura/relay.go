package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/yagura-hids/yagura/agent/relay"
	"github.com/yagura-hids/yagura/agent/relay/config"
	"github.com/yagura-hids/yagura/agent/spool"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/fleet"
	"github.com/yagura-hids/yagura/internal/local"
)

// door is the relay of yagura local, if it has one.
type door struct {
	*relay.Relay
	conf *config.Config
}

// relay opens what --relay asks for. What it takes goes into the spool of this machine's own agent, and its keys are in the store. waits waits
// for its ports.
func (c localCmd) relay(ctx context.Context, store *local.Store, sp *spool.Spool, waits *sync.WaitGroup) (door, error) {
	if !c.Relay {
		return door{}, nil
	}
	conf, err := config.Parse("", nil)
	if c.Conf != "" {
		conf, err = config.Read(c.Conf)
	}
	if err != nil {
		return door{}, err
	}
	waits.Add(1)
	r, err := relay.New(ctx, relay.Options{
		Config: conf, Spool: sp, Dir: filepath.Join(c.Data, "relay"), Fleet: fleet.New(store.Tables(), fleet.Options{}), Name: c.server(),
		Version: version, Report: warn, Ready: waits.Done, Poll: time.Second,
	})
	return door{r, conf}, err
}

// run is the relay's Run.
func (d door) run(ctx context.Context) error {
	if d.Relay == nil {
		<-ctx.Done()
		return nil
	}
	return d.Run(ctx)
}

func (d door) close() error {
	if d.Relay == nil {
		return nil
	}
	return d.Close()
}

// agent returns who another agent is.
func (d door) agent(id string) event.Agent {
	if d.Relay == nil {
		return event.Agent{}
	}
	return d.Agent(id)
}

// unused returns what has no effect in the sections that the relay does.
func (d door) unused() []string {
	if d.Relay == nil {
		return nil
	}
	return d.conf.Unused
}

// does tells whether it is the relay that does what a section says.
func (d door) does(section string) bool {
	return d.Relay != nil && (section == "remote" || section == "auth")
}

// words say what the relay listens to, and what to do first.
func (d door) words() []string {
	if d.Relay == nil {
		return nil
	}
	s := d.Status()
	keys := fmt.Sprintf("%s; yagura agents list shows them", count(s.Keys, "key"))
	if s.Keys == 0 {
		keys = "no keys yet: yagura agents add NAME ADDRESS makes one, yagura agents import FILE takes a server's client.keys"
	}
	return []string{strings.Join(s.Ports, ", "), keys}
}
