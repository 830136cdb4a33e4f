package night_test

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"fmt"
	"hash/fnv"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/yagura-hids/yagura/internal/analysis"
	"github.com/yagura-hids/yagura/internal/analysisd"
	"github.com/yagura-hids/yagura/internal/baseline"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/maintenance"
	"github.com/yagura-hids/yagura/internal/night"
	"github.com/yagura-hids/yagura/internal/ruleset"
	"github.com/yagura-hids/yagura/internal/syscheck"
	"github.com/yagura-hids/yagura/internal/table"
	"github.com/yagura-hids/yagura/internal/table/bolt"
	"github.com/yagura-hids/yagura/rules"
)

var full = flag.Bool("full", false, "50 hosts and all files, not a dozen with some of them: figures for docs/integrity.md")

// evening is when the fleet was first scanned, a day before the night.
var evening = time.Date(2026, 11, 23, 20, 0, 0, 0, time.UTC)

func TestRecording(t *testing.T) {
	r := &night.Recording{
		First:   []night.File{{Path: "/a", Record: syscheck.Record{Size: 1, SHA256: sum("a")}}},
		Changes: []night.Change{{At: 12250 * time.Millisecond, Change: syscheck.Change{Type: syscheck.Deleted, Path: "/a"}}},
	}
	var b bytes.Buffer
	if err := r.Write(&b); err != nil {
		t.Fatal(err)
	}
	whole := b.Bytes()
	if got, err := night.Read(bytes.NewReader(whole)); err != nil || !reflect.DeepEqual(got, r) {
		t.Errorf("%+v, %v; want %+v", got, err, r)
	}
	if got, err := night.Read(bytes.NewReader(whole[:len(whole)-5])); err == nil {
		t.Errorf("%+v of a file that was cut off", got)
	}
}

// server is what the fleet's events go to.
type server struct {
	t      *testing.T
	set    *ruleset.Set
	tab    table.Table
	daemon *analysisd.Daemon // begins with the first run, as a function's does
	asks   []baseline.Ask
	now    time.Time
	alerts []*event.Alert
}

func newServer(t *testing.T) *server {
	t.Helper()
	fsys, files, err := ruleset.Choose(rules.FS, "")
	if err != nil {
		t.Fatal(err)
	}
	set, err := ruleset.Load(fsys, files)
	if err != nil {
		t.Fatal(err)
	}
	return &server{t: t, set: set, tab: openTable(t)}
}

func openTable(t *testing.T) table.Table {
	t.Helper()
	db, err := bbolt.Open(filepath.Join(t.TempDir(), "t.db"), 0o600, &bbolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return bolt.New(db)
}

func (s *server) engine() *analysis.Engine {
	return analysis.New(s.set, analysis.Options{LogLevel: 1, MailLevel: 7, NameActions: true})
}

// run analyses a batch.
func (s *server) run(batch []*event.Event) {
	s.t.Helper()
	if s.daemon == nil {
		s.daemon = analysisd.New(analysisd.Options{
			Engine: s.engine(), Table: s.tab, Now: func() time.Time { return s.now }, Alert: func(a *event.Alert) { s.alerts = append(s.alerts, a) },
			Ask: func(_ context.Context, a baseline.Ask) error {
				s.asks = append(s.asks, a)
				return nil
			},
			Report: func(msg string) { s.t.Error(msg) },
		})
	}
	if _, err := s.daemon.Run(context.Background(), batch); err != nil {
		s.t.Fatal(err)
	}
}

// What one call of the function gets: what the hosts of one shard sent in so long, and no more than so many events.
const (
	gather = 5 * time.Second
	most   = 2000
	shards = 4
)

// stream analyses events as they come by Kinesis: each host's in their order, those of several hosts of a shard together.
func (s *server) stream(list []*event.Event) {
	s.t.Helper()
	type slot struct {
		at    int64
		shard uint32
	}
	of := func(ev *event.Event) slot {
		h := fnv.New32a()
		fmt.Fprint(h, ev.ID.Agent)
		return slot{ev.Time.UnixNano() / int64(gather), h.Sum32() % shards}
	}
	slices.SortStableFunc(list, func(a, b *event.Event) int {
		x, y := of(a), of(b)
		return cmp.Or(cmp.Compare(x.at, y.at), cmp.Compare(x.shard, y.shard), cmp.Compare(a.ID.Agent, b.ID.Agent), cmp.Compare(a.ID.Seq, b.ID.Seq))
	})
	for len(list) > 0 {
		first := of(list[0])
		n := slices.IndexFunc(list, func(ev *event.Event) bool { return of(ev) != first })
		if n < 0 {
			n = len(list)
		}
		n = min(n, most)
		s.now = list[n-1].Time.Add(gather)
		s.run(slices.Clone(list[:n]))
		list = list[n:]
	}
}

// hostsOf returns the hosts of a fleet: most of profile web, some of db; two images, and none.
func hostsOf(n int, r *night.Recording) (hosts []*host) {
	for i := range n {
		a := event.Agent{Profile: "web"}
		if i >= n*3/4 {
			a.Profile = "db"
		}
		switch {
		case i < n/2:
			a.Image = "ami-0000000000000001a"
		case i < n*4/5:
			a.Image = "ami-0000000000000002b"
		}
		began := evening.Add(30*time.Hour + time.Duration(i*7919%7200)*time.Second) // in two hours, in no order
		hosts = append(hosts, newHost(fmt.Sprintf("i-%08d", i), a, began, r))
	}
	return hosts
}

// levels counts alerts by their level.
type levels [17]int

func count(alerts []*event.Alert) (c levels) {
	for _, a := range alerts {
		c[a.Rule.Level]++
	}
	return c
}

func (c levels) from(level int) (n int) {
	for _, x := range c[level:] {
		n += x
	}
	return n
}

func (c levels) String() string {
	var parts []string
	for level, n := range c {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("level %d: %d", level, n))
		}
	}
	return fmt.Sprintf("%d alerts, %d of level 7 or more (%s)", c.from(1), c.from(7), strings.Join(parts, ", "))
}

