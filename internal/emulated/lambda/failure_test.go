package lambda_test

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/yagura-hids/yagura/internal/emulated"
	"github.com/yagura-hids/yagura/internal/emulated/emulatedtest"
	"github.com/yagura-hids/yagura/internal/emulated/lambda"
)

// invocationRecord is what is read of an object in the bucket.
type invocationRecord struct {
	RequestContext struct {
		RequestID, FunctionARN, Condition string
		ApproximateInvokeCount            int
	}
	ResponseContext *struct {
		StatusCode                     int
		ExecutedVersion, FunctionError string
	}
	Version, Timestamp string
	KinesisBatchInfo   *batchInfo
	DDBStreamBatchInfo *batchInfo
	Payload            events.KinesisEvent
}

type batchInfo struct {
	ShardID, StartSequenceNumber, EndSequenceNumber, StreamARN      string
	ApproximateArrivalOfFirstRecord, ApproximateArrivalOfLastRecord time.Time
	BatchSize                                                       int
}

// kept is a new bucket of moto.
type kept struct {
	t      testing.TB
	client *s3.Client
	name   string
}

func newBucket(t testing.TB, url string) kept {
	t.Helper()
	k := kept{t, s3.New(s3.Options{Region: "us-east-1", BaseEndpoint: aws.String(url), Credentials: testKeys, UsePathStyle: true}), strings.ToLower(strings.ReplaceAll(t.Name(), "/", "-"))}
	if _, err := k.client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &k.name}); err != nil {
		t.Fatal(err)
	}
	return k
}

// use makes the bucket a mapping's on-failure destination.
func (k kept) use(o *lambda.PollerOptions) {
	o.S3, o.Mapping.OnFailure = k.client, "arn:aws:s3:::"+k.name
}

// all returns the bucket's objects by their keys.
func (k kept) all() map[string][]byte {
	k.t.Helper()
	list, err := k.client.ListObjectsV2(k.t.Context(), &s3.ListObjectsV2Input{Bucket: &k.name})
	if err != nil {
		k.t.Fatal(err)
	}
	objects := map[string][]byte{}
	for _, o := range list.Contents {
		out, err := k.client.GetObject(k.t.Context(), &s3.GetObjectInput{Bucket: &k.name, Key: o.Key})
		if err != nil {
			k.t.Fatal(err)
		}
		text, err := io.ReadAll(out.Body)
		if err != nil {
			k.t.Fatal(err)
		}
		objects[*o.Key] = text
	}
	return objects
}

// records reads the objects, in the order of their records.
func (k kept) records() []invocationRecord {
	k.t.Helper()
	var all []invocationRecord
	for key, text := range k.all() {
		var r invocationRecord
		if err := json.Unmarshal(text, &r); err != nil {
			k.t.Fatalf("%s: %v\n%s", key, err, text)
		}
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b invocationRecord) int {
		return strings.Compare(a.KinesisBatchInfo.StartSequenceNumber, b.KinesisBatchInfo.StartSequenceNumber)
	})
	return all
}

func TestFailures(t *testing.T) {
	streams, buckets := emulatedtest.Start(t, emulated.Kinesis), emulatedtest.Start(t, emulated.Moto)
	t.Run("bisect", func(t *testing.T) { bisect(t, newStream(t, streams, 1), newBucket(t, buckets)) })
	t.Run("age", func(t *testing.T) { age(t, newStream(t, streams, 1), newBucket(t, buckets)) })
	t.Run("partial", func(t *testing.T) { partialPoison(t, newStream(t, streams, 1), newBucket(t, buckets)) })
	t.Run("processes", func(t *testing.T) { processes(t, newStream(t, streams, 2), newBucket(t, buckets)) })
}

// bisect has two of 64 records fail each batch that they are in: they alone are given up, each after its own retries, and kept complete.
func bisect(t *testing.T, s stream, k kept) {
	all := numbered(64, "a")
	s.put(all...)
	poison := []string{"a 13", "a 40"}
	c := &calls{decide: func(_ int, batch []string, _ []events.KinesisEventRecord) (string, bool) {
		return "", slices.ContainsFunc(batch, func(r string) bool { return slices.Contains(poison, r) })
	}}
	p := poll(t, s, c, func(o *lambda.PollerOptions) {
		o.Mapping.BatchSize, o.Mapping.Bisect, o.Mapping.MaxRetries = 64, true, 2
		k.use(o)
	})
	drain(t, p)
	var good []string
	for _, b := range c.batches {
		if !slices.ContainsFunc(b, func(r string) bool { return slices.Contains(poison, r) }) {
			good = append(good, b...)
		}
	}
	if want := slices.DeleteFunc(all, func(r string) bool { return slices.Contains(poison, r) }); !slices.Equal(good, want) {
		t.Errorf("delivered %q", good)
	}
	records := k.records()
	if len(records) != 2 || p.Counts().GivenUp != 2 {
		t.Fatalf("%d objects, counts %+v", len(records), p.Counts())
	}
	for i, r := range records {
		info := r.KinesisBatchInfo
		if len(r.Payload.Records) != 1 || "a "+string(r.Payload.Records[0].Kinesis.Data) != poison[i] {
			t.Errorf("payload %+v, want %q", r.Payload, poison[i])
			continue
		}
		sequence := r.Payload.Records[0].Kinesis.SequenceNumber
		if info.ShardID != "shardId-000000000000" || info.StartSequenceNumber != sequence || info.EndSequenceNumber != sequence || info.BatchSize != 1 ||
			!strings.HasSuffix(info.StreamARN, s.name) || time.Since(info.ApproximateArrivalOfFirstRecord) > time.Minute || info.ApproximateArrivalOfLastRecord.IsZero() {
			t.Errorf("batch %+v", info)
		}
		if r.RequestContext.Condition != "RetryAttemptsExhausted" || r.RequestContext.ApproximateInvokeCount < 3 || r.RequestContext.RequestID == "" ||
			r.RequestContext.FunctionARN == "" || r.ResponseContext == nil || r.ResponseContext.FunctionError != "Unhandled" || r.Version != "1.0" || r.Timestamp == "" {
			t.Errorf("record %+v", r)
		}
	}
	form := regexp.MustCompile(`^aws/lambda/[0-9a-f-]{36}/shardId-000000000000/\d{4}/\d\d/\d\d/\d{4}-\d\d-\d\dT\d\d\.\d\d\.\d\d-[0-9a-f-]{36}$`)
	for key := range k.all() {
		if !form.MatchString(key) {
			t.Errorf("key %s", key)
		}
	}
}

