package logcollector

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"
)

// What is read when a log is rotated, oldest first:
//
//	renamed while we look     the old file, still open ─► those that came and went unseen ─► the new file
//	renamed while nobody did  the old file, found by inode or beginning, packed or not ─► those … ─► the new file
//	copied and truncated      its copy, from where the file had been read ─► those … ─► the file, from its start
//
// A truncation shows by a smaller size or another beginning. A file that was truncated and has grown again so quickly that it shows neither
// is told by its copy: whenever a directory changes, what is beside its logs is looked at.

// folder is what a directory was like at the last scan.
type folder struct {
	mtime   time.Time
	changed bool
}

// changedBeside marks the logs in whose directories names have come or gone. It does so twice, for a directory's time is coarse.
func (c *Collector) changedBeside() {
	changed := map[string]bool{}
	for _, f := range c.files {
		if !c.live(f) {
			continue
		}
		dir := filepath.Dir(f.path)
		mark, done := changed[dir]
		if !done {
			st, _ := stat(dir) // of one that is gone: nothing to be found
			last, known := c.folders[dir]
			now := folder{st.mtime, !known || !st.mtime.Equal(last.mtime)}
			mark = now.changed || last.changed
			changed[dir], c.folders[dir] = mark, now
		}
		f.check = f.check || mark
	}
	for dir := range c.folders {
		if _, used := changed[dir]; !used {
			delete(c.folders, dir)
		}
	}
}

// checkBeside looks for generations of f's log that came and went between two looks.
func (c *Collector) checkBeside(f *file) {
	f.check = false
	f.uncarry()
	w := lookBeside(wanted{path: f.path, mark: f.mark, prev: f.prev, unread: f.committed() <= 0, taken: c.follows, live: f})
	if w.it != nil {
		c.replaced(f, w, nil)
		return
	}
	if f.prev == (mark{}) { // seen for the first time: the generations that are there are history
		f.prev = noMark
		if n := len(w.newer); n > 0 {
			f.prev = markOf(w.newer[n-1].head)
		}
		c.dirty = true
		w.keep(func(*generation) bool { return false })
	}
	// As long as nothing of the file has been given out, it may have been truncated and begun again, also to look the same.
	unread := f.committed() <= 0
	w.keep(func(g *generation) bool {
		return unread && (w.sure || !f.seen.IsZero() && !g.mtime.Before(f.seen))
	})
	if len(w.newer) > 0 {
		f.restart()
		f.note(w.head)
	}
	c.queue(f, f.after, w.newer, true)
}

// truncated looks for what f's file held before it was truncated, which it has just been found to be.
func (c *Collector) truncated(f *file, b *batch) {
	f.uncarry()
	if f.copied || !c.live(f) { // no log any more; its own copies are nobody's
		c.lost(f)
		c.last(f, b)
		f.restart()
		f.forgotten = f.copied
		return
	}
	c.replaced(f, lookBeside(wanted{path: f.path, mark: f.mark, prev: f.prev, unread: f.committed() <= 0, taken: c.follows, live: f}), b)
}

// replaced begins f at the start of its file, after what w has of before. b takes what is lost otherwise: a line that never ended.
func (c *Collector) replaced(f *file, w found, b *batch) {
	w.keep(func(g *generation) bool {
		return w.sure || !f.seen.IsZero() && !g.mtime.Before(f.seen)
	})
	old := f.after
	if w.it != nil {
		old = restoredFile(f.source, f.position())
		old.after, old.restored = f.after, false
		c.adopt(old, w.it)
		old.copied = true
		c.files = slices.Insert(c.files, slices.Index(c.files, f), old)
	} else if f.committed() > 0 || !w.sure || len(w.newer) == 0 { // otherwise it is among the newer ones
		c.lost(f)
		if b != nil {
			c.last(f, b)
		}
		if f.mark.n > 0 {
			f.prev = f.mark
		}
	}
	f.restart()
	f.note(w.head) // what is truncated from now on will be found by this
	f.check = true
	c.queue(f, old, w.newer, true)
	c.dirty = true
}

// lost tells that nothing was found of what f held.
func (c *Collector) lost(f *file) {
	c.opts.Report(fmt.Sprintf("%s: truncated; what it held after byte %d is not read, if there was more: no copy is beside it under a name such as %s.1 or %[3]s-DATE, packed by gzip or zstd or not",
		f.path, f.lines.off+int64(len(f.lines.buf)), filepath.Base(f.path)))
}

// queue has the generations read before f, and after old.
func (c *Collector) queue(f, old *file, list []*generation, copied bool) {
	for _, g := range list {
		n := newFile(f.source, f.path)
		n.lines.width, n.group.carry = f.lines.width, f.group.carry
		c.adopt(n, g)
		n.prev = f.prev
		n.follow(old)
		n.copied = copied
		c.files = slices.Insert(c.files, slices.Index(c.files, f), n)
		old = n
		c.dirty = true
	}
	f.follow(old)
}

// adopt lets f be read from g, from where it is.
func (c *Collector) adopt(f *file, g *generation) {
	f.handle, f.id, f.quiet, f.mtime = g.handle, g.id, c.now, time.Time{}
	f.note(g.head)
	if !g.packed {
		if f.lines.off > g.size { // it was copied before its end was written, but not before we read that
			f.lines.reset(g.size, f.lines.skip)
		}
		return
	}
	u, err := unpackFrom(g.handle, f.lines.off)
	if err != nil {
		u = &unpacker{bytes.NewReader(nil), func() {}}
		if err != io.EOF {
			c.opts.Report(fmt.Sprintf("%s: unpack %s up to byte %d: %v; what follows is lost", f.path, g.path, f.lines.off, err))
		}
	}
	f.packed = u
}

// head returns the file's beginning and size as they are now.
func (f *file) head() ([]byte, int64) {
	head, err := readHead(f.handle)
	st, err2 := statHandle(f.handle)
	if err != nil || err2 != nil {
		return nil, 0 // the next read will tell
	}
	return head, st.size
}

func (c *Collector) follows(id identity) bool {
	return slices.ContainsFunc(c.files, func(f *file) bool { return f.id == id && f.handle != nil })
}

// search looks for a file that was rotated away while nobody read.
func (c *Collector) search(f *file) bool {
	w := lookBeside(wanted{path: f.path, id: f.id, mark: f.mark, prev: f.prev, unread: f.committed() <= 0, alone: true, taken: c.follows})
	it := w.it
	if it != nil && !c.follows(it.id) {
		w.it = nil
		c.adopt(f, it)
	}
	w.close()
	return f.handle != nil
}

// between queues the files that were at f's path after its predecessor and were rotated away before anybody saw them.
func (c *Collector) between(f *file) {
	old := f.after
	if old == nil {
		return
	}
	w := lookBeside(wanted{path: f.path, id: old.id, mark: old.mark, prev: old.prev, unread: old.committed() <= 0, taken: c.follows, live: f})
	if w.it != nil {
		w.it.close()
	}
	w.keep(func(g *generation) bool {
		return w.sure || !old.seen.IsZero() && !g.mtime.Before(old.seen)
	})
	if old.handle != nil && w.older != nil {
		c.queue(old, old.after, w.older, true)
	}
	c.queue(f, old, w.newer, false)
}
