package logtest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/yagura-hids/yagura/internal/analysis"
	"github.com/yagura-hids/yagura/internal/config"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/logtest"
	"github.com/yagura-hids/yagura/internal/ruleset"
)

var update = flag.Bool("update", false, "write the golden files anew")

const decoders = `
<decoder name="gate"><program_name>^gate$</program_name></decoder>
<decoder name="gate-entry">
  <parent>gate</parent>
  <prematch offset="after_parent">^entry </prematch>
  <regex offset="after_prematch">^by (\w+) from (\S+) over (\w+) at (\w+) in (\w+)</regex>
  <order>user, srcip, protocol, system_name, room</order>
</decoder>
<decoder name="gate-own">
  <parent>gate</parent>
  <use_own_name>true</use_own_name>
  <regex offset="after_parent">^badge (\d+)</regex>
  <order>id</order>
</decoder>
`

const doors = `<group name="gates,">
  <rule id="1" level="0" noalert="1"><category>syslog</category><description>Top.</description></rule>
  <rule id="10" level="0" noalert="1"><decoded_as>gate</decoded_as><description>Gates, grouped.</description></rule>
  <rule id="11" level="5"><if_sid>10</if_sid><match>^entry</match><description>Someone came in &lt;by a gate&gt;.</description>
    <group>entry,</group>
    <info>See the book.</info><info type="link">https://example.com/gates</info><info type="cve">CVE-2024-1</info><info type="osvdb">1</info></rule>
  <rule id="12" level="9" frequency="0" timeframe="60"><if_matched_sid>11</if_matched_sid><same_source_ip/><description>Again.</description></rule>
  <rule id="13" level="0"><match>nothing to see</match><description>Not worth a word.</description></rule>
  <rule id="14" level="7"><match>silent</match><options>no_log</options><description>Kept silent.</description></rule>
</group>`

