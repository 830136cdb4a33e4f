package pattern

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"strings"
)

// unknown stands for a place not looked for yet.
const unknown = -2

// latest returns the last place where the repeat n may end so that its tail still follows, -1 if there is none.
func (w *scratch) latest(n *node) int {
	for len(w.last) < n.slot {
		w.last = append(w.last, unknown)
	}
	at := w.last[n.slot-1]
	if at != unknown {
		return at
	}
	tail := n.tail
	at = w.lastTwo(tail)
	for i := len(tail) - 3; i >= 0 && at >= 0; i-- {
		w.steps -= at / bytesPerStep
		at = lastIndex(w.s[:at], tail[i].literal, tail[i].rare)
	}
	w.last[n.slot-1] = at
	return at
}

// How hard lastTwo tries.
const (
	maxTries = 64
	maxGap   = 256
)

// lastTwo returns where the last but one literal of a tail of two or more can stand last, -1 if nowhere.
func (w *scratch) lastTwo(tail []tailPart) int {
	a, b := tail[len(tail)-2], tail[len(tail)-1]
	s := w.s
	w.steps -= len(s) / bytesPerStep
	at := lastIndex(s, b.literal, b.rare)
	for tries := 0; b.gap != nil && at >= 0 && tries < maxTries; tries++ {
		begin := at
		for begin > 0 && b.gap[s[begin-1]] && at-begin < maxGap {
			begin--
		}
		if at-begin == maxGap {
			break
		}
		from := max(0, begin-len(a.literal))
		if i := lastIndex(s[from:at], a.literal, a.rare); i >= 0 {
			return from + i
		}
		at = lastIndex(s[:at+len(b.literal)-1], b.literal, b.rare)
	}
	w.steps -= at / bytesPerStep
	return lastIndex(s[:max(at, 0)], a.literal, a.rare)
}

// commonest are the commonest bytes of lowered log lines, the commonest first.
const commonest = " e0t1ao2insr3l-d:c.u/m4p5h7f6g8w9y=b\"v,_()k[]xjqz"

// rarity ranks bytes: the rarer in texts, the higher.
func rarity(b byte) int {
	if rank := strings.IndexByte(commonest, b); rank >= 0 {
		return rank
	}
	return len(commonest)
}

// rarest returns the place of the literal's rarest byte.
func rarest(literal []byte) int {
	at := 0
	for i, b := range literal {
		if rarity(b) > rarity(literal[at]) {
			at = i
		}
	}
	return at
}

// lastIndex is bytes.LastIndex, eight bytes at a time. It looks for the byte at rare in the literal.
func lastIndex(s, literal []byte, rare int) int {
	const ones, lows = 0x0101010101010101, 0x7F7F7F7F7F7F7F7F
	first, want := literal[rare], ones*uint64(literal[rare])
	at := len(s) - len(literal) + rare // where that byte can be last
	for ; at >= rare+7; at -= 8 {
		x := binary.LittleEndian.Uint64(s[at-7:]) ^ want
		for found := ^((x&lows + lows) | x | lows); found != 0; { // the high bits of the bytes that are zero
			top := 63 - bits.LeadingZeros64(found)
			if i := at - 7 + top>>3 - rare; bytes.HasPrefix(s[i:], literal) {
				return i
			}
			found &^= 1 << top
		}
	}
	for ; at >= rare; at-- {
		if s[at] == first && bytes.HasPrefix(s[at-rare:], literal) {
			return at - rare
		}
	}
	return -1
}

// index is bytes.Index by the byte at rare in the literal, which is faster where that is rare.
func index(s, literal []byte, rare int) int {
	for at := rare; at < len(s); at++ {
		i := bytes.IndexByte(s[at:], literal[rare])
		if i < 0 {
			break
		}
		if at += i; bytes.HasPrefix(s[at-rare:], literal) {
			return at - rare
		}
	}
	return -1
}
