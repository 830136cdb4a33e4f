package analysisd_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"go.etcd.io/bbolt"

	"github.com/yagura-hids/yagura/internal/alertstore"
	"github.com/yagura-hids/yagura/internal/analysis"
	"github.com/yagura-hids/yagura/internal/analysisd"
	"github.com/yagura-hids/yagura/internal/config"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/ruleset"
	"github.com/yagura-hids/yagura/internal/statestore"
	"github.com/yagura-hids/yagura/internal/table"
	"github.com/yagura-hids/yagura/internal/table/bolt"
)

const decoders = `<decoder name="t"><program_name>^t$</program_name></decoder>
<decoder name="f"><parent>t</parent><prematch>^fts</prematch><regex>user=(\S+)</regex><order>user</order><fts>name, user, location</fts></decoder>
<decoder name="y"><parent>t</parent><regex>srcip=(\S+)</regex><order>srcip</order></decoder>
<decoder name="y"><parent>t</parent><regex>url=(\S+)</regex><order>url</order></decoder>`

const rules = `<group name="base,"><rule id="1" level="0" noalert="1"><category>syslog</category></rule>
<rule id="100" level="3"><decoded_as>t</decoded_as><match>^evt</match></rule>
<rule id="900" level="10" frequency="3" timeframe="400"><if_matched_sid>100</if_matched_sid><same_source_ip/></rule>
<rule id="101" level="2"><match>^other</match><group>others,</group></rule>
<rule id="901" level="8" frequency="1" timeframe="400"><if_matched_group>others</if_matched_group><same_location/><different_url/></rule>
<rule id="102" level="4"><match>^diff</match><check_diff/></rule>
<rule id="104" level="4"><match>^fts</match><if_fts/></rule></group>`

