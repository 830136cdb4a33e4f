package pattern

import (
	"regexp/syntax"
	"unicode/utf8"
)

// prog is a pattern as a graph of nodes over the lowered bytes. Each node leads to the next; the match is reached at opMatch.
//
//	(\S+) port \d+    save 2 ▶ repeat [^ ] 1.. ▶ save 3 ▶ literal " port " ▶ repeat [0-9] 1.. ▶ match
type prog struct {
	start   *node
	utf8    bool     // sets with all bytes above 0x7F take one UTF-8 character
	ascii   bool     // serves ASCII texts only
	dollar  bool     // PCRE2's $
	slots   int      // two per group, from 2 on; slots 0 and 1 are not kept
	repeats int      // how many nodes are unbounded repeats
	atStart bool     // can match only at the start
	opening *byteSet // atStart: a match begins with one of these; nil: with any, or it may be empty
	prefix  []byte   // every match begins with it; may be empty
	rare    int      // which of its bytes to look for
	pairs   *pairs   // a match not at the start begins like this; nil: anyhow, or it may be empty
	lead    int      // 1 + number of an unbounded repeat that matches can begin with; 0: none
	others  *pairs   // the other matches begin like this
	walks   int      // over the graph, while it is linked
	needs   []byte   // every match holds it; empty if to look for it does not pay
	choices int      // how many nodes have a number as a choice
	size    int
}

// op says what a node does.
type op uint8

const (
	opMatch   op = iota
	opFail       // never matches
	opLiteral    // literal
	opSet        // one character of set
	opRepeat     // min to max (-1: no end) characters of set
	opSplit      // next, or else other
	opSave       // notes the position in slot
	opStart      // at the start
	opEnd        // at the end
	opEndLine    // at the end or before a final newline
	opWord       // at a word boundary
	opNotWord    // not at one
)

// node is one step of a prog. It goes on to next.
type node struct {
	op      op
	lazy    bool
	sure    bool // opRepeat: what follows cannot begin inside the run, so only its end will do
	short   bool // opRepeat: sure, unbounded, and needs one character at most
	min     int
	max     int
	slot    int    // opSave: the slot; opRepeat: 1 + its number among the unbounded ones
	literal []byte // opRepeat: what follows it, if that is a literal; opSplit: what next begins with, if that is one
	rare    int    // opRepeat: which of literal's bytes to look for
	set     *byteSet
	stops   int         // opRepeat: how many bytes are not in set
	stop    byte        // opRepeat: one of them
	tail    []tailPart  // opRepeat that takes nearly all: literals that follow in this order, whatever way is taken; empty where it does not pay
	choice  int         // 1 + its number among the nodes where a match chooses; 0: none
	follow  *byteSet    // opRepeat: what follows begins with one of these; nil: with anything, or may be empty. opSplit: next does
	rival   *byteSet    // opSplit: other begins with one of these; nil: with anything, or it may be empty
	jump    *[256]*node // opSplit, the head of many: the first of them worth trying at a byte
	next    *node
	other   *node
	chained bool // opSplit: the other of another
	walked  int  // the last walk that came here, while the graph is linked
}

// tailPart is a literal behind a repeat.
type tailPart struct {
	literal []byte
	rare    int      // which of its bytes to look for
	gap     *byteSet // what alone may stand between it and the one before it; nil: anything
}

// maxNodes bounds a prog; what is larger is left to regexp.
const maxNodes = 4000

// compileTree gives the pattern its prog and its literals.
func (p *Pattern) compileTree(tree *syntax.Regexp) {
	p.literals = treeLiterals(tree, p.dialect == PCRE)
	g := &prog{utf8: p.dialect == OSRegex, dollar: p.dialect == PCRE, slots: 2 * (min(p.groups, maxGroups) + 1)}
	g.start = g.compile(tree, &node{op: opMatch})
	if g.start == nil {
		return
	}
	if len(p.literals) == 1 {
		g.needs = []byte(p.literals[0])
	}
	g.link()
	p.prog = g
}

// serves tells whether the prog gives the right answer for t.
func (g *prog) serves(t *Text) bool { return !g.utf8 || t.ascii || !g.ascii && !t.fold }

// opens tells whether a match can begin as the lowered s does, if it must begin there.
func (g *prog) opens(s []byte) bool { return g.opening == nil || len(s) == 0 || g.opening[s[0]] }

