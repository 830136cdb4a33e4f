package conformance_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/yagura-hids/yagura/internal/analysis"
	"github.com/yagura-hids/yagura/internal/ruletest"
)

// leastDecoders is the share, in percent, of the logs in Wazuh's own test cases that must come to the decoder they name.
const leastDecoders = 97

// TestWazuhDecoders compares the decoders alone, in the same place and with the same sets as TestWazuh. All of their files must load.
func TestWazuhDecoders(t *testing.T) {
	dir := os.Getenv("WAZUH_RULESET")
	if dir == "" {
		t.Log("WAZUH_RULESET is not set: nothing to compare with")
		return
	}
	engine := analysis.New(wazuhSet(t, dir, ""), analysis.Options{Server: "vm"})
	extended := analysis.New(wazuhSet(t, dir, "tools/rules-testing/"), analysis.Options{Server: "vm"})
	var all share
	for _, file := range glob(t, filepath.Join(dir, "tools", "rules-testing", "tests", "*.ini")) {
		use := engine
		if strings.HasPrefix(filepath.Base(file), "test_") {
			use = extended
		}
		for _, c := range wazuhCases(t, file) {
			all.add(compareDecoder(t, use, c))
		}
	}
	t.Logf("%d of %d logs come to their decoder, %.2f %%", all.passed, all.logs, all.percent())
	if all.percent() < leastDecoders {
		t.Errorf("want %d %%", leastDecoders)
	}
}

func compareDecoder(t *testing.T, engine *analysis.Engine, c ruletest.Case) share {
	t.Helper()
	var n share
	if c.Decoder == "" {
		return n
	}
	for _, l := range c.Logs {
		if l.Fail { // a fail log may name a decoder that it must not reach
			continue
		}
		for i, part := range slices.Concat(l.Before, []ruletest.Log{l}) {
			got := judge(t, engine, analysis.NewMemory(0), i+1, verdict{Log: part.Text})
			n.logs++
			if strings.EqualFold(got.Decoder, c.Decoder) {
				n.passed++
			} else {
				t.Logf("%s: decoder %q, want %q: %s", l.Pos, got.Decoder, c.Decoder, part.Text)
			}
		}
	}
	return n
}
