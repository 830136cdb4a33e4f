package pattern

import "regexp/syntax"

// Bounds on what is worth looking for.
const (
	maxLiterals = 256 // more alternatives than these are no help
	maxJoined   = 16  // combinations of neighbouring parts
	minLiteral  = 3   // shorter ones are in every text
)

// usable returns the set if every string in it is long enough to tell something.
func usable(set []string) []string {
	if shortest(set) < minLiteral {
		return nil
	}
	return set
}

// shortest returns the length of the shortest string, 0 for none.
func shortest(set []string) int {
	if len(set) == 0 {
		return 0
	}
	n := len(set[0])
	for _, s := range set {
		n = min(n, len(s))
	}
	return n
}

// better returns the set that tells more: the longer strings, or the fewer.
func better(a, b []string) []string {
	switch x, y := shortest(a), shortest(b); {
	case x > y, x == y && len(a) < len(b):
		return a
	}
	return b
}

// known is what is known of a tree's matches, in lowered bytes.
type known struct {
	all  []string // they are exactly these; nil: not known
	some []string // each holds one of these; nil: not known
}

// treeLiterals returns strings of which every match holds one, nil if none are worth it.
func treeLiterals(tree *syntax.Regexp, bytewise bool) []string {
	k := literalFinder{bytewise}.find(tree)
	return usable(better(k.some, k.all))
}

// literalFinder finds what is known of a tree; bytewise is PCRE2's mode.
type literalFinder struct{ bytewise bool }

// find goes by the kind of tree. Of what it does not name nothing is known.
func (f literalFinder) find(re *syntax.Regexp) known {
	switch re.Op {
	case syntax.OpLiteral:
		return f.literal(re.Rune)
	case syntax.OpCharClass:
		return f.class(re)
	case syntax.OpCapture:
		return f.find(re.Sub[0])
	case syntax.OpPlus:
		k := f.find(re.Sub[0])
		return known{some: better(k.some, k.all)}
	case syntax.OpRepeat:
		return f.repeat(re)
	case syntax.OpQuest:
		if k := f.find(re.Sub[0]); k.all != nil && len(k.all) < maxJoined {
			return known{all: append([]string{""}, k.all...)}
		}
	case syntax.OpConcat:
		return f.concat(re.Sub)
	case syntax.OpAlternate:
		return f.alternate(re.Sub)
	case syntax.OpEmptyMatch, syntax.OpBeginText, syntax.OpEndText, syntax.OpBeginLine, syntax.OpEndLine,
		syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return known{all: []string{""}}
	}
	return known{}
}

// repeat finds what the repeats that there are at least hold, joined if they are known.
func (f literalFinder) repeat(re *syntax.Regexp) known {
	if re.Min == 0 {
		return known{}
	}
	k := f.find(re.Sub[0])
	run := k.all
	for n := 1; n < re.Min && n < maxJoined; n++ {
		joined := join(run, k.all)
		if joined == nil {
			break
		}
		run = joined
	}
	return known{some: better(k.some, run)}
}

// literal returns the literal if all of it is bytes. Of the rest the longest part would do, but is not worth the code.
func (f literalFinder) literal(runes []rune) known {
	g := prog{utf8: !f.bytewise}
	text := make([]byte, 0, len(runes))
	for _, r := range runes {
		b, ok := g.byteOf(r)
		if !ok {
			return known{}
		}
		text = append(text, lowerByte(b))
	}
	return known{all: []string{string(text)}}
}

// class returns the characters of a small class.
func (f literalFinder) class(re *syntax.Regexp) known {
	set := classSet(re, f.bytewise)
	var all []string
	for b := range set {
		if upper := lowerByte(byte(b)) != byte(b); set[b] && !(upper && set[lowerByte(byte(b))]) {
			all = append(all, string([]byte{lowerByte(byte(b))}))
		}
	}
	if len(all) > 4 || !f.bytewise && !plainHigh(re.Rune) {
		return known{}
	}
	return known{all: all}
}

// concat joins the parts as long as their combinations stay few.
func (f literalFinder) concat(subs []*syntax.Regexp) known {
	var some []string
	run, whole := []string{""}, true
	for _, sub := range subs {
		k := f.find(sub)
		some = better(k.some, some)
		if joined := join(run, k.all); joined != nil {
			run = joined
			continue
		}
		some, whole = better(run, some), false
		if run = k.all; run == nil {
			run = []string{""}
		}
	}
	if whole {
		return known{all: run, some: some}
	}
	return known{some: better(run, some)}
}

// join returns each of a followed by each of b; nil if that is too many or b is not known.
func join(a, b []string) []string {
	if len(b) == 0 || len(a)*len(b) > maxJoined {
		return nil
	}
	joined := make([]string, 0, len(a)*len(b))
	for _, x := range a {
		for _, y := range b {
			joined = append(joined, x+y)
		}
	}
	return joined
}

// alternate puts the branches' strings together, if every branch has some.
func (f literalFinder) alternate(subs []*syntax.Regexp) known {
	var all, some []string
	whole, found := true, true
	for _, sub := range subs {
		k := f.find(sub)
		best := better(k.some, k.all)
		whole = whole && k.all != nil && len(all)+len(k.all) <= maxLiterals
		found = found && shortest(best) > 0 && len(some)+len(best) <= maxLiterals
		if whole {
			all = append(all, k.all...)
		}
		if found {
			some = append(some, best...)
		}
	}
	if !whole {
		all = nil
	}
	if !found {
		some = nil
	}
	return known{all, some}
}
