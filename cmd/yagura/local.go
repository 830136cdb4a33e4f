package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/yagura-hids/yagura/agent/agentd"
	agentconfig "github.com/yagura-hids/yagura/agent/config"
	"github.com/yagura-hids/yagura/agent/logcollector"
	"github.com/yagura-hids/yagura/agent/spool"
	"github.com/yagura-hids/yagura/internal/analysis"
	"github.com/yagura-hids/yagura/internal/config"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/local"
	"github.com/yagura-hids/yagura/internal/ruleset"
)

type localCmd struct {
	rulesFlags
	Data  string   `help:"Where state and alerts are kept (default: ${default})." type:"path" default:"${data}" placeholder:"DIR"`
	File  []string `short:"f" sep:"none" help:"Follow this file (may hold * and %Y-%m-%d; - is standard input) instead of the usual logs; with --conf, besides those named there. May be repeated." type:"path" placeholder:"FILE"`
	Level int      `short:"l" default:"1" help:"Show alerts from this level on (default: ${default}); all are stored." placeholder:"N"`
	JSON  bool     `help:"Show alerts as JSON lines."`
	Quiet bool     `short:"q" help:"No words at the start and the end."`
	repeatFlags
}

// Help adds what the flags don't say.
func (localCmd) Help() string {
	return `Follows the <localfile>s of --conf or, without one, this machine's usual logs and its systemd journal. Stop it
with Ctrl-C. Killed at any moment, it goes on there at the next start: no line is lost, no alert doubled.

  yagura local
  yagura local --file '/srv/app/log/%Y-%m-%d*.log' --level 7
  yagura local --conf /var/ossec/etc/ossec.conf`
}

// tryName is a log in the data folder that is always followed, so that there is one to write a first line to.
const tryName = "try.log"

// Run watches until it is stopped.
func (c localCmd) Run(ctx context.Context) (err error) {
	conf, set, err := c.load()
	if err != nil {
		return err
	}
	store, err := local.Open(c.Data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	try := filepath.Join(c.Data, tryName)
	if err := touch(try); err != nil {
		return err
	}
	sp, err := c.spool(store)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sp.Close()) }()
	watched := &agentconfig.Config{Sources: c.sources(conf, try)}
	source, err := local.Follow(store, sp, local.FollowOptions{Report: warn})
	if err != nil {
		return err
	}
	ready := make(chan struct{})
	agent := agentd.New(agentd.Options{
		Config: watched, Spool: sp, Version: version, Report: warn, Ready: sync.OnceFunc(func() { close(ready) }),
	})
	welcome := c.welcome(conf, set, watched.Sources, try)
	ctx, ended := begin(ctx, agent)
	select {
	case <-ready: // what is written from here on will be seen
		c.say(welcome)
	case <-ctx.Done():
	}
	stats, err := local.Run(ctx, c.runOptions(local.Options{Store: store, Source: source}, conf, set))
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

// begin starts the agent. The context that it returns ends with ctx, or when the agent does. The function ends the agent and tells why it ended.
func begin(ctx context.Context, agent *agentd.Agent) (context.Context, func() error) {
	ctx, stop := context.WithCancel(ctx)
	err := make(chan error, 1)
	go func() {
		defer stop()
		err <- agent.Run(ctx)
	}()
	return ctx, func() error {
		stop()
		return <-err
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

// sources are the logs to follow: the configuration's or else the machine's, those of --file, and the one for trying.
func (c localCmd) sources(conf *config.Config, try string) []logcollector.Source {
	var list []logcollector.Source
	for _, l := range conf.Localfiles {
		location := l.Location
		if l.Format != "journald" && location != "-" && !filepath.IsAbs(location) {
			location = filepath.Join(ruleset.Root(c.Conf), location)
		}
		list = append(list, logcollector.Source{Location: location, Format: l.Format})
	}
	if c.Conf == "" && len(c.File) == 0 {
		list = local.DefaultSources("/")
	}
	for _, name := range c.File {
		list = append(list, logcollector.Source{Location: name, Format: "syslog"})
	}
	return append(list, logcollector.Source{Location: try, Format: "syslog"})
}

func touch(name string) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// welcome says what is watched, where things are, and how to see a first alert.
func (c localCmd) welcome(conf *config.Config, set *ruleset.Set, sources []logcollector.Source, try string) string {
	var out strings.Builder
	fmt.Fprintf(&out, "yagura %s watches %s with %d rules (ruleset %s).\n\n", version, c.server(), len(set.Rules.Rules()), set.Hash)
	table := func(label string, lines ...string) {
		for _, line := range lines {
			fmt.Fprintf(&out, "  %-8s %s\n", label, line)
			label = ""
		}
	}
	table("logs", sourceNames(sources)...)
	if len(sources) == 1 {
		table("note", "no other log and no systemd journal is here to be followed; name one with --file FILE")
	}
	table("alerts", filepath.Join(c.Data, "alerts", "alerts.log"))
	if conf.JSON {
		table("", filepath.Join(c.Data, "alerts", "alerts.json"))
	}
	for _, u := range conf.Unused {
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

func sourceNames(sources []logcollector.Source) []string {
	var names []string
	for _, s := range sources {
		switch {
		case s.Format == "journald":
			names = append(names, "the systemd journal")
		case s.Location == "-":
			names = append(names, "standard input")
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
