package pattern

import (
	"bytes"
	"unicode/utf8"
)

// A match may take some steps for each byte of the text, more of them in a large pattern. What needs more is left to regexp, whose steps are
// dearer.
const (
	stepsPerByte = 16
	nodesPerStep = 4
	extraSteps   = 4096
	bytesPerStep = 16 // of a run
)

// longRun is the length from which it pays to remember that a run led nowhere.
const longRun = 16

// maxFrames bounds the stack.
const maxFrames = 1 << 15

// outcome is how a match ended. One that gave up knows nothing.
type outcome uint8

const (
	noMatch outcome = iota
	matched
	gaveUp
)

// scratch is the memory of one match: where to try again, and what was found.
type scratch struct {
	s     []byte // the lowered subject
	from  int    // its offset in the text
	wide  bool   // sets take UTF-8 characters, and the subject has some
	want  bool   // captures are wanted
	steps int    // left to take
	stack []frame
	slots []int  // positions in s, -1 for none
	spans []span // by number of unbounded repeat: where it led nowhere; stale unless marked
	// To remember those ends keeps what would be quadratic linear: \S+: \S+x on a long word.
	marked bool
}

// span says that a repeat begun at start led nowhere, with any end from lo to hi, where its run ends. One begun elsewhere in the same run
// would try the same ends again.
type span struct{ start, lo, hi int }

// has tells whether an end at pos is known to lead nowhere.
func (sp span) has(pos int) bool { return sp.lo <= pos && pos <= sp.hi }

// frameKind says what a frame is for.
type frameKind uint8

const (
	trySplit frameKind = iota // go on at node n, position pos
	tryLess                   // let the repeat n end at pos or before, down to limit
	tryMore                   // let the lazy repeat n, begun at limit, end at pos or behind
	undoSave                  // put pos back into the slot of n
	markSpan                  // the repeat n led nowhere from pos, with a run up to limit
)

// frame is something to do when the way taken since leads nowhere.
type frame struct {
	n                 *node
	kind              frameKind
	pos, limit, start int
}

// run looks for the leftmost match in t from offset from on. It returns the offset of its end.
func (g *prog) run(t *Text, from int, want bool) (int, outcome) {
	w := &t.work
	w.s, w.from, w.want, w.wide, w.marked = t.lower[from:], from, want, g.utf8 && !t.ascii, false
	w.steps = (stepsPerByte+g.size/nodesPerStep)*len(w.s) + extraSteps
	if want {
		w.slots = w.slots[:0]
		for range g.slots {
			w.slots = append(w.slots, -1)
		}
	}
	if len(g.needs) > 0 && !bytes.Contains(w.s, g.needs) {
		return 0, noMatch
	}
	if g.atStart {
		return w.try(g.start, 0)
	}
	for pos := 0; pos <= len(w.s); pos++ {
		if pos = g.candidate(w.s, pos); pos < 0 {
			return 0, noMatch
		}
		if w.wide && inside(w.s, pos) {
			continue
		}
		if end, result := w.try(g.start, pos); result != noMatch {
			return end, result
		}
		if sp, ok := w.span(g.lead); ok && sp.start <= pos && pos <= sp.hi {
			pos = sp.hi
		}
	}
	return 0, noMatch
}

// candidate returns the first position from pos on where a match can begin, -1 if there is none.
func (g *prog) candidate(s []byte, pos int) int {
	switch {
	case len(g.prefix) > 0:
		i := bytes.Index(s[pos:], g.prefix)
		if i < 0 {
			return -1
		}
		return pos + i
	case pos > 0 && g.first != nil:
		for pos < len(s) && !g.first[s[pos]] {
			pos++
		}
	}
	return pos
}

