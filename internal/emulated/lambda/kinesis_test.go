package lambda_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/yagura-hids/yagura/internal/emulated"
	"github.com/yagura-hids/yagura/internal/emulated/emulatedtest"
	"github.com/yagura-hids/yagura/internal/emulated/lambda"
)

func TestKinesis(t *testing.T) {
	url := emulatedtest.Start(t, emulated.Kinesis)

	t.Run("order", func(t *testing.T) {
		s := newStream(t, url, 2)
		keys := []string{"a", "b", "c", "d"}
		s.put(numbered(60, keys...)...)
		c := &calls{}
		p := poll(t, s, c, func(o *lambda.PollerOptions) { o.Mapping.BatchSize = 7 })
		drain(t, p)
		wantOrder(t, c.records(), 60, keys...)
		for _, b := range c.batches {
			if len(b) > 7 {
				t.Errorf("a batch of %d", len(b))
			}
		}
		if got := p.Counts(); got.Read != 240 || got.Delivered != 240 || got.Invocations != len(c.batches) || got.Failed+got.Partial+got.Repeats+got.GivenUp > 0 {
			t.Errorf("counts %+v", got)
		}
		s.put("a 60", "a 61")
		drain(t, p)
		wantOrder(t, c.records(), 62, "a")
	})

	t.Run("event", func(t *testing.T) {
		s := newStream(t, url, 1)
		c := &calls{decide: func(_ int, _ []string, records []events.KinesisEventRecord) (string, bool) {
			r := records[0]
			if r.EventID != "shardId-000000000000:"+r.Kinesis.SequenceNumber || r.EventSource != "aws:kinesis" || r.EventName != "aws:kinesis:record" ||
				!strings.HasSuffix(r.EventSourceArn, "stream/"+s.name) || time.Since(r.Kinesis.ApproximateArrivalTimestamp.Time) > time.Minute || len(r.Kinesis.SequenceNumber) < 50 {
				t.Errorf("record %+v", r)
			}
			return "", false
		}}
		s.put("web1 \x00\xff")
		drain(t, poll(t, s, c, nil))
		if got := c.records(); !slices.Equal(got, []string{"web1 \x00\xff"}) {
			t.Errorf("records %q", got)
		}
	})

	t.Run("latest", func(t *testing.T) {
		s := newStream(t, url, 1)
		s.put("a before")
		c := &calls{}
		p := poll(t, s, c, func(o *lambda.PollerOptions) { o.Mapping.StartingPosition = "LATEST" })
		s.put("a after")
		drain(t, p)
		if got := c.records(); !slices.Equal(got, []string{"a after"}) {
			t.Errorf("records %q", got)
		}
	})

	t.Run("window", func(t *testing.T) {
		s := newStream(t, url, 1)
		c := &calls{}
		gathers := poll(t, s, c, func(o *lambda.PollerOptions) {
			o.Mapping.Window, o.Mapping.BatchSize, o.Idle = time.Hour, 5, time.Millisecond
		})
		for i := range 5 {
			s.put(fmt.Sprintf("a %d", i))
		}
		drain(t, gathers)
		if wantOrder(t, c.records(), 5, "a"); len(c.batches) != 1 {
			t.Errorf("batches %q, want one that the window gathered", c.batches)
		}
		drain(t, poll(t, s, c, func(o *lambda.PollerOptions) { o.Mapping.Window, o.Mapping.BatchSize = 10*time.Millisecond, 6 }))
		if len(c.batches) != 2 || len(c.batches[1]) != 5 {
			t.Errorf("batches %q, want a second that the window's end completed", c.batches)
		}
	})

	t.Run("parallel", func(t *testing.T) { parallel(t, newStream(t, url, 1)) })
	t.Run("split", func(t *testing.T) { split(t, newStream(t, url, 1)) })
	t.Run("merge", func(t *testing.T) { merge(t, newStream(t, url, 2)) })
	t.Run("redelivery", func(t *testing.T) { redelivery(t, newStream(t, url, 1)) })
	t.Run("partial", func(t *testing.T) { partial(t, newStream(t, url, 1)) })
	t.Run("retries", func(t *testing.T) { retries(t, newStream(t, url, 1)) })
	t.Run("stop", func(t *testing.T) { stop(t, newStream(t, url, 1)) })
}

