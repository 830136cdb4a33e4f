package analysis_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/yagura-hids/yagura/internal/analysis"
	"github.com/yagura-hids/yagura/internal/config"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/rule"
	"github.com/yagura-hids/yagura/internal/ruleset"
)

// decoders read lines of the program t, such as "evt srcip=A url=/a user=joe id=4 port=22".
const decoders = `<decoder name="t"><program_name>^t$</program_name></decoder>
<decoder name="x"><parent>t</parent><prematch>^acc</prematch><regex>srcip=(\S+)</regex><order>srcip</order></decoder>
<decoder name="x"><parent>t</parent><regex>user=(\S+)</regex><order>user</order></decoder>
<decoder name="x"><parent>t</parent><regex>id=(\S+)</regex><order>id</order><accumulate/></decoder>
<decoder name="f"><parent>t</parent><prematch>^fts</prematch><regex>user=(\S+)</regex><order>user</order><fts>name, user, location</fts></decoder>
<decoder name="y"><parent>t</parent><regex>srcip=(\S+)</regex><order>srcip</order></decoder>
<decoder name="y"><parent>t</parent><regex>url=(\S+)</regex><order>url</order></decoder>
<decoder name="y"><parent>t</parent><regex>user=(\S+)</regex><order>user</order></decoder>
<decoder name="y"><parent>t</parent><regex>id=(\S+)</regex><order>id</order></decoder>
<decoder name="y"><parent>t</parent><regex>port=(\S+)</regex><order>srcport</order></decoder>
<decoder name="w"><program_name>^w$</program_name><type>web-log</type></decoder>
<decoder name="fwd"><prematch>^ossec: </prematch><plugin_decoder>OSSECAlert_Decoder</plugin_decoder></decoder>`

const templates = `<group name="tpl,"><rule id="1" level="0" noalert="1"><category>syslog</category></rule></group>
<group name="base,"><rule id="100" level="3"><decoded_as>t</decoded_as><match>^evt</match><group>evts,</group><description>base</description></rule></group>`

// everything uses all that a state remembers.
const everything = `<rule id="900" level="10" frequency="3" timeframe="300"><if_matched_sid>100</if_matched_sid><same_source_ip/></rule>
<rule id="101" level="2"><match>^other</match><group>others,</group></rule>
<rule id="901" level="8" frequency="1"><if_matched_group>others</if_matched_group><different_url/></rule>
<rule id="902" level="9" frequency="2"><if_sid>101</if_sid><if_matched_regex>evt|other</if_matched_regex><same_user/></rule>
<rule id="102" level="4"><match>^diff</match><check_diff/></rule>
<rule id="103" level="4" ignore="60"><match>^ign</match></rule>
<rule id="104" level="4"><match>^fts</match><if_fts/></rule>
<rule id="105" level="4"><match>^acc</match></rule>`

// bench is an engine and what its events have in common.
type bench struct {
	*analysis.Engine
	every time.Duration // between two events
}

var start = time.Date(2026, 11, 4, 12, 0, 0, 0, time.UTC)

func engine(tb testing.TB, rules string) *bench {
	tb.Helper()
	return engineWith(tb, rules, analysis.Options{Server: "vm", LogLevel: 1, MailLevel: 7})
}

func engineWith(tb testing.TB, rules string, opts analysis.Options) *bench {
	tb.Helper()
	if rules != "" {
		rules = `<group name="test,">` + rules + `</group>`
	}
	set, err := ruleset.Load(fstest.MapFS{
		"decoder.xml":      {Data: []byte(decoders)},
		"rules/1_test.xml": {Data: []byte(templates + rules)},
	}, config.Rules{})
	if err != nil {
		tb.Fatal(err)
	}
	return &bench{analysis.New(set, opts), time.Second}
}

// analyze judges the n-th event, a line of program t on host h.
func (b *bench) analyze(tb testing.TB, state analysis.State, n int, line string) analysis.Verdict {
	tb.Helper()
	return b.analyzeAt(tb, state, n, start.Add(time.Duration(n)*b.every), "Nov  4 12:00:00 h t: "+line)
}

