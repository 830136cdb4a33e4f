package wire

import (
	"encoding/binary"
)

// inflater unpacks zlib's streams (RFC 1950, RFC 1951) from memory to memory. The known readers are made for streams without an end: for the 150
// bytes that a line of a log is packed in, they need three times as long, which is more than all the rest that a datagram costs.
type inflater struct {
	src       []byte
	acc       uint64 // bits that have been taken from src, the next one lowest
	have      uint   // how many of acc are told of; those above are right, too, or zero
	pos       int    // in src
	dst       []byte
	n         int // in dst
	lit, dist huffman
	symbols   [maxLit + maxDist]coded
}

const (
	maxLit   = 288 // symbols of literals and lengths
	maxDist  = 32  // of distances
	maxBits  = 15  // of a code
	maxTable = 9   // of a code that is looked up
)

// zlib unpacks a stream into dst, and returns how much that is: ErrTooLarge if it is more than fits, ErrChecksum if it is damaged. What follows
// the stream isn't looked at, nor is the stream's own checksum: the datagram has one.
func (f *inflater) zlib(dst, src []byte) (int, error) {
	if len(src) < 2 || src[0]&15 != 8 || src[0]>>4 > 7 || src[1]&0x20 != 0 || (int(src[0])<<8|int(src[1]))%31 != 0 {
		return 0, ErrChecksum
	}
	f.src, f.pos, f.acc, f.have, f.dst, f.n = src[2:], 0, 0, 0, dst, 0
	defer func() { f.src, f.dst = nil, nil }()
	for {
		head, ok := f.take(3)
		if !ok {
			return 0, ErrChecksum
		}
		if err := f.block(head >> 1); err != nil {
			return 0, err
		}
		if head&1 == 1 {
			return f.n, nil
		}
	}
}

func (f *inflater) block(kind uint) error {
	switch kind {
	case 0:
		return f.stored()
	case 1:
		fixedLit, fixedDist := fixed()
		return f.codes(fixedLit, fixedDist)
	case 2:
		if !f.readTrees() {
			return ErrChecksum
		}
		return f.codes(&f.lit, &f.dist)
	}
	return ErrChecksum
}

// fill takes from src until acc has 56 bits, or src is at its end.
func (f *inflater) fill() {
	if f.pos+8 <= len(f.src) {
		f.acc |= binary.LittleEndian.Uint64(f.src[f.pos:]) << f.have
		f.pos += int(63-f.have) >> 3
		f.have |= 56
		return
	}
	for f.have < 56 && f.pos < len(f.src) {
		f.acc |= uint64(f.src[f.pos]) << f.have
		f.pos++
		f.have += 8
	}
}

// take returns the next n bits, 16 at most.
func (f *inflater) take(n uint) (uint, bool) {
	if f.have < n {
		f.fill()
	}
	if f.have < n {
		return 0, false
	}
	v := uint(f.acc) & (1<<n - 1)
	f.acc >>= n
	f.have -= n
	return v, true
}

// stored is a block that isn't compressed.
func (f *inflater) stored() error {
	f.pos -= int(f.have / 8) // whole bytes go back
	f.acc, f.have = 0, 0
	rest := f.src[f.pos:]
	if len(rest) < 4 {
		return ErrChecksum
	}
	size, check := binary.LittleEndian.Uint16(rest), binary.LittleEndian.Uint16(rest[2:])
	rest = rest[4:]
	switch {
	case size != ^check || len(rest) < int(size):
		return ErrChecksum
	case len(f.dst)-f.n < int(size):
		return ErrTooLarge
	}
	f.n += copy(f.dst[f.n:], rest[:size])
	f.pos += 4 + int(size)
	return nil
}

// The lengths and distances that symbols stand for: a base, and how many bits are to be added.
var (
	lengthBase = [29]uint16{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
	lengthBits = [29]uint8{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	distBase   = [30]uint16{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145,
		8193, 12289, 16385, 24577}
	distBits = [30]uint8{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}
)

// codes unpacks a block to its end. The inflater's fields are in local variables meanwhile: that is twice as fast.
func (f *inflater) codes(lit, dist *huffman) error {
	acc, have, pos, n := f.acc, f.have, f.pos, f.n
	src, dst := f.src, f.dst
	for {
		if have < 48 { // enough for what one turn can take
			if pos+8 <= len(src) {
				acc |= binary.LittleEndian.Uint64(src[pos:]) << have
				pos += int(63-have) >> 3
				have |= 56
			} else {
				for have < 56 && pos < len(src) {
					acc |= uint64(src[pos]) << have
					pos++
					have += 8
				}
			}
		}
		e := uint(lit.table[acc&(1<<(lit.bits&15)-1)&(1<<maxTable-1)])
		if e == 0 {
			e = lit.long(acc)
		}
		length := e & 15
		sym := e >> 4
		if length == 0 || length > have {
			return ErrChecksum
		}
		acc >>= length
		have -= length
		if sym < 256 {
			if n >= len(dst) {
				return ErrTooLarge
			}
			dst[n] = byte(sym)
			n++
			continue
		}
		f.acc, f.have, f.pos, f.n = acc, have, pos, n
		if sym == 256 {
			return nil
		}
		if err := f.repeat(sym-257, dist); err != nil {
			return err
		}
		acc, have, n = f.acc, f.have, f.n
	}
}

// repeat copies from what has been unpacked.
func (f *inflater) repeat(sym uint, dist *huffman) error {
	if sym >= uint(len(lengthBase)) {
		return ErrChecksum
	}
	acc, have := f.acc, int(f.have)
	extra := lengthBits[sym]
	length := int(lengthBase[sym]) + int(acc&(1<<extra-1))
	acc >>= extra
	e := dist.next(acc)
	sym, n := e>>4, e&15
	if n == 0 || sym >= uint(len(distBase)) {
		return ErrChecksum
	}
	acc >>= n
	more := distBits[sym]
	back := int(distBase[sym]) + int(acc&(1<<more-1))
	have -= int(extra) + int(n) + int(more)
	if have < 0 || back > f.n {
		return ErrChecksum
	}
	f.acc, f.have = acc>>more, uint(have)
	if length > len(f.dst)-f.n {
		return ErrTooLarge
	}
	start, end := f.n-back, f.n+length
	for f.n < end { // the copy may reach into itself
		f.n += copy(f.dst[f.n:end], f.dst[start:f.n])
	}
	return nil
}
