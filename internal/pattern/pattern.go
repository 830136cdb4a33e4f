// Package pattern matches OSSEC's three pattern languages: OS_Match, OS_Regex and PCRE2. Case never counts.
//
//	source ──translate──▶ regexp text ──regexp/syntax──▶ tree ──▶ prog     a small backtracking matcher over the lowered bytes: nearly all there is
//	                           │                           └────▶ literals  what every match holds; [Index] looks for all patterns' at once
//	                           ├── when prog runs out of steps ▶ regexp    linear in the text, the same answer
//	                           └── what regexp does not know ──▶ regexp2   lookaround, back references, atomic groups; stopped after 100 ms
//
// OS_Match patterns, and anchored literals such as ^login$ in the other two, are compared directly.
//
// PCRE2 patterns see bytes: for regexp and regexp2 each byte above 0x7F becomes one private character, so that . and [^a] take one byte and
// only ASCII has case. OS_Regex and OS_Match see UTF-8 characters, of which an invalid byte is one.
//
// The dependency regexp2 earns its place because OSSEC takes all of PCRE2, and users' rules may hold what linear-time engines cannot express.
package pattern

import (
	"fmt"
	"regexp"
	"sync/atomic"
	"unicode/utf8"

	"github.com/dlclark/regexp2"
)

// Dialect is one of OSSEC's pattern languages.
type Dialect uint8

// The dialects.
const (
	OSMatch Dialect = iota // literals with anchors and alternatives
	OSRegex                // OSSEC's own small regular expressions
	PCRE                   // PCRE2 in byte mode
)

// String returns OSSEC's name of the dialect: OS_Match, OS_Regex or PCRE2.
func (d Dialect) String() string {
	return [...]string{"OS_Match", "OS_Regex", "PCRE2"}[d]
}

// SyntaxError tells what is wrong with a pattern, where, and what to write instead.
type SyntaxError struct {
	Source string // the pattern
	Offset int    // in bytes from its start
	Msg    string // what is wrong
	Hint   string // a way out; may be empty
}

// Error quotes the pattern as it is written, a long one only in part.
func (e *SyntaxError) Error() string {
	shown := e.Source
	if len(shown) > maxShown {
		shown = shown[:maxShown] + "…"
	}
	s := fmt.Sprintf("pattern '%s': at byte %d: %s", shown, e.Offset, e.Msg)
	if e.Hint != "" {
		s += "; " + e.Hint
	}
	return s
}

// maxShown is how much of a pattern an error quotes, in bytes.
const maxShown = 200

// maxGroups is how many captures OSSEC reports.
const maxGroups = 64

// Pattern is a compiled pattern. Goroutines may share it, each with its own [Text].
type Pattern struct {
	dialect  Dialect
	source   string
	groups   int
	literals []string
	inTurn   []*Pattern // see CompileInTurn

	// One of these serves nearly all texts.
	anchored *literal
	osMatch  *osMatch
	prog     *prog
	// The last resorts, compiled when first needed.
	linear func() *regexp.Regexp  // nil if the pattern is beyond it
	full   func() *regexp2.Regexp // PCRE2 only
	dollar bool                   // holds PCRE2's $, which linear gets wrong before a final newline
	places bool                   // see KeepPlaces

	overruns atomic.Uint64
}

// Compile compiles a pattern. An error is a [*SyntaxError].
func Compile(d Dialect, source string) (*Pattern, error) {
	p := &Pattern{dialect: d, source: source}
	var err error
	switch {
	case d != PCRE && len(source) > maxSource:
		err = &SyntaxError{source, maxSource, "longer than 2048 bytes", "split it into several"}
	case d != PCRE && !utf8.ValidString(source):
		err = &SyntaxError{source, 0, "not valid UTF-8", "save the file as UTF-8"}
	case d == OSMatch:
		p.compileOSMatch()
	case source == "":
		err = &SyntaxError{source, 0, "empty pattern", "leave the element out instead"}
	default:
		if p.anchored = anchoredLiteral(source); p.anchored == nil {
			err = p.compileRegex()
		}
	}
	if err != nil {
		return nil, err
	}
	if p.anchored != nil {
		p.literals = usable([]string{string(p.anchored.text)})
	}
	return p, nil
}

