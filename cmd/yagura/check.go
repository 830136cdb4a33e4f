package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/yagura-hids/yagura/internal/osxml"
	"github.com/yagura-hids/yagura/internal/rulecheck"
)

type rulesCheckCmd struct {
	rulesFlags
	Path   string `arg:"" optional:"" help:"A ruleset's folder, as for --rules, or an ossec.conf, as for --conf." type:"path" placeholder:"DIR"`
	Strict bool   `help:"Exit with 1 for warnings, too."`
	JSON   bool   `help:"One JSON object a line."`
}

// Help adds what the flags don't say.
func (rulesCheckCmd) Help() string {
	return `A fault keeps the ruleset from loading. A warning doesn't, but something is hardly meant: a rule that no event ever comes to, a
pattern that matches every line, a decoder hidden by another, groups that run into each other. Each line is

  FILE:LINE:COLUMN: fault|warning: what is wrong: the way out

  yagura rules check                         the built-in ruleset, or the one of $YAGURA_RULES
  yagura rules check /etc/yagura/rules       your own, beside the built-in ones
  yagura rules check /var/ossec --strict     OSSEC's; warnings count

Exit code 0: no faults (with --strict: and no warnings); 1: some; 2: a wrong call.`
}

// problem is a fault or a warning, as --json shows it.
type problem struct {
	Kind   string `json:"kind"`
	File   string `json:"file"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	What   string `json:"what"`
	Hint   string `json:"hint,omitempty"`
}

// Run loads the ruleset and tells what is wrong with it.
func (c rulesCheckCmd) Run() error {
	if err := c.choose(); err != nil {
		return err
	}
	show := &problems{screen: newScreen(os.Stdout), json: c.JSON}
	src, err := c.source()
	if err == nil {
		show.path = src.path
		err = show.check(src, nil)
	}
	var faults *osxml.FaultError
	switch {
	case errors.As(err, &faults):
		show.all("fault", faults.Faults)
	case err != nil:
		return err
	}
	if err := show.summary(src); err != nil {
		return err
	}
	if show.faults > 0 || c.Strict && show.warnings > 0 {
		return &codeError{code: 1}
	}
	return nil
}

// choose takes the argument for --rules or --conf.
func (c *rulesCheckCmd) choose() error {
	if c.Path == "" {
		return nil
	}
	info, err := os.Stat(c.Path)
	switch {
	case err != nil:
		return fmt.Errorf("look for a ruleset: %w", err)
	case info.IsDir():
		c.Rules = c.Path
	case strings.HasSuffix(c.Path, ".xml"):
		dir := filepath.Dir(filepath.Dir(c.Path))
		return &codeError{2, fmt.Errorf("%s is one file of a ruleset: name the folder that holds its rules/ and decoders/, such as %s", shorter(c.Path), dir)}
	default:
		c.Rules, c.Conf = "", c.Path
	}
	return nil
}

// problems shows faults and warnings as they are found.
type problems struct {
	screen
	json             bool
	path             func(file string) string
	loaded           string
	faults, warnings int
	others           int // warnings that aren't shown
	err              error
}

// check loads a ruleset and tells the warnings of the files that shown, if not nil, wants; of the others it counts them.
func (p *problems) check(src *source, shown func(file string) bool) error {
	set, err := src.load()
	if err != nil {
		return err
	}
	p.loaded = fmt.Sprintf("%d rules in %d files", len(set.Rules.Rules()), set.Files)
	list := rulecheck.Check(set, src.own)
	if shown != nil {
		all := len(list)
		list = slices.DeleteFunc(list, func(f *osxml.Fault) bool { return !shown(f.Pos.File) })
		p.others = all - len(list)
	}
	p.all("warning", list)
	return nil
}

func (p *problems) all(kind string, list []*osxml.Fault) {
	for _, f := range list {
		at := f.Pos
		if p.path != nil {
			at.File = p.path(at.File)
		}
		colour := yellow
		if p.warnings++; kind == "fault" {
			colour = red
			p.warnings--
			p.faults++
		}
		if p.json {
			p.keep(json.NewEncoder(p.out).Encode(problem{kind, at.File, at.Line, at.Col, f.What, f.Hint}))
			continue
		}
		text := clean(f.What)
		if f.Hint != "" {
			text += ": " + clean(f.Hint)
		}
		_, err := fmt.Fprintf(p.out, "%s: %s %s\n", clean(at.String()), p.paint(colour, kind+":"), text)
		p.keep(err)
	}
}

func (p *problems) keep(err error) { p.err = errors.Join(p.err, err) }

func (p *problems) summary(src *source) error {
	if p.json {
		return p.err
	}
	where := "the built-in ruleset"
	if src != nil && src.dir != "" {
		where = src.dir
	}
	text := fmt.Sprintf("%s: %s, %s", where, count(p.faults, "fault"), count(p.warnings, "warning"))
	switch {
	case p.loaded != "":
		text += "; " + p.loaded
	case p.faults > 0:
		text += "; warnings are looked for when it has no faults"
	}
	_, err := fmt.Fprintln(p.out, text)
	return errors.Join(p.err, err)
}
