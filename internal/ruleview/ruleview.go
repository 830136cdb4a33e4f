// Package ruleview gathers what there is to know of a rule: where and how it is written, what it asks in words, what is around it in the tree,
// which composites count its events, and which cases test it.
package ruleview

import (
	"bytes"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/yagura-hids/yagura/internal/osxml"
	"github.com/yagura-hids/yagura/internal/rule"
	"github.com/yagura-hids/yagura/internal/ruleset"
	"github.com/yagura-hids/yagura/internal/ruletest"
)

// Line is a rule in short.
type Line struct {
	ID          int    `json:"id"`
	Level       int    `json:"level"`
	File        string `json:"file"`
	Line        int    `json:"line"`
	Description string `json:"description"`
}

// Case is a test case that wants the rule.
type Case struct {
	File string `json:"file"`
	Line int    `json:"line"`
	Name string `json:"name"`
	Log  string `json:"log"`
}

// View is a rule with what is around it.
type View struct {
	Line
	Overwrites string   `json:"overwrites,omitempty"` // where what it overwrites is written
	Groups     []string `json:"groups"`
	Conditions []string `json:"conditions"`
	Effects    []string `json:"effects,omitempty"` // what its options say
	Above      []Line   `json:"above"`             // from the template down to the first parent
	Parents    []Line   `json:"parents"`
	Siblings   []Line   `json:"siblings"` // below the first parent, for events of its decoder, in the order in which they are asked; itself among them
	Children   []Line   `json:"children"`
	CountedBy  []Line   `json:"counted_by"`
	Cases      []Case   `json:"cases"`
	Source     string   `json:"source"` // the XML
}

// Of gathers what there is to know of a rule. fsys holds the ruleset's files.
func Of(set *ruleset.Set, fsys fs.FS, cases []ruletest.Case, r *rule.Rule) View {
	v := View{
		Line: line(r), Groups: r.Groups, Conditions: Conditions(set.Rules, r), Effects: effects(r), Parents: lines(r.Parents()),
		Children: lines(r.Siblings()), Source: source(fsys, r.Pos),
	}
	if pos, replaces := r.Replaces(); replaces {
		v.Overwrites = pos.String()
	}
	for p := first(r.Parents()); p != nil; p = first(p.Parents()) {
		v.Above = slices.Insert(v.Above, 0, line(p))
	}
	if p := first(r.Parents()); p != nil {
		for _, c := range p.Children(max(r.Decoder(), 0)) {
			v.Siblings = append(v.Siblings, line(c.Rule))
		}
	}
	for _, c := range set.Rules.Counters(r.ID) {
		v.CountedBy = append(v.CountedBy, line(c.Rule))
	}
	for _, c := range cases {
		if c.Rule == strconv.Itoa(r.ID) && len(c.Logs) > 0 {
			v.Cases = append(v.Cases, Case{c.Pos.File, c.Pos.Line, c.Name, c.Logs[0].Text})
		}
	}
	return v
}

// Group returns the rules that have a group, in the order of reading.
func Group(t *rule.Tree, name string) []Line {
	var list []Line
	for _, r := range t.Rules() {
		if slices.ContainsFunc(r.Groups, func(g string) bool { return strings.EqualFold(g, name) }) {
			list = append(list, line(r))
		}
	}
	return list
}

// Like returns what a user may have meant by an id or a group that there isn't, "" for nothing.
func Like(t *rule.Tree, name string) string {
	var known []string
	for _, r := range t.Rules() {
		known = append(known, strconv.Itoa(r.ID))
		known = append(known, r.Groups...)
	}
	if like := rule.Nearest(name, known); like != "" {
		return like
	}
	i := slices.IndexFunc(known, func(word string) bool { return len(name) > 2 && strings.Contains(word, name) })
	if i < 0 {
		return ""
	}
	return known[i]
}

func first(list []*rule.Rule) *rule.Rule {
	if len(list) == 0 {
		return nil
	}
	return list[0]
}

func line(r *rule.Rule) Line { return Line{r.ID, r.Level, r.Pos.File, r.Pos.Line, r.Description} }

func lines(rules []*rule.Rule) []Line {
	list := make([]Line, 0, len(rules))
	for _, r := range rules {
		list = append(list, line(r))
	}
	return list
}

// effects says what a rule's options do.
func effects(r *rule.Rule) []string {
	var list []string
	add := func(is bool, text string) {
		if is {
			list = append(list, text)
		}
	}
	add(r.Level == 0, "level 0: no alert")
	add(r.NoAlert, "noalert: it holds only through a rule below it")
	add(r.NoLog, "no_log: it is counted, but not recorded")
	add(r.LogAlways, "log_alert: recorded whatever the level from which alerts are")
	add(r.Mail == rule.MailAlways, "alert_by_email: marked for mail whatever its level")
	add(r.Mail == rule.MailNever, "no_email_alert: never marked for mail")
	add(r.Ignore > 0, fmt.Sprintf("ignore: after an alert none for %d seconds", r.Ignore))
	add(len(r.IgnoreFields) > 0, "what has its "+strings.Join(r.IgnoreFields, ", ")+" goes on the ignore list")
	return list
}

// source returns the lines of a file from a rule's start to its end.
func source(fsys fs.FS, pos osxml.Pos) string {
	src, err := fs.ReadFile(fsys, pos.File)
	if err != nil {
		return ""
	}
	rest := bytes.SplitAfter(src, []byte("\n"))
	if pos.Line < 1 || pos.Line > len(rest) {
		return ""
	}
	text := string(bytes.Join(rest[pos.Line-1:], nil))
	indent := text[:min(max(pos.Col-1, 0), len(text))]
	if end := strings.Index(text, "</rule>"); end >= 0 {
		text = text[:end+len("</rule>")]
	}
	if strings.TrimSpace(indent) == "" {
		text = strings.ReplaceAll(text, "\n"+indent, "\n")
	}
	return strings.TrimPrefix(text, indent)
}