// compile returns the node that matches re and goes on to next; nil if it is beyond a prog.
func (g *prog) compile(re *syntax.Regexp, next *node) *node {
	if next == nil || g.size > maxNodes {
		return nil
	}
	g.size++
	switch re.Op {
	case syntax.OpEmptyMatch:
		return next
	case syntax.OpNoMatch:
		return &node{op: opFail}
	case syntax.OpLiteral:
		return g.literal(re, next)
	case syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		if set := g.set(re); set != nil {
			return &node{op: opSet, set: set, next: next}
		}
		return nil
	case syntax.OpBeginText:
		return &node{op: opStart, next: next}
	case syntax.OpEndText:
		if g.dollar && re.Flags&syntax.WasDollar != 0 {
			return &node{op: opEndLine, next: next}
		}
		return &node{op: opEnd, next: next}
	case syntax.OpWordBoundary:
		return &node{op: opWord, next: next}
	case syntax.OpNoWordBoundary:
		return &node{op: opNotWord, next: next}
	case syntax.OpCapture:
		return g.capture(re, next)
	case syntax.OpStar, syntax.OpPlus, syntax.OpQuest, syntax.OpRepeat:
		return g.repeat(re, next)
	case syntax.OpConcat:
		for i := len(re.Sub) - 1; i >= 0; i-- {
			next = g.compile(re.Sub[i], next)
		}
		return next
	case syntax.OpAlternate:
		return g.alternate(re.Sub, next)
	}
	return nil // (?m) anchors
}

// capture compiles a group. Those beyond the reported ones keep nothing.
func (g *prog) capture(re *syntax.Regexp, next *node) *node {
	if re.Cap > maxGroups {
		return g.compile(re.Sub[0], next)
	}
	body := g.compile(re.Sub[0], &node{op: opSave, slot: 2*re.Cap + 1, next: next})
	if body == nil {
		return nil
	}
	return &node{op: opSave, slot: 2 * re.Cap, next: body}
}

// alternate compiles alternatives into a chain of splits.
func (g *prog) alternate(subs []*syntax.Regexp, next *node) *node {
	n := g.compile(subs[len(subs)-1], next)
	for i := len(subs) - 2; i >= 0 && n != nil; i-- {
		head := g.compile(subs[i], next)
		if head == nil {
			return nil
		}
		n = &node{op: opSplit, next: head, other: n}
	}
	return n
}

// literal compiles a literal, unless its case counts.
func (g *prog) literal(re *syntax.Regexp, next *node) *node {
	text := make([]byte, 0, len(re.Rune))
	for _, r := range re.Rune {
		b, ok := g.byteOf(r)
		if !ok { // cannot occur in an ASCII text
			g.ascii = g.utf8
			return &node{op: opFail}
		}
		if lower := lowerByte(b); lower != upperByte(b) && re.Flags&syntax.FoldCase == 0 {
			return nil
		}
		text = append(text, lowerByte(b))
	}
	if next.op == opLiteral {
		return &node{op: opLiteral, literal: append(text, next.literal...), next: next.next}
	}
	return &node{op: opLiteral, literal: text, next: next}
}

// byteOf returns the byte of the subject that r stands for.
func (g *prog) byteOf(r rune) (byte, bool) {
	switch {
	case r < utf8.RuneSelf:
		return byte(r), true
	case !g.utf8 && highFirst <= r && r <= highLast:
		return byte(r - highBase), true
	}
	return 0, false
}

// set returns the bytes of a class, in either case; nil if case counts in it.
func (g *prog) set(re *syntax.Regexp) *byteSet {
	set := classSet(re, !g.utf8)
	for c := 'a'; c <= 'z'; c++ {
		if set[c] != set[c-'a'+'A'] {
			return nil
		}
	}
	if g.utf8 && re.Op == syntax.OpCharClass && !plainHigh(re.Rune) {
		g.ascii = true
	}
	return set
}

