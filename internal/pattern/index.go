package pattern

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
)

// Index tells, after one pass over a text, which of many patterns can match in it at all.
//
// Of each literal it looks for a window of four bytes, one that few other literals have; literals of three bytes are looked for whole. At
// each byte of the text the hash of three bytes gives eight bits, of which the fourth byte chooses one: whether a literal's window may stand
// there. If so, that bucket's literals are compared.
type Index struct {
	always  []uint64 // the patterns without literals
	marks   [1 << hashBits]uint8
	starts  [1<<bucketBits + 1]uint32 // where each bucket begins in windows and entries
	windows []window                  // of the entries, so that those that don't fit cost no look at their entry
	entries []entry
}

// Hits is what [Index.Scan] found. The zero value is ready for use; a Hits is best used again.
type Hits struct {
	bits   []uint64
	folded []byte
}

// Possible tells whether pattern i can match in the text scanned last. It is true for patterns without literals.
func (h *Hits) Possible(i int) bool { return h.bits[i>>6]>>(i&63)&1 != 0 }

// The sizes of an index's tables. A bucket is chosen by the upper bits of a hash.
const (
	hashBits   = 14
	bucketBits = 12
)

// threeBytes masks a window of three bytes.
const threeBytes = 0xFFFFFF

// entry is a literal, known by the window at offset back in it.
type entry struct {
	window
	back     int
	literal  []byte
	patterns []int
}

// window is up to four bytes of a literal.
type window struct {
	bytes uint32
	mask  uint32 // of the bytes that the window has
}

// hash spreads the first three bytes of windows over the marks.
func hash(window uint32) uint32 { return window << 8 * 0x9E3779B1 >> (32 - hashBits) }

// maybe tells whether some literal's window is of that hash and fourth byte.
func (x *Index) maybe(window, hash uint32) bool { return x.marks[hash]>>(window>>24&7)&1 != 0 }

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

// addAll adds the literals, each by the window that is likely to be rarest in texts, and if in doubt the one that fewer literals have.
func (x *Index) addAll(literals []string, holders map[string][]int) {
	common := map[uint32]int{} // how many literals have the window
	for _, l := range literals {
		for i := 0; i+4 <= len(l); i++ {
			common[windowAt(l[i:])]++
		}
	}
	for _, l := range literals {
		e := entry{literal: []byte(l), patterns: holders[l], window: window{mask: ^uint32(0)}}
		if len(l) < 4 {
			e.mask = threeBytes
			e.bytes = windowAt(l + "\x00")
		}
		best := -1
		for i := 0; i+4 <= len(l); i++ {
			v := windowAt(l[i:])
			score := rarity(l[i]) + rarity(l[i+1]) + rarity(l[i+2]) + rarity(l[i+3]) - 10*common[v]
			if i == 0 || score > best {
				best, e.bytes, e.back = score, v, i
			}
		}
		x.entries = append(x.entries, e)
	}
	x.link()
}

// link sorts the entries into their buckets and marks their windows.
func (x *Index) link() {
	bucket := func(e *entry) uint32 { return hash(e.bytes) >> (hashBits - bucketBits) }
	slices.SortStableFunc(x.entries, func(a, b entry) int { return int(bucket(&a)) - int(bucket(&b)) })
	for i := range x.entries {
		e := &x.entries[i]
		fourth := uint8(1) << (e.bytes >> 24 & 7)
		if e.mask == threeBytes {
			fourth = 0xFF
		}
		x.marks[hash(e.bytes)] |= fourth
		x.windows = append(x.windows, e.window)
		x.starts[bucket(e)+1]++
	}
	for i := range 1 << bucketBits {
		x.starts[i+1] += x.starts[i]
	}
}

// windowAt returns the window of four bytes that s begins with, as Scan reads it.
func windowAt(s string) uint32 {
	return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
}

// Scan looks for the literals of all patterns in t and leaves in h what it found.
func (x *Index) Scan(t *Text, h *Hits) {
	h.bits = append(h.bits[:0], x.always...)
	x.scan(t.lower, h)
	if t.fold { // to OS_Match and OS_Regex a character beyond ASCII stands for one of a literal
		h.folded = append(h.folded[:0], foldASCII.Replace(t.s)...)
		lowerASCII(h.folded, string(h.folded))
		x.scan(h.folded, h)
	}
}

// foldASCII puts letters in the place of the characters beyond ASCII that stand for them.
var foldASCII = strings.NewReplacer(string(kelvin), "k", string(longS), "s")

// windowsPerLoad is how many windows eight bytes hold.
const windowsPerLoad = 5

func (x *Index) scan(s []byte, h *Hits) {
	i := 0
	for ; i+8 <= len(s); i += windowsPerLoad {
		v := binary.LittleEndian.Uint64(s[i:])
		for k := range windowsPerLoad {
			w := uint32(v)
			if b := hash(w); x.maybe(w, b) {
				x.compare(s, i+k, w, b, h)
			}
			v >>= 8
		}
	}
	for ; i+3 <= len(s); i++ {
		w := uint32(s[i]) | uint32(s[i+1])<<8 | uint32(s[i+2])<<16
		if i+4 <= len(s) {
			w |= uint32(s[i+3]) << 24
		}
		if b := hash(w); x.maybe(w, b) {
			x.compare(s, i, w, b, h)
		}
	}
}

// compare marks the patterns of the literals that have the window v, of that hash, at i in s.
func (x *Index) compare(s []byte, i int, v, hash uint32, h *Hits) {
	b := hash >> (hashBits - bucketBits)
	lo, hi := int(x.starts[b]), int(x.starts[b+1])
	for k, w := range x.windows[lo:hi] {
		if v&w.mask != w.bytes {
			continue
		}
		e := &x.entries[lo+k]
		if i < e.back || !bytes.HasPrefix(s[i-e.back:], e.literal) {
			continue
		}
		for _, p := range e.patterns {
			h.bits[p>>6] |= 1 << (p & 63)
		}
	}
}
