package ruleset_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/yagura-hids/yagura/internal/config"
	"github.com/yagura-hids/yagura/internal/ruleset"
)

// b is a decoder.
const b = `<decoder name="b"><prematch>^y</prematch></decoder>`

// templates is a file of rules as Wazuh begins with.
func templates() string { return group(base + aRule("12")) }

func TestChooseWazuh(t *testing.T) {
	conf := func(text string) string { return "<ossec_config><ruleset>" + text + "</ruleset></ossec_config>" }
	for _, tt := range []struct {
		name  string
		files []string
		want  string
		count int
	}{
		{"the repository", []string{"decoders/0010-b.xml", b, "rules/0010-rules_config.xml", templates(), "rules/0020-x.xml", group(aRule("13"))}, "b 12 13", 3},
		{"a manager without ossec.conf", []string{"ruleset/decoders/0010-b.xml", b, "ruleset/rules/0010-rules_config.xml", templates(),
			"etc/decoders/local_decoder.xml", strings.ReplaceAll(b, `"b"`, `"c"`), "etc/rules/local_rules.xml", group(aRule("13"))}, "b c 12 13", 4},
		{"a manager", []string{"ruleset/decoders/0010-b.xml", b, "ruleset/rules/0010-rules_config.xml", templates(), "ruleset/rules/0020-x.xml", "<",
			"etc/rules/local_rules.xml", group(aRule("13")), "etc/ossec.conf",
			conf("<decoder_dir>ruleset/decoders</decoder_dir><rule_dir>ruleset/rules</rule_dir><rule_exclude>0020-x.xml</rule_exclude>" +
				"<decoder_dir>etc/decoders</decoder_dir><rule_dir>etc/rules</rule_dir>")}, "b 12 13", 3},
		{"a manager whose ossec.conf names no directory", []string{"ruleset/decoders/0010-b.xml", b, "ruleset/rules/0010-rules_config.xml", templates(),
			"etc/rules/local_rules.xml", "<", "etc/ossec.conf", conf("")}, "b 12", 2},
		{"files by name", []string{"ruleset/decoders/0010-b.xml", b, "ruleset/rules/0010-rules_config.xml", templates(), "own/13.xml", group(aRule("13")),
			"etc/ossec.conf", conf("<rule_include>own/13.xml</rule_include><decoder_include>0010-b.xml</decoder_include>")}, "b 12 13", 3},
		{"the conf beside its folders", []string{"decoders/0010-b.xml", b, "rules/0010-rules_config.xml", templates(), "ossec.conf", conf("")}, "b 12", 2},
		{"an empty file", []string{"decoders/0010-b.xml", b, "rules/0010-rules_config.xml", templates(), "rules/9.xml", ""}, "b 12", 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fsys, names, err := ruleset.Choose(own(), folder(t, tt.files...))
			if err != nil {
				t.Fatal(err)
			}
			set, err := ruleset.Load(fsys, names)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, loaded(set)); diff != "" || set.Files != tt.count || !names.Wazuh {
				t.Errorf("%s%d files, %+v", diff, set.Files, names)
			}
		})
	}
}

// Files are read by their names alone: a child in a user's folder may come before its parent's namesake there.
func TestWazuhOrder(t *testing.T) {
	child := `<rule id="13" level="5"><if_sid>12</if_sid><match>x</match></rule>`
	dir := folder(t, "ruleset/decoders/b.xml", b, "ruleset/rules/0010-rules_config.xml", templates(), "ruleset/rules/0030-b.xml", group(aRule("14")),
		"etc/rules/0020-a.xml", group(child))
	fsys, names, err := ruleset.Choose(own(), dir)
	if err != nil {
		t.Fatal(err)
	}
	set, err := ruleset.Load(fsys, names)
	if err != nil {
		t.Fatal(err)
	}
	var ids []int
	for _, r := range set.Rules.Rules() {
		ids = append(ids, r.ID)
	}
	if diff := cmp.Diff([]int{1, 12, 13, 14}, ids); diff != "" {
		t.Error(diff)
	}
}

