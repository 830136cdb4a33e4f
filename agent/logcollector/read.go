package logcollector

import (
	"errors"
	"fmt"
	"slices"
)

// read gives f its turn: it adds f's next lines to b.
func (c *Collector) read(f *file, b *batch) {
	if f.handle == nil || f.drained || !c.begun(f, b) {
		return
	}
	if f.check && c.live(f) {
		c.checkBeside(f)
		if b.busy = true; f.after != nil {
			return
		}
	}
	c.lend(f)
	defer c.takeBack(f)
	filled := false
	for n := 0; n < turnLines && !b.full(); {
		before := f.lines.off
		l, ok := f.lines.next()
		b.took(f.lines.off - before)
		if ok {
			c.give(f, l, b)
			c.carried(f)
			n++
			continue
		}
		if filled { // one chunk a turn
			return
		}
		if filled = c.fill(f, b); !filled {
			c.overdue(f, b)
			c.carried(f)
			c.letGo(f, b)
			return
		}
	}
}

// lend gives f the memory to read into, which all files share: an idle one holds none.
func (c *Collector) lend(f *file) {
	if f.lines.mem == nil {
		f.lines.mem, c.spare = c.spare, nil
	}
}

// takeBack takes it, leaving f what it has not given out.
func (c *Collector) takeBack(f *file) {
	l := &f.lines
	if len(l.buf) > chunk/4 || l.mem == nil {
		return
	}
	l.buf = append([]byte(nil), l.buf...)
	c.spare, l.mem = l.mem, nil
}

// fill gets f's next chunk. What a truncation took is looked for beside it.
func (c *Collector) fill(f *file, b *batch) bool {
	more, err := f.fill()
	if errors.Is(err, errTruncated) {
		c.truncated(f, b)
		b.busy, c.dirty = true, true
		f.quiet = c.now
		return false
	}
	if err != nil && !f.failing {
		c.opts.Report(fmt.Sprintf("%s: %v; trying again", f.path, err))
	}
	f.failing = err != nil
	if more {
		b.busy = true
		f.quiet = c.now
	}
	return more
}

// begun tells whether f may be read. A file that follows another one waits until it is written to itself, and the older one, looked at
// after that, has been read to its end: then nobody writes to the older one any more, and its unfinished last line will not be finished.
// A copy is finished from the outset, and the line at its end goes on in its successor: the writer did not notice anything.
func (c *Collector) begun(f *file, b *batch) bool {
	old := f.after
	if old == nil || f.carries {
		return true
	}
	if old.handle != nil {
		if !old.copied && empty(f) {
			return false
		}
		if old.after != nil && !old.carries {
			if !old.copied && empty(old) { // rotated away before anybody wrote to it
				f.after, old.after, old.superseded = old.after, nil, true
				b.busy = true
			}
			return false
		}
		if len(old.lines.buf) > old.lines.limit+old.lines.unit() || old.lines.newline(old.lines.buf) >= 0 || c.fill(old, b) || f.after != old {
			return false
		}
		if old.copied && f.lines.off == 0 && len(f.lines.buf) == 0 && !f.group.open {
			f.carry(old)
			c.carried(f)
			return true
		}
		c.last(old, b)
	}
	c.succeed(f)
	return true
}

// follow has f wait for the older file, if there is one.
func (f *file) follow(old *file) {
	f.after = old
	if old != nil {
		if f.prev = old.mark; old.mark.n == 0 {
			f.prev = old.prev
		}
	}
}

// carry takes over what old ended with.
func (f *file) carry(old *file) {
	end := old.lines.off + int64(len(old.lines.buf))
	f.lines.buf, f.lines.off, f.lines.skip = slices.Clone(old.lines.buf), old.lines.off-end, old.lines.skip
	if old.group.carry != "" {
		f.group.carry = old.group.carry
	}
	if old.group.open {
		f.group = old.group
		f.group.start -= end
	}
	f.carries, old.drained = true, true
}

// uncarry gives it back.
func (f *file) uncarry() {
	if f.carries {
		f.after.drained, f.carries = false, false
		f.lines.reset(0, false)
		f.group = group{carry: f.group.carry}
	}
}

// carried ends f's waiting for the older file when nothing of that one is held any more.
func (c *Collector) carried(f *file) {
	if f.carries && f.committed() >= 0 {
		c.succeed(f)
	}
}

// succeed has f take the place of the older file.
func (c *Collector) succeed(f *file) {
	old := f.after
	f.follow(old)
	f.after, f.carries = nil, false
	for ; old != nil; old = old.after { // more than one only if the newer ones carry the end of the older ones
		old.superseded, old.forgotten = true, old.forgotten || old.copied
	}
	c.dirty = true
}

// last gives out f's unfinished last line and group.
func (c *Collector) last(f *file, b *batch) {
	if l, ok := f.lines.rest(); ok {
		c.give(f, l, b)
	}
	if f.format != nil {
		c.flush(f, b)
	}
}

// live tells whether f is at its log's path, and not an older generation.
func (c *Collector) live(f *file) bool { return f.scan == c.scans && !f.moved }

func empty(f *file) bool {
	st, err := statHandle(f.handle)
	return err != nil || st.size == 0
}

// letGo closes a file that is out of sight and has been quiet for long. A file that is merely out of sight is remembered: it may come back.
func (c *Collector) letGo(f *file, b *batch) {
	if f.scan == c.scans && !f.superseded || f.handle == nil || f.copied && !f.superseded {
		return
	}
	st, err := statHandle(f.handle)
	if err != nil {
		return
	}
	finished := f.superseded || !st.linked
	quiet := c.now.Sub(f.quiet)
	if quiet < lingerOld || !finished && quiet < lingerMoved {
		return
	}
	c.last(f, b)
	_ = f.close() // it was only read
	f.gone = c.now
	f.forgotten = finished
	c.dirty = true
}
