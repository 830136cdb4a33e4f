package logcollector

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/yagura-hids/yagura/internal/event"
)

const (
	headSize     = 1024
	lingerOld    = time.Minute // a superseded or deleted file is let go when it has been quiet for so long: some writers are slow to change over
	lingerMoved  = time.Hour   // and one that is merely out of sight
	forgetMissed = 7 * 24 * time.Hour
)

// file is one followed file, whatever its name is at the moment. Its life:
//
//	listed (the source finds it) ─► out of sight (renamed, deleted, another day) ─► quiet for long ─► let go
//	restored, not opened yet ─► found again by name, by inode or by its beginning, or missing for a week ─► forgotten
//	a copy of what was truncated, or a packed file ─► read to its end ─► forgotten
type file struct {
	source *source
	format *format // nil: each line is an event
	path   string
	id     identity
	handle *os.File // nil: to be found again
	packed *unpacker
	lines  lines
	group  group
	mark   mark
	prev   mark      // of the file that was read before it under this path
	mtime  time.Time // at the last read that reached the end
	seen   time.Time // the same, kept: what was rotated away unseen was written later

	after      *file     // the older file of this path: to be read to its end first
	carries    bool      // it begins with the unfinished end of that one
	drained    bool      // its successor carries its end
	copied     bool      // nobody writes to it: it was copied, or packed
	superseded bool      // its successor has been begun
	restored   bool      // from a saved position, and not looked for yet
	failing    bool      // the last read gave an error
	fresh      bool      // found in this scan
	moved      bool      // it was listed under the name of an older generation
	check      bool      // its directory has changed
	forgotten  bool      // to be dropped
	scan       int       // the last scan that listed it
	quiet      time.Time // the last time that something was read, or that it was listed
	gone       time.Time
}

// mark is the fingerprint of a file's first bytes, 1 KiB at most: by this it is known in whatever place and packing.
type mark struct {
	sum string
	n   int
}

func markOf(head []byte) mark {
	if len(head) == 0 {
		return mark{}
	}
	sum := sha256.Sum256(head)
	return mark{hex.EncodeToString(sum[:12]), len(head)}
}

// begins tells whether head begins as the marked file did.
func (m mark) begins(head []byte) bool {
	return len(head) >= m.n && (m.n == 0 || markOf(head[:m.n]) == m)
}

// whole is begins for a file to which nothing was added since: less than 1 KiB was all of it.
func (m mark) whole(head []byte) bool { return len(head) == m.n && m.n > 0 && m.begins(head) }

func newFile(s *source, path string) *file {
	return &file{source: s, format: s.format, path: path, lines: lines{limit: event.MaxText, blank: s.format != nil}}
}

func (f *file) position() Position {
	at := f.committed()
	return Position{
		Source: f.source.Location, Path: f.path, Dev: f.id.dev, Inode: f.id.inode, Head: f.mark.sum, HeadLen: f.mark.n,
		Offset: max(at, 0), Skip: f.lines.skip && at == f.lines.off, Gone: f.gone,
		Prev: f.prev.sum, PrevLen: f.prev.n, Seen: f.seen, Copied: f.copied, Width: string(f.lines.width), Carry: f.group.carry,
	}
}

// restoredFile is the file that p speaks of.
func restoredFile(s *source, p Position) *file {
	f := newFile(s, p.Path)
	f.id = identity{p.Dev, p.Inode}
	f.mark, f.prev = mark{p.Head, min(max(p.HeadLen, 0), headSize)}, mark{p.Prev, p.PrevLen}
	f.lines.reset(max(p.Offset, 0), p.Skip)
	f.lines.width, f.group.carry = width(p.Width), p.Carry
	f.gone, f.seen, f.copied, f.restored = p.Gone, p.Seen, p.Copied, true
	return f
}

