package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/yagura-hids/yagura/agent/agentd"
	agentconfig "github.com/yagura-hids/yagura/agent/config"
	"github.com/yagura-hids/yagura/agent/logcollector"
	"github.com/yagura-hids/yagura/agent/rootcheck"
	"github.com/yagura-hids/yagura/agent/spool"
	"github.com/yagura-hids/yagura/agent/syscheck"
	"github.com/yagura-hids/yagura/internal/analysis"
	"github.com/yagura-hids/yagura/internal/config"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/local"
	"github.com/yagura-hids/yagura/internal/ruleset"
	"github.com/yagura-hids/yagura/rules"
)

type localCmd struct {
	rulesFlags
	Data  string   `help:"Where state and alerts are kept (default: ${default})." type:"path" default:"${data}" placeholder:"DIR"`
	File  []string `short:"f" sep:"none" help:"Follow only this file (may hold * and %Y-%m-%d; - is standard input); with --conf, besides what is named there. May be repeated." type:"path" placeholder:"FILE"`
	Level int      `short:"l" default:"1" help:"Show alerts from this level on (default: ${default}); all are stored." placeholder:"N"`
	JSON  bool     `help:"Show alerts as JSON lines."`
	Quiet bool     `short:"q" help:"No words at the start and the end."`
	Relay bool     `help:"Take in OSSEC's agents and syslog, too: as <remote> and <auth> of --conf say or, without it, agents on port 1514 (UDP and TCP). Their keys: yagura agents."`
	repeatFlags
}

// Help adds what the flags don't say.
func (localCmd) Help() string {
	return `Does what --conf says in <localfile>, <syscheck> and <rootcheck>. Without it, follows this machine's usual logs and its
systemd journal, watches its programs and its configuration for changes, and looks for rootkits. Stop it with Ctrl-C. Killed at any moment, it goes on there at the next start: no line is lost, no alert doubled.

  yagura local
  yagura local --file '/srv/app/log/%Y-%m-%d*.log' --level 7
  yagura local --conf /var/ossec/etc/ossec.conf
  yagura local --relay                     an OSSEC server, for agents as they are; yagura agents add makes their keys`
}

// tryName is a log in the data folder that is always followed, so that there is one to write a first line to.
const tryName = "try.log"

// Run watches until it is stopped.
func (c localCmd) Run(ctx context.Context) (err error) {
	try := filepath.Join(c.Data, tryName)
	watched, fault := c.watched(try)
	conf, set, err := c.load()
	if err := errors.Join(err, fault); err != nil {
		return err
	}
	store, err := local.Open(c.Data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if err := touch(try); err != nil {
		return err
	}
	sp, err := c.spool(store)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sp.Close()) }()
	var waits sync.WaitGroup // until all that is to be watched is
	door, err := c.relay(ctx, store, sp, &waits)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, door.close()) }()
	source, err := local.Follow(store, sp, local.FollowOptions{Report: warn, Agent: door.agent})
	if err != nil {
		return err
	}
	for _, note := range watched.Notes {
		warn(note)
	}
	waits.Add(1)
	agent := agentd.New(agentd.Options{
		Config: watched, Spool: sp, Version: version, Databases: rules.Rootcheck, Report: unreadableOnce(warn), Ready: sync.OnceFunc(waits.Done),
		Collector: logcollector.Options{Host: c.server()},
	})
	ctx, ended := begin(ctx, agent.Run, door.run)
	ready := make(chan struct{})
	go func() {
		waits.Wait()
		close(ready)
	}()
	select {
	case <-ready: // what is written and sent from here on will be seen
		c.say(c.welcome(conf, set, watched, try, door))
	case <-ctx.Done():
	}
	stats, err := local.Run(ctx, c.runOptions(local.Options{Store: store, Source: source, Ask: newAsker(ctx, sp.Agent(), agent, store).ask}, conf, set))
	if err = errors.Join(err, ended()); err == nil {
		c.say(fmt.Sprintf("\nstopped: %s, %s in %s; start it again and it goes on where it stopped\n", count(stats.Lines, "line"),
			count(stats.Alerts, "alert"), stats.Elapsed.Round(time.Second)))
	}
	return err
}

// say tells the user, unless he wants no words.
func (c localCmd) say(text string) {
	if !c.Quiet {
		fmt.Fprint(os.Stderr, text)
	}
}

// begin starts parts. The context that it returns ends with ctx, or when one of them does. The function ends them and tells why they ended.
func begin(ctx context.Context, parts ...func(context.Context) error) (context.Context, func() error) {
	ctx, stop := context.WithCancel(ctx)
	errs := make(chan error, len(parts))
	for _, run := range parts {
		go func() {
			defer stop()
			errs <- run(ctx)
		}()
	}
	return ctx, func() (err error) {
		stop()
		for range parts {
			err = errors.Join(err, <-errs)
		}
		return err
	}
}

// spool opens what the agent's readers fill. Nothing is dropped from it: as long as the disk has no room, reading waits.
func (c localCmd) spool(store *local.Store) (*spool.Spool, error) {
	agent, err := store.Agent(c.server())
	if err != nil {
		return nil, err
	}
	return spool.Open(filepath.Join(c.Data, "agent.db"), spool.Options{Agent: agent, MaxBytes: math.MaxInt64, Gather: -1, Random: rand.Reader, Report: warn})
}