func (b *bench) analyzeAt(tb testing.TB, state analysis.State, n int, at time.Time, line string) analysis.Verdict {
	tb.Helper()
	v, err := b.Analyze(&event.Event{ID: event.ID{Agent: "a", Epoch: 1, Seq: uint64(n)}, Time: at, Location: "here", Text: line}, state)
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

// fires returns the numbers, from 1 on, of the lines that come to rule 900.
func (b *bench) fires(t *testing.T, lines []string) []int {
	t.Helper()
	var list []int
	state := analysis.NewMemory(0)
	for i, line := range lines {
		if v := b.analyze(t, state, i+1, line); v.Rule != nil && v.Rule.ID == 900 {
			list = append(list, i+1)
		}
	}
	return list
}

// same returns n events that differ in nothing that is compared.
func same(n int) []string { return slices.Repeat([]string{"evt srcip=A url=/a user=joe"}, n) }

// nine writes rule 900.
func nine(attrs, elements string) string {
	return `<rule id="900" level="10" ` + attrs + `>` + elements + `<description>composite</description></rule>`
}

func TestFrequency(t *testing.T) {
	const sid, group = "<if_matched_sid>100</if_matched_sid>", "<if_matched_group>evts</if_matched_group>"
	const regex = "<if_sid>100</if_sid><if_matched_regex>^evt</if_matched_regex>"
	twoParents := `<rule id="101" level="4"><if_sid>100</if_sid><match>a</match></rule><rule id="102" level="3"><if_sid>100</if_sid><match>b</match></rule>` +
		`<rule id="103" level="3"><if_sid>101, 102</if_sid><group>members,</group></rule>`
	for _, tt := range []struct {
		name, rules string
		events      int
		want        []int
	}{
		{"a rule id", nine(`frequency="8" timeframe="120"`, sid), 35, []int{10, 20, 30}},
		{"a group", nine(`frequency="8" timeframe="120"`, group), 35, []int{10, 20, 30}},
		{"a pattern", nine(`frequency="8" timeframe="120"`, regex), 35, []int{10, 20, 30}},
		{"no frequency", nine("", sid), 7, []int{2, 4, 6}},
		{"frequency 0", nine(`frequency="0"`, sid), 7, []int{2, 4, 6}},
		{"frequency 1", nine(`frequency="1"`, sid), 7, []int{3, 6}},
		{"frequency 3", nine(`frequency="3"`, sid), 7, []int{5}},
		{"a member of two places counts twice", twoParents + nine(`frequency="2"`, "<if_matched_group>members</if_matched_group>"), 7, []int{3, 6}},
		{"a rule with a history of its own is in no group's", nine(`frequency="1"`, group) +
			`<rule id="901" level="3" frequency="99"><if_matched_sid>100</if_matched_sid></rule>`, 9, nil},
		{"level 0", strings.Replace(nine(`frequency="1"`, sid), `level="10"`, `level="0"`, 1), 9, nil},
		{"of level 0 nothing is remembered", `<rule id="101" level="0"><if_sid>100</if_sid></rule>` + nine(`frequency="1"`, "<if_matched_sid>101</if_matched_sid>"), 9, nil},
		{"frequency 126", nine(`frequency="126" timeframe="999"`, sid), 140, []int{128}},
		{"frequency 127", nine(`frequency="127" timeframe="999"`, sid), 140, []int{129}},
		{"frequency 128", nine(`frequency="128" timeframe="999"`, sid), 300, []int{130, 260}},
		{"frequency 128 of a group", nine(`frequency="128" timeframe="999"`, group), 140, []int{130}},
		{"the timeframe is too short", nine(`frequency="3" timeframe="3"`, sid), 9, nil},
		{"the timeframe just suffices", nine(`frequency="3" timeframe="4"`, sid), 9, []int{5}},
		{"an id read later", nine(`frequency="1"`, "<if_sid>100</if_sid><if_matched_sid>999</if_matched_sid>") +
			`<rule id="999" level="3"><if_sid>100</if_sid></rule>`, 6, []int{3, 6}},
		{"a composite overwritten", nine(`frequency="5"`, sid) + strings.Replace(nine(`frequency="1" overwrite="yes"`, sid), "composite", "new", 1), 6, []int{3, 6}},
		{"check_diff takes the place of a history", nine(`frequency="1"`, sid+"<check_diff/>"), 6, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := engine(t, tt.rules).fires(t, same(tt.events)); !slices.Equal(got, tt.want) {
				t.Errorf("fires at %v, want %v", got, tt.want)
			}
		})
	}
}

