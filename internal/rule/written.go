package rule

import (
	"strings"

	"github.com/yagura-hids/yagura/internal/osxml"
	"github.com/yagura-hids/yagura/internal/pattern"
)

// Written returns the rule's element as it stands in its file, variables expanded. It's not to be changed.
func (r *Rule) Written() *osxml.Element { return r.written }

// Outer returns the name of the group element around the rule.
func (r *Rule) Outer() string { return r.outer }

// Replaces returns where the rule is written that this one overwrites, and whether it does.
func (r *Rule) Replaces() (osxml.Pos, bool) { return r.replaces, r.replaces.File != "" }

// Parents returns the rules below which r hangs, none for a template. The slice is the rule's own.
func (r *Rule) Parents() []*Rule { return r.parents }

// Siblings returns all rules below r, in the order in which they are asked. The slice is the rule's own.
func (r *Rule) Siblings() []*Rule { return r.children }

// Decoder returns the number of the decoder that r asks for: 0 for any, NoDecoder for one that no event bears.
func (r *Rule) Decoder() int { return r.decodedAs }

// NoDecoder is what a rule asks for that names a child decoder which goes by its parent's name: no event ever bears it.
const NoDecoder = -1

// Condition is one thing that a rule asks of the event alone.
type Condition struct {
	Element string // "match", "srcip", "maxsize"
	Text    string // as written; what repeats joined as the rule joins it
	How     string // attributes beside the name: a list's lookup
	Pos     osxml.Pos
	Pattern *pattern.Pattern // nil if it's none
	holds   *Rule            // a rule of this condition only
}

// Holds tells whether the condition holds for the event.
func (c *Condition) Holds(s *Subject) bool {
	if c.holds.decodedAs != 0 && c.holds.decodedAs != s.DecoderID {
		return false
	}
	for _, t := range c.holds.tests {
		if !t(s) {
			return false
		}
	}
	return true
}

// Conditions returns what r asks of the event alone, one by one, in the order in which it's written. It compiles them, so it's for showing, not for
// judging.
func (t *Tree) Conditions(r *Rule) []Condition {
	var list []Condition
	for _, part := range parts(r.written) {
		only := *r.written
		only.Children, only.Attrs = part, nil
		for _, a := range r.written.Attrs {
			if strings.EqualFold(a.Name, "id") || strings.EqualFold(a.Name, "level") || len(part) == 0 && strings.EqualFold(a.Name, "maxsize") {
				only.Attrs = append(only.Attrs, a)
			}
		}
		if c, ok := t.condition(r, &only); ok {
			list = append(list, c)
		}
	}
	return list
}

// parts splits a rule's elements into those that are one condition: equal names are, but for those that may ask of several things. A part
// without elements is for the attributes.
func parts(written *osxml.Element) [][]*osxml.Element {
	all := [][]*osxml.Element{nil}
	byName := map[string]int{}
	for _, e := range written.Children {
		name := strings.ToLower(e.Name)
		at, known := byName[name]
		if !known || name == "field" || name == "list" {
			byName[name] = len(all)
			all = append(all, []*osxml.Element{e})
			continue
		}
		all[at] = append(all[at], e)
	}
	return all
}

// condition compiles a rule of few elements. It is none if it asks nothing of an event.
func (t *Tree) condition(r *Rule, only *osxml.Element) (Condition, bool) {
	c := Condition{Element: "maxsize", Pos: only.Pos}
	c.holds = t.recompile(r, only, func(_ string, p *pattern.Pattern, _ *phrase) { c.Pattern = p })
	if c.holds.decodedAs == 0 && len(c.holds.tests) == 0 {
		return c, false
	}
	if len(only.Children) == 0 {
		c.Text, _ = only.Attr("maxsize")
		return c, true
	}
	c.Element, c.Pos = strings.ToLower(only.Children[0].Name), only.Children[0].Pos
	for i, e := range only.Children {
		if i > 0 && (c.Element == "srcip" || c.Element == "dstip") {
			c.Text += " "
		}
		c.Text += e.Content
	}
	c.attrs(only.Children[0])
	return c, true
}

// attrs adds what an element's attributes say: of a field or list its name, of others how it's meant.
func (c *Condition) attrs(e *osxml.Element) {
	for _, a := range e.Attrs {
		name := strings.ToLower(a.Name)
		if c.Element == "field" && name == "name" || c.Element == "list" && name == "field" {
			c.Element += " " + a.Value
		} else {
			c.How = strings.TrimLeft(c.How+" "+name+"="+a.Value, " ")
		}
	}
}

// Pattern is a pattern that a rule holds.
type Pattern struct {
	*pattern.Pattern
	Element string
	Pos     osxml.Pos
}

// Patterns returns all patterns of r, those that are about earlier events, too. It compiles them, as Conditions does.
func (t *Tree) Patterns(r *Rule) []Pattern {
	var list []Pattern
	t.recompile(r, r.written, func(element string, p *pattern.Pattern, at *phrase) { list = append(list, Pattern{p, element, at.pos}) })
	return list
}

// recompile compiles a part of r, which was compiled without a fault before.
func (t *Tree) recompile(r *Rule, part *osxml.Element, onto func(string, *pattern.Pattern, *phrase)) *Rule {
	b := NewBuilder(Outside{Number: func(*pattern.Pattern) int { return 0 }, Decoder: t.outside.Decoder, List: t.outside.List, Wazuh: t.outside.Wazuh})
	b.onto, b.slots = onto, t.slots
	return b.compile(declare(r.outer, part, t.outside.Wazuh, &b.faults))
}
