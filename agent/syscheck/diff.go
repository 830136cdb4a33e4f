package syscheck

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// A difference is as diff -U0 tells it, but bounded: nobody reads more, and whoever changes a file decides how much there is.
const (
	diffLines = 64      // lines of a difference
	diffBytes = 8 << 10 // of its text
	diffLine  = 512     // of one line
	diffEdits = 512     // lines removed and added that are looked for; beyond that all between the first and the last difference is shown as changed
	diffSteps = 1 << 22 // lines compared; …
	diffMost  = 1 << 16 // lines between the first and the last difference; …
)

// hunk is lines of one text in whose place another has others: from a0 up to before a1, from b0 up to before b1, counted from 0.
type hunk struct{ a0, a1, b0, b1 int }

// unified returns how two texts differ, "" if they don't.
func unified(before, after []byte) string {
	skip := commonLines(before, after)
	first := bytes.Count(before[:skip], []byte{'\n'})
	before, after = before[skip:], after[skip:]
	tail := commonTail(before, after)
	a, b := lines(before[:len(before)-tail]), lines(after[:len(after)-tail])
	var w diffWriter
	for _, h := range hunks(a, b) {
		w.hunk(h, first, a, b)
	}
	return w.String()
}

// commonLines returns the length of the whole lines with which both texts begin.
func commonLines(a, b []byte) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	if n == len(a) && n == len(b) {
		return n
	}
	return bytes.LastIndexByte(a[:n], '\n') + 1
}

// commonTail returns the length of the whole lines with which both texts end.
func commonTail(a, b []byte) int {
	n := 0
	for n < len(a) && n < len(b) && a[len(a)-1-n] == b[len(b)-1-n] {
		n++
	}
	if n == len(a) || n == len(b) { // one is all that's left of the other: does a line begin there?
		if rest := max(len(a), len(b)) - n; rest == 0 || longer(a, b)[rest-1] == '\n' {
			return n
		}
	}
	i := bytes.IndexByte(a[len(a)-n:], '\n')
	if i < 0 {
		return 0
	}
	return n - i - 1
}

func longer(a, b []byte) []byte {
	if len(a) > len(b) {
		return a
	}
	return b
}

// lines splits a text after each line feed.
func lines(text []byte) [][]byte {
	if len(text) == 0 {
		return nil
	}
	list := bytes.SplitAfter(text, []byte{'\n'})
	if len(list[len(list)-1]) == 0 {
		list = list[:len(list)-1]
	}
	return list
}

// hunks returns how to make b of a.
func hunks(a, b [][]byte) []hunk {
	if len(a) == 0 && len(b) == 0 {
		return nil
	}
	all := []hunk{{0, len(a), 0, len(b)}}
	if len(a) == 0 || len(b) == 0 || len(a)+len(b) > diffMost {
		return all
	}
	if list, ok := shortest(numbered(a, b)); ok {
		return list
	}
	return all
}

// numbered gives equal lines equal numbers.
func numbered(a, b [][]byte) (x, y []int32) {
	number := make(map[string]int32, len(a))
	give := func(list [][]byte) []int32 {
		out := make([]int32, len(list))
		for i, line := range list {
			n, ok := number[string(line)]
			if !ok {
				n = int32(len(number))
				number[string(line)] = n
			}
			out[i] = n
		}
		return out
	}
	return give(a), give(b)
}

// shortest returns the fewest changes, by Myers's greedy algorithm: far[k] is how far along a one comes on the diagonal k (place in a less place in b) with
// d changes. It gives up, returning false, where there are too many or it takes too long.
func shortest(a, b []int32) ([]hunk, bool) {
	far := make([]int32, 2*diffEdits+3)
	const zero = diffEdits + 1
	var trace [][]int32 // far from -d to d, before the step d
	steps := 0
	for d := 0; d <= diffEdits; d++ {
		trace = append(trace, slices.Clone(far[zero-d:zero+d+1]))
		for k := -d; k <= d; k += 2 {
			x := int(far[zero+k-1]) + 1
			if k == -d || k != d && far[zero+k-1] < far[zero+k+1] {
				x = int(far[zero+k+1])
			}
			y := x - k
			for x < len(a) && y < len(b) && a[x] == b[y] {
				x, y, steps = x+1, y+1, steps+1
			}
			far[zero+k] = int32(x)
			if x >= len(a) && y >= len(b) {
				return back(trace, len(a), len(b)), true
			}
		}
		if steps += d; steps > diffSteps {
			break
		}
	}
	return nil, false
}