// parallel holds that as many batches of a shard are at work at a time as are allowed, and each key's in order.
func parallel(t *testing.T, s stream) {
	keys := strings.Split("abcdefghijklmnop", "")
	s.put(numbered(30, keys...)...)
	var mu sync.Mutex
	now, most := 0, 0
	all := make(chan struct{})
	c := &calls{decide: func(int, []string, []events.KinesisEventRecord) (string, bool) {
		mu.Lock()
		now++
		most = max(most, now)
		if now == 4 && most == 4 {
			select {
			case <-all:
			default:
				close(all)
			}
		}
		mu.Unlock()
		<-all // no batch is done before four are at work
		mu.Lock()
		now--
		mu.Unlock()
		return "", false
	}}
	drain(t, poll(t, s, c, func(o *lambda.PollerOptions) { o.Mapping.ParallelizationFactor = 4 }))
	wantOrder(t, c.records(), 30, keys...)
	if most != 4 {
		t.Errorf("%d batches at a time, want 4", most)
	}
}

// split splits a shard twice, once before it is read and once while it is, and lets each shard's first batch fail at first: no record of a
// child may come before its parent is done with.
func split(t *testing.T, s stream) {
	keys := strings.Split("abcdefgh", "")
	of := func(from, to int) []string { return numbered(to, keys...)[from*len(keys):] }
	s.put(of(0, 20)...)
	s.split()
	s.put(of(20, 40)...)
	var mu sync.Mutex
	failed := map[string]int{}
	shards := map[string]bool{}
	c := &calls{}
	c.decide = func(n int, batch []string, records []events.KinesisEventRecord) (string, bool) {
		mu.Lock()
		defer mu.Unlock()
		shard, _, _ := strings.Cut(records[0].EventID, ":")
		shards[shard] = true
		if failed[shard]++; failed[shard] <= 3 {
			c.mu.Lock()
			c.batches[n-1] = nil // it isn't done
			c.mu.Unlock()
			return "", true
		}
		return "", false
	}
	p := poll(t, s, c, nil)
	drain(t, p)
	s.split()
	s.put(of(40, 60)...)
	drain(t, p)
	wantOrder(t, c.records(), 60, keys...)
	if len(shards) != 5 {
		t.Errorf("%d shards were read, want 5: %v", len(shards), shards)
	}
}

// merge merges two shards: the child waits for both parents.
func merge(t *testing.T, s stream) {
	keys := strings.Split("abcdefgh", "")
	s.put(numbered(20, keys...)...)
	if _, err := s.client.MergeShards(t.Context(), &kinesis.MergeShardsInput{StreamName: &s.name,
		ShardToMerge: aws.String("shardId-000000000000"), AdjacentShardToMerge: aws.String("shardId-000000000001")}); err != nil {
		t.Fatal(err)
	}
	s.wait()
	s.put(numbered(40, keys...)[20*len(keys):]...)
	c := &calls{}
	drain(t, poll(t, s, c, nil))
	wantOrder(t, c.records(), 40, keys...)
}

// redelivery repeats parts of all batches: all come at least once, some again, and some of these after later ones.
func redelivery(t *testing.T, s stream) {
	s.put(numbered(300, "a")...)
	run := func(seed uint64) []string {
		c := &calls{}
		p := poll(t, s, c, func(o *lambda.PollerOptions) { o.Redeliver, o.Seed = 0.5, seed })
		drain(t, p)
		if n := p.Counts(); n.Delivered != 300 || n.Repeats == 0 {
			t.Errorf("counts %+v", n)
		}
		return c.records()
	}
	got := run(1)
	seen, late := map[string]bool{}, 0
	for i, r := range got {
		if seen[r] && i > 0 && seen[got[i-1]] && len(seen) > 10 {
			late++
		}
		seen[r] = true
	}
	if len(seen) != 300 || len(got) <= 300 || late == 0 {
		t.Errorf("%d records of 300, %d deliveries, %d of them late", len(seen), len(got), late)
	}
	if again, other := run(1), run(2); !slices.Equal(got, again) || slices.Equal(got, other) {
		t.Errorf("a seed gives %d deliveries and then %d, another %d", len(got), len(again), len(other))
	}
}

