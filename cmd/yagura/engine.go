package main

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/yagura-hids/yagura/internal/analysis"
	"github.com/yagura-hids/yagura/internal/config"
	"github.com/yagura-hids/yagura/internal/ruleset"
	"github.com/yagura-hids/yagura/rules"
)

// rulesFlags choose the ruleset and the configuration.
type rulesFlags struct {
	Conf  string `help:"OSSEC's ossec.conf: logs to follow, levels, and its <rules> or <ruleset> (relative to its folder, or to the one above etc/)." type:"path" placeholder:"FILE" env:"YAGURA_CONF"`
	Rules string `help:"Ruleset, instead of the one in --conf: a folder laid out as OSSEC's or Wazuh's /var/ossec, or as wazuh-ruleset, is used alone; one with decoders/ or rules/ adds its files to the built-in ones and replaces those of the same name." type:"path" placeholder:"DIR" env:"YAGURA_RULES"`
	Host  string `help:"This machine's name in events whose line names none (default: the host name)." placeholder:"NAME"`
}

// load reads the configuration and the ruleset.
func (f rulesFlags) load() (*config.Config, *ruleset.Set, error) {
	src, err := f.source()
	if err != nil {
		return nil, nil, err
	}
	set, err := src.load()
	return src.conf, set, err
}

// repeatFlags are those of the commands that judge what was logged, as OSSEC's daemon does.
type repeatFlags struct {
	DropRepeats bool `help:"Don't judge a message that is one of the last three of its log, as OSSEC's daemon does. Rules that count then miss the repeated ones."`
}

// source is a configuration, and where its ruleset's files are.
type source struct {
	conf  *config.Config
	fsys  fs.FS
	files config.Rules
	dir   string // the user's folder, "" if all is built in
}

// source finds the configuration and the ruleset.
func (f rulesFlags) source() (*source, error) {
	conf, err := f.config()
	if err != nil {
		return nil, err
	}
	s := &source{conf: conf, dir: f.Rules}
	if f.Rules == "" && f.Conf != "" && len(conf.Rules.Includes)+len(conf.Rules.Decoders) > 0 {
		s.dir = ruleset.Root(f.Conf)
	}
	s.fsys, s.files, err = f.files(conf)
	return s, err
}

func (s *source) load() (*ruleset.Set, error) {
	where := ""
	if s.dir != "" {
		where = " in " + s.dir
	}
	set, err := ruleset.Load(s.fsys, s.files)
	if err != nil {
		return nil, fmt.Errorf("the ruleset%s has faults:\n%w", where, err)
	}
	if err := set.Warnings(); err != nil {
		warn(fmt.Sprintf("the ruleset%s has faults that Wazuh passes over, too:\n%v", where, err))
	}
	return set, nil
}

// path returns where a file of the ruleset lies; a built-in one's is its name.
func (s *source) path(file string) string {
	if there := filepath.Join(s.dir, file); s.dir != "" {
		if _, err := os.Stat(there); err == nil {
			return there
		}
	}
	return file
}

// own tells whether a file of the ruleset is the user's own, not OSSEC's, Wazuh's or a built-in one.
func (s *source) own(file string) bool {
	within := func(name string) bool { return s.path(name) != name }
	switch {
	case strings.HasPrefix(path.Base(file), "local_"):
		return true
	case within("ruleset"): // Wazuh's folder, the user's own files beside it
		return strings.HasPrefix(file, "etc/")
	}
	_, err := fs.Stat(s.fsys, "ossec.conf")
	added := err == nil && s.dir != "" && !within("ossec.conf")
	_, err = fs.Stat(rules.FS, file)
	return added && err != nil
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
func (f rulesFlags) server() string { return shortHost(f.Host) }

// shortHost returns a name up to its first dot, and this machine's name if it is empty. Events are called by it.
func shortHost(name string) string {
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