// classSet returns the bytes of a class. For UTF-8 those above 0x7F belong if an ordinary character above does.
func classSet(re *syntax.Regexp, bytewise bool) *byteSet {
	var set byteSet
	ranges := re.Rune
	switch re.Op {
	case syntax.OpAnyChar:
		ranges = []rune{0, utf8.MaxRune}
	case syntax.OpAnyCharNotNL:
		ranges = []rune{0, '\n' - 1, '\n' + 1, utf8.MaxRune}
	}
	const ordinary = 0x4E00
	for i := 0; i < len(ranges); i += 2 {
		lo, hi := ranges[i], ranges[i+1]
		if lo < utf8.RuneSelf {
			set.addRange(byte(lo), byte(min(hi, utf8.RuneSelf-1)))
		}
		switch {
		case bytewise && lo <= highLast && hi >= highFirst:
			set.addRange(byte(max(lo, highFirst)-highBase), byte(min(hi, highLast)-highBase))
		case !bytewise && lo <= ordinary && ordinary <= hi:
			set.addRange(0x80, 0xFF)
		}
	}
	return &set
}

// plainHigh tells whether a class holds all characters above 0x7F or none, not counting the two that fold into ASCII.
func plainHigh(ranges []rune) bool {
	count := rune(0)
	for i := 0; i < len(ranges); i += 2 {
		lo, hi := max(ranges[i], utf8.RuneSelf), ranges[i+1]
		if lo > hi {
			continue
		}
		count += hi - lo + 1
		for _, r := range []rune{longS, kelvin} {
			if lo <= r && r <= hi {
				count--
			}
		}
	}
	return count == 0 || count == utf8.MaxRune+1-utf8.RuneSelf-2
}

// repeat compiles * + ? and {n,m}.
func (g *prog) repeat(re *syntax.Regexp, next *node) *node {
	lo, hi := 0, -1
	switch re.Op {
	case syntax.OpPlus:
		lo = 1
	case syntax.OpQuest:
		hi = 1
	case syntax.OpRepeat:
		lo, hi = re.Min, re.Max
	}
	sub, lazy := re.Sub[0], re.Flags&syntax.NonGreedy != 0
	if set, single := g.single(sub); single {
		if set == nil {
			return nil
		}
		n := &node{op: opRepeat, lazy: lazy, min: lo, max: hi, set: set, next: next}
		if hi < 0 {
			g.repeats++
			n.slot = g.repeats
		}
		return n
	}
	switch {
	case re.Op == syntax.OpRepeat:
		return g.compile(re.Simplify(), next)
	case re.Op == syntax.OpQuest:
		return split(g.compile(sub, next), next, lazy)
	case canBeEmpty(sub):
		return nil // regexp knows when to stop
	}
	// The body leads back to the split, which needs the body: it is filled in last.
	loop := &node{op: opSplit}
	body := g.compile(sub, loop)
	if body == nil {
		return nil
	}
	*loop = *split(body, next, lazy)
	if lo == 1 {
		return body
	}
	return loop
}

// split returns the choice of body and next; a lazy one prefers next.
func split(body, next *node, lazy bool) *node {
	switch {
	case body == nil:
		return nil
	case lazy:
		return &node{op: opSplit, next: next, other: body}
	}
	return &node{op: opSplit, next: body, other: next}
}

// single tells whether re always takes one character, and which; the set is nil if case counts.
func (g *prog) single(re *syntax.Regexp) (*byteSet, bool) {
	switch re.Op {
	case syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return g.set(re), true
	case syntax.OpLiteral:
		b, ok := g.byteOf(re.Rune[0])
		if len(re.Rune) > 1 || !ok {
			return nil, false
		}
		if lowerByte(b) != upperByte(b) && re.Flags&syntax.FoldCase == 0 {
			return nil, true
		}
		var set byteSet
		set[lowerByte(b)], set[upperByte(b)] = true, true
		return &set, true
	}
	return nil, false
}

// canBeEmpty tells whether re can match without taking a character.
func canBeEmpty(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpLiteral, syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL, syntax.OpNoMatch:
		return false
	case syntax.OpCapture, syntax.OpPlus:
		return canBeEmpty(re.Sub[0])
	case syntax.OpRepeat:
		return re.Min == 0 || canBeEmpty(re.Sub[0])
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			if !canBeEmpty(sub) {
				return false
			}
		}
		return true
	case syntax.OpAlternate:
		for _, sub := range re.Sub {
			if canBeEmpty(sub) {
				return true
			}
		}
		return false
	}
	return true
}