// partial has a function name the records that failed.
func partial(t *testing.T, s stream) {
	s.put(numbered(10, "a")...)
	c := &calls{decide: func(n int, _ []string, records []events.KinesisEventRecord) (string, bool) {
		switch n {
		case 1: // the lowest of them counts
			return fmt.Sprintf(`{"batchItemFailures":[{"itemIdentifier":%q},{"itemIdentifier":%q}]}`, records[7].Kinesis.SequenceNumber, records[4].Kinesis.SequenceNumber), false
		case 2: // not of this batch: all failed
			return `{"batchItemFailures":[{"itemIdentifier":"1"}]}`, false
		case 3:
			return `{"batchItemFailures":[{"itemIdentifier":""}]}`, false
		}
		return `{"batchItemFailures":[]}`, false
	}}
	p := poll(t, s, c, nil)
	drain(t, p)
	var sizes []string
	for _, b := range c.batches {
		sizes = append(sizes, fmt.Sprintf("%s+%d", b[0], len(b)))
	}
	if want := []string{"a 0+10", "a 4+6", "a 4+6", "a 4+6"}; !slices.Equal(sizes, want) {
		t.Errorf("batches %q, want %q", sizes, want)
	}
	if n := p.Counts(); n.Partial != 1 || n.Failed != 2 || n.Delivered != 10 {
		t.Errorf("counts %+v", n)
	}
}

// retries has a function fail always: the batch is given up after its retries, which wait longer and longer, and the next comes.
func retries(t *testing.T, s stream) {
	s.put(numbered(4, "a")...)
	var pauses []time.Duration
	c := &calls{decide: func(_ int, batch []string, _ []events.KinesisEventRecord) (string, bool) {
		return "{}", batch[0] == "a 0"
	}}
	p := poll(t, s, c, func(o *lambda.PollerOptions) {
		o.Mapping.BatchSize, o.Mapping.MaxRetries = 2, 3
		o.Pause = func(_ context.Context, d time.Duration) { pauses = append(pauses, d) }
	})
	drain(t, p)
	if want := []time.Duration{100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond}; !slices.Equal(pauses, want) {
		t.Errorf("pauses %v, want %v", pauses, want)
	}
	if n := p.Counts(); n.Invocations != 5 || n.GivenUp != 2 || n.Delivered != 2 {
		t.Errorf("counts %+v", n)
	}
}

// stop ends a mapping whose function fails for ever.
func stop(t *testing.T, s stream) {
	s.put("a 0")
	called := make(chan struct{}, 1)
	c := &calls{decide: func(int, []string, []events.KinesisEventRecord) (string, bool) {
		select {
		case called <- struct{}{}:
		default:
		}
		return "", true
	}}
	p := poll(t, s, c, nil)
	<-called
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Drained(ctx); err == nil {
		t.Error("drained, although the function fails")
	}
	p.Stop()
	if err := p.Drained(t.Context()); err == nil {
		t.Error("drained, although it was stopped")
	}
}

func TestPollRefuses(t *testing.T) {
	for name, m := range map[string]emulated.Mapping{
		"source":                    {Source: "sqs"},
		"filter 1: {":               {Source: emulated.SourceDynamoDB, Filters: []string{"{"}},
		"filters on a Kinesis":      {Source: emulated.SourceKinesis, Filters: []string{`{"a":["b"]}`}},
		"only buckets are emulated": {Source: emulated.SourceKinesis, OnFailure: "arn:aws:sqs:us-east-1:123456789012:q"},
		"no Kinesis client":         {Source: emulated.SourceKinesis},
	} {
		if _, err := lambda.Poll(t.Context(), lambda.PollerOptions{Mapping: m}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%+v: error %v, want one with %q", m, err, name)
		}
	}
}
