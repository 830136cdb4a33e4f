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
	if err := s.await(ctx); err != nil {
		return nil, err
	}
	if err := s.tell(ctx); err != nil {
		return nil, err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	st, idx := s.snapshot()
	run := &Run{Dropped: st.Lost.Events}
	text := 0
	err := s.db.View(func(tx *bolt.Tx) error {
		b := tx.Bucket(bucketBlocks)
		for _, blk := range idx.blocks {
			if len(run.Events) > 0 && (text+blk.text > runBytes || len(run.Events)+blk.events > codec.MaxEvents) {
				break
			}
			_, data, err := readBlock(key(blk.seq), b.Get(key(blk.seq)))
			if err != nil {
				return err
			}
			batch, err := codec.Decode(data)
			if err != nil {
				return fmt.Errorf("block %d: %w", blk.seq, err)
			}
			run.Events = append(run.Events, batch.Events...)
			run.upto = blk.last()
			text += blk.text
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("spool %s: %w", s.path, err)
	}
	if run.upto > st.Underway {
		st.Underway = run.upto
		if err := s.db.Update(func(tx *bolt.Tx) error { return putState(tx, st) }); err != nil {
			return nil, fmt.Errorf("spool %s: %w", s.path, err)
		}
		s.publish(st, idx)
	}
	return run, nil
}

// await waits until there is enough to send.
func (s *Spool) await(ctx context.Context) error {
	var gathered <-chan time.Time
	for {
		s.mu.Lock()
		waiting, text := s.index.events, s.index.text
		s.mu.Unlock()
		if text >= runBytes || waiting > 0 && s.opts.Gather < 0 {
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
	st, idx := s.snapshot()
	gone := idx.upto(r.upto)
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
	s.publish(st, idx)
	return nil
}

// Stats returns what is kept at the moment.
func (s *Spool) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Stats{Events: s.index.events, Bytes: s.index.size, Max: s.opts.MaxBytes, Lost: s.state.clone().Lost, Oldest: time.Time{}}
}
