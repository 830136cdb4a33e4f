package osxml

import "strings"

// Expand applies a file's <var name="N">value</var> elements: it removes them and puts their values in place of $N in the contents and
// attributes behind them. A name ends at "$", ".", "|", ",", a space or the text's end. Texts of two bytes or less stay as they are.
// Once a file has a variable, "$" and an unknown name is a fault, unless it begins with "(" as $(field) in Wazuh's descriptions does; before
// that, "$" is a plain character. It changes the elements given.
func Expand(roots []*Element, faults *Faults) []*Element {
	x := &expander{vars: map[string]string{}, faults: faults}
	return x.elements(roots)
}

type expander struct {
	vars   map[string]string // by lower-case name
	faults *Faults
}

func (x *expander) elements(list []*Element) []*Element {
	kept := list[:0]
	for _, e := range list {
		if e.Name == "var" {
			x.define(e)
			continue
		}
		for i := range e.Attrs {
			e.Attrs[i].Value = x.expand(e.Attrs[i].Pos, e.Attrs[i].Value)
		}
		e.Children = x.elements(e.Children)
		e.Content = x.expand(e.Pos, e.Content)
		kept = append(kept, e)
	}
	return kept
}

func (x *expander) define(e *Element) {
	name, ok := e.Attr("name")
	switch {
	case !ok || len(e.Attrs) != 1 || name == "":
		x.faults.Add(e.Pos, `write <var name="NAME">value</var>`, "<var> wants one attribute, its name")
	case len(name) > 255:
		x.faults.Add(e.Pos, "", "<var>: a name longer than 255 bytes")
	default:
		x.vars[strings.ToLower(name)] = e.Content
	}
}

// hintVariable names the two ways in which a "$" goes wrong.
const hintVariable = `define it before this place; if "$" is meant for itself, put one of $ . | , a space or the end behind it`

func (x *expander) expand(pos Pos, text string) string {
	if len(text) <= 2 || len(x.vars) == 0 || !strings.Contains(text, "$") {
		return text
	}
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, "$")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		end := strings.IndexAny(after, "$.|, ")
		if end < 0 {
			end = len(after)
		}
		name := after[:end]
		value, known := x.vars[strings.ToLower(name)]
		switch {
		case name == "":
			b.WriteByte('$')
		case known:
			b.WriteString(value)
		case name[0] == '(':
			b.WriteString("$" + name)
		default:
			b.WriteString("$" + name)
			x.faults.Add(pos, hintVariable, "no variable is named %q", name)
		}
		text = after[end:]
	}
}
