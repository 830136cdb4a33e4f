package pattern

import (
	"bytes"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
)

// Doubt is something about a pattern that compiles, but hardly does what its author means.
type Doubt struct {
	What, Hint string
	Always     bool // it matches every text, so that it asks no more than that there is one
}

// Doubts returns what its author should know of a pattern: that it's always true, that a part of it never is, that it's no regular expression
// though it looks like one, or that a line can be made on which it takes long.
func (p *Pattern) Doubts() []Doubt {
	var list []Doubt
	add := func(hint, what string, args ...any) {
		list = append(list, Doubt{What: fmt.Sprintf(what, args...), Hint: hint})
	}
	switch {
	case p.emptyAlternative():
		add("remove the | that has nothing on one side", "pattern '%s' has an empty alternative, which always matches", p.shown())
	case p.AlwaysMatches():
		add("leave the element out, or ask for a character that must be there", "pattern '%s' matches every text", p.shown())
		list[0].Always = true
	}
	for _, part := range p.never() {
		add(`a ^ stands only at the start of an alternative, a $ only at its end`, "'%s' can never match: it asks for text before the start or behind the end", part)
	}
	if p.dialect == OSMatch {
		if class := regexLooks.FindString(p.source); class != "" {
			add("use the element for regular expressions (regex) if that is meant", "'%s' in pattern '%s' is text to OS_Match, a backslash and all", class, p.shown())
		}
	}
	if p.linear == nil && p.full != nil && unbounded.MatchString(p.source) {
		add("say it without look-around, back-references and atomic groups if you can",
			"pattern '%s' is beyond the linear matchers: on a line made for it it may be given up after 100 ms, and then doesn't match", p.shown())
	}
	return list
}

var (
	// regexLooks finds what hardly anybody means as text.
	regexLooks = regexp.MustCompile(`\\[wdspWDS.][+*]|\.\*|\\d\\d|\\[<()|]`)
	unbounded  = regexp.MustCompile(`[^\\][*+]|\{\d+,\}`)
)

// shown is the source as a rule's author knows it: what says that case counts was put there for Wazuh's dialect.
func (p *Pattern) shown() string {
	source := strings.TrimPrefix(p.source, "(?-i)")
	if len(source) > maxShown/2 {
		return strings.ToValidUTF8(source[:maxShown/2], "") + "…"
	}
	return source
}

// strangers are texts that have nothing in common but what every text has.
var strangers = []string{"", "\x01", "zQ~7 ", "é", "=\n"}

// AlwaysMatches tells whether the pattern matches every text, as far as a few that have nothing in common can tell.
func (p *Pattern) AlwaysMatches() bool {
	for _, s := range strangers {
		if !p.MatchString(s) {
			return false
		}
	}
	return true
}

// emptyAlternative tells whether the pattern matches everything because one of its outermost alternatives is empty.
func (p *Pattern) emptyAlternative() bool {
	source := p.source
	edge := strings.HasPrefix(source, "|") || strings.HasSuffix(source, "|") && !strings.HasSuffix(source, `\|`) || strings.Contains(source, "||")
	return edge && p.AlwaysMatches()
}

// never returns the parts of the pattern that can't match.
func (p *Pattern) never() []string {
	if p.osMatch != nil {
		var parts []string
		for i, piece := range strings.Split(p.source, "|") {
			if p.osMatch.alternatives[i].never {
				parts = append(parts, piece)
			}
		}
		return parts
	}
	if p.anchored != nil || p.linear == nil {
		return nil
	}
	text, _, err := p.translate()
	if err != nil {
		return nil
	}
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil || !dead(tree) {
		return nil
	}
	return []string{p.shown()}
}

// dead tells whether a tree can't match because a part of it, or of one of its outermost alternatives, asks for text before the start or behind
// the end.
func dead(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpCapture:
		return dead(re.Sub[0])
	case syntax.OpAlternate:
		for _, sub := range re.Sub {
			if dead(sub) {
				return true
			}
		}
	case syntax.OpConcat:
		return deadConcat(re.Sub)
	}
	return false
}

func deadConcat(subs []*syntax.Regexp) bool {
	taken, ended := false, false
	for _, sub := range subs {
		takes := !canBeEmpty(sub)
		if sub.Op == syntax.OpBeginText && taken || ended && takes || dead(sub) {
			return true
		}
		taken = taken || takes
		ended = ended || sub.Op == syntax.OpEndText
	}
	return false
}

// Implies tells whether q matches every text that p matches, as far as can be seen from how they are written.
func (p *Pattern) Implies(q *Pattern) bool {
	switch {
	case p.dialect == q.dialect && p.source == q.source, q.AlwaysMatches():
		return true
	case p.osMatch == nil || q.osMatch == nil || !p.osMatch.ascii || !q.osMatch.ascii:
		return false
	}
	for i := range p.osMatch.alternatives {
		if !slices.ContainsFunc(q.osMatch.alternatives, p.osMatch.alternatives[i].implies) {
			return false
		}
	}
	return true
}

// implies tells whether where l is found other is, too.
func (l literal) implies(other literal) bool {
	switch {
	case l.never:
		return true
	case other.never, other.end && !(l.end && l.newline == other.newline):
		return false
	case other.start && other.end:
		return l.start && bytes.Equal(l.text, other.text)
	case other.start:
		return l.start && bytes.HasPrefix(l.text, other.text)
	case other.end:
		return bytes.HasSuffix(l.text, other.text)
	}
	return bytes.Contains(l.text, other.text)
}
