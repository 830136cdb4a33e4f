package syscheck

import (
	"bytes"
	"context"

	bolt "go.etcd.io/bbolt"

	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/syscheck"
)

// resend is what is being told again. It is remembered, so that a restart goes on with it.
type resend struct {
	Buckets []int  `json:"buckets,omitempty"` // none for all
	Next    []byte `json:"next,omitempty"`    // key of the first record that wasn't told yet
}

// Resend tells again what is known of all files in these buckets, of all if there are none, as the cache has it: no file is looked at. It returns
// when all is kept, the digests, too.
func (s *Syscheck) Resend(ctx context.Context, buckets []int) error {
	s.mu.Lock()
	if was := s.memory.Resend; was != nil && len(was.Buckets) > 0 && len(buckets) > 0 {
		buckets = append(buckets, was.Buckets...)
	} else if was != nil {
		buckets = nil
	}
	s.memory.Resend = &resend{Buckets: buckets}
	s.pending.memory = true
	err := s.flush(ctx)
	s.mu.Unlock()
	if err != nil {
		return err
	}
	return s.resume(ctx)
}

// resume tells what is to be told again, a page at a time: others come in between.
func (s *Syscheck) resume(ctx context.Context) error {
	for {
		more, err := s.resendPage(ctx)
		if err != nil || !more {
			return err
		}
	}
}

func (s *Syscheck) resendPage(ctx context.Context) (more bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	again := s.memory.Resend
	if again == nil {
		return false, nil
	}
	if err := s.flush(ctx); err != nil { // so that the cache is as new as what was told
		return false, err
	}
	next, err := s.resendFrom(again)
	if err != nil {
		return false, err
	}
	s.pending.memory = true
	if next != nil {
		s.memory.Resend = &resend{Buckets: again.Buckets, Next: next}
		return true, s.flush(ctx)
	}
	s.memory.Resend = nil
	s.memory.Epoch = s.o.Spool.Epoch()
	return false, s.tellDigests(ctx)
}

// resendFrom makes events of a page of records, and returns the key of the first one behind it, nil at the end.
func (s *Syscheck) resendFrom(again *resend) (next []byte, err error) {
	var wanted [syscheck.Buckets]bool
	for _, b := range again.Buckets {
		if b >= 0 && b < len(wanted) {
			wanted[b] = true
		}
	}
	err = s.o.Spool.View(func(tx *bolt.Tx) error {
		files := filesOf(tx)
		if files == nil {
			return nil
		}
		c := files.Cursor()
		n := 0
		for k, v := c.Seek(again.Next); k != nil; k, v = c.Next() {
			if n++; n > 16*pageKeys || len(s.pending.events) >= groupSize {
				next = bytes.Clone(k)
				return nil
			}
			known, err := parseKnown(v)
			path := syscheck.Escape(pathOf(k))
			if err == nil && (len(again.Buckets) == 0 || wanted[syscheck.Bucket(path)]) {
				s.tell(event.Syscheck, location(k), text(syscheck.Change{Type: syscheck.Baseline, Path: path, After: s.named(known)}))
			}
		}
		return nil
	})
	return next, err
}
