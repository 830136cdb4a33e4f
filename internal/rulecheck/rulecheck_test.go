package rulecheck_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/yagura-hids/yagura/internal/config"
	"github.com/yagura-hids/yagura/internal/rulecheck"
	"github.com/yagura-hids/yagura/internal/ruleset"
	"github.com/yagura-hids/yagura/rules"
)

const (
	decoders = `<decoder name="door"><program_name>^door$</program_name></decoder>
<decoder name="door-key"><parent>door</parent><prematch>^key </prematch><regex offset="after_prematch">^(\d+)</regex><order>id</order></decoder>
<decoder name="door-room"><parent>door</parent><prematch>^in </prematch><regex offset="after_prematch">^(\w+) (\w+) (\w+)</regex><order>room, a, b</order></decoder>`
	base = `<rule id="1" level="0" noalert="1"><category>syslog</category><description>Top.</description></rule>
<rule id="10" level="0"><decoded_as>door</decoded_as><description>Doors.</description></rule>
<rule id="11" level="5"><if_sid>10</if_sid><match>^denied </match><description>Denied.</description><group>denied,</group></rule>
`
)

func load(t *testing.T, decoders, file string) *ruleset.Set {
	t.Helper()
	set, err := ruleset.Load(fstest.MapFS{"decoder.xml": {Data: []byte(decoders)}, "rules/r.xml": {Data: []byte(file)}}, config.Rules{})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func check(t *testing.T, decoders, group string, own bool) []string {
	t.Helper()
	var list []string
	for _, w := range rulecheck.Check(load(t, decoders, group), func(string) bool { return own }) {
		if w.Pos.Line == 0 || w.Hint == "" {
			t.Errorf("no place or no way out: %v", w)
		}
		list = append(list, fmt.Sprintf("%s: %s", w.Pos, w.What))
	}
	return list
}

func TestRules(t *testing.T) {
	below := func(id int, attrs, text string) string {
		return fmt.Sprintf(`<rule id="%d" %s><if_sid>10</if_sid>%s<description>x.</description></rule>`+"\n", id, attrs, text)
	}
	at := func(line, col int, what string) []string {
		return []string{fmt.Sprintf("rules/r.xml:%d:%d: %s", line, col, what)}
	}
	for _, tt := range []struct {
		name, rules string
		want        []string
	}{
		{"nothing", below(20, `level="3"`, `<match>opened</match>`), nil},

		{"hidden by one without conditions", below(20, `level="6"`, "") + below(21, `level="3"`, "<match>x</match>"),
			at(5, 1, "rules 11 21 are never reached: rule 20 is asked before them and holds whenever they would")},
		{"hidden by the same", below(20, `level="5"`, "<match>^denied </match>"),
			at(5, 1, "rule 20 is never reached: rule 11 (rules/r.xml:4:1) is asked before it and holds whenever it would")},
		{"hidden by a more general pattern", below(20, `level="3"`, "<match>^denied user|^denied host</match><user>x</user>"),
			at(5, 1, "rule 20 is never reached: rule 11 (rules/r.xml:4:1) is asked before it and holds whenever it would")},
		{"hidden by level 0", below(20, `level="0"`, "<match>denied</match>"),
			at(4, 1, "rule 11 is never reached: rule 20 (rules/r.xml:5:1) is asked before it and holds whenever it would")},
		{"hidden by one whose pattern matches all", below(20, `level="6"`, `<regex>\.*</regex>`),
			[]string{"rules/r.xml:4:1: rule 11 is never reached: rule 20 (rules/r.xml:5:1) is asked before it and holds whenever it would",
				`rules/r.xml:5:44: rule 20: <regex>: pattern '\.*' matches every text`}},
		{"asked first", below(20, `level="6"`, "<match>^denied </match><user>x</user>"), nil},
		{"another pattern", below(20, `level="3"`, "<match>denied</match>"), nil},
		{"an alternative more", below(20, `level="3"`, "<match>^denied user|opened</match>"), nil},
		{"hidden below one parent of two", below(20, `level="3"`, "") +
			`<rule id="21" level="2"><if_sid>10, 11</if_sid><match>x</match></rule>`, nil},
		{"behind one that may be silent", below(20, `level="6" noalert="1"`, ""), nil},
		{"behind one that asks the past", below(20, `level="6"`, "<if_fts/>"), nil},
		{"fields by name", below(20, `level="4"`, `<field name="a">x</field>`) + below(21, `level="3"`, `<field name="b">x</field>`), nil},
		{"the same field", below(20, `level="4"`, `<field name="a">x</field>`) + below(21, `level="3"`, `<field name="a">x</field><match>y</match>`),
			at(6, 1, "rule 21 is never reached: rule 20 (rules/r.xml:5:1) is asked before it and holds whenever it would")},
		{"children of a hidden one are left out", below(20, `level="5"`, "<match>^denied </match>") +
			`<rule id="21" level="2"><if_sid>20</if_sid></rule>`,
			at(5, 1, "rule 20 is never reached: rule 11 (rules/r.xml:4:1) is asked before it and holds whenever it would")},

		{"a composite of level 0", below(20, `level="0" frequency="2"`, "<if_matched_sid>11</if_matched_sid>"),
			at(5, 1, "rule 20 can never hold: it counts earlier events and has level 0")},
		{"a composite", below(20, `level="9" frequency="2"`, "<if_matched_sid>11</if_matched_sid>"), nil},
		{"counts level 0", below(20, `level="9" frequency="2"`, "<if_matched_sid>10</if_matched_sid>"),
			at(5, 1, "rule 20 can never hold: rule 10, which its if_matched_sid names, has level 0, so its events are never counted")},
		{"counts a group", `<rule id="20" level="9" frequency="2"><if_matched_group>denied</if_matched_group></rule>`, nil},
		{"counts a group of its own", `<rule id="20" level="9" frequency="2"><if_matched_group>many</if_matched_group><if_sid>10</if_sid><group>many,</group></rule>`,
			at(5, 1, "rule 20 can never hold: no event is ever counted for its if_matched_group: "+
				"no rule before it has that group, or other composites count their ids")},
		{"a child decoder", `<rule id="20" level="9"><decoded_as>door-key</decoded_as></rule>`,
			at(5, 1, "rule 20 can never hold: its decoded_as is a child decoder, which goes by its parent's name")},
		{"a country", below(20, `level="9"`, "<srcgeoip>FR</srcgeoip>"), at(5, 1, "rule 20 can never hold: nothing finds a srcgeoip here")},

		{"a field that no decoder finds", below(20, `level="9"`, `<field name="rom">hall</field>`), at(5, 1, "rule 20 can never hold: no decoder finds the field rom")},
		{"a field of syslog", below(20, `level="9"`, `<field name="severity">^crit$</field>`), nil},
		{"a field that one finds", below(20, `level="9"`, `<field name="Room">hall</field>`), nil},

		{"an empty alternative", below(20, `level="3"`, "<match>opened|</match>"),
			at(5, 44, "rule 20: <match>: pattern 'opened|' has an empty alternative, which always matches")},
		{"any user", below(20, `level="3"`, `<user_pcre2>.*</user_pcre2>`), nil},
		{"a part that never matches", below(20, `level="3"`, "<regex>a^b</regex>"),
			at(5, 44, "rule 20: <regex>: 'a^b' can never match: it asks for text before the start or behind the end")},
		{"text that looks like a pattern", below(20, `level="3"`, `<match>user \S+ in</match>`),
			at(5, 44, `rule 20: <match>: '\S+' in pattern 'user \S+ in' is text to OS_Match, a backslash and all`)},
		{"a slow one", below(20, `level="3"`, `<pcre2>^(\w+) \1 \w+</pcre2>`),
			at(5, 44, `rule 20: <pcre2>: pattern '^(\w+) \1 \w+' is beyond the linear matchers: `+
				"on a line made for it it may be given up after 100 ms, and then doesn't match")},
		{"a slow one about the past", below(20, `level="3" frequency="1"`, `<if_matched_regex>^x|</if_matched_regex>`),
			at(5, 58, "rule 20: <if_matched_regex>: pattern '^x|' has an empty alternative, which always matches")},
		{"actions", below(20, `level="3"`, `<action>DENY</action>`), nil},

		{"groups", below(20, `level="3"`, `<match>o</match><group>a</group><group>b,</group>`),
			at(5, 76, "rule 20: the groups run into each other: 'a' and 'b' make 'ab'")},
		{"groups with commas", below(20, `level="3"`, `<match>o</match><group>a,</group><group>b</group>`), nil},
		{"an overwrite elsewhere", `<rule id="11" level="7" overwrite="yes"><if_sid>1</if_sid><match>x</match></rule>`,
			at(5, 41, "rule 11: its if_sid has no effect: it overwrites the one at rules/r.xml:4:1 and stays below 10")},
		{"an overwrite in its place", `<rule id="11" level="7" overwrite="yes"><if_sid>10</if_sid><match>x</match></rule>`, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := check(t, decoders, "<group name=\"doors,\">\n"+base+tt.rules+"</group>", false)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestOuterGroup(t *testing.T) {
	got := check(t, decoders, "<group name=\"doors\">\n"+base+"</group>", false)
	want := []string{"rules/r.xml:4:101: rule 11: the groups run into each other: 'doors' and 'denied' make 'doorsdenied'"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestIDs(t *testing.T) {
	file := `<group name="x,">` + "\n" + base + `<rule id="100001" level="3"><if_sid>10</if_sid><match>a</match></rule>
<rule id="200001" level="3"><if_sid>10</if_sid><match>b</match></rule>
<rule id="11" level="4" overwrite="yes"><match>^denied </match></rule></group>`
	var ids []string
	for _, w := range check(t, decoders, file, true) {
		ids = append(ids, strings.Fields(w)[2])
	}
	if diff := cmp.Diff([]string{"1:", "10:", "200001:"}, ids); diff != "" {
		t.Error(diff)
	}
	if got := check(t, decoders, file, false); got != nil {
		t.Errorf("of others: %q", got)
	}
}

func TestDecoders(t *testing.T) {
	top := func(name, text string) string { return `<decoder name="` + name + `">` + text + "</decoder>\n" }
	child := func(name, text string) string { return top(name, "<parent>door</parent>"+text) }
	const order = `<order>id</order>`
	for _, tt := range []struct {
		name, decoders, want string
	}{
		{"nothing", child("a", `<prematch>^a</prematch>`) + child("b", `<prematch>^b</prematch>`), ""},
		{"behind a child without prematch", child("a", `<regex>^a (\d)</regex>`+order) + child("b", `<prematch>^b</prematch>`), "b a"},
		{"a chain", child("a", `<regex>^a (\d)</regex>`+order) + child("a", `<regex>^b (\d)</regex>`+order), ""},
		{"behind the same prematch", child("a", `<prematch>^a</prematch>`) + child("b", `<prematch>^a</prematch>`), "b a"},
		{"the same elsewhere", child("a", `<prematch>^a</prematch>`) + child("b", `<prematch offset="after_parent">^a</prematch>`), ""},
		{"the same program", top("a", `<program_name>^x</program_name>`) + top("b", `<program_name>^xy|^xz</program_name><prematch>^b</prematch>`), "b a"},
		{"more programs", top("a", `<program_name>^xy</program_name>`) + top("b", `<program_name>^x</program_name>`), ""},
		{"another prematch", top("a", `<program_name>^x</program_name><prematch>^a</prematch>`) + top("b", `<program_name>^x</program_name>`), ""},
		{"without program", top("a", `<prematch>^a</prematch>`) + top("b", `<program_name>^b</program_name><prematch>^a</prematch>`), ""},
		{"any program", top("a", `<program_name_pcre2>.*</program_name_pcre2><prematch>^a</prematch>`), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := ""
			if w := strings.Fields(tt.want); len(w) > 0 {
				want = fmt.Sprintf("decoder.xml:3:1: decoder %s is never reached: %s (decoder.xml:2:1) is asked before it and takes whatever it would", w[0], w[1])
			}
			got := strings.Join(check(t, top("door", `<program_name>^door$</program_name>`)+tt.decoders, "<group name=\"doors,\">\n"+base+"</group>", false), "\n")
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Our own rules give no reason for a warning.
func TestBuiltIn(t *testing.T) {
	fsys, files, err := ruleset.Choose(rules.FS, "")
	if err != nil {
		t.Fatal(err)
	}
	set, err := ruleset.Load(fsys, files)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range rulecheck.Check(set, func(string) bool { return false }) {
		t.Error(w)
	}
}

// OSSEC's own rules, where there are some, are checked without a crash, and each warning has a place.
func TestOSSEC(t *testing.T) {
	dir := os.Getenv("OSSEC_RULESET")
	if dir == "" {
		t.Log("OSSEC_RULESET is not set: nothing to check")
		return
	}
	fsys, files, err := ruleset.Choose(rules.FS, dir)
	if err != nil {
		t.Fatal(err)
	}
	set, err := ruleset.Load(fsys, files)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range rulecheck.Check(set, func(string) bool { return false }) {
		if w.Pos.Line == 0 || w.Hint == "" {
			t.Errorf("no place or no way out: %v", w)
		}
	}
}
