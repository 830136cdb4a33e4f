package logcollector

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ncruces/go-strftime"
)

var errNotRegular = errors.New("is not a regular file; name files, or a pattern such as DIR/*.log")

// expand returns the paths that the source means at now, and whether it is a pattern.
func (s *source) expand(now time.Time) (paths []string, pattern bool) {
	path := expandVars(s.Location)
	if strings.Contains(path, "%") {
		path = strftime.Format(path, now)
	}
	if !strings.ContainsAny(path, `*?[`) {
		return []string{path}, false
	}
	paths, _ = filepath.Glob(path) // New has checked the pattern
	return slices.DeleteFunc(paths, packed), true
}

// packed tells the rotated logs that a pattern such as auth.log* finds beside the live one, and that hold no lines.
func packed(path string) bool {
	return slices.Contains([]string{".gz", ".zst", ".xz", ".bz2"}, filepath.Ext(path))
}

// restore takes up the saved positions of the sources that are still there. The files are found by the scan that follows.
func (c *Collector) restore(saved []Position) {
	last := map[string]*file{}
	for _, p := range saved {
		i := slices.IndexFunc(c.sources, func(s *source) bool { return s.Location == p.Source })
		if i < 0 {
			continue
		}
		f := restoredFile(c.sources[i], p)
		if old := last[p.Path]; old != nil && p.Offset == 0 {
			f.after = old
		} else if old != nil {
			old.superseded = true
		}
		last[p.Path] = f
		c.files = append(c.files, f)
	}
}

// scan looks at all paths: which files are new, renamed or gone. It reads no lines.
func (c *Collector) scan() {
	c.now = c.opts.Now()
	c.scans++
	holders := c.index()
	for _, s := range c.sources {
		paths, pattern := s.expand(c.now)
		if pattern {
			msg := ""
			if len(paths) == 0 {
				msg = "no file matches; still looking"
			}
			c.report(s.Location, msg)
		}
		listed := map[string]bool{}
		for _, p := range paths {
			listed[p] = true
		}
		for _, p := range paths {
			key := s.Location // of what is reported: one for all days of a dated name
			if pattern {
				key = p
			}
			c.look(s, p, key, holders[p], older(p, func(log string) bool { return listed[log] || holders[log] != nil }))
		}
		c.dirty = c.dirty || !s.started
		s.started = true
	}
	for _, f := range slices.Clone(c.files) {
		if f.scan != c.scans && !f.forgotten {
			c.missed(f)
		}
	}
	c.dropForgotten()
	for _, f := range slices.Clone(c.files) {
		if f.fresh {
			f.fresh = false
			c.between(f)
		}
	}
	c.changedBeside()
	slices.SortStableFunc(c.files, func(a, b *file) int {
		return cmp.Or(cmp.Compare(a.source.index, b.source.index), cmp.Compare(a.path, b.path))
	})
	c.startStreams()
	c.startCommands()
}

// index returns the newest file that was known under each path, and brings c.ids up to date.
func (c *Collector) index() map[string]*file {
	holders := map[string]*file{}
	c.ids = map[identity]*file{}
	for _, f := range c.files {
		c.ids[f.id] = f
		if h := holders[f.path]; h == nil || f.scan >= h.scan {
			holders[f.path] = f
		}
	}
	return holders
}

// look sees to it that the file at path is followed. holder is the one that was there before: maybe the same, maybe its predecessor.
// older says that it has the name of another's older generation: unknown it is no log of its own, but looked for when the log needs it.
func (c *Collector) look(s *source, path, key string, holder *file, older bool) {
	st, err := stat(path)
	if err == nil && !st.regular {
		err = errNotRegular
	}
	if err != nil {
		c.report(key, openTrouble(err))
		return
	}
	f := c.find(st.id, path, holder)
	if f == nil && older {
		return
	}
	if f != nil && f.scan == c.scans {
		return // the same file under two names
	}
	if f == nil || f.handle == nil {
		if f, err = c.open(s, path, f, holder); err != nil {
			c.report(key, openTrouble(err))
			return
		}
	}
	// A pattern may find older generations, too. They stay parts of their log.
	stamp, _ := rotatedStamp(f.path, path)
	f.moved = stamp != ""
	if !f.moved && f.path != path || !f.gone.IsZero() {
		if !f.moved {
			f.path = path
		}
		f.gone = time.Time{}
		c.dirty = true
	}
	f.scan, f.quiet, f.restored = c.scans, c.now, false
	c.report(key, "")
}

