package logcollector_test

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/yagura-hids/yagura/agent/logcollector"
	"github.com/yagura-hids/yagura/internal/event"
)

// commander is a collector of commands whose clock stands still until it is told otherwise.
type commander struct {
	t       *testing.T
	c       *Collector
	wake    chan time.Time
	reports []string
	saved   Positions
}

func command(format, text string) Source { return Source{Format: format, Command: text} }

func (k *commander) start(now time.Time, sources ...Source) {
	k.t.Helper()
	k.wake = make(chan time.Time, 1)
	c, err := New(sources, k.saved, Options{
		Now: func() time.Time { return now }, Wake: k.wake, Report: func(msg string) { k.reports = append(k.reports, msg) },
	})
	if err != nil {
		k.t.Fatal(err)
	}
	k.c = c
	k.t.Cleanup(func() { _ = c.Close() })
}

// next returns the next batch, which is there soon or not at all.
func (k *commander) next() Batch {
	k.t.Helper()
	ctx, cancel := context.WithTimeout(k.t.Context(), 10*time.Second)
	defer cancel()
	b, err := k.c.Next(ctx, 1000)
	if err != nil {
		k.t.Fatal(err)
	}
	text, err := json.Marshal(b.Positions)
	if err != nil {
		k.t.Fatal(err)
	}
	k.saved = Positions{}
	if err := json.Unmarshal(text, &k.saved); err != nil {
		k.t.Fatal(err)
	}
	return b
}

func texts(b Batch) (out []string) {
	for _, l := range b.Lines {
		out = append(out, l.Text)
	}
	return out
}

func TestCommand(t *testing.T) {
	tests := []struct {
		source   Source
		location string
		want     []string
	}{
		{command("command", `printf 'a\n\nb\r\n'`), `printf 'a\n\nb\r\n'`,
			[]string{`ossec: output: 'printf 'a\n\nb\r\n'': a`, `ossec: output: 'printf 'a\n\nb\r\n'': `, `ossec: output: 'printf 'a\n\nb\r\n'': b`}},
		{Source{Format: "command", Command: "echo x", Alias: "disk: all"}, `disk\ all`, []string{`ossec: output: 'disk\ all': x`}},
		{Source{Format: "full_command", Command: `printf 'a\r\n\n\nb\n'`, Alias: "ab"}, "ab", []string{"ossec: output: 'ab':\na\nb"}},
		{command("command", "true"), "", nil},
		{command("full_command", "true"), "", nil},
	}
	for _, tt := range tests {
		k := &commander{t: t}
		k.start(time.Unix(1_795_600_000, 0), tt.source)
		b := k.next()
		if !slices.Equal(texts(b), tt.want) {
			t.Errorf("%s: got %q, want %q", tt.source.Command, texts(b), tt.want)
		}
		for _, l := range b.Lines {
			if l.Kind != event.Command || l.Location != tt.location {
				t.Errorf("%s: kind %v, location %q", tt.source.Command, l.Kind, l.Location)
			}
		}
	}
}

// A command runs when it is due, also over a restart, and not because of one.
func TestCommandTimes(t *testing.T) {
	at := time.Unix(1_795_600_000, 0)
	source := Source{Format: "command", Command: "echo x", Every: time.Hour}
	k := &commander{t: t}
	k.start(at, source)
	k.next()
	for _, step := range []struct {
		later time.Duration
		runs  bool
	}{{time.Minute, false}, {time.Hour - 1, false}, {time.Hour, true}, {90 * time.Minute, false}, {-time.Minute, true}} {
		_ = k.c.Close()
		k.start(at.Add(step.later), source)
		if got := k.c.CommandRuns(); got != step.runs {
			t.Errorf("%v later: runs %v, want %v", step.later, got, step.runs)
		}
		if step.runs {
			k.next()
		}
	}
}

func TestCommandTrouble(t *testing.T) {
	at := time.Unix(1_795_600_000, 0)
	dir := t.TempDir()
	k := &commander{t: t}
	run := func(s Source) Batch {
		at = at.Add(time.Hour)
		if k.c != nil {
			_ = k.c.Close()
		}
		k.start(at, s)
		return k.next()
	}
	// The grandchild holds the output, and is killed with its group.
	mark := dir + "/alive"
	b := run(Source{Format: "command", Command: "echo x; (while :; do touch " + mark + "; sleep 0.01; done) & wait", Every: 300 * time.Millisecond})
	if got := len(b.Lines); got != 1 {
		t.Errorf("%d lines before the time limit", got)
	}
	if err := os.Remove(mark); err != nil {
		t.Fatal(err)
	}
	again := run(command("command", "yes | head -c 2000000"))
	if n := len(again.Lines); n != 1<<19 {
		t.Errorf("%d lines of endless output", n)
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("what the command started goes on after it was stopped")
	}
	run(command("command", "no-such-program"))
	want := []string{"stopped after 300ms", "more than 1048576 bytes", "not found"}
	if len(k.reports) != len(want) {
		t.Fatalf("reports: %q", k.reports)
	}
	for i, w := range want {
		if !strings.Contains(k.reports[i], w) {
			t.Errorf("report %d: %q, want %q", i, k.reports[i], w)
		}
	}
}

// A hanging command holds up nothing.
func TestCommandParallel(t *testing.T) {
	o := newOwner(t, syslog("log"))
	o.sources = append(o.sources, command("command", "sleep 50"))
	o.start().append("log", "1\n")
	o.run()
	o.want("1")
	if !o.c.CommandRuns() {
		t.Error("the command does not run")
	}
}

// A command that fails each time is told of once.
func TestCommandReportsChanges(t *testing.T) {
	fail := t.TempDir() + "/fail"
	at := time.Unix(1_795_600_000, 0)
	wake := make(chan time.Time)
	var reports []string
	c, err := New([]Source{command("command", "test ! -e "+fail)}, Positions{}, Options{
		Now: func() time.Time { at = at.Add(time.Hour); return at }, Wake: wake, Report: func(m string) { reports = append(reports, m) },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, failing := range []bool{false, true, true, false, false} {
		if failing {
			err = os.WriteFile(fail, nil, 0o600)
		} else {
			err = os.RemoveAll(fail)
		}
		if err != nil {
			t.Fatal(err)
		}
		for c.CommandRuns() { // begun before the file came or went
			if _, err := c.Next(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
		}
		c.Step(1)
		for c.CommandRuns() {
			if _, err := c.Next(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(reports) != 2 || !strings.Contains(reports[0], "exit status 1") || !strings.Contains(reports[1], "works again") {
		t.Errorf("reports: %q", reports)
	}
}
