package local_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/agent/agentd"
	"github.com/yagura-hids/yagura/agent/spool"
	"github.com/yagura-hids/yagura/internal/alertlog"
	"github.com/yagura-hids/yagura/internal/alertstore"
	"github.com/yagura-hids/yagura/internal/analysis"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/local"
)

// TestMain is also the children that the kill tests start: see children.
func TestMain(m *testing.M) {
	if child, ok := children[os.Getenv("YAGURA_TEST_CHILD")]; ok {
		if err := child(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// live is the source of an agent that runs beside it, as yagura local has it.
type live struct {
	local.Source
	spool *spool.Spool
	stop  context.CancelFunc
	ended chan error
}

// follow starts an agent with its spool in dir.
func follow(ctx context.Context, s *local.Store, dir string, o agentd.Options) (*live, error) {
	l := &live{ended: make(chan error, 1)}
	report := func(m string) { fmt.Fprintln(os.Stderr, m) }
	agent, err := s.Agent("web1")
	if err != nil {
		return nil, err
	}
	if l.spool, err = spool.Open(filepath.Join(dir, "agent.db"), spool.Options{Agent: agent, MaxBytes: 1 << 40, Gather: -1, Random: epochSeven(), Report: report}); err != nil {
		return nil, err
	}
	if l.Source, err = local.Follow(s, l.spool, local.FollowOptions{Report: report}); err != nil {
		return nil, errors.Join(err, l.spool.Close())
	}
	o.Spool, o.Report = l.spool, report
	ctx, l.stop = context.WithCancel(ctx)
	go func() { l.ended <- agentd.New(o).Run(ctx) }()
	return l, nil
}

// end ends the agent.
func (l *live) end() error {
	l.stop()
	return errors.Join(<-l.ended, l.spool.Close())
}

// epochSeven is the randomness of all test spools.
func epochSeven() io.Reader { return bytes.NewReader([]byte{0, 0, 0, 0, 0, 0, 0, 7}) }

// judge is a small engine with a memory: a line "… fail WORD …" raises rule 1; every third one of a word rule 2 instead, which shows the
// two before it. A line "… note …" raises nothing and counts.
func judge(ev *event.Event, st analysis.State) (analysis.Verdict, error) {
	d := &event.Decoded{}
	d.Reset(ev)
	d.FullLog, d.Log, d.Hostname, d.Decoder = ev.Text, ev.Text, "web1", "test"
	v := analysis.Verdict{Decoded: d}
	_, rest, ok := strings.Cut(ev.Text, "fail ")
	item, err := st.Item("word/quiet")
	if item == nil {
		item = &analysis.Item{}
	}
	if !ok || err != nil {
		item.Time++
		return v, errors.Join(err, st.Put("word/quiet", item))
	}
	word, _, _ := strings.Cut(rest, " ")
	d.Set(event.SrcIP, word)
	if item, err = st.Item("word/" + word); err != nil {
		return v, err
	}
	if item == nil {
		item = &analysis.Item{}
	}
	rule := event.Rule{ID: 1, Level: 5, Description: "one failed", GroupText: "test,fail,", Groups: []string{"test", "fail"}}
	n := len(item.Past)
	if n == 2 {
		rule = event.Rule{ID: 2, Level: 10, Description: "three failed", GroupText: "test,fails,", Groups: []string{"test", "fails"}, Mail: true}
	}
	v.Alert = event.NewAlert(d, rule)
	v.Alert.Ruleset = "test"
	if n == 2 {
		v.Alert.Previous = []string{item.Past[1].Text, item.Past[0].Text}
		item.Past = nil
	} else {
		item.Past = append(item.Past, analysis.Entry{Event: ev.ID, Time: ev.Time.Unix(), Text: ev.Text})
	}
	return v, st.Put("word/"+word, item)
}

// sampleLog is a log of n lines over several days, some of them no UTF-8, one too long for an event.
func sampleLog(n int) string {
	var b strings.Builder
	at := time.Date(2026, 3, 1, 22, 0, 0, 0, time.UTC)
	for i := range n {
		at = at.Add(time.Duration(i%97) * time.Second)
		fmt.Fprintf(&b, "%s web1 app[%d]: ", at.Format(time.Stamp), i)
		switch {
		case i%5 == 0:
			fmt.Fprintf(&b, "quiet %d", i)
		case i%71 == 3:
			fmt.Fprintf(&b, "fail 192.0.2.%d caf\xe9 \x00\xff", i%7)
		case i == n/2:
			fmt.Fprintf(&b, "fail 192.0.2.%d %s", i%7, strings.Repeat("long ", event.MaxText/4))
		default:
			fmt.Fprintf(&b, "fail 192.0.2.%d number %d", i%7, i)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t *testing.T, dir string) *local.Store {
	t.Helper()
	s, err := local.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// replay replays logs into dir and returns the figures.
func replay(t *testing.T, dir string, paths ...string) *local.Stats {
	t.Helper()
	return replayWith(t, dir, judge, paths...)
}

func replayWith(t *testing.T, dir string, analyze analyzer, paths ...string) *local.Stats {
	t.Helper()
	s := open(t, dir)
	src := local.Replay(s, paths, replayOptions(50))
	stats, err := local.Run(context.Background(), local.Options{Store: s, Source: src, Analyze: analyze, JSON: true, MemorySize: 400, Report: func(m string) { t.Error(m) }})
	if err != nil {
		t.Fatal(err)
	}
	if err := src.Close(); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	return stats
}

func replayOptions(lines int) local.ReplayOptions {
	return local.ReplayOptions{
		Agent: "web1", Zone: time.UTC, Lines: lines, Now: func() time.Time { return time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC) },
	}
}

// all returns all stored alerts as JSON lines, oldest first.
func all(t *testing.T, dir string) string {
	t.Helper()
	page, err := local.Query(t.Context(), dir, alertstore.Filter{Limit: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	if page.Next != "" {
		t.Fatalf("the last page has a next one: %q", page.Next)
	}
	var b strings.Builder
	for _, a := range slices.Backward(page.Alerts) {
		text, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(append(text, '\n'))
	}
	return b.String()
}

// files returns the contents of all alert files, by name.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(filepath.Join(dir, "alerts"), func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		found[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		t.Fatal("no alert files")
	}
	return found
}

// same fails the test if two directories don't hold the same alerts and alert files.
func same(t *testing.T, got, want string) {
	t.Helper()
	if g, w := all(t, got), all(t, want); g != w {
		t.Errorf("alerts differ: %s", difference(g, w))
	}
	g, w := files(t, got), files(t, want)
	if len(g) != len(w) {
		t.Errorf("%d alert files, want %d", len(g), len(w))
	}
	for name := range w {
		if g[name] != w[name] {
			t.Errorf("%s differs: %s", name, difference(g[name], w[name]))
		}
	}
}

func difference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("line %d of %d is\n%.300s\nwant line %d of %d\n%.300s", i+1, len(g), g[i], i+1, len(w), w[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(g), len(w))
}

// alert makes an alert for tests of stores and queries.
func alert(seq uint64, at time.Time, level, rule int, ip, log string) *event.Alert {
	d := &event.Decoded{}
	d.Reset(&event.Event{ID: event.ID{Agent: "web1", Epoch: 7, Seq: seq}, Time: at, Location: "/var/log/auth.log", Text: log})
	d.Hostname, d.FullLog = "web1", log
	d.Set(event.SrcIP, ip)
	group := fmt.Sprintf("test,level%d,", level)
	return event.NewAlert(d, event.Rule{ID: rule, Level: level, Description: "Something failed", GroupText: group, Groups: event.SplitGroups(group)})
}

// rendered returns alerts as their files should show them, numbered from 1.
func rendered(t *testing.T, alerts []*event.Alert) (log, json string) {
	t.Helper()
	var l, j bytes.Buffer
	for i, a := range alerts {
		if err := alertlog.WriteLog(&l, uint64(i+1), a); err != nil {
			t.Fatal(err)
		}
		if err := alertlog.WriteJSON(&j, uint64(i+1), a); err != nil {
			t.Fatal(err)
		}
	}
	return l.String(), j.String()
}
