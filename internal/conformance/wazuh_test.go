package conformance_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/yagura-hids/yagura/internal/analysis"
	"github.com/yagura-hids/yagura/internal/config"
	"github.com/yagura-hids/yagura/internal/ruleset"
	"github.com/yagura-hids/yagura/internal/ruletest"
	"github.com/yagura-hids/yagura/rules"
)

// leastWazuh is the share, in percent, of the logs in Wazuh's own test cases whose verdict must be the one they name.
const leastWazuh = 97

// TestWazuh runs the cases that Wazuh's ruleset brings, in place. Those named test_* have decoders and rules of their own, read in addition;
// those named *_geoip want a GeoIP database, which Yagura has not, and are counted apart.
func TestWazuh(t *testing.T) {
	dir := os.Getenv("WAZUH_RULESET")
	if dir == "" {
		t.Log("WAZUH_RULESET is not set: nothing to compare with")
		return
	}
	cases, more, own := "tools/rules-testing/tests", "tools/rules-testing", "test_"
	if _, err := os.Stat(filepath.Join(dir, cases)); err != nil { // as Wazuh's own repository has them since 4.3: for all cases
		cases, more, own = "ruleset/testing/tests", "ruleset/testing/ruleset", ""
	}
	set, extended := wazuhSet(t, dir, ""), wazuhSet(t, dir, more)
	var all, geoip share
	for _, file := range glob(t, filepath.Join(dir, cases, "*.ini")) {
		name := filepath.Base(file)
		use := set
		if strings.HasPrefix(name, own) {
			use = extended
		}
		n := runCases(t, use, file)
		t.Logf("%-32s %4d passed %4d failed", name, n.passed, n.logs-n.passed)
		if strings.HasSuffix(name, "_geoip.ini") {
			geoip.add(n)
		} else {
			all.add(n)
		}
	}
	t.Logf("%d of %d logs pass, %.2f %%; of those that want GeoIP %d of %d", all.passed, all.logs, all.percent(), geoip.passed, geoip.logs)
	if all.percent() < leastWazuh {
		t.Errorf("want %d %%", leastWazuh)
	}
}

// share counts logs, and those with the verdict that was wanted.
type share struct{ logs, passed int }

func (s *share) add(other share) { s.logs, s.passed = s.logs+other.logs, s.passed+other.passed }

func (s *share) percent() float64 { return 100 * float64(s.passed) / float64(max(s.logs, 1)) }

// wazuhSet loads the ruleset; with more, also the decoders and rules that lie there.
func wazuhSet(t *testing.T, dir, more string) *ruleset.Set {
	t.Helper()
	fsys, files, err := ruleset.Choose(rules.FS, dir)
	if err != nil {
		t.Fatal(err)
	}
	if more != "" {
		for _, sub := range []string{"", "/decoders", "/rules"} {
			files.Decoders = append(files.Decoders, config.Include{Path: more + sub, Dir: true, Pattern: "decoders.xml$"})
			files.Includes = append(files.Includes, config.Include{Path: more + sub, Dir: true, Pattern: "rules.xml$"})
		}
	}
	set, err := ruleset.Load(windowsAsJSON{fsys}, files)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s %s: %d files, %d rules", dir, more, set.Files, len(set.Rules.Rules()))
	if err := set.Warnings(); err != nil && more == "" { // of the others most are what they test
		t.Log(err)
	}
	return set
}

// windowsAsJSON is Wazuh's files with rule 60000 as its runner changes it: for Windows' events as JSON, not as they come from an agent.
type windowsAsJSON struct{ fs.FS }

func (w windowsAsJSON) ReadFile(name string) ([]byte, error) {
	src, err := fs.ReadFile(w.FS, name)
	if filepath.Base(name) == "0575-win-base_rules.xml" {
		src = regexp.MustCompile(`(<category>ossec</category>\s*)?<decoded_as>windows_eventchannel</decoded_as>`).ReplaceAll(src, []byte("<decoded_as>json</decoded_as>"))
	}
	return src, err
}

// keys are the lines of a case that Wazuh's own runner looks at. It passes over what else stands there, such as logs' second lines.
var keys = regexp.MustCompile(`^(\[.*\]\s*$|log \S+ (pass|fail)\s*=|rule\s*=|alert\s*=|decoder\s*=)`)

func wazuhCases(t *testing.T, file string) []ruletest.Case {
	t.Helper()
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var kept bytes.Buffer
	for line := range bytes.Lines(src) {
		if !keys.Match(line) {
			line = []byte("\n")
		}
		kept.Write(line)
	}
	cases, err := ruletest.Parse(filepath.Base(file), &kept)
	if err != nil { // such as a section whose logs are all misspelt, which Wazuh's runner passes over
		t.Log(err)
	}
	return cases
}

func runCases(t *testing.T, set *ruleset.Set, file string) share {
	t.Helper()
	var n share
	for _, c := range wazuhCases(t, file) {
		outcomes, err := ruletest.Run(set, analysis.Options{Server: "vm", LogLevel: 1}, c, map[int]bool{})
		if err != nil {
			t.Fatal(err)
		}
		n.logs += len(c.Logs)
		n.passed += len(c.Logs)
		for _, o := range outcomes {
			if o.OK || o.Log.Fail && (c.Rule == "" || c.Decoder == "") { // for Wazuh's runner such a case fails whatever comes
				continue
			}
			n.passed--
			t.Log(o)
		}
	}
	return n
}