func TestComparisons(t *testing.T) {
	lines := []string{
		"evt srcip=A url=/a user=joe", "evt srcip=A url=/b user=joe", "evt srcip=B url=/a user=bob", "evt srcip=A url=/c user=bob",
		"evt srcip=C url=/a user=al", "evt srcip=A url=/a user=joe", "evt srcip=A url=/a user=joe",
	}
	for _, tt := range []struct {
		options string
		want    []int
	}{
		{"", []int{3, 6}},
		{"<different_srcip/>", []int{3, 6}},
		{"<not_same_source_ip/>", []int{3, 6}},
		{"<same_source_ip/><not_same_source_ip/>", []int{3, 6}},
		{"<not_same_source_ip/><same_source_ip/>", []int{4}},
		{"<same_user/><not_same_user/>", []int{3, 6}},
		{"<same_location/>", []int{3, 6}},
		{"<same_location/><not_same_agent/>", []int{3, 6}},
		{"<same_source_ip/>", []int{4}},
		{"<different_url/>", []int{4}},
		{"<different_srcgeoip/>", nil},
		{"<same_source_ip/><different_url/>", []int{4}},
		{"<same_user/>", []int{6}},
		{"<same_id/>", nil},
		{"<same_src_port/>", nil},
		{"<same_dst_port/>", nil},
	} {
		for _, kind := range []string{"<if_matched_sid>100</if_matched_sid>", "<if_matched_group>evts</if_matched_group>"} {
			if got := engine(t, nine(`frequency="1"`, kind+tt.options)).fires(t, lines); !slices.Equal(got, tt.want) {
				t.Errorf("%s%s: fires at %v, want %v", kind, tt.options, got, tt.want)
			}
		}
	}
	// a history of all events knows neither ports nor places
	const regex = "<if_sid>100</if_sid><if_matched_regex>^evt</if_matched_regex>"
	for options, want := range map[string][]int{"<same_src_port/><same_dst_port/><same_location/>": {3, 6}, "<same_user/>": {6}, "<same_id/>": nil} {
		if got := engine(t, nine(`frequency="1"`, regex+options)).fires(t, lines); !slices.Equal(got, want) {
			t.Errorf("%s%s: fires at %v, want %v", regex, options, got, want)
		}
	}
}

// A composite can't count what one of its level or above has used; a higher one can.
func TestBarrier(t *testing.T) {
	const first = `<rule id="901" level="%d" frequency="1"><if_matched_sid>100</if_matched_sid></rule>`
	for level, want := range map[int][]int{9: {5}, 10: nil, 11: nil} {
		rules := fmt.Sprintf(first, level) + nine(`frequency="2"`, "<if_matched_sid>100</if_matched_sid>")
		if got := engine(t, rules).fires(t, same(7)); !slices.Equal(got, want) {
			t.Errorf("beside level %d it fires at %v, want %v", level, got, want)
		}
	}
}