// plain returns the alerts that OSSEC's way gives: every change is one.
func (s *server) plain(list []*event.Event) (alerts []*event.Alert) {
	s.t.Helper()
	engine, memory := s.engine(), analysis.NewMemory(1<<20)
	for _, ev := range list {
		c, err := syscheck.Parse(ev.Text)
		if err != nil {
			s.t.Fatal(err)
		}
		if c.Type == syscheck.Packages {
			continue
		}
		bare := *ev
		c.Package, c.Notes = nil, nil
		bare.Text = c.String()
		v, err := engine.Analyze(&bare, memory)
		if err != nil {
			s.t.Fatal(err)
		}
		if v.Alert != nil {
			alerts = append(alerts, v.Alert)
		}
	}
	return alerts
}

// bound is how many of the alerts that every change would be may be left.
const bound = 0.3

func TestNight(t *testing.T) {
	n, r := 12, read(t, "usual")
	if *full {
		n = 50
	} else {
		r = less(r, 16, keptPaths())
	}
	s := newServer(t)
	hosts := hostsOf(n, r)
	for i, h := range hosts {
		s.stream(h.firstScan(evening.Add(time.Duration(i) * time.Minute)))
	}
	t.Logf("%d hosts, first scans of %d files each: %v", n, len(r.First), count(s.alerts))
	first := len(s.alerts)
	s.window(hosts[7])
	plant(t, hosts)
	var all []*event.Event
	for _, h := range hosts {
		all = append(all, h.night()...)
	}
	before := count(s.plain(all))
	s.stream(all)
	s.answer(hosts)
	after := count(s.alerts[first:])
	t.Logf("the night, %d events: every change an alert: %v", len(all), before)
	t.Logf("the night: %v", after)
	if got, most := float64(after.from(1)), bound*float64(before.from(1)); got > most {
		t.Errorf("%.0f alerts, want %.0f or fewer", got, most)
	}
	s.log(s.alerts[first:])
	s.checkPlanted(hosts, s.alerts[first:])
}

// window opens a maintenance window for a host, for its whole night.
func (s *server) window(h *host) {
	s.t.Helper()
	store := maintenance.NewStore(s.tab, maintenance.Options{Now: func() time.Time { return s.now }})
	w := maintenance.Window{Scope: maintenance.Scope{Kind: maintenance.Agent, Value: h.id}, Until: s.now.Add(48 * time.Hour), Reason: "patches"}
	if _, err := store.Begin(s.t.Context(), w); err != nil {
		s.t.Fatal(err)
	}
}

// answer lets hosts answer what they were asked for, until nobody is asked any more.
func (s *server) answer(hosts []*host) {
	s.t.Helper()
	for round := 0; len(s.asks) > 0; round++ {
		if round == 3 {
			s.t.Fatalf("asked again and again: %+v", s.asks)
		}
		asks, at := s.asks, s.now.Add(time.Minute)
		s.asks = nil
		var all []*event.Event
		for _, a := range asks {
			i := slices.IndexFunc(hosts, func(h *host) bool { return h.id == a.AgentID })
			all = append(all, hosts[i].resend(at, a.Buckets)...)
		}
		s.stream(all)
	}
}

// log tells how often each rule alerted.
func (s *server) log(alerts []*event.Alert) {
	type rule struct {
		id, level int
		text      string
	}
	counts := map[rule]int{}
	for _, a := range alerts {
		counts[rule{a.Rule.ID, a.Rule.Level, a.Rule.Description}]++
	}
	var list []rule
	for r := range counts {
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b rule) int { return cmp.Compare(a.id, b.id) })
	for _, r := range list {
		s.t.Logf("  rule %d, level %d: %6d  %s", r.id, r.level, counts[r], r.text)
	}
}

// checkPlanted wants each planted edit told at level 7 or more.
func (s *server) checkPlanted(hosts []*host, alerts []*event.Alert) {
	s.t.Helper()
	for _, p := range plantedEdits {
		for _, i := range p.hosts {
			var told []string
			high := 0
			for _, a := range alerts {
				if p.tells(hosts[i], a) {
					told = append(told, fmt.Sprintf("%d (level %d)", a.Rule.ID, a.Rule.Level))
					high = max(high, a.Rule.Level)
				}
			}
			s.t.Logf("  %-80s host %2d: %s", p.what, i, strings.Join(told, ", "))
			if high < 7 {
				s.t.Errorf("%s: host %d: %s: told at level %d, want 7 or more", p.what, i, p.path, high)
			}
		}
	}
}
