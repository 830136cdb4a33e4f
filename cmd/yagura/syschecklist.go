package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/yagura-hids/yagura/internal/baseline"
	"github.com/yagura-hids/yagura/internal/changelist"
	"github.com/yagura-hids/yagura/internal/syscheck"
)

type syscheckListCmd struct {
	Agent    []string `help:"Of these agents only." placeholder:"ID" sep:"none"`
	Profile  string   `help:"Of hosts of this profile only." placeholder:"NAME"`
	Since    string   `default:"24h" help:"Not older than this: a time like 2026-11-23T08:00, a day, or how long ago, like 90m, 24h or 7d (default: ${default})." placeholder:"WHEN"`
	Path     string   `help:"Only paths that are so; * stands for anything but a slash. A folder's path stands for all below it." placeholder:"GLOB"`
	All      bool     `help:"Also what is no news: files of first scans, told again, no longer watched."`
	Unfolded bool     `help:"Every change of every host on a line of its own."`
	Limit    int      `short:"n" default:"200" help:"At most so many lines; 0 for all (default: ${default})." placeholder:"N"`
	JSON     bool     `short:"j" help:"One JSON object a line, with all that is known."`
}

// Help adds what the flags don't say.
func (syscheckListCmd) Help() string {
	return `The newest change comes first. The same change on several hosts is one line, and so is a package with all its files.

  "!"   nothing says why the file should have changed
  "!!"  and it is on one host only, or the file can be run, or something speaks against it: look at these first

That is said by what the server knows of each change. What a rule says of some files in any case, and what your own rules say, yagura alerts shows.

  yagura syscheck list --since 7d --path /etc
  yagura syscheck list --agent web7 --unfolded --json | jq .entry.change.diff
  yagura syscheck list --unfolded --json -n 0        everything, host after host`
}

// Run lists what changed.
func (c syscheckListCmd) Run(ctx context.Context, at *syscheckCmd) error {
	since, err := parseWhen("--since", c.Since, time.Now())
	if err == nil && c.Limit < 0 {
		err = fmt.Errorf("--limit %d: write how many to list, or 0 for all", c.Limit)
	}
	matches, err2 := pathMatcher(c.Path)
	if err := errors.Join(err, err2); err != nil {
		return &codeError{2, err}
	}
	o := changelist.Options{Profile: c.Profile, Path: matches, Unfolded: c.Unfolded, Whole: c.JSON && c.Unfolded, Limit: c.Limit}
	var agents []string
	list := changelist.New(o)
	err = at.baselines(ctx, func(s *baseline.Store) (err error) {
		if agents, err = c.agents(ctx, s); err != nil {
			return err
		}
		if o.Whole && c.Limit == 0 { // too much to be held
			return each(agents, func(agent string) error {
				list := changelist.New(o)
				err := readHistory(ctx, s, list, agent, since, c.All)
				lines, _ := list.Lines()
				return errors.Join(err, each(lines, func(l changelist.Line) error { return jsonTo(os.Stdout)(l) }))
			})
		}
		return eachAgent(ctx, agents, func(ctx context.Context, agent string) error { return readHistory(ctx, s, list, agent, since, c.All) })
	})
	if err != nil {
		return err
	}
	lines, dropped := list.Lines()
	if c.Limit > 0 && len(lines) > c.Limit {
		lines, dropped = lines[:c.Limit], dropped+len(lines)-c.Limit
	}
	if c.JSON {
		if dropped > 0 {
			fmt.Fprintf(os.Stderr, "these are the newest %d lines of %d; -n 0 gives all\n", len(lines), len(lines)+dropped)
		}
		return each(lines, func(l changelist.Line) error { return jsonTo(os.Stdout)(l) })
	}
	switch {
	case len(agents) == 0:
		fmt.Fprintln(os.Stderr, "no host has told of its files yet")
		return nil
	case len(lines) == 0:
		fmt.Fprintf(os.Stderr, "nothing like that changed since %s, on %s\n", zoned(since), count(len(agents), "host"))
		return nil
	}
	return newScreen(os.Stdout).changes(lines, dropped, widthOf(os.Stdout))
}

// agents returns the agents whose changes are wanted.
func (c syscheckListCmd) agents(ctx context.Context, s *baseline.Store) ([]string, error) {
	all, err := s.Agents(ctx)
	if err != nil || len(c.Agent) == 0 {
		return all, err
	}
	for _, agent := range c.Agent {
		if !slices.Contains(all, agent) {
			return nil, fmt.Errorf("agent %q has told of no files; yagura syscheck baseline list names those that have", agent)
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(c.Agent))), nil
}

// readHistory adds an agent's history to a list.
func readHistory(ctx context.Context, s *baseline.Store, list *changelist.List, agent string, since time.Time, all bool) error {
	h := list.Host(agent)
	defer h.Done()
	err := s.History(ctx, agent, since, all, func(e baseline.Entry) bool {
		h.Add(e)
		return ctx.Err() == nil
	})
	return errors.Join(err, ctx.Err())
}