// What a composite has used is used for those that look at other histories, too: here event 1, which stands in both groups.
func TestBarrierAcrossHistories(t *testing.T) {
	e := engine(t, `<rule id="101" level="4"><if_sid>100</if_sid><match>one</match><group>ga,</group></rule>
<rule id="102" level="4"><if_sid>100</if_sid><match>two</match><group>ga,gb,</group></rule>
<rule id="901" level="10" frequency="1"><if_sid>101</if_sid><if_matched_group>ga</if_matched_group></rule>`+
		nine("", "<if_sid>102</if_sid><if_matched_group>gb</if_matched_group>"))
	for _, tt := range []struct {
		lines []string
		want  []int
	}{
		{[]string{"evt two", "evt one", "evt one", "evt two", "evt two"}, []int{5}},
		{[]string{"evt two", "evt one", "evt two"}, []int{3}},
	} {
		if got := e.fires(t, tt.lines); !slices.Equal(got, tt.want) {
			t.Errorf("%q: fires at %v, want %v", tt.lines, got, tt.want)
		}
	}
}

// Of all events, if_matched_regex counts those of its own category.
func TestCategory(t *testing.T) {
	e := engine(t, `<rule id="4" level="0" noalert="1"><category>web-log</category></rule>
<rule id="104" level="4"><category>web-log</category><description>web</description></rule>`+
		nine("", "<if_sid>100</if_sid><if_matched_regex>^evt</if_matched_regex>"))
	state := analysis.NewMemory(0)
	for i, tt := range []struct {
		program string
		want    int
	}{{"w", 104}, {"t", 100}, {"w", 104}, {"t", 900}} {
		if v := e.analyzeAt(t, state, i, start, "Nov  4 12:00:00 h "+tt.program+": evt"); ruleID(v) != tt.want {
			t.Errorf("event %d of %s: rule %d, want %d", i+1, tt.program, ruleID(v), tt.want)
		}
	}
}

func TestPrevious(t *testing.T) {
	lines := make([]string, 20)
	for i := range lines {
		lines[i] = fmt.Sprintf("evt %d srcip=A", i+1)
	}
	full := func(numbers ...int) []string {
		var list []string
		for _, n := range numbers {
			list = append(list, fmt.Sprintf("Nov  4 12:00:00 h t: evt %d srcip=A", n))
		}
		return list
	}
	for _, tt := range []struct {
		attrs, elements string
		at              int
		want            []string
	}{
		{`frequency="3"`, "<if_matched_sid>100</if_matched_sid>", 5, full(4, 3, 2, 1)},
		{`frequency="3"`, "<if_matched_group>evts</if_matched_group>", 5, full(4, 3, 2)},
		{`frequency="3"`, "<if_sid>100</if_sid><if_matched_regex>evt</if_matched_regex>", 5, full(4, 3, 2)},
		{`frequency="14"`, "<if_matched_sid>100</if_matched_sid>", 16, full(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5)},
	} {
		e, state := engine(t, nine(tt.attrs, tt.elements)), analysis.NewMemory(0)
		for i, line := range lines[:tt.at] {
			v := e.analyze(t, state, i+1, line)
			if i+1 < tt.at && len(v.Alert.Previous) > 0 {
				t.Errorf("%s: event %d already has %q", tt.elements, i+1, v.Alert.Previous)
			}
			if i+1 == tt.at && (v.Rule.ID != 900 || !slices.Equal(v.Alert.Previous, tt.want)) {
				t.Errorf("%s: rule %d, previous %q, want %q", tt.elements, v.Rule.ID, v.Alert.Previous, tt.want)
			}
		}
	}
}

// A composite parent's earlier events are its child's too, but not those of a rule that held without becoming the verdict.
func TestPreviousOfParents(t *testing.T) {
	const parent = `<rule id="900" level="10" frequency="1" noalert="1"><if_matched_sid>100</if_matched_sid></rule>`
	const childLine, otherLine = `<rule id="901" level="5"><if_sid>900</if_sid><match>child</match></rule>`, `<rule id="902" level="5"><if_sid>100</if_sid><match>sibling</match></rule>`
	for word, want := range map[string]struct{ rule, previous int }{"child": {901, 2}, "sibling": {902, 0}} {
		e, state := engine(t, parent+childLine+otherLine), analysis.NewMemory(0)
		e.analyze(t, state, 1, "evt")
		e.analyze(t, state, 2, "evt")
		if v := e.analyze(t, state, 3, "evt "+word); v.Rule.ID != want.rule || len(v.Alert.Previous) != want.previous {
			t.Errorf("%s: rule %d with %d previous events, want %+v", word, v.Rule.ID, len(v.Alert.Previous), want)
		}
	}
}

