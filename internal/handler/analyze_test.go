package handler_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/big"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"go.etcd.io/bbolt"

	"github.com/yagura-hids/yagura/internal/alertstore"
	"github.com/yagura-hids/yagura/internal/analysis"
	"github.com/yagura-hids/yagura/internal/analysisd"
	"github.com/yagura-hids/yagura/internal/codec"
	"github.com/yagura-hids/yagura/internal/config"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/handler"
	"github.com/yagura-hids/yagura/internal/ruleset"
	"github.com/yagura-hids/yagura/internal/table"
	"github.com/yagura-hids/yagura/internal/table/bolt"
)

// lab is an Analyze over a table on disk, whose parts can fail.
type lab struct {
	handler.Analyze
	tables table.Table
	fails  error             // of each commit
	aside  map[string]string // causes of the records set aside, by sequence number
	lost   error             // of setting aside
	log    bytes.Buffer
}

func (l *lab) Get(ctx context.Context, s *table.Schema, keys []table.Key) ([]table.Fields, error) {
	return l.tables.Get(ctx, s, keys)
}

func (l *lab) Query(ctx context.Context, q table.Query) (table.Page, error) {
	return l.tables.Query(ctx, q)
}

func (l *lab) Commit(ctx context.Context, ops []table.Op) error {
	if l.fails != nil {
		return l.fails
	}
	return l.tables.Commit(ctx, ops)
}

