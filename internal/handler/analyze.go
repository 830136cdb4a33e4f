// Package handler is what Lambda calls: an event of a stream in, a verdict for each of its records out.
//
//	Kinesis records ─► Analyze ─► alerts and state, together
//	                      └─► what can't be read is set aside
//	alerts table's stream ─► Notify ─► messages
//	EventBridge ─► Maintenance ─► signs of patching
//
// A record that failed, and all after it, come again; what is done twice is done once. So a handler may be killed at any moment.
package handler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/yagura-hids/yagura/internal/analysisd"
	"github.com/yagura-hids/yagura/internal/codec"
	"github.com/yagura-hids/yagura/internal/event"
)

// Analyze judges the events of Kinesis records.
type Analyze struct {
	Daemon   *analysisd.Daemon
	SetAside func(ctx context.Context, r codec.Record, stream string, cause error) error // keeps a record that can't be read
	Health   func() []string                                                             // what to tell of rules that run too long
	Log      *slog.Logger
	told     map[string]bool // of what Health says
}

// A window is what is sorted and judged at once. It bounds memory: decoded, an invocation's records can be a hundred times their size.
const (
	windowEvents = 20_000
	windowBytes  = 16 << 20
)

// margin is how long before its end an invocation stops by itself: what is done until then is reported as done.
const margin = 3 * time.Second

// Handle judges a batch. If it can't do all, it reports the first record that isn't done: Lambda comes again with that and all after it. If that's
// the first one of all, it returns the cause as an error, and Lambda tries parts of the batch, until the record that is to blame is alone.
func (h *Analyze) Handle(ctx context.Context, in events.KinesisEvent) (out events.KinesisEventResponse, err error) {
	ctx, cancel := withMargin(ctx)
	defer cancel()
	var sum analysisd.Result
	done, err := h.all(ctx, in.Records, &sum)
	h.tell()
	attrs := []any{"records", len(in.Records), "done", done, "events", sum.Events, "alerts", sum.Alerts, "commits", sum.Commits, "conflicts", sum.Conflicts}
	if err == nil {
		h.Log.Info("analysed", attrs...)
		return out, nil
	}
	h.Log.Error("not all analysed; the rest comes again", append(attrs, "cause", err.Error())...)
	if done == 0 {
		return out, err
	}
	failed := events.KinesisBatchItemFailure{ItemIdentifier: in.Records[done].Kinesis.SequenceNumber}
	return events.KinesisEventResponse{BatchItemFailures: []events.KinesisBatchItemFailure{failed}}, nil
}

// withMargin returns a context that ends a margin before the invocation does.
func withMargin(ctx context.Context) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, end.Add(-margin))
}

// tell logs what is wrong with rules, once.
func (h *Analyze) tell() {
	for _, text := range h.Health() {
		if !h.told[text] {
			if h.told == nil {
				h.told = map[string]bool{}
			}
			h.told[text] = true
			h.Log.Warn("rule runs too long", "detail", text)
		}
	}
}

// all judges the records, and returns how many at the front are done for good.
func (h *Analyze) all(ctx context.Context, records []events.KinesisEventRecord, sum *analysisd.Result) (done int, err error) {
	for done < len(records) {
		window, n, readErr := h.window(ctx, records[done:])
		r, err := h.Daemon.Run(ctx, window)
		sum.Add(r)
		if err != nil {
			return done, err
		}
		if done += n; readErr != nil {
			return done, readErr
		}
	}
	return done, nil
}

// window reads records until their events are enough, and returns how many they were. Those that can't be read are set aside; if even
// that fails, the window ends before them.
func (h *Analyze) window(ctx context.Context, records []events.KinesisEventRecord) (list []*event.Event, n int, err error) {
	bytes := 0
	for i := range records {
		r, stream := record(&records[i])
		found, err := codec.Events(r)
		if err != nil {
			if err := h.setAside(ctx, r, stream, err); err != nil {
				return list, n, err
			}
		}
		n++
		for _, ev := range found {
			bytes += len(ev.Text)
		}
		if list = append(list, found...); len(list) >= windowEvents || bytes >= windowBytes {
			break
		}
	}
	return list, n, nil
}

func (h *Analyze) setAside(ctx context.Context, r codec.Record, stream string, cause error) error {
	if err := h.SetAside(ctx, r, stream, cause); err != nil {
		return fmt.Errorf("set record %s of %s aside: %w", r.Sequence, r.Shard, errors.Join(err, cause))
	}
	h.Log.Error("record set aside", "shard", r.Shard, "sequence", r.Sequence, "partition_key", r.PartitionKey, "bytes", len(r.Data), "cause", cause.Error())
	return nil
}

// record returns a record in the codec's words, and the name of its stream. Its eventID is "shard:sequence number".
func record(r *events.KinesisEventRecord) (codec.Record, string) {
	shard, _, _ := strings.Cut(r.EventID, ":")
	_, stream, _ := strings.Cut(r.EventSourceArn, "/")
	return codec.Record{
		Data: r.Kinesis.Data, PartitionKey: r.Kinesis.PartitionKey, Sequence: r.Kinesis.SequenceNumber, Shard: shard,
		Arrived: r.Kinesis.ApproximateArrivalTimestamp.Time,
	}, stream
}
