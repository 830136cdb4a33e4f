package session

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"time"
)

// A segment is a file of sorted fingerprints:
//
//	n fingerprints of 8 bytes │ a filter, 12 bits for each │ the first fingerprint of each page │ CRC-32C of filter and firsts (4)
//
// all big-endian. Filter and firsts are in memory, so that nearly all that isn't there is answered at once, and the rest by reading one page.
const (
	page      = 4096
	pagePrint = page / 8
	line      = 64 // bytes of a filter's block: what a processor fetches at once
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// span is what the store knows of a segment, as JSON.
type span struct {
	ID    uint64    `json:"id"`
	Count int       `json:"count"`
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
}

func (s span) name() string { return fmt.Sprintf("heard-%d.fp", s.ID) }

// size returns the file's.
func (s span) size() int64 { return int64(8*s.Count + s.tail()) }

func (s span) tail() int { return s.filter() + 8*s.pages() + 4 }

func (s span) filter() int { return (s.Count*3/2 + line) / line * line }

func (s span) pages() int { return (s.Count + pagePrint - 1) / pagePrint }

// segment is an open one; one without a file couldn't be read, and holds nothing.
type segment struct {
	span
	file   *os.File
	bits   []byte
	firsts []fingerprint
	buf    [page]byte
}

// writeSegment writes a file of fingerprints, which it sorts, and waits for the disk.
func writeSegment(dir string, s span, prints []fingerprint) error {
	slices.Sort(prints)
	data := make([]byte, 0, s.size())
	for _, f := range prints {
		data = binary.BigEndian.AppendUint64(data, uint64(f))
	}
	bits := make([]byte, s.filter())
	for _, f := range prints {
		filterAdd(bits, f)
	}
	data = append(data, bits...)
	for i := 0; i < len(prints); i += pagePrint {
		data = binary.BigEndian.AppendUint64(data, uint64(prints[i]))
	}
	data = binary.BigEndian.AppendUint32(data, crc32.Checksum(data[8*s.Count:], castagnoli))
	return write(filepath.Join(dir, s.name()), data)
}

// write writes a file and waits for the disk, also for its name.
func write(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// openSegment opens a file that writeSegment wrote.
func openSegment(dir string, s span) (*segment, error) {
	f, err := os.Open(filepath.Join(dir, s.name()))
	if err != nil {
		return nil, err
	}
	tail := make([]byte, s.tail())
	if _, err := f.ReadAt(tail, int64(8*s.Count)); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: shorter than it was written: %w", f.Name(), err), f.Close())
	}
	sum := tail[len(tail)-4:]
	tail = tail[:len(tail)-4]
	if crc32.Checksum(tail, castagnoli) != binary.BigEndian.Uint32(sum) {
		return nil, errors.Join(fmt.Errorf("%s: damaged", f.Name()), f.Close())
	}
	g := &segment{span: s, file: f, bits: tail[:s.filter()]}
	for i := s.filter(); i < len(tail); i += 8 {
		g.firsts = append(g.firsts, fingerprint(binary.BigEndian.Uint64(tail[i:])))
	}
	return g, nil
}

func (g *segment) close() error {
	if g == nil || g.file == nil {
		return nil
	}
	return g.file.Close()
}

// has tells whether a fingerprint is in the file.
func (g *segment) has(f fingerprint) (bool, error) {
	if g.file == nil || !filterHas(g.bits, f) {
		return false, nil
	}
	i := sort.Search(len(g.firsts), func(i int) bool { return g.firsts[i] > f }) - 1
	if i < 0 {
		return false, nil
	}
	n := min(pagePrint, g.Count-i*pagePrint)
	if _, err := g.file.ReadAt(g.buf[:8*n], int64(i)*page); err != nil {
		return false, err
	}
	at := func(j int) fingerprint { return fingerprint(binary.BigEndian.Uint64(g.buf[8*j:])) }
	j := sort.Search(n, func(j int) bool { return at(j) >= f })
	return j < n && at(j) == f, nil
}

// filterAdd sets five bits of one block. Fingerprints are evenly spread, so that their own bits serve: the upper half chooses the block, of the
// lower one each nine bits a bit.
func filterAdd(bits []byte, f fingerprint) {
	b := filterBlock(bits, f)
	for i := range 5 {
		n := uint64(f) >> (9 * i) & 511
		b[n/8] |= 1 << (n % 8)
	}
}

func filterHas(bits []byte, f fingerprint) bool {
	b := filterBlock(bits, f)
	for i := range 5 {
		if n := uint64(f) >> (9 * i) & 511; b[n/8]&(1<<(n%8)) == 0 {
			return false
		}
	}
	return true
}

func filterBlock(bits []byte, f fingerprint) []byte {
	n := uint64(len(bits) / line)
	i := uint64(f) >> 32 * n >> 32
	return bits[i*line : (i+1)*line]
}
