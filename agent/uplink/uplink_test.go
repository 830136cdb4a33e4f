package uplink_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"

	"github.com/yagura-hids/yagura/agent/uplink"
	"github.com/yagura-hids/yagura/internal/codec"
	"github.com/yagura-hids/yagura/internal/emulated"
	"github.com/yagura-hids/yagura/internal/emulated/emulatedtest"
	"github.com/yagura-hids/yagura/internal/emulated/faults"
)

// client returns a client of a Kinesis at a URL.
func client(url string) *kinesis.Client {
	return kinesis.New(kinesis.Options{
		Region: emulated.Region, BaseEndpoint: aws.String(url), Credentials: credentials.NewStaticCredentialsProvider("emulated", "emulated", ""),
		HTTPClient: &http.Client{Transport: &http.Transport{}},
	})
}

// stream makes a stream of one shard and waits until it is there.
func stream(t testing.TB, c *kinesis.Client) {
	t.Helper()
	if _, err := c.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: aws.String("hids"), ShardCount: aws.Int32(1)}); err != nil {
		t.Fatal(err)
	}
	waiter := kinesis.NewStreamExistsWaiter(c, func(o *kinesis.StreamExistsWaiterOptions) { o.MinDelay, o.MaxDelay = 10*time.Millisecond, time.Second })
	if err := waiter.Wait(t.Context(), &kinesis.DescribeStreamInput{StreamName: aws.String("hids")}, time.Minute); err != nil {
		t.Fatal(err)
	}
}

// stored returns the data of all records of the stream, which are web1's.
func stored(t *testing.T, c *kinesis.Client) (list []string) {
	t.Helper()
	for _, r := range records(t, c) {
		if *r.PartitionKey != "web1" {
			t.Errorf("partition key %s", *r.PartitionKey)
		}
		list = append(list, string(r.Data))
	}
	return list
}

// records returns all records of the stream.
func records(t *testing.T, c *kinesis.Client) (list []types.Record) {
	t.Helper()
	it, err := c.GetShardIterator(t.Context(), &kinesis.GetShardIteratorInput{
		StreamName: aws.String("hids"), ShardId: aws.String("shardId-000000000000"), ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
	})
	if err != nil {
		t.Fatal(err)
	}
	for next := it.ShardIterator; ; {
		out, err := c.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: next})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Records) == 0 {
			return list
		}
		list = append(list, out.Records...)
		next = out.NextShardIterator
	}
}