// try looks for a match that begins at pos.
func (w *scratch) try(n *node, pos int) (int, outcome) {
	w.stack = w.stack[:0]
	ok := true
	for {
		if w.steps--; w.steps < 0 || len(w.stack) > maxFrames {
			return 0, gaveUp
		}
		if !ok {
			if n, pos, ok = w.back(); n == nil {
				return 0, noMatch
			}
			if !ok {
				continue
			}
		}
		switch n.op {
		case opMatch:
			return w.from + pos, matched
		case opSplit:
			n = w.branch(n, pos)
			continue
		case opSave:
			if w.want {
				w.stack = append(w.stack, frame{n: n, kind: undoSave, pos: w.slots[n.slot]})
				w.slots[n.slot] = pos
			}
		case opLiteral:
			if ok = bytes.HasPrefix(w.s[pos:], n.literal); ok {
				pos += len(n.literal)
			}
		case opSet:
			if ok = pos < len(w.s) && n.set[w.s[pos]]; ok {
				pos += w.width(pos)
			}
		case opRepeat:
			pos, ok = w.enter(n, pos)
		default:
			ok = w.holds(n.op, pos)
		}
		n = n.next
	}
}

// branch returns the first alternative of the split n worth trying at pos, and notes the others.
func (w *scratch) branch(n *node, pos int) *node {
	if pos < len(w.s) {
		b := w.s[pos]
		if n.jump != nil {
			n = n.jump[b]
		}
		for n.op == opSplit && n.follow != nil && !n.follow[b] {
			n = n.other
		}
	}
	if n.op != opSplit {
		return n
	}
	w.stack = append(w.stack, frame{n: n.other, kind: trySplit, pos: pos})
	return n.next
}

// holds tells whether an assertion holds at pos.
func (w *scratch) holds(o op, pos int) bool {
	switch o {
	case opStart:
		return pos == 0
	case opEnd:
		return pos == len(w.s)
	case opEndLine:
		return pos == len(w.s) || pos == len(w.s)-1 && w.s[pos] == '\n'
	case opWord, opNotWord:
		before := pos > 0 && isWord(w.s[pos-1])
		after := pos < len(w.s) && isWord(w.s[pos])
		return (before != after) == (o == opWord)
	}
	return false
}

// isWord tells whether b is one of PCRE2's \w.
func isWord(b byte) bool { return isAlnum(b) || b == '_' }

// width returns the length of the character at pos.
func (w *scratch) width(pos int) int {
	if !w.wide || w.s[pos] < utf8.RuneSelf {
		return 1
	}
	_, n := utf8.DecodeRune(w.s[pos:])
	return n
}

// inside tells whether pos lies within a UTF-8 character.
func inside(s []byte, pos int) bool {
	if pos >= len(s) || utf8.RuneStart(s[pos]) {
		return false
	}
	for back := 1; back < utf8.UTFMax && back <= pos; back++ {
		if utf8.RuneStart(s[pos-back]) {
			_, n := utf8.DecodeRune(s[pos-back:])
			return n > back
		}
	}
	return false
}

// enter begins the repeat n at pos and returns where it ends first.
func (w *scratch) enter(n *node, pos int) (end int, ok bool) {
	least := pos
	w.steps -= n.min / bytesPerStep
	for range n.min {
		if least >= len(w.s) || !n.set[w.s[least]] {
			return 0, false
		}
		least += w.width(least)
	}
	known, ok := w.span(n.slot)
	if ok && known.has(least) {
		return 0, false
	}
	if n.lazy && !n.sure {
		return w.more(n, pos, least, least)
	}
	end = w.runEnd(n, pos)
	hi := end
	if ok && known.has(end) { // from known.lo on all ends were tried
		end, hi = known.lo-1, known.hi
	}
	if n.slot > 0 && hi-pos >= longRun {
		w.stack = append(w.stack, frame{n: n, kind: markSpan, pos: least, limit: hi, start: pos})
	}
	if n.sure {
		return end, end == hi && (end == len(w.s) || n.follow[w.s[end]])
	}
	return w.less(n, end, least)
}

// runEnd returns how far the repeat n can go from start.
func (w *scratch) runEnd(n *node, start int) int {
	s, set, pos := w.s, n.set, start
	if n.max >= 0 && w.wide {
		for i := 0; i < n.max && pos < len(s) && set[s[pos]]; i++ {
			pos += w.width(pos)
		}
		return pos
	}
	if n.max >= 0 && n.max < len(s)-pos {
		s = s[:pos+n.max]
	} else if sp, ok := w.span(n.slot); ok && pos < sp.lo {
		s = s[:sp.lo] // if the run gets there, it is known to lead nowhere further
	}
	for pos < len(s) && set[s[pos]] {
		pos++
	}
	w.steps -= (pos - start) / bytesPerStep
	return pos
}

