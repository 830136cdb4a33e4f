package ruleset_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/yagura-hids/yagura/internal/config"
	"github.com/yagura-hids/yagura/internal/osxml"
	"github.com/yagura-hids/yagura/internal/ruleset"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Every fault of a ruleset is told at once, each with its place, what is wrong, and mostly the way out.
func TestLoadFaults(t *testing.T) {
	fsys := os.DirFS("testdata/faults")
	conf, err := config.Read(fsys, "ossec.conf")
	if err != nil {
		t.Fatal(err)
	}
	set, err := ruleset.Load(fsys, conf.Rules)
	var all *osxml.FaultError
	if set != nil || !errors.As(err, &all) {
		t.Fatalf("got %v, %v", set, err)
	}
	golden := filepath.Join("testdata", "faults.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(err.Error()+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, rerr := os.ReadFile(golden)
	if rerr != nil {
		t.Fatal(rerr)
	}
	if diff := cmp.Diff(string(want), err.Error()+"\n"); diff != "" {
		t.Error(diff)
	}
	if len(all.Faults) < 20 {
		t.Errorf("only %d faults", len(all.Faults))
	}
	hints := 0
	for _, f := range all.Faults {
		if _, err := os.Stat(filepath.Join("testdata/faults", f.Pos.File)); err != nil || f.Pos.Line == 0 && f.Pos.File != "rules/empty.xml" {
			t.Errorf("no place: %v", f)
		}
		if f.Hint != "" {
			hints++
		}
	}
	if hints*10 < len(all.Faults)*8 {
		t.Errorf("only %d of %d faults say the way out", hints, len(all.Faults))
	}
}

// A single fault is the only one that is told: nothing follows from it elsewhere.
func TestLoadOneFault(t *testing.T) {
	rule := func(text string) string { return `<group name="g,">` + base + text + `</group>` }
	for _, tt := range []struct{ name, decoders, rules, want string }{
		{"unclosed rule file", good, rule(`<rule id="10" level="1"><match>x</match></rule><!-- `), "rules/r.xml:1:"},
		{"rule file of comments", good, "<!-- x -->", "rules/r.xml: the file holds no group of rules"},
		{"broken decoder", good + `<decoder name="x"><prematch>a</premtch></decoder>`, rule(""), "decoder.xml:1:"},
		{"only decoder broken", `<decoder name="x"><prematch>a</premtch></decoder>`, rule(""), "decoder.xml:1:"},
		{"decoder file of comments", "<!-- x -->", rule(""), "decoder.xml: the file holds no decoder"},
		{"rule with a bad pattern has children", good, rule(`<rule id="10" level="1"><regex>(x</regex></rule><rule id="11" level="1"><if_sid>10</if_sid></rule>`),
			"rules/r.xml:1:"},
		{"long pattern of the third dialect", good, rule(`<rule id="10" level="1"><match>` + strings.Repeat("x", 2049) + `</match></rule>`), "rules/r.xml:1:"},
		{"decoder with a bad pattern has children", `<decoder name="x"><prematch>(</prematch></decoder>` + child, rule(""), "decoder.xml:1:"},
		{"decoder with a bad pattern is asked for", `<decoder name="x"><prematch>(</prematch></decoder>`,
			rule(`<rule id="10" level="1"><decoded_as>x</decoded_as></rule>`), "decoder.xml:1:"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := ruleset.Load(files("decoder.xml", tt.decoders, "rules/r.xml", tt.rules), config.Rules{})
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v\nwant one fault: %s…", err, tt.want)
			}
		})
	}
}
