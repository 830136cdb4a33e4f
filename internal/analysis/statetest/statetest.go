// Package statetest holds what every analysis.State must do, as tests that its implementers run.
//
//	statetest.Run(t, func() analysis.State { return analysis.NewMemory(0) })
package statetest

import (
	"fmt"
	"reflect"
	"testing"
	"testing/fstest"
	"time"

	"github.com/yagura-hids/yagura/internal/analysis"
	"github.com/yagura-hids/yagura/internal/config"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/ruleset"
)

// Run tests a State. open returns an empty one that remembers at least 2000 items; it is called once a test.
func Run(t *testing.T, open func() analysis.State) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, analysis.State){
		"an empty state knows nothing": empty, "an item comes back whole": whole, "items are changed in place": changed,
		"keys are any bytes": keys, "items last": lasting, "events that come twice change nothing": twice,
	} {
		t.Run(name, func(t *testing.T) { test(t, open()) })
	}
}

func item(t *testing.T, s analysis.State, key string) *analysis.Item {
	t.Helper()
	i, err := s.Item(key)
	if err != nil {
		t.Fatalf("item %q: %v", key, err)
	}
	return i
}

func put(t *testing.T, s analysis.State, key string, i *analysis.Item) {
	t.Helper()
	if err := s.Put(key, i); err != nil {
		t.Fatalf("put %q: %v", key, err)
	}
}

func empty(t *testing.T, s analysis.State) {
	if i := item(t, s, "count/1"); i != nil {
		t.Errorf("an unknown item: %+v", i)
	}
}

func full() *analysis.Item {
	id := event.ID{Agent: "web/1", Epoch: 1 << 63, Seq: 7}
	return &analysis.Item{
		Past: []analysis.Entry{
			{Event: id, Time: 1_000_000, Rule: 5716, Times: 2, Level: 10, Fields: []event.Dynamic{{Name: "url", Value: ""}, {Name: "a.b", Value: "é\x01"}}, Text: "text\n\x00é"},
			{Event: event.ID{Agent: "web/1", Epoch: 1 << 63, Seq: 8}, Time: 1_000_001},
		},
		Seen: []analysis.Seen{{Agent: "web/1", Epoch: 1 << 63, Seq: 1<<64 - 1, Fired: []uint64{3, 1<<64 - 1}, Time: 1_000_001}},
		Time: 1_000_001, Until: 1_000_361,
	}
}

func whole(t *testing.T, s analysis.State) {
	put(t, s, "count/1", full())
	if got, want := item(t, s, "count/1"), full(); !reflect.DeepEqual(got, want) {
		t.Errorf("it came back as\n%+v, want\n%+v", got, want)
	}
}

func changed(t *testing.T, s analysis.State) {
	put(t, s, "count/1", full())
	for seq := range uint64(30) {
		i := item(t, s, "count/1")
		i.Past = append(i.Past[1:], analysis.Entry{Event: event.ID{Seq: seq}})
		i.Time++
		put(t, s, "count/1", i)
	}
	if i := item(t, s, "count/1"); len(i.Past) != 2 || i.Past[1].Event.Seq != 29 || i.Time != full().Time+30 {
		t.Errorf("after 30 changes it is %+v", i)
	}
}

func keys(t *testing.T, s analysis.State) {
	list := []string{"a", "A", "a/", "with spaces / and \xff\x00 bytes", `count/7/"ü"`}
	for n, key := range list {
		put(t, s, key, &analysis.Item{Time: int64(n)})
	}
	for n, key := range list {
		if i := item(t, s, key); i == nil || i.Time != int64(n) {
			t.Errorf("key %q holds %+v, want time %d", key, i, n)
		}
	}
}

func lasting(t *testing.T, s analysis.State) {
	for n := range 2000 { // even ones have an end, odd ones none
		put(t, s, fmt.Sprint("n/", n), &analysis.Item{Time: 1000, Until: 2000 * int64((n+1)%2)})
	}
	for n := range 2000 {
		if item(t, s, fmt.Sprint("n/", n)) == nil {
			t.Fatalf("item %d is gone before its time", n)
		}
	}
}

const (
	decoders = `<decoder name="t"><program_name>^t$</program_name></decoder>
<decoder name="x"><prematch>^never</prematch></decoder>`
	rules = `<group name="t,"><rule id="1" level="0" noalert="1"><category>syslog</category></rule>
<rule id="100" level="3"><match>^evt</match></rule>
<rule id="101" level="10" frequency="2" timeframe="60"><if_matched_sid>100</if_matched_sid></rule>
<rule id="102" level="4" ignore="20"><match>^ign</match></rule>
<rule id="103" level="4"><match>^diff</match><check_diff/></rule></group>`
)

// twice gives the engine each run of three events a second time.
func twice(t *testing.T, s analysis.State) {
	set, err := ruleset.Load(fstest.MapFS{"decoder.xml": {Data: []byte(decoders)}, "rules/1.xml": {Data: []byte(rules)}}, config.Rules{})
	if err != nil {
		t.Fatal(err)
	}
	engine := analysis.New(set, analysis.Options{Server: "vm", LogLevel: 1})
	judge := func(n int) string {
		kind := []string{"evt", "evt", "ign", "diff " + fmt.Sprint(n)}[n%4]
		ev := &event.Event{
			ID: event.ID{Agent: "a", Epoch: 1, Seq: uint64(n)}, Time: time.Unix(int64(1_000_000+n), 0), Location: "here", Text: "Nov  4 12:00:00 h t: " + kind,
		}
		v, err := engine.Analyze(ev, s)
		if err != nil {
			t.Fatal(err)
		}
		if v.Alert == nil {
			return "none"
		}
		return v.Alert.ID
	}
	for n := 0; n < 90; n += 3 {
		var first [3]string
		for k := range first {
			first[k] = judge(n + k)
		}
		for k := range first {
			if again := judge(n + k); again != first[k] {
				t.Fatalf("event %d: alert %s, then %s", n+k, first[k], again)
			}
		}
	}
}
