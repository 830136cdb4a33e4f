package conformance_test

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/yagura-hids/yagura/internal/ruleset"
)

// diffs is where every difference is written: to NAME.diff, one file for each recording.
const diffs = "../../.cache/conformance"

// tally counts the lines of a recording, and which parts of them are equal.
type tally struct{ lines, left, decoder, fields, rule, level, alert int }

// shares are percents of lines that must be equal to OSSEC's.
type shares struct{ decoder, rule, level, fields float64 }

// A composite rule that fires one event early or late makes two lines differ, so lines in order are held to less.
var (
	leastSingle  = shares{decoder: 99.9, rule: 99.9, level: 99.9, fields: 99.5}
	leastInOrder = shares{rule: 99.5, level: 99.5}
)

func TestOSSEC(t *testing.T) {
	oracle, dir := os.Getenv("ORACLE"), os.Getenv("OSSEC_RULESET")
	if oracle == "" || dir == "" {
		t.Log("ORACLE and OSSEC_RULESET are not set: nothing to compare with")
		return
	}
	if err := os.MkdirAll(diffs, 0o755); err != nil {
		t.Fatal(err)
	}
	set := load(t, dir)
	fmt.Printf("%-34s %6s %8s %8s %8s %8s %8s %6s  %s\n", "recording", "lines", "decoder", "rule", "level", "fields", "alert", "left", "differences")
	for _, file := range glob(t, filepath.Join(oracle, "*.jsonl")) {
		compare(t, set, file)
	}
	fmt.Println("Shares of equal lines in percent. Lines are left out of rule, level and alert if our rule is of a file behind all those whose rules the\n" +
		"recording names: it was made without that file. NAME.diff has them, too.")
}

// compare runs a recording through the engine, prints a line of the table, and writes what differs.
func compare(t *testing.T, set *ruleset.Set, file string) {
	t.Helper()
	name := strings.TrimSuffix(filepath.Base(file), ".jsonl")
	without := missing(t, set, file)
	var n tally
	var diff bytes.Buffer
	replay(t, newEngine(set), file, func(number int, want, got verdict) {
		left := got.Rule != want.Rule && got.Rule != 0 && without[set.Rules.Rule(got.Rule).Pos.File]
		if equal := n.add(want, got, left); !equal {
			note := ""
			if left {
				note = " (left out)"
			}
			fmt.Fprintf(&diff, "line %d%s: %s\n\twant %s\n\tgot  %s\n", number, note, want.Log, want, got)
		}
	})
	path := filepath.Join(diffs, name+".diff")
	if err := os.WriteFile(path, diff.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	got, told := n.shares(), "none"
	if diff.Len() > 0 {
		told = filepath.Clean(strings.TrimPrefix(path, "../../"))
	}
	fmt.Printf("%-34s %6d %8.2f %8.2f %8.2f %8.2f %8.2f %6d  %s\n", name, n.lines, got.decoder, got.rule, got.level, got.fields,
		percent(n.alert, n.lines-n.left), n.left, told)
	least := leastSingle
	if inOrder(file) {
		least = leastInOrder
	}
	if got.decoder < least.decoder || got.rule < least.rule || got.level < least.level || got.fields < least.fields {
		t.Errorf("%s: want equal at least %+v percent of the lines, have %+v: see %s", name, least, got, told)
	}
}

// missing finds the rule files that a recording was made without: those that are read behind the last one of whose rules it names one.
func missing(t *testing.T, set *ruleset.Set, file string) map[string]bool {
	t.Helper()
	named := map[string]bool{}
	for _, v := range read(t, file) {
		for _, id := range append(v.Matched, v.Rule) {
			if r := set.Rules.Rule(id); r != nil {
				named[r.Pos.File] = true
			}
		}
	}
	var behind []string
	for _, r := range set.Rules.Rules() {
		if named[r.Pos.File] {
			behind = nil
		} else {
			behind = append(behind, r.Pos.File)
		}
	}
	without := map[string]bool{}
	for _, name := range behind {
		without[name] = true
	}
	return without
}

// add counts a line and tells whether all of it is equal.
func (n *tally) add(want, got verdict, left bool) (equal bool) {
	n.lines++
	equal = true
	count := func(part *int, same bool) {
		equal = equal && same
		if same {
			*part++
		}
	}
	count(&n.decoder, want.Decoder == got.Decoder)
	count(&n.fields, maps.Equal(want.Fields, got.Fields))
	if left {
		n.left++
		return false
	}
	count(&n.rule, want.Rule == got.Rule)
	count(&n.level, want.Level == got.Level)
	count(&n.alert, want.Alert == got.Alert)
	return equal
}

func (n *tally) shares() shares {
	judged := n.lines - n.left
	return shares{percent(n.decoder, n.lines), percent(n.rule, judged), percent(n.level, judged), percent(n.fields, n.lines)}
}

func percent(count, of int) float64 { return 100 * float64(count) / float64(max(of, 1)) }

// String is the verdict in one line.
func (v verdict) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "decoder %q rule %d level %d alert %t", v.Decoder, v.Rule, v.Level, v.Alert)
	for _, name := range slices.Sorted(maps.Keys(v.Fields)) {
		fmt.Fprintf(&b, " %s=%q", name, v.Fields[name])
	}
	return b.String()
}
