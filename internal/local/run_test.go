package local_test

import (
	"cmp"
	"compress/gzip"
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
	"github.com/yagura-hids/yagura/agent/config"
	"github.com/yagura-hids/yagura/agent/logcollector"
	"github.com/yagura-hids/yagura/agent/rootcheck"
	"github.com/yagura-hids/yagura/agent/spool"
	"github.com/yagura-hids/yagura/internal/alertstore"
	"github.com/yagura-hids/yagura/internal/analysis"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/local"
)

func TestReplay(t *testing.T) {
	dir := t.TempDir()
	log := write(t, filepath.Join(t.TempDir(), "app.log"), sampleLog(1000))
	stats := replay(t, dir, log)
	if stats.Lines != 1000 || stats.Decoded != 1000 || stats.Alerts != stats.Levels[5]+stats.Levels[10] || stats.Alerts != 800 {
		t.Errorf("stats %+v", stats)
	}
	top := stats.TopRules(1)
	if len(top) != 1 || top[0].ID != 1 || top[0].Level != 5 || top[0].Count != stats.Levels[5] || top[0].Description != "one failed" {
		t.Errorf("top rule %+v", top)
	}
	page, err := local.Query(t.Context(), dir, alertstore.Filter{Limit: 1 << 20})
	if err != nil || len(page.Alerts) != 800 {
		t.Fatalf("%d alerts, %v", len(page.Alerts), err)
	}
	oldest := page.Alerts[799]
	if want := time.Date(2026, 3, 1, 22, 0, 1, 0, time.UTC); !oldest.Time.Equal(want) {
		t.Errorf("oldest is of %v, want %v", oldest.Time, want)
	}
	slices.SortFunc(page.Alerts, func(a, b *event.Alert) int { return int(a.Event.Seq) - int(b.Event.Seq) })
	wantLog, wantJSON := rendered(t, page.Alerts)
	if got := strings.Join(dayFiles(t, dir, "log"), ""); got != wantLog {
		t.Error(difference(got, wantLog))
	}
	if got := strings.Join(dayFiles(t, dir, "json"), ""); got != wantJSON {
		t.Error(difference(got, wantJSON))
	}
	days := dayFiles(t, dir, "log")
	if current := files(t, dir)["alerts/alerts.log"]; current != days[len(days)-1] || len(days) < 2 {
		t.Errorf("alerts.log is not the last of %d days' files", len(days))
	}
}

// The same log again, in the same command, later, or under another directory, adds nothing; what has grown since is added.
func TestReplayTwice(t *testing.T) {
	text := sampleLog(1000)
	log := write(t, filepath.Join(t.TempDir(), "app.log"), text)
	once, twice := t.TempDir(), t.TempDir()
	replay(t, once, log)
	cut := strings.Index(text[len(text)/2:], "\n") + len(text)/2 + 1
	part := write(t, filepath.Join(t.TempDir(), "app.log"), text[:cut])
	st, err := os.Stat(log)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(part, st.ModTime(), st.ModTime()); err != nil {
		t.Fatal(err)
	}
	replay(t, twice, part, part)
	write(t, part, text)
	replay(t, twice, part, part)
	replay(t, twice, part)
	a, b := strings.ReplaceAll(all(t, once), log, "LOG"), strings.ReplaceAll(all(t, twice), part, "LOG")
	if a != b {
		t.Error(difference(b, a))
	}
}

// Without a store nothing is kept, and the verdicts are the same.
func TestReplayNothingKept(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(t.TempDir(), "app.log.gz")
	f, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	z := gzip.NewWriter(f)
	if _, err := z.Write([]byte(sampleLog(500))); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(z.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	kept := replay(t, dir, log)
	var shown []string
	src := local.Replay(nil, []string{log}, replayOptions(7))
	stats, err := local.Run(t.Context(), local.Options{Source: src, Analyze: judge, Alert: func(a *event.Alert) { shown = append(shown, a.ID) }})
	if err != nil {
		t.Fatal(err)
	}
	if stats.Alerts != kept.Alerts || stats.Levels[10] != kept.Levels[10] || len(shown) != stats.Alerts {
		t.Errorf("%+v, want %+v", stats, kept)
	}
	if read, size := src.Progress(); read != size || size <= 0 {
		t.Errorf("progress %d of %d", read, size)
	}
	if err := src.Close(); err != nil {
		t.Error(err)
	}
}

func TestReplayMissing(t *testing.T) {
	log := write(t, filepath.Join(t.TempDir(), "app.log"), sampleLog(10))
	spoiled := write(t, filepath.Join(t.TempDir(), "b.gz"), "\x1f\x8bno gzip")
	src := local.Replay(nil, []string{"/nowhere/a.log", spoiled, t.TempDir(), log}, replayOptions(5))
	defer src.Close()
	stats, err := local.Run(t.Context(), local.Options{Source: src, Analyze: judge})
	if stats.Lines != 10 {
		t.Errorf("%d lines of the good log", stats.Lines)
	}
	for _, want := range []string{"/nowhere/a.log: no such file", spoiled, "is a directory"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("not told of %s: %v", want, err)
		}
	}
}

