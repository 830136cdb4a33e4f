package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/yagura-hids/yagura/internal/analysis"
	"github.com/yagura-hids/yagura/internal/config"
	"github.com/yagura-hids/yagura/internal/ruleset"
	"github.com/yagura-hids/yagura/rules"
)

// rulesFlags choose the ruleset and the configuration.
type rulesFlags struct {
	Conf  string `help:"OSSEC's ossec.conf: logs to follow, levels, and its <rules> (relative to its folder, or to the one above etc/)." type:"path" placeholder:"FILE" env:"YAGURA_CONF"`
	Rules string `help:"Ruleset, instead of the one in --conf: a folder laid out as /var/ossec is used alone; one with decoders/ or rules/ adds its files to the built-in ones and replaces those of the same name." type:"path" placeholder:"DIR" env:"YAGURA_RULES"`
	Host  string `help:"This machine's name in events whose line names none (default: the host name)." placeholder:"NAME"`
}

// load reads the configuration and the ruleset.
func (f rulesFlags) load() (*config.Config, *ruleset.Set, error) {
	conf, err := f.config()
	if err != nil {
		return nil, nil, err
	}
	fsys, files, err := f.files(conf)
	if err != nil {
		return nil, nil, err
	}
	set, err := ruleset.Load(fsys, files)
	if err != nil {
		return nil, nil, fmt.Errorf("the ruleset%s has faults:\n%w", f.where(conf), err)
	}
	return conf, set, nil
}

// repeatFlags are those of the commands that judge what was logged, as OSSEC's daemon does.
type repeatFlags struct {
	DropRepeats bool `help:"Don't judge a message that is one of the last three of its log, as OSSEC's daemon does. Rules that count then miss the repeated ones."`
}

// where says in which folder the files of a fault are.
func (f rulesFlags) where(conf *config.Config) string {
	switch {
	case f.Rules != "":
		return " in " + f.Rules
	case f.Conf != "" && len(conf.Rules.Includes)+len(conf.Rules.Decoders) > 0:
		return " in " + ruleset.Root(f.Conf)
	}
	return ""
}

func (f rulesFlags) config() (*config.Config, error) {
	if f.Conf == "" {
		return config.Default(), nil
	}
	src, err := os.ReadFile(f.Conf)
	if err != nil {
		return nil, fmt.Errorf("--conf: %w", err)
	}
	conf, err := config.Parse(f.Conf, src)
	if err != nil {
		return nil, fmt.Errorf("the configuration has faults:\n%w", err)
	}
	return conf, nil
}

// files chooses between the folder of --rules, the <rules> of --conf, and the built-in ruleset.
func (f rulesFlags) files(conf *config.Config) (fs.FS, config.Rules, error) {
	named := len(conf.Rules.Includes)+len(conf.Rules.Decoders) > 0
	if f.Rules == "" && named {
		return os.DirFS(ruleset.Root(f.Conf)), conf.Rules, nil
	}
	return ruleset.Choose(rules.FS, f.Rules)
}

// server returns the short host name.
func (f rulesFlags) server() string {
	name := f.Host
	if name == "" {
		name, _ = os.Hostname()
	}
	name, _, _ = strings.Cut(name, ".")
	if name == "" {
		name = "localhost"
	}
	return name
}

// options are logtest's; the commands that watch and replay add what OSSEC's daemon does beside.
func (f rulesFlags) options(conf *config.Config) analysis.Options {
	return analysis.Options{Server: f.server(), LogLevel: conf.Alerts.LogLevel, MailLevel: conf.Alerts.MailLevel}
}

// defaultData is where state and alerts are kept: the system's place for root, else the user's.
func defaultData() string {
	if os.Geteuid() == 0 {
		return "/var/lib/yagura"
	}
	if dir := os.Getenv("XDG_STATE_HOME"); dir != "" {
		return filepath.Join(dir, "yagura")
	}
	if home, err := os.UserHomeDir(); err == nil {
		return filepath.Join(home, ".local", "state", "yagura")
	}
	return "yagura-data"
}
