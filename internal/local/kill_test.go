package local_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/agent/agentd"
	"github.com/yagura-hids/yagura/agent/config"
	"github.com/yagura-hids/yagura/agent/logcollector"
	"github.com/yagura-hids/yagura/agent/rootcheck"
	"github.com/yagura-hids/yagura/internal/alertstore"
	"github.com/yagura-hids/yagura/internal/analysis"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/local"
	"github.com/yagura-hids/yagura/internal/ruleset"
	"github.com/yagura-hids/yagura/rules"
)

// children are what the test binary does when it is started with YAGURA_TEST_CHILD. They write a byte to
// their output for every event.
var children = map[string]func(args []string) error{
	"replay": func(args []string) error { return replayChild(args, judge) },
	"engine": func(args []string) error {
		analyze, err := engine()
		if err != nil {
			return err
		}
		return replayChild(args, analyze)
	},
	"follow": func(args []string) error { return followChild(args, judge) },
	"tick":   func(args []string) error { return followChild(args, ticking(judge)) },
	"full":   fullChild,
	"lock":   lockChild,
	"fleet":  fleetChild,
}

// analyzer is the type of [local.Options.Analyze].
type analyzer = func(*event.Event, analysis.State) (analysis.Verdict, error)

// engine returns the real engine with the built-in rules.
func engine() (analyzer, error) {
	fsys, names, err := ruleset.Choose(rules.FS, "")
	if err != nil {
		return nil, err
	}
	set, err := ruleset.Load(fsys, names)
	if err != nil {
		return nil, err
	}
	return analysis.New(set, analysis.Options{Server: "web1", LogLevel: 1, MailLevel: 7}).Analyze, nil
}

// ticking tells the parent of every event.
func ticking(analyze analyzer) analyzer {
	return func(ev *event.Event, st analysis.State) (analysis.Verdict, error) {
		if _, err := os.Stdout.Write([]byte{'.'}); err != nil {
			return analysis.Verdict{}, err
		}
		return analyze(ev, st)
	}
}

// replayChild replays the log args[1] into the directory args[0], with small batches, so that there are many commits to be killed in.
func replayChild(args []string, analyze analyzer) error {
	s, err := local.Open(args[0])
	if err != nil {
		return err
	}
	src := local.Replay(s, args[1:], replayOptions(15))
	_, err = local.Run(context.Background(), local.Options{
		Store: s, Source: src, Analyze: ticking(analyze), JSON: true, Report: func(m string) { fmt.Fprintln(os.Stderr, m) },
	})
	return errors.Join(err, src.Close(), s.Close())
}

// followChild runs an agent that follows the logs args[1:] into args[0], and judges what it sees, until each has shown a line with END.
func followChild(args []string, analyze analyzer) error {
	s, err := local.Open(args[0])
	if err != nil {
		return err
	}
	page, err := s.Query(context.Background(), alertstore.Filter{Text: "END"})
	if err != nil {
		return err
	}
	ends := len(page.Alerts)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if ends == len(args[1:]) {
		cancel()
	}
	var sources []logcollector.Source
	for _, path := range args[1:] {
		sources = append(sources, logcollector.Source{Location: path, Format: "syslog", FromStart: true})
	}
	live, err := follow(ctx, s, args[0], agentd.Options{
		Config: &config.Config{Sources: sources, Rootcheck: rootcheck.Config{Disabled: true}}, Collector: logcollector.Options{Wake: time.Tick(2 * time.Millisecond)},
	})
	if err != nil {
		return err
	}
	_, err = local.Run(ctx, local.Options{
		Store: s, Source: live, Analyze: analyze, JSON: true, Report: func(m string) { fmt.Fprintln(os.Stderr, m) },
		Alert: func(a *event.Alert) {
			fmt.Print(".")
			if strings.Contains(a.FullLog, "END") {
				if ends++; ends == len(sources) {
					cancel()
				}
			}
		},
	})
	cancel()
	return errors.Join(err, live.end(), s.Close())
}

// process is a running child.
type process struct {
	cmd    *exec.Cmd
	out    *bufio.Reader
	stderr bytes.Buffer
}

