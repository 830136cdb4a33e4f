// Package uplink brings an agent's batches to where they are stored, in their order and however often it takes.
//
//	batch ─► try ─┬─ stored ─► the next one
//	          ▲   ├─ too fast, failed, cut off, no answer, disk full ─► wait ─┐
//	          └───┼───────────────────────────────────────────────────────────┘
//	              └─ no such stream, not allowed, no credentials ─► an error that says what to do
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
	"time"

	"github.com/yagura-hids/yagura/internal/codec"
)

// Errors of Open and Send.
var (
	// ErrRefused is returned when a batch will not be stored however often it is sent.
	ErrRefused = errors.New("refused")
	// ErrTarget is returned for words that name no uplink.
	ErrTarget = errors.New("no uplink")
)

// Options are what an uplink works with.
type Options struct {
	Agent   string                                           // whose batches: Kinesis's partition key, which keeps them in one shard
	Timeout time.Duration                                    // of one try; 0 for 30 s, in which 1 MiB goes through a slow line
	Wait    func(ctx context.Context, d time.Duration) error // returns after d, or ctx's error when that ends; nil for a timer
	Random  func() float64                                   // from 0 to below 1; nil for math/rand's
	Report  func(msg string)                                 // tells of trouble that lasts, and of its end; nil for nothing
}

// Uplink sends to one target. It is used by one goroutine at a time.
type Uplink struct {
	opts  Options
	to    target
	stats Stats
}

// Stats are what an uplink has done.
type Stats struct {
	Batches   int   // that were stored
	Bytes     int64 // of these
	Tries     int   // to send them, and the one that is on its way
	Throttled int   // tries that were refused for being too fast
}

// target is where batches go.
type target interface {
	fmt.Stringer
	// prepare returns what tries once to store the batch. A try's error is a failure, or is worth another try.
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
	partly    bool          // some of several batches were stored
}

// Error returns what happened and what to do.
func (f failure) Error() string {
	if f.hint == "" {
		return f.error.Error()
	}
	return f.error.Error() + "; " + f.hint
}

func (f failure) Unwrap() error { return f.error }

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
func (u *Uplink) Stats() Stats { return u.stats }

// Check tries once whether batches would be stored, without sending one that counts. Its error says what to do, if that is known.
func (u *Uplink) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, u.opts.Timeout)
	defer cancel()
	return u.explain(u.to.probe(ctx))
}

// explain returns a try's error with its target, and whether it lasts.
func (u *Uplink) explain(err error) error {
	var f failure
	switch {
	case err == nil:
		return nil
	case errors.As(err, &f) && f.hint != "":
		return fmt.Errorf("%s: %w: %w", u.to, ErrRefused, err)
	}
	return fmt.Errorf("%s: %w", u.to, err)
}

// reportAfter is how many tries in a row fail before it's said: a few are nothing unusual.
const reportAfter = 4

// Send returns when the target has stored the batch. Its error wraps ErrRefused if that will never be unless a person acts, and says how; else
// it is ctx's, with the trouble that there was last, and the batch may have been stored or not.
func (u *Uplink) Send(ctx context.Context, data []byte) error {
	try, err := u.to.prepare(data)
	if err != nil {
		return u.explain(err)
	}
	if err := u.insist(ctx, try); err != nil {
		return err
	}
	u.stats.Batches++
	u.stats.Bytes += int64(len(data))
	return nil
}

// SendAll is Send for batches of several agents. Those of one agent are stored in their order; a stream of Kinesis takes many in one request.
func (u *Uplink) SendAll(ctx context.Context, batches []codec.Encoded) error {
	s, ok := u.to.(*kinesisStream)
	if !ok {
		for _, b := range batches {
			if err := u.Send(ctx, b.Data); err != nil {
				return err
			}
		}
		return nil
	}
	for len(batches) > 0 {
		var request []codec.Encoded
		request, batches = oneRequest(batches)
		left := request
		err := u.insist(ctx, func(ctx context.Context) (err error) {
			left, err = s.putAll(ctx, left)
			return err
		})
		if err != nil {
			return err
		}
		for _, b := range request {
			u.stats.Batches++
			u.stats.Bytes += int64(len(b.Data))
		}
	}
	return nil
}

// insist tries until it works, a person has to act, or ctx ends. A try that got something done is a beginning anew.
func (u *Uplink) insist(ctx context.Context, try func(ctx context.Context) error) error {
	for failures := 0; ; {
		err := u.try(ctx, try)
		if err == nil {
			if failures >= reportAfter {
				u.opts.Report(fmt.Sprintf("%s takes batches again; nothing was lost", u.to))
			}
			return nil
		}
		var f failure
		if errors.As(err, &f) && f.hint != "" {
			return u.explain(err)
		}
		if f.throttled {
			u.stats.Throttled++
		}
		if f.partly {
			failures = 0
		}
		if failures++; failures == reportAfter {
			u.opts.Report(fmt.Sprintf("%s: %v; trying again until it takes the batch", u.to, err))
		}
		if ended := u.opts.Wait(ctx, f.after+u.backoff(failures)); ended != nil {
			return fmt.Errorf("%s: %w before it took the batch: %w", u.to, ended, err)
		}
	}
}

func (u *Uplink) try(ctx context.Context, try func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, u.opts.Timeout)
	defer cancel()
	u.stats.Tries++
	return try(ctx)
}

// The longest wait after the first failure, after many, and that another side may ask for.
const (
	firstWait = 200 * time.Millisecond
	mostWait  = 20 * time.Second
	mostAsked = 10 * time.Minute
)

// backoff returns how long to wait: anything from 0 to a time that doubles with each failure, so that agents that were refused together don't
// come back together.
func (u *Uplink) backoff(failures int) time.Duration {
	most := min(firstWait<<min(failures-1, 10), mostWait)
	return time.Duration(u.opts.Random() * float64(most))
}