// Whatever happens on the way, each batch is stored, in its order; some more than once, where the answer was lost.
func TestSendThroughFaults(t *testing.T) {
	url := emulatedtest.Start(t, emulated.Kinesis)
	real := client(url)
	stream(t, real)
	proxy, err := faults.Serve(faults.Options{
		Target: url, Seed: 7, Now: time.Now,
		Rates: faults.Rates{CutBefore: 0.1, Error500: 0.1, Throttle: 0.2, Partial: 0.2, CutAfter: 0.2},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Close)
	waits := 0
	up := uplink.Kinesis(client(proxy.URL), "hids", uplink.Options{
		Agent: "web1",
		Wait:  func(context.Context, time.Duration) error { waits++; return nil },
	})
	var want []string
	for i := range 100 {
		want = append(want, fmt.Sprintf("batch %03d", i))
		if err := up.Send(t.Context(), []byte(want[i])); err != nil {
			t.Fatal(err)
		}
	}
	got := stored(t, real)
	twice := len(got) - len(want)
	if once := slices.Compact(slices.Clone(got)); !slices.Equal(once, want) {
		t.Errorf("stored in this order: %q", once)
	}
	stats, injected := up.Stats(), proxy.Injected()
	if twice == 0 || twice > injected["cut after"] { // some of these had stored nothing
		t.Errorf("%d came twice, %d answers were lost", twice, injected["cut after"])
	}
	if n := injected["throttle"]; n == 0 || stats.Throttled <= n || stats.Throttled > n+injected["partial"] {
		t.Errorf("%d tries throttled, %v injected", stats.Throttled, injected)
	}
	if stats.Batches != 100 || stats.Bytes != 900 || stats.Tries != 100+waits || stats.Tries != proxy.Requests()["PutRecords"] {
		t.Errorf("%+v after %d waits and %v", stats, waits, proxy.Requests())
	}

	// A stream that isn't there is no matter of trying.
	lost := uplink.Kinesis(real, "other", uplink.Options{Agent: "web1", Wait: noWait(t)})
	err = lost.Send(t.Context(), []byte("x"))
	if !errors.Is(err, uplink.ErrRefused) || !strings.Contains(err.Error(), "stream other: refused: ResourceNotFoundException") || !strings.Contains(err.Error(), "AWS_REGION") {
		t.Errorf("%v", err)
	}
}

func noWait(t *testing.T) func(context.Context, time.Duration) error {
	return func(context.Context, time.Duration) error {
		t.Error("it waits")
		return errors.New("it waits")
	}
}

// script answers requests one after another: nil stores, the error fails.
type script struct {
	answers []func(ctx context.Context) error
	sent    int
}

func (s *script) PutRecords(ctx context.Context, in *kinesis.PutRecordsInput, _ ...func(*kinesis.Options)) (*kinesis.PutRecordsOutput, error) {
	answer := s.answers[min(s.sent, len(s.answers)-1)]
	s.sent++
	if err := answer(ctx); err != nil {
		return nil, err
	}
	return &kinesis.PutRecordsOutput{Records: make([]types.PutRecordsResultEntry, len(in.Records))}, nil
}

func stores(context.Context) error { return nil }

func fails(code string) func(context.Context) error {
	return func(context.Context) error { return &smithy.GenericAPIError{Code: code, Message: "so it is"} }
}

func hangs(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestSendRefused(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(context.Context) error
		text   string
	}{
		"access":      {fails("AccessDeniedException"), "kinesis:PutRecords"},
		"expired":     {fails("ExpiredTokenException"), "AWS_SESSION_TOKEN"},
		"signature":   {fails("InvalidSignatureException"), "the clock is right"},
		"key":         {fails("KMSDisabledException"), "KMS"},
		"argument":    {fails("ValidationException"), "stream's name"},
		"credentials": {func(context.Context) error { return fmt.Errorf("get identity: %w", uplink.ErrNoCredentials) }, "AWS_ACCESS_KEY_ID"},
	} {
		t.Run(name, func(t *testing.T) {
			up := uplink.Kinesis(&script{answers: []func(context.Context) error{c.answer}}, "hids", uplink.Options{Agent: "web1", Wait: noWait(t)})
			if err := up.Send(t.Context(), nil); !errors.Is(err, uplink.ErrRefused) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%v, want %q", err, c.text)
			}
			if s := up.Stats(); s.Batches != 0 || s.Tries != 1 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// The waits double up to a limit, the part of it that is waited is random, and lasting trouble is told once.
func TestSendWaits(t *testing.T) {
	failing := slices.Repeat([]func(context.Context) error{fails("InternalFailure")}, 9)
	c := &script{answers: append(failing, stores)}
	var waits []time.Duration
	var said []string
	random := 0.0
	up := uplink.Kinesis(c, "hids", uplink.Options{
		Agent: "web1",
		Wait: func(_ context.Context, d time.Duration) error {
			waits = append(waits, d)
			random = 0.5
			return nil
		},
		Random: func() float64 { return random }, Report: func(msg string) { said = append(said, msg) },
	})
	if err := up.Send(t.Context(), []byte("x")); err != nil {
		t.Fatal(err)
	}
	const ms = time.Millisecond
	if want := []time.Duration{0, 200 * ms, 400 * ms, 800 * ms, 1600 * ms, 3200 * ms, 6400 * ms, 10_000 * ms, 10_000 * ms}; !slices.Equal(waits, want) {
		t.Errorf("waits %v, want %v", waits, want)
	}
	if len(said) != 2 || said[0] != "stream hids: InternalFailure: so it is; trying again until it takes the batch" || said[1] != "stream hids takes batches again; nothing was lost" {
		t.Errorf("%q", said)
	}
	waits, said, c.sent = nil, nil, 8
	if err := up.Send(t.Context(), []byte("x")); err != nil || len(waits) != 1 || waits[0] != 100*ms || said != nil {
		t.Errorf("%v; the next batch begins with %v, %q", err, waits, said)
	}
}

// A try that gets no answer ends, and its batch is sent again.
func TestSendTimesOut(t *testing.T) {
	c := &script{answers: []func(context.Context) error{hangs, stores}}
	up := uplink.Kinesis(c, "hids", uplink.Options{Agent: "web1", Timeout: time.Millisecond, Random: func() float64 { return 0 }})
	if err := up.Send(t.Context(), []byte("x")); err != nil || up.Stats().Tries != 2 {
		t.Errorf("%v, %+v", err, up.Stats())
	}
}

func TestSendStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := &script{answers: []func(context.Context) error{func(context.Context) error {
		cancel()
		return &smithy.GenericAPIError{Code: "ProvisionedThroughputExceededException", Message: "Rate exceeded"}
	}}}
	up := uplink.Kinesis(c, "hids", uplink.Options{Agent: "web1", Random: func() float64 { return 0.9 }})
	err := up.Send(ctx, []byte("x"))
	if !errors.Is(err, context.Canceled) || errors.Is(err, uplink.ErrRefused) || !strings.Contains(err.Error(), "Rate exceeded") {
		t.Errorf("%v", err)
	}
	if s := up.Stats(); s.Throttled != 1 || s.Batches != 0 {
		t.Errorf("%+v", s)
	}
}

// Without a region or credentials an agent begins nevertheless, and sends when there are some.
func TestSendConnectsLater(t *testing.T) {
	noAWS(t)
	up, err := uplink.Open("kinesis:hids", uplink.Options{Agent: "web1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{up.Send(t.Context(), []byte("x")), up.Check(t.Context())} {
		if !errors.Is(err, uplink.ErrNoRegion) || !errors.Is(err, uplink.ErrRefused) || strings.Count(err.Error(), "set AWS_REGION") != 1 {
			t.Errorf("%v", err)
		}
	}
	url := emulatedtest.Start(t, emulated.Kinesis)
	stream(t, client(url))
	t.Setenv("AWS_REGION", emulated.Region)
	t.Setenv("AWS_ACCESS_KEY_ID", "emulated")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "emulated")
	t.Setenv("AWS_ENDPOINT_URL_KINESIS", url)
	if err := errors.Join(up.Check(t.Context()), up.Send(t.Context(), []byte("x"))); err != nil {
		t.Fatal(err)
	}
	got := stored(t, client(url))
	if len(got) != 2 || got[1] != "x" {
		t.Fatalf("%q", got)
	}
	if events, err := codec.Events(codec.Record{Data: []byte(got[0])}); err != nil || len(events) != 0 {
		t.Errorf("Check's record is %v to its reader, %v", events, err)
	}
}

// The region is that of the instance if nothing else says it.
func TestConnectOnEC2(t *testing.T) {
	noAWS(t)
	metadata := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/latest/api/token":
			w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "60")
			fmt.Fprint(w, "token")
		case "/latest/dynamic/instance-identity/document":
			fmt.Fprint(w, `{"region":"eu-north-1"}`)
		case "/latest/meta-data/iam/security-credentials/":
			fmt.Fprint(w, "role")
		case "/latest/meta-data/iam/security-credentials/role":
			fmt.Fprint(w, `{"Code":"Success","AccessKeyId":"a","SecretAccessKey":"b","Token":"c","Expiration":"2199-01-01T00:00:00Z"}`)
		default:
			http.NotFound(w, r)
		}
	}))
	defer metadata.Close()
	t.Setenv("AWS_EC2_METADATA_DISABLED", "")
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata.URL)
	conf, err := uplink.Config(t.Context())
	if err != nil || conf.Region != "eu-north-1" {
		t.Errorf("region %q, %v", conf.Region, err)
	}
	t.Setenv("AWS_REGION", "us-east-2")
	if conf, err = uplink.Config(t.Context()); err != nil || conf.Region != "us-east-2" {
		t.Errorf("region %q, %v", conf.Region, err)
	}
}

