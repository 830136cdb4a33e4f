package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"github.com/yagura-hids/yagura/agent/logcollector"
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
		fmt.Fprint(os.Stderr, c.welcome(conf, set, sources, try))
	}
	opts := c.options(conf)
	opts.NameActions, opts.DropRepeats, opts.StatsLevel = true, c.DropRepeats, conf.Stats
	show := alertPrinter(os.Stdout, c.JSON)
	stats, err := local.Run(ctx, local.Options{
		Store: store, Source: source, Analyze: analysis.New(set, opts).Analyze, MemorySize: conf.MemorySize, JSON: conf.JSON,
		Report: warn, Health: set.Overruns,
		Alert: func(a *event.Alert) {
			if a.Rule.Level >= c.Level {
				show(a)
			}
		},
	})
	if err == nil && !c.Quiet {
		fmt.Fprintf(os.Stderr, "\nstopped: %s, %s in %s; start it again and it goes on where it stopped\n", count(stats.Lines, "line"),
			count(stats.Alerts, "alert"), stats.Elapsed.Round(time.Second))
	}
	return err
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
