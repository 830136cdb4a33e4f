package logtest_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/yagura-hids/yagura/internal/analysis"
	"github.com/yagura-hids/yagura/internal/config"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/logtest"
	"github.com/yagura-hids/yagura/internal/osxml"
	"github.com/yagura-hids/yagura/internal/rule"
	"github.com/yagura-hids/yagura/internal/ruleset"
	"github.com/yagura-hids/yagura/internal/ruletest"
	"github.com/yagura-hids/yagura/rules"
)

// explained returns what is explained of the last line.
func explained(t *testing.T, extra string, most int, lines ...string) string {
	t.Helper()
	file := strings.TrimSuffix(doors, "</group>") + extra + "</group>"
	s, err := ruleset.Load(fstest.MapFS{"decoder.xml": {Data: []byte(decoders)}, "rules/doors.xml": {Data: []byte(file)}}, config.Rules{})
	if err != nil {
		t.Fatal(err)
	}
	opts := options()
	opts.Explain, opts.Most = true, most
	var out bytes.Buffer
	if _, err := logtest.Run(s, opts, strings.NewReader(strings.Join(lines, "\n")), &out); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	return text[strings.LastIndex(text, "**Explanation:"):]
}

func TestExplain(t *testing.T) {
	below := func(id int, attrs, text string) string {
		return fmt.Sprintf(`<rule id="%d" %s><if_sid>11</if_sid>%s<description>x</description></rule>`, id, attrs, text)
	}
	many := ""
	for id := 50; id < 60; id++ {
		many += below(id, `level="3"`, fmt.Sprintf("<match>never %d</match>", id))
	}
	for _, tt := range []struct {
		name, rules string
		most        int
		lines       []string
		want        []string // lines that must be there
		not         string   // what must not
	}{
		{"the decoders", "", 0, []string{entry}, []string{"gate holds (decoder.xml:2:1)", "gate-entry holds (decoder.xml:3:1)"}, "gate-own"},
		{"one that does not fit", "", 0, []string{"Jan  2 03:04:05 web1 gate: badge 4711"},
			[]string{"gate-entry no: <prematch> '^entry ' doesn't match 'badge 4711'", "gate-own holds (decoder.xml:9:1)"}, "x"},
		{"a regex that does not", "", 0, []string{"Jan  2 03:04:05 web1 gate: entry at night"},
			[]string{`gate-entry no: <regex> '^by (\w+) from (\S+) over (\w+) at (\w+) in (\w+)' doesn't match 'at night'`}, "x"},
		{"no program's", "", 0, []string{"Jan  2 03:04:05 web1 clock: it is late"}, []string{"none is for this program", "No alert: no rule holds."}, "x"},
		{"a failing match", below(20, `level="6"`, "<match>nobody came</match>"), 0, []string{entry},
			[]string{"20 level 6 no: it asks that the log holds 'nobody came'", "11 level 5 holds: the verdict", "An alert: rule 11 has level 5."}, "x"},
		{"a field", below(20, `level="6"`, "<user>ann</user>"), 0, []string{entry}, []string{"20 level 6 no: it asks that the user holds 'ann', and it is 'joe'"}, "x"},
		{"no such field", below(20, `level="6"`, "<url>ann</url>"), 0, []string{entry}, []string{"20 level 6 no: it asks that the url holds 'ann', and there is none"}, "x"},
		{"a field by name", below(20, `level="6"`, `<field name="room">cellar</field>`), 0, []string{entry},
			[]string{"20 level 6 no: it asks that the field room matches cellar (OS_Regex), and it is 'hall'"}, "x"},
		{"the second condition", below(20, `level="6"`, "<match>entry</match><srcip>10.0.0.0/8</srcip>"), 0, []string{entry},
			[]string{"20 level 6 no: it asks that the srcip is one of 10.0.0.0/8, and it is '192.0.2.1'"}, "x"},
		{"a composite", below(20, `level="9" frequency="3" timeframe="60"`, "<if_matched_sid>11</if_matched_sid><same_user/>"), 0, []string{entry},
			[]string{"20 level 9 no: 0 of 4 earlier events in 60 s with dstuser 'joe'", "12 level 9 no: 0 of 1 earlier events in 60 s with srcip '192.0.2.1'"}, "x"},
		{"one that is used up", "", 0, []string{entry, entry, entry},
			[]string{"12 level 9 no: 0 of 1 earlier events in 60 s with srcip '192.0.2.1'; others were used up by a composite rule that fired"}, "x"},
		{"a composite that compares what is missing", below(20, `level="9" frequency="3"`, "<if_matched_sid>11</if_matched_sid><same_id/>"), 0, []string{entry},
			[]string{"20 level 9 no: the event has no id, which it compares"}, "x"},
		{"a composite of level 0", below(20, `level="0" frequency="3"`, "<if_matched_sid>11</if_matched_sid>"), 0, []string{entry},
			[]string{"20 level 0 no: it counts earlier events and has level 0"}, "x"},
		{"events that are alike", below(20, `level="9" frequency="1"`, "<if_matched_sid>11</if_matched_sid><different_url/>"), 0, []string{entry, entry, "x y"},
			[]string{"No alert: no rule holds."}, "x"},
		{"first seen", below(20, `level="9"`, "<if_fts/>"), 0, []string{entry},
			[]string{"20 level 9 no: what the decoder's fts names was seen before, or the decoder has no fts"}, "x"},
		{"the same output", below(20, `level="9"`, "<check_diff/>"), 0, []string{entry}, []string{"20 level 9 no: the log is the first of this host, or the same as the last one"}, "x"},
		{"silent", below(20, `level="9" noalert="1"`, ""), 0, []string{entry}, []string{"20 level 9 holds, but noalert, and no rule below it holds"}, "x"},
		{"no_log", "", 0, []string{"silent"}, []string{"No alert: rule 14 says no_log."}, "x"},
		{"level 0", "", 0, []string{"nothing to see"}, []string{"No alert: rule 13 has level 0."}, "x"},
		{"many", many, 0, []string{entry}, []string{"… and 10 other rules below 11 that did not fit (--explain=all shows all)"}, "never 5"},
		{"some of many", many, 3, []string{entry}, []string{"it asks that the log holds 'never 51'", "… and 8 other rules below 11 that did not fit"}, "never 53"},
		{"all of many", many, -1, []string{entry}, []string{"it asks that the log holds 'never 59'"}, "other"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := explained(t, tt.rules, tt.most, tt.lines...)
			for _, want := range tt.want {
				if !strings.Contains(got, want) {
					t.Errorf("no %q in\n%s", want, got)
				}
			}
			if tt.not != "x" && strings.Contains(got, tt.not) {
				t.Errorf("%q in\n%s", tt.not, got)
			}
		})
	}
}

