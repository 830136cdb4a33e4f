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
