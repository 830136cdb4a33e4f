// Package uplink brings an agent's batches to where they are stored, in their order and however often it takes.
//
//	batch ─► try ─┬─ stored ─► the next one
//	          ▲   ├─ too fast, failed, cut off, no answer, disk full ─► wait, up to 20 s ─┐
//	          ├───┼───────────────────────────────────────────────────────────────────────┤
//	          │   └─ no such stream, not allowed, no credentials ─┬─ Patient ─► say what to do, wait a minute
//	          └───────────────────────────────────────────────────┘└─ else an error that says what to do
//
//	kinesis:STREAM        PutRecords, one batch in a request: Kinesis may refuse one record and take the next
//	file:DIR              a file for each batch: EPOCH-FIRSTSEQ.ygr
//	https://HOST/PATH     POST; any 2xx means that the batch is stored
//
// One batch is on its way at a time. Whether one that got no answer was stored nobody knows; it's sent again, and its receiver tells by its
// events' ids that they are the same.
package uplink

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"
)

// Errors of Open and Send.
var (
	// ErrRefused is returned when a batch will not be stored however often it is sent.
	ErrRefused = errors.New("refused")
	// ErrTarget is returned for words that name no uplink.
	ErrTarget = errors.New("no uplink")
)

// Sender stores batches.
type Sender interface {
	// Send returns when the batch is stored. Else its error wraps ErrRefused, or is ctx's.
	Send(ctx context.Context, data []byte) error
}

var _ Sender = (*Uplink)(nil)

// Options are what an uplink works with.
type Options struct {
	Agent   string                                           // whose batches: Kinesis's partition key, which keeps them in one shard
	Patient bool                                             // what is refused is told to Report and tried again each minute: it may be allowed tomorrow
	Timeout time.Duration                                    // of one try; 0 for 30 s, in which 1 MiB goes through a slow line
	Wait    func(ctx context.Context, d time.Duration) error // returns after d, or ctx's error when that ends; nil for a timer
	Random  func() float64                                   // from 0 to below 1; nil for math/rand's
	Report  func(msg string)                                 // tells of trouble that lasts, and of its end; nil for nothing
}

// Uplink sends to one target. Send is called by one goroutine at a time, Stats by any.
type Uplink struct {
	opts Options
	to   target

	mu    sync.Mutex
	stats Stats
}

// Stats are what an uplink has done.
type Stats struct {
	Batches   int    // that were stored
	Bytes     int64  // of these
	Tries     int    // to send them, and the one that is on its way
	Throttled int    // tries that were refused for being too fast
	Trouble   string // why the last try failed; empty if it didn't
}

// target is where batches go.
type target interface {
	fmt.Stringer
	// prepare returns what tries once to store the batch. A try's error is a *failure, or is worth another try.
	prepare(data []byte) (try func(ctx context.Context) error, err error)
	// probe tries once whether batches would be stored, without storing one.
	probe(ctx context.Context) error
}

// failure is a try that failed, and what that means.
type failure struct {
	error                   // what happened
	hint      string        // what to do, if waiting doesn't mend it
	throttled bool          // it was refused for being too fast
	after     time.Duration // the least to wait, if the other side says so
}

func (f *failure) Unwrap() error { return f.error }

// Open returns the uplink that a target names: "kinesis:STREAM", "file:DIR", or a URL of http or https. It connects when it sends first, so
// its errors, which wrap ErrTarget, are about the words only.
func Open(name string, o Options) (*Uplink, error) {
	kind, rest, _ := strings.Cut(name, ":")
	switch {
	case kind == "kinesis" && rest != "":
		return Kinesis(nil, rest, o), nil
	case kind == "file" && rest != "":
		return File(rest, o), nil
	case kind == "http", kind == "https":
		return HTTP(name, o)
	}
	return nil, fmt.Errorf("%w: %.100q: want kinesis:STREAM, file:DIR, or https://HOST/PATH", ErrTarget, name)
}

