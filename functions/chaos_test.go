package functions_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/yagura-hids/yagura/internal/alertstore"
	"github.com/yagura-hids/yagura/internal/analysis"
	"github.com/yagura-hids/yagura/internal/codec"
	"github.com/yagura-hids/yagura/internal/emulated/emulatedtest"
	"github.com/yagura-hids/yagura/internal/emulated/faults"
	"github.com/yagura-hids/yagura/internal/emulated/lambda"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/local"
	"github.com/yagura-hids/yagura/internal/ruleset"
	"github.com/yagura-hids/yagura/internal/setaside"
	"github.com/yagura-hids/yagura/internal/table"
	"github.com/yagura-hids/yagura/rules"
)

// The size of the chaos. The defaults are the short version; docs/reliability.md has the table of the long one.
var (
	chaosSeeds   = flag.Uint64("seeds", 1, "how many seeds")
	chaosFirst   = flag.Uint64("first", 1, "the first seed")
	chaosSenders = flag.Int("senders", 10, "how many senders")
	chaosLines   = flag.Int("lines", 800, "lines of each sender")
)

// perSource is the built-in rules without those that count what several hosts do: which event of several hosts comes last is not the same in
// every run, on a single server neither.
var perSource = map[string]string{"rules/attack_rules.xml": `<group name="attacks,">
<rule id="100900" level="12"><if_group>authentication_success</if_group><if_matched_group>authentication_failures</if_matched_group><same_source_ip/>
<description>a login after many wrong passwords</description></rule></group>`}

// senderLog writes what a host has in its log: quiet lines, and now and then somebody at the door.
func senderLog(t testing.TB, dir string, n, lines int) string {
	t.Helper()
	r := rand.New(rand.NewPCG(uint64(n), 2026))
	at := time.Date(2026, 11, 20, 3, 0, 0, 0, time.UTC)
	var b bytes.Buffer
	line := func(program, format string, args ...any) {
		at = at.Add(time.Duration(r.IntN(3000)) * time.Millisecond)
		fmt.Fprintf(&b, "%s web%d %s: %s\n", at.Format("Jan _2 15:04:05"), n, program, fmt.Sprintf(format, args...))
	}
	for range lines {
		ip := fmt.Sprintf("198.51.%d.%d", n, 1+r.IntN(2))
		switch r.IntN(900) {
		case 0:
			line("sshd[71]", "Failed password for root from %s port %d ssh2", ip, 1024+r.IntN(60000))
		case 1:
			line("sshd[71]", "Accepted password for u%d-%d from %s port %d ssh2", n, r.IntN(5), ip, 1024+r.IntN(60000))
		case 2:
			line("sshd[71]", "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=%s  user=root", ip)
		case 3:
			line("sudo", "u%d-%d : TTY=pts/0 ; PWD=/root ; USER=root ; COMMAND=/bin/ls", n, r.IntN(5))
		case 4, 5:
			for range 9 { // a burst
				line("sshd[72]", "Failed password for admin from %s port %d ssh2", ip, 1024+r.IntN(60000))
			}
		default:
			line("systemd[1]", "Started Session %d of user u%d-%d.", r.IntN(1e6), n, r.IntN(5))
		}
	}
	path := filepath.Join(dir, fmt.Sprintf("web%d.log", n))
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, at, at); err != nil { // dates the lines
		t.Fatal(err)
	}
	return path
}

// read returns a log's events as yagura send and yagura replay read them, in parts.
func read(t testing.TB, path, agent string) [][]*event.Event {
	t.Helper()
	source := local.Replay(nil, []string{path}, local.ReplayOptions{Agent: agent, Zone: time.UTC, Lines: 40})
	defer source.Close()
	var parts [][]*event.Event
	for {
		b, err := source.Next(t.Context())
		if len(b.Events) == 0 {
			if err.Error() != "EOF" {
				t.Fatal(err)
			}
			return parts
		}
		parts = append(parts, b.Events)
	}
}

