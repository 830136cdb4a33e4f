package conformance_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"path/filepath"
	"reflect"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/yagura-hids/yagura/internal/analysis"
	"github.com/yagura-hids/yagura/internal/config"
	"github.com/yagura-hids/yagura/internal/ruleset"
)

// TestLanguage compares with what OSSEC's logtest said of rulesets that a program wrote at random, each with a log in order. They hold what
// the language has and the engine does as OSSEC does; docs/compatibility.md tells the rest. logtest was changed to treat ignore= and fts as
// its daemon and its manual do.
func TestLanguage(t *testing.T) {
	for _, file := range glob(t, "testdata/language/*.txtar") {
		t.Run(filepath.Base(file), func(t *testing.T) { languageCase(t, file) })
	}
}

func languageCase(t *testing.T, file string) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	fsys := fstest.MapFS{}
	for _, f := range archive.Files {
		fsys[f.Name] = &fstest.MapFile{Data: f.Data}
	}
	set, err := ruleset.Load(fsys, config.Rules{Lists: []string{"rules/l1"}})
	if err != nil {
		t.Fatal(err)
	}
	engine, state := newEngine(set), analysis.NewMemory(0)
	n := 0
	for lines := bufio.NewScanner(bytes.NewReader(fsys["events.jsonl"].Data)); lines.Scan(); {
		var want verdict
		if err := json.Unmarshal(lines.Bytes(), &want); err != nil {
			t.Fatal(err)
		}
		n++
		if got := judge(t, engine, state, n, want); !reflect.DeepEqual(got, want) {
			t.Errorf("event %d: %s\n got %s\nwant %s", n, want.Log, got, want)
		}
	}
	if n == 0 {
		t.Error("no event")
	}
}
