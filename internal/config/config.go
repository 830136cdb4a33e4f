// Package config reads ossec.conf, the part of it that concerns judging what hosts saw:
//
//	<ossec_config>                                   several blocks add up
//	  <global>     <memory_size> <jsonout_output> <email_notification> …
//	  <rules>      <include> <rule_dir> <decoder> <decoder_dir> <list>
//	  <ruleset>    Wazuh's: <rule_dir> <rule_include> <rule_exclude> <decoder_dir> … <list>
//	  <alerts>     <log_alert_level> <email_alert_level>
//
// What a host does (<localfile>, <syscheck>, <rootcheck>, <client>, <labels>) is read by agent/config. Other sections belong to parts that are not
// here yet; they are named by Config.Unused, never a fault.
package config

import (
	"errors"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/yagura-hids/yagura/internal/osxml"
)

// Config is what one or more ossec.conf files say.
type Config struct {
	Rules      Rules
	Alerts     Alerts
	MemorySize int      // events remembered for composite rules; 0 for the default
	Stats      int      // level of alerts about hours with far more events than usual; 0 for none
	JSON       bool     // jsonout_output: alerts.json is written, too
	Unused     []string // sections that were there and have no effect
}

// Alerts are the levels from which alerts are recorded and mailed.
type Alerts struct{ LogLevel, MailLevel int }

// Rules names the files of a ruleset, in order of reading. Empty lists mean OSSEC's defaults.
type Rules struct {
	Decoders []Include
	Includes []Include
	Lists    []string

	Wazuh           bool     // they are in Wazuh's dialect, not OSSEC's: a <ruleset> names them. They are read by name, whatever their directories
	ExcludeRules    []string // files of the directories to leave out, by name or by path; Wazuh's
	ExcludeDecoders []string
}

// Include is a file, or a directory of files whose path matches Pattern.
type Include struct {
	Path    string // as written: a name without "/" is in rules/ (Wazuh: in ruleset/), others are relative to the root
	Dir     bool
	Pattern string // OS_Regex, for directories
	Pos     osxml.Pos
}

// Default returns the configuration that holds where no file says otherwise.
func Default() *Config {
	return &Config{Alerts: Alerts{LogLevel: 1, MailLevel: 7}, Stats: 4, JSON: true}
}

// Read parses the file of that name in fsys over the defaults. Its error is a *osxml.FaultError with all faults of the file, or tells why
// the file could not be read.
func Read(fsys fs.FS, name string) (*Config, error) {
	src, err := fs.ReadFile(fsys, name)
	if err != nil {
		return nil, err
	}
	return Parse(name, src)
}

// Parse is Read of a text at hand; name is for messages.
func Parse(name string, src []byte) (*Config, error) {
	r := &reader{config: Default()}
	roots, err := osxml.Parse(name, src)
	r.faults.Append(name, err)
	if len(roots) == 0 && err == nil {
		r.faults.Add(osxml.Pos{File: name}, "write <ossec_config> around it", "the file holds no configuration")
	}
	for _, root := range roots {
		if root.Name != "ossec_config" && root.Name != "agent_config" {
			r.faults.Add(root.Pos, "write <ossec_config>", "<%s> is no configuration", root.Name)
			continue
		}
		for _, section := range root.Children {
			r.section(section)
		}
	}
	r.config.Rules.complete()
	return r.config, r.faults.Err()
}

type reader struct {
	config *Config
	faults osxml.Faults
}

func (r *reader) section(e *osxml.Element) {
	switch strings.ToLower(e.Name) {
	case "localfile", "syscheck", "rootcheck", "client", "labels": // the host's
	case "rules":
		r.rules(e)
	case "ruleset":
		r.ruleset(e)
	case "alerts":
		r.levels(e)
	case "global":
		r.global(e)
	default:
		if sections[strings.ToLower(e.Name)] {
			r.unused(e.Name)
			return
		}
		r.faults.Add(e.Pos, "known are global, rules, alerts and OSSEC's other sections", "unknown section <%s>", e.Name)
	}
}

func (r *reader) unused(what string) {
	if !slices.Contains(r.config.Unused, what) {
		r.config.Unused = append(r.config.Unused, what)
	}
}

func (r *reader) rules(e *osxml.Element) {
	rules := &r.config.Rules
	for _, child := range e.Children {
		in := Include{Path: strings.TrimSpace(child.Content), Pos: child.Pos}
		switch name := strings.ToLower(child.Name); name {
		case "include", "rule":
			rules.Includes = append(rules.Includes, in)
		case "decoder":
			rules.Decoders = append(rules.Decoders, in)
		case "rule_dir", "decoder_dir":
			in = in.directory(child)
			if name == "rule_dir" {
				rules.Includes = append(rules.Includes, in)
			} else {
				rules.Decoders = append(rules.Decoders, in)
			}
		case "list":
			rules.Lists = append(rules.Lists, in.Path)
		default:
			r.faults.Add(child.Pos, "known are include, rule, rule_dir, decoder, decoder_dir, list", "rules: unknown element <%s>", child.Name)
			continue
		}
		if in.Path == "" {
			r.faults.Add(child.Pos, "name a file", "<%s> is empty", child.Name)
		}
	}
}

func (r *reader) levels(e *osxml.Element) {
	for _, child := range e.Children {
		switch strings.ToLower(child.Name) {
		case "log_alert_level":
			r.number(child, &r.config.Alerts.LogLevel, 0, 20)
		case "email_alert_level":
			r.number(child, &r.config.Alerts.MailLevel, 0, 20)
		case "use_geoip":
			r.unused("alerts use_geoip")
		default:
			r.faults.Add(child.Pos, "known are log_alert_level and email_alert_level", "alerts: unknown element <%s>", child.Name)
		}
	}
}

func (r *reader) global(e *osxml.Element) {
	for _, child := range e.Children {
		switch name := strings.ToLower(child.Name); name {
		case "memory_size":
			r.number(child, &r.config.MemorySize, 2048, 5_000_000)
		case "stats":
			r.number(child, &r.config.Stats, 0, 16)
		case "jsonout_output":
			r.yes(child, &r.config.JSON)
		default:
			if !globals[name] {
				r.faults.Add(child.Pos, "check its spelling, or remove it", "global: unknown element <%s>", child.Name)
			}
		}
	}
}

func (r *reader) number(e *osxml.Element, into *int, least, most int) {
	n, err := strconv.Atoi(strings.TrimSpace(e.Content))
	if err != nil || n < least || n > most {
		r.faults.Add(e.Pos, "write a number from "+strconv.Itoa(least)+" to "+strconv.Itoa(most), "<%s> is %q", e.Name, e.Content)
		return
	}
	*into = n
}

func (r *reader) yes(e *osxml.Element, into *bool) {
	switch strings.TrimSpace(e.Content) {
	case "yes":
		*into = true
	case "no":
		*into = false
	default:
		r.faults.Add(e.Pos, "write yes or no", "<%s> is %q", e.Name, e.Content)
	}
}

// IsMissing tells whether err, of Read, means that there is no such file.
func IsMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
