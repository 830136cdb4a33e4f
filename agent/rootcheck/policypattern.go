package rootcheck

import (
	"errors"
	"fmt"
	"strings"

	"github.com/yagura-hids/yagura/internal/pattern"
)

// parts reads what stands between a test's colon and semicolon.
func (p *parser) parts(t *test, value string) (err error) {
	fields := strings.Split(value, " -> ")
	most := map[byte]int{'f': 2, 'd': 3, 'p': 1, 'r': 3}[t.kind]
	if len(fields) > most { // the pattern may hold the arrow itself
		fields = append(fields[:most-1], strings.Join(fields[most-1:], " -> "))
	}
	if t.kind == 'p' {
		t.pattern, err = parsePattern(fields[0])
		return err
	}
	if t.values, err = p.expand(strings.TrimSpace(fields[0]), t.kind != 'r'); err != nil {
		return err
	}
	last := fields[len(fields)-1]
	switch {
	case len(fields) == 1:
		return nil
	case t.kind == 'd':
		if t.name, err = parseName(fields[1]); err != nil {
			return err
		}
	case t.kind == 'r':
		t.entry = strings.TrimSpace(fields[1])
	}
	if len(fields) == most {
		t.pattern, err = parsePattern(last)
	}
	return err
}

// expand returns the values of a comma list, or the variable's that stands for all of it.
func (p *parser) expand(value string, list bool) ([]string, error) {
	if strings.HasPrefix(value, "$") {
		stands, ok := p.vars[value]
		if !ok {
			return nil, fmt.Errorf("%s is not defined: write %s=value; above", value, value)
		}
		value = stands
	}
	if !list {
		return []string{value}, nil
	}
	var values []string
	for v := range strings.SplitSeq(value, ",") {
		if v = strings.TrimSpace(v); v != "" {
			values = append(values, v)
		}
	}
	if len(values) == 0 {
		return nil, errors.New("no path")
	}
	return values, nil
}

func parseName(text string) (*name, error) {
	text = strings.TrimSpace(text)
	dialect := pattern.OSMatch
	if regex, ok := strings.CutPrefix(text, "r:"); ok {
		text, dialect = regex, pattern.OSRegex
	}
	p, err := pattern.Compile(dialect, text)
	return &name{p}, err
}

// parsePattern reads part && part && …; the blank after the && may be missing.
func parsePattern(text string) (*policyPattern, error) {
	pp := &policyPattern{allNegated: true}
	for source := range strings.SplitSeq(text, " &&") {
		var pt part
		source = strings.TrimSpace(source)
		for strings.HasPrefix(source, "!") {
			source, pt.negated = source[1:], !pt.negated
		}
		pt.op, pt.text = '=', source
		if len(source) >= 2 && source[1] == ':' && strings.IndexByte("=<>r", source[0]) >= 0 {
			pt.op, pt.text = source[0], source[2:]
		}
		if pt.op == 'r' {
			var err error
			if pt.regex, err = pattern.Compile(pattern.OSRegex, pt.text); err != nil {
				return nil, err
			}
		}
		pp.allNegated = pp.allNegated && pt.negated
		pp.parts = append(pp.parts, pt)
	}
	return pp, nil
}

// line tells whether all parts hold for a line.
func (pp *policyPattern) line(t *pattern.Text) bool {
	for i := range pp.parts {
		if !pp.parts[i].holds(t) {
			return false
		}
	}
	return true
}

// holds tells whether the part holds for a line. The signs of comparison say on which side of the line the text lies, not on which side of
// the text the line lies: so OSSEC has it, and policies rely on it.
func (p *part) holds(t *pattern.Text) bool {
	var ok bool
	switch p.op {
	case '=':
		ok = strings.EqualFold(p.text, t.String())
	case '<':
		ok = p.text < t.String()
	case '>':
		ok = p.text > t.String()
	default:
		ok = p.regex.Match(t)
	}
	return ok != p.negated
}

// text tells whether the pattern holds for one value: a process, or what the registry has.
func (pp *policyPattern) text(value string) bool {
	var t pattern.Text
	t.Reset(value)
	return pp.line(&t)
}