func TestIgnore(t *testing.T) {
	e, state := engine(t, everything), analysis.NewMemory(0)
	for _, tt := range []struct {
		second  int
		ignored bool
	}{{0, false}, {1, true}, {59, true}, {60, false}, {61, true}, {119, true}, {120, false}} {
		v := e.analyze(t, state, tt.second, "ign")
		if v.Rule.ID != 103 || v.Ignored != tt.ignored || (v.Alert == nil) != tt.ignored {
			t.Errorf("after %d s: rule %d, ignored %t, alert %t; want ignored %t", tt.second, v.Rule.ID, v.Ignored, v.Alert != nil, tt.ignored)
		}
	}
}

// A log of a year ago, replayed after a new one: what the new one left behind is not its past.
func TestOlderAfterNewer(t *testing.T) {
	e, state := engine(t, `<rule id="101" level="5"><if_sid>100</if_sid><match>base</match></rule>
<rule id="102" level="10" frequency="1" timeframe="60" ignore="60"><if_matched_sid>101</if_matched_sid></rule>`), analysis.NewMemory(0)
	const year = 365 * 24 * time.Hour
	for i, want := range []int{101, 101, 102, 101, 101, 102} {
		at, epoch := start.Add(year), uint64(1)
		if i >= 3 {
			at, epoch = start, 2 // each log has its own
		}
		ev := &event.Event{ID: event.ID{Agent: "a", Epoch: epoch, Seq: uint64(i)}, Time: at.Add(time.Duration(i) * time.Second), Location: "here", Text: "Nov  4 12:00:00 h t: evt base"}
		v, err := e.Analyze(ev, state)
		if err != nil || v.Rule.ID != want || v.Ignored {
			t.Errorf("event %d: rule %d, ignored %t, %v; want %d", i+1, v.Rule.ID, v.Ignored, err, want)
		}
	}
}

func TestIgnoreFields(t *testing.T) {
	e, state := engine(t, `<rule id="101" level="5"><if_sid>100</if_sid><match>first</match><ignore>user, srcip</ignore></rule>
<rule id="102" level="5"><if_sid>100</if_sid><match>second</match><check_if_ignored>srcip, user</check_if_ignored></rule>`), analysis.NewMemory(0)
	for i, tt := range []struct {
		line    string
		ignored bool
	}{
		{"evt second srcip=A user=joe", false}, {"evt first srcip=A user=joe", false}, {"evt second srcip=A user=joe", true},
		{"evt second srcip=B user=joe", false}, {"evt first srcip=A user=joe", false},
	} {
		if v := e.analyze(t, state, i, tt.line); v.Ignored != tt.ignored {
			t.Errorf("event %d %s: ignored %t, want %t", i, tt.line, v.Ignored, tt.ignored)
		}
	}
}

func TestFirstSeen(t *testing.T) {
	e, state := engine(t, everything), analysis.NewMemory(0)
	for i, tt := range []struct {
		line string
		rule int
	}{{"fts user=joe", 104}, {"fts user=joe", 0}, {"fts user=jim", 104}, {"fts user=joe id=7", 0}, {"fts", 104}, {"fts", 0}} {
		v := e.analyze(t, state, i, tt.line)
		if got := ruleID(v); got != tt.rule {
			t.Errorf("event %d %s: rule %d, want %d", i, tt.line, got, tt.rule)
		}
	}
}

func ruleID(v analysis.Verdict) int {
	if v.Rule == nil {
		return 0
	}
	return v.Rule.ID
}

