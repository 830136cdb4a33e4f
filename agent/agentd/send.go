package agentd

import (
	"context"

	"github.com/yagura-hids/yagura/agent/sender"
	"github.com/yagura-hids/yagura/internal/codec"
	"github.com/yagura-hids/yagura/internal/event"
)

// Uplink takes an agent's batches, one after the other.
type Uplink interface {
	// Send returns when the batch is stored. Otherwise it may be stored or not; it's sent again, and its receiver knows its events by their ids.
	Send(ctx context.Context, data []byte) error
}

// Send empties the spool into up until ctx ends; see [sender.Sender.Run].
func (a *Agent) Send(ctx context.Context, up Uplink) error {
	s := sender.New(sender.Options{
		Spool: a.opts.Spool, Head: a.head, Report: a.opts.Report, Now: a.opts.Now, After: a.opts.After,
		Deliver: func(ctx context.Context, batches []codec.Encoded) error {
			for _, b := range batches {
				if err := up.Send(ctx, b.Data); err != nil {
					return err
				}
			}
			return nil
		},
	})
	a.mu.Lock()
	a.sent = s.Sent
	a.mu.Unlock()
	return s.Run(ctx)
}

func (a *Agent) head(agent string) event.Batch {
	a.mu.Lock()
	defer a.mu.Unlock()
	return event.Batch{AgentID: agent, Agent: a.host, Version: a.opts.Version, Config: a.conf.Hash}
}
