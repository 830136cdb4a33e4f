package syscheck

import (
	"context"
	"errors"
	"time"
)

// defaultEvery is how long after a scan the next one begins.
const defaultEvery = 12 * time.Hour

// longest is how long is waited at once, since clocks are set and machines sleep.
const longest = 5 * time.Minute

// Run makes scans when they are due and tells of changes as they happen where that is asked for, until ctx ends; that is no error. Any other
// one means that the spool is beyond help.
func (s *Syscheck) Run(ctx context.Context) error {
	if s.conf.Disabled {
		<-ctx.Done()
		return nil
	}
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watched := make(chan struct{})
	s.live.Store(s.newLive())
	err := s.begin(inner)
	if err == nil {
		go func() {
			defer close(watched)
			if err := s.watch(inner); err != nil && inner.Err() == nil {
				cancel(err)
			}
		}()
		err = s.scanWhenDue(inner)
		cancel(err)
		<-watched
	}
	if ctx.Err() != nil {
		return s.finish(ctx)
	}
	if inner.Err() != nil && errors.Is(err, context.Canceled) {
		err = context.Cause(inner)
	}
	return errors.Join(err, s.finish(ctx))
}

// begin tells the server what it needs to know from the start.
func (s *Syscheck) begin(ctx context.Context) error {
	s.mu.Lock()
	s.readPackages(s.o.Now())
	if err := s.full(ctx); err != nil { // of a run that was told in part before
		s.mu.Unlock()
		return err
	}
	epoch := s.memory.Epoch
	again := s.memory.Resend != nil
	known := s.progress.files.Load() > 0
	s.mu.Unlock()
	switch {
	case again:
		return s.resume(ctx)
	case epoch != s.o.Spool.Epoch() && known: // a cloned disk: its server knows another agent's files
		return s.Resend(ctx, nil)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.memory.Epoch = s.o.Spool.Epoch()
	s.pending.memory = true
	defer s.o.Spool.Release()
	return s.tellDigests(ctx)
}

// scanWhenDue makes one scan after the other.
func (s *Syscheck) scanWhenDue(ctx context.Context) error {
	started := s.o.Now()
	for {
		s.mu.Lock()
		due := s.conf.Schedule.due(s.o.Now(), started, s.memory.Began, s.memory.Ended)
		s.mu.Unlock()
		if wait := due.Sub(s.o.Now()); wait > 0 {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-s.o.After(min(wait, longest)):
			}
			continue
		}
		if _, err := s.Scan(ctx, false); err != nil {
			return err
		}
	}
}

// due returns when the next scan is to begin. A start is no reason for one, unless there was none or it was cut off.
func (c *Schedule) due(now, started, began, ended time.Time) time.Time {
	cutOff := ended.Before(began)
	switch {
	case ended.IsZero() && c.OnStart, began.Sub(now) > time.Hour, ended.Sub(now) > time.Hour: // the clock was wrong then
		return started
	case c.At >= 0 || c.Days != [7]bool{}:
		last := began
		if cutOff {
			last = ended
		}
		if ended.IsZero() {
			last = started
		}
		return c.onDay(now, last)
	case cutOff:
		return started
	case ended.IsZero():
		ended = started
	}
	if c.Every == 0 {
		return ended.Add(defaultEvery)
	}
	return ended.Add(c.Every)
}

// onDay returns the first time of a scan, today or later, that is after the last scan's. It may have passed.
func (c *Schedule) onDay(now, last time.Time) time.Time {
	year, month, day := now.Date()
	for i := 0; ; i++ {
		t := time.Date(year, month, day+i, 0, 0, int(max(c.At, 0)/time.Second), 0, now.Location())
		if (c.Days == [7]bool{} || c.Days[t.Weekday()]) && t.After(last) || i > 7 { // a week holds each day, whatever the clocks do
			return t
		}
	}
}