func TestCheckDiff(t *testing.T) {
	e, state := engine(t, everything), analysis.NewMemory(0)
	for i, tt := range []struct {
		host, text string
		rule       int
		previous   []string
	}{
		{"h", "diff one", 0, nil}, {"h", "diff one", 0, nil}, {"h", "diff two", 102, []string{"Previous output:", "diff one"}},
		{"other", "diff one", 0, nil}, {"h", "diff two", 0, nil}, {"h", "diff one", 102, []string{"Previous output:", "diff two"}},
	} {
		v := e.analyzeAt(t, state, i, start, "Nov  4 12:00:00 "+tt.host+" t: "+tt.text)
		if ruleID(v) != tt.rule || v.Alert != nil && !slices.Equal(v.Alert.Previous, tt.previous) {
			t.Errorf("event %d: rule %d, want %d; alert %+v", i, ruleID(v), tt.rule, v.Alert)
		}
	}
}

func TestAccumulate(t *testing.T) {
	e, state := engine(t, everything), analysis.NewMemory(0)
	long := strings.Repeat("x", 81)
	for i, tt := range []struct {
		second              int
		line, srcip, dstusr string
	}{
		{0, "acc srcip=A id=1", "A", ""}, {10, "acc user=joe id=1", "A", "joe"}, {20, "acc srcip=B id=1", "B", "joe"}, {30, "acc id=1", "A", "joe"},
		{40, "acc id=2", "", ""}, {150, "acc id=1", "A", "joe"}, {271, "acc id=1", "", ""}, {272, "acc srcip=" + long + " id=1", long, ""}, {273, "acc id=1", "", ""},
		{274, "acc srcip=C", "C", ""},
	} {
		d := e.analyze(t, state, tt.second, tt.line).Decoded
		srcip, _ := d.Get(event.SrcIP)
		user, _ := d.Get(event.DstUser)
		if srcip != tt.srcip || user != tt.dstusr {
			t.Errorf("event %d %s: srcip %q, user %q; want %q, %q", i, tt.line, srcip, user, tt.srcip, tt.dstusr)
		}
	}
}

func TestForwarded(t *testing.T) {
	e, state := engine(t, ""), analysis.NewMemory(0)
	v := e.analyzeAt(t, state, 1, start, "ossec: Alert Level: 3; Rule: 100 - x; Location: web1->/log; user: joe;  the log itself")
	if ruleID(v) != 100 || v.Alert == nil || v.Alert.FullLog != "the log itself" || v.Alert.Location != "here|web1->/log" || v.Alert.Field("dstuser") != "joe" {
		t.Errorf("rule %d, alert %+v", ruleID(v), v.Alert)
	}
	for _, text := range []string{"ossec: Alert Level: 3; Rule: 4711 - x; Location: web1->/log;  the log", "ossec: Alert Level: 3; Rule"} {
		if v := e.analyzeAt(t, state, 2, start, text); v.Rule != nil {
			t.Errorf("%s came to rule %d, want none", text, v.Rule.ID)
		}
	}
}

func TestVerdict(t *testing.T) {
	var trace []string
	e := engineWith(t, `<rule id="101" level="5"><if_sid>100</if_sid><match>yes</match></rule><rule id="102" level="9" noalert="1"><if_sid>100</if_sid></rule>`,
		analysis.Options{Server: "vm", LogLevel: 4, MailLevel: 5, Trace: func(r *rule.Rule, step analysis.Step) {
			trace = append(trace, fmt.Sprint([]string{"try", "match", "children", "miss", "forget", "silent"}[step], r.ID))
		}})
	state := analysis.NewMemory(0)
	v := e.analyze(t, state, 7, "evt yes srcip=192.0.2.1")
	if !slices.Equal(v.Matched, []int{1, 100, 101}) {
		t.Errorf("matched %v", v.Matched)
	}
	if want := "try1 match1 children1 try100 match100 children100 try102 match102 silent102 try101 match101"; strings.Join(trace, " ") != want {
		t.Errorf("trace\n got %s\nwant %s", strings.Join(trace, " "), want)
	}
	a := v.Alert
	if a.Rule.ID != 101 || !a.Rule.Mail || a.Decoder != "t" || a.Parent != "t" || a.Hostname != "h" || a.Program != "t" || a.Location != "here" || a.Ruleset == "" ||
		!a.Time.Equal(start.Add(7*time.Second)) || a.ID != v.Decoded.ID.AlertID(101) {
		t.Errorf("alert %+v", a)
	}
	if v := e.analyze(t, state, 8, "evt"); ruleID(v) != 100 || v.Alert != nil {
		t.Errorf("rule %d below the log level: alert %+v", ruleID(v), v.Alert)
	}
	if v := e.analyzeAt(t, state, 9, start, "no rule is for this"); v.Rule != nil || v.Decoded.Hostname != "vm" {
		t.Errorf("rule %d on host %s, want none on vm", ruleID(v), v.Decoded.Hostname)
	}
}

