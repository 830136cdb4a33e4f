package conformance_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

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
	set, extended := wazuhSet(t, dir, ""), wazuhSet(t, dir, "tools/rules-testing/")
	var all, geoip share
	for _, file := range glob(t, filepath.Join(dir, "tools", "rules-testing", "tests", "*.ini")) {
		name := filepath.Base(file)
		use := set
		if strings.HasPrefix(name, "test_") {
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

// wazuhSet loads the ruleset; with more, also what lies in the decoders/ and rules/ there.
func wazuhSet(t *testing.T, dir, more string) *ruleset.Set {
	t.Helper()
	fsys, files, err := ruleset.Choose(rules.FS, dir)
	if err != nil {
		t.Fatal(err)
	}
	if more != "" {
		files.Decoders = append(files.Decoders, config.Include{Path: more + "decoders", Dir: true, Pattern: ".xml$"})
		files.Includes = append(files.Includes, config.Include{Path: more + "rules", Dir: true, Pattern: ".xml$"})
		files.Lists = append(files.Lists, noList) // which a rule there names, and which is not there
		fsys = withList{fsys}
	}
	set, err := ruleset.Load(fsys, files)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s%s: %d files, %d rules", dir, more, set.Files, len(set.Rules.Rules()))
	return set
}

const noList = "etc/lists/black_list"

// withList is a file system with an empty list.
type withList struct{ fs.FS }

func (f withList) Open(name string) (fs.File, error) {
	if name == noList {
		return fstest.MapFS{noList: {}}.Open(name)
	}
	return f.FS.Open(name)
}

// keys are the lines of a case that Wazuh's own runner looks at. It passes over what else stands there, such as logs' second lines.
var keys = regexp.MustCompile(`^(\[.*\]\s*$|log \S+ (pass|fail)\s*=|rule\s*=|alert\s*=|decoder\s*=)`)

func runCases(t *testing.T, set *ruleset.Set, file string) share {
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
	var n share
	for _, c := range cases {
		failures, err := ruletest.Run(set, analysis.Options{Server: "vm", LogLevel: 1}, c, map[int]bool{})
		if err != nil {
			t.Fatal(err)
		}
		n.logs += len(c.Logs)
		n.passed += len(c.Logs)
		for _, f := range failures {
			if f.Log.Fail && c.Decoder == "" { // for Wazuh's runner a case without a decoder fails whatever comes
				continue
			}
			n.passed--
			t.Log(f)
		}
	}
	return n
}