func TestStopped(t *testing.T) {
	log := write(t, filepath.Join(t.TempDir(), "app.log"), sampleLog(1000))
	calm, dir := t.TempDir(), t.TempDir()
	replay(t, calm, log)
	s := open(t, dir)
	ctx, stop := context.WithCancel(t.Context())
	src := local.Replay(s, []string{log}, replayOptions(20))
	stats, err := local.Run(ctx, local.Options{Store: s, Source: src, Analyze: judge, JSON: true, Alert: func(*event.Alert) { stop() }})
	if err != nil || stats.Lines != 20 {
		t.Errorf("%d lines, %v", stats.Lines, err)
	}
	if err := errors.Join(src.Close(), s.Close()); err != nil {
		t.Error(err)
	}
	if again := replay(t, dir, log); again.Lines != 980 {
		t.Errorf("%d lines were left", again.Lines)
	}
	same(t, dir, calm)
}

func TestAnalyzeFails(t *testing.T) {
	log := write(t, filepath.Join(t.TempDir(), "app.log"), sampleLog(10))
	s := open(t, t.TempDir())
	src := local.Replay(s, []string{log}, replayOptions(5))
	defer src.Close()
	_, err := local.Run(t.Context(), local.Options{Store: s, Source: src, Analyze: func(ev *event.Event, state analysis.State) (analysis.Verdict, error) {
		if ev.ID.Seq == 0 { // the first line is good, and raises an alert
			return analysis.Verdict{Alert: alert(1, noon, 5, 1, "", "x")}, nil
		}
		return analysis.Verdict{}, errors.New("no state")
	}})
	if err == nil || !strings.Contains(err.Error(), "analyse event web1/") {
		t.Errorf("%v", err)
	}
	if page, err := s.Query(context.Background(), alertstore.Filter{}); err != nil || len(page.Alerts) > 0 {
		t.Errorf("stored %+v, %v", page, err)
	}
}