func start(t *testing.T, child string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(os.Args[0], args...)}
	p.cmd.Env = append(os.Environ(), "YAGURA_TEST_CHILD="+child)
	p.cmd.Stderr = &p.stderr
	if _, err := p.cmd.StdinPipe(); err != nil { // open as long as the child runs
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.out = bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	return p
}

// dies kills the child after a number of events and a little time; it returns false if the child had come to its end before.
func (p *process) dies(t *testing.T, events int, after time.Duration) bool {
	t.Helper()
	_, err := io.CopyN(io.Discard, p.out, int64(events))
	if err == nil {
		// Between two events there are only the commit and the files: the time decides where in them.
		for begin := time.Now(); time.Since(begin) < after; {
		}
		_ = p.cmd.Process.Kill()
	}
	return !p.ends(t)
}

// ends waits for the child's end and tells whether it ended by itself, and well.
func (p *process) ends(t *testing.T) bool {
	t.Helper()
	_, _ = io.Copy(io.Discard, p.out)
	err := p.cmd.Wait()
	if err != nil && p.cmd.ProcessState.ExitCode() != -1 || p.stderr.Len() > 0 {
		t.Fatalf("child: %v: %s", err, p.stderr.String())
	}
	return err == nil
}

// TestKillReplay kills a replay at a hundred moments spread over its whole course, and compares what there is in the end with what an
// undisturbed replay leaves.
func TestKillReplay(t *testing.T) {
	t.Parallel()
	killReplay(t, "replay", judge, sampleLog(3000), 100)
}

// TestKillEngine is TestKillReplay with the real engine and the built-in rules.
func TestKillEngine(t *testing.T) {
	t.Parallel()
	analyze, err := engine()
	if err != nil {
		t.Fatal(err)
	}
	killReplay(t, "engine", analyze, sshdLog(1000), 20)
}

// sshdLog is a log of n lines of a guessing of passwords from a few addresses, and of users who come and go.
func sshdLog(n int) string {
	var b strings.Builder
	at := time.Date(2026, 3, 1, 22, 0, 0, 0, time.UTC)
	for i := range n {
		at = at.Add(time.Duration(i%7) * time.Second)
		fmt.Fprintf(&b, "%s web1 sshd[%d]: ", at.Format(time.Stamp), 1000+i%13)
		switch {
		case i%11 == 0:
			fmt.Fprintf(&b, "Accepted publickey for joe%d from 198.51.100.%d port 4022 ssh2\n", i%3, i%5)
		case i%4 == 0:
			fmt.Fprintf(&b, "Failed password for invalid user admin%d from 192.0.2.%d port %d ssh2\n", i%9, i%3, 1024+i)
		default:
			fmt.Fprintf(&b, "Failed password for root from 192.0.2.%d port %d ssh2\n", i%3, 1024+i)
		}
	}
	return b.String()
}

func killReplay(t *testing.T, child string, analyze analyzer, text string, kills int) {
	t.Helper()
	lines := strings.Count(text, "\n")
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	log := write(t, filepath.Join(t.TempDir(), "app.log"), text)
	calm := t.TempDir()
	stats := replayWith(t, calm, analyze, log)
	if len(stats.Levels) < 2 {
		t.Fatalf("alerts of the levels %v only; want composite ones, too", stats.Levels)
	}
	killed, rounds := 0, 0
	for killed < kills {
		rounds++
		dir := t.TempDir()
		for {
			if killed < kills {
				after := time.Duration(random.Int64N(int64(6 * time.Millisecond)))
				if start(t, child, dir, log).dies(t, 1+random.IntN(2*lines/kills), after) {
					killed++
					continue
				}
			} else if !start(t, child, dir, log).ends(t) {
				t.Fatal("the last run was killed by somebody else")
			}
			break
		}
		same(t, dir, calm)
	}
	t.Logf("%d kills in %d replays", killed, rounds)
}