// Match tells whether the pattern matches in t.
func (p *Pattern) Match(t *Text) bool {
	_, _, ok := p.find(t, 0, nil, false)
	return ok
}

// MatchString tells whether the pattern matches in s. [Pattern.Match] spares it the preparation.
func (p *Pattern) MatchString(s string) bool {
	var t Text
	t.Reset(s)
	return p.Match(&t)
}

// Find looks for the leftmost match in t from offset from on, as if the text began there. It appends to caps the captures that took part, in
// order, cut out of the original text, and returns them with the offset in t at which the match ends. OS_Match only tells whether: its end is
// from.
func (p *Pattern) Find(t *Text, from int, caps []string) (captures []string, end int, ok bool) {
	if p.inTurn != nil {
		return p.findInTurn(t, from, caps)
	}
	return p.find(t, from, caps, true)
}

// End is Find without captures.
func (p *Pattern) End(t *Text, from int) (end int, ok bool) {
	_, end, ok = p.find(t, from, nil, false)
	return end, ok
}

// Groups returns how many capturing groups the pattern has.
func (p *Pattern) Groups() int { return p.groups }

// KeepPlaces makes Find return an empty string for each capture that took no part, so that the others keep their numbers, as Wazuh wants it of
// PCRE2. It is for before the first Find.
func (p *Pattern) KeepPlaces() { p.places = true }

// Captures tells whether the pattern may stand in a decoder's regex: OSSEC refuses there an anchored literal such as ^login$.
func (p *Pattern) Captures() bool { return p.anchored == nil && p.osMatch == nil }

// Source returns the pattern as written.
func (p *Pattern) Source() string { return p.source }

// Dialect returns the pattern's dialect.
func (p *Pattern) Dialect() Dialect { return p.dialect }

// Literals returns lower-case strings of which every text that matches holds one, in either case; nil if none are known. A text with the
// Kelvin sign or the long s, which fold into ASCII, may match without.
func (p *Pattern) Literals() []string { return p.literals }

// Opens tells whether the pattern can match in a text that begins with the byte b.
func (p *Pattern) Opens(b byte) bool {
	switch b = lowerByte(b); {
	case b >= utf8.RuneSelf: // may fold into ASCII
		return true
	case p.anchored != nil:
		return !p.anchored.start || len(p.anchored.text) == 0 || p.anchored.text[0] == b
	}
	return p.prog == nil || p.prog.opening == nil || p.prog.opening[b]
}

// Overruns returns how often a match was given up at its time limit, and so taken for none.
func (p *Pattern) Overruns() uint64 { return p.overruns.Load() }

// find is Find and Match in one; Match wants no captures.
func (p *Pattern) find(t *Text, from int, caps []string, want bool) ([]string, int, bool) {
	switch {
	case p.anchored != nil:
		end, ok := p.anchored.find(t.lower[from:])
		return caps, from + end, ok
	case p.osMatch != nil && (t.ascii && !p.osMatch.folds || p.osMatch.direct || p.osMatch.ascii && !t.fold):
		t.work.spent += len(p.osMatch.alternatives) * (len(t.lower) - from) / bytesPerStep
		return caps, from, p.osMatch.match(t.lower[from:])
	case p.osMatch != nil:
		return caps, from, p.linear().MatchString(t.s[from:])
	}
	if p.prog != nil && p.prog.serves(t) {
		if !p.prog.opens(t.lower[from:]) {
			return caps, 0, false
		}
		if end, result := p.prog.run(t, from, want); result != gaveUp {
			if want && result == matched {
				caps = t.work.appendCaptures(caps, t.s, p.places)
			}
			return caps, end, result == matched
		}
	}
	return p.findSlowly(t, from, caps)
}
