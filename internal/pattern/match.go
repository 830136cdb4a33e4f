package pattern

import "bytes"

// A match may take some steps for each byte of the text, more of them in a large pattern. What needs more is left to regexp, whose steps are
// dearer.
const (
	stepsPerByte = 16
	nodesPerStep = 4
	extraSteps   = 4096
	bytesPerStep = 16 // of a run
)

// freeSteps, and one for each byte, are taken before a match begins to remember.
const freeSteps = 256

// maxTried bounds the memory of that, in words.
const maxTried = 1 << 18

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
	s     []byte   // the lowered subject
	from  int      // its offset in the text
	wide  bool     // sets take UTF-8 characters, and the subject has some
	want  bool     // captures are wanted
	steps int      // left to take
	spent int      // in earlier matches in the text
	floor int      // at so few left, the match begins to remember its choices, or gives up
	tried []uint64 // by choice and position, a bit: it led, or leads, nowhere; empty before the match remembers
	dirty bool     // slots holds positions
	stack []frame
	slots []int  // positions in s, -1 for none
	last  []int  // by number of unbounded repeat: the last end that leaves room for its tail; unknown: not looked for yet
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
	pos, limit, start int32
}

// run looks for the leftmost match in t from offset from on. It returns the offset of its end.
func (g *prog) run(t *Text, from int, want bool) (int, outcome) {
	w := &t.work
	w.s, w.from, w.want, w.wide, w.marked, w.dirty = t.lower[from:], from, want, g.utf8 && !t.ascii, false, false
	budget := (stepsPerByte+g.size/nodesPerStep)*len(w.s) + extraSteps
	w.steps, w.floor = budget, budget-len(w.s)-freeSteps
	w.tried, w.last = w.tried[:0], w.last[:0]
	if want {
		w.clearSlots(g)
	}
	end, result := w.search(g)
	w.spent += budget - w.steps
	return end, result
}

// search tries every position where a match can begin.
func (w *scratch) search(g *prog) (int, outcome) {
	if w.from > 0 && len(g.needs) > 0 && !bytes.Contains(w.s, g.needs) { // from 0 on, the index has looked
		return 0, noMatch
	}
	if g.atStart {
		return w.try(g, 0)
	}
	for pos := 0; pos <= len(w.s); pos++ {
		before := pos
		if pos = g.candidate(w.s, pos); pos < 0 {
			w.steps -= (len(w.s) - before) / bytesPerStep
			return 0, noMatch
		}
		w.steps -= (pos - before) / bytesPerStep
		if w.wide && inside(w.s, pos) {
			continue
		}
		if end, result := w.try(g, pos); result != noMatch {
			return end, result
		}
		if w.dirty {
			w.clearSlots(g)
		}
		if sp, ok := w.span(g.lead); ok && sp.start <= pos {
			for pos < sp.hi && !g.others.accept(w.s[pos+1:]) {
				pos++
			}
		}
	}
	return 0, noMatch
}

// clearSlots forgets all positions.
func (w *scratch) clearSlots(g *prog) {
	w.slots, w.dirty = w.slots[:0], false
	for range g.slots {
		w.slots = append(w.slots, -1)
	}
}

// candidate returns the first position from pos on where a match can begin, -1 if there is none.
func (g *prog) candidate(s []byte, pos int) int {
	switch {
	case len(g.prefix) > 0:
		i := index(s[pos:], g.prefix, g.rare)
		if i < 0 {
			return -1
		}
		return pos + i
	case pos > 0 && g.pairs != nil:
		for pos < len(s) && !g.pairs.accept(s[pos:]) {
			pos++
		}
	}
	return pos
}

