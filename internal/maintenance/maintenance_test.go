package maintenance_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.etcd.io/bbolt"

	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/fleet"
	"github.com/yagura-hids/yagura/internal/maintenance"
	"github.com/yagura-hids/yagura/internal/table"
	"github.com/yagura-hids/yagura/internal/table/bolt"
)

var start = time.Date(2026, 11, 25, 2, 0, 0, 0, time.UTC)

// after is so long after the start.
func after(text string) time.Time {
	d, err := time.ParseDuration(text)
	if err != nil {
		panic(err)
	}
	return start.Add(d)
}

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.at }

func (c *clock) set(at time.Time) { c.mu.Lock(); defer c.mu.Unlock(); c.at = at }

func open(t *testing.T) (table.Table, *maintenance.Store, *clock) {
	t.Helper()
	b, c := home(t), &clock{at: start}
	return b, maintenance.NewStore(b, maintenance.Options{Now: c.now}), c
}

func home(t testing.TB) table.Table {
	t.Helper()
	db, err := bbolt.Open(filepath.Join(t.TempDir(), "fleet.db"), 0o600, &bbolt.Options{NoSync: true})
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

func load(t *testing.T, tab table.Table) *maintenance.Windows {
	t.Helper()
	w, err := maintenance.Load(t.Context(), tab)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func begin(t *testing.T, s *maintenance.Store, w maintenance.Window) maintenance.Window {
	t.Helper()
	w, err := s.Begin(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestScopes(t *testing.T) {
	tab, s, _ := open(t)
	web := &event.Agent{Profile: "web", Instance: "i-01", Labels: map[string]string{"role": "db", "zone": "a b"}}
	for i, c := range []struct {
		scope maintenance.Scope
		id    string
		agent *event.Agent
		want  bool
	}{
		{maintenance.Scope{Kind: maintenance.All}, "web1", nil, true},
		{maintenance.Scope{Kind: maintenance.Agent, Value: "web1"}, "web1", nil, true},
		{maintenance.Scope{Kind: maintenance.Agent, Value: "web1"}, "web10", nil, false},
		{maintenance.Scope{Kind: maintenance.Agent, Value: "asg"}, "asg/ip-10-0-1-17", nil, true},
		{maintenance.Scope{Kind: maintenance.Agent, Value: "asg/ip-10-0-1-17"}, "asg/ip-10-0-1-17", nil, true},
		{maintenance.Scope{Kind: maintenance.Agent, Value: "asg/ip-10-0-1-17"}, "asg/ip-10-0-1-18", nil, false},
		{maintenance.Scope{Kind: maintenance.Profile, Value: "web"}, "web1", web, true},
		{maintenance.Scope{Kind: maintenance.Profile, Value: "default"}, "web1", web, false},
		{maintenance.Scope{Kind: maintenance.Profile, Value: "default"}, "db1", &event.Agent{}, true},
		{maintenance.Scope{Kind: maintenance.Profile, Value: "default"}, "db1", nil, true},
		{maintenance.Scope{Kind: maintenance.Tag, Value: "role=db"}, "web1", web, true},
		{maintenance.Scope{Kind: maintenance.Tag, Value: "zone=a b"}, "web1", web, true},
		{maintenance.Scope{Kind: maintenance.Tag, Value: "role=web"}, "web1", web, false},
		{maintenance.Scope{Kind: maintenance.Instance, Value: "i-01"}, "web1", web, true},
		{maintenance.Scope{Kind: maintenance.Instance, Value: "i-02"}, "web1", web, false},
	} {
		w := begin(t, s, maintenance.Window{Scope: c.scope, Until: after("1h")})
		got := load(t, tab).Open(c.id, c.agent, after("30m"), time.Time{})
		if (got == w.ID) != c.want {
			t.Errorf("%d: %v for %s: open %q of %q, want %v", i, c.scope, c.id, got, w.ID, c.want)
		}
		if _, err := s.End(t.Context(), w.ID, "test"); err != nil {
			t.Fatal(err)
		}
		var read maintenance.Scope
		if text, err := c.scope.MarshalText(); err != nil || read.UnmarshalText(text) != nil || read != c.scope {
			t.Errorf("%v is read as %v (%v)", c.scope, read, err)
		}
	}
}

func TestWindowLasts(t *testing.T) {
	for _, c := range []struct {
		name         string
		untilScanned bool
		end          string // when End is called, "" for never
		endAgain     string
		at, scanned  string // "" for no scan
		want         bool
	}{
		{name: "before it begins", at: "-1ms"},
		{name: "at its begin", at: "0s", want: true},
		{name: "within", at: "119m", want: true},
		{name: "at its end", at: "2h"},
		{name: "after", at: "3h"},
		{name: "ended within", end: "1h", at: "59m", want: true},
		{name: "ended, after", end: "1h", at: "1h"},
		{name: "until scanned, never scanned", untilScanned: true, at: "3h", want: true},
		{name: "until scanned, scanned before", untilScanned: true, at: "3h", scanned: "-20h", want: true},
		{name: "until scanned, scanned within", untilScanned: true, at: "3h", scanned: "1h", want: true},
		{name: "until scanned, scanned since", untilScanned: true, at: "20h", scanned: "19h"},
		{name: "until scanned, scanned at its end", untilScanned: true, at: "20h", scanned: "2h"},
		{name: "until scanned, seen live", untilScanned: true, at: "3h", scanned: "3h"},
		{name: "until scanned, just in time", untilScanned: true, at: "27h59m", want: true},
		{name: "until scanned, nobody scans", untilScanned: true, at: "28h"},
		{name: "until scanned, ended", untilScanned: true, end: "1h", at: "90m", want: true},
		{name: "until scanned, ended and scanned", untilScanned: true, end: "1h", at: "90m", scanned: "80m"},
		{name: "until scanned, ended twice", untilScanned: true, end: "1h", endAgain: "80m", at: "90m"},
		{name: "until scanned, ended twice, before", untilScanned: true, end: "1h", endAgain: "80m", at: "59m", want: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			tab, s, clock := open(t)
			w := begin(t, s, maintenance.Window{Scope: maintenance.Scope{Kind: maintenance.All}, Until: after("2h"), UntilScanned: c.untilScanned})
			for _, end := range []string{c.end, c.endAgain} {
				if end == "" {
					continue
				}
				clock.set(after(end))
				if _, err := s.End(t.Context(), w.ID, "ada@web1"); err != nil {
					t.Fatal(err)
				}
			}
			var scanned time.Time
			if c.scanned != "" {
				scanned = after(c.scanned)
			}
			if got := load(t, tab).Open("web1", nil, after(c.at), scanned); (got == w.ID) != c.want {
				t.Errorf("open %q, want %v", got, c.want)
			}
		})
	}
}

// Of several windows the one that began first is named.
func TestEarliest(t *testing.T) {
	tab, s, clock := open(t)
	all := maintenance.Scope{Kind: maintenance.All}
	first := begin(t, s, maintenance.Window{Scope: maintenance.Scope{Kind: maintenance.Agent, Value: "web1"}, Until: after("1h")})
	clock.set(after("10m"))
	second := begin(t, s, maintenance.Window{Scope: all, Until: after("2h")})
	sc, err := s.Schedule(t.Context(), maintenance.Schedule{Scope: all, At: 2*60 + 20, Zone: "UTC", Minutes: 120})
	if err != nil {
		t.Fatal(err)
	}
	w := load(t, tab)
	for at, want := range map[string]string{"30m": first.ID, "61m": second.ID, "125m": sc.ID, "141m": "", "24h30m": sc.ID} {
		if got := w.Open("web1", nil, after(at), after(at)); got != want {
			t.Errorf("after %s: %q, want %q", at, got, want)
		}
	}
}

func TestRefused(t *testing.T) {
	_, s, _ := open(t)
	all := maintenance.Scope{Kind: maintenance.All}
	for name, w := range map[string]maintenance.Window{
		"no end":          {Scope: all},
		"ends before now": {Scope: all, Until: after("-1h")},
		"too long":        {Scope: all, Until: after("745h")},
		"no scope":        {Until: after("1h")},
		"no agent":        {Scope: maintenance.Scope{Kind: maintenance.Agent}, Until: after("1h")},
		"no tag":          {Scope: maintenance.Scope{Kind: maintenance.Tag, Value: "role"}, Until: after("1h")},
		"all of some":     {Scope: maintenance.Scope{Kind: maintenance.All, Value: "web"}, Until: after("1h")},
		"long reason":     {Scope: all, Until: after("1h"), Reason: strings.Repeat("x", 501)},
		"no UTF-8":        {Scope: all, Until: after("1h"), Reason: "\xff"},
	} {
		if _, err := s.Begin(t.Context(), w); !errors.Is(err, maintenance.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, sc := range map[string]maintenance.Schedule{
		"no zone":    {Scope: all, Minutes: 60},
		"this place": {Scope: all, Minutes: 60, Zone: "Local"},
		"no place":   {Scope: all, Minutes: 60, Zone: "Europe/Zuerich"},
		"no length":  {Scope: all, Zone: "UTC"},
		"too long":   {Scope: all, Zone: "UTC", Minutes: 7*24*60 + 1},
		"late":       {Scope: all, Zone: "UTC", Minutes: 1, At: 24 * 60},
		"no scope":   {Zone: "UTC", Minutes: 60},
	} {
		if _, err := s.Schedule(t.Context(), sc); !errors.Is(err, maintenance.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.End(t.Context(), "none", "ada"); !errors.Is(err, maintenance.ErrUnknown) {
		t.Errorf("End of none: %v", err)
	}
	if _, err := s.Unschedule(t.Context(), "none", "ada"); !errors.Is(err, maintenance.ErrUnknown) {
		t.Errorf("Unschedule of none: %v", err)
	}
}

// Two who change the same window at once both see what the other did, and nothing is lost.
func TestTwoWriters(t *testing.T) {
	tab, s, clock := open(t)
	var group sync.WaitGroup
	const many = 20
	for i := range many {
		group.Go(func() {
			w, err := s.Begin(context.Background(), maintenance.Window{
				Scope: maintenance.Scope{Kind: maintenance.Agent, Value: fmt.Sprint("web", i)}, Until: after("2h"), UntilScanned: true,
			})
			if err != nil {
				t.Error(err)
				return
			}
			var both sync.WaitGroup
			for _, who := range []string{"ada", "bob"} {
				both.Go(func() {
					// who comes second either meets the first, and leaves it, or comes after, and ends the waiting, too
					if _, err := s.End(context.Background(), w.ID, who); err != nil && !errors.Is(err, maintenance.ErrOver) {
						t.Error(err)
					}
				})
			}
			both.Wait()
		})
	}
	clock.set(after("1h"))
	group.Wait()
	windows := load(t, tab).Windows()
	if len(windows) != many {
		t.Fatalf("%d windows of %d", len(windows), many)
	}
	for _, w := range windows {
		if w.Ended.IsZero() || w.EndedBy == "" {
			t.Errorf("%+v has not ended", w)
		}
	}
}

// meets is a table in which somebody else changes what is read, before it is written.
type meets struct {
	table.Table
	meanwhile func()
}

func (m *meets) Commit(ctx context.Context, ops []table.Op) error {
	if do := m.meanwhile; do != nil {
		m.meanwhile = nil
		do()
	}
	return m.Table.Commit(ctx, ops)
}

func TestEndedMeanwhile(t *testing.T) {
	tab, s, clock := open(t)
	w := begin(t, s, maintenance.Window{Scope: maintenance.Scope{Kind: maintenance.All}, Until: after("2h"), UntilScanned: true})
	clock.set(after("1h"))
	slow := maintenance.NewStore(&meets{tab, func() {
		if _, err := s.End(t.Context(), w.ID, "ada"); err != nil {
			t.Error(err)
		}
	}}, maintenance.Options{Now: clock.now})
	got, err := slow.End(t.Context(), w.ID, "bob")
	if err != nil || got.EndedBy != "ada" || !got.UntilScanned {
		t.Errorf("%+v, %v; want what ada did", got, err)
	}
}

func TestUnscheduleMeanwhile(t *testing.T) {
	tab, s, clock := open(t)
	sc, err := s.Schedule(t.Context(), maintenance.Schedule{Scope: maintenance.Scope{Kind: maintenance.All}, Zone: "UTC", Minutes: 60})
	if err != nil {
		t.Fatal(err)
	}
	slow := maintenance.NewStore(&meets{tab, func() {
		if _, err := s.Unschedule(t.Context(), sc.ID, "ada"); err != nil {
			t.Error(err)
		}
	}}, maintenance.Options{Now: clock.now})
	if got, err := slow.Unschedule(t.Context(), sc.ID, "bob"); !errors.Is(err, maintenance.ErrOver) || got.RemovedBy != "ada" {
		t.Errorf("%+v, %v; want that ada removed it", got, err)
	}
}

// What can't be read hides nothing, and is told.
func TestFaults(t *testing.T) {
	tab, s, _ := open(t)
	w := begin(t, s, maintenance.Window{Scope: maintenance.Scope{Kind: maintenance.All}, Until: after("2h")})
	for item, fields := range map[string]table.Fields{
		"window/zzzz":                   {"window": "{"},
		"window/zzzy":                   {"window": `{"id":"zzzy","scope":"everybody"}`},
		"schedule/zzzz":                 {"schedule": `{"id":"zzzz","scope":"all","days":"daily","at":"02:00","zone":"Mars/Olympus","minutes":60}`},
		"sign/r/i/20261125T020000/what": {},
		"sign/r":                        {},
		"other/x":                       {}, // which is somebody else's to read
	} {
		fields["agent"], fields["item"] = "maintenance", item
		if err := tab.Commit(t.Context(), []table.Op{{Table: fleet.Schema, Item: fields}}); err != nil {
			t.Fatal(err)
		}
	}
	got := load(t, tab)
	if len(got.Faults()) != 5 {
		t.Errorf("faults %v", got.Faults())
	}
	if id := got.Open("web1", nil, after("1h"), time.Time{}); id != w.ID {
		t.Errorf("open %q, want %q", id, w.ID)
	}
}

// What was stored is what is read.
func TestRoundTrip(t *testing.T) {
	tab, s, _ := open(t)
	w := begin(t, s, maintenance.Window{
		Scope: maintenance.Scope{Kind: maintenance.Tag, Value: "role=db 1"}, Until: after("2h"), UntilScanned: true, Reason: "kernel “6.1”", By: "ada@web1",
	})
	sc, err := s.Schedule(t.Context(), maintenance.Schedule{
		Scope: maintenance.Scope{Kind: maintenance.Profile, Value: "web"}, Days: maintenance.Days{time.Sunday, time.Wednesday}, At: 125,
		Zone: "Europe/Zurich", Minutes: 90, UntilScanned: true, Reason: "patches", By: "ada@web1",
	})
	if err != nil {
		t.Fatal(err)
	}
	got := load(t, tab)
	if diff := cmp.Diff([]maintenance.Window{w}, got.Windows(), cmpopts.IgnoreUnexported(maintenance.Window{})); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]maintenance.Schedule{sc}, got.Schedules(), cmpopts.IgnoreUnexported(maintenance.Schedule{})); diff != "" {
		t.Error(diff)
	}
}

func BenchmarkOpen(b *testing.B) {
	db := home(b)
	s := maintenance.NewStore(db, maintenance.Options{Now: func() time.Time { return start }})
	for i := range 1000 {
		if err := s.Note(b.Context(), maintenance.Sign{Run: "r", Instance: fmt.Sprint("i-", i), What: maintenance.Begin, Time: start}); err != nil {
			b.Fatal(err)
		}
	}
	for i := range 10 {
		if _, err := s.Schedule(b.Context(), maintenance.Schedule{
			Scope: maintenance.Scope{Kind: maintenance.All}, Days: maintenance.Days{time.Weekday(i % 7)}, Zone: "Europe/Zurich", Minutes: 120, UntilScanned: true,
		}); err != nil {
			b.Fatal(err)
		}
	}
	w, err := maintenance.Load(b.Context(), db)
	if err != nil {
		b.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 1))
	agent := &event.Agent{Profile: "web", Instance: "i-7", Labels: map[string]string{"role": "db"}}
	for b.Loop() {
		w.Open("web1", agent, start.Add(time.Duration(r.IntN(1000))*time.Hour), time.Time{})
	}
}