// runOptions are o with what judges events and shows alerts.
func (c localCmd) runOptions(o local.Options, conf *config.Config, set *ruleset.Set) local.Options {
	opts := c.options(conf)
	opts.NameActions, opts.DropRepeats, opts.StatsLevel = true, c.DropRepeats, conf.Stats
	o.Analyze, o.MemorySize, o.JSON, o.Report, o.Health = analysis.New(set, opts).Analyze, conf.MemorySize, conf.JSON, warn, set.Overruns
	show := alertPrinter(os.Stdout, c.JSON)
	o.Alert = func(a *event.Alert) {
		if a.Rule.Level >= c.Level {
			show(a)
		}
	}
	return o
}

// watched is what --conf asks for or, without one, what a machine without a configuration wants; or only the files of --file.
func (c localCmd) watched(try string) (*agentconfig.Config, error) {
	var names []string
	if c.Conf != "" {
		names = append(names, c.Conf)
	}
	w, err := agentconfig.Read(agentconfig.Host{Name: c.server(), OS: []string{runtime.GOOS}}, names)
	if err != nil {
		return nil, err
	}
	if c.Conf == "" && len(c.File) > 0 {
		w = &agentconfig.Config{Rootcheck: rootcheck.Config{Disabled: true}}
	}
	for _, name := range c.File {
		if _, err := filepath.Match(name, ""); err != nil {
			return nil, fmt.Errorf("--file %q: %w; close every [ with a ]", name, err)
		}
		w.Sources = append(w.Sources, logcollector.Source{Location: name, Format: "syslog"})
	}
	w.Sources = append(w.Sources, logcollector.Source{Location: try, Format: "syslog"})
	return w, nil
}

// unreadableOnce tells only the first time that files can't be compared since this user may not read them: for one who isn't root there are many.
func unreadableOnce(tell func(string)) func(string) {
	var told atomic.Bool
	return func(msg string) {
		switch {
		case os.Geteuid() == 0 || !strings.HasPrefix(msg, "syscheck: ") || !strings.Contains(msg, fs.ErrPermission.Error()):
			tell(msg)
		case !told.Swap(true):
			tell(msg + "; so it is with all files that only root may read: run yagura as root to watch them, too")
		}
	}
}

func touch(name string) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// welcome says what is watched, where things are, and how to see a first alert.
func (c localCmd) welcome(conf *config.Config, set *ruleset.Set, watched *agentconfig.Config, try string, door door) string {
	var out strings.Builder
	fmt.Fprintf(&out, "yagura %s watches %s with %d rules (ruleset %s).\n\n", version, c.server(), len(set.Rules.Rules()), set.Hash)
	table := func(label string, lines ...string) {
		for _, line := range lines {
			fmt.Fprintf(&out, "  %-8s %s\n", label, line)
			label = ""
		}
	}
	table("logs", sourceNames(watched.Sources)...)
	if len(watched.Sources) == 1 {
		table("note", "no other log and no systemd journal is here to be followed; name one with --file FILE")
	}
	if places := placeNames(watched.Syscheck); places != "" {
		table("files", places)
	}
	if !watched.Rootcheck.Disabled {
		table("rootkits", "their files, hidden processes and ports, and the like")
	}
	table("relay", door.words()...)
	table("alerts", filepath.Join(c.Data, "alerts", "alerts.log"))
	if conf.JSON {
		table("", filepath.Join(c.Data, "alerts", "alerts.json"))
	}
	details := slices.DeleteFunc(slices.Clone(watched.Unused), func(u string) bool { return !strings.Contains(u, " ") }) // whole sections may be the server's
	for _, u := range slices.Concat(conf.Unused, details, door.unused()) {
		if door.does(u) {
			continue
		}
		table("note", fmt.Sprintf("%s of %s: not done by yagura local yet", u, c.Conf))
	}
	data := ""
	if c.Data != defaultData() {
		data = " --data " + shellWord(c.Data)
	}
	fmt.Fprintf(&out, `
To see a first alert, paste this into a second terminal:

  echo "$(LC_ALL=C date '+%%b %%e %%T') %s sshd[7]: Failed password for root from 198.51.100.7 port 22 ssh2" >> %s

Later: yagura alerts%s lists them. Ctrl-C stops.

`, c.server(), shellWord(try), data)
	return out.String()
}

// placeNames says which directories are watched, "" for none.
func placeNames(c syscheck.Config) string {
	const shown = 3
	if c.Disabled || len(c.Directories) == 0 {
		return ""
	}
	var names []string
	for _, d := range c.Directories[:min(len(c.Directories), shown)] {
		names = append(names, d.Path)
	}
	text := strings.Join(names, ", ")
	if n := len(c.Directories) - shown; n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	return text + ": what is added, changed, moved, deleted from now on"
}

func sourceNames(sources []logcollector.Source) []string {
	var names []string
	for _, s := range sources {
		switch {
		case s.Format == "journald":
			names = append(names, "the systemd journal")
		case s.Location == "-":
			names = append(names, "standard input")
		case s.Location == "":
			names = append(names, "the output of "+s.Command)
		default:
			names = append(names, s.Location)
		}
	}
	return names
}

// shellWord writes a path so that a shell takes it as one word.
func shellWord(s string) string {
	plain := func(r rune) bool {
		return strings.ContainsRune("/._-+,:@%", r) || unicode.IsLetter(r) || unicode.IsDigit(r)
	}
	if strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