// Three lives of a live yagura on the standard input: the numbers of the events rise, and the time is the clock's.
func TestFollow(t *testing.T) {
	dir := t.TempDir()
	at := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	for range 3 {
		s := open(t, dir)
		ctx, cancel := context.WithCancel(t.Context())
		src, err := follow(ctx, s, dir, agentd.Options{
			Config: &config.Config{Sources: []logcollector.Source{{Location: "-", Format: "syslog"}}, Rootcheck: rootcheck.Config{Disabled: true}}, Now: func() time.Time { return at },
			Collector: logcollector.Options{Stdin: strings.NewReader("fail a 1\nquiet\nfail a 2\n")},
		})
		if err != nil {
			t.Fatal(err)
		}
		shown := 0
		stats, err := local.Run(ctx, local.Options{Store: s, Source: src, Analyze: judge, Alert: func(*event.Alert) {
			if shown++; shown == 2 {
				cancel()
			}
		}})
		if err := errors.Join(err, src.end(), s.Close()); err != nil || stats.Lines != 3 {
			t.Fatalf("%d lines, %v", stats.Lines, err)
		}
		at = at.Add(time.Hour)
	}
	page, err := local.Query(t.Context(), dir, alertstore.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(page.Alerts, func(a, b *event.Alert) int { return cmp.Compare(a.Event.Seq, b.Event.Seq) })
	var got []string
	for _, a := range page.Alerts {
		got = append(got, fmt.Sprintf("%s/%x %s %s", a.Event.Agent, a.Event.Epoch, a.Time.Format("15:04"), a.FullLog))
		if a.Rule.ID == 2 && len(a.Previous) != 2 {
			t.Errorf("composite shows %q", a.Previous)
		}
	}
	want := []string{
		"web1/3 10:00 fail a 1", "web1/3 10:00 fail a 2", "web1/3 11:00 fail a 1", "web1/3 11:00 fail a 2", "web1/3 12:00 fail a 1", "web1/3 12:00 fail a 2",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if _, err := os.Stat(filepath.Join(dir, "alerts", "alerts.json")); err == nil {
		t.Error("alerts.json was written unasked")
	}
}

// A host that is renamed keeps its agent's id, and what its spool holds.
func TestFollowRenamed(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	text := []byte(`{"agent":"web1","epoch":3,"seq":7}`)
	src := &given{local.Batch{Positions: map[string]json.RawMessage{"local": text}}}
	if _, err := local.Run(t.Context(), local.Options{Store: s, Source: src, Analyze: judge}); err != nil {
		t.Fatal(err)
	}
	if id, err := s.Agent("web2"); id != "web1" || err != nil {
		t.Errorf("agent %q, %v", id, err)
	}
}

// A spool that fails is asked again until it works or the user has enough; the user is told once.
func TestFollowInsists(t *testing.T) {
	sp, err := spool.Open(filepath.Join(t.TempDir(), "agent.db"), spool.Options{Agent: "web1", Gather: -1, Random: epochSeven()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	retried, now := 0, make(chan time.Time)
	close(now)
	var told []string
	src, err := local.Follow(open(t, t.TempDir()), sp, local.FollowOptions{
		Report: func(m string) { told = append(told, m) },
		Retry: func(failures int) <-chan time.Time {
			if retried = failures; failures == 3 {
				cancel()
			}
			return now
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := sp.Keep(ctx, []*event.Event{{Text: "x", Time: noon}, {Kind: event.AgentState, Text: "{}", Time: noon}}, nil); err != nil {
		t.Fatal(err)
	}
	if b, err := src.Next(ctx); err != nil || len(b.Events) != 1 || b.Events[0].Text != "x" || b.Bytes != 2 {
		t.Fatalf("%+v, %v", b, err)
	}
	if err := sp.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := src.Next(ctx); !errors.Is(err, context.Canceled) || retried != 3 || len(told) != 1 || !strings.HasPrefix(told[0], "spool ") {
		t.Errorf("%v after %d, told %q", err, retried, told)
	}
}

// given is a source of its batches.
type given []local.Batch

func (g *given) Name() string { return "local" }
func (g *given) Close() error { return nil }
func (g *given) Next(context.Context) (local.Batch, error) {
	if len(*g) == 0 {
		return local.Batch{}, io.EOF
	}
	b := (*g)[0]
	*g = (*g)[1:]
	return b, nil
}

// What the memory forgets is gone from the file, too: a restart brings back what was remembered, and no more.
func TestForgotten(t *testing.T) {
	dir := t.TempDir()
	var held int // items that the memory has at the end of a run
	remember := func(ev *event.Event, s analysis.State) (analysis.Verdict, error) {
		now := ev.Time.Unix()
		key := fmt.Sprintf("session/%d", ev.ID.Seq)
		if known, err := s.Item(key); err != nil || known != nil {
			return analysis.Verdict{}, fmt.Errorf("%s: known %t, %w", key, known != nil, err)
		}
		return analysis.Verdict{}, s.Put(key, &analysis.Item{Time: now, Until: now + 10})
	}
	replayWith(t, dir, remember, write(t, filepath.Join(t.TempDir(), "app.log"), sampleLog(2000)))
	count := func(ev *event.Event, s analysis.State) (analysis.Verdict, error) {
		for seq := range uint64(200_000) {
			known, err := s.Item(fmt.Sprintf("session/%d", seq))
			if err != nil {
				return analysis.Verdict{}, err
			}
			if known != nil {
				held++
			}
		}
		return analysis.Verdict{}, nil
	}
	replayWith(t, dir, count, write(t, filepath.Join(t.TempDir(), "other.log"), sampleLog(1)))
	if held == 0 || held > 500 {
		t.Errorf("%d of 2000 items came back, want no more than the memory holds", held)
	}
}

// A commit that can never work ends the run with its cause; a full disk would be waited for.
func TestLasting(t *testing.T) {
	s := open(t, t.TempDir())
	src := local.Replay(s, []string{write(t, filepath.Join(t.TempDir(), "app.log"), sampleLog(1))}, replayOptions(50))
	_, err := local.Run(t.Context(), local.Options{
		Store: s, Source: src, Report: func(m string) { t.Error(m) },
		Analyze: func(ev *event.Event, s analysis.State) (analysis.Verdict, error) {
			return analysis.Verdict{}, s.Put(strings.Repeat("k", 40_000), &analysis.Item{})
		},
	})
	if err == nil || !strings.Contains(err.Error(), "key too large") {
		t.Errorf("%v", err)
	}
}