// fits tells whether what follows the repeat n can begin at pos.
func (w *scratch) fits(n *node, pos int) bool {
	if pos == len(w.s) {
		return len(n.literal) == 0
	}
	return (n.follow == nil || n.follow[w.s[pos]]) && bytes.HasPrefix(w.s[pos:], n.literal) && !(w.wide && inside(w.s, pos))
}

// less lets the greedy repeat n end at the last fitting position from end down to least.
func (w *scratch) less(n *node, end, least int) (int, bool) {
	if lit := n.literal; len(lit) > 0 && end-least >= longRun && !w.wide {
		end = least + bytes.LastIndex(w.s[least:min(end+len(lit), len(w.s))], lit)
	}
	for end >= least && !w.fits(n, end) {
		end--
	}
	if end > least {
		w.stack = append(w.stack, frame{n: n, kind: tryLess, pos: end - 1, limit: least})
	}
	return end, end >= least
}

// more lets the lazy repeat n, begun at start and tried from least on, end at the first fitting position from pos on.
func (w *scratch) more(n *node, start, least, pos int) (int, bool) {
	limit, begin := len(w.s), pos
	if n.max >= 0 {
		limit = w.runEnd(n, start)
	}
	known, ok := w.span(n.slot)
	for {
		if ok && known.has(pos) {
			w.mark(n, span{start, least, known.hi})
			return 0, false
		}
		if w.fits(n, pos) {
			w.steps -= (pos - begin) / bytesPerStep
			w.stack = append(w.stack, frame{n: n, kind: tryMore, pos: pos, limit: least, start: start})
			return pos, true
		}
		if pos >= limit || !n.set[w.s[pos]] {
			w.steps -= (pos - begin) / bytesPerStep
			w.mark(n, span{start, least, pos})
			return 0, false
		}
		pos++
	}
}

// back takes frames off the stack until one leads on. A nil node says that none is left; false that this one failed.
func (w *scratch) back() (n *node, pos int, ok bool) {
	for len(w.stack) > 0 {
		f := w.stack[len(w.stack)-1]
		w.stack = w.stack[:len(w.stack)-1]
		switch f.kind {
		case trySplit:
			return f.n, f.pos, true
		case tryLess:
			pos, ok = w.less(f.n, f.pos, f.limit)
			return f.n.next, pos, ok
		case tryMore:
			if f.pos < len(w.s) && f.n.set[w.s[f.pos]] && !w.full(f) {
				pos, ok = w.more(f.n, f.start, f.limit, f.pos+1)
				return f.n.next, pos, ok
			}
			w.mark(f.n, span{f.start, f.limit, f.pos})
		case undoSave:
			w.slots[f.n.slot] = f.pos
		case markSpan:
			w.mark(f.n, span{f.start, f.pos, f.limit})
		}
	}
	return nil, 0, false
}

// full tells whether a lazy repeat has taken all it may.
func (w *scratch) full(f frame) bool {
	return f.n.max >= 0 && f.pos >= w.runEnd(f.n, f.start)
}

// mark notes where the unbounded repeat n led nowhere.
func (w *scratch) mark(n *node, sp span) {
	if n.slot == 0 || sp.hi-sp.start < longRun {
		return
	}
	if !w.marked {
		w.marked = true
		w.spans = w.spans[:0]
	}
	for len(w.spans) < n.slot {
		w.spans = append(w.spans, span{hi: -1})
	}
	w.spans[n.slot-1] = sp
}

// span returns where the repeat of that number led nowhere, if that is known.
func (w *scratch) span(slot int) (span, bool) {
	if slot == 0 || !w.marked || slot > len(w.spans) {
		return span{}, false
	}
	sp := w.spans[slot-1]
	return sp, sp.hi >= 0
}

// appendCaptures appends the captures of the last match, cut out of text; with places, those that took no part as well.
func (w *scratch) appendCaptures(caps []string, text string, places bool) []string {
	for i := 2; i < len(w.slots); i += 2 {
		if w.slots[i] >= 0 && w.slots[i+1] >= 0 {
			caps = append(caps, text[w.from+w.slots[i]:w.from+w.slots[i+1]])
		} else if places {
			caps = append(caps, "")
		}
	}
	return caps
}