func open(to target, o Options) *Uplink {
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	if o.Wait == nil {
		o.Wait = wait
	}
	if o.Random == nil {
		o.Random = rand.Float64
	}
	if o.Report == nil {
		o.Report = func(string) {}
	}
	return &Uplink{opts: o, to: to}
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// String returns where the batches go, without a password.
func (u *Uplink) String() string { return u.to.String() }

// Stats returns what has been done so far.
func (u *Uplink) Stats() Stats {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.stats
}

// Check tries once whether batches would be stored, without sending one that counts. Its error says what to do, if that is known.
func (u *Uplink) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, u.opts.Timeout)
	defer cancel()
	return u.explain(u.to.probe(ctx))
}

// explain returns a try's error with its target and the way out.
func (u *Uplink) explain(err error) error {
	var f *failure
	switch {
	case err == nil:
		return nil
	case errors.As(err, &f) && f.hint != "":
		return fmt.Errorf("%s: %w: %w; %s", u.to, ErrRefused, err, f.hint)
	}
	return fmt.Errorf("%s: %w", u.to, err)
}

// Send returns when the target has stored the batch. Its error wraps ErrRefused if that will never be, and says what to do (never so, if
// Patient); else it is ctx's, with the trouble that there was last, and the batch may have been stored or not.
func (u *Uplink) Send(ctx context.Context, data []byte) error {
	try, err := u.to.prepare(data)
	if err != nil {
		return u.explain(err)
	}
	told := ""
	for failures := 0; ; {
		err := u.try(ctx, try, len(data))
		if err == nil {
			if told != "" {
				u.opts.Report(fmt.Sprintf("%s takes batches again; nothing was lost", u.to))
			}
			return nil
		}
		failures++
		pause, msg, explained := u.backoff(failures), "", u.explain(err)
		var f *failure
		lasts := errors.As(err, &f) && f.hint != ""
		switch {
		case lasts && !u.opts.Patient:
			return explained
		case lasts:
			pause, msg = u.patience(), fmt.Sprintf("%v; trying again each minute, nothing is lost", explained)
		case failures >= reportAfter && told == "":
			msg = fmt.Sprintf("%v; trying again until it takes the batch", explained)
		}
		if msg != "" && msg != told {
			u.opts.Report(msg)
			told = msg
		}
		if f != nil {
			pause += f.after
		}
		if ended := u.opts.Wait(ctx, pause); ended != nil {
			return fmt.Errorf("%s: %w before it took the batch: %w", u.to, ended, err)
		}
	}
}

// try tries once, and counts.
func (u *Uplink) try(ctx context.Context, try func(ctx context.Context) error, size int) error {
	u.count(func(s *Stats) { s.Tries++ })
	ctx, cancel := context.WithTimeout(ctx, u.opts.Timeout)
	defer cancel()
	err := try(ctx)
	u.count(func(s *Stats) {
		var f *failure
		switch {
		case err == nil:
			s.Batches++
			s.Bytes += int64(size)
			s.Trouble = ""
			return
		case errors.As(err, &f) && f.throttled:
			s.Throttled++
		}
		s.Trouble = u.explain(err).Error()
	})
	return err
}

func (u *Uplink) count(change func(s *Stats)) {
	u.mu.Lock()
	defer u.mu.Unlock()
	change(&u.stats)
}

const (
	reportAfter = 4 // tries in a row that fail before it's said: a few are nothing unusual
	firstWait   = 200 * time.Millisecond
	mostWait    = 20 * time.Second
	mostAsked   = 10 * time.Minute // that another side may make an agent wait
)

// backoff returns how long to wait: anything from 0 to a time that doubles with each failure, so that agents that were refused together don't
// come back together.
func (u *Uplink) backoff(failures int) time.Duration {
	most := min(firstWait<<min(failures-1, 10), mostWait)
	return time.Duration(u.opts.Random() * float64(most))
}

// patience returns how long to wait for a person to act.
func (u *Uplink) patience() time.Duration {
	return 30*time.Second + time.Duration(u.opts.Random()*float64(time.Minute))
}