// back follows the trace from the end to the beginning.
func back(trace [][]int32, x, y int) []hunk {
	var list []hunk
	for d := len(trace) - 1; d > 0; d-- {
		far := func(k int) int { return int(trace[d][k+d]) } // after d-1 changes
		k := x - y
		prev := k - 1
		if k == -d || k != d && far(k-1) < far(k+1) {
			prev = k + 1
		}
		px := far(prev)
		py := px - prev
		h := hunk{px, px, py, py}
		if prev == k-1 {
			h.a1++
		} else {
			h.b1++
		}
		if n := len(list); n > 0 && list[n-1].a0 == h.a1 && list[n-1].b0 == h.b1 {
			list[n-1].a0, list[n-1].b0 = h.a0, h.b0
		} else {
			list = append(list, h)
		}
		x, y = px, py
	}
	slices.Reverse(list)
	return list
}

// diffWriter writes hunks as far as there is room.
type diffWriter struct {
	out   strings.Builder
	lines int
	cut   bool
}

func (w *diffWriter) String() string {
	if w.cut {
		w.out.WriteString("... diff was truncated ...\n")
	}
	return w.out.String()
}

// hunk writes one; first is how many lines lie before the texts' first.
func (w *diffWriter) hunk(h hunk, first int, a, b [][]byte) {
	if w.cut || w.lines >= diffLines-1 {
		w.cut = true
		return
	}
	fmt.Fprintf(&w.out, "@@ -%s +%s @@\n", place(first, h.a0, h.a1), place(first, h.b0, h.b1))
	w.lines++
	removed, added := a[h.a0:h.a1], b[h.b0:h.b1]
	most, end := (diffLines-w.lines)/2, w.out.Len()+(diffBytes-w.out.Len())/2
	if len(added) < most {
		most = diffLines - w.lines - len(added)
	}
	if len(added) == 0 {
		end = diffBytes
	}
	w.some("-", removed, most, end)
	w.some("+", added, diffLines-w.lines, diffBytes)
}

// some writes at most so many lines, up to an end: what is removed must not hide what is added.
func (w *diffWriter) some(sign string, list [][]byte, most, end int) {
	for i, line := range list {
		text := signed(sign, line)
		if i == most || w.out.Len()+len(text) > end {
			w.cut = true
			return
		}
		w.out.WriteString(text)
		w.lines++
	}
}

// place is a hunk's place as unified differences have it: counted from 1, and an empty one is where it follows.
func place(first, from, to int) string {
	switch to - from {
	case 0:
		return fmt.Sprintf("%d,0", first+from)
	case 1:
		return fmt.Sprint(first + from + 1)
	}
	return fmt.Sprintf("%d,%d", first+from+1, to-from)
}

// signed returns a line of a difference.
func signed(sign string, line []byte) string {
	text, ended := bytes.CutSuffix(line, []byte{'\n'})
	more := "\n"
	if len(text) > diffLine {
		text, more = text[:diffLine], "…\n"
	}
	if !ended {
		more += "\\ No newline at end of file\n"
	}
	return sign + visible(text) + more
}

// visible returns a text in which bytes that are no UTF-8, and characters that a terminal obeys, are seen: \x1b, \u202e.
func visible(text []byte) string {
	var out strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		switch {
		case r == utf8.RuneError && size == 1, r < ' ' && r != '\t', r == 0x7f:
			fmt.Fprintf(&out, `\x%02x`, text[0])
		case r >= 0x80 && r < 0xa0, r >= 0x200e && r <= 0x200f, r >= 0x2028 && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
			fmt.Fprintf(&out, `\u%04x`, r)
		default:
			out.Write(text[:size])
		}
		text = text[size:]
	}
	return out.String()
}
