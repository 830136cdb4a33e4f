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
//	restored, not opened yet ─► found again by name or by inode, or missing for a week ─► forgotten
type file struct {
	source *source
	path   string
	id     identity
	handle *os.File // nil: to be found again
	lines  lines
	head   string // fingerprint of the first headLen bytes
	head0  int
	mtime  time.Time // at the last read that reached the end

	after      *file     // the older file of this path: to be read to its end first
	superseded bool      // its successor has been begun
	restored   bool      // from a saved position, and not looked for yet
	failing    bool      // the last read gave an error
	fresh      bool      // found in this scan
	forgotten  bool      // to be dropped
	scan       int       // the last scan that listed it
	quiet      time.Time // the last time that something was read, or that it was listed
	gone       time.Time
}

func newFile(s *source, path string) *file {
	return &file{source: s, path: path, lines: lines{limit: event.MaxText}}
}

func (f *file) position() Position {
	return Position{
		Source: f.source.Location, Path: f.path, Dev: f.id.dev, Inode: f.id.inode, Head: f.head, HeadLen: f.head0,
		Offset: f.lines.off, Skip: f.lines.skip, Gone: f.gone,
	}
}

// open opens the file at path and remembers which one it is.
func (f *file) open(path string) error {
	h, err := openLog(path)
	if err != nil {
		return err
	}
	st, err := h.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = errNotRegular
	}
	if err != nil {
		return errors.Join(err, h.Close())
	}
	f.id, _ = identify(st)
	f.handle, f.mtime = h, time.Time{}
	return nil
}

func (f *file) close() error {
	if f.handle == nil {
		return nil
	}
	h := f.handle
	f.handle, f.lines.buf = nil, nil
	return h.Close()
}

// same tells whether the file still begins as it did, and takes what has been added to its first KiB into the fingerprint.
func (f *file) same() (bool, error) {
	var buf [headSize]byte
	n, err := f.handle.ReadAt(buf[:], 0)
	if err != nil && err != io.EOF {
		return false, err
	}
	if n < f.head0 || f.head0 > 0 && fingerprint(buf[:f.head0]) != f.head {
		return false, nil
	}
	if n > f.head0 {
		f.head, f.head0 = fingerprint(buf[:n]), n
	}
	return true, nil
}

func fingerprint(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:12])
}

// fill reads the next chunk; false means that there is nothing more at the moment. What was read counts only if the file's beginning is
// unchanged afterwards: otherwise it was truncated in between, and read is begun again at its start. lost is then the line that never ended.
func (f *file) fill() (more bool, lost line, err error) {
	st, err := f.handle.Stat()
	if err != nil {
		return false, line{}, err
	}
	end := f.lines.off + int64(len(f.lines.buf))
	if st.Size() == end && st.ModTime().Equal(f.mtime) {
		return false, line{}, nil
	}
	n := 0
	if st.Size() > end {
		if n, err = f.handle.ReadAt(f.lines.room(), end); err != nil && err != io.EOF {
			return false, line{}, err
		}
	}
	same, err := f.same()
	if err != nil {
		return false, line{}, err
	}
	if !same || st.Size() < end {
		lost, _ = f.lines.rest()
		f.restart()
		return true, lost, nil
	}
	f.lines.filled(n)
	if n == 0 {
		f.mtime = st.ModTime()
	}
	if len(f.lines.buf) == 0 {
		f.lines.buf = nil // an idle file holds no memory
	}
	return n > 0, line{}, nil
}

func (f *file) restart() {
	f.lines.reset(0, false)
	f.head, f.head0, f.mtime = "", 0, time.Time{}
}

// toEnd goes to the end of what is there, but not into the middle of a line.
func (f *file) toEnd() error {
	st, err := f.handle.Stat()
	if err != nil {
		return err
	}
	from := max(0, st.Size()-event.MaxText)
	tail := make([]byte, st.Size()-from)
	n, err := f.handle.ReadAt(tail, from)
	if err != nil && err != io.EOF {
		return err
	}
	i := bytes.LastIndexByte(tail[:n], '\n')
	switch {
	case i >= 0:
		f.lines.reset(from+int64(i)+1, false)
	case from == 0: // one line that is not finished
		f.lines.reset(0, false)
	default:
		f.lines.reset(from+int64(n), true)
	}
	return nil
}

// read gives f its turn: it adds f's next lines to b.
func (c *Collector) read(f *file, b *batch) {
	if f.handle == nil || !c.begun(f, b) {
		return
	}
	filled := false
	for n := 0; n < turnLines && !b.full(); {
		before := f.lines.off
		l, ok := f.lines.next()
		b.took(f.lines.off - before)
		if ok {
			b.line(f.path, l)
			n++
			continue
		}
		if filled { // one chunk a turn
			return
		}
		if filled = c.fill(f, b); !filled {
			c.letGo(f, b)
			return
		}
	}
}

// fill gets f's next chunk. An unfinished line that a truncation took is given out as it was.
func (c *Collector) fill(f *file, b *batch) bool {
	more, lost, err := f.fill()
	if err != nil && !f.failing {
		c.opts.Report(fmt.Sprintf("%s: %v; trying again", f.path, err))
	}
	f.failing = err != nil
	if len(lost.text) > 0 {
		b.line(f.path, lost)
	}
	if more {
		b.busy = true
		f.quiet = c.now
		c.dirty = c.dirty || f.lines.off == 0
	}
	return more
}

// begun tells whether f may be read. A file that follows another one waits until it is written to itself, and the older one, looked at
// after that, has been read to its end: then nobody writes to the older one any more, and its unfinished last line will not be finished.
func (c *Collector) begun(f *file, b *batch) bool {
	old := f.after
	if old == nil {
		return true
	}
	if old.handle != nil {
		if empty(f) {
			return false
		}
		if old.after != nil {
			if empty(old) { // rotated away before anybody wrote to it
				f.after, old.after, old.superseded = old.after, nil, true
				b.busy = true
			}
			return false
		}
		if len(old.lines.buf) > old.lines.limit+1 || bytes.IndexByte(old.lines.buf, '\n') >= 0 || c.fill(old, b) {
			return false
		}
		if l, ok := old.lines.rest(); ok {
			b.line(old.path, l)
		}
	}
	old.superseded = true
	f.after = nil
	c.dirty = true
	return true
}

func empty(f *file) bool {
	st, err := f.handle.Stat()
	return err != nil || st.Size() == 0
}

// letGo closes a file that is out of sight and has been quiet for long. A file that is merely out of sight is remembered: it may come back.
func (c *Collector) letGo(f *file, b *batch) {
	if f.scan == c.scans {
		return
	}
	st, err := f.handle.Stat()
	if err != nil {
		return
	}
	_, linked := identify(st)
	finished := f.superseded || !linked
	quiet := c.now.Sub(f.quiet)
	if quiet < lingerOld || !finished && quiet < lingerMoved {
		return
	}
	if l, ok := f.lines.rest(); ok {
		b.line(f.path, l)
	}
	_ = f.close() // it was only read
	f.gone = c.now
	f.forgotten = finished
	c.dirty = true
}
