package local

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/yagura-hids/yagura/agent/spool"
	"github.com/yagura-hids/yagura/internal/event"
)

const (
	followName  = "local"
	followLines = 1000 // events of a batch
)

// followed is what the live source keeps: up to which event of which spool all have been dealt with.
type followed struct {
	Agent string `json:"agent"`
	Epoch uint64 `json:"epoch"`
	Seq   uint64 `json:"seq"`
}

// Agent returns the agent's id in the events that were followed so far, or name if there are none. An id stays when a host is renamed: what its
// spool holds, and what the rules remember, goes by it.
func (s *Store) Agent(name string) (string, error) {
	saved := followed{Agent: name}
	err := s.position(followName, &saved)
	return saved.Agent, err
}

// FollowOptions are the surroundings of a live source.
type FollowOptions struct {
	Report func(msg string)                    // tells of trouble, and of its end; nil for nothing
	Agent  func(id string) event.Agent         // who another agent is whose events are in the spool; nil if none are
	Retry  func(failures int) <-chan time.Time // when to ask a failed spool again; nil for 1 s, 2 s … 1 min
}

// follower hands out what the agent's readers keep in the spool. A run of the spool is forgotten there when the transaction with its last
// events' alerts and number is on disk; what comes again, since between the two there was no time, is passed over.
//
//	spool ─► run ─► batches ─► Run: one transaction, with the number of the last event ─► Next: run sent
type follower struct {
	FollowOptions
	spool *spool.Spool
	at    followed // after what was given out
	run   *spool.Run
	rest  []*event.Event // of run, not given out yet
}

// Follow returns a source of what an agent on this machine keeps in its spool, from where the store says that it stopped.
func Follow(s *Store, sp *spool.Spool, o FollowOptions) (Source, error) {
	f := &follower{FollowOptions: o, spool: sp}
	if err := s.position(followName, &f.at); err != nil {
		return nil, err
	}
	if f.at.Agent != sp.Agent() || f.at.Epoch != sp.Epoch() {
		f.at = followed{Agent: sp.Agent(), Epoch: sp.Epoch()}
	}
	if f.Report == nil {
		f.Report = func(string) {}
	}
	if f.Retry == nil {
		f.Retry = retry
	}
	return f, nil
}

func (f *follower) Name() string { return followName }

// Close leaves the spool open, which is the agent's.
func (f *follower) Close() error { return nil }

func (f *follower) Next(ctx context.Context) (Batch, error) {
	for len(f.rest) == 0 {
		if err := f.insist(ctx, f.more); err != nil {
			return Batch{}, err
		}
	}
	n := min(len(f.rest), followLines)
	b := Batch{Events: f.rest[:n]}
	f.rest = f.rest[n:]
	for _, ev := range b.Events {
		b.Bytes += int64(len(ev.Text)) + 1
	}
	f.at.Seq = b.Events[n-1].ID.Seq
	text, err := json.Marshal(f.at)
	if err != nil {
		return Batch{}, fmt.Errorf("encode position: %w", err)
	}
	b.Positions = map[string]json.RawMessage{followName: text}
	return b, nil
}

// more takes the next run. The last one has been dealt with, else nobody would ask.
func (f *follower) more(ctx context.Context) error {
	if f.run != nil {
		if err := f.spool.Sent(f.run); err != nil {
			return err
		}
		f.run = nil
	}
	run, err := f.spool.Next(ctx)
	if err != nil {
		return err
	}
	f.run = run
	f.introduce(run.Events)
	f.rest = slices.DeleteFunc(run.Events, func(ev *event.Event) bool {
		return ev.ID.Seq <= f.at.Seq || ev.ID.Agent == f.spool.Agent() && lives(ev)
	})
	return nil
}

// introduce adds to other agents' events who they are.
func (f *follower) introduce(events []*event.Event) {
	known := map[string]*event.Agent{}
	for _, ev := range events {
		id := ev.ID.Agent
		if id == f.spool.Agent() || f.Agent == nil {
			continue
		}
		if known[id] == nil {
			a := f.Agent(id)
			known[id] = &a
		}
		ev.Agent = known[id]
	}
}

// lives tells whether an event only says that the agent is there: nobody far away has to be told.
func lives(ev *event.Event) bool {
	return ev.Kind == event.AgentState && (strings.HasPrefix(ev.Text, "{") || strings.HasPrefix(ev.Text, "ossec: Agent started:"))
}

// insist does something with the spool, however often it takes. Its error is ctx's.
func (f *follower) insist(ctx context.Context, do func(context.Context) error) error {
	for failures := 0; ; {
		err := do(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			return nil
		}
		if failures++; failures == 1 {
			f.Report(fmt.Sprintf("%v; trying again, nothing is lost", err))
		}
		select {
		case <-ctx.Done():
		case <-f.Retry(failures):
		}
	}
}