var errDisk = errors.New("disk is gone")

// failing is a state that fails from its n-th call on.
type failing struct {
	analysis.State
	left int
}

func (f *failing) call() error {
	if f.left--; f.left < 0 {
		return errDisk
	}
	return nil
}

func (f *failing) Item(key string) (*analysis.Item, error) {
	if err := f.call(); err != nil {
		return nil, err
	}
	return f.State.Item(key)
}

func (f *failing) Put(key string, i *analysis.Item) error {
	if err := f.call(); err != nil {
		return err
	}
	return f.State.Put(key, i)
}

// At whichever call the state fails, the error reaches the caller, and no alert does.
func TestStateFails(t *testing.T) {
	e := engine(t, everything)
	for _, line := range []string{"evt srcip=A", "other url=/%d user=joe", "diff %d", "ign", "fts user=u%d", "acc id=1 srcip=A"} {
		for allowed := 0; ; allowed++ {
			state := analysis.NewMemory(0)
			n := 0
			next := func() string { n++; return strings.ReplaceAll(line, "%d", fmt.Sprint(n)) }
			for range 4 {
				e.analyze(t, state, n, next())
			}
			text := "Nov  4 12:00:00 h t: " + next()
			f := &failing{state, allowed}
			v, err := e.Analyze(&event.Event{ID: event.ID{Seq: 99}, Time: start.Add(70 * time.Second), Location: "here", Text: text}, f)
			if f.left >= 0 {
				if err != nil {
					t.Errorf("%s: %v though nothing failed", line, err)
				}
				break
			}
			if !errors.Is(err, errDisk) || v.Alert != nil {
				t.Fatalf("%s, failing at call %d: error %v, alert %t", line, allowed+1, err, v.Alert != nil)
			}
		}
	}
}

// A composite below another finds used up what its parent has just used, also when the event comes twice.
func TestCompositeBelowComposite(t *testing.T) {
	e := engine(t, `<rule id="901" level="12" frequency="1"><if_matched_sid>100</if_matched_sid></rule>
<rule id="902" level="10"><if_sid>901</if_sid><if_matched_regex>^evt</if_matched_regex></rule>
<rule id="903" level="13"><if_sid>901</if_sid><if_matched_regex>^evt high</if_matched_regex></rule>`)
	for _, tt := range []struct {
		line string
		want []int
	}{{"evt low", []int{100, 100, 901, 100, 100, 901}}, {"evt high", []int{100, 100, 903, 100, 100, 903}}} {
		state := analysis.NewMemory(0)
		for i, want := range tt.want {
			for range 2 {
				if v := e.analyze(t, state, i, tt.line); ruleID(v) != want {
					t.Errorf("%s, event %d: rule %d, want %d", tt.line, i+1, ruleID(v), want)
				}
			}
		}
	}
}

// Of two rules that ask whether one event is the first, only the one asked first is told so.
func TestFirstOnce(t *testing.T) {
	e := engine(t, `<rule id="101" level="4"><match>^fts</match><if_fts/></rule><rule id="102" level="5"><if_sid>101</if_sid><if_fts/></rule>`)
	state := analysis.NewMemory(0)
	for i, want := range []int{101, 101, 0} {
		if v := e.analyze(t, state, i/2, "fts user=joe"); ruleID(v) != want {
			t.Errorf("time %d: rule %d, want %d", i+1, ruleID(v), want)
		}
	}
}
