package wire

import (
	"math/bits"
	"sync"
)

// huffman decodes the symbols of one code: short ones by a table, in which each stands at all numbers whose lowest bits it is; longer ones bit by
// bit, so that the table is small and soon made.
type huffman struct {
	bits   uint             // of the table
	table  [1 << 9]uint16   // the symbol, and in the lowest 4 bits its code's length. 0 if the code is longer, or none
	count  [maxBits + 1]int // of codes of each length
	symbol [maxLit]uint16   // in the order of their codes
}

// build makes the decoder from the lengths of the symbols' codes. It returns false if there is no such code. As in zlib, there may be but one symbol,
// of one bit, or none.
func (h *huffman) build(lengths []uint8) bool {
	h.count = [maxBits + 1]int{}
	for _, n := range lengths {
		h.count[n]++
	}
	h.count[0] = 0
	var first, next [maxBits + 2]int // of each length: the first code, the place of the next symbol
	longest, left := 0, 1
	for n := 1; n <= maxBits; n++ {
		left = left<<1 - h.count[n]
		if left < 0 {
			return false
		}
		if h.count[n] > 0 {
			longest = n
		}
		next[n+1] = next[n] + h.count[n]
		first[n+1] = (first[n] + h.count[n]) << 1
	}
	if left > 0 && longest > 1 {
		return false
	}
	h.bits = uint(min(longest, 9))
	clear(h.table[:1<<h.bits])
	code := first
	for sym, n := range lengths {
		if n == 0 {
			continue
		}
		h.symbol[next[n]] = uint16(sym)
		next[n]++
		if uint(n) <= h.bits {
			reversed := int(bits.Reverse16(uint16(code[n])) >> (16 - n))
			code[n]++
			for i := reversed; i < 1<<h.bits; i += 1 << n {
				h.table[i] = uint16(sym)<<4 | uint16(n)
			}
		}
	}
	return true
}

// next returns the symbol that the bits begin with, and how many of them it takes: 0 if it is none.
func (h *huffman) next(acc uint64) (sym, n uint) {
	if e := h.table[acc&(1<<h.bits-1)&(1<<9-1)]; e != 0 {
		return uint(e >> 4), uint(e & 15)
	}
	return h.long(acc)
}

// long decodes without the table. Codes of one length are consecutive numbers, the highest bit first.
func (h *huffman) long(acc uint64) (sym, n uint) {
	code, first, place := 0, 0, 0
	for n := uint(1); n <= maxBits; n++ {
		code |= int(acc & 1)
		acc >>= 1
		if i := code - first; i < h.count[n] {
			return uint(h.symbol[place+i]), n
		}
		place += h.count[n]
		first = (first + h.count[n]) << 1
		code <<= 1
	}
	return 0, 0
}

// fixed returns the codes that need not be sent.
var fixed = sync.OnceValues(func() (lit, dist *huffman) {
	var lengths [maxLit]uint8
	for sym := range lengths {
		switch {
		case sym < 144, sym >= 280:
			lengths[sym] = 8
		case sym < 256:
			lengths[sym] = 9
		default:
			lengths[sym] = 7
		}
	}
	lit, dist = new(huffman), new(huffman)
	lit.build(lengths[:])
	for sym := range maxDist {
		lengths[sym] = 5
	}
	dist.build(lengths[:maxDist])
	return lit, dist
})

// order is the one in which the lengths of the code for lengths are sent.
var order = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// readTrees reads the codes of a block that sends its own.
func (f *inflater) readTrees() bool {
	head, ok := f.take(14)
	if !ok {
		return false
	}
	lits, dists, n := int(head&31)+257, int(head>>5&31)+1, int(head>>10)+4
	if lits > 286 || dists > 30 {
		return false
	}
	var lengths [19]uint8
	for _, sym := range order[:n] {
		bits, ok := f.take(3)
		if !ok {
			return false
		}
		lengths[sym] = uint8(bits)
	}
	all := f.lengths[:lits+dists]
	return f.dist.build(lengths[:]) && f.readLengths(all) && // the code for lengths is needed no more when that of distances is made
		all[256] != 0 && f.lit.build(all[:lits]) && f.dist.build(all[lits:])
}

// readLengths reads the lengths of codes, which are themselves in a code, and may be said to repeat.
func (f *inflater) readLengths(all []uint8) bool {
	for i := 0; i < len(all); {
		f.fill()
		sym, n := f.dist.next(f.acc)
		if n == 0 || n > f.have {
			return false
		}
		f.acc >>= n
		f.have -= n
		if sym < 16 {
			all[i] = uint8(sym)
			i++
			continue
		}
		last, count, ok := uint8(0), uint(0), false
		switch sym {
		case 16:
			if i == 0 {
				return false
			}
			last = all[i-1]
			count, ok = f.take(2)
			count += 3
		case 17:
			count, ok = f.take(3)
			count += 3
		case 18:
			count, ok = f.take(7)
			count += 11
		}
		if !ok || int(count) > len(all)-i {
			return false
		}
		for range count {
			all[i] = last
			i++
		}
	}
	return true
}