// onServer is what one engine finds that has all events in the order of time, by id.
func onServer(t testing.TB, files map[string]string, list []*event.Event) map[string]string {
	t.Helper()
	set := load(t, files)
	engine, memory, found := analysis.New(set, analysis.Options{LogLevel: 1, MailLevel: 7, NameActions: true}), analysis.NewMemory(1<<20), map[string]string{}
	analysis.Sort(list)
	for _, ev := range list {
		v, err := engine.Analyze(ev, memory)
		if err != nil {
			t.Fatal(err)
		}
		if v.Alert != nil {
			found[v.Alert.ID] = asText(t, v.Alert)
		}
	}
	return found
}

func load(t testing.TB, files map[string]string) *ruleset.Set {
	t.Helper()
	fsys, names, err := ruleset.Choose(rules.FS, filepath.Join(overlay(t, files), "rules"))
	if err != nil {
		t.Fatal(err)
	}
	set, err := ruleset.Load(fsys, names)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// replayed is what yagura replay finds in the logs, the n-th being of host web n, by id.
func replayed(t testing.TB, logs []string) map[string]string {
	t.Helper()
	dir := t.TempDir()
	yagura, data, rules := filepath.Join(dir, "yagura"), filepath.Join(dir, "data"), filepath.Join(overlay(t, perSource), "rules")
	run := func(name string, args ...string) []byte {
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir, cmd.Env = emulatedtest.Root(t), append(os.Environ(), "TZ=UTC")
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s %q: %v\n%s", name, args, err, &stderr)
		}
		return out
	}
	run("go", "build", "-o", yagura, "./cmd/yagura")
	for n, log := range logs {
		run(yagura, "replay", "-q", "--rules", rules, "--host", fmt.Sprint("web", n), "--data", data, log)
	}
	found := map[string]string{}
	for dec := json.NewDecoder(bytes.NewReader(run(yagura, "alerts", "--data", data, "-n", "0", "--json"))); ; {
		var a event.Alert
		err := dec.Decode(&a)
		if err == io.EOF {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		found[a.ID] = asText(t, &a)
	}
}

func asText(t testing.TB, a *event.Alert) string {
	t.Helper()
	a.Time, a.Fired = a.Time.UTC(), 0 // firedtimes counts what one process wrote, and there is no such process
	text, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// stored is what the alerts table holds, by id. An id that is there twice fails the test.
func stored(t testing.TB, tables table.Table) map[string]string {
	t.Helper()
	found := map[string]string{}
	for f := (alertstore.Filter{Limit: 1000}); ; {
		page, err := alertstore.Query(t.Context(), tables, f)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range page.Alerts {
			if _, twice := found[a.ID]; twice {
				t.Fatalf("alert %s is there twice", a.ID)
			}
			found[a.ID] = asText(t, a)
		}
		if f.After = page.Next; page.Next == "" {
			return found
		}
	}
}

// same compares two sets of alerts.
func same(t testing.TB, got, want map[string]string, what string) {
	t.Helper()
	for _, id := range slices.Sorted(maps.Keys(want)) {
		if got[id] != want[id] {
			t.Fatalf("%s: alert %s is\n%s\nwant\n%s", what, id, got[id], want[id])
		}
	}
	for id := range got {
		if want[id] == "" {
			t.Fatalf("%s: one alert too many:\n%s", what, got[id])
		}
	}
}

// sender puts an agent's batches on the stream, in order, each until it is there. Through the proxy a batch may be stored and yet reported lost,
// so that it comes twice.
type sender struct {
	client *kinesis.Client
	stream string
}

func newSender(t testing.TB, p *path) sender {
	t.Helper()
	cfg, err := config.LoadDefaultConfig(t.Context(), config.WithRegion("us-east-1"), config.WithBaseEndpoint(p.Kinesis.URL),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("SENDER", "secret", "")))
	if err != nil {
		t.Fatal(err)
	}
	return sender{kinesis.NewFromConfig(cfg), p.Names["Stream"]}
}

func (s sender) put(ctx context.Context, key string, data []byte) error {
	in := &kinesis.PutRecordsInput{StreamName: &s.stream, Records: []types.PutRecordsRequestEntry{{PartitionKey: &key, Data: data}}}
	for {
		out, err := s.client.PutRecords(ctx, in)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil && aws.ToInt32(out.FailedRecordCount) == 0 {
			return nil
		}
	}
}

func encode(t testing.TB, agent string, list []*event.Event) []byte {
	t.Helper()
	data, err := codec.Encode(&event.Batch{AgentID: agent, Epoch: list[0].ID.Epoch, Version: "test", Events: list})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// A disturber kills analyze at random: some invocations at any moment, and some between two writes, before or after one is done.
type disturber struct {
	mu     sync.Mutex
	random *rand.Rand
	killed atomic.Int64

	invocations func(lambda.Invocation) (time.Duration, bool)
}

func (d *disturber) chance(share float64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.random.Float64() < share
}

func (d *disturber) kill(i lambda.Invocation) (after time.Duration, kill bool) {
	if after, kill = d.invocations(i); kill {
		d.killed.Add(1)
	}
	return after, kill
}

func (d *disturber) at(p *path, m faults.Moment) {
	if (m.Operation == "TransactWriteItems" || m.Operation == "PutItem") && d.chance(0.02) && p.analyze.Kill(lambda.Caller(m.Request)) {
		d.killed.Add(1)
	}
}

// TestChaos disturbs all that can be disturbed, and wants the alerts of an undisturbed run, each once, each told of.
//
//	go test ./functions -run TestChaos -timeout 3h -args -seeds 20 -senders 50 -lines 1500
func TestChaos(t *testing.T) {
	dir := t.TempDir()
	logs := make([]string, *chaosSenders)
	parts, all := make([][][]*event.Event, *chaosSenders), []*event.Event(nil)
	for n := range parts {
		logs[n] = senderLog(t, dir, n, *chaosLines)
		parts[n] = read(t, logs[n], fmt.Sprint("web", n))
		all = append(all, slices.Concat(parts[n]...)...)
	}
	want := onServer(t, perSource, slices.Clone(all))
	if len(want) < len(all)/100 {
		t.Fatalf("only %d alerts of %d events: this tests little", len(want), len(all))
	}
	t.Run("replay", func(t *testing.T) { same(t, replayed(t, logs), want, "yagura replay") })
	t.Run("undisturbed", func(t *testing.T) {
		p := up(t, pathOptions{rules: overlay(t, perSource)})
		p.send(t, parts, rand.New(rand.NewPCG(0, 0)), func(int) {})
		p.drain(t)
		same(t, stored(t, p.table()), want, "undisturbed")
	})
	for seed := *chaosFirst; seed < *chaosFirst+*chaosSeeds; seed++ {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { chaos(t, seed, parts, len(all), want) })
	}
}

func chaos(t *testing.T, seed uint64, parts [][][]*event.Event, lines int, want map[string]string) {
	began := time.Now()
	d := &disturber{random: rand.New(rand.NewPCG(seed, 7)), invocations: lambda.KillAtRandom(seed, 0.1, 150*time.Millisecond)}
	p := up(t, pathOptions{
		rules: overlay(t, perSource), seed: seed, redeliver: 0.1, at: d.at, kill: d.kill,
		parameters: map[string]string{"Parallelization": "2", "BatchSize": "100"},
		crash:      func(e []byte) bool { return bytes.Contains(e, []byte(`"partitionKey":"crash-`)) },
	})
	p.Kinesis.SetRates(faults.Rates{CutBefore: 0.01, Error500: 0.01, Throttle: 0.01, Partial: 0.03, CutAfter: 0.05})
	p.DynamoDB.SetRates(faults.Rates{CutBefore: 0.01, Error500: 0.01, Throttle: 0.02, Conflict: 0.05, Partial: 0.02, CutAfter: 0.02})
	poison := map[string]string{}
	put := func(key string, data []byte) {
		poison[key] = base64.StdEncoding.EncodeToString(data)
		if err := newSender(t, p).put(t.Context(), key, data); err != nil {
			t.Error(err)
		}
	}
	p.send(t, parts, rand.New(rand.NewPCG(seed, 11)), func(percent int) {
		switch {
		case percent == 50:
			p.split(t)
		case percent%20 == 10:
			put(fmt.Sprint("nonsense-", percent), append([]byte("YGR\x01nonsense"), byte(percent)))
		case percent%40 == 20:
			key := fmt.Sprint("crash-", percent)
			put(key, encode(t, key, []*event.Event{{ID: event.ID{Agent: key, Epoch: 1, Seq: 1}, Time: time.Unix(1_790_000_000, 0).UTC(), Location: "x", Text: "boom"}}))
		}
	})
	p.drain(t)
	same(t, stored(t, p.table()), want, fmt.Sprint("seed ", seed))
	messages := p.told(t, want)
	p.poisoned(t, poison)
	counts := p.records.Counts()
	injected := sum(p.Kinesis.Injected(), p.DynamoDB.Injected())
	t.Logf("| %d | %d | %d | %d | %d | %d | %d | %d | %v | %d | %s |", seed, lines, len(want), counts.Invocations, d.killed.Load(), counts.Failed+counts.Partial,
		counts.Repeats, counts.GivenUp, injected, messages, time.Since(began).Round(time.Second))
	if d.killed.Load() == 0 || counts.Repeats == 0 || injected["conflict"] == 0 || injected["cut after"] == 0 {
		t.Error("not enough was disturbed: this tests little")
	}
}

// send sends the parts of all senders, each sender's in order, those of different senders mixed. at is told when so many percent are sent.
func (p *path) send(t testing.TB, parts [][][]*event.Event, r *rand.Rand, at func(percent int)) {
	t.Helper()
	queue := make(chan int, 8)
	s, sent, total := newSender(t, p), 0, 0
	locks := make([]sync.Mutex, len(parts))
	next := make([]int, len(parts))
	for n := range parts {
		total += len(parts[n])
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for n := range queue {
				locks[n].Lock() // one batch of a sender at a time, in order
				list := parts[n][next[n]]
				next[n]++
				if err := s.put(t.Context(), list[0].ID.Agent, encode(t, list[0].ID.Agent, list)); err != nil {
					t.Error(err)
				}
				locks[n].Unlock()
			}
		})
	}
	left := make([]int, len(parts))
	for n := range parts {
		left[n] = len(parts[n])
	}
	for told := 0; sent < total; sent++ {
		n := r.IntN(len(parts))
		for left[n] == 0 {
			n = (n + 1) % len(parts)
		}
		left[n]--
		queue <- n
		for ; told < 100*sent/total; told++ {
			at(told)
		}
	}
	close(queue)
	all.Wait()
}

