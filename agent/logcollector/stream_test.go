package logcollector_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	. "github.com/yagura-hids/yagura/agent/logcollector"
)

// script writes a shell script that stands for journalctl, and returns its path.
func script(t *testing.T, dir, body string) string {
	t.Helper()
	path := filepath.Join(dir, "journalctl")
	if err := os.WriteFile(path, []byte("#!/bin/sh\ncd '"+dir+"'\n"+body), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestJournalRestarts: journalctl gives an entry, then ends; it is started again behind that entry, but not at once.
func TestJournalRestarts(t *testing.T) {
	dir := t.TempDir()
	fake := script(t, dir, `
n=$(cat n 2>/dev/null || echo 0); n=$((n+1)); echo $n >n; echo "$@" >>args
echo "{\"__CURSOR\":\"c$n\",\"__REALTIME_TIMESTAMP\":\"1795600000000000\",\"_HOSTNAME\":\"h\",\"SYSLOG_IDENTIFIER\":\"a\",\"MESSAGE\":\"run $n\"}"
echo 'not JSON'
printf '{"__CURSOR":"half","MESS'
echo 'no journal today' >&2; exit 1`)
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	wake := make(chan time.Time, 1)
	var reports []string
	stop := func() {}
	c, err := New([]Source{{Location: "a", Format: "journald"}}, Positions{}, Options{
		Now: func() time.Time { return now }, Wake: wake, Journalctl: fake,
		Report: func(msg string) {
			reports = append(reports, msg)
			if strings.Contains(msg, "ended") {
				stop()
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var texts []string
	var last Positions
	for run := range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		stop = cancel
		for {
			b, err := c.Next(ctx, 100)
			if errors.Is(err, context.Canceled) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range b.Lines {
				texts = append(texts, l.Text[strings.LastIndex(l.Text, ": ")+2:])
			}
			last = b.Positions
		}
		if c.Step(1); c.JournalRuns() {
			t.Errorf("run %d: started again at once", run)
		}
		now = now.Add(time.Minute)
		wake <- now
	}
	if !slices.Equal(texts, []string{"run 1", "run 2", "run 3"}) || last.Journals["a"].Cursor != "c3" {
		t.Errorf("texts %q, positions %+v", texts, last)
	}
	if len(reports) != 6 || !strings.Contains(reports[0], `"not JSON"`) || !strings.Contains(reports[1], "no journal today") {
		t.Errorf("reports:\n%s", strings.Join(reports, "\n"))
	}
	args, err := os.ReadFile(filepath.Join(dir, "args"))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"--identifier=a --since=@1795428000.000000", "--identifier=a --after-cursor=c1", "--identifier=a --after-cursor=c2"} {
		if got := strings.Split(string(args), "\n")[i]; !strings.HasSuffix(got, want) {
			t.Errorf("run %d: %s", i+1, got)
		}
	}
}

func TestJournalMissing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var report string
	c, err := New([]Source{{Location: "all", Format: "journald"}}, Positions{}, Options{
		Journalctl: "no-such-journalctl", Wake: make(chan time.Time), Report: func(msg string) { report = msg; cancel() },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	b, err := c.Next(ctx, 1) // the place where the journal begins is a position, too
	if err == nil && b.Positions.Journals["all"].Since.IsZero() {
		t.Errorf("positions %+v", b.Positions)
	}
	for err == nil {
		_, err = c.Next(ctx, 1)
	}
	if !strings.Contains(report, "journalctl is not installed here") {
		t.Errorf("reported %q", report)
	}
}

// TestRealJournal follows a journal that systemd's own tool wrote, killed after each entry. testdata/journal holds its states.
func TestRealJournal(t *testing.T) {
	if _, err := exec.LookPath("journalctl"); err != nil {
		t.Fatalf("%v; install systemd", err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "j"), 0o700); err != nil {
		t.Fatal(err)
	}
	write := func(n int) { // each state is a file of its own; journalctl knows an entry that stands in several
		name := filepath.Join(dir, "j", fmt.Sprintf("%d.journal", n))
		if err := os.WriteFile(name+".new", unpack(t, n), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(name+".new", name); err != nil {
			t.Fatal(err)
		}
	}
	program := script(t, dir, `exec journalctl -D j "$@"`)
	var saved []byte
	next := func() *Collector {
		var p Positions
		if saved != nil {
			if err := json.Unmarshal(saved, &p); err != nil {
				t.Fatal(err)
			}
		}
		c, err := New([]Source{{Location: "sshd", Format: "journald"}}, p, Options{
			Now: func() time.Time { return time.UnixMicro(1795600000000002) }, Journalctl: program, Report: func(msg string) { t.Error(msg) },
		})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	write(1) // older than the start
	write(2)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for n := 2; n <= 6; n++ {
		c := next()
		if n%2 == 1 {
			write(n) // while it is followed; the even ones while it is not
		}
		var b Batch
		for len(b.Lines) == 0 {
			var err error
			if b, err = c.Next(ctx, 1); err != nil {
				t.Fatalf("entry %d: %v", n, err)
			}
			if saved, err = json.Marshal(b.Positions); err != nil {
				t.Fatal(err)
			}
		}
		if !strings.HasSuffix(b.Lines[0].Text, fmt.Sprintf("web1 sshd[71]: entry %d", n)) {
			t.Fatalf("entry %d is %q", n, b.Lines[0].Text)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if n%2 == 1 {
			write(n + 1)
		}
	}
}

func TestStdin(t *testing.T) {
	in := io.MultiReader(strings.NewReader("one\r\n\ntwo\nthree"), iotest.ErrReader(errors.New("pulled out")))
	var report string
	c, err := New([]Source{{Location: "-", Format: "syslog"}}, Positions{}, Options{Stdin: in, Report: func(msg string) { report = msg }})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var got []string
	for {
		b, err := c.Next(t.Context(), 2)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range b.Lines {
			got = append(got, fmt.Sprintf("%s:%d:%s", l.Location, l.Offset, l.Text))
		}
	}
	if want := []string{"stdin:0:one", "stdin:6:two", "stdin:10:three"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if !strings.Contains(report, "pulled out") {
		t.Errorf("reported %q", report)
	}
}

// TestNext waits for a file to grow, with the clock's own ticks.
func TestNext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	c, err := New([]Source{syslog(path)}, Positions{}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if b, err := c.Next(ctx, 10); err != nil || len(b.Lines) != 0 || !slices.Equal(b.Positions.Sources, []string{path}) {
		t.Fatalf("first batch %+v, %v", b, err)
	}
	go func() {
		if err := os.WriteFile(path, []byte("hello\n"), 0o600); err != nil {
			t.Error(err)
		}
	}()
	for {
		b, err := c.Next(ctx, 10)
		if err != nil {
			t.Fatal(err)
		}
		if len(b.Lines) > 0 {
			if b.Lines[0].Text != "hello" || b.Positions.Files[0].Offset != 6 {
				t.Errorf("batch %+v", b)
			}
			break
		}
	}
	cancel()
	if _, err := c.Next(ctx, 10); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	_, err := New([]Source{
		{Location: "/x", Format: "multi-line:0"}, {Format: "syslog"}, {Location: "/[", Format: "iis"}, {Format: "command"}, {Location: "/y"},
		{Location: "Security", Format: "eventchannel"},
	}, Positions{}, Options{})
	want := `localfile number 1: "/x": log_format "multi-line:0": want multi-line:N with N from 1 to 1000
localfile number 2: no location; name a file
localfile number 3: "/[": syntax error in pattern; close every [ with a ]
localfile number 4: log_format command without a command; name one
localfile number 5: "/y": log_format "" is not supported; use one of apache, audit, command, djb-multilog, eventchannel, eventlog, full_command, generic, iis, journald, json, modsec-audit, mssql_log, multi-line_indented, mysql_log, nmapg, ossecalert, postgresql_log, snort-fast, snort-full, squid, syslog, syslog-pipe, multi-line:N
localfile number 6: "Security": log_format eventchannel is for Windows; put it into <agent_config os="Windows">`
	if err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

// unpack returns the journal's state after its nth entry.
func unpack(t *testing.T, n int) []byte {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "journal", fmt.Sprintf("%d.journal.gz", n)))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	unpacked, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	state, err := io.ReadAll(unpacked)
	if err != nil {
		t.Fatal(err)
	}
	return state
}
