package analysis_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/internal/analysis"
	"github.com/yagura-hids/yagura/internal/event"
)

// table is a State of which only what was committed survives, key by key, as a store without transactions keeps it.
type table struct {
	kept  map[string][]byte
	items map[string]*analysis.Item // what an invocation has read or put
	dirty map[string]bool
}

func newTable() *table { return &table{kept: map[string][]byte{}} }

// begin starts an invocation.
func (t *table) begin() {
	t.items, t.dirty = map[string]*analysis.Item{}, map[string]bool{}
}

func (t *table) Item(key string) (*analysis.Item, error) {
	if i, ok := t.items[key]; ok || t.kept[key] == nil {
		return i, nil
	}
	i := &analysis.Item{}
	t.items[key] = i
	return i, json.Unmarshal(t.kept[key], i)
}

func (t *table) Put(key string, i *analysis.Item) error {
	t.items[key], t.dirty[key] = i, true
	return nil
}

var errKilled = errors.New("killed")

// commit stores the changed items in a random order, but the barriers first and the newest events last, and is killed before the one of that
// number.
func (t *table) commit(r *rand.Rand, killed int) error {
	keys := slices.Sorted(maps.Keys(t.dirty))
	r.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	kind := func(key string) string { // keys of one turn become equal, and stay as they are shuffled
		if k, _, _ := strings.Cut(key, "/"); k == "barrier" || k == "newest" {
			return k + "/"
		}
		return "count/"
	}
	slices.SortStableFunc(keys, func(a, b string) int { return analysis.CompareKeys(kind(a), kind(b)) })
	for n, key := range keys {
		if n == killed {
			return errKilled
		}
		b, err := json.Marshal(t.items[key])
		if err != nil {
			return err
		}
		t.kept[key] = b
	}
	return nil
}

// traffic is what some agents read within five minutes, in the order of time. Each agent's addresses are its own, or shared with the others.
func traffic(r *rand.Rand, agents, lines int, shared bool) []*event.Event {
	var list []*event.Event
	at := start
	seq := make([]uint64, agents)
	for range lines {
		a := r.IntN(agents)
		at = at.Add(time.Duration(1+r.IntN(600)) * time.Millisecond)
		seq[a] += 1 + uint64(r.IntN(3))
		net := a
		if shared {
			net = 0
		}
		kind := []string{"evt", "evt", "evt", "evt", "other", "other", "diff", "ign", "fts", "acc"}[r.IntN(10)]
		text := fmt.Sprintf("Nov  4 12:00:00 h%d t: %s srcip=192.0.%d.%d url=/%d user=u%d-%d id=%d", a, kind, net, r.IntN(2), r.IntN(3), net, r.IntN(2), r.IntN(4))
		id := event.ID{Agent: fmt.Sprint("agent", a), Epoch: 1, Seq: seq[a]}
		list = append(list, &event.Event{ID: id, Time: at, Location: fmt.Sprint("here", a), Text: text})
	}
	return list
}

// alerts is a store of alerts: the first of an id stays.
type alerts map[string]string

func (a alerts) add(t *testing.T, v analysis.Verdict) {
	t.Helper()
	if v.Alert == nil {
		return
	}
	text, err := json.Marshal(v.Alert)
	if err != nil {
		t.Fatal(err)
	}
	if _, stored := a[v.Alert.ID]; !stored {
		a[v.Alert.ID] = string(text)
	}
}

func (a alerts) equal(t *testing.T, want alerts, what string) {
	t.Helper()
	for id, text := range want {
		if a[id] != text {
			t.Fatalf("%s: alert %s is\n%s\nwant\n%s", what, id, a[id], text)
		}
	}
	for id, text := range a {
		if want[id] == "" {
			t.Fatalf("%s: one alert too many: %s", what, text)
		}
	}
}

func judgeAll(t *testing.T, e *bench, state analysis.State, list []*event.Event, into alerts) {
	t.Helper()
	for _, ev := range list {
		v, err := e.Analyze(ev, state)
		if err != nil {
			t.Fatal(err)
		}
		into.add(t, v)
	}
}

func onePass(t *testing.T, e *bench, list []*event.Event) alerts {
	t.Helper()
	a := alerts{}
	judgeAll(t, e, analysis.NewMemory(0), list, a)
	return a
}

// batches cuts a list at random places.
func batches(r *rand.Rand, list []*event.Event) [][]*event.Event {
	var cut [][]*event.Event
	for len(list) > 0 {
		n := min(1+r.IntN(40), len(list))
		cut = append(cut, list[:n])
		list = list[n:]
	}
	return cut
}

