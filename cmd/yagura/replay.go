package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/yagura-hids/yagura/internal/analysis"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/local"
)

type replayCmd struct {
	rulesFlags
	Files []string `arg:"" help:"Logs, plain or packed with gzip or zstd; - for standard input." type:"existingfile"`
	Data  string   `help:"Keep alerts, alerts.log and alerts.json in this folder, and go on there where an earlier replay of the same log ended." type:"path" placeholder:"DIR"`
	Level int      `short:"l" default:"1" help:"Show alerts from this level on." placeholder:"N"`
	JSON  bool     `help:"Alerts as JSON lines, and no summary."`
	Quiet bool     `short:"q" help:"Only the summary."`
}

// Help adds what the flags don't say.
func (replayCmd) Help() string {
	return `Times are the logs' own, so that "8 in 120 seconds" means what it meant then. Without --data nothing is kept.

  yagura replay /var/log/auth.log.*
  zcat access.log.gz | yagura replay --level 6 -`
}

// Run replays the logs and sums up.
func (c replayCmd) Run(ctx context.Context) (err error) {
	conf, set, err := c.load()
	if err != nil {
		return err
	}
	var store *local.Store
	if c.Data != "" {
		if store, err = local.Open(c.Data, rand.Reader); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, store.Close()) }()
	}
	source := local.Replay(store, c.Files, local.ReplayOptions{Agent: c.server()})
	defer func() { err = errors.Join(err, source.Close()) }()
	bar := newProgress(source)
	show := alertPrinter(os.Stdout, c.JSON)
	stats, err := local.Run(ctx, local.Options{
		Store: store, Source: source, Analyze: analysis.New(set, c.options(conf)).Analyze, MemorySize: conf.MemorySize, JSON: conf.JSON,
		Report: warn,
		Alert: func(a *event.Alert) {
			bar.step()
			if !c.Quiet && a.Rule.Level >= c.Level {
				bar.clear()
				show(a)
			}
		},
	})
	bar.clear()
	if !c.JSON {
		summary(os.Stdout, stats)
	}
	if ctx.Err() != nil {
		return &codeError{code: 130, err: errors.Join(errors.New("interrupted: the summary is of what was replayed until then"), err)}
	}
	return err
}

// warn tells the user of trouble that stops nothing.
func warn(msg string) { fmt.Fprintln(os.Stderr, "yagura:", msg) }

// summary shows the figures of a run.
func summary(w io.Writer, s *local.Stats) {
	fmt.Fprintf(w, "\n%d events (%s) in %s, %s a second; %d decoded, %d alerts\n", s.Lines, bytesText(s.Bytes),
		s.Elapsed.Round(time.Millisecond), thousands(int(s.EventsPerSecond())), s.Decoded, s.Alerts)
	if s.Alerts == 0 {
		return
	}
	var levels []string
	for _, level := range slices.Backward(slices.Sorted(maps.Keys(s.Levels))) {
		levels = append(levels, fmt.Sprintf("level %d: %d", level, s.Levels[level]))
	}
	fmt.Fprintf(w, "By level   %s\nTop rules\n", strings.Join(levels, ", "))
	for _, r := range s.TopRules(10) {
		fmt.Fprintf(w, "%8d × rule %-6d level %-2d  %s\n", r.Count, r.ID, r.Level, printable(r.Description))
	}
}

func bytesText(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
}

// thousands writes 12345 as 12,345.
func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// progress is a bar on standard error, for replays that last, where a person watches.
type progress struct {
	source *local.Replayer
	bar    *progressbar.ProgressBar
	begun  time.Time
}

// showAfter is how long a replay goes before it shows a bar.
const showAfter = time.Second

func newProgress(source *local.Replayer) *progress {
	return &progress{source: source, begun: time.Now()}
}

func (p *progress) step() {
	if p.bar == nil {
		if time.Since(p.begun) < showAfter || !term.IsTerminal(int(os.Stderr.Fd())) {
			return
		}
		_, size := p.source.Progress()
		p.bar = progressbar.NewOptions64(size, progressbar.OptionSetWriter(os.Stderr), progressbar.OptionShowBytes(true),
			progressbar.OptionSetDescription("replaying"), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
	}
	read, _ := p.source.Progress()
	warnIf(p.bar.Set64(read))
}

func (p *progress) clear() {
	if p.bar != nil {
		warnIf(p.bar.Clear())
	}
}

func warnIf(err error) {
	if err != nil {
		warn(err.Error())
	}
}