// find returns the file that has the id. A device may have another number after a reboot, so a file restored at its own path may, too.
// A restored file that was not the last at its path counts only if it begins as it did: inodes are used again.
func (c *Collector) find(id identity, path string, holder *file) *file {
	f := c.ids[id]
	if f == nil && holder != nil && holder.handle == nil && holder.id.inode == id.inode {
		f = holder
	}
	if f == nil || f.handle != nil || f == holder {
		return f
	}
	h, err := openLog(path)
	if err != nil {
		return f
	}
	defer func() { _ = h.Close() }() // it was only read
	if head, err := readHead(h); err == nil && !f.mark.begins(head) {
		return nil
	}
	return f
}

// open opens the file at path: the known one, or a new one.
func (c *Collector) open(s *source, path string, known, holder *file) (*file, error) {
	if known != nil {
		err := known.open(path)
		if err != nil {
			known.scan = c.scans // it is there: keep its position
		}
		return known, err
	}
	f := newFile(s, path)
	if err := f.open(path); err != nil {
		return nil, err
	}
	if _, err := f.same(); err != nil {
		return nil, errors.Join(err, f.close())
	}
	if !s.started && !s.FromStart {
		if err := f.toEnd(); err != nil {
			return nil, errors.Join(err, f.close())
		}
	}
	f.follow(holder)
	f.fresh = true
	c.files = append(c.files, f)
	c.ids[f.id] = f
	c.dirty = true
	return f, nil
}

func openTrouble(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "no such file; still looking"
	case errors.Is(err, fs.ErrPermission):
		return "permission denied; run as root, or give this user's group the right to read it"
	}
	return err.Error()
}

// missed deals with a file that no source lists in this scan.
func (c *Collector) missed(f *file) {
	if f.handle != nil {
		if f.scan == c.scans-1 {
			f.quiet = c.now
		}
		return
	}
	if f.restored {
		f.restored = false
		if c.search(f) {
			f.quiet = c.now
			return
		}
		if c.succeeded(f) && f.lines.off > 0 && !f.superseded {
			c.opts.Report(fmt.Sprintf("%s: the file read last was rotated away and is not beside it any more; what it held after byte %d is not read",
				f.path, f.lines.off))
		}
	}
	switch {
	case c.succeeded(f) || !f.gone.IsZero() && c.now.Sub(f.gone) > forgetMissed:
		f.forgotten = true
	case f.gone.IsZero():
		f.gone = c.now
	default:
		return
	}
	c.dirty = true
}

// succeeded tells whether another file is at f's path now.
func (c *Collector) succeeded(f *file) bool {
	return slices.ContainsFunc(c.files, func(g *file) bool { return g != f && g.path == f.path && g.scan == c.scans })
}

// older tells whether path is the name of an older generation of another log.
func older(path string, isLog func(path string) bool) bool {
	for i := len(path) - 1; i > 0; i-- {
		if !strings.ContainsAny(path[i:i+1], ".-_") {
			continue
		}
		if isLog(path[:i]) {
			stamp, _ := rotatedStamp(path[:i], path)
			return stamp != ""
		}
		if log := path[:i] + filepath.Ext(path); log != path && isLog(log) {
			stamp, _ := rotatedStamp(log, path)
			return stamp != ""
		}
	}
	return false
}

func (c *Collector) dropForgotten() {
	c.files = slices.DeleteFunc(c.files, func(f *file) bool { return f.forgotten })
}
