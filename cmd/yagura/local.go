package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/yagura-hids/yagura/agent/logcollector"
	"github.com/yagura-hids/yagura/internal/analysis"
	"github.com/yagura-hids/yagura/internal/config"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/local"
	"github.com/yagura-hids/yagura/internal/ruleset"
)

type localCmd struct {
	rulesFlags
	Data  string   `help:"Where state and alerts are kept." type:"path" default:"${data}" placeholder:"DIR"`
	File  []string `short:"f" help:"Follow this file too (may hold * and %Y-%m-%d); - for standard input." placeholder:"FILE"`
	Level int      `short:"l" default:"1" help:"Show alerts from this level on; all are stored." placeholder:"N"`
	JSON  bool     `help:"Show alerts as JSON lines."`
	Quiet bool     `short:"q" help:"No word at the start."`
}

// Help adds what the flags don't say.
func (localCmd) Help() string {
	return `Follows the <localfile>s of --conf or, without one, this machine's usual logs and its systemd journal. Killed at any moment, it goes on
there: no line is lost, no alert doubled. Stop it with Ctrl-C.`
}

// tryName is a log in the data folder that is always followed, so that there is one to write a first line to.
const tryName = "try.log"

// Run watches until it is stopped.
func (c localCmd) Run(ctx context.Context) (err error) {
	conf, set, err := c.load()
	if err != nil {
		return err
	}
	store, err := local.Open(c.Data, rand.Reader)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	try := filepath.Join(c.Data, tryName)
	if err := touch(try); err != nil {
		return err
	}
	sources := c.sources(conf, try)
	source, err := local.Follow(store, c.server(), sources, logcollector.Options{Report: warn})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	if !c.Quiet {
		c.welcome(conf, set, sources, try)
	}
	show := alertPrinter(os.Stdout, c.JSON)
	stats, err := local.Run(ctx, local.Options{
		Store: store, Source: source, Analyze: analysis.New(set, c.options(conf)).Analyze, MemorySize: conf.MemorySize, JSON: conf.JSON,
		Report: warn,
		Alert: func(a *event.Alert) {
			if a.Rule.Level >= c.Level {
				show(a)
			}
		},
	})
	if err == nil && !c.Quiet {
		fmt.Fprintf(os.Stderr, "\nstopped: %d lines, %d alerts in %s; run it again to go on where it stopped\n", stats.Lines, stats.Alerts,
			stats.Elapsed.Round(time.Second))
	}
	return err
}

// sources are the logs to follow: the configuration's or else the machine's, those of --file, and the one for trying.
func (c localCmd) sources(conf *config.Config, try string) []logcollector.Source {
	var list []logcollector.Source
	for _, l := range conf.Localfiles {
		list = append(list, logcollector.Source{Location: l.Location, Format: l.Format})
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
func (c localCmd) welcome(conf *config.Config, set *ruleset.Set, sources []logcollector.Source, try string) {
	out := os.Stderr
	fmt.Fprintf(out, "yagura %s watches %s with %d rules (ruleset %s).\n\n", version, c.server(), len(set.Rules.Rules()), set.Hash)
	for i, s := range sources {
		label := ""
		if i == 0 {
			label = "logs"
		}
		name := s.Location
		if s.Format == "journald" {
			name = "the systemd journal"
		}
		fmt.Fprintf(out, "  %-8s %s\n", label, name)
	}
	fmt.Fprintf(out, "  %-8s %s\n", "alerts", filepath.Join(c.Data, "alerts", "alerts.log"))
	if conf.JSON {
		fmt.Fprintf(out, "  %-8s %s\n", "", filepath.Join(c.Data, "alerts", "alerts.json"))
	}
	for _, u := range conf.Unused {
		fmt.Fprintf(out, "  %-8s %s of %s: not done by yagura local yet\n", "note", u, c.Conf)
	}
	data := ""
	if c.Data != defaultData() {
		data = " --data " + c.Data
	}
	fmt.Fprintf(out, `
To see a first alert, paste this into a second terminal:

  echo "$(LC_ALL=C date '+%%b %%e %%T') $(hostname) sshd[7]: Failed password for root from 198.51.100.7 port 22 ssh2" >> %s

Later: yagura alerts%s lists them. Ctrl-C stops.

`, try, data)
}

// exitOnClosed ends the program when nobody reads its output any more, as after "| head".
func exitOnClosed(err error) {
	if err != nil {
		os.Exit(1)
	}
}
