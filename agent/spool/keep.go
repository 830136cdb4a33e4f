package spool

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/yagura-hids/yagura/internal/codec"
	"github.com/yagura-hids/yagura/internal/event"
)

// A block is events of one class that were kept together: at most so many, of so much text, which fits into a batch even if it doesn't pack.
const (
	blockEvents = 4096
	blockBytes  = 512 << 10
)

// Keep gives each event its id, stores them all, and calls remember (which may be nil, as events may be empty) in the same transaction: there
// the caller stores, in buckets of its own, how far it has come. Both are on disk when Keep returns without an error. While they can't be
// (a full disk), it tells Report once and tries again until ctx ends; remember is then called again. Other errors are remember's own.
//
// The ids rise in the order of the events as far as these are of one class; see [Classify]. An event whose ID names an agent keeps it: a relay
// keeps those of many, numbered together.
func (s *Spool) Keep(ctx context.Context, events []*event.Event, remember func(tx *bolt.Tx) error) error {
	return s.keepAll(ctx, events, 0, remember)
}

// keepAll is Keep; the events tell of the loss of so many, if that isn't 0.
func (s *Spool) keepAll(ctx context.Context, events []*event.Event, told uint64, remember func(tx *bolt.Tx) error) error {
	for failures := 0; ; {
		err := s.keep(events, told, remember)
		if err == nil {
			if failures > 0 {
				s.opts.Report(fmt.Sprintf("spool %s: works again, nothing was lost", s.path))
			}
			return nil
		}
		if lasting(err) {
			return fmt.Errorf("spool %s: %w", s.path, err)
		}
		if failures++; failures == 1 {
			s.opts.Report(fmt.Sprintf("spool %s: %v; make room in %s; reading waits until then, nothing is lost", s.path, err, filepath.Dir(s.path)))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("spool %s: %w before %d events were kept: %w", s.path, ctx.Err(), len(events), err)
		case <-s.opts.After(min(time.Second<<min(failures-1, 5), 30*time.Second)):
		}
	}
}

// rememberError is an error of a caller's own function.
type rememberError struct{ error }

func (e rememberError) Unwrap() error { return e.error }

// lasting tells whether no waiting mends it.
func lasting(err error) bool {
	var own rememberError
	return errors.As(err, &own) || damaged(err) || errors.Is(err, berrors.ErrDatabaseNotOpen) || errors.Is(err, codec.ErrInvalid)
}

func (s *Spool) keep(events []*event.Event, told uint64, remember func(tx *bolt.Tx) error) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	st := s.state.clone()
	fresh, err := s.encode(events, &st)
	if err != nil {
		return err
	}
	st.Told = max(st.Told, told)
	dropped := s.index.victims(fresh, s.opts.MaxBytes, st.Underway)
	err = s.db.Update(func(tx *bolt.Tx) error {
		if err := store(tx, fresh, dropped, &st); err != nil {
			return err
		}
		if remember != nil {
			if err := remember(tx); err != nil {
				return rememberError{err}
			}
		}
		return putState(tx, st)
	})
	if err != nil {
		return err
	}
	s.publish(st, fresh, dropped)
	return nil
}

// store writes the fresh blocks and takes those out that there is no room for, maybe some of the fresh ones.
func store(tx *bolt.Tx, fresh, dropped []block, st *state) error {
	b := tx.Bucket(bucketBlocks)
	for _, f := range fresh {
		if err := b.Put(key(f.seq), f.data); err != nil {
			return err
		}
	}
	for _, d := range dropped {
		st.Lost.lose(d, b)
		if err := b.Delete(key(d.seq)); err != nil {
			return err
		}
	}
	return nil
}

// encode numbers the events and makes blocks of them, those of one class in their order.
func (s *Spool) encode(events []*event.Event, st *state) ([]block, error) {
	var byClass [classes][]*event.Event
	for _, ev := range events {
		s.fit(ev)
		c := Classify(ev)
		byClass[c] = append(byClass[c], ev)
	}
	var fresh []block
	for c, list := range byClass {
		for len(list) > 0 {
			n, size, places := 0, 0, 0
			for n < len(list) && n < blockEvents && size+places < blockBytes {
				list[n].ID = event.ID{Agent: list[n].ID.Agent, Epoch: st.Epoch, Seq: st.Seq + uint64(n) + 1}
				if list[n].ID.Agent == "" {
					list[n].ID.Agent = st.Agent
				}
				size += len(list[n].Text) + 1
				places += len(list[n].Location)
				n++
			}
			f, err := newBlock(st.Agent, Class(c), list[:n], size)
			if err != nil {
				return nil, err
			}
			fresh = append(fresh, f)
			st.Seq += uint64(n)
			list = list[n:]
		}
	}
	return fresh, nil
}

// fit makes an event one that can be sent: a reader of strangers' files can't vouch for each byte.
func (s *Spool) fit(ev *event.Event) {
	text, cut := event.Clip(ev.Text)
	ev.Text, ev.Cut = text, ev.Cut || cut
	ev.Location = strings.ToValidUTF8(ev.Location, "\uFFFD")
	if most := codec.MaxLocation - codec.MaxName - 1; len(ev.Location) > most { // room for its agent
		ev.Location = strings.ToValidUTF8(ev.Location[:most], "")
	}
	if !event.Plausible(ev.Time) {
		ev.Time = s.opts.Now()
	}
	ev.Time = ev.Time.Truncate(time.Millisecond) // more digits would be noise that doesn't pack
}

// publish makes known what is on disk now. Its caller holds writing.
func (s *Spool) publish(st state, fresh, gone []block) {
	s.mu.Lock()
	s.state = st
	s.index.add(fresh)
	s.index.remove(gone)
	s.mu.Unlock()
	if len(fresh) == 0 {
		return
	}
	select {
	case s.more <- struct{}{}:
	default:
	}
}

func key(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }

func putState(tx *bolt.Tx, st state) error {
	text, err := json.Marshal(st)
	if err != nil {
		return err
	}
	return tx.Bucket(bucketMeta).Put(keyState, text)
}
