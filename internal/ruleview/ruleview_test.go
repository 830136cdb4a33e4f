package ruleview_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/yagura-hids/yagura/internal/config"
	"github.com/yagura-hids/yagura/internal/ruleset"
	"github.com/yagura-hids/yagura/internal/ruletest"
	"github.com/yagura-hids/yagura/internal/ruleview"
)

const doors = `<group name="doors,">
<rule id="1" level="0" noalert="1"><category>syslog</category><description>Top.</description></rule>
<rule id="10" level="0"><decoded_as>door</decoded_as><description>Doors.</description></rule>
  <rule id="11" level="5" maxsize="9" ignore="60">
    <if_sid>10</if_sid>
    <match>^denied |late$|^all$|lost|found</match>
    <regex>by (\w+)</regex>
    <user>joe</user><srcip>10.0.0.0/8</srcip><srcip>!any</srcip>
    <action>DROP</action><time>6 pm - 8 am</time><weekday>mon</weekday>
    <field name="room">hall</field>
    <compiled_rule>check_id_size</compiled_rule>
    <if_fts/><options>no_log</options><options>no_email_alert</options>
    <description>Denied.</description><group>denied,</group>
  </rule>
<rule id="12" level="9" frequency="2" timeframe="60"><if_matched_sid>11</if_matched_sid><same_source_ip/><same_location/><different_url/><description>Again.</description></rule>
<rule id="13" level="9" frequency="2"><if_matched_group>denied</if_matched_group><description>Group.</description></rule>
<rule id="14" level="3" overwrite="no"><if_sid>10</if_sid><description>Else.</description></rule>
<rule id="14" level="4" overwrite="yes"><description>Else, again.</description></rule>
</group>`

func load(t *testing.T) (*ruleset.Set, fstest.MapFS) {
	t.Helper()
	fsys := fstest.MapFS{"decoder.xml": {Data: []byte(`<decoder name="door"><program_name>^door$</program_name></decoder>`)}, "rules/doors.xml": {Data: []byte(doors)}}
	set, err := ruleset.Load(fsys, config.Rules{})
	if err != nil {
		t.Fatal(err)
	}
	return set, fsys
}

func TestConditions(t *testing.T) {
	set, _ := load(t)
	for id, want := range map[int][]string{
		1:  nil,
		10: {"the decoder is door"},
		11: {"the log is 9 bytes long, or longer", "the log begins with 'denied ' or ends with 'late' or is 'all' or holds 'lost' or 'found'",
			`the log matches by (\w+) (OS_Regex)`, "the user holds 'joe'", "the srcip is one of 10.0.0.0/8 !any", "the action is DROP",
			"the time of day is 6 pm - 8 am", "the day is mon", "the field room matches hall (OS_Regex)", "check_id_size holds",
			"what the decoder's fts names is seen for the first time"},
		12: {"3 or more earlier events of rule 11 within 60 seconds, with the same srcip, location, with another url"},
		13: {"3 or more earlier events of the groups denied within 360 seconds"},
	} {
		if diff := cmp.Diff(want, ruleview.Conditions(set.Rules, set.Rules.Rule(id))); diff != "" {
			t.Errorf("rule %d: %s", id, diff)
		}
	}
}

func TestOf(t *testing.T) {
	set, fsys := load(t)
	cases, err := ruletest.Parse("tests/doors.ini", strings.NewReader("[a]\nlog 1 pass = x\nrule = 11\nalert = 5\n[b]\nlog 1 pass = x\nrule = 12\nalert = 9"))
	if err != nil {
		t.Fatal(err)
	}
	line := func(id, level, at int, text string) ruleview.Line {
		return ruleview.Line{ID: id, Level: level, File: "rules/doors.xml", Line: at, Description: text}
	}
	v := ruleview.Of(set, fsys, cases, set.Rules.Rule(11))
	want := ruleview.View{
		Line: line(11, 5, 4, "Denied."), Groups: []string{"doors", "denied"}, Conditions: v.Conditions,
		Effects: []string{"no_log: it is counted, but not recorded", "no_email_alert: never marked for mail", "ignore: after an alert none for 60 seconds"},
		Above:   []ruleview.Line{line(1, 0, 2, "Top."), line(10, 0, 3, "Doors.")}, Parents: []ruleview.Line{line(10, 0, 3, "Doors.")},
		Siblings:  []ruleview.Line{line(11, 5, 4, "Denied."), line(14, 4, 18, "Else, again.")},
		Children:  []ruleview.Line{line(12, 9, 15, "Again."), line(13, 9, 16, "Group.")},
		CountedBy: []ruleview.Line{line(12, 9, 15, "Again.")},
		Cases:     []ruleview.Case{{File: "tests/doors.ini", Line: 1, Name: "a", Log: "x"}},
		Source:    v.Source,
	}
	if diff := cmp.Diff(want, v); diff != "" {
		t.Error(diff)
	}
	if !strings.HasPrefix(v.Source, "<rule id=\"11\" level=\"5\" maxsize=\"9\" ignore=\"60\">\n  <if_sid>") || !strings.HasSuffix(v.Source, "</group>\n</rule>") {
		t.Errorf("source:\n%s", v.Source)
	}
	if v := ruleview.Of(set, fsys, cases, set.Rules.Rule(14)); v.Overwrites != "rules/doors.xml:17:1" || v.Cases != nil {
		t.Errorf("%+v", v)
	}
	if v := ruleview.Of(set, fstest.MapFS{}, nil, set.Rules.Rule(1)); v.Above != nil || v.Siblings != nil || v.Source != "" {
		t.Errorf("%+v", v)
	}
}

func TestGroupAndLike(t *testing.T) {
	set, _ := load(t)
	if got := ruleview.Group(set.Rules, "DENIED"); len(got) != 1 || got[0].ID != 11 {
		t.Errorf("%+v", got)
	}
	for name, want := range map[string]string{"41": "1", "111": "11", "denid": "denied", "ors": "doors", "kitchen": ""} {
		if got := ruleview.Like(set.Rules, name); got != want {
			t.Errorf("like %s: %q, want %q", name, got, want)
		}
	}
}
