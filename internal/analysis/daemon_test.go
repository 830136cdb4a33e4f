package analysis_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/yagura-hids/yagura/internal/analysis"
	"github.com/yagura-hids/yagura/internal/config"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/ruleset"
)

func TestNameActions(t *testing.T) {
	set, err := ruleset.Load(fstest.MapFS{
		"decoder.xml": {Data: []byte(`<decoder name="fw"><program_name>^fw$</program_name><type>firewall</type><regex>action=(\S*)</regex><order>action</order></decoder>
<decoder name="t"><program_name>^t$</program_name><regex>action=(\S*)</regex><order>action</order></decoder><decoder name="x"><prematch>^x</prematch></decoder>`)},
		"rules/1.xml": {Data: []byte(`<group name="t,"><rule id="1" level="0" noalert="1"><category>syslog</category></rule>
<rule id="2" level="0" noalert="1"><category>firewall</category></rule>
<rule id="101" level="5"><category>firewall</category><action>DROP</action></rule>
<rule id="102" level="3"><category>firewall</category></rule></group>`)},
	}, config.Rules{})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ program, action, want string }{
		{"fw", "deny", "DROP"}, {"fw", "Reject", "DROP"}, {"fw", "block", "DROP"}, {"fw", "closed", "CLOSED"}, {"fw", "timeout", "CLOSED"},
		{"fw", "permit", "ALLOW"}, {"fw", "open", "ALLOW"}, {"fw", "x-drop", "DROP"}, {"fw", "xaccept", "ALLOW"}, {"fw", "log", "UNKNOWN"}, {"fw", "", ""},
		{"t", "deny", "deny"},
	} {
		for _, named := range []bool{true, false} {
			e := analysis.New(set, analysis.Options{Server: "vm", LogLevel: 1, NameActions: named})
			v, err := e.Analyze(&event.Event{Time: start, Location: "here", Text: "Nov  4 12:00:00 h " + tt.program + ": action=" + tt.action}, analysis.NewMemory(0))
			if err != nil {
				t.Fatal(err)
			}
			want, rule := tt.action, 102
			if named {
				want = tt.want
			}
			if want == "DROP" {
				rule = 101
			}
			if tt.program == "t" {
				rule = 0
			}
			if got, _ := v.Decoded.Get(event.Action); got != want || ruleID(v) != rule {
				t.Errorf("%s %q, named %t: action %q and rule %d, want %q and %d", tt.program, tt.action, named, got, ruleID(v), want, rule)
			}
		}
	}
}

func TestDropRepeats(t *testing.T) {
	e := engineWith(t, "", analysis.Options{Server: "vm", LogLevel: 1, DropRepeats: true})
	state := analysis.NewMemory(0)
	var judged []int
	lines := strings.Fields("a a b a c d a b b e")
	for i, word := range lines {
		if v := e.analyze(t, state, i, "evt "+word); v.Alert != nil {
			judged = append(judged, i)
		}
	}
	if want := []int{0, 2, 4, 5, 6, 7, 9}; !slices.Equal(judged, want) {
		t.Errorf("of %q those at %v were judged, want %v", lines, judged, want)
	}
	if v := e.analyze(t, state, 9, "evt e"); v.Alert == nil {
		t.Error("an event that comes twice is taken for a repeated message")
	}
	ev := &event.Event{ID: event.ID{Agent: "a", Epoch: 1, Seq: 99}, Time: start, Location: "elsewhere", Text: "Nov  4 12:00:00 h t: evt e"}
	if v, err := e.Analyze(ev, state); err != nil || v.Alert == nil {
		t.Errorf("the same message in another log is taken for a repeated one: %v", err)
	}
}

// Four quiet days, then an hour with far more.
func TestExcess(t *testing.T) {
	e := engineWith(t, "", analysis.Options{Server: "vm", LogLevel: 1, StatsLevel: 4})
	state := analysis.NewMemory(0)
	seq := 0
	var told []string
	hour := func(day, hour, events int) {
		for i := range events {
			seq++
			at := time.Date(2026, 11, day, hour, 0, i%3600, 0, time.UTC)
			for range 1 + seq%2 { // every other event comes twice
				v := e.analyzeAt(t, state, seq, at, "Nov  4 12:00:00 h t: quiet")
				if a := v.Excess; a != nil && (len(told) == 0 || !strings.HasPrefix(told[len(told)-1], fmt.Sprint(seq, " "))) {
					told = append(told, fmt.Sprintf("%d %d:%d rule %d level %d %s", seq, day, hour, a.Rule.ID, a.Rule.Level, a.FullLog))
				}
			}
		}
	}
	for day := 1; day <= 4; day++ {
		hour(day, 9, 100)
		hour(day, 10, 50)
	}
	if len(told) > 0 {
		t.Fatalf("told of quiet days: %q", told)
	}
	hour(5, 9, 3000)
	hour(5, 10, 100)
	hour(5, 11, 1200)
	if len(told) != 1 || !strings.HasSuffix(told[0], "5:9 rule 11 level 4 The average number of logs between 9:00 and 10:00 is 119. We reached 1370.") {
		t.Errorf("told %q", told)
	}
	seq = 100 // a log of an earlier day, another epoch would have it
	v, err := e.Analyze(&event.Event{ID: event.ID{Agent: "a", Epoch: 2, Seq: 1}, Time: start.AddDate(0, 0, -9), Location: "here", Text: "quiet"}, state)
	if err != nil || v.Excess != nil {
		t.Errorf("an old event: %+v, %v", v.Excess, err)
	}
}

// Of events of an intrusion detection system whose keys begin alike, the first four count as new, and then one for all that follow.
func TestFirstAlike(t *testing.T) {
	set, err := ruleset.Load(fstest.MapFS{
		"decoder.xml": {Data: []byte(`<decoder name="ids"><program_name>^ids$</program_name><type>ids</type><regex>id=(\S+)</regex><order>id</order><fts>name, id</fts></decoder>
<decoder name="x"><prematch>^x</prematch></decoder>`)},
		"rules/1.xml": {Data: []byte(`<group name="t,"><rule id="1" level="0" noalert="1"><category>syslog</category></rule>
<rule id="3" level="0" noalert="1"><category>ids</category></rule><rule id="101" level="5"><category>ids</category><if_fts/></rule></group>`)},
	}, config.Rules{})
	if err != nil {
		t.Fatal(err)
	}
	e, state := analysis.New(set, analysis.Options{Server: "vm", LogLevel: 1}), analysis.NewMemory(0)
	var got []string
	for i, id := range strings.Fields("longprefix-01 longprefix-02 longprefix-01 longprefix-03 longprefix-04 longprefix-05 longprefix-06 other") {
		for range 2 { // each comes twice
			v, err := e.Analyze(&event.Event{ID: event.ID{Agent: "a", Seq: uint64(i)}, Time: start, Location: "here", Text: "Nov  4 12:00:00 h ids: id=" + id}, state)
			if err != nil {
				t.Fatal(err)
			}
			if v.Alert != nil {
				got = append(got, fmt.Sprint(i))
			}
		}
	}
	if want := strings.Fields("0 0 1 1 3 3 4 4 7 7"); !slices.Equal(got, want) {
		t.Errorf("new were %v, want %v", got, want)
	}
}
