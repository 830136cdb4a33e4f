package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/yagura-hids/yagura/internal/ruleset"
	"github.com/yagura-hids/yagura/internal/ruletest"
	"github.com/yagura-hids/yagura/internal/ruleview"
)

type rulesShowCmd struct {
	rulesFlags
	What string `arg:"" help:"A rule's id, or the name of a group." placeholder:"ID|GROUP"`
	JSON bool   `help:"One JSON object; of a group one a line."`
}

// Help adds what the flags don't say.
func (rulesShowCmd) Help() string {
	return `Shows where a rule is written, what it asks for, the tree around it in the order in which rules are asked, the composites that count its
events, and the cases that test it. Of a group it lists the rules.

  yagura rules show 5716
  yagura rules show authentication_failed
  yagura rules show --rules /var/ossec 5716

Exit code 0: found; 1: there is no such rule or group.`
}

// Run shows a rule or a group.
func (c rulesShowCmd) Run() error {
	src, err := c.source()
	if err != nil {
		return err
	}
	set, err := src.load()
	if err != nil {
		return err
	}
	show := ruleScreen{newScreen(os.Stdout), src.path}
	id, err := strconv.Atoi(c.What)
	if err != nil {
		return c.group(show, set)
	}
	r := set.Rules.Rule(id)
	if r == nil {
		return c.unknown(set, "rule")
	}
	cases, _ := ruletest.Read(src.fsys, "tests") // without any, none are shown
	v := ruleview.Of(set, src.fsys, cases, r)
	if c.JSON {
		return json.NewEncoder(os.Stdout).Encode(v)
	}
	return show.rule(v)
}

func (c rulesShowCmd) group(show ruleScreen, set *ruleset.Set) error {
	list := ruleview.Group(set.Rules, c.What)
	if len(list) == 0 {
		return c.unknown(set, "group")
	}
	for _, l := range list {
		if c.JSON {
			if err := json.NewEncoder(os.Stdout).Encode(l); err != nil {
				return err
			}
			continue
		}
		if _, err := io.WriteString(show.out, show.line("", l)); err != nil {
			return err
		}
	}
	return nil
}

func (c rulesShowCmd) unknown(set *ruleset.Set, kind string) error {
	hint := "; yagura rules show GROUP lists those of a group"
	if like := ruleview.Like(set.Rules, c.What); like != "" {
		hint = ": did you mean " + like + "?"
	}
	return fmt.Errorf("there is no %s %s among %d rules%s", kind, c.What, len(set.Rules.Rules()), hint)
}

// ruleScreen shows rules on 100 columns.
type ruleScreen struct {
	screen
	path func(file string) string
}

const columns = 100

// line is a rule in one line: mark, id, level, description.
func (s ruleScreen) line(mark string, l ruleview.Line) string {
	text := fmt.Sprintf("%s%-6d  level %2d  ", mark, l.ID, l.Level)
	rest := shorten(printable(l.Description), max(columns-len([]rune(text)), 20))
	return fmt.Sprintf("%s%s  %s\n", mark, s.paint(levelColour(l.Level), fmt.Sprintf("%-6d  level %2d", l.ID, l.Level)), rest)
}

func (s ruleScreen) rule(v ruleview.View) error {
	var b strings.Builder
	b.WriteString(s.paint(levelColour(v.Level), fmt.Sprintf("rule %d  level %d", v.ID, v.Level)) + "  " + printable(v.Description) + "\n")
	fmt.Fprintf(&b, "    %s\n", s.paint(grey, fmt.Sprintf("%s:%d", s.path(v.File), v.Line.Line)))
	if v.Overwrites != "" {
		fmt.Fprintf(&b, "    overwrites the one at %s\n", v.Overwrites)
	}
	if len(v.Groups) > 0 {
		fmt.Fprintf(&b, "    groups %s\n", strings.Join(v.Groups, ", "))
	}
	s.list(&b, "It holds if", v.Conditions, "always, when it is asked")
	s.list(&b, "Then", v.Effects, "")
	s.tree(&b, v)
	s.lines(&b, "Its events are counted by", v.CountedBy)
	s.cases(&b, v.Cases)
	if v.Source != "" {
		fmt.Fprintf(&b, "\n%s\n", clean(v.Source))
	}
	_, err := io.WriteString(s.out, b.String())
	return err
}

func (s ruleScreen) list(b *strings.Builder, title string, items []string, none string) {
	if len(items) == 0 && none == "" {
		return
	}
	if len(items) == 0 {
		items = []string{none}
	}
	fmt.Fprintf(b, "\n%s\n", title)
	for _, item := range items {
		fmt.Fprintf(b, "    %s\n", shorten(printable(item), 2*columns))
	}
}

// around is how many siblings are shown before and behind a rule, and most how many rules of other lists.
const (
	around = 6
	most   = 25
)

// tree shows a rule between what is above, beside and below it.
func (s ruleScreen) tree(b *strings.Builder, v ruleview.View) {
	b.WriteString("\nTree, in the order in which rules are asked\n")
	indent := "    "
	for _, l := range v.Above {
		b.WriteString(s.line(indent, l))
		indent += "  "
	}
	siblings := v.Siblings
	if len(siblings) == 0 {
		siblings = []ruleview.Line{v.Line}
	}
	here := 0
	for i, l := range siblings {
		if l.ID == v.ID {
			here = i
		}
	}
	from, to := max(here-around, 0), min(here+around+1, len(siblings))
	s.more(b, indent, from, "before")
	for i, l := range siblings[from:to] {
		if from+i != here {
			b.WriteString(s.line(indent, l))
			continue
		}
		b.WriteString(s.line(indent[2:]+"▶ ", l))
		for _, child := range v.Children[:min(len(v.Children), most)] {
			b.WriteString(s.line(indent+"  ", child))
		}
		s.more(b, indent+"  ", len(v.Children)-most, "below")
	}
	s.more(b, indent, len(siblings)-to, "behind")
	if len(v.Parents) > 1 {
		s.lines(b, "It hangs below each of", v.Parents)
	}
}

func (s ruleScreen) more(b *strings.Builder, indent string, n int, where string) {
	if n > 0 {
		fmt.Fprintf(b, "%s%s\n", indent, s.paint(grey, fmt.Sprintf("… %d more %s", n, where)))
	}
}

func (s ruleScreen) lines(b *strings.Builder, title string, list []ruleview.Line) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s\n", title)
	for _, l := range list[:min(len(list), most)] {
		b.WriteString(s.line("    ", l))
	}
	s.more(b, "    ", len(list)-most, "")
}

func (s ruleScreen) cases(b *strings.Builder, cases []ruleview.Case) {
	if len(cases) == 0 {
		b.WriteString("\nNo case tests it\n")
		return
	}
	b.WriteString("\nCases\n")
	for _, c := range cases[:min(len(cases), most)] {
		fmt.Fprintf(b, "    %s  %s\n        %s\n", s.paint(grey, fmt.Sprintf("%s:%d", s.path(c.File), c.Line)), printable(c.Name),
			shorten(printable(c.Log), columns-8))
	}
	s.more(b, "    ", len(cases)-most, "")
}