func load(t *testing.T, rules string) *ruleset.Set {
	t.Helper()
	set, err := ruleset.Load(fstest.MapFS{"decoder.xml": {Data: []byte(decoders)}, "rules/1.xml": {Data: []byte(rules)}}, config.Rules{})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func open(t *testing.T) table.Table {
	t.Helper()
	db, err := bbolt.Open(filepath.Join(t.TempDir(), "t.db"), 0o600, &bbolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return bolt.New(db)
}

// daemon is one of those that share a table, each in a process of its own.
func daemon(set *ruleset.Set, tab table.Table) *analysisd.Daemon {
	return analysisd.New(analysisd.Options{
		Engine: analysis.New(set, analysis.Options{LogLevel: 1, MailLevel: 7}), Table: tab, Now: func() time.Time { return start },
		Wait: func(context.Context, int) error { return nil },
	})
}

var start = time.Date(2026, 11, 4, 12, 0, 0, 0, time.UTC)

// traffic is what some agents read, in the order of time. Addresses are each agent's own.
func traffic(r *rand.Rand, agents, lines int) []*event.Event {
	var list []*event.Event
	at, seq := start, make([]uint64, agents)
	for range lines {
		a := r.IntN(agents)
		at = at.Add(time.Duration(1+r.IntN(600)) * time.Millisecond)
		seq[a] += 1 + uint64(r.IntN(3))
		kind := []string{"evt", "evt", "evt", "other", "other", "diff", "fts", "quiet", "quiet"}[r.IntN(9)]
		list = append(list, &event.Event{
			ID: event.ID{Agent: fmt.Sprint("agent", a), Epoch: 1, Seq: seq[a]}, Time: at, Location: fmt.Sprint("here", a),
			Text: fmt.Sprintf("Nov  4 12:00:00 h%d t: %s srcip=192.0.%d.%d url=/%d user=u%d", a, kind, a, r.IntN(2), r.IntN(3), r.IntN(3)),
		})
	}
	return list
}

// onePass is what an engine with all its memory at hand finds.
func onePass(t *testing.T, set *ruleset.Set, list []*event.Event) map[string]string {
	t.Helper()
	engine, memory, found := analysis.New(set, analysis.Options{LogLevel: 1, MailLevel: 7}), analysis.NewMemory(0), map[string]string{}
	for _, ev := range list {
		v, err := engine.Analyze(ev, memory)
		if err != nil {
			t.Fatal(err)
		}
		if v.Alert != nil {
			found[v.Alert.ID] = text(t, v.Alert)
		}
	}
	return found
}

func text(t *testing.T, a *event.Alert) string {
	t.Helper()
	b, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// stored is what the table holds.
func stored(t *testing.T, tab table.Table) map[string]string {
	t.Helper()
	found := map[string]string{}
	for f := (alertstore.Filter{Limit: 1000}); ; {
		page, err := alertstore.Query(t.Context(), tab, f)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range page.Alerts {
			if _, twice := found[a.ID]; twice {
				t.Fatalf("alert %s is listed twice", a.ID)
			}
			found[a.ID] = text(t, a)
		}
		if f.After = page.Next; page.Next == "" {
			return found
		}
	}
}

func equal(t *testing.T, got, want map[string]string, what string) {
	t.Helper()
	for _, id := range slices.Sorted(maps.Keys(want)) {
		if got[id] != want[id] {
			t.Fatalf("%s: alert %s is\n%s\nwant\n%s", what, id, got[id], want[id])
		}
	}
	for id := range got {
		if want[id] == "" {
			t.Fatalf("%s: one alert too many: %s", what, got[id])
		}
	}
}

var errKilled = errors.New("killed")

// killing is a table whose user is killed now and then, before or after a commit was done.
type killing struct {
	table.Table
	mu     sync.Mutex
	random *rand.Rand
	kills  int
}

func (k *killing) dies() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.random.IntN(8) > 0 {
		return false
	}
	k.kills++
	return true
}

func (k *killing) Commit(ctx context.Context, ops []table.Op) error {
	if k.dies() {
		return errKilled
	}
	if err := k.Table.Commit(ctx, ops); err != nil {
		return err
	}
	if k.dies() {
		return errKilled
	}
	return nil
}

// Killed at commits, with batches repeated, the table holds the alerts of one pass.
func TestKilled(t *testing.T) {
	set := load(t, rules)
	for seed := range uint64(10) {
		r := rand.New(rand.NewPCG(seed, 41))
		list := traffic(r, 1+int(seed%4), 600)
		want := onePass(t, set, list)
		tab := &killing{Table: open(t), random: r}
		for len(list) > 0 {
			n := min(1+r.IntN(200), len(list))
			for again := 1 + r.IntN(2); again > 0; { // once or twice
				if _, err := daemon(set, tab).Run(t.Context(), slices.Clone(list[:n])); err == nil {
					again--
				} else if !errors.Is(err, errKilled) {
					t.Fatal(err)
				}
			}
			list = list[n:]
		}
		equal(t, stored(t, tab), want, fmt.Sprint("seed ", seed))
		if tab.kills == 0 {
			t.Errorf("seed %d: nobody was killed", seed)
		}
	}
}

// crew runs batches of each agent in order, by four daemons at once that are killed now and then.
func crew(t *testing.T, set *ruleset.Set, tab table.Table, seed uint64, list []*event.Event) analysisd.Result {
	t.Helper()
	parts := make([][]*event.Event, 4)
	agents := map[string]int{}
	for _, ev := range list {
		if _, known := agents[ev.ID.Agent]; !known {
			agents[ev.ID.Agent] = len(agents) % len(parts)
		}
		parts[agents[ev.ID.Agent]] = append(parts[agents[ev.ID.Agent]], ev)
	}
	var sum analysisd.Result
	var mu sync.Mutex
	var all sync.WaitGroup
	for n, part := range parts {
		all.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(n)))
			for len(part) > 0 {
				k := min(1+r.IntN(20), len(part))
				got, err := daemon(set, tab).Run(context.Background(), slices.Clone(part[:k]))
				mu.Lock()
				sum.Add(got)
				mu.Unlock()
				switch {
				case err == nil:
					part = part[k:]
				case !errors.Is(err, errKilled):
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	return sum
}

// Four at once, as long as what is counted together is one agent's, find what one finds.
func TestFourAtOnce(t *testing.T) {
	set := load(t, rules)
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 43))
		list := traffic(r, 9, 900)
		tab := &killing{Table: open(t), random: r}
		crew(t, set, tab, seed, list)
		equal(t, stored(t, tab), onePass(t, set, list), fmt.Sprint("seed ", seed))
	}
}

