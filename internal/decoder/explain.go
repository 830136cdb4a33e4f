package decoder

import (
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/osxml"
	"github.com/yagura-hids/yagura/internal/pattern"
)

// Decoder is a decoder as it is written, for those who show or check a ruleset.
type Decoder struct {
	Name, Parent             string
	Pos                      osxml.Pos
	Program, Prematch, Regex *pattern.Pattern // nil for none
	AfterParent              bool             // the prematch looks behind the parent's
	Continues                bool             // one of the same name before it; it is not asked on its own
	Fields                   []string         // the dynamic ones that it may fill
	AnyField                 bool             // it fills what the line names, as JSON does
	Children                 []Decoder        // in the order in which they are asked
}

// Tops returns the top-level decoders with what hangs below them: those that want a program's name, and those for lines without one, each in the
// order in which they are asked.
func (t *Tree) Tops() (named, unnamed []Decoder) { return shown(t.named), shown(t.unnamed) }

func shown(nodes []*node) []Decoder {
	list := make([]Decoder, 0, len(nodes))
	for _, n := range nodes {
		var fields []string
		for _, s := range n.order {
			if s.dynamic != "" {
				fields = append(fields, s.dynamic)
			}
		}
		list = append(list, Decoder{
			Name: n.name, Parent: n.parent, Pos: n.pos, Program: n.program.written(), Prematch: n.prematch.written(), Regex: n.regex.written(),
			AfterParent: n.prematch != nil && n.prematch.offset == afterParent, Continues: n.inChain,
			Fields: fields, AnyField: n.json != nil, Children: shown(n.children),
		})
	}
	return list
}

func (c *condition) written() *pattern.Pattern {
	if c == nil {
		return nil
	}
	return c.Pattern
}

// Try is a decoder that was asked for an event, and what came of it.
type Try struct {
	Name, Parent string
	Pos          osxml.Pos
	Held         bool   // it was chosen, or a regex of its chain took its fields
	Element      string // what did not match: prematch, regex; "" if all did
	Text         string // its pattern
	Against      string // what the pattern looked at
}

// Explain tells which decoders were asked for the event, in order, and why they did or did not hold: the top-level ones whose program_name
// accepts it, up to the one that was chosen, then its children, then the regexes. It finds what Decode found.
func (t *Tree) Explain(d *event.Decoded, log string) []Try {
	x := explainer{wazuh: t.wazuh}
	x.text.Reset(log)
	list := t.unnamed
	if d.Program != "" {
		list = t.accepting(d.Program)
	}
	top, rest := x.choose(list, 0)
	if top == nil {
		return x.tries
	}
	n, childRest := top, rest
	if len(top.children) > 0 {
		if n, childRest = x.choose(top.children, rest); n == nil {
			return x.tries
		}
	}
	x.extract(n, rest, childRest)
	return x.tries
}

// explainer is Decode in slow motion.
type explainer struct {
	text  pattern.Text
	tries []Try
	wazuh bool
}

func (x *explainer) choose(list []*node, parentRest int) (chosen *node, rest int) {
	for _, n := range list {
		if n.inChain {
			continue
		}
		if n.prematch == nil {
			x.note(n, "", nil, 0)
			return n, parentRest
		}
		from := 0
		if n.prematch.offset == afterParent {
			from = parentRest
		}
		if _, end, ok := n.prematch.Find(&x.text, from, nil); ok {
			x.note(n, "", nil, 0)
			return n, end
		}
		x.note(n, "prematch", n.prematch, from)
	}
	return nil, 0
}

func (x *explainer) extract(n *node, parentRest, childRest int) {
	regexRest := childRest
	for ; n != nil && n.extracts(); n = n.follower {
		if n.regex == nil {
			continue
		}
		from := map[offset]int{afterParent: parentRest, afterPrematch: childRest, afterRegex: regexRest}[n.regex.offset]
		_, end, ok := n.regex.Find(&x.text, from, nil)
		if !x.wazuh {
			regexRest = childRest
		}
		if ok {
			regexRest = end
		} else {
			x.note(n, "regex", n.regex, from)
		}
	}
}

// note adds a try: one that held if element is "".
func (x *explainer) note(n *node, element string, c *condition, from int) {
	t := Try{Name: n.name, Parent: n.parent, Pos: n.pos, Held: element == "", Element: element}
	if c != nil {
		t.Text, t.Against = c.Source(), x.text.String()[from:]
	}
	x.tries = append(x.tries, t)
}