// told checks that each alert marked for mail has been published, and returns how many messages that took.
func (p *path) told(t testing.TB, want map[string]string) int {
	t.Helper()
	told, messages := map[string]bool{}, 0
	for {
		list, err := p.Receive(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == 0 {
			break
		}
		for _, m := range list {
			messages++
			for id := range want {
				if strings.Contains(m.Message, id) {
					told[id] = true
				}
			}
		}
	}
	for id, text := range want {
		if strings.Contains(text, `"mail":true`) != told[id] {
			t.Fatalf("alert %s: told %v:\n%s", id, told[id], text)
		}
	}
	return messages
}

// poisoned checks that the failure bucket holds each poison record, whole, and nothing else.
func (p *path) poisoned(t testing.TB, want map[string]string) {
	t.Helper()
	got := map[string]string{}
	for key, text := range p.objects(t) {
		var aside setaside.Record
		if strings.HasPrefix(key, "set-aside/") {
			if err := json.Unmarshal(text, &aside); err != nil {
				t.Fatal(err)
			}
			got[aside.PartitionKey] = base64.StdEncoding.EncodeToString(aside.Data)
			continue
		}
		var given struct {
			Payload events.KinesisEvent `json:"payload"`
		}
		if err := json.Unmarshal(text, &given); err != nil {
			t.Fatalf("%s: %v:\n%s", key, err, text)
		}
		for _, r := range given.Payload.Records {
			got[r.Kinesis.PartitionKey] = base64.StdEncoding.EncodeToString(r.Kinesis.Data)
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("the failure bucket holds %d records %v\nwant %d: %v", len(got), slices.Sorted(maps.Keys(got)), len(want), slices.Sorted(maps.Keys(want)))
	}
}