func set(t testing.TB) *ruleset.Set {
	t.Helper()
	s, err := ruleset.Load(fstest.MapFS{"decoder.xml": {Data: []byte(decoders)}, "rules/doors.xml": {Data: []byte(doors)}}, config.Rules{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func options() logtest.Options {
	return logtest.Options{
		Analysis: analysis.Options{Server: "vm", LogLevel: 1, MailLevel: 7},
		Now:      func() time.Time { return time.Date(2024, 1, 1, 10, 0, 0, 0, time.UTC) },
	}
}

func run(t testing.TB, opts logtest.Options, in string) (string, logtest.Outcome) {
	t.Helper()
	var out bytes.Buffer
	got, err := logtest.Run(set(t), opts, strings.NewReader(in), &out)
	if err != nil {
		t.Fatal(err)
	}
	return out.String(), got
}

const (
	entry = "Jan  2 03:04:05 web1 gate[7]: entry by joe from 192.0.2.1 over UDP at north in hall <main> & yard"
	lines = entry + "\n" + entry + "\r\n" +
		"\nx\n" + // too short for OSSEC, too
		"Jan  2 03:04:05 web1 gate: badge 4711\n" +
		"Jan  2 03:04:05 web1 clock: it is late\n" +
		"no header, nothing to see\n" +
		"silent"
)

// The three phases, the trace of -v and the JSON lines are as their golden files say.
func TestRun(t *testing.T) {
	for _, tt := range []struct {
		golden string
		change func(*logtest.Options)
	}{
		{"phases", func(*logtest.Options) {}},
		{"verbose", func(o *logtest.Options) { o.Verbose = true }},
		{"json", func(o *logtest.Options) { o.JSON = true }},
		{"json", func(o *logtest.Options) { o.JSON, o.Verbose = true, true }},
		{"explain", func(o *logtest.Options) { o.Explain = true }},
		{"explain-json", func(o *logtest.Options) { o.Explain, o.JSON = true, true }},
	} {
		t.Run(tt.golden, func(t *testing.T) {
			opts := options()
			tt.change(&opts)
			got, outcome := run(t, opts, lines)
			path := filepath.Join("testdata", tt.golden+".golden")
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Error(diff)
			}
			if want := (logtest.Outcome{Lines: 6, Rule: "14", Level: "7"}); outcome != want {
				t.Errorf("outcome %+v, want %+v", outcome, want)
			}
		})
	}
}

// verdict is what a line of JSON says, as its readers know it.
type verdict struct {
	Log, Hostname, Prelog string
	Program               *string `json:"program_name"`
	Decoder               *string
	Fields                map[string]string
	Rule, Level           *int
	Alert                 bool
}

// verdicts returns the rule of each line of JSON, 0 for none.
func verdicts(t *testing.T, out string) []int {
	t.Helper()
	var ids []int
	for line := range strings.Lines(out) {
		var v verdict
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		id := 0
		if v.Rule != nil {
			id = *v.Rule
		}
		ids = append(ids, id)
	}
	return ids
}

// A message's priority is what its fields tell.
func TestRunPriority(t *testing.T) {
	opts := options()
	opts.JSONLines = true
	out, _ := run(t, opts, `{"log":"hello","priority":34}`+"\n")
	if !strings.Contains(out, "facility: 'auth'\n") || !strings.Contains(out, "severity: 'crit'\n") {
		t.Error(out)
	}
}

// t is the event's time: the composite rule sees it.
func TestRunJSONLines(t *testing.T) {
	line := func(at string) string {
		text, err := json.Marshal(entry)
		if err != nil {
			t.Fatal(err)
		}
		return `{"log": ` + string(text) + at + "}\n"
	}
	for _, tt := range []struct {
		name     string
		in       string
		isolated bool
		want     []int
	}{
		{"in one second", line(`,"t":100`) + line(`,"t":100`), false, []int{11, 12}},
		{"in the timeframe", line(`,"t":100`) + line(`,"t":160.9`), false, []int{11, 12}},
		{"beyond it", line(`,"t":100`) + line(`,"t":161`), false, []int{11, 11}},
		{"now, without t", line("") + line(`,"t":null`), false, []int{11, 12}},
		{"isolated", line(`,"t":100`) + line(`,"t":100`), true, []int{11, 11}},
		{"other keys", line(`,"n":1,"rule":5`), false, []int{11}},
		{"an empty log", `{"log":""}`, false, []int{0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			opts := options()
			opts.JSON, opts.JSONLines, opts.Isolated = true, true, tt.isolated
			out, _ := run(t, opts, tt.in)
			if diff := cmp.Diff(tt.want, verdicts(t, out)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRunStops(t *testing.T) {
	opts := options()
	opts.JSON = true
	opts.Stop = func(o logtest.Outcome) bool { return o.Rule == "" }
	out, got := run(t, opts, entry+"\n"+"nothing known\n"+entry+"\n")
	if want := (logtest.Outcome{Lines: 2}); got != want || len(verdicts(t, out)) != 2 {
		t.Errorf("outcome %+v, want %+v; wrote\n%s", got, want, out)
	}
}

func TestRunErrors(t *testing.T) {
	broken := errors.New("the pipe broke")
	for _, tt := range []struct {
		name string
		json bool
		in   io.Reader
		out  io.Writer
		want string
		done int
	}{
		{"no JSON", true, strings.NewReader(`{"log":"silent"}` + "\n{x\n"), io.Discard, `line 2: want {"log": "…", "t": seconds}: invalid character 'x'`, 1},
		{"t is a word", true, strings.NewReader(`{"log":"silent","t":"now"}`), io.Discard, `line 1: want {"log": "…", "t": seconds}: json: cannot unmarshal string`, 0},
		{"no log", true, strings.NewReader(`{"t":1}`), io.Discard, `line 1: the object has no "log"`, 0},
		{"a high priority", true, strings.NewReader(`{"log":"silent","priority":192}`), io.Discard, `line 1: "priority": want the number of a PRI, 0 to 191, not 192`, 0},
		{"a priority below 0", true, strings.NewReader(`{"log":"silent","priority":-1}`), io.Discard, `line 1: "priority": want the number`, 0},
		{"no object", true, strings.NewReader("null"), io.Discard, `line 1: the object has no "log"`, 0},
		{"broken input", false, io.MultiReader(strings.NewReader("silent\n"), iotest.ErrReader(broken)), io.Discard, "the pipe broke", 1},
		{"broken output", false, strings.NewReader("silent\n"), brokenWriter{broken}, "the pipe broke", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			opts := options()
			opts.JSONLines = tt.json
			got, err := logtest.Run(set(t), opts, tt.in, tt.out)
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) || got.Lines != tt.done {
				t.Errorf("got %v after %d lines, want %s… after %d", err, got.Lines, tt.want, tt.done)
			}
		})
	}
}

type brokenWriter struct{ err error }

func (w brokenWriter) Write([]byte) (int, error) { return 0, w.err }

// A verdict is out before the next line is asked for: someone may be typing.
func TestRunAnswersAtOnce(t *testing.T) {
	in, typed := io.Pipe()
	shown, out := io.Pipe()
	opts := options()
	opts.JSON = true
	done := make(chan error)
	go func() {
		_, err := logtest.Run(set(t), opts, in, out)
		done <- errors.Join(err, out.Close())
	}()
	answers := json.NewDecoder(shown)
	for range 3 {
		if _, err := io.WriteString(typed, "silent\n"); err != nil {
			t.Fatal(err)
		}
		var v verdict
		if err := answers.Decode(&v); err != nil || v.Log != "silent" {
			t.Fatalf("%+v, %v", v, err)
		}
	}
	typed.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Lines that no log should hold are judged like others; long ones are cut.
func TestRunOddLines(t *testing.T) {
	opts := options()
	opts.JSON = true
	in := strings.Join([]string{"\xff\xfe\x00\x01binary", strings.Repeat("x", 10<<20), "\x1b[31mred", "é" + strings.Repeat("\t", 99)}, "\n")
	out, got := run(t, opts, in)
	if got.Lines != 4 || len(verdicts(t, out)) != 4 {
		t.Fatalf("%+v", got)
	}
	for line := range strings.Lines(out) {
		var v verdict
		if err := json.Unmarshal([]byte(line), &v); err != nil || len(v.Log) > event.MaxText || v.Hostname == "" {
			t.Errorf("%d bytes of log, host %q: %v", len(v.Log), v.Hostname, err)
		}
	}
}

func BenchmarkRun(b *testing.B) {
	s, opts, in := set(b), options(), strings.Repeat(entry+"\n", 100)
	opts.JSON, opts.Isolated = true, true
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		if _, err := logtest.Run(s, opts, strings.NewReader(in), io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}