// open opens the file at path and remembers which one it is.
func (f *file) open(path string) error {
	h, err := openLog(path)
	if err != nil {
		return err
	}
	st, err := statHandle(h)
	if err == nil && !st.regular {
		err = errNotRegular
	}
	if err != nil {
		return errors.Join(err, h.Close())
	}
	f.id = st.id
	f.handle, f.mtime = h, time.Time{}
	return nil
}

func (f *file) close() error {
	if f.packed != nil {
		f.packed.done()
		f.packed = nil
	}
	if f.handle == nil {
		return nil
	}
	h := f.handle
	f.handle, f.lines.buf, f.lines.mem = nil, nil, nil
	return h.Close()
}

// readHead returns the beginning of the file.
func readHead(h *os.File) ([]byte, error) {
	buf := make([]byte, headSize)
	n, err := h.ReadAt(buf, 0)
	if err != nil && err != io.EOF {
		return nil, err
	}
	return buf[:n], nil
}

// same tells whether the file still begins as it did, and takes what has been added to its first KiB into the mark.
func (f *file) same() (bool, error) {
	head, err := readHead(f.handle)
	if err != nil {
		return false, err
	}
	if !f.mark.begins(head) {
		return false, nil
	}
	f.note(head)
	return true, nil
}

// note takes in how the file begins.
func (f *file) note(head []byte) {
	if len(head) > f.mark.n {
		f.mark = markOf(head)
	}
	if w := sniff(head); f.lines.off == 0 && w != narrow {
		f.lines.width = w
	}
}

// fill reads the next chunk; false means that there is nothing more at the moment. What was read
// counts only if the file's beginning is unchanged afterwards: otherwise it was truncated in between, and errTruncated is returned.
func (f *file) fill() (more bool, err error) {
	if f.packed != nil {
		return f.unpack()
	}
	st, err := statHandle(f.handle)
	if err != nil {
		return false, err
	}
	end := f.lines.off + int64(len(f.lines.buf))
	if st.size == end && st.mtime.Equal(f.mtime) {
		return false, nil
	}
	n := 0
	if st.size > end {
		if n, err = f.handle.ReadAt(f.lines.room(), end); err != nil && err != io.EOF {
			return false, err
		}
	}
	same, err := f.same()
	if err != nil {
		return false, err
	}
	if !same || st.size < end {
		return false, errTruncated
	}
	f.lines.filled(n)
	if n == 0 {
		f.mtime, f.seen = st.mtime, st.mtime
	}
	return n > 0, nil
}

var errTruncated = errors.New("truncated")

// unpack is fill for a packed file.
func (f *file) unpack() (bool, error) {
	n, err := f.packed.Read(f.lines.room())
	f.lines.filled(n)
	if err == nil || n > 0 {
		return true, nil
	}
	if err != io.EOF {
		err = fmt.Errorf("unpack %s after byte %d: %w; what follows is lost", f.handle.Name(), f.lines.off+int64(len(f.lines.buf)), err)
		f.packed.Reader = bytes.NewReader(nil)
		return false, err
	}
	return false, nil
}

// restart begins anew at the file's start. It goes on in the same characters: no mark of them heads what is written after a truncation.
func (f *file) restart() {
	f.lines.reset(0, false)
	f.mark, f.mtime, f.group = mark{}, time.Time{}, group{carry: f.group.carry}
}

// toEnd goes to the end of what is there, but not into the middle of a line.
func (f *file) toEnd() error {
	st, err := statHandle(f.handle)
	if err != nil {
		return err
	}
	from := max(0, st.size-event.MaxText) &^ 1
	tail := make([]byte, st.size-from)
	n, err := f.handle.ReadAt(tail, from)
	if err != nil && err != io.EOF {
		return err
	}
	l, u, last := &f.lines, f.lines.unit(), -1
	for at := 0; ; {
		i := l.newline(tail[at:n])
		if i < 0 {
			break
		}
		last = at + i
		at = last + u
	}
	switch {
	case last >= 0:
		l.reset(from+int64(last+u), false)
	case from == 0: // one line that is not finished
		l.reset(0, false)
	default:
		l.reset(from+int64(n/u*u), true)
	}
	return nil
}
