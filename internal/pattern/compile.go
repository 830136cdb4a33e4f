package pattern

import (
	"errors"
	"regexp"
	"regexp/syntax"
	"strings"
	"sync"
	"time"

	"github.com/dlclark/regexp2"
)

// matchTimeout bounds regexp2, which backtracks without limit.
const matchTimeout = 100 * time.Millisecond

// literalChars may stand in an anchored literal, besides letters and digits.
const literalChars = " !\"#%&',/:;<=>@_`~-"

// anchoredLiteral returns the literal of a source that OSSEC compares directly: nothing special in it, and at least one anchor.
func anchoredLiteral(source string) *literal {
	body, start := strings.CutPrefix(source, "^")
	body, end := strings.CutSuffix(body, "$")
	if !start && !end {
		return nil
	}
	for i := range len(body) {
		if !isAlnum(body[i]) && strings.IndexByte(literalChars, body[i]) < 0 {
			return nil
		}
	}
	if body == "" && !start { // $ alone: OSSEC reports an empty rest
		return &literal{end: true}
	}
	return &literal{text: []byte(lowerString(body)), start: start, end: end}
}

// compileOSMatch cannot fail: OS_Match gives every source a meaning.
func (p *Pattern) compileOSMatch() {
	p.osMatch = parseOSMatch(p.source)
	p.linear = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(translateOSMatch(p.source)) })
	if p.osMatch.ascii {
		var all []string
		for i := range p.osMatch.alternatives {
			all = append(all, string(p.osMatch.alternatives[i].text))
		}
		p.literals = usable(all)
	}
}

// compileRegex compiles OS_Regex and PCRE2. What regexp refuses in PCRE2, such as {2000}, regexp2 may still take.
func (p *Pattern) compileRegex() error {
	text, full, err := p.translate()
	if err != nil {
		return err
	}
	if !full {
		tree, err := syntax.Parse(text, syntax.Perl)
		if err == nil {
			p.linear = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })
			p.groups = tree.MaxCap()
			p.compileTree(tree)
			return nil
		}
		if p.dialect == OSRegex {
			return p.treeError(err)
		}
	}
	if _, err := p.compileFull(text); err != nil {
		return p.treeError(err)
	}
	return nil
}

// translate returns the pattern in regexp's words, and whether these are beyond regexp.
func (p *Pattern) translate() (text string, full bool, err error) {
	if p.dialect == OSRegex {
		text, err = translateOSRegex(p.source)
		return text, false, err
	}
	parser := pcreParser{source: p.source}
	if err := parser.parse(); err != nil {
		return "", false, err
	}
	text, p.dollar, p.groups = string(parser.out), parser.dollar, parser.groups
	p.full = sync.OnceValue(func() *regexp2.Regexp {
		re, _ := p.compileFull(text) // nil only where regexp took the text and regexp2 does not
		return re
	})
	return text, parser.full, nil
}

// compileFull compiles the translated text by regexp2.
func (p *Pattern) compileFull(text string) (*regexp2.Regexp, error) {
	re, err := regexp2.Compile(text, regexp2.None)
	if err != nil {
		return nil, err
	}
	re.MatchTimeout = matchTimeout
	return re, nil
}

// treeError words what regexp or regexp2 refused.
func (p *Pattern) treeError(err error) error {
	msg, hint := err.Error(), `put a \ before a character that stands for itself`
	var bad *syntax.Error
	if errors.As(err, &bad) {
		msg = bad.Code.String()
		if bad.Code == syntax.ErrLarge || bad.Code == syntax.ErrNestingDepth {
			hint = "make it simpler"
		}
	}
	return &SyntaxError{p.source, 0, msg, hint}
}

// slowSteps is how many steps of a prog a byte costs the last resorts.
const slowSteps = 16

// findSlowly is find by the last resorts.
func (p *Pattern) findSlowly(t *Text, from int, caps []string) ([]string, int, bool) {
	text := t.s[from:]
	t.work.spent += slowSteps * len(text)
	if p.linear == nil || p.dollar && strings.HasSuffix(text, "\n") && p.full() != nil {
		return p.findFull(text, from, caps)
	}
	wide := text
	if p.dialect == PCRE {
		wide = widen(text)
	}
	place := p.linear().FindStringSubmatchIndex(wide)
	if place == nil {
		return caps, 0, false
	}
	if len(wide) > len(text) { // place counts in the widened text
		for i, at := range place {
			if at > 0 {
				place[i] = narrow(wide, at)
			}
		}
	}
	for i := 2; i < len(place) && i <= 2*maxGroups; i += 2 {
		if place[i] >= 0 {
			caps = append(caps, text[place[i]:place[i+1]])
		} else if p.places {
			caps = append(caps, "")
		}
	}
	return caps, from + place[1], true
}

// findFull is find by regexp2, on one rune per byte.
func (p *Pattern) findFull(text string, from int, caps []string) ([]string, int, bool) {
	runes := make([]rune, len(text))
	for i := range len(text) {
		if runes[i] = rune(text[i]); text[i] > 0x7F {
			runes[i] += highBase
		}
	}
	m, err := p.full().FindRunesMatch(runes)
	if err != nil { // regexp2's only error is its timeout
		p.overruns.Add(1)
	}
	if m == nil {
		return caps, 0, false
	}
	for i, g := range m.Groups() {
		switch {
		case i == 0 || i > maxGroups:
		case len(g.Captures) > 0:
			caps = append(caps, text[g.Index:g.Index+g.Length])
		case p.places:
			caps = append(caps, "")
		}
	}
	return caps, from + m.Index + m.Length, true
}