func newLab(t *testing.T) *lab {
	t.Helper()
	set, err := ruleset.Load(fstest.MapFS{
		"decoder.xml": {Data: []byte(`<decoder name="t"><program_name>^t$</program_name></decoder>`)},
		"rules/1.xml": {Data: []byte(`<group name="t,"><rule id="1" level="0" noalert="1"><category>syslog</category></rule><rule id="100" level="7"><match>evil</match></rule>
<rule id="7" level="0" noalert="1"><category>ossec</category></rule>
<rule id="550" level="7"><category>ossec</category><decoded_as>syscheck_integrity_changed</decoded_as></rule></group>`)},
	}, config.Rules{})
	if err != nil {
		t.Fatal(err)
	}
	db, err := bbolt.Open(filepath.Join(t.TempDir(), "t.db"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	l := &lab{tables: bolt.New(db), aside: map[string]string{}}
	l.Daemon = analysisd.New(analysisd.Options{Engine: analysis.New(set, analysis.Options{LogLevel: 1}), Table: l, Now: func() time.Time { return arrived }})
	l.SetAside = func(_ context.Context, r codec.Record, stream string, cause error) error {
		if l.lost == nil {
			l.aside[r.Sequence] = stream + ": " + cause.Error()
		}
		return l.lost
	}
	l.Health = func() []string { return []string{"pattern 'x' takes too long"} }
	l.Log = slog.New(slog.NewJSONHandler(&l.log, nil))
	return l
}

func (l *lab) alerts(t *testing.T) []string {
	t.Helper()
	page, err := alertstore.Query(t.Context(), l.tables, alertstore.Filter{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, a := range page.Alerts {
		list = append(list, a.Hostname+": "+a.FullLog)
	}
	slices.Sort(list)
	return list
}

var arrived = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// sequence is the n-th sequence number of a shard, as Kinesis makes them.
func sequence(n int) string {
	first, _ := new(big.Int).SetString("49590338271490256608559692538361571095921575989136588898", 10)
	return first.Add(first, new(big.Int).Lsh(big.NewInt(int64(n)), 80)).String()
}

// records are Kinesis records with that data.
func records(data ...[]byte) events.KinesisEvent {
	var in events.KinesisEvent
	for n, d := range data {
		in.Records = append(in.Records, events.KinesisEventRecord{
			EventID: "shardId-000000000000:" + sequence(n), EventSourceArn: "arn:aws:kinesis:us-east-1:123456789012:stream/logs",
			Kinesis: events.KinesisRecord{Data: d, PartitionKey: "web1", SequenceNumber: sequence(n), ApproximateArrivalTimestamp: events.SecondsEpochTime{Time: arrived}},
		})
	}
	return in
}

// line is a record of our own, of one line.
func line(t *testing.T, seq int, text string) []byte {
	t.Helper()
	data, err := codec.Encode(&event.Batch{AgentID: "web1", Epoch: 1, Events: []*event.Event{
		{ID: event.ID{Agent: "web1", Epoch: 1, Seq: uint64(seq)}, Time: arrived, Location: "/var/log/x", Text: text},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestAnalyze(t *testing.T) {
	l := newLab(t)
	in := records(line(t, 1, "evil line without a header"), []byte("nonsense"), []byte(`{"text":"Nov 24 12:00:00 db1 t: evil by JSON"}`), line(t, 2, "quiet"))
	out, err := l.Handle(t.Context(), in)
	if err != nil || len(out.BatchItemFailures) > 0 {
		t.Fatal(out, err)
	}
	if got, want := l.alerts(t), []string{"db1: Nov 24 12:00:00 db1 t: evil by JSON", "web1: evil line without a header"}; !slices.Equal(got, want) {
		t.Errorf("alerts %q, want %q", got, want)
	}
	if cause := l.aside[sequence(1)]; len(l.aside) != 1 || !strings.HasPrefix(cause, "logs: ") {
		t.Errorf("set aside: %q", l.aside)
	}
	for _, want := range []string{`"msg":"record set aside"`, `"records":4,"done":4,"events":3,"alerts":2`, "takes too long"} {
		if !strings.Contains(l.log.String(), want) {
			t.Errorf("no %s in the log:\n%s", want, &l.log)
		}
	}
	if _, err := l.Handle(t.Context(), in); err != nil || len(l.alerts(t)) != 2 || strings.Count(l.log.String(), "takes too long") != 1 {
		t.Errorf("once more: %v, alerts %q, log\n%s", err, l.alerts(t), &l.log)
	}
}

// What an agent tells of a file becomes an alert that shows what changed; what it tells at first, and of itself, becomes none.
func TestAnalyzeIntegrity(t *testing.T) {
	l := newLab(t)
	b := &event.Batch{AgentID: "i-1", Epoch: 1, Agent: event.Agent{Name: "web1"}}
	for i, c := range []event.Event{
		{Kind: event.Syscheck, Location: "syscheck", Text: `{"type":"baseline","path":"/etc/evil","after":{"size":1}}`},
		{Kind: event.Syscheck, Location: "syscheck", Text: `{"type":"modified","path":"/etc/hosts","before":{"size":1},"after":{"size":2}}`},
		{Kind: event.AgentState, Location: "yagura-agent", Text: `{"evil":1}`},
	} {
		c.ID, c.Time = event.ID{Agent: "i-1", Epoch: 1, Seq: uint64(i + 1)}, arrived
		b.Events = append(b.Events, &c)
	}
	data, err := codec.Encode(b)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := l.Handle(t.Context(), records(data)); err != nil || len(out.BatchItemFailures) > 0 {
		t.Fatal(out, err)
	}
	want := []string{"web1: Integrity checksum changed for: '/etc/hosts'\nSize changed from '1' to '2'"}
	if got := l.alerts(t); !slices.Equal(got, want) {
		t.Errorf("alerts %q, want %q", got, want)
	}
}

// A record that can be neither read nor set aside fails, what is before it doesn't, and is stored.
func TestAnalyzeCantSetAside(t *testing.T) {
	l := newLab(t)
	l.lost = errors.New("no bucket")
	out, err := l.Handle(t.Context(), records(line(t, 1, "evil 1"), []byte("nonsense"), line(t, 2, "evil 2")))
	want := []events.KinesisBatchItemFailure{{ItemIdentifier: sequence(1)}}
	if err != nil || !slices.Equal(out.BatchItemFailures, want) || len(l.alerts(t)) != 1 {
		t.Errorf("%v, %v, alerts %q", out, err, l.alerts(t))
	}
	if out, err := l.Handle(t.Context(), records([]byte("nonsense"))); !errors.Is(err, l.lost) || len(out.BatchItemFailures) > 0 {
		t.Errorf("the first record: %v, %v", out, err)
	}
}

// If the table fails, the batch does, with the cause.
func TestAnalyzeTableFails(t *testing.T) {
	l := newLab(t)
	l.fails = errors.New("no table")
	if _, err := l.Handle(t.Context(), records(line(t, 1, "evil"))); !errors.Is(err, l.fails) || !strings.Contains(l.log.String(), "no table") {
		t.Errorf("%v, log\n%s", err, &l.log)
	}
}

// Windows part a large batch: what the first ones found is stored, and reported as done, if a later one fails.
func TestAnalyzeWindows(t *testing.T) {
	l := newLab(t)
	var data [][]byte
	for n := range 3 {
		b := &event.Batch{AgentID: fmt.Sprint("web", n), Epoch: 1}
		for seq := range 20_000 {
			b.Events = append(b.Events, &event.Event{ID: event.ID{Agent: b.AgentID, Epoch: 1, Seq: uint64(seq)}, Time: arrived, Location: "x", Text: "quiet"})
		}
		if b.Events[7].Text = "evil"; n == 2 {
			b.Events[7].Text = "evil, and fails"
		}
		d, err := codec.Encode(b)
		if err != nil {
			t.Fatal(err)
		}
		data = append(data, d)
	}
	commits := 0
	l.tables = &counting{l.tables, &commits, func() { l.fails = errors.New("no table any more") }}
	out, err := l.Handle(t.Context(), records(data...))
	want := []events.KinesisBatchItemFailure{{ItemIdentifier: sequence(2)}}
	if err != nil || !slices.Equal(out.BatchItemFailures, want) || len(l.alerts(t)) != 2 {
		t.Errorf("%v, %v, alerts %q", out, err, l.alerts(t))
	}
}

// counting is a table that tells when two commits are done.
type counting struct {
	table.Table
	commits *int
	second  func()
}

func (c *counting) Commit(ctx context.Context, ops []table.Op) error {
	err := c.Table.Commit(ctx, ops)
	if *c.commits++; *c.commits == 2 {
		c.second()
	}
	return err
}

// An invocation that is out of time stops by itself and says what is done.
func TestAnalyzeOutOfTime(t *testing.T) {
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(time.Second)) // within the margin
	defer cancel()
	if _, err := newLab(t).Handle(ctx, records(line(t, 1, "evil"))); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestAnalyzeEnv(t *testing.T) {
	root := t.TempDir()
	full := map[string]string{"ALERTS_TABLE": "a", "STATE_TABLE": "s", "FLEET_TABLE": "f", "FAILURE_BUCKET": "b", "RESEND_DOCUMENT": "d", "LAMBDA_TASK_ROOT": root}
	get := func(change map[string]string) func(string) string {
		all := maps.Clone(full)
		maps.Copy(all, change)
		return func(name string) string { return all[name] }
	}
	want := handler.AnalyzeEnv{AlertsTable: "a", StateTable: "s", FleetTable: "f", FailureBucket: "b", ResendDocument: "d", AlertLevel: 1, MailLevel: 7, Keep: 365 * 24 * time.Hour}
	if got, err := handler.ReadAnalyzeEnv(get(nil)); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	_, err := handler.ReadAnalyzeEnv(get(map[string]string{"ALERTS_TABLE": "", "MAIL_LEVEL": "high", "KEEP_DAYS": "-1"}))
	for _, fault := range []string{"ALERTS_TABLE is unset", `MAIL_LEVEL is "high", want 0..16`, `KEEP_DAYS is "-1"`} {
		if err == nil || !strings.Contains(err.Error(), fault) {
			t.Errorf("no %q in %v", fault, err)
		}
	}
}
