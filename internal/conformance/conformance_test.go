package conformance_test

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
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
	Matched []int             `json:"matched,omitempty"` // the rules that held on the way; only recordings say them
}

var update = flag.Bool("update", false, "write testdata anew with what our rules say now")

func TestOwnRules(t *testing.T) {
	files := glob(t, "testdata/*.jsonl")
	engine := newEngine(load(t, ""))
	for _, file := range files {
		if *update {
			rewrite(t, engine, file)
		}
		lines := 0
		replay(t, engine, file, func(_ int, want, got verdict) {
			lines++
			if want.Matched = nil; !reflect.DeepEqual(want, got) {
				t.Errorf("%s: %s\n got %+v\nwant %+v", file, want.Log, got, want)
			}
		})
		if lines == 0 {
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
	replay(t, engine, file, func(_ int, _, got verdict) {
		if err := lines.Encode(got); err != nil {
			t.Fatal(err)
		}
	})
	if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// replay runs a recording through the engine and tells what came of each line.
func replay(t *testing.T, engine *analysis.Engine, file string, each func(number int, want, got verdict)) {
	t.Helper()
	state := analysis.NewMemory(0)
	for i, want := range read(t, file) {
		if !inOrder(file) {
			state = analysis.NewMemory(0)
		}
		each(i+1, want, judge(t, engine, state, i+1, want))
	}
}

func read(t *testing.T, file string) []verdict {
	t.Helper()
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var list []verdict
	lines := bufio.NewScanner(bytes.NewReader(src))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var v verdict
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatalf("%s:%d: %v", file, len(list)+1, err)
		}
		list = append(list, v)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}

// inOrder tells whether a recording's lines went through one process.
func inOrder(file string) bool { return strings.HasPrefix(filepath.Base(file), "seq-") }

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

func load(t *testing.T, dir string) *ruleset.Set {
	t.Helper()
	fsys, files, err := ruleset.Choose(rules.FS, dir)
	if err != nil {
		t.Fatal(err)
	}
	set, err := ruleset.Load(fsys, files)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func newEngine(set *ruleset.Set) *analysis.Engine {
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