// noAWS takes away what the machine says of AWS.
func noAWS(t *testing.T) {
	t.Helper()
	for _, key := range []string{
		"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
		"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
	} {
		t.Setenv(key, "")
	}
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_CONFIG_FILE", "/nowhere")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
}

func TestConnect(t *testing.T) {
	noAWS(t)
	if _, err := uplink.Connect(t.Context()); !errors.Is(err, uplink.ErrNoRegion) || !strings.Contains(err.Error(), "AWS_REGION") {
		t.Errorf("%v", err)
	}
	t.Setenv("AWS_REGION", "eu-central-1")
	if _, err := uplink.Connect(t.Context()); !errors.Is(err, uplink.ErrNoCredentials) || !strings.Contains(err.Error(), "AWS_ACCESS_KEY_ID") {
		t.Errorf("%v", err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "x")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "x")
	if _, err := uplink.Connect(t.Context()); err != nil {
		t.Errorf("%v", err)
	}
	t.Setenv("AWS_PROFILE", "nobody")
	if _, err := uplink.Connect(t.Context()); err == nil || !strings.Contains(err.Error(), "AWS_PROFILE") {
		t.Errorf("%v", err)
	}
}

// Many agents' batches: each is stored, those of an agent in their order, whatever of a request is refused.
func TestSendAllThroughFaults(t *testing.T) {
	url := emulatedtest.Start(t, emulated.Kinesis)
	real := client(url)
	stream(t, real)
	proxy, err := faults.Serve(faults.Options{
		Target: url, Seed: 11, Now: time.Now,
		Rates: faults.Rates{CutBefore: 0.1, Error500: 0.1, Throttle: 0.1, Partial: 0.3, CutAfter: 0.2},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Close)
	up := uplink.Kinesis(client(proxy.URL), "hids", uplink.Options{Wait: func(context.Context, time.Duration) error { return nil }})
	var all []codec.Encoded
	for i := range 2400 {
		all = append(all, codec.Encoded{Agent: fmt.Sprintf("web/%03d", i%800), Data: fmt.Appendf(nil, "%03d %d", i%800, i/800)})
	}
	for _, part := range [][]codec.Encoded{all[:1000], all[1000:]} {
		if err := up.SendAll(t.Context(), part); err != nil {
			t.Fatal(err)
		}
	}
	last, seen := map[string]string{}, map[string]bool{}
	for _, r := range records(t, real) {
		text := string(r.Data)
		if agent := "web/" + text[:3]; *r.PartitionKey != agent {
			t.Errorf("%q under the key %s", text, *r.PartitionKey)
		}
		if !seen[text] && text <= last[text[:3]] {
			t.Errorf("%q after %q", text, last[text[:3]])
		}
		last[text[:3]], seen[text] = max(text, last[text[:3]]), true
	}
	if len(seen) != len(all) {
		t.Errorf("%d of %d batches are stored", len(seen), len(all))
	}
	if n := proxy.Requests()["PutRecords"]; n < 5 || n > 200 || proxy.Injected()["partial"] == 0 {
		t.Errorf("%d requests with these faults: %v", n, proxy.Injected())
	}
	if s := up.Stats(); s.Batches != len(all) {
		t.Errorf("%+v", s)
	}
}
