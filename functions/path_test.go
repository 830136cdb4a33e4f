// Package functions_test tries the whole path: senders, stream, compiled functions, tables, topic.
package functions_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/yagura-hids/yagura/internal/emulated"
	"github.com/yagura-hids/yagura/internal/emulated/emulatedtest"
	"github.com/yagura-hids/yagura/internal/emulated/faults"
	"github.com/yagura-hids/yagura/internal/emulated/lambda"
	"github.com/yagura-hids/yagura/internal/table/dynamo"
)

// path is the stack of template.yaml with its compiled functions.
type path struct {
	*emulated.Stack
	analyze, notify *lambda.Host
	records, alerts *lambda.Poller
	output          *lines
}

// pathOptions say how a path is disturbed. The zero pathOptions don't disturb it.
type pathOptions struct {
	rules      string // a folder with a folder rules in it; "" for the built-in ones
	seldom     bool   // shards are looked at as seldom as by AWS
	parameters map[string]string
	seed       uint64
	redeliver  float64
	at         func(p *path, m faults.Moment)
	kill       func(lambda.Invocation) (time.Duration, bool)
	done       func(lambda.Result)     // told of each of analyze's invocations, one after another
	crash      func(event []byte) bool // whether analyze dies of this event
}

// up starts a path, until the test ends.
func up(t testing.TB, o pathOptions) *path {
	t.Helper()
	root := emulatedtest.Root(t)
	p := &path{output: &lines{}}
	var ready atomic.Bool
	stack, err := emulated.Up(t.Context(), emulated.Options{
		Template: filepath.Join(root, "template.yaml"), Parts: emulatedtest.Dir(t), Parameters: o.parameters, Shards: 2, Seed: o.seed,
		At: func(m faults.Moment) {
			if o.at != nil && ready.Load() {
				o.at(p, m)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stack.Close)
	p.Stack = stack
	dies := &sizes{}
	p.analyze = p.host(t, "AnalyzeFunction", o.rules, func(i lambda.Invocation) (time.Duration, bool) {
		if dies.has(i.Bytes) {
			return 0, true
		}
		if o.kill != nil {
			return o.kill(i)
		}
		return 0, false
	}, o.done)
	p.notify = p.host(t, "NotifyFunction", "", nil, nil)
	p.records = p.poll(t, "AnalyzeFunction", p.analyze, o, func(ctx context.Context, event []byte) (lambda.Result, error) {
		if o.crash == nil || !o.crash(event) {
			return p.analyze.Invoke(ctx, event)
		}
		dies.add(len(event)) // at once, or if it's faster than that, when it has done its work and not yet answered
		r, err := p.analyze.Invoke(ctx, event)
		p.analyze.Kill(r.Environment)
		r.FunctionError, r.Payload = "Unhandled", []byte(`{"errorType":"Runtime.ExitError","errorMessage":"signal: killed"}`)
		return r, err
	})
	p.alerts = p.poll(t, "NotifyFunction", p.notify, o, p.notify.Invoke)
	ready.Store(true)
	return p
}

func (p *path) host(t testing.TB, name, root string, kill func(lambda.Invocation) (time.Duration, bool), done func(lambda.Result)) *lambda.Host {
	t.Helper()
	var mu sync.Mutex
	f := p.Functions[name]
	bootstrap, err := lambda.Build(t.Context(), emulatedtest.Root(t), "./"+f.Code)
	if err != nil {
		t.Fatal(err)
	}
	host, err := lambda.NewHost(lambda.HostOptions{
		Function: *f, Bootstrap: bootstrap, Root: root, Env: p.Env(), Concurrency: 4, Output: p.output, Kill: kill,
		Done: func(r lambda.Result) {
			if done != nil {
				mu.Lock()
				defer mu.Unlock()
				done(r)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(host.Close)
	return host
}

func (p *path) poll(t testing.TB, name string, host *lambda.Host, o pathOptions, invoke func(context.Context, []byte) (lambda.Result, error)) *lambda.Poller {
	t.Helper()
	kinesisAt, dynamoAt, other := p.Clients()
	mapping := p.Functions[name].Mappings[0]
	idle := 20 * time.Millisecond
	if o.seldom {
		idle = 0
	}
	poller, err := lambda.Poll(context.Background(), lambda.PollerOptions{
		Mapping: mapping, FunctionARN: host.ARN(), Invoke: invoke, Kinesis: kinesis.NewFromConfig(kinesisAt),
		Streams: dynamodbstreams.NewFromConfig(dynamoAt), S3: s3.NewFromConfig(other), Idle: idle,
		Pause: func(context.Context, time.Duration) {}, Log: func(f string, args ...any) { fmt.Fprintf(p.output, f+"\n", args...) },
		Redeliver: o.redeliver, Seed: o.seed,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(poller.Stop)
	return poller
}

// drain waits until all that was sent has been judged and told.
func (p *path) drain(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	for _, poller := range []*lambda.Poller{p.records, p.alerts} {
		if err := poller.Drained(ctx); err != nil {
			t.Fatalf("%v; records %+v, alerts %+v; the functions said last:\n%s", err, p.records.Counts(), p.alerts.Counts(), p.output.last())
		}
	}
}

// table returns the tables, past the proxy.
func (p *path) table() *dynamo.Table {
	_, at, _ := p.Clients()
	names := map[string]string{"alerts": p.Names["AlertsTable"], "state": p.Names["StateTable"], "fleet": p.Names["FleetTable"]}
	return dynamo.New(dynamodb.NewFromConfig(at), dynamo.Options{Name: func(s string) string { return names[s] }})
}

// split halves the first open shard of the stream.
func (p *path) split(t testing.TB) {
	t.Helper()
	at, _, _ := p.Clients()
	client, stream := kinesis.NewFromConfig(at), p.Names["Stream"]
	list, err := client.ListShards(t.Context(), &kinesis.ListShardsInput{StreamName: &stream})
	if err != nil {
		t.Fatal(err)
	}
	shard := list.Shards[0]
	low, _ := new(big.Int).SetString(*shard.HashKeyRange.StartingHashKey, 10)
	high, _ := new(big.Int).SetString(*shard.HashKeyRange.EndingHashKey, 10)
	middle := new(big.Int).Rsh(low.Add(low, high), 1).String()
	in := &kinesis.SplitShardInput{StreamName: &stream, ShardToSplit: shard.ShardId, NewStartingHashKey: &middle}
	if _, err := client.SplitShard(t.Context(), in); err != nil {
		t.Fatal(err)
	}
}

// objects returns what the failure bucket holds, by key.
func (p *path) objects(t testing.TB) map[string][]byte {
	t.Helper()
	_, _, at := p.Clients()
	client := s3.NewFromConfig(at, func(o *s3.Options) { o.UsePathStyle = true })
	bucket, found := p.Names["FailureBucket"], map[string][]byte{}
	pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: &bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Contents {
			got, err := client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: o.Key})
			if err != nil {
				t.Fatal(err)
			}
			var text bytes.Buffer
			if _, err := text.ReadFrom(got.Body); err != nil {
				t.Fatal(err)
			}
			found[aws.ToString(o.Key)] = text.Bytes()
		}
	}
	return found
}

// sizes remembers sizes of events, by which an invocation is known again.
type sizes struct {
	mu  sync.Mutex
	set map[int]bool
}

func (s *sizes) add(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.set == nil {
		s.set = map[int]bool{}
	}
	s.set[n] = true
}

func (s *sizes) has(n int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.set[n]
}

// lines keeps the last of what is written.
type lines struct {
	mu   sync.Mutex
	text []byte
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	l.text = l.text[max(0, len(l.text)-1<<20):]
	return len(p), nil
}

func (l *lines) last() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text[max(0, len(l.text)-4000):])
}

// overlay makes a function's root whose rules replace the built-in ones of the same names.
func overlay(t testing.TB, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, "rules", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// sum adds counts.
func sum(a, b map[string]int) map[string]int {
	all := maps.Clone(a)
	for k, n := range b {
		all[k] += n
	}
	return all
}