// One source tries two passwords on each of forty hosts, which four daemons judge at once: the composite fires as often as on a single server, and
// each try has one alert.
func TestBruteForceAcrossHosts(t *testing.T) {
	set := load(t, rules)
	conflicts := 0
	for seed := range uint64(6) {
		var list []*event.Event
		for n := range 80 {
			id := event.ID{Agent: fmt.Sprint("web", n%40), Epoch: 1, Seq: uint64(n/40 + 1)}
			line := fmt.Sprintf("Nov  4 12:00:00 web%d t: evt srcip=198.51.100.7 url=/", n%40)
			list = append(list, &event.Event{ID: id, Time: start.Add(time.Duration(n) * time.Second), Location: "/var/log/auth.log", Text: line})
		}
		count := func(alerts map[string]string) (composites, all int) {
			for _, text := range alerts {
				var a event.Alert
				if err := json.Unmarshal([]byte(text), &a); err != nil {
					t.Fatal(err)
				}
				all++
				if a.Rule.ID == 900 {
					composites++
				}
			}
			return composites, all
		}
		want, _ := count(onePass(t, set, list))
		tab := open(t)
		if seed%2 == 1 { // a killed run begins anew, and so hides what is wrong with judging again
			tab = &killing{Table: tab, random: rand.New(rand.NewPCG(seed, 47))}
		}
		conflicts += crew(t, set, tab, seed, list).Conflicts
		if got, all := count(stored(t, tab)); got != want || all != 80 || want < 10 {
			t.Errorf("seed %d: %d composites in %d alerts, want %d in 80", seed, got, all, want)
		}
	}
	if conflicts == 0 {
		t.Error("nobody got in anybody's way: this tests nothing")
	}
}

// What doesn't fit into one commit is stored all the same, and a kill in between does no harm.
func TestOneEventWithManyChanges(t *testing.T) {
	many := rules
	for n := range 150 {
		many += fmt.Sprintf(`<group name="more,"><rule id="%d" level="5" frequency="3" timeframe="400"><if_matched_sid>100</if_matched_sid><match>never %d</match></rule></group>`, 2000+n, n)
	}
	set := load(t, many)
	r := rand.New(rand.NewPCG(5, 53))
	list := traffic(r, 1, 60)
	tab := &killing{Table: open(t), random: r}
	crew(t, set, tab, 5, list)
	equal(t, stored(t, tab), onePass(t, set, list), "many changes")
}

// A conflict that doesn't end, and a context that does, are errors that name the event or the cause; what was committed before counts.
func TestErrors(t *testing.T) {
	set := load(t, rules)
	list := traffic(rand.New(rand.NewPCG(1, 59)), 1, 300)
	busy := &conflicting{Table: open(t), after: 2}
	got, err := daemon(set, busy).Run(t.Context(), slices.Clone(list))
	var conflict *table.ConflictError
	if !errors.As(err, &conflict) || got.Commits != 2 || got.Events == 0 || got.Events == len(list) {
		t.Errorf("a table that is always busy: %+v, %v", got, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := daemon(set, open(t)).Run(ctx, list); !errors.Is(err, context.Canceled) || got.Events != 0 {
		t.Errorf("a run that is cancelled: %+v, %v", got, err)
	}
}

// conflicting is a table that somebody else is always faster with, after a few commits.
type conflicting struct {
	table.Table
	after int
}

func (c *conflicting) Commit(ctx context.Context, ops []table.Op) error {
	if c.after--; c.after < 0 {
		return &table.ConflictError{}
	}
	return c.Table.Commit(ctx, ops)
}

// The state's items are the same whether a run was disturbed or not: nothing is counted twice.
func TestStateOfRepeatedRuns(t *testing.T) {
	set := load(t, rules)
	list := traffic(rand.New(rand.NewPCG(3, 61)), 3, 400)
	once, twice := &watching{Table: open(t), keys: map[string]bool{}}, &watching{Table: open(t), keys: map[string]bool{}}
	for n, tab := range []*watching{once, twice} {
		for range 1 + n {
			if _, err := daemon(set, tab).Run(t.Context(), slices.Clone(list)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for key := range once.keys {
		opts := statestore.Options{Now: func() time.Time { return start }}
		a, err1 := statestore.New(t.Context(), once.Table, opts).Item(key)
		b, err2 := statestore.New(t.Context(), twice.Table, opts).Item(key)
		if err := cmp.Or(err1, err2); err != nil {
			t.Fatal(err)
		}
		ja, _ := json.Marshal(a)
		jb, _ := json.Marshal(b)
		if string(ja) != string(jb) {
			t.Errorf("%s is\n%s\nafter two runs, and after one\n%s", key, jb, ja)
		}
	}
	if len(once.keys) < 10 {
		t.Errorf("only %d items: this tests little", len(once.keys))
	}
}

// watching notes the keys of the state.
type watching struct {
	table.Table
	keys map[string]bool
}

func (w *watching) Commit(ctx context.Context, ops []table.Op) error {
	for _, op := range ops {
		if op.Table == statestore.Schema {
			w.keys[op.Item.String("key")] = true
		}
	}
	return w.Table.Commit(ctx, ops)
}
