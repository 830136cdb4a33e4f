package ruletest_test

import (
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/yagura-hids/yagura/internal/analysis"
	"github.com/yagura-hids/yagura/internal/config"
	"github.com/yagura-hids/yagura/internal/osxml"
	"github.com/yagura-hids/yagura/internal/ruleset"
	"github.com/yagura-hids/yagura/internal/ruletest"
	"github.com/yagura-hids/yagura/rules"
)

const cases = `; a remark
# another
[One: a log]
log 1 pass = Jan  2 03:04:05 web1 door[7]: open = yes
log 2 fail = [no section]
rule = 10
alert = 3
decoder = door

[Two]  
log a pass = x
log  b  fail  =y
repeat a = 4
sequence = yes
rule =
`

func TestParse(t *testing.T) {
	got, err := ruletest.Parse("c.ini", strings.NewReader(cases))
	if err != nil {
		t.Fatal(err)
	}
	at := func(line int) osxml.Pos { return osxml.Pos{File: "c.ini", Line: line, Col: 1} }
	want := []ruletest.Case{
		{Name: "One: a log", Pos: at(3), Rule: "10", Level: "3", Decoder: "door", Logs: []ruletest.Log{
			{Number: "1", Text: "Jan  2 03:04:05 web1 door[7]: open = yes", Repeat: 1, Pos: at(4)},
			{Number: "2", Text: "[no section]", Fail: true, Repeat: 1, Pos: at(5)},
		}},
		{Name: "Two", Pos: at(10), Sequence: true, Logs: []ruletest.Log{
			{Number: "a", Text: "x", Repeat: 4, Pos: at(11)}, {Number: "b", Text: "y", Fail: true, Repeat: 1, Pos: at(12)},
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseFaults(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"text before a section", "\nrule = 1\n[a]\nlog 1 pass = x", "f:2:1: text before the first section: begin with [a name]"},
		{"no setting", "[a]\nlog 1 pass = x\nword", `f:3:1: "word" is no setting: write key = value`},
		{"indented section", "[a]\nlog 1 pass = x\n [b]", `f:3:1: " [b]" is no setting: write key = value`},
		{"unknown key", "[a]\nlog 1 pass = x\nlevel = 3", `f:3:1: unknown key "level": known are log N pass, log N fail, rule, alert, decoder, sequence, repeat N; before a log goes log 1 pass =`},
		{"neither pass nor fail", "[a]\nlog 1 pass = x\nlog 2 maybe = x", `f:3:1: unknown key "log 2 maybe": known are log N pass, log N fail, rule, alert, decoder, sequence, repeat N; before a log goes log 1 pass =`},
		{"no log", "[a]\nrule = 1\nalert = 2", `f:1:1: [a] has no log: add "log 1 pass = …"`},
		{"no level", "[a]\nlog 1 pass = x\nrule = 1", `f:1:1: [a] has a rule and no alert: add "alert = LEVEL"`},
		{"sequence", "[a]\nlog 1 pass = x\nsequence = true", `f:3:1: sequence = "true": write yes or no`},
		{"repeat what", "[a]\nlog 1 pass = x\nrepeat 2 = 3", "f:3:1: there is no log 2: put it behind that log"},
		{"repeat too little", "[a]\nlog 1 pass = x\nrepeat 1 = 0", `f:3:1: repeat 1 = "0": write a number from 1 to 100000`},
		{"long line", "[a]\nlog 1 pass = x\nlog 2 pass = " + strings.Repeat("x", 1<<20), "f:3:1: bufio.Scanner: token too long"},
		{"all at once", "[a]\nx\n[b]\ny = 1", "f:1:1: [a] has no log: add \"log 1 pass = …\"\nf:2:1: \"x\" is no setting: write key = value\n" +
			"f:3:1: [b] has no log: add \"log 1 pass = …\"\nf:4:1: unknown key \"y\": known are log N pass, log N fail, rule, alert, decoder, sequence, repeat N; before a log goes log 1 pass ="},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ruletest.Parse("f", strings.NewReader(tt.in))
			if err == nil {
				t.Fatal("no fault")
			}
			if diff := cmp.Diff(tt.want, err.Error()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A fault doesn't keep the other cases from running.
func TestParseKeepsWhole(t *testing.T) {
	got, err := ruletest.Parse("f", strings.NewReader("[a]\nlog 1 pass = x\n[b]\nlog 1 pass = x\na line of a log\n[c]\nlog 1 pass = x\n[d]"))
	if err == nil || len(got) != 2 || got[0].Name != "a" || got[1].Name != "c" {
		t.Errorf("%+v, %v", got, err)
	}
}

// doors is a ruleset: rule 10 on an open door, 11 on the third within a minute, 12 when the bell rings and nobody has heard of it.
func doors(t testing.TB) *ruleset.Set {
	t.Helper()
	set, err := ruleset.Load(fstest.MapFS{
		"decoder.xml": {Data: []byte(`<decoder name="door"><program_name>^door$</program_name></decoder>`)},
		"rules/doors.xml": {Data: []byte(`<group name="doors,">
  <rule id="1" level="0" noalert="1"><category>syslog</category><description>Top.</description></rule>
  <rule id="10" level="3"><decoded_as>door</decoded_as><match>open</match><description>Open.</description></rule>
  <rule id="11" level="9" frequency="1" timeframe="60"><if_matched_sid>10</if_matched_sid><description>Open again and again.</description></rule>
</group>`)},
	}, config.Rules{})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

const (
	open = "Jan  2 03:04:05 web1 door[7]: open"
	shut = "Jan  2 03:04:05 web1 door[7]: shut"
)

func TestRun(t *testing.T) {
	set := doors(t)
	for _, tt := range []struct {
		name string
		in   string   // the lines of a section
		want []string // the failures
	}{
		{"as expected", "log 1 pass = " + open + "\nrule = 10\nalert = 3\ndecoder = door", nil},
		{"the decoder in another case", "log 1 pass = " + open + "\nrule = 10\nalert = 3\ndecoder = DOOR", nil},
		{"the decoder left out", "log 1 pass = " + open + "\nrule = 10\nalert = 3", nil},
		{"another rule", "log 1 pass = " + open + "\nrule = 12\nalert = 3", []string{"t:2:1: [n] log 1: want rule 12 level 3 decoder none (the ruleset has no such rule), got rule 10 level 3 decoder door\n\t" + open}},
		{"another level", "log 1 pass = " + open + "\nrule = 10\nalert = 4\ndecoder = door", []string{"t:2:1: [n] log 1: want rule 10 level 4 decoder door, got rule 10 level 3 decoder door\n\t" + open}},
		{"another decoder", "log 1 pass = " + open + "\nrule = 10\nalert = 3\ndecoder = gate", []string{"t:2:1: [n] log 1: want rule 10 level 3 decoder gate, got rule 10 level 3 decoder door\n\t" + open}},
		{"no rule", "log 1 pass = " + shut + "\nrule = 10\nalert = 3", []string{"t:2:1: [n] log 1: want rule 10 level 3 decoder none, got no rule, decoder door\n\t" + shut}},
		{"none wanted", "log 1 pass = " + shut + "\nrule =\nalert =\ndecoder = door", nil},
		{"none wanted, but one came", "log 1 pass = " + open, []string{"t:2:1: [n] log 1: want no rule, decoder none, got rule 10 level 3 decoder door\n\t" + open}},
		{"fail as expected", "log 1 fail = " + shut + "\nrule = 10\nalert = 3", nil},
		{"fail that passes", "log 1 fail = " + open + "\nrule = 10\nalert = 3\ndecoder = door", []string{"t:2:1: [n] log 1: want anything but rule 10 level 3 decoder door, got rule 10 level 3 decoder door\n\t" + open}},
		{"each log meets an empty state", "log 1 pass = " + open + "\nlog 2 pass = " + open + "\nlog 3 pass = " + open + "\nrule = 10\nalert = 3", nil},
		{"a repeated log does not", "log 1 pass = " + open + "\nrepeat 1 = 3\nrule = 11\nalert = 9", nil},
		{"a sequence does not", "log 1 pass = " + open + "\nlog 2 pass = " + shut + "\nlog 3 pass = " + open + "\nlog 4 pass = " + open + "\nsequence = yes\nrule = 11\nalert = 9", nil},
		{"only its last log counts", "log 1 pass = " + open + "\nlog 2 pass = " + shut + "\nsequence = yes", nil},
		{"its logs are a second apart", "log 1 pass = " + open + "\nlog 2 pass = " + shut + "\nrepeat 1 = 2\nrepeat 2 = 58\nlog 3 pass = " + open +
			"\nsequence = yes\nrule = 11\nalert = 9", nil},
		{"and leave the timeframe", "log 1 pass = " + open + "\nlog 2 pass = " + shut + "\nrepeat 1 = 2\nrepeat 2 = 59\nlog 3 pass = " + open +
			"\nsequence = yes\nrule = 10\nalert = 3", nil},
		{"logs of one number share it, too", "log 1 pass = " + open + "\nlog 1 pass = " + open + "\nlog 1 pass = " + open + "\nrule = 11\nalert = 9", nil},
		{"and only the last one counts", "log 1 pass = " + open + "\nlog 1 pass = " + shut, nil},
		{"of one number, but not alike", "log 1 pass = " + open + "\nlog 1 fail = " + shut + "\nlog 1 fail = " + shut + "\nrule = 10\nalert = 3", nil},
		{"Python's way of writing", "Log 1 PASS: " + open + "\nRule: 10\nalert=3", nil},
		{"a sequence must not", "log 1 pass = " + open + "\nlog 2 fail = " + open + "\nsequence = yes\nrule = 11\nalert = 9", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			list, err := ruletest.Parse("t", strings.NewReader("[n]\n"+tt.in))
			if err != nil || len(list) != 1 {
				t.Fatal(list, err)
			}
			outcomes, err := ruletest.Run(set, analysis.Options{Server: "vm"}, list[0], map[int]bool{})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, o := range outcomes {
				if !o.OK {
					got = append(got, o.String())
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRunCovers(t *testing.T) {
	list, err := ruletest.Parse("t", strings.NewReader("[n]\nlog 1 pass = "+open+"\nrepeat 1 = 3\nlog 2 fail = "+shut+"\nrule = 11\nalert = 9"))
	if err != nil {
		t.Fatal(err)
	}
	covered := map[int]bool{}
	if _, err := ruletest.Run(doors(t), analysis.Options{}, list[0], covered); err != nil {
		t.Fatal(err)
	}
	if got := slices.Sorted(maps.Keys(covered)); !slices.Equal(got, []int{1, 10, 11}) {
		t.Errorf("covered %v", got)
	}
}

func TestCoverage(t *testing.T) {
	got := ruletest.Coverage(doors(t), map[int]bool{10: true})
	want := []ruletest.FileCoverage{{File: "rules/doors.xml", Rules: 3, Reached: 2, Missing: []int{11}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// The built-in rules pass their own cases.
func TestOwnCases(t *testing.T) {
	fsys, files, err := ruleset.Choose(rules.FS, "")
	if err != nil {
		t.Fatal(err)
	}
	set, err := ruleset.Load(fsys, files)
	if err != nil {
		t.Fatal(err)
	}
	names, err := fs.Glob(rules.FS, "tests/*.ini")
	if err != nil || len(names) == 0 {
		t.Fatalf("no test cases: %v", err)
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			in, err := rules.FS.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			list, err := ruletest.Parse(name, in)
			if err != nil || len(list) == 0 {
				t.Fatalf("%d cases: %v", len(list), err)
			}
			for _, c := range list {
				outcomes, err := ruletest.Run(set, analysis.Options{Server: "vm", LogLevel: 1}, c, map[int]bool{})
				if err != nil {
					t.Error(err)
				}
				for _, o := range outcomes {
					if !o.OK {
						t.Error(o)
					}
				}
			}
		})
	}
}

// FuzzParse: what is parsed, written and parsed again is the same; without a fault every case has logs and every log its place.
func FuzzParse(f *testing.F) {
	f.Add(cases)
	f.Add("[a]\nlog 1 pass = x\nrepeat 1 = 9\nrule = 1\nalert = 2")
	f.Fuzz(func(t *testing.T, src string) {
		list, err := ruletest.Parse("f", strings.NewReader(src))
		if err != nil {
			var faults *osxml.FaultError
			if !errors.As(err, &faults) || faults.Faults[0].Pos.Line < 1 {
				t.Fatalf("%T %v", err, err)
			}
			return
		}
		var b strings.Builder
		for _, c := range list {
			writeCase(&b, c)
		}
		again, err := ruletest.Parse("f", strings.NewReader(b.String()))
		if err != nil {
			t.Fatalf("%v\n%s", err, b.String())
		}
		places := cmp.Transformer("place", func(osxml.Pos) string { return "" })
		if diff := cmp.Diff(list, again, places); diff != "" {
			t.Error(diff)
		}
	})
}