// perHost is everything, but counts together only what is of one host.
const perHost = `<rule id="900" level="10" frequency="3" timeframe="400"><if_matched_sid>100</if_matched_sid><same_source_ip/></rule>
<rule id="101" level="2"><match>^other</match><group>others,</group></rule>
<rule id="901" level="8" frequency="1" timeframe="400"><if_matched_group>others</if_matched_group><same_location/><different_url/></rule>
<rule id="902" level="9" frequency="2" timeframe="400"><if_sid>101</if_sid><if_matched_regex>evt|other</if_matched_regex><same_user/></rule>
<rule id="102" level="4"><match>^diff</match><check_diff/></rule>
<rule id="103" level="4" ignore="60"><match>^ign</match></rule>
<rule id="104" level="4"><match>^fts</match><if_fts/></rule>
<rule id="105" level="4"><match>^acc</match></rule>`

// Shuffled, split and repeated batches give the alerts of one pass.
func TestBatches(t *testing.T) {
	e := engine(t, everything)
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 17))
		list := traffic(r, 1+int(seed%4), 400, seed%2 == 0)
		want := onePass(t, e, list)
		got, state := alerts{}, newTable()
		for _, b := range batches(r, list) {
			b = slices.Clone(b)
			r.Shuffle(len(b), func(i, j int) { b[i], b[j] = b[j], b[i] })
			analysis.Sort(b)
			for range 1 + r.IntN(2) { // once or twice
				from := 0
				if r.IntN(2) == 0 {
					from = r.IntN(len(b)) // bisected: the first half was well
					state.begin()
					judgeAll(t, e, state, b[:from], got)
					if err := state.commit(r, -1); err != nil {
						t.Fatal(err)
					}
				}
				state.begin()
				judgeAll(t, e, state, b[from:], got)
				if err := state.commit(r, -1); err != nil {
					t.Fatal(err)
				}
			}
		}
		got.equal(t, want, fmt.Sprint("seed ", seed))
	}
}

// An invocation that is killed between its writes, wherever, is done again, and the alerts are those of one pass.
func TestKilledBetweenWrites(t *testing.T) {
	e := engine(t, everything)
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 23))
		list := traffic(r, 1+int(seed%4), 300, seed%2 == 0)
		want := onePass(t, e, list)
		got, state := alerts{}, newTable()
		for _, b := range batches(r, list) {
			for kills := r.IntN(4); ; kills-- {
				state.begin()
				judgeAll(t, e, state, b, got)
				killed := -1
				if kills > 0 {
					killed = r.IntN(len(state.dirty) + 1)
				}
				if err := state.commit(r, killed); err == nil {
					break
				}
			}
		}
		got.equal(t, want, fmt.Sprint("seed ", seed))
	}
}

// Agents' batches may come in any order: as long as what is counted together stays on one host, the alerts are the same.
func TestAgentsInAnyOrder(t *testing.T) {
	e := engine(t, perHost)
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 29))
		list := traffic(r, 4, 400, false)
		want := onePass(t, e, byAgent(list, nil))
		got := onePass(t, e, byAgent(list, r))
		for _, a := range []alerts{want, got} { // an ignore time is one for all hosts, and so depends on their order
			maps.DeleteFunc(a, func(_, text string) bool { return strings.Contains(text, `"rule":{"id":103,`) })
		}
		got.equal(t, want, fmt.Sprint("seed ", seed))
	}
}

// byAgent cuts the list into batches of one agent each, and puts those of different agents into another order, if r is not nil.
func byAgent(list []*event.Event, r *rand.Rand) []*event.Event {
	if r == nil {
		return list
	}
	queues := map[string][]*event.Event{}
	for _, ev := range list {
		queues[ev.ID.Agent] = append(queues[ev.ID.Agent], ev)
	}
	var out []*event.Event
	for len(queues) > 0 {
		agents := slices.Sorted(maps.Keys(queues))
		a := agents[r.IntN(len(agents))]
		n := min(1+r.IntN(20), len(queues[a]))
		out = append(out, queues[a][:n]...)
		if queues[a] = queues[a][n:]; len(queues[a]) == 0 {
			delete(queues, a)
		}
	}
	return out
}

// A burst from many hosts is counted in full whatever order their batches come in: as often as in one pass, if not on the same events.
func TestBurstInAnyOrder(t *testing.T) {
	e := engine(t, nine(`frequency="8" timeframe="400"`, "<if_matched_sid>100</if_matched_sid><same_source_ip/>"))
	count := func(list []*event.Event) (n int) {
		state := analysis.NewMemory(0)
		for _, ev := range list {
			v, err := e.Analyze(ev, state)
			if err != nil {
				t.Fatal(err)
			}
			if ruleID(v) == 900 {
				n++
			}
		}
		return n
	}
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 31))
		var list []*event.Event
		for n := range 200 {
			a := r.IntN(8)
			id := event.ID{Agent: fmt.Sprint("agent", a), Epoch: 1, Seq: uint64(n)}
			list = append(list, &event.Event{ID: id, Time: start.Add(time.Duration(n) * time.Second), Location: "here", Text: "Nov  4 12:00:00 h t: evt srcip=A"})
		}
		if want, got := count(list), count(byAgent(list, r)); got != want || want != 20 {
			t.Errorf("seed %d: %d composites, want %d, which should be 20", seed, got, want)
		}
	}
}