// A list is found where the rule names it, where the repository has it, and as a database.
func TestWazuhLists(t *testing.T) {
	rule := func(list string) string {
		return group(base + `<rule id="12" level="5"><list field="srcip" lookup="address_match_key">` + list + `</list></rule>`)
	}
	db := string(makeCDB("10.", "x"))
	for _, tt := range []struct{ named, path, text, want string }{
		{"etc/lists/a", "etc/lists/a", "10.:", ""},
		{"etc/lists/a", "lists/a", "10.:x", ""},
		{"etc/lists/amazon/a", "lists/amazon/a", "10.:x", ""},
		{"etc/lists/a", "ruleset/lists/a", "10.:x", ""},
		{"etc/lists/a", "lists/a.cdb", db, ""},
		{"etc/lists/a.cdb", "etc/lists/a", "10.:x", ""},
		{"etc/lists/a", "lists/a.cdb", "10.:x", "list etc/lists/a: lists/a.cdb: not a whole constant database; make it anew"},
		{"etc/lists/b", "lists/a", "10.:x", "list etc/lists/b: open etc/lists/b"},
	} {
		base := strings.Repeat("ruleset/", strings.Count(tt.path, "ruleset/"))
		dir := folder(t, base+"decoders/b.xml", b, base+"rules/0010-rules_config.xml", rule(tt.named), tt.path, tt.text)
		fsys, names, err := ruleset.Choose(own(), dir)
		if err != nil {
			t.Fatal(err)
		}
		set, err := ruleset.Load(fsys, names)
		if err == nil {
			err = set.Warnings()
		}
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s from %s: %v, want %q", tt.named, tt.path, err, tt.want)
		}
	}
}

// OSSEC's lists may be databases, too. The text counts where both are.
func TestLoadListDatabase(t *testing.T) {
	rules := group(base + `<rule id="10" level="1"><list field="user" lookup="match_key_value" check_value="new">lists/a</list></rule>`)
	text := files("decoder.xml", good, "rules/r.xml", rules, "lists/a.cdb", string(makeCDB("joe", "new")))
	if _, err := ruleset.Load(text, config.Rules{Lists: []string{"lists/a"}}); err != nil {
		t.Error(err)
	}
	text["lists/a.cdb"].Data = []byte("broken")
	if _, err := ruleset.Load(text, config.Rules{Lists: []string{"lists/a"}}); err == nil || !strings.Contains(err.Error(), "lists/a.cdb: not a whole constant database") {
		t.Error(err)
	}
	text["lists/a"] = files("x", "joe:new\n")["x"]
	if _, err := ruleset.Load(text, config.Rules{Lists: []string{"lists/a"}}); err != nil {
		t.Error(err)
	}
}

// What Wazuh passes over is told, and costs the rule; those below it are left out, too.
func TestWazuhWarnings(t *testing.T) {
	const more = `<rule id="13" level="5"><if_sid>99</if_sid></rule><rule id="14" level="5"><if_sid>13</if_sid></rule>
<rule id="15" level="5"><if_sid>12, 15</if_sid><description>Rule 15.</description></rule>
<rule id="12" level="9"><match>x</match><description>Rule again.</description></rule>
<rule id="16" level="5" overwrite="yes"><description>Rule 16.</description></rule>
<rule id="17" level="5"><if_group>none</if_group></rule><rule id="18" level="5"><if_level>x</if_level></rule>
<rule id="15" level="5" overwrite="yes"><list field="id">etc/lists/a</list><description>Rule anew.</description></rule>
<rule id="19" level="5"><if_sid>12</if_sid><if_matched_sid>98</if_matched_sid><description>Rule 19.</description></rule>`
	dir := folder(t, "decoders/0010-b.xml", b, "rules/0010-rules_config.xml", templates(), "rules/0020-x.xml", group(more))
	fsys, names, err := ruleset.Choose(own(), dir)
	if err != nil {
		t.Fatal(err)
	}
	set, err := ruleset.Load(fsys, names)
	if err != nil {
		t.Fatal(err)
	}
	if got := loaded(set); got != "b 12 15 16 19" {
		t.Errorf("loaded %q", got)
	}
	var told []string
	for line := range strings.Lines(set.Warnings().Error()) {
		_, text, _ := strings.Cut(line, ": ")
		text, _, _ = strings.Cut(strings.TrimSpace(text), ": ")
		told = append(told, text)
	}
	want := []string{"rule 13", "rule 14", "rule 15", "rule 12 is defined twice", "rule 16", "rule 17", "rule 18", "rule 15", "rule 19"}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("%s%v", diff, set.Warnings())
	}
}
