package session

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// fingerprint is the first 8 bytes of the SHA-256 of a key's id, a zero and what its datagram held; never 0.
type fingerprint uint64

// heard is the fingerprints of what was let in. They go through
//
//	fresh ─► newest, a set in memory, and as a chunk into the store ─► sealing, after an hour or when it is full ─► segments, files
//
// each step in the transaction of a Put. A fingerprint is 0 in no step, so that 0 can be an empty place.
type heard struct {
	buf      []byte        // what is hashed
	fresh    []fingerprint // not in a Changes yet
	newest   set
	began    time.Time // of the newest
	sealing  *seal     // on its way into a file
	segments []*segment
}

// fingerprint returns an arrival's.
func (h *heard) fingerprint(a *Arrival) fingerprint {
	h.buf = append(append(append(h.buf[:0], a.Key.ID...), 0), a.Inner...)
	sum := sha256.Sum256(h.buf)
	return max(1, fingerprint(binary.BigEndian.Uint64(sum[:])))
}

// has tells whether it was heard. A segment that can't be read tells nothing: that is told, and the datagram let in.
func (h *heard) has(f fingerprint) (bool, error) {
	if h.newest.has(f) || h.sealing != nil && h.sealing.has(f) {
		return true, nil
	}
	for i := len(h.segments) - 1; i >= 0; i-- {
		if known, err := h.segments[i].has(f); known || err != nil {
			return known, err
		}
	}
	return false, nil
}

// add adds one that has told it isn't there.
func (h *heard) add(f fingerprint, at time.Time) {
	if h.newest.n == 0 {
		h.began = at
	}
	h.newest.add(f)
	h.fresh = append(h.fresh, f)
}

// set is a set of fingerprints by open addressing: at most half of its places are taken.
type set struct {
	places []fingerprint
	n      int
}

func (s *set) has(f fingerprint) bool {
	if s.n == 0 {
		return false
	}
	return s.places[s.place(f)] == f
}

// place returns where f is, or where it would be put.
func (s *set) place(f fingerprint) int {
	mask := len(s.places) - 1
	for i := int(f) & mask; ; i = (i + 1) & mask {
		if s.places[i] == f || s.places[i] == 0 {
			return i
		}
	}
}

func (s *set) add(f fingerprint) {
	if 2*(s.n+1) > len(s.places) {
		old := s.places
		s.places = make([]fingerprint, max(1<<10, 2*len(old)))
		for _, g := range old {
			if g != 0 {
				s.places[s.place(g)] = g
			}
		}
	}
	if i := s.place(f); s.places[i] == 0 {
		s.places[i] = f
		s.n++
	}
}

// list returns them in no order.
func (s *set) list() []fingerprint {
	out := make([]fingerprint, 0, s.n)
	for _, f := range s.places {
		if f != 0 {
			out = append(out, f)
		}
	}
	return out
}

// seal is fingerprints on their way into a segment.
type seal struct {
	set
	span
	segment *segment  // once it is written
	failed  time.Time // when it couldn't be
}

// chunk returns what is fresh as the store keeps it, which is not fresh then; nil for nothing.
func (h *heard) chunk(now time.Time) []byte {
	if len(h.fresh) == 0 {
		return nil
	}
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 8+8*len(h.fresh)), uint64(now.UnixNano()))
	for _, f := range h.fresh {
		b = binary.BigEndian.AppendUint64(b, uint64(f))
	}
	h.fresh = h.fresh[:0]
	return b
}

// readChunk reads what chunk wrote in an earlier life.
func (h *heard) readChunk(b []byte) (at time.Time, err error) {
	if len(b) < 8 || len(b)%8 != 0 {
		return at, errors.New("damaged chunk of fingerprints")
	}
	at = time.Unix(0, int64(binary.BigEndian.Uint64(b))).UTC()
	for b = b[8:]; len(b) > 0; b = b[8:] {
		h.add(fingerprint(binary.BigEndian.Uint64(b)), at)
	}
	h.fresh = h.fresh[:0]
	return at, nil
}

// startSeal returns the seal that is on its way, and begins one if it is time. Its number is that of the newest chunk in it.
func (h *heard) startSeal(now time.Time, era uint64) *seal {
	if h.sealing == nil && (h.newest.n >= sealAt || h.newest.n > 0 && now.Sub(h.began) >= sealAfter) {
		h.sealing = &seal{set: h.newest, span: span{ID: era, Count: h.newest.n, From: h.began, To: now}}
		h.newest = set{}
	}
	return h.sealing
}

// write makes the segment, if that wasn't done yet; if it can't, it tells why, and is left alone for a minute.
func (s *seal) write(dir string, now time.Time, report func(string)) bool {
	if s.segment != nil {
		return true
	}
	if now.Sub(s.failed) < tellEvery {
		return false
	}
	err := writeSegment(dir, s.span, s.list())
	if err == nil {
		s.segment, err = openSegment(dir, s.span)
	}
	if err != nil {
		s.failed = now
		report(fmt.Sprintf("fingerprints: %v; they stay in memory and in the store until there is room", err))
	}
	return err == nil
}

// endSeal puts a segment that is stored in place of its seal.
func (h *heard) endSeal(s *seal) {
	if h.sealing == s {
		h.sealing = nil
		h.segments = append(h.segments, s.segment)
	}
}

// outdated returns the segments that are older than fingerprints are kept, and the oldest of those that there is no room for.
func (h *heard) outdated(now time.Time, room int64) []*segment {
	for _, g := range h.segments {
		room -= g.size()
	}
	n := 0
	for ; n < len(h.segments) && (room < 0 || now.Sub(h.segments[n].To) > retention); n++ {
		room += h.segments[n].size()
	}
	return slices.Clone(h.segments[:n])
}

// drop takes a segment out, and away.
func (h *heard) drop(g *segment, dir string) error {
	i := slices.Index(h.segments, g)
	if i < 0 {
		return nil
	}
	h.segments = slices.Delete(h.segments, i, i+1)
	return errors.Join(g.close(), os.Remove(filepath.Join(dir, g.name())))
}
