package pattern

import (
	"encoding/binary"
	"strings"
)

// These two characters outside ASCII fold into it: the Kelvin sign into k, the long s into s.
const (
	kelvin = '\u212a'
	longS  = '\u017f'
)

// Text is a subject, prepared once and matched by many patterns. The zero value is the empty text. A Text also holds the matchers' scratch
// memory, so it belongs to one goroutine.
type Text struct {
	s     string
	lower []byte // s with A-Z lowered; as long as s
	ascii bool   // no byte above 0x7F
	fold  bool   // holds the Kelvin sign or the long s
	work  scratch
}

// Reset makes s the text.
func (t *Text) Reset(s string) {
	t.s, t.work.spent = s, 0
	if cap(t.lower) < len(s) {
		t.lower = make([]byte, len(s)+len(s)/4)
	}
	t.lower = t.lower[:len(s)]
	high := lowerASCII(t.lower, s)
	t.ascii = !high
	t.fold = high && (strings.Contains(s, string(kelvin)) || strings.Contains(s, string(longS)))
}

// Steps returns how many steps all matches in the text have taken. Unlike time, it is the same on every machine.
func (t *Text) Steps() int { return t.work.spent }

// String returns the text as it was given.
func (t *Text) String() string { return t.s }

// lowerASCII copies src to dst, which is as long, with A-Z lowered, eight bytes at a time. It tells whether a byte was above 0x7F.
func lowerASCII(dst []byte, src string) (high bool) {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	n := copy(dst, src)
	var seen uint64
	i := 0
	for ; i+8 <= n; i += 8 {
		w := binary.LittleEndian.Uint64(dst[i:])
		seen |= w
		low := w &^ highs
		// A byte of low is at most 0x7F: adding 0x3F sets its high bit from 'A' on, adding 0x25 from past 'Z' on.
		upper := (low + ones*(0x80-'A')) &^ (low + ones*(0x80-'Z'-1)) &^ w & highs
		binary.LittleEndian.PutUint64(dst[i:], w|upper>>2)
	}
	for ; i < n; i++ {
		seen |= uint64(dst[i])
		dst[i] = lowerByte(dst[i])
	}
	return seen&highs != 0
}

// lowerByte lowers A-Z only.
func lowerByte(b byte) byte {
	if 'A' <= b && b <= 'Z' {
		return b + 'a' - 'A'
	}
	return b
}

// lowerString lowers A-Z only; other characters, and stray bytes, stay.
func lowerString(s string) string {
	b := []byte(s)
	lowerASCII(b, s)
	return string(b)
}
