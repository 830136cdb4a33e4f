package conformance_test

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/internal/analysis"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/ruleset"
	"github.com/yagura-hids/yagura/rules"
)

// isolatedTime is the time of lines that were recorded without one.
const isolatedTime = 1793577600

// verdict is what a recording says of a line, and what the engine does.
type verdict struct {
	Time    int64             `json:"t,omitempty"`
	Log     string            `json:"log"`
	Decoder string            `json:"decoder,omitempty"`
	Fields  map[string]string `json:"fields,omitempty"`
	Rule    int               `json:"rule,omitempty"`
	Level   int               `json:"level,omitempty"`
	Alert   bool              `json:"alert,omitempty"`
}

// tally counts equal lines of a file.
type tally struct{ lines, decoder, rule, level, fields, alert int }

// add counts a line and tells whether all of it is equal.
func (n *tally) add(want, got verdict) (all bool) {
	n.lines++
	all = true
	for _, part := range []struct {
		count *int
		same  bool
	}{
		{&n.decoder, want.Decoder == got.Decoder}, {&n.rule, want.Rule == got.Rule}, {&n.level, want.Level == got.Level},
		{&n.fields, maps.Equal(want.Fields, got.Fields)}, {&n.alert, want.Alert == got.Alert},
	} {
		if part.same {
			*part.count++
		}
		all = all && part.same
	}
	return all
}

func (n *tally) percent(count int) float64 { return 100 * float64(count) / float64(max(n.lines, 1)) }

var update = flag.Bool("update", false, "write testdata anew with what our rules say now")

func TestOwnRules(t *testing.T) {
	files := glob(t, "testdata/*.jsonl")
	engine := newEngine(t, "")
	for _, file := range files {
		if *update {
			rewrite(t, engine, file)
		}
		n := compare(t, engine, file, func(want, got verdict) {
			t.Errorf("%s: %s\n got %+v\nwant %+v", file, want.Log, got, want)
		})
		if n.lines == 0 {
			t.Errorf("%s holds no line", file)
		}
	}
}

// rewrite keeps a recording's lines and times, and puts in what the engine says of them.
func rewrite(t *testing.T, engine *analysis.Engine, file string) {
	t.Helper()
	var out bytes.Buffer
	lines := json.NewEncoder(&out)
	lines.SetEscapeHTML(false)
	replay(t, engine, file, func(_, got verdict) {
		if err := lines.Encode(got); err != nil {
			t.Fatal(err)
		}
	})
	if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// leastEqual is the share, in percent, of lines whose rule and level must equal OSSEC's.
var leastEqual = map[string]float64{"seq-logtime-OpenSSH_2k.jsonl": 99.5}

func TestOSSEC(t *testing.T) {
	oracle, set := os.Getenv("ORACLE"), os.Getenv("OSSEC_RULESET")
	if oracle == "" || set == "" {
		t.Log("ORACLE and OSSEC_RULESET are not set: nothing to compare with")
		return
	}
	out := io.Discard
	if name := os.Getenv("CONFORMANCE_OUT"); name != "" {
		f, err := os.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		out = f
	}
	engine := newEngine(t, set)
	t.Logf("%-36s %6s %8s %8s %8s %8s %8s", "file", "lines", "decoder", "rule", "level", "fields", "alert")
	for _, file := range glob(t, filepath.Join(oracle, "*.jsonl")) {
		name := filepath.Base(file)
		n := compare(t, engine, file, func(want, got verdict) { report(t, out, name, want, got) })
		t.Logf("%-36s %6d %8.2f %8.2f %8.2f %8.2f %8.2f", name, n.lines, n.percent(n.decoder), n.percent(n.rule), n.percent(n.level),
			n.percent(n.fields), n.percent(n.alert))
		if least := leastEqual[name]; n.percent(min(n.rule, n.level)) < least {
			t.Errorf("%s: want rule and level equal on %.1f %%", name, least)
		}
	}
}

func report(t *testing.T, out io.Writer, file string, want, got verdict) {
	t.Helper()
	line, err := json.Marshal(map[string]any{"file": file, "want": want, "got": got})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(out, "%s\n", line); err != nil {
		t.Fatal(err)
	}
}

// compare runs a recording through the engine and tells of every line that came out differently.
func compare(t *testing.T, engine *analysis.Engine, file string, differs func(want, got verdict)) tally {
	t.Helper()
	var n tally
	replay(t, engine, file, func(want, got verdict) {
		if !n.add(want, got) {
			differs(want, got)
		}
	})
	return n
}

// replay runs a recording through the engine and tells what came of each line.
func replay(t *testing.T, engine *analysis.Engine, file string, each func(want, got verdict)) {
	t.Helper()
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	inOrder := strings.HasPrefix(filepath.Base(file), "seq-")
	state := analysis.NewMemory(0)
	lines := bufio.NewScanner(bytes.NewReader(src))
	lines.Buffer(nil, 1<<20)
	for number := 1; lines.Scan(); number++ {
		var want verdict
		if err := json.Unmarshal(lines.Bytes(), &want); err != nil {
			t.Fatalf("%s:%d: %v", file, number, err)
		}
		if !inOrder {
			state = analysis.NewMemory(0)
		}
		each(want, judge(t, engine, state, number, want))
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
}

// systemName is the recording's word for one field.
var systemName = strings.NewReplacer("system_name", "systemname")

func judge(t *testing.T, engine *analysis.Engine, state analysis.State, number int, line verdict) verdict {
	t.Helper()
	v, err := engine.Analyze(&event.Event{
		ID: event.ID{Agent: "vm", Seq: uint64(number)}, Time: time.Unix(cmp.Or(line.Time, isolatedTime), 0).UTC(), Location: "stdin", Text: line.Log,
	}, state)
	if err != nil {
		t.Fatal(err)
	}
	got := verdict{Time: line.Time, Log: line.Log, Decoder: v.Decoded.Decoder, Alert: v.Alert != nil}
	for f := range event.NumFields {
		if value, ok := v.Decoded.Get(f); ok {
			got.set(systemName.Replace(f.String()), value)
		}
	}
	for _, d := range v.Decoded.Dynamics() {
		got.set(d.Name, d.Value)
	}
	if v.Rule != nil {
		got.Rule, got.Level = v.Rule.ID, v.Rule.Level
	}
	return got
}

func (v *verdict) set(name, value string) {
	if v.Fields == nil {
		v.Fields = map[string]string{}
	}
	v.Fields[name] = value
}

func newEngine(t *testing.T, dir string) *analysis.Engine {
	t.Helper()
	fsys, files, err := ruleset.Choose(rules.FS, dir)
	if err != nil {
		t.Fatal(err)
	}
	set, err := ruleset.Load(fsys, files)
	if err != nil {
		t.Fatal(err)
	}
	return analysis.New(set, analysis.Options{Server: "vm", LogLevel: 1, MailLevel: 7})
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no file matches %s (%v)", pattern, err)
	}
	return files
}
