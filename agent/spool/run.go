package spool

import (
	"context"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/yagura-hids/yagura/internal/codec"
	"github.com/yagura-hids/yagura/internal/event"
)

// Run is events to be sent: the oldest ones, in the order of their numbers.
type Run struct {
	Events  []*event.Event
	Dropped uint64 // events of this epoch that were lost so far
	upto    uint64
}

// Next returns the oldest events, waiting until there are some and then for Gather, or until there are many. From now on these are not
// dropped, even if the agent is killed: nobody could tell whether they arrived. The same ones come again until Sent is called. Its error is
// ctx's, or tells that the file is damaged.
//
// What was lost since an event told of it last is told by an event now.
func (s *Spool) Next(ctx context.Context) (*Run, error) {
	for {
		for _, step := range []func(context.Context) error{s.tell, s.await, s.tell} {
			if err := step(ctx); err != nil {
				return nil, err
			}
		}
		if run, err := s.take(); err != nil || len(run.Events) > 0 {
			return run, err
		}
	}
}

// take reads the oldest events and marks them as on their way. None are left if all of them were damaged.
func (s *Spool) take() (*Run, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	run, damaged, err := s.read()
	if err != nil {
		return nil, fmt.Errorf("spool %s: %w", s.path, err)
	}
	if len(damaged) > 0 {
		s.opts.Report(fmt.Sprintf("spool %s: %d damaged blocks of events; what they held is lost, and counted", s.path, len(damaged)))
	}
	st := s.state.clone()
	st.Underway = max(st.Underway, run.upto)
	if st.Underway == s.state.Underway && len(damaged) == 0 {
		return run, nil
	}
	err = s.db.Update(func(tx *bolt.Tx) error {
		if err := store(tx, nil, damaged, &st); err != nil {
			return err
		}
		return putState(tx, st)
	})
	if err != nil {
		return nil, fmt.Errorf("spool %s: %w", s.path, err)
	}
	s.publish(st, nil, damaged)
	return run, nil
}

// read unpacks the oldest events.
func (s *Spool) read() (run *Run, damaged []block, err error) {
	run = &Run{Dropped: s.state.Lost.Events}
	text := 0
	err = s.db.View(func(tx *bolt.Tx) error {
		b := tx.Bucket(bucketBlocks)
		for _, blk := range s.index.blocks {
			if len(run.Events) > 0 && (text+blk.text > s.opts.Run || len(run.Events)+blk.events > codec.MaxEvents) {
				break
			}
			events, err := blk.read(b)
			if err != nil {
				damaged = append(damaged, blk)
				continue
			}
			run.Events = append(run.Events, events...)
			run.upto = blk.last()
			text += blk.text
		}
		return nil
	})
	return run, damaged, err
}

// await waits until there is enough to send.
func (s *Spool) await(ctx context.Context) error {
	var gathered <-chan time.Time
	for {
		s.mu.Lock()
		waiting, text := s.index.events, s.index.text
		s.mu.Unlock()
		if text >= int64(s.opts.Run) || waiting > 0 && s.opts.Gather < 0 {
			return nil
		}
		if waiting > 0 && gathered == nil {
			gathered = s.opts.After(s.opts.Gather)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-gathered:
			return nil
		case <-s.more:
		}
	}
}

// tell keeps an event about what was lost.
func (s *Spool) tell(ctx context.Context) error {
	s.mu.Lock()
	lost, told := s.state.Lost, s.state.Told
	s.mu.Unlock()
	if lost.Events == told {
		return nil
	}
	ev := &event.Event{Kind: event.AgentState, Location: "yagura-agent", Time: s.opts.Now(), Text: fmt.Sprintf(
		"ossec: Agent spool full: %d events lost, %d since %s (%s)", lost.Events-told, lost.Events, lost.First.UTC().Format(time.RFC3339), lost)}
	return s.keepAll(ctx, []*event.Event{ev}, lost.Events, nil)
}

// Sent forgets the events of a run.
func (s *Spool) Sent(r *Run) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	gone := s.index.upto(r.upto)
	err := s.db.Update(func(tx *bolt.Tx) error {
		b := tx.Bucket(bucketBlocks)
		for _, blk := range gone {
			if err := b.Delete(key(blk.seq)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("spool %s: %w", s.path, err)
	}
	s.publish(s.state, nil, gone)
	return nil
}

// Stats are what a spool holds.
type Stats struct {
	Events uint64 `json:"events"` // waiting to be sent
	Bytes  int64  `json:"bytes"`  // of these on disk
	Max    int64  `json:"max"`    // the most there may be
	Lost   Loss   `json:"lost,omitzero"`
}

// Stats returns what is kept at the moment.
func (s *Spool) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Stats{Events: s.index.events, Bytes: s.index.size, Max: s.opts.MaxBytes, Lost: s.state.clone().Lost}
}
