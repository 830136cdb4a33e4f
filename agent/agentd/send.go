package agentd

import (
	"context"
	"fmt"
	"time"

	"github.com/yagura-hids/yagura/agent/spool"
	"github.com/yagura-hids/yagura/internal/codec"
	"github.com/yagura-hids/yagura/internal/event"
)

// Uplink takes an agent's batches, one after the other.
type Uplink interface {
	// Send returns when the batch is stored. Otherwise it may be stored or not; it's sent again, and its receiver knows its events by their ids.
	Send(ctx context.Context, data []byte) error
}

// How long the sender waits after an uplink has given up: it has tried for long by itself, or a person has to do something.
const giveUpWait = time.Minute

// Send empties the spool into up until ctx ends; that is no error. What the uplink refuses stays in the spool and is offered again. An error
// means that something is in the spool which can't be sent, which it should not have let in.
func (a *Agent) Send(ctx context.Context, up Uplink) error {
	for {
		var run *spool.Run
		err := a.insist(ctx, func() (err error) {
			run, err = a.opts.Spool.Next(ctx)
			return err
		})
		if err != nil {
			return ended(ctx, err)
		}
		batches, err := a.batches(run)
		if err != nil {
			return err
		}
		for _, b := range batches {
			if !a.deliver(ctx, up, b) {
				return nil
			}
		}
		if err := a.insist(ctx, func() error { return a.opts.Spool.Sent(run) }); err != nil {
			return ended(ctx, err)
		}
	}
}

// insist does something with the spool, again and again while its disk is full. Its error is ctx's.
func (a *Agent) insist(ctx context.Context, do func() error) error {
	for failures := 0; ; failures++ {
		err := do()
		if err == nil || ctx.Err() != nil {
			return err
		}
		if failures == 0 {
			a.opts.Report(fmt.Sprintf("%v; trying again every %v, nothing is lost", err, giveUpWait))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-a.opts.After(giveUpWait):
		}
	}
}

// batches makes of a run what is sent: mostly one batch.
func (a *Agent) batches(run *spool.Run) ([]codec.Encoded, error) {
	a.mu.Lock()
	head := event.Batch{
		AgentID: a.opts.Spool.Agent(), Epoch: a.opts.Spool.Epoch(), Agent: a.host, Version: a.opts.Version, Config: a.conf.Hash, Dropped: run.Dropped,
	}
	a.mu.Unlock()
	b, err := codec.NewBuilder(head, a.opts.Now)
	if err != nil {
		return nil, fmt.Errorf("batch: %w", err)
	}
	var done []codec.Encoded
	for _, ev := range run.Events {
		more, err := b.Add(ev)
		if err != nil {
			return nil, fmt.Errorf("batch: %w", err) // the spool let none in that can't be sent
		}
		done = append(done, more...)
	}
	last, err := b.Flush()
	if err != nil {
		return nil, fmt.Errorf("batch: %w", err)
	}
	return append(done, last...), nil
}

// deliver brings one batch to the uplink, however long it takes; false means that ctx ended before it was stored.
func (a *Agent) deliver(ctx context.Context, up Uplink, b codec.Encoded) bool {
	for {
		err := up.Send(ctx, b.Data)
		if err == nil {
			a.delivered(b)
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		if a.trouble(err.Error()) {
			a.opts.Report(fmt.Sprintf("%v; trying again every %v, and meanwhile events wait in the spool", err, giveUpWait))
		}
		select {
		case <-ctx.Done():
			return false
		case <-a.opts.After(giveUpWait):
		}
	}
}

func (a *Agent) delivered(b codec.Encoded) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sent.Batches++
	a.sent.Events += uint64(b.Events)
	a.sent.Bytes += int64(len(b.Data))
	a.sent.Last, a.sent.Trouble = a.opts.Now(), ""
}

// trouble notes why nothing is sent, and tells whether that is news.
func (a *Agent) trouble(msg string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	news := a.sent.Trouble != msg
	a.sent.Trouble = msg
	return news
}
