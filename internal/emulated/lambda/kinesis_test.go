package lambda_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/yagura-hids/yagura/internal/emulated"
	"github.com/yagura-hids/yagura/internal/emulated/emulatedtest"
	"github.com/yagura-hids/yagura/internal/emulated/lambda"
)

var testKeys = credentials.NewStaticCredentialsProvider("TEST", "secret", "")

// stream is a new stream of kinesalite.
type stream struct {
	t      testing.TB
	client *kinesis.Client
	name   string
}

func newStream(t testing.TB, url string, shards int32) stream {
	t.Helper()
	s := stream{t, kinesis.New(kinesis.Options{Region: "us-east-1", BaseEndpoint: aws.String(url), Credentials: testKeys}), strings.ReplaceAll(t.Name(), "/", "_")}
	if _, err := s.client.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: &s.name, ShardCount: &shards}); err != nil {
		t.Fatal(err)
	}
	s.wait()
	return s
}

// wait waits until the stream can be used.
func (s stream) wait() {
	s.t.Helper()
	if err := kinesis.NewStreamExistsWaiter(s.client).Wait(s.t.Context(), &kinesis.DescribeStreamInput{StreamName: &s.name}, time.Minute,
		func(o *kinesis.StreamExistsWaiterOptions) { o.MinDelay = 5 * time.Millisecond }); err != nil {
		s.t.Fatal(err)
	}
}

// put puts records "key data" in this order.
func (s stream) put(records ...string) {
	s.t.Helper()
	for part := range slices.Chunk(records, 500) {
		in := &kinesis.PutRecordsInput{StreamName: &s.name}
		for _, r := range part {
			key, data, _ := strings.Cut(r, " ")
			in.Records = append(in.Records, types.PutRecordsRequestEntry{PartitionKey: &key, Data: []byte(data)})
		}
		if out, err := s.client.PutRecords(s.t.Context(), in); err != nil || *out.FailedRecordCount > 0 {
			s.t.Fatal(out, err)
		}
	}
}

// split halves an open shard.
func (s stream) split() {
	s.t.Helper()
	out, err := s.client.ListShards(s.t.Context(), &kinesis.ListShardsInput{StreamName: &s.name})
	if err != nil {
		s.t.Fatal(err)
	}
	last := out.Shards[len(out.Shards)-1]
	low, _ := new(big.Int).SetString(*last.HashKeyRange.StartingHashKey, 10)
	high, _ := new(big.Int).SetString(*last.HashKeyRange.EndingHashKey, 10)
	middle := new(big.Int).Rsh(low.Add(low, high), 1).String()
	if _, err := s.client.SplitShard(s.t.Context(), &kinesis.SplitShardInput{StreamName: &s.name, ShardToSplit: last.ShardId, NewStartingHashKey: &middle}); err != nil {
		s.t.Fatal(err)
	}
	s.wait()
}

// numbered returns records "key 0" … "key n-1" of each key, in turns.
func numbered(n int, keys ...string) []string {
	var all []string
	for i := range n {
		for _, key := range keys {
			all = append(all, fmt.Sprintf("%s %d", key, i))
		}
	}
	return all
}

// calls is a function in this process that remembers what it was called with.
type calls struct {
	mu      sync.Mutex
	batches [][]string // "key data" of each call's records
	decide  func(n int, batch []string, records []events.KinesisEventRecord) (response string, fails bool)
}

func (c *calls) invoke(_ context.Context, event []byte) (lambda.Result, error) {
	var in events.KinesisEvent
	if err := json.Unmarshal(event, &in); err != nil {
		return lambda.Result{}, err
	}
	var batch []string
	for _, r := range in.Records {
		batch = append(batch, r.Kinesis.PartitionKey+" "+string(r.Kinesis.Data))
	}
	c.mu.Lock()
	c.batches = append(c.batches, batch)
	n := len(c.batches)
	c.mu.Unlock()
	response, fails := `{"batchItemFailures":[]}`, false
	if c.decide != nil {
		response, fails = c.decide(n, batch, in.Records)
	}
	r := lambda.Result{Invocation: lambda.Invocation{RequestID: fmt.Sprintf("request-%d", n)}, Payload: []byte(response)}
	if fails {
		r.FunctionError = "Unhandled"
	}
	return r, nil
}

// records returns all records in the order of their calls.
func (c *calls) records() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Concat(c.batches...)
}

// poll maps a stream to a function until the test ends. Retries don't wait.
func poll(t testing.TB, s stream, c *calls, change func(*lambda.PollerOptions)) *lambda.Poller {
	t.Helper()
	opts := lambda.PollerOptions{
		Mapping: emulated.Mapping{
			Name: t.Name(), Source: emulated.SourceKinesis, Stream: s.name, SourceARN: "arn:aws:kinesis:us-east-1:123456789012:stream/" + s.name,
			StartingPosition: "TRIM_HORIZON", BatchSize: 10, ParallelizationFactor: 1, MaxRetries: -1, MaxAge: -1, ReportItemFailures: true,
		},
		FunctionARN: "arn:aws:lambda:us-east-1:123456789012:function:Probe",
		Kinesis:     s.client,
		Pause:       func(context.Context, time.Duration) {},
		Log:         t.Logf,
	}
	if c != nil {
		opts.Invoke = c.invoke
	}
	if change != nil {
		change(&opts)
	}
	p, err := lambda.Poll(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p
}

func drain(t testing.TB, p *lambda.Poller) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := p.Drained(ctx); err != nil {
		t.Fatal(err)
	}
}

// wantOrder holds that each key's records were delivered in order, all of them, and none twice.
func wantOrder(t testing.TB, got []string, n int, keys ...string) {
	t.Helper()
	for _, key := range keys {
		next := 0
		for _, r := range got {
			if k, data, _ := strings.Cut(r, " "); k == key {
				if data != fmt.Sprint(next) {
					t.Errorf("key %s: %s came where %d was due", key, data, next)
					return
				}
				next++
			}
		}
		if next != n {
			t.Errorf("key %s: %d records, want %d", key, next, n)
		}
	}
}

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
