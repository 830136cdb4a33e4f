package wire

import (
	"math/bits"
	"sync"
)

// huffman decodes the symbols of one code: short ones by a table, in which each stands at all numbers whose lowest bits it is; longer ones bit by
// bit, so that the table is small and soon made.
type huffman struct {
	bits   uint                  // of the table
	table  [1 << maxTable]uint16 // the symbol, and in the lowest 4 bits its code's length. 0 if the code is longer, or none
	count  [maxBits + 1]int      // of codes of each length
	symbol [maxLit]uint16        // in the order of their codes
}

// coded is a symbol and the length of its code.
type coded struct {
	sym uint16
	n   uint8
}

// build makes the decoder of symbols, which are given in their own order. It returns false if there is no such code. As in zlib, there may be but
// one symbol, of one bit, or none.
func (h *huffman) build(symbols []coded) bool {
	h.count = [maxBits + 1]int{}
	for _, s := range symbols {
		h.count[s.n&maxBits]++
	}
	var place [maxBits + 2]int
	longest, left := 0, 1
	for n := 1; n <= maxBits; n++ {
		left = left<<1 - h.count[n]
		if left < 0 {
			return false
		}
		if h.count[n] > 0 {
			longest = n
		}
		place[n+1] = place[n] + h.count[n]
	}
	if left > 0 && longest > 1 {
		return false
	}
	for _, s := range symbols {
		p := &place[s.n&maxBits]
		h.symbol[*p] = s.sym
		*p++
	}
	h.fillTable(uint(min(longest, maxTable)))
	return true
}

// fillTable doubles the table for each further bit, so that what stood in it stands there for both values of that bit.
func (h *huffman) fillTable(longest uint) {
	h.bits = longest
	h.table[0] = 0
	code, place := uint16(0), 0
	for n := uint(1); n <= longest; n++ {
		half := 1 << (n - 1)
		copy(h.table[half:2*half], h.table[:half])
		code <<= 1
		for _, sym := range h.symbol[place : place+h.count[n]] {
			h.table[bits.Reverse16(code)>>(16-n)] = sym<<4 | uint16(n)
			code++
		}
		place += h.count[n]
	}
}

// next returns the entry of the code that the bits begin with: the symbol, and in the lowest 4 bits the code's length. 0 if it is none.
func (h *huffman) next(acc uint64) uint {
	if e := uint(h.table[acc&(1<<(h.bits&15)-1)&(1<<maxTable-1)]); e != 0 {
		return e
	}
	return h.long(acc)
}

// long decodes without the table. Codes of one length are consecutive numbers, the highest bit first.
func (h *huffman) long(acc uint64) uint {
	code, first, place := 0, 0, 0
	for n := 1; n <= maxBits; n++ {
		code |= int(acc & 1)
		acc >>= 1
		if i := code - first; i < h.count[n] {
			return uint(h.symbol[place+i])<<4 | uint(n)
		}
		place += h.count[n]
		first = (first + h.count[n]) << 1
		code <<= 1
	}
	return 0
}

// fixed returns the codes that need not be sent.
var fixed = sync.OnceValues(func() (lit, dist *huffman) {
	var symbols []coded
	for sym := range uint16(maxLit) {
		n := uint8(8)
		if sym >= 144 && sym < 256 {
			n = 9
		} else if sym >= 256 && sym < 280 {
			n = 7
		}
		symbols = append(symbols, coded{sym, n})
	}
	lit, dist = new(huffman), new(huffman)
	lit.build(symbols)
	for sym := range maxDist {
		symbols[sym].n = 5
	}
	dist.build(symbols[:maxDist])
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
	lits, dists := head&31+257, head>>5&31+1
	if lits > 286 || dists > 30 || !f.readOrder(int(head>>10)+4) {
		return false
	}
	symbols, ok := f.readLengths(lits + dists)
	if !ok {
		return false
	}
	split := 0
	for split < len(symbols) && uint(symbols[split].sym) < lits {
		split++
	}
	for i := range symbols[split:] {
		symbols[split+i].sym -= uint16(lits)
	}
	return f.lit.build(symbols[:split]) && f.dist.build(symbols[split:])
}

// readOrder reads n lengths of codes for lengths. The decoder of distances, which isn't known yet, is made to read them.
func (f *inflater) readOrder(n int) bool {
	var lengths [len(order)]uint8
	for _, sym := range order[:n] {
		length, ok := f.take(3)
		if !ok {
			return false
		}
		lengths[sym] = uint8(length)
	}
	symbols := f.symbols[:0]
	for sym, n := range lengths {
		if n > 0 {
			symbols = append(symbols, coded{uint16(sym), n})
		}
	}
	return f.dist.build(symbols)
}

// readLengths reads the lengths of symbols' codes, which are themselves in a code, and may be said to repeat. It returns the symbols that have one.
func (f *inflater) readLengths(all uint) ([]coded, bool) {
	symbols, last := f.symbols[:0], uint(0)
	for i := uint(0); i < all; {
		if f.have < maxBits+7 {
			f.fill()
		}
		e := f.dist.next(f.acc)
		sym, n := e>>4, e&15
		if n == 0 || n > f.have {
			return nil, false
		}
		f.acc >>= n
		f.have -= n
		count, ok := uint(1), true
		switch sym {
		case 16:
			if i == 0 {
				return nil, false
			}
			count, ok = f.take(2)
			count += 3
		case 17:
			last = 0
			count, ok = f.take(3)
			count += 3
		case 18:
			last = 0
			count, ok = f.take(7)
			count += 11
		default:
			last = sym
		}
		if !ok || count > all-i {
			return nil, false
		}
		for end := i + count; i < end; i++ {
			if last == 0 {
				i = end
				break
			}
			symbols = append(symbols, coded{uint16(i), uint8(last)})
		}
	}
	return symbols, true
}