// age has a batch's records grow too old while it is tried again and again.
func age(t *testing.T, s stream, k kept) {
	s.put(numbered(3, "a")...)
	var mu sync.Mutex
	now := time.Now()
	c := &calls{decide: func(int, []string, []events.KinesisEventRecord) (string, bool) {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(time.Hour)
		return "", true
	}}
	p := poll(t, s, c, func(o *lambda.PollerOptions) {
		o.Mapping.MaxAge = 90 * time.Minute
		o.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
		k.use(o)
	})
	drain(t, p)
	records := k.records()
	if len(c.batches) != 2 || len(records) != 1 {
		t.Fatalf("%d calls, %d objects", len(c.batches), len(records))
	}
	r := records[0]
	if r.RequestContext.Condition != "RecordAgeExceeded" || r.ResponseContext != nil || r.KinesisBatchInfo.BatchSize != 3 || len(r.Payload.Records) != 3 {
		t.Errorf("record %+v", r)
	}
}

// partialPoison has a function name the record that it can't do: it alone is given up.
func partialPoison(t *testing.T, s stream, k kept) {
	s.put(numbered(20, "a")...)
	c := &calls{decide: func(_ int, batch []string, records []events.KinesisEventRecord) (string, bool) {
		if i := slices.Index(batch, "a 6"); i >= 0 {
			return fmt.Sprintf(`{"batchItemFailures":[{"itemIdentifier":%q}]}`, records[i].Kinesis.SequenceNumber), false
		}
		return "{}", false
	}}
	p := poll(t, s, c, func(o *lambda.PollerOptions) {
		o.Mapping.BatchSize, o.Mapping.Bisect, o.Mapping.MaxRetries = 20, true, 1
		k.use(o)
	})
	drain(t, p)
	records := k.records()
	if n := p.Counts(); n.Delivered != 19 || n.GivenUp != 1 || len(records) != 1 || string(records[0].Payload.Records[0].Kinesis.Data) != "6" {
		t.Errorf("counts %+v, records %+v", n, records)
	}
}

// processes runs a real function that exits at poison, and is killed with kill -9 in each tenth invocation: each record is done at least
// once, and only poison is given up.
func processes(t *testing.T, s stream, k kept) {
	keys := strings.Split("abcdefgh", "")
	s.put(numbered(200, keys...)...)
	s.put("a poison", "h poison")
	s.put("a last", "h last")
	log := filepath.Join(t.TempDir(), "log")
	var kills atomic.Int32
	random := lambda.KillAtRandom(1, 0.1, 500*time.Microsecond)
	h := host(t, lambda.HostOptions{
		Function:    emulated.Function{Memory: 256, Timeout: time.Minute},
		Env:         []string{"PROBE_LOG=" + log},
		Concurrency: 4,
		Kill: func(i lambda.Invocation) (time.Duration, bool) {
			after, kill := random(i)
			if kill {
				kills.Add(1)
			}
			return after, kill
		},
	})
	p := poll(t, s, nil, func(o *lambda.PollerOptions) {
		o.Mapping.BatchSize, o.Mapping.ParallelizationFactor, o.Mapping.Bisect, o.Mapping.MaxRetries = 20, 2, true, 10
		o.FunctionARN, o.Invoke, o.Redeliver, o.Seed = h.ARN(), h.Invoke, 0.1, 1
		k.use(o)
	})
	drain(t, p)
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		seen[fields[0]+" "+fields[2]] = true
	}
	for _, r := range append(numbered(200, keys...), "a last", "h last") {
		if !seen[r] {
			t.Errorf("%s was not delivered", r)
		}
	}
	records := k.records()
	if len(records) != 2 || p.Counts().GivenUp != 2 || kills.Load() == 0 {
		t.Fatalf("%d objects, counts %+v, %d kills", len(records), p.Counts(), kills.Load())
	}
	for _, r := range records {
		if len(r.Payload.Records) != 1 || string(r.Payload.Records[0].Kinesis.Data) != "poison" {
			t.Errorf("given up: %+v", r.Payload)
		}
	}
	t.Logf("%d kills, %+v", kills.Load(), p.Counts())
}
