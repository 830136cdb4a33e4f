package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/yagura-hids/yagura/internal/codec"
	"github.com/yagura-hids/yagura/internal/emulated"
	"github.com/yagura-hids/yagura/internal/emulated/emulatedtest"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/local"
)

// awsEnv is an environment in which the SDK knows one Kinesis and nothing else.
func awsEnv(url string) map[string]string {
	return map[string]string{
		"AWS_REGION": emulated.Region, "AWS_ACCESS_KEY_ID": "emulated", "AWS_SECRET_ACCESS_KEY": "emulated", "AWS_ENDPOINT_URL_KINESIS": url,
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	}
}

func kinesisClient(url string) *kinesis.Client {
	return kinesis.New(kinesis.Options{
		Region: emulated.Region, BaseEndpoint: aws.String(url), Credentials: credentials.NewStaticCredentialsProvider("emulated", "emulated", ""),
	})
}

func makeStream(ctx context.Context, c *kinesis.Client, name string) error {
	if _, err := c.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: &name, ShardCount: aws.Int32(1)}); err != nil {
		return err
	}
	waiter := kinesis.NewStreamExistsWaiter(c, func(o *kinesis.StreamExistsWaiterOptions) { o.MinDelay, o.MaxDelay = 10*time.Millisecond, time.Second })
	return waiter.Wait(ctx, &kinesis.DescribeStreamInput{StreamName: &name}, patience)
}

// eventsOf returns the events of the stream's records, as the analysis gets them.
func eventsOf(ctx context.Context, c *kinesis.Client, name string) (list []*event.Event, err error) {
	const shard = "shardId-000000000000"
	it, err := c.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{
		StreamName: &name, ShardId: aws.String(shard), ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
	})
	if err != nil {
		return nil, err
	}
	for next := it.ShardIterator; ; {
		out, err := c.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: next})
		if err != nil || len(out.Records) == 0 {
			return list, err
		}
		for _, r := range out.Records {
			events, err := codec.Events(codec.Record{
				Data: r.Data, PartitionKey: *r.PartitionKey, Sequence: *r.SequenceNumber, Shard: shard, Arrived: *r.ApproximateArrivalTimestamp,
			})
			if err != nil {
				return nil, err
			}
			list = append(list, events...)
		}
		next = out.NextShardIterator
	}
}

func cmdStream(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 1)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ts.Check(makeStream(ctx, kinesisClient(ts.Getenv("AWS_ENDPOINT_URL_KINESIS")), args[0]))
}

func cmdSent(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	events, err := eventsOf(ctx, kinesisClient(ts.Getenv("AWS_ENDPOINT_URL_KINESIS")), args[0])
	ts.Check(err)
	f, err := os.Create(ts.MkAbs(args[1]))
	ts.Check(err)
	for _, ev := range events {
		ts.Check(json.NewEncoder(f).Encode(ev))
	}
	ts.Check(f.Close())
}

// What is sent is what a replay judges: the same events under the same ids, and so the same alerts.
func TestSendIsReplay(t *testing.T) {
	url := emulatedtest.Start(t, emulated.Kinesis)
	c := kinesisClient(url)
	if err := makeStream(t.Context(), c, "hids"); err != nil {
		t.Fatal(err)
	}
	for key, value := range awsEnv(url) {
		t.Setenv(key, value)
	}
	dir := t.TempDir()
	logs := map[string]string{
		"auth.log":     strings.Repeat("Nov 24 12:00:00 web1 sshd[7]: Failed password for root from 198.51.100.7 port 22 ssh2\r\n", 12_000),
		"offsets.log":  "2026-11-24T12:00:00+05:30 web1 sshd[7]: x\n\n2026-11-24T12:00:00.123456Z web1 sshd[7]: y\n",
		"hostile.log":  "bytes \xff\xfe of no text\n" + strings.Repeat("\xffx", event.MaxText) + "\nlong " + strings.Repeat("é", event.MaxText) + "\nend without newline",
		"no times.log": "one\ntwo\n",
	}
	args, paths := []string{"send", "--stream", "hids", "--agent", "web1.example.com", "--label", "env=prod", "--profile", "web"}, []string{}
	for name, text := range logs {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	if code := run(append(args, paths...)); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	got, err := eventsOf(t.Context(), c, "hids")
	if err != nil {
		t.Fatal(err)
	}
	var want []*event.Event
	source := local.Replay(nil, paths, local.ReplayOptions{Agent: "web1"})
	for {
		b, err := source.Next(t.Context())
		if err != nil {
			break
		}
		want = append(want, b.Events...)
	}
	if len(want) < 12_000 {
		t.Fatalf("%d events replayed", len(want))
	}
	agent := &event.Agent{Profile: "web", Labels: map[string]string{"env": "prod"}}
	for _, ev := range want {
		ev.Agent = agent
	}
	same := cmp.Comparer(func(a, b time.Time) bool { return a.Format(time.RFC3339Nano) == b.Format(time.RFC3339Nano) })
	if !slices.EqualFunc(got, want, func(a, b *event.Event) bool { return cmp.Equal(a, b, same) }) {
		t.Error(cmp.Diff(want, got, same))
	}
}
