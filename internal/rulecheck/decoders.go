package rulecheck

import (
	"github.com/yagura-hids/yagura/internal/decoder"
	"github.com/yagura-hids/yagura/internal/pattern"
)

// decoders checks decoders that are asked one after the other, and those below them.
func (c *checker) decoders(list []decoder.Decoder) {
	for i := range list {
		d := &list[i]
		c.decoderPatterns(d)
		if earlier := hiddenBy(d, list[:i]); earlier != nil {
			c.warn(d.Pos, "put it first, or give "+earlier.Name+" a prematch that leaves its lines alone",
				"decoder %s is never reached: %s (%s) is asked before it and takes whatever it would", d.Name, earlier.Name, earlier.Pos)
		}
		c.decoders(d.Children)
	}
}

func (c *checker) decoderPatterns(d *decoder.Decoder) {
	for _, p := range []struct {
		element string
		*pattern.Pattern
	}{{"program_name", d.Program}, {"prematch", d.Prematch}, {"regex", d.Regex}} {
		if p.Pattern != nil {
			// any program may be wanted, and a regex may take whatever there is
			c.doubts(d.Pos, "decoder "+d.Name, p.element, p.Pattern, p.element != "prematch")
		}
	}
}

// hiddenBy returns the first of the earlier decoders that takes every line that d would, nil if none does.
func hiddenBy(d *decoder.Decoder, earlier []decoder.Decoder) *decoder.Decoder {
	if d.Continues {
		return nil
	}
	for i := range earlier {
		e := &earlier[i]
		if !e.Continues && covers(e.Program, d.Program) && covers(e.Prematch, d.Prematch) && (e.Prematch == nil || e.AfterParent == d.AfterParent) {
			return e
		}
	}
	return nil
}

// covers tells whether what one condition takes includes all that the other does. Without a condition everything is taken.
func covers(one, other *pattern.Pattern) bool {
	switch {
	case one == nil:
		return true
	case other == nil:
		return one.AlwaysMatches()
	}
	return other.Implies(one)
}

// anyField stands for all fields that a line may name.
const anyField = "*"

// fields returns the dynamic fields that decoders fill.
func fields(list []decoder.Decoder) []string {
	var names []string
	for _, d := range list {
		if d.AnyField {
			names = append(names, anyField)
		}
		names = append(append(names, d.Fields...), fields(d.Children)...)
	}
	return names
}
