package rules_test

import (
	"io/fs"
	"slices"
	"testing"

	"github.com/yagura-hids/yagura/internal/analysis"
	"github.com/yagura-hids/yagura/internal/ruleset"
	"github.com/yagura-hids/yagura/internal/ruletest"
	"github.com/yagura-hids/yagura/rules"
)

// load reads the ruleset as the tools do.
func load(t *testing.T) *ruleset.Set {
	t.Helper()
	fsys, files, err := ruleset.Choose(rules.FS, "")
	if err != nil {
		t.Fatal(err)
	}
	set, err := ruleset.Load(fsys, files)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// names returns the files that a pattern names; none is a fault.
func names(t *testing.T, pattern string) []string {
	t.Helper()
	list, err := fs.Glob(rules.FS, pattern)
	if err != nil || len(list) == 0 {
		t.Fatalf("no file %s: %v", pattern, err)
	}
	return list
}

// TestCases runs every case, and asks for one that reaches every rule.
func TestCases(t *testing.T) {
	set := load(t)
	covered := map[int]bool{}
	for _, name := range names(t, "tests/*.ini") {
		f, err := rules.FS.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		cases, err := ruletest.Parse(name, f)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range cases {
			outcomes, err := ruletest.Run(set, analysis.Options{Server: "web1", LogLevel: 1, MailLevel: 7}, c, covered)
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range outcomes {
				if !o.OK {
					t.Error(o)
				}
			}
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	for _, c := range kindCases {
		covered[c.rule] = true
	}
	for _, c := range noteCases {
		covered[c.rule] = true
	}
	covered[509] = true // whose children are all cases
	for _, r := range set.Rules.Rules() {
		if template := r.ID < 10; !template && !covered[r.ID] {
			t.Errorf("rule %d: no case reaches it", r.ID)
		}
	}
}

// TestEveryFileIsNamed finds files that ossec.conf forgot.
func TestEveryFileIsNamed(t *testing.T) {
	_, files, err := ruleset.Choose(rules.FS, "")
	if err != nil {
		t.Fatal(err)
	}
	var named []string
	for _, f := range slices.Concat(files.Decoders, files.Includes) {
		named = append(named, f.Path)
	}
	for _, name := range slices.Concat(names(t, "decoders/*.xml"), names(t, "rules/*.xml")) {
		if !slices.Contains(named, name) {
			t.Errorf("ossec.conf does not name %s", name)
		}
	}
}
