package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/yagura-hids/yagura/internal/analysis"
	"github.com/yagura-hids/yagura/internal/analysisd"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/local"
)

type replayCmd struct {
	rulesFlags
	Files []string `arg:"" name:"file" help:"Logs, plain or packed with gzip or zstd; - for standard input." type:"path"`
	Data  string   `help:"Keep alerts, alerts.log and alerts.json in this folder, and go on there where an earlier replay of the same log ended." type:"path" placeholder:"DIR" xor:"where"`
	stackFlags
	Level int  `short:"l" default:"1" help:"Show alerts from this level on (default: ${default}); the summary counts all." placeholder:"N"`
	JSON  bool `help:"Alerts as JSON lines, and no summary."`
	Quiet bool `short:"q" help:"Only the summary."`
	repeatFlags
}

// Help adds what the flags don't say.
func (replayCmd) Help() string {
	return `Times are the logs' own, so that "8 in 120 seconds" means what it meant then. Without --data nothing is kept.

  yagura replay /var/log/auth.log.2.gz /var/log/auth.log.1 /var/log/auth.log
  journalctl -o short-iso | yagura replay --level 7 -

With --aws, alerts and memory are those of a stack on AWS: the logs are judged here, with the rules given here, and what follows is stored there, and
told of. A log that yagura send has sent, or that was replayed there before, makes no second alert.`
}

// Run replays the logs and sums up.
func (c replayCmd) Run(ctx context.Context) (err error) {
	conf, set, err := c.load()
	if err != nil {
		return err
	}
	var store *local.Store
	if c.Data != "" {
		if store, err = local.Open(c.Data); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, store.Close()) }()
	}
	source := local.Replay(store, c.Files, local.ReplayOptions{Agent: c.server()})
	defer func() { err = errors.Join(err, source.Close()) }()
	opts := c.options(conf)
	opts.NameActions, opts.DropRepeats = true, c.DropRepeats
	bar := newProgress(source, "replaying")
	show := alertPrinter(os.Stdout, c.JSON)
	engine := analysis.New(set, opts)
	judge, err := c.judge(ctx, engine)
	if err != nil {
		return err
	}
	stats, err := local.Run(ctx, local.Options{
		Store: store, Source: source, Analyze: engine.Analyze, Judge: judge, MemorySize: conf.MemorySize, JSON: conf.JSON,
		Report: func(msg string) { bar.aside(func() { warn(msg) }) }, Health: set.Overruns,
		Alert: func(a *event.Alert) {
			if !c.Quiet && a.Rule.Level >= c.Level {
				bar.aside(func() { show(a) })
			}
		},
	})
	bar.end()
	c.lastWords(stats, source, err)
	if ctx.Err() != nil {
		return &codeError{code: 130, err: errors.Join(errors.New("interrupted; the figures are of what was replayed until then"), err)}
	}
	return err
}

// judge returns what judges by the memory of a stack on AWS, and stores there; nil if that isn't asked for.
func (c replayCmd) judge(ctx context.Context, engine *analysis.Engine) (local.Judge, error) {
	if !c.AWS {
		return nil, nil
	}
	stack, err := c.open(ctx)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, events []*event.Event) (alerts []*event.Alert, decoded int, err error) {
		daemon := analysisd.New(analysisd.Options{Engine: engine, Table: stack, Now: time.Now, Keep: replayKeep, Alert: func(a *event.Alert) {
			alerts = append(alerts, a)
		}})
		r, err := daemon.Run(ctx, events)
		return alerts, r.Decoded, err
	}, nil
}

// replayKeep is how long a stack keeps alerts unless it is told otherwise.
const replayKeep = 365 * 24 * time.Hour

// lastWords sums up, or says why there is nothing to sum up.
func (c replayCmd) lastWords(stats *local.Stats, source *local.Replayer, err error) {
	read, _ := source.Progress()
	switch {
	case stats.Lines > 0 && !c.JSON:
		text := summary(stats)
		if c.AWS && err == nil {
			text += "Stored on AWS, in stack " + c.Stack + "; to list them: yagura alerts --aws --stack " + shellWord(c.Stack) + "\n"
		}
		if c.Data != "" && err == nil {
			text += "Kept in " + c.Data + "; to list them: yagura alerts --data " + shellWord(c.Data) + "\n"
		}
		_, err := io.WriteString(os.Stdout, text)
		written(err)
	case stats.Lines > 0 || err != nil:
	case c.Data != "" && (read > 0 || slices.Contains(c.Files, "-")): // a pipe's bytes are not counted
		fmt.Fprintf(os.Stderr, "nothing new: %s has these logs to their ends; yagura alerts --data %s lists what they held; another --data judges them again\n", c.Data, shellWord(c.Data))
	default:
		fmt.Fprintln(os.Stderr, "no lines in there")
	}
}

// summary returns the figures of a run.
func summary(s *local.Stats) string {
	var w strings.Builder
	fmt.Fprintf(&w, "\n%s (%s) in %s, %s a second; %s decoded, %s\n", count(s.Lines, "event"), bytesText(s.Bytes),
		s.Elapsed.Round(time.Millisecond), thousands(int(s.EventsPerSecond())), thousands(s.Decoded), count(s.Alerts, "alert"))
	if s.Alerts == 0 {
		return w.String()
	}
	var levels []string
	for _, level := range slices.Backward(slices.Sorted(maps.Keys(s.Levels))) {
		levels = append(levels, fmt.Sprintf("level %d: %s", level, thousands(s.Levels[level])))
	}
	fmt.Fprintf(&w, "By level   %s\nTop rules\n", strings.Join(levels, "  "))
	for _, r := range s.TopRules(10) {
		fmt.Fprintf(&w, "%10s × level %2d  rule %-6d %s\n", thousands(r.Count), r.Level, r.ID, printable(r.Description))
	}
	return w.String()
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

// count writes "1 line" or "2,000 lines".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return thousands(n) + " " + what + "s"
}