// What a composite found in the past, and what it left out.
func TestExplainPast(t *testing.T) {
	at := func(second int, room string) string {
		return fmt.Sprintf(`{"log": "Jan  2 03:04:05 web1 gate[7]: entry by joe from 192.0.2.1 over UDP at %s in hall", "t": %d}`, room, second)
	}
	file := strings.TrimSuffix(doors, "</group>") + `<rule id="20" level="10" frequency="3" timeframe="60"><if_matched_sid>11</if_matched_sid>` +
		`<same_source_ip/><same_location/><different_url/><description>x</description></rule></group>`
	file = strings.Replace(file, `<rule id="12"`, `<rule id="19"`, 1)
	s, err := ruleset.Load(fstest.MapFS{"decoder.xml": {Data: []byte(strings.Replace(decoders, "system_name", "url", 1))},
		"rules/doors.xml": {Data: []byte(strings.Replace(file, `frequency="0"`, `frequency="99"`, 1))}}, config.Rules{})
	if err != nil {
		t.Fatal(err)
	}
	opts := options()
	opts.Explain, opts.JSONLines = true, true
	var out bytes.Buffer
	in := strings.Join([]string{at(1, "south"), at(100, "north"), at(101, "south"), at(102, "south"), at(103, "north")}, "\n")
	if _, err := logtest.Run(s, opts, strings.NewReader(in), &out); err != nil {
		t.Fatal(err)
	}
	const want = "20 level 10 no: 2 of 4 earlier events in 60 s with location 'web1', srcip '192.0.2.1'; 1 more beyond that time; 1 more alike where they must differ\n"
	if !strings.Contains(out.String(), want) {
		t.Errorf("no %q in\n%s", want, out.String())
	}
}

// What is explained is what was done: the decoder that is said to hold last is the event's, and a rule that doesn't fit an event lacks a condition,
// one that does lacks none.
func TestExplainIsTrue(t *testing.T) {
	for _, tt := range []struct{ rules, cases string }{
		{"", ""}, {os.Getenv("OSSEC_RULESET"), os.Getenv("OSSEC_CASES")}, {os.Getenv("WAZUH_RULESET"), os.Getenv("WAZUH_CASES")},
	} {
		cases, err := ruletest.Read(rules.FS, "tests")
		if tt.cases != "" {
			cases, err = ruletest.Read(os.DirFS(tt.cases), ".")
		}
		if err != nil && !errors.As(err, new(*osxml.FaultError)) {
			t.Fatal(err)
		}
		fsys, files, err := ruleset.Choose(rules.FS, tt.rules)
		if err != nil {
			t.Fatal(err)
		}
		s, err := ruleset.Load(fsys, files)
		if err != nil {
			t.Fatal(err)
		}
		explainsTruly(t, s, files.Wazuh, cases)
	}
}

func explainsTruly(t *testing.T, s *ruleset.Set, wazuh bool, cases []ruletest.Case) {
	t.Helper()
	var engine *analysis.Engine
	text, checked := "", 0
	engine = analysis.New(s, analysis.Options{Server: "vm", Trace: func(r *rule.Rule, step analysis.Step) {
		c, _, unmet := engine.Unmet(r)
		switch {
		case step == analysis.Mismatched && !unmet:
			t.Errorf("%s: rule %d doesn't fit, but all its conditions hold", text, r.ID)
		case step == analysis.Matched && unmet:
			t.Errorf("%s: rule %d fits, but not its %s %s", text, r.ID, c.Element, c.Text)
		}
		checked++
	}})
	for _, c := range cases {
		for _, l := range c.Logs {
			text = l.Text
			v, err := engine.Analyze(&event.Event{Location: "stdin", Text: text}, analysis.NewMemory(0))
			if err != nil {
				t.Fatal(err)
			}
			leaf, parent, failed := "", "", false
			for _, d := range s.Decoders.Explain(v.Decoded, v.Decoded.Log) {
				if failed = failed || d.Element == "regex"; d.Held {
					leaf, parent = d.Name, d.Parent
				}
			}
			asked := wazuh && parent == v.Decoded.Leaf // a child without prematch is asked there, but not told of
			if !failed && leaf != v.Decoded.Leaf && !asked && !v.Decoded.Rewritten {
				t.Errorf("%s: decoder %q is said to hold, %q does", text, leaf, v.Decoded.Leaf)
			}
		}
	}
	if checked < 1000 {
		t.Errorf("only %d steps", checked)
	}
}

// A rule that is told not to hold has a reason that is told.
func TestExplainHasReasons(t *testing.T) {
	got := explained(t, "", -1, lines)
	for line := range strings.Lines(got) {
		if strings.HasSuffix(strings.TrimSpace(line), "no:") {
			t.Errorf("no reason: %s", line)
		}
	}
}
