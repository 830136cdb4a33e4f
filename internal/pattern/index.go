package pattern

import (
	"bytes"
	"encoding/binary"
)

// Index tells, after one pass over a text, which of many patterns can match in it at all.
//
// Of each literal it looks for a window of four bytes, one that few other literals have; literals of three bytes are looked for whole. At
// each byte of the text the hash of the window is looked up in a bitmap of 8 KiB. Where the bit is set, that bucket's literals are compared.
type Index struct {
	always []uint64 // the patterns without literals
	four   windows
	three  windows // for literals of three bytes
}

// Hits is what [Index.Scan] found. The zero value is ready for use; a Hits is best used again.
type Hits struct {
	bits []uint64
}

// Possible tells whether pattern i can match in the text scanned last. It is true for patterns without literals.
func (h *Hits) Possible(i int) bool { return h.bits[i>>6]>>(i&63)&1 != 0 }

// hashBits is the size of the bitmaps.
const hashBits = 16

// threeBytes masks a window of three bytes.
const threeBytes = 0xFFFFFF

// windows finds literals by a window of theirs.
type windows struct {
	bits    [1 << hashBits / 64]uint64 // by hash: whether a literal's window has it
	buckets [1 << 10][]entry           // by the hash's upper bits
}

// entry is a literal, known by the window at offset back in it.
type entry struct {
	window   uint32
	back     int
	literal  []byte
	patterns []int
}

// hash spreads windows over the bitmap.
func hash(window uint32) uint32 { return window * 0x9E3779B1 >> (32 - hashBits) }

// add enters a literal.
func (w *windows) add(e entry) {
	h := hash(e.window)
	w.bits[h>>6] |= 1 << (h & 63)
	bucket := &w.buckets[h>>(hashBits-10)]
	*bucket = append(*bucket, e)
}

// maybe tells whether some literal's window has the hash.
func (w *windows) maybe(h uint32) bool { return w.bits[h>>6]>>(h&63)&1 != 0 }

// NewIndex returns an index of the patterns, numbered as in the slice.
func NewIndex(patterns []*Pattern) *Index {
	x := &Index{always: make([]uint64, (len(patterns)+63)/64)}
	holders := map[string][]int{} // by literal
	var order []string
	for i, p := range patterns {
		if p.literals == nil {
			x.always[i>>6] |= 1 << (i & 63)
		}
		for _, l := range p.literals {
			if holders[l] == nil {
				order = append(order, l)
			}
			holders[l] = append(holders[l], i)
		}
	}
	x.addAll(order, holders)
	return x
}

// addAll adds the literals, each by the window that is likely to be rarest in texts: first in few literals, then of rare bytes.
func (x *Index) addAll(literals []string, holders map[string][]int) {
	var count [256]int
	common, total := map[uint32]int{}, 0 // how many literals have the window
	for _, l := range literals {
		total += 4 * len(l)
		for i := range len(l) {
			count[l[i]]++
		}
		for i := 0; i+4 <= len(l); i++ {
			common[windowAt(l[i:])]++
		}
	}
	for _, l := range literals {
		e := entry{literal: []byte(l), patterns: holders[l]}
		if len(l) < 4 {
			e.window = uint32(l[0]) | uint32(l[1])<<8 | uint32(l[2])<<16
			x.three.add(e)
			continue
		}
		best := -1
		for i := 0; i+4 <= len(l); i++ {
			v := windowAt(l[i:])
			score := common[v]*total + count[l[i]] + count[l[i+1]] + count[l[i+2]] + count[l[i+3]]
			if best < 0 || score < best {
				best, e.window, e.back = score, v, i
			}
		}
		x.four.add(e)
	}
}

// windowAt returns the window of four bytes that s begins with, as Scan reads it.
func windowAt(s string) uint32 {
	return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
}

// Scan looks for the literals of all patterns in t and leaves in h what it found.
func (x *Index) Scan(t *Text, h *Hits) {
	h.bits = append(h.bits[:0], x.always...)
	if t.fold { // a character beyond ASCII may stand for one of a literal
		for i := range h.bits {
			h.bits[i] = ^uint64(0)
		}
		return
	}
	s := t.lower
	i := 0
	for ; i+4 <= len(s); i++ {
		v := binary.LittleEndian.Uint32(s[i:])
		if b := hash(v); x.four.maybe(b) {
			x.four.compare(s, i, v, b, h)
		}
		if b := hash(v & threeBytes); x.three.maybe(b) {
			x.three.compare(s, i, v&threeBytes, b, h)
		}
	}
	if i+3 == len(s) {
		v := uint32(s[i]) | uint32(s[i+1])<<8 | uint32(s[i+2])<<16
		if b := hash(v); x.three.maybe(b) {
			x.three.compare(s, i, v, b, h)
		}
	}
}

// compare marks the patterns of the literals that have the window v, of that hash, at i in s.
func (w *windows) compare(s []byte, i int, v, hash uint32, h *Hits) {
	bucket := w.buckets[hash>>(hashBits-10)]
	for k := range bucket {
		e := &bucket[k]
		if e.window != v || i < e.back || !bytes.HasPrefix(s[i-e.back:], e.literal) {
			continue
		}
		for _, p := range e.patterns {
			h.bits[p>>6] |= 1 << (p & 63)
		}
	}
}
