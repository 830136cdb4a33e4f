package main

import (
	"context"
	"fmt"
	"sync"

	"github.com/yagura-hids/yagura/agent/agentd"
	"github.com/yagura-hids/yagura/internal/baseline"
	"github.com/yagura-hids/yagura/internal/fleet"
	"github.com/yagura-hids/yagura/internal/local"
	"github.com/yagura-hids/yagura/internal/resend"
)

// asker has agents tell again what is in some buckets, one after another and without being waited for.
type asker struct {
	ctx   context.Context
	id    string // of this machine's own agent
	agent *agentd.Agent
	hosts *resend.Hosts // the others, which come through the relay
	mu    sync.Mutex
}

func newAsker(ctx context.Context, id string, agent *agentd.Agent, store *local.Store) *asker {
	return &asker{ctx: ctx, id: id, agent: agent, hosts: &resend.Hosts{Fleet: fleet.New(store.Tables(), fleet.Options{})}}
}

// ask is for local.Options. What fails is asked for again after the agent's next scan.
func (a *asker) ask(what baseline.Ask) {
	go func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		var err error
		if what.AgentID == a.id {
			err = a.agent.Resend(a.ctx, what.Buckets)
		} else {
			err = a.hosts.Ask(a.ctx, what)
		}
		if err != nil && a.ctx.Err() == nil {
			warn(fmt.Sprintf("ask agent %s to tell its files again: %v; after its next scan it is asked again", what.AgentID, err))
		}
	}()
}