// try looks for a match that begins at pos.
func (w *scratch) try(g *prog, pos int) (int, outcome) {
	n, s, ok := g.start, w.s, true
	w.stack = w.stack[:0]
	for {
		if w.steps--; w.steps < w.floor && !w.remember(g) {
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
			if len(w.stack) > maxFrames {
				return 0, gaveUp
			}
			if ok = !w.again(n, pos); ok {
				n = w.branch(n, pos)
			}
			continue
		case opSave:
			if w.want {
				w.save(n, pos)
			}
		case opLiteral:
			if ok = pos < len(s) && s[pos] == n.literal[0] && bytes.HasPrefix(s[pos:], n.literal); ok {
				pos += len(n.literal)
			}
		case opSet:
			if ok = pos < len(s) && n.set[s[pos]]; ok {
				pos += w.width(pos)
			}
		case opRepeat:
			if n.min == n.max {
				pos = w.take(n, pos)
				ok = pos >= 0
				break
			}
			if n.short && !w.wide && !w.marked {
				if end := shortRun(n, s, pos); end-pos < longRun {
					ok = end-pos >= n.min && (end == len(s) || n.follow[s[end]])
					pos = end
					if ok && len(n.literal) > 0 {
						n, pos, ok = w.pass(n, pos)
						continue
					}
					break
				}
			}
			pos, ok = w.enter(n, pos)
		default:
			ok = w.holds(n.op, pos)
		}
		n = n.next
	}
}

// pass goes from the end of the repeat n behind the literal that follows it.
func (w *scratch) pass(n *node, pos int) (*node, int, bool) {
	end := pos + len(n.literal)
	if !bytes.HasPrefix(w.s[pos:], n.literal) {
		return nil, 0, false
	}
	for n = n.next; n.op == opSave; n = n.next {
		if w.want {
			w.save(n, pos)
		}
	}
	return n.next, end, true
}

// shortRun returns how far the repeat n can go from pos, in no more than longRun bytes.
func shortRun(n *node, s []byte, pos int) int {
	end := pos
	for end < len(s) && n.set[s[end]] && end-pos < longRun {
		end++
	}
	return end
}

// save notes the position in a slot, and what to put back there if something else is to be tried.
func (w *scratch) save(n *node, pos int) {
	w.dirty = true
	if len(w.stack) > 0 {
		w.stack = append(w.stack, frame{n: n, kind: undoSave, pos: int32(w.slots[n.slot])})
	}
	w.slots[n.slot] = pos
}

// remember makes the match note its choices from now on, so that it takes none twice. It can't if it does already, or if that is too much.
func (w *scratch) remember(g *prog) bool {
	words := (g.choices*(len(w.s)+1) + 63) / 64
	if len(w.tried) > 0 || words > maxTried {
		return false
	}
	w.floor, w.tried = 0, append(w.tried, make([]uint64, words)...)
	return true
}

// again tells whether the choice n was taken at pos before, and notes that it is. What led nowhere once always does.
func (w *scratch) again(n *node, pos int) bool {
	if len(w.tried) == 0 || n.choice == 0 {
		return false
	}
	bit := (n.choice-1)*(len(w.s)+1) + pos
	word, mask := &w.tried[bit>>6], uint64(1)<<(bit&63)
	seen := *word&mask != 0
	*word |= mask
	return seen
}

// branch returns the first alternative of the split n worth trying at pos, and notes the others, if they are.
func (w *scratch) branch(n *node, pos int) *node {
	if pos < len(w.s) {
		b := w.s[pos]
		if n.jump != nil {
			n = n.jump[b]
		}
		for n.op == opSplit && (n.follow != nil && !n.follow[b] || !bytes.HasPrefix(w.s[pos:], n.literal)) {
			n = n.other
		}
		if n.op == opSplit && n.rival != nil && !n.rival[b] {
			return n.next
		}
	}
	if n.op != opSplit {
		return n
	}
	w.stack = append(w.stack, frame{n: n.other, kind: trySplit, pos: int32(pos)})
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

// back takes frames off the stack until one leads on. A nil node says that none is left; false that this one failed.
func (w *scratch) back() (n *node, pos int, ok bool) {
	for len(w.stack) > 0 {
		f := w.stack[len(w.stack)-1]
		w.stack = w.stack[:len(w.stack)-1]
		at, limit, start := int(f.pos), int(f.limit), int(f.start)
		switch f.kind {
		case trySplit:
			return f.n, at, true
		case tryLess:
			pos, ok = w.less(f.n, at, limit)
			return f.n.next, pos, ok
		case tryMore:
			if at < len(w.s) && f.n.set[w.s[at]] && !w.full(f.n, start, at) {
				pos, ok = w.more(f.n, start, limit, at+1)
				return f.n.next, pos, ok
			}
			w.mark(f.n, span{start, limit, at})
		case undoSave:
			w.slots[f.n.slot] = at
		case markSpan:
			w.mark(f.n, span{start, at, limit})
		}
	}
	return nil, 0, false
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
