// Package uplink brings an agent's batches to a Kinesis stream, in their order and however often it takes.
//
//	batch ─► PutRecords ─┬─ stored ─► the next one
//	           ▲         ├─ too fast, failed, cut off, no answer ─► wait ─┐
//	           └─────────┼───────────────────────────────────────────────┘
//	                     └─ no such stream, not allowed, no credentials ─► an error that says what to do
//
// One batch is on its way at a time, alone in its request: Kinesis may refuse one record of a request and take the next. Whether a batch that
// got no answer was stored nobody knows; it's sent again, and its receiver tells by its events' ids that they are the same.
package uplink

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"
)

// Client is what an uplink needs of the SDK's client.
type Client interface {
	PutRecords(ctx context.Context, in *kinesis.PutRecordsInput, options ...func(*kinesis.Options)) (*kinesis.PutRecordsOutput, error)
}

var _ Client = (*kinesis.Client)(nil)

// Options are what an uplink works with.
type Options struct {
	Client  Client                                           // [Connect]
	Stream  string                                           // its name
	Agent   string                                           // whose batches: the partition key, which keeps them in one shard
	Timeout time.Duration                                    // of one try; 0 for 30 s, in which 1 MiB goes through a slow line
	Wait    func(ctx context.Context, d time.Duration) error // returns after d, or ctx's error when that ends; nil for a timer
	Random  func() float64                                   // from 0 to below 1; nil for math/rand's
	Report  func(msg string)                                 // tells of trouble that lasts, and of its end; nil for nothing
}

// Uplink sends to one stream. It is used by one goroutine at a time.
type Uplink struct {
	Options
	stats Stats
}

// Stats are what an uplink has done.
type Stats struct {
	Batches   int   // that were stored
	Bytes     int64 // of these
	Tries     int   // to send them, and the one that is on its way
	Throttled int   // tries that were refused for being too fast
}

// New returns an uplink.
func New(o Options) *Uplink {
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
	return &Uplink{Options: o}
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

// Stats returns what has been done so far.
func (u *Uplink) Stats() Stats { return u.stats }

// reportAfter is how many tries in a row fail before it's said: a few are nothing unusual.
const reportAfter = 4

// Send returns when the stream has stored the batch. Its error wraps ErrRefused if that will never be, and says what to do; else it is ctx's,
// with the trouble that there was last, and the batch may have been stored or not.
func (u *Uplink) Send(ctx context.Context, data []byte) error {
	for failures := 0; ; {
		err := u.try(ctx, data)
		if err == nil {
			if failures >= reportAfter {
				u.Report(fmt.Sprintf("stream %s takes batches again; nothing was lost", u.Stream))
			}
			u.stats.Batches++
			u.stats.Bytes += int64(len(data))
			return nil
		}
		if hint, never := refused(err); never {
			return fmt.Errorf("stream %s: %w: %w; %s", u.Stream, ErrRefused, brief(err), hint)
		}
		if throttled(err) {
			u.stats.Throttled++
		}
		if failures++; failures == reportAfter {
			u.Report(fmt.Sprintf("stream %s: %v; trying again until it takes the batch", u.Stream, brief(err)))
		}
		if ended := u.Wait(ctx, u.backoff(failures)); ended != nil {
			return fmt.Errorf("stream %s: %w before it took the batch: %w", u.Stream, ended, brief(err))
		}
	}
}

// The longest wait after the first failure, and after many.
const (
	firstWait = 200 * time.Millisecond
	mostWait  = 20 * time.Second
)

// backoff returns how long to wait: anything from 0 to a time that doubles with each failure, so that agents that were refused together don't
// come back together.
func (u *Uplink) backoff(failures int) time.Duration {
	most := min(firstWait<<min(failures-1, 10), mostWait)
	return time.Duration(u.Random() * float64(most))
}

func (u *Uplink) try(ctx context.Context, data []byte) error {
	ctx, cancel := context.WithTimeout(ctx, u.Timeout)
	defer cancel()
	u.stats.Tries++
	out, err := u.Client.PutRecords(ctx, &kinesis.PutRecordsInput{
		StreamName: &u.Stream, Records: []types.PutRecordsRequestEntry{{Data: data, PartitionKey: &u.Agent}},
	}, once)
	switch {
	case err != nil:
		return err
	case len(out.Records) != 1:
		return fmt.Errorf("the answer is about %d records, sent was 1", len(out.Records))
	case out.Records[0].ErrorCode != nil:
		return &smithy.GenericAPIError{Code: *out.Records[0].ErrorCode, Message: aws.ToString(out.Records[0].ErrorMessage)}
	}
	return nil
}

// once keeps the SDK from trying again by itself.
func once(o *kinesis.Options) { o.Retryer = aws.NopRetryer{} }

// throttled tells whether a try was refused for being too fast.
func throttled(err error) bool {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return false
	}
	switch api.ErrorCode() {
	case "ProvisionedThroughputExceededException", "ThrottlingException", "LimitExceededException", "KMSThrottlingException":
		return true
	}
	return false
}

// brief returns the part of an SDK's error that tells a person something.
func brief(err error) error {
	var api smithy.APIError
	var network *url.Error
	switch {
	case errors.As(err, &api):
		return fmt.Errorf("%s: %s", api.ErrorCode(), api.ErrorMessage())
	case errors.As(err, &network):
		return network
	}
	return err
}