// readers is how many agents are read at a time.
const readers = 8

// eachAgent runs do for all agents, for some of them at a time, until one fails.
func eachAgent(ctx context.Context, agents []string, do func(ctx context.Context, agent string) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan string)
	var wg sync.WaitGroup
	for range min(readers, len(agents)) {
		wg.Go(func() {
			for agent := range next {
				if err := do(ctx, agent); err != nil {
					cancel(err)
				}
			}
		})
	}
	for i, agent := range agents {
		tellEvery(i, len(agents), "hosts read")
		select {
		case next <- agent:
		case <-ctx.Done():
		}
	}
	close(next)
	wg.Wait()
	return context.Cause(ctx)
}

// widthOf is how wide a terminal is, 0 for what is none.
func widthOf(f *os.File) int {
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// tellEvery tells on a terminal how far long work is.
func tellEvery(done, all int, what string) {
	if all >= 100 && done%50 == 0 && term.IsTerminal(int(os.Stderr.Fd())) {
		fmt.Fprintf(os.Stderr, "\r%d of %d %s", done, all, what)
		if done+50 >= all {
			fmt.Fprint(os.Stderr, "\r\x1b[K")
		}
	}
}

// pathMatcher returns what tells the wanted paths from others, nil for all.
func pathMatcher(glob string) (func(string) bool, error) {
	if glob == "" {
		return nil, nil
	}
	if _, err := path.Match(glob, ""); err != nil {
		return nil, fmt.Errorf("--path %q: %w; write a path, or one with *, ? or [a-z]", glob, err)
	}
	below := strings.TrimSuffix(glob, "/") + "/"
	return func(p string) bool {
		ok, _ := path.Match(glob, p)
		return ok || strings.HasPrefix(p, below)
	}, nil
}

// changes shows lines of a list, on a terminal that is too narrow for that in two lines each.
//
//	    Time                 What      Path         Where                  Why
//	!!  2026-11-25 02:00:00  changed   /etc/shadow  only here: web7
//	    2026-11-25 01:58:13  upgraded  openssl      50 hosts               3.0.13-1 → 3.0.14-1, 41 files
func (s screen) changes(lines []changelist.Line, dropped, width int) error {
	rows := [][]string{{"", "Time", "What", "Path", "Where", "Why"}}
	for i := range lines {
		l := &lines[i]
		name := l.Path
		if l.From != "" {
			name = l.From + " → " + l.Path
		}
		rows = append(rows, []string{l.Mark.String(), moment(l.Time), word(l.What), onScreen(name), onScreen(l.Where()), onScreen(strings.Join(l.Why(), ", "))})
	}
	colour := func(row int) string {
		switch {
		case row == 0 || lines[row-1].Mark == changelist.Quiet:
			return plain
		case lines[row-1].Mark == changelist.First:
			return red
		}
		return yellow
	}
	var err error
	if width > 0 && tooWide(rows, width) {
		err = s.pairs(rows[1:], func(row int) string { return colour(row + 1) })
	} else {
		err = s.grid(rows, 0, colour)
	}
	if err == nil && dropped > 0 {
		_, err = fmt.Fprintln(s.out, s.paint(grey, count(dropped, "older line")+"; -n 0 shows all"))
	}
	return err
}

// tooWide tells whether a grid of these rows has longer lines than a terminal.
func tooWide(rows [][]string, width int) bool {
	widest := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widest[i] = max(widest[i], len([]rune(cell)))
		}
	}
	for _, w := range widest {
		width -= w + 2
	}
	return width < -2
}

// pairs shows each row in two lines:
//
//	!!  2026-11-25 02:00:00  changed   /etc/shadow
//	    only here: web7, rw-r----- → rw-rw-rw-
func (s screen) pairs(rows [][]string, colour func(row int) string) error {
	var b strings.Builder
	for i, row := range rows {
		head := fmt.Sprintf("%-2s  %s  %-8s  %s", row[0], row[1], row[2], row[3])
		rest := strings.Trim(row[4]+", "+row[5], ", ")
		fmt.Fprintf(&b, "%s\n    %s\n", s.paint(colour(i), strings.TrimRight(head, " ")), s.paint(grey, rest))
	}
	_, err := io.WriteString(s.out, b.String())
	return err
}

// onScreen makes a name fit to be shown, and to be named again: see spellings.
func onScreen(name string) string { return strings.Map(visible, syscheck.Plain(name)) }

// word returns how a list calls what happened.
func word(what string) string {
	if w, ok := map[string]string{syscheck.Modified: "changed", syscheck.Baseline: "known", syscheck.Unwatched: "unwatched"}[what]; ok {
		return w
	}
	return what
}
