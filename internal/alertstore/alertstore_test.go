package alertstore_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	"pgregory.net/rapid"

	"github.com/yagura-hids/yagura/internal/alertstore"
	"github.com/yagura-hids/yagura/internal/emulated"
	"github.com/yagura-hids/yagura/internal/emulated/emulatedtest"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/table"
	"github.com/yagura-hids/yagura/internal/table/bolt"
	"github.com/yagura-hids/yagura/internal/table/dynamo/dynamotest"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func alert(agent string, seq uint64, at time.Time, level, rule int, ip, log string) *event.Alert {
	d := &event.Decoded{}
	d.Reset(&event.Event{ID: event.ID{Agent: agent, Epoch: 7, Seq: seq}, Time: at, Location: "/var/log/auth.log", Text: log})
	d.Hostname, d.FullLog = agent, log
	if ip != "" {
		d.Set(event.SrcIP, ip)
	}
	group := fmt.Sprintf("test,level%d,", level)
	return event.NewAlert(d, event.Rule{ID: rule, Level: level, Description: "Something failed", GroupText: group, Groups: event.SplitGroups(group)})
}

func inFile(t testing.TB) table.Table {
	t.Helper()
	db, err := bbolt.Open(filepath.Join(t.TempDir(), "test.db"), 0o600, &bbolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return bolt.New(db)
}

func store(t testing.TB, tab table.Table, alerts ...*event.Alert) {
	t.Helper()
	storeIn(t, tab, alertstore.Schema, alerts...)
}

func storeIn(t testing.TB, tab table.Table, schema *table.Schema, alerts ...*event.Alert) {
	t.Helper()
	for chunk := range slices.Chunk(alerts, table.MaxOps) {
		var ops []table.Op
		for _, a := range chunk {
			op, err := alertstore.PutIn(schema, a, time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			ops = append(ops, op)
		}
		if err := tab.Commit(t.Context(), ops); err != nil {
			t.Fatal(err)
		}
	}
}

// population is alerts of many hosts, in no order.
func population(n int) []*event.Alert {
	random := rand.New(rand.NewPCG(1, 2))
	var list []*event.Alert
	for i := range n {
		agent := fmt.Sprintf("web%d", i%4+4*random.IntN(3)) // four events have one place
		at := noon.Add(time.Duration(i/4%60) * time.Minute)
		ip := ""
		if random.IntN(4) > 0 {
			ip = fmt.Sprintf("192.0.2.%d", random.IntN(5))
		}
		a := alert(agent, uint64(i/4), at, random.IntN(16), 1+random.IntN(8), ip, fmt.Sprint("log ", random.IntN(10), "."))
		if random.IntN(5) == 0 {
			a.Hostname = "(db1) 192.0.2.9->/var/log/auth.log"
		}
		list = append(list, a)
	}
	return list
}

// wanted is what a filter lists of alerts, found the plain way, in some order.
func wanted(f alertstore.Filter, alerts []*event.Alert) []string {
	var list []*event.Alert
	for _, a := range alerts {
		switch {
		case !f.From.IsZero() && a.Time.Before(f.From), !f.To.IsZero() && !a.Time.Before(f.To), a.Rule.Level < f.Level:
		case len(f.Rules) > 0 && !slices.Contains(f.Rules, a.Rule.ID), f.Group != "" && !slices.Contains(a.Rule.Groups, f.Group):
		case f.SrcIP != "" && a.Field("srcip") != f.SrcIP, f.Agent != "" && a.Event.Agent != f.Agent:
		case f.Host != "" && a.Hostname != f.Host && a.Event.Agent != f.Host && !strings.HasPrefix(a.Hostname, "("+f.Host+")"):
		case !strings.Contains(strings.ToLower(a.FullLog), strings.ToLower(f.Text)):
		default:
			list = append(list, a)
		}
	}
	return ids(list)
}

func ids(alerts []*event.Alert) []string {
	var list []string
	for _, a := range alerts {
		list = append(list, a.ID)
	}
	return list
}

func drawFilter(r *rapid.T) alertstore.Filter {
	f := alertstore.Filter{Limit: rapid.SampledFrom([]int{1, 3, 10, 100, 1000}).Draw(r, "limit")}
	maybe := func(what string, set func()) {
		if rapid.IntRange(0, 2).Draw(r, "has "+what) == 0 {
			set()
		}
	}
	at := func(what string) time.Time {
		return noon.Add(time.Duration(rapid.IntRange(-1, 60).Draw(r, what)) * time.Minute).Add(time.Duration(rapid.IntRange(0, 2).Draw(r, what+" ns")))
	}
	maybe("from", func() { f.From = at("from") })
	maybe("to", func() { f.To = at("to") })
	maybe("level", func() { f.Level = rapid.IntRange(1, 16).Draw(r, "level") })
	maybe("rules", func() { f.Rules = rapid.SliceOfN(rapid.IntRange(1, 10), 1, 6).Draw(r, "rules") })
	maybe("group", func() { f.Group = fmt.Sprint("level", rapid.IntRange(1, 16).Draw(r, "group")) })
	maybe("srcip", func() { f.SrcIP = fmt.Sprint("192.0.2.", rapid.IntRange(0, 5).Draw(r, "srcip")) })
	maybe("agent", func() { f.Agent = fmt.Sprint("web", rapid.IntRange(0, 12).Draw(r, "agent")) })
	maybe("host", func() { f.Host = rapid.SampledFrom([]string{"web1", "web2", "db1", "none"}).Draw(r, "host") })
	maybe("text", func() { f.Text = fmt.Sprint("LOG ", rapid.IntRange(0, 9).Draw(r, "text")) })
	return f
}

// model compares queries with a search of a slice, while alerts are added between the pages.
func model(t *testing.T, tab table.Table, schema *table.Schema, n int) {
	alerts := population(n)
	storeIn(t, tab, schema, alerts...)
	seq := uint64(n)
	rapid.Check(t, func(r *rapid.T) {
		f := drawFilter(r)
		want := wanted(f, alerts)
		var got []*event.Alert
		for more := true; more; more = f.After != "" {
			page, err := alertstore.QueryIn(r.Context(), tab, schema, f)
			if err != nil {
				r.Fatal(err)
			}
			got = append(got, page.Alerts...)
			if f.After = page.Next; f.After != "" && seq < uint64(2*n) { // newer than all
				seq++
				late := alert(fmt.Sprint("web", seq%12), seq, noon.AddDate(1, 0, int(seq)), 15, 1, "192.0.2.1", "late")
				storeIn(t, tab, schema, late)
				alerts = append(alerts, late)
			}
		}
		if !slices.IsSortedFunc(got, func(a, b *event.Alert) int {
			return cmp.Or(b.Time.Compare(a.Time), cmp.Compare(b.Event.Seq, a.Event.Seq))
		}) {
			r.Fatalf("%+v: not in order", f)
		}
		if have := ids(got); !slices.Equal(slices.Sorted(slices.Values(have)), slices.Sorted(slices.Values(want))) {
			r.Fatalf("%+v: %d alerts %v, want %d %v", f, len(got), have, len(want), want)
		}
	})
}

func TestModel(t *testing.T) { model(t, inFile(t), alertstore.Schema, 500) }

func TestModelInFile(t *testing.T) { model(t, inFile(t), alertstore.InFile, 500) }

func TestModelDynamoDB(t *testing.T) {
	model(t, dynamotest.Open(t, emulatedtest.Start(t, emulated.DynamoDB), alertstore.Schema), alertstore.Schema, 120)
}

// counted counts a page's requests.
type counted struct {
	table.Table
	queries, gets, got atomic.Int64
}

func (c *counted) Query(ctx context.Context, q table.Query) (table.Page, error) {
	c.queries.Add(1)
	return c.Table.Query(ctx, q)
}

func (c *counted) Get(ctx context.Context, s *table.Schema, keys []table.Key) ([]table.Fields, error) {
	c.gets.Add(int64((len(keys) + 99) / 100))
	c.got.Add(int64(len(keys)))
	return c.Table.Get(ctx, s, keys)
}

func (c *counted) requests() int64 { return c.queries.Load() + c.gets.Load() }

// A page costs a bounded number of requests, few where the indexes help, and fetches no alert of other levels.
func TestRequests(t *testing.T) {
	var alerts []*event.Alert
	for i := range 30_000 {
		level, rule, ip := 3, 100, ""
		if i%3000 == 7 {
			level, rule, ip = 12, 200, "192.0.2.1"
		}
		alerts = append(alerts, alert(fmt.Sprint("web", i%50), uint64(i), noon.Add(time.Duration(i)*time.Second), level, rule, ip, "x"))
	}
	tab := inFile(t)
	store(t, tab, alerts...)
	for _, c := range []struct {
		name     string
		f        alertstore.Filter
		requests int64 // at most
		got      int64 // alerts fetched by key, at most
		alerts   int
	}{
		{"newest", alertstore.Filter{Limit: 20}, 9, 20, 20},
		{"newest hundred", alertstore.Filter{}, 17, 100, 100},
		{"newest thousand", alertstore.Filter{Limit: 1000}, 60, 1000, 1000},
		{"of an agent", alertstore.Filter{Agent: "web7"}, 3, 0, 100},
		{"of a rule", alertstore.Filter{Rules: []int{200}}, 9, 10, 10},
		{"of three rules", alertstore.Filter{Rules: []int{200, 201, 202}}, 25, 10, 10},
		{"of a source", alertstore.Filter{SrcIP: "192.0.2.1"}, 9, 10, 10},
		{"of a source and an agent", alertstore.Filter{SrcIP: "192.0.2.1", Agent: "web7"}, 2, 10, 10},
		{"of a level", alertstore.Filter{Level: 12}, 64, 10, 10},
		{"with a text that nobody wrote", alertstore.Filter{Text: "nobody"}, alertstore.MaxRequests, 1600, 0},
	} {
		counts := &counted{Table: tab}
		page, err := alertstore.Query(t.Context(), counts, c.f)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%-30s %d queries, %d gets of %d alerts, %d listed, more: %t", c.name, counts.queries.Load(), counts.gets.Load(), counts.got.Load(), len(page.Alerts), page.Next != "")
		if counts.requests() > c.requests || counts.got.Load() > c.got || len(page.Alerts) != c.alerts {
			t.Errorf("%s: want %d requests, %d got, %d alerts at most", c.name, c.requests, c.got, c.alerts)
		}
	}
}

// An alert that is put twice is there once, and comes back as it was.
func TestPut(t *testing.T) {
	tab := inFile(t)
	a := alert("web1", 1, noon.Add(5), 12, 5716, "192.0.2.1", "Failed <password> for \u2028 root\x01")
	a.Rule.Mail = true
	op, err := alertstore.Put(a, noon)
	if err != nil {
		t.Fatal(err)
	}
	if err := tab.Commit(t.Context(), []table.Op{op}); err != nil {
		t.Fatal(err)
	}
	var c *table.ConflictError
	if err := tab.Commit(t.Context(), []table.Op{op}); !errors.As(err, &c) {
		t.Errorf("again: %v", err)
	}
	page, err := alertstore.Query(t.Context(), tab, alertstore.Filter{})
	if err != nil || len(page.Alerts) != 1 || !reflect.DeepEqual(page.Alerts[0], a) {
		t.Errorf("%+v, %v", page, err)
	}
	items, err := tab.Get(t.Context(), alertstore.Schema, []table.Key{alertstore.Key(a)})
	if err != nil {
		t.Fatal(err)
	}
	item := items[0]
	text := item.String("alert")
	delete(item, "alert")
	slot := item.String("slot")
	want := table.Fields{
		"agent": "web1", "at": "2026-11-23T12:00:00.000000005Z#0000000000000007#00000000000000000001", "id": a.ID, "level": int64(12), "rule": int64(5716),
		"source": "192.0.2.1", "mail": "yes", "slot": slot, "rule_slot": "5716/" + slot, "source_slot": "192.0.2.1/" + slot, "expires": noon.Unix(),
	}
	if !reflect.DeepEqual(item, want) || !strings.Contains(text, "Failed <password>") {
		t.Errorf("%v, want %v; %s", item, want, text)
	}
	other, beside := *a, *a // the event's place is taken, but not that beside it
	other.Rule.ID, beside.Rule.ID, beside.Beside = 5720, 11, true
	for again, alert := range map[bool]*event.Alert{true: &other, false: &beside} {
		op, err := alertstore.Put(alert, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		if err := tab.Commit(t.Context(), []table.Op{op}); errors.As(err, &c) != again {
			t.Errorf("rule %d of the same event: %v", alert.Rule.ID, err)
		}
	}
	plain, err := alertstore.Put(alert("web1", 1, noon, 1, 1, "", "x"), time.Time{})
	for _, field := range []string{"mail", "source", "source_slot", "expires"} {
		if _, ok := plain.Item[field]; ok || err != nil {
			t.Errorf("%s is there without reason, %v", field, err)
		}
	}
}

// The longest alerts are cut until they fit, always alike; lines are written by strangers, so also what is used as a key.
func TestFit(t *testing.T) {
	tab := inFile(t)
	small := alert("web1", 1, noon, 1, 1, "192.0.2.1", "x")
	if alertstore.Fit(small) != small {
		t.Error("a small alert was touched")
	}
	for i, char := range []string{"x", "\x01", "é", "\xff", "\U0001F3EF"} {
		a := alert("web1", uint64(i), noon, 1, 1, strings.Repeat(char, event.MaxText/len(char)), strings.Repeat(char, event.MaxText/len(char)))
		for range 11 {
			a.Previous = append(a.Previous, a.FullLog)
		}
		before, _ := json.Marshal(a)
		fit := alertstore.Fit(a)
		if after, _ := json.Marshal(a); string(after) != string(before) {
			t.Error("the caller's alert was changed")
		}
		if again := alertstore.Fit(a); !reflect.DeepEqual(again, fit) || alertstore.Fit(fit) != fit {
			t.Error("cut in another way the second time")
		}
		if !strings.HasSuffix(fit.Previous[10], "… (cut)") || fit.ID != a.ID {
			t.Errorf("cut to %.50q…", fit.Previous[10])
		}
		store(t, tab, a)
	}
	page, err := alertstore.Query(t.Context(), tab, alertstore.Filter{})
	if err != nil || len(page.Alerts) != 5 {
		t.Errorf("%d alerts, %v", len(page.Alerts), err)
	}
}

func TestDamagedAlert(t *testing.T) {
	tab := inFile(t)
	op, err := alertstore.Put(alert("web1", 1, noon, 1, 1, "", "x"), time.Time{})
	op.Item["alert"] = "{"
	if err := errors.Join(err, tab.Commit(t.Context(), []table.Op{op})); err != nil {
		t.Fatal(err)
	}
	if _, err := alertstore.Query(t.Context(), tab, alertstore.Filter{}); !errors.Is(err, alertstore.ErrAlert) || !strings.Contains(err.Error(), "web1") {
		t.Errorf("%v", err)
	}
	for _, after := range []string{"!", "YQ", "\xff"} {
		if _, err := alertstore.Query(t.Context(), tab, alertstore.Filter{After: after}); !errors.Is(err, alertstore.ErrFilter) {
			t.Errorf("after %q: %v", after, err)
		}
	}
}

// BenchmarkQuery tells what a page costs in a file of 30,000 alerts.
func BenchmarkQuery(b *testing.B) {
	tab := inFile(b)
	var alerts []*event.Alert
	for i := range 30_000 {
		alerts = append(alerts, alert(fmt.Sprint("web", i%50), uint64(i), noon.Add(time.Duration(i)*time.Second), i%13, i%100, "192.0.2.1", "x"))
	}
	store(b, tab, alerts...)
	for name, f := range map[string]alertstore.Filter{
		"newest": {Limit: 20}, "level": {Level: 12}, "rule": {Rules: []int{7}}, "agent": {Agent: "web7"}, "text": {Text: "nobody"},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := alertstore.Query(b.Context(), tab, f); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
