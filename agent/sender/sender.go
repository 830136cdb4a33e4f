// Package sender empties a spool into an uplink.
//
//	spool ─► run ─► batches, by agent ─► deliver, however long it takes ─► the run is deleted
package sender

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/yagura-hids/yagura/agent/spool"
	"github.com/yagura-hids/yagura/internal/codec"
	"github.com/yagura-hids/yagura/internal/event"
)

// Options are what a sender works with.
type Options struct {
	Spool   *spool.Spool
	Head    func(agent string) event.Batch               // of an agent's batches; Epoch, Dropped, Sent and Events are set by the sender
	Deliver func(context.Context, []codec.Encoded) error // returns when all batches are stored; what it fails at comes again, and its receiver knows events by their ids
	Report  func(msg string)                             // tells of trouble, and of its end; nil for nothing
	Now     func() time.Time                             // nil for time.Now
	After   func(d time.Duration) <-chan time.Time       // nil for time.After
}

// Sender is at work in Run.
type Sender struct {
	opts Options

	mu   sync.Mutex
	sent Sent
}

// Sent is what has been sent since the start.
type Sent struct {
	Events  uint64    `json:"events"`
	Batches uint64    `json:"batches"`
	Bytes   int64     `json:"bytes"` // as sent
	Last    time.Time `json:"last,omitzero"`
	Trouble string    `json:"trouble,omitempty"` // why nothing can be sent at the moment
}

// New returns a sender. It does nothing before Run.
func New(o Options) *Sender {
	if o.Report == nil {
		o.Report = func(string) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.After == nil {
		o.After = time.After
	}
	return &Sender{opts: o}
}

// Sent returns what has been sent.
func (s *Sender) Sent() Sent {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sent
}

// giveUpWait is how long the sender waits after an uplink has given up: it has tried for long by itself, or a person has to do something.
const giveUpWait = time.Minute

// Run empties the spool until ctx ends; that is no error. What the uplink refuses stays in the spool and is offered again. An error means that
// something is in the spool which can't be sent, which it should not have let in.
func (s *Sender) Run(ctx context.Context) error {
	for {
		var run *spool.Run
		ok := s.insist(ctx, func() (err error) {
			run, err = s.opts.Spool.Next(ctx)
			return err
		})
		if !ok {
			return nil
		}
		batches, err := s.batches(run)
		if err != nil {
			return fmt.Errorf("batch: %w", err)
		}
		if !s.deliver(ctx, batches) || !s.insist(ctx, func() error { return s.opts.Spool.Sent(run) }) {
			return nil
		}
	}
}

// insist does something with the spool, again and again while its disk is full; false means that ctx ended first.
func (s *Sender) insist(ctx context.Context, do func() error) bool {
	for failures := 0; ; failures++ {
		err := do()
		if err == nil || ctx.Err() != nil {
			return err == nil
		}
		if failures == 0 {
			s.opts.Report(fmt.Sprintf("%v; trying again every %v, nothing is lost", err, giveUpWait))
		}
		select {
		case <-ctx.Done():
			return false
		case <-s.opts.After(giveUpWait):
		}
	}
}

// batches makes of a run what is sent: mostly one batch of each agent, in the order of their first events.
func (s *Sender) batches(run *spool.Run) ([]codec.Encoded, error) {
	var order []string
	builders := map[string]*codec.Builder{}
	var done []codec.Encoded
	for _, ev := range run.Events {
		b := builders[ev.ID.Agent]
		if b == nil {
			head := s.opts.Head(ev.ID.Agent)
			head.Epoch, head.Dropped = s.opts.Spool.Epoch(), run.Dropped
			var err error
			if b, err = codec.NewBuilder(head, s.opts.Now); err != nil {
				return nil, err
			}
			builders[ev.ID.Agent] = b
			order = append(order, ev.ID.Agent)
		}
		more, err := b.Add(ev)
		if err != nil {
			return nil, err // the spool let none in that can't be sent
		}
		done = append(done, more...)
	}
	for _, agent := range order {
		last, err := builders[agent].Flush()
		if err != nil {
			return nil, err
		}
		done = append(done, last...)
	}
	return done, nil
}

// deliver brings batches to the uplink, however long it takes; false means that ctx ended before they were stored.
func (s *Sender) deliver(ctx context.Context, batches []codec.Encoded) bool {
	for {
		err := s.opts.Deliver(ctx, batches)
		if err == nil {
			s.delivered(batches)
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		if s.trouble(err.Error()) {
			s.opts.Report(fmt.Sprintf("%v; trying again every %v, and meanwhile events wait in the spool", err, giveUpWait))
		}
		select {
		case <-ctx.Done():
			return false
		case <-s.opts.After(giveUpWait):
		}
	}
}

func (s *Sender) delivered(batches []codec.Encoded) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range batches {
		s.sent.Batches++
		s.sent.Events += uint64(b.Events)
		s.sent.Bytes += int64(len(b.Data))
	}
	s.sent.Last, s.sent.Trouble = s.opts.Now(), ""
}

// trouble notes why nothing is sent, and tells whether that is news.
func (s *Sender) trouble(msg string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	news := s.sent.Trouble != msg
	s.sent.Trouble = msg
	return news
}
