package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
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
  "!!"  and it is on one host only, or the file can be run, or somebody isn't believed: look at these first

  yagura syscheck list --since 7d --path /etc
  yagura syscheck list --agent web7 --unfolded --json | jq .path`
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
	list := changelist.New(changelist.Options{Profile: c.Profile, Path: matches, Unfolded: c.Unfolded, Whole: c.JSON, Limit: c.Limit})
	hosts := 0
	err = at.baselines(ctx, func(s *baseline.Store) error {
		agents, err := c.agents(ctx, s)
		hosts = len(agents)
		for i, agent := range agents {
			if err == nil {
				tellEvery(i, len(agents), "hosts read")
				h := list.Host(agent)
				err = s.History(ctx, agent, since, c.All, func(e baseline.Entry) bool {
					h.Add(e)
					return ctx.Err() == nil
				})
				h.Done()
			}
		}
		return errors.Join(err, ctx.Err())
	})
	if err != nil {
		return err
	}
	lines, dropped := list.Lines()
	if c.Limit > 0 && len(lines) > c.Limit {
		lines, dropped = lines[:c.Limit], dropped+len(lines)-c.Limit
	}
	if c.JSON {
		return each(lines, func(l changelist.Line) error { return jsonTo(os.Stdout)(l) })
	}
	switch {
	case hosts == 0:
		fmt.Fprintln(os.Stderr, "no host has told of its files yet")
		return nil
	case len(lines) == 0:
		fmt.Fprintf(os.Stderr, "nothing like that changed since %s, on %s\n", zoned(since), count(hosts, "host"))
		return nil
	}
	return newScreen(os.Stdout).changes(lines, dropped)
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

// changes shows lines of a list.
//
//	    Time                 What      Path         Where                  Why
//	!!  2026-11-25 02:00:00  changed   /etc/shadow  only here: web7
//	    2026-11-25 01:58:13  upgraded  openssl      50 of 50 hosts of web  3.0.13-1 → 3.0.14-1, 41 files
func (s screen) changes(lines []changelist.Line, dropped int) error {
	rows := [][]string{{"", "Time", "What", "Path", "Where", "Why"}}
	for i := range lines {
		l := &lines[i]
		rows = append(rows, []string{
			l.Mark.String(), moment(l.Time), word(l.What), syscheck.Plain(l.Path), syscheck.Plain(l.Where()),
			syscheck.Plain(strings.Join(l.Why(), ", ")),
		})
	}
	err := s.grid(rows, 0, func(row int) string {
		switch {
		case row == 0:
			return plain
		case lines[row-1].Mark == changelist.First:
			return red
		}
		return yellow
	})
	if err == nil && dropped > 0 {
		_, err = fmt.Fprintln(s.out, s.paint(grey, count(dropped, "older line")+"; -n 0 shows all"))
	}
	return err
}

// word returns how a list calls what happened.
func word(what string) string {
	if w, ok := map[string]string{syscheck.Modified: "changed", syscheck.Baseline: "known", syscheck.Unwatched: "unwatched"}[what]; ok {
		return w
	}
	return what
}
