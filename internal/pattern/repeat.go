package pattern

import (
	"bytes"
	"unicode/utf8"
)

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
	if n.min > 0 {
		if least = w.take(n, pos); least < 0 {
			return 0, false
		}
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
		w.stack = append(w.stack, frame{n: n, kind: markSpan, pos: int32(least), limit: int32(hi), start: int32(pos)})
	}
	if len(n.tail) > 1 {
		end = min(end, w.latest(n))
	}
	if n.sure {
		return end, end == hi && (end == len(w.s) || n.follow[w.s[end]])
	}
	return w.less(n, end, least)
}

// take takes the characters that the repeat n needs at least, and returns where they end, -1 if they aren't there.
func (w *scratch) take(n *node, pos int) int {
	w.steps -= n.min / bytesPerStep
	s := w.s
	for range n.min {
		if pos >= len(s) || !n.set[s[pos]] {
			return -1
		}
		if w.wide {
			pos += w.width(pos)
		} else {
			pos++
		}
	}
	return pos
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
	switch {
	case n.stops == 0:
		pos = len(s)
	case n.stops == 1:
		if i := bytes.IndexByte(s[pos:], n.stop); i < 0 {
			pos = len(s)
		} else {
			pos += i
		}
	default:
		for pos < len(s) && set[s[pos]] {
			pos++
		}
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
	begin := end
	for {
		if lit := n.literal; len(lit) > 0 && end-least >= longRun && !w.wide {
			end = least + lastIndex(w.s[least:min(end+len(lit), len(w.s))], lit, n.rare)
		} else {
			for end >= least && !w.fits(n, end) {
				end--
			}
		}
		if end < least || !w.again(n, end) {
			break
		}
		end--
	}
	w.steps -= (begin - end) / bytesPerStep
	if end > least {
		w.stack = append(w.stack, frame{n: n, kind: tryLess, pos: int32(end - 1), limit: int32(least)})
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
		if n.stops <= 1 && n.max < 0 && !ok {
			pos = w.leap(n, pos)
		}
		if ok && known.has(pos) {
			w.mark(n, span{start, least, known.hi})
			return 0, false
		}
		if w.fits(n, pos) && !w.again(n, pos) {
			w.steps -= (pos - begin) / bytesPerStep
			w.stack = append(w.stack, frame{n: n, kind: tryMore, pos: int32(pos), limit: int32(least), start: int32(start)})
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

// leap returns where the literal behind the lazy repeat n, which takes nearly all, comes first, or else where the repeat must end.
func (w *scratch) leap(n *node, pos int) int {
	if len(n.literal) == 0 || w.wide {
		return pos
	}
	s := w.s[pos:]
	if i := index(s, n.literal, n.rare); i >= 0 {
		s = s[:i]
	}
	if n.stops == 1 {
		if i := bytes.IndexByte(s, n.stop); i >= 0 {
			return pos + i
		}
	}
	return pos + len(s)
}

// full tells whether the lazy repeat n, begun at start, has taken all it may at pos.
func (w *scratch) full(n *node, start, pos int) bool {
	return n.max >= 0 && pos >= w.runEnd(n, start)
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