// TestKillFollow kills a yagura that follows two logs while these grow and rotate. Each line must raise its one alert, in the order of its
// log, and the files must show exactly the stored alerts. A log rotates once in a life at most: what has been rotated away twice since the
// last commit, nobody can find again.
func TestKillFollow(t *testing.T) {
	t.Parallel()
	const kills = 25
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	logs := []*growing{{path: filepath.Join(t.TempDir(), "a.log")}, {path: filepath.Join(t.TempDir(), "b.log")}}
	for _, l := range logs {
		l.append(t, 3)
	}
	for life := range kills {
		p := start(t, "follow", dir, logs[0].path, logs[1].path)
		early := life > 0 && random.IntN(2) == 0 // before its first look nobody knows of a log
		for _, l := range logs {
			l.change(t, early && random.IntN(2) == 0, 20+random.IntN(30))
		}
		if !p.dies(t, 1+random.IntN(30), time.Duration(random.Int64N(int64(6*time.Millisecond)))) {
			t.Fatal("the child ended by itself")
		}
		for _, l := range logs {
			l.change(t, !early && random.IntN(2) == 0, 20+random.IntN(30))
		}
	}
	for range kills { // and before anything is shown, which is before or within the commit
		p := start(t, "tick", dir, logs[0].path, logs[1].path)
		for _, l := range logs {
			l.append(t, 1+random.IntN(30))
		}
		if !p.dies(t, 1+random.IntN(2), time.Duration(random.Int64N(int64(6*time.Millisecond)))) {
			t.Fatal("the child ended by itself")
		}
	}
	for _, l := range logs {
		l.add(t, "fail END of "+l.path)
	}
	if !start(t, "follow", dir, logs[0].path, logs[1].path).ends(t) {
		t.Fatal("the last run was killed by somebody else")
	}
	checkFollowed(t, dir, logs)
}

func checkFollowed(t *testing.T, dir string, logs []*growing) {
	t.Helper()
	page, err := local.Query(t.Context(), dir, alertstore.Filter{Limit: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	ordered := page.Alerts
	slices.SortFunc(ordered, func(a, b *event.Alert) int { return cmp.Compare(a.Event.Seq, b.Event.Seq) })
	for _, l := range logs {
		var got []string
		for _, a := range ordered {
			if a.Location != l.path {
				continue
			}
			// An event that is judged twice would count twice.
			if third := len(got)%3 == 2 && !strings.Contains(a.FullLog, "END"); third != (a.Rule.ID == 2) {
				t.Errorf("rule %d for %q", a.Rule.ID, a.FullLog)
			}
			got = append(got, a.FullLog)
		}
		if g, w := strings.Join(got, "\n"), strings.Join(l.lines, "\n"); g != w {
			t.Errorf("%s: %s", l.path, difference(g, w))
		}
	}
	wantLog, wantJSON := rendered(t, ordered)
	var gotLog, gotJSON strings.Builder
	for _, day := range dayFiles(t, dir, "log") {
		gotLog.WriteString(day)
	}
	for _, day := range dayFiles(t, dir, "json") {
		gotJSON.WriteString(day)
	}
	if gotLog.String() != wantLog {
		t.Errorf("alerts.log: %s", difference(gotLog.String(), wantLog))
	}
	if gotJSON.String() != wantJSON {
		t.Errorf("alerts.json: %s", difference(gotJSON.String(), wantJSON))
	}
}

// dayFiles returns the contents of the day files with an ending; the test runs on one day, or over one midnight within a month.
func dayFiles(t *testing.T, dir, ending string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "alerts", "*", "*", "*."+ending))
	if err != nil || len(names) == 0 {
		t.Fatalf("no day files: %v", err)
	}
	var days []string
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		days = append(days, string(text))
	}
	return days
}

// growing is a log that is written and rotated.
type growing struct {
	path    string
	lines   []string
	rotated int
}

// change appends some lines, and rotates first if told so, to names that rise as dates do.
func (g *growing) change(t *testing.T, rotate bool, lines int) {
	t.Helper()
	if rotate {
		g.rotated++
		if err := os.Rename(g.path, fmt.Sprintf("%s-%012d", g.path, g.rotated)); err != nil {
			t.Fatal(err)
		}
	}
	g.append(t, lines)
}

func (g *growing) append(t *testing.T, n int) {
	t.Helper()
	for range n {
		g.add(t, fmt.Sprintf("fail %s line %d", filepath.Base(g.path), len(g.lines)))
	}
}

func (g *growing) add(t *testing.T, line string) {
	t.Helper()
	f, err := os.OpenFile(g.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(line + "\n"); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	g.lines = append(g.lines, line)
}
