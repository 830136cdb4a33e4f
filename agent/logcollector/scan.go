package logcollector

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ncruces/go-strftime"
)

var errNotRegular = errors.New("is not a regular file; name files, or a pattern such as DIR/*.log")

// expand returns the paths that the source means at now, and whether it is a pattern.
func (s *source) expand(now time.Time) (paths []string, pattern bool) {
	path := s.Location
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
		f := newFile(c.sources[i], p.Path)
		f.id, f.head, f.head0 = identity{p.Dev, p.Inode}, p.Head, min(max(p.HeadLen, 0), headSize)
		f.lines.reset(max(p.Offset, 0), p.Skip)
		f.gone, f.restored = p.Gone, true
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
		for _, p := range paths {
			key := s.Location // of what is reported: one for all days of a dated name
			if pattern {
				key = p
			}
			c.look(s, p, key, holders[p])
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
	slices.SortStableFunc(c.files, func(a, b *file) int {
		return cmp.Or(cmp.Compare(a.source.index, b.source.index), cmp.Compare(a.path, b.path))
	})
	c.startStreams()
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
func (c *Collector) look(s *source, path, key string, holder *file) {
	st, err := os.Stat(path)
	if err == nil && !st.Mode().IsRegular() {
		err = errNotRegular
	}
	if err != nil {
		c.report(key, openTrouble(err))
		return
	}
	f := c.find(st, holder)
	if f != nil && f.scan == c.scans {
		return // the same file under two names
	}
	if f == nil || f.handle == nil {
		if f, err = c.open(s, path, f, holder); err != nil {
			c.report(key, openTrouble(err))
			return
		}
	}
	if f.path != path || !f.gone.IsZero() {
		f.path, f.gone = path, time.Time{}
		c.dirty = true
	}
	f.scan, f.quiet, f.restored = c.scans, c.now, false
	c.report(key, "")
}

// find returns the file that st describes. A device may have another number after a reboot, so a file restored at its own path may, too.
func (c *Collector) find(st os.FileInfo, holder *file) *file {
	id, _ := identify(st)
	if f := c.ids[id]; f != nil {
		return f
	}
	if holder != nil && holder.handle == nil && holder.id.inode == id.inode {
		return holder
	}
	return nil
}

// open opens the file at path: as known, if it is that one, otherwise as a new one.
func (c *Collector) open(s *source, path string, known, holder *file) (*file, error) {
	if known != nil {
		if err := known.open(path); err != nil {
			known.scan = c.scans // it is there: keep its position
			return nil, err
		}
		same, err := known.same()
		if err != nil || same {
			return known, err
		}
		c.dirty = true
		_ = known.close()
		known.forgotten = true // its inode serves another file now, or it was truncated; either way from the start
		if holder == known {
			holder = nil
		}
	}
	f := newFile(s, path)
	if err := f.open(path); err != nil {
		return nil, err
	}
	if !s.started && !s.FromStart {
		if err := f.toEnd(); err != nil {
			return nil, errors.Join(err, f.close())
		}
	}
	if _, err := f.same(); err != nil {
		return nil, errors.Join(err, f.close())
	}
	f.after, f.fresh = holder, true
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
		if c.succeeded(f) {
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

// search looks for a file that was renamed while nobody read: beside its path, by inode and fingerprint.
func (c *Collector) search(f *file) bool {
	for _, s := range siblings(f.path) {
		if s.id.inode != f.id.inode || f.open(s.path) != nil {
			continue
		}
		same, err := f.same()
		if err == nil && (same || rotatedName(f.path, s.path)) {
			if !same { // truncated before it was rotated, or a later one with its inode: not read either way
				f.restart()
			}
			return true
		}
		_ = f.close()
	}
	return false
}

// between queues the files that were at f's path after its predecessor and were rotated away before anybody saw them.
func (c *Collector) between(f *file) {
	old := f.after
	if old == nil || old.handle == nil {
		return
	}
	beside := siblings(f.path)
	i := slices.IndexFunc(beside, func(s sibling) bool { return s.id == old.id })
	if i < 0 {
		return
	}
	for _, s := range beside[i+1:] {
		if !rotatedName(f.path, s.path) || s.size == 0 || slices.ContainsFunc(c.files, func(g *file) bool { return g.id == s.id }) {
			continue
		}
		g := newFile(f.source, f.path)
		if g.open(s.path) != nil {
			continue
		}
		g.after, g.quiet = f.after, c.now
		f.after = g
		c.files = slices.Insert(c.files, slices.Index(c.files, f), g)
	}
}

// rotatedName tells whether path looks like an older generation of the log: "auth.log.1", "auth.log-20261123".
func rotatedName(log, path string) bool {
	tail, ok := strings.CutPrefix(path, log)
	return ok && len(tail) > 1 && strings.ContainsAny(tail[:1], ".-") && strings.Trim(tail[1:], "0123456789.-_T") == ""
}

// sibling is a file in the same directory.
type sibling struct {
	path  string
	id    identity
	size  int64
	mtime time.Time
}

// siblings returns the regular files in path's directory, the one written to last at the end.
func siblings(path string) []sibling {
	entries, _ := os.ReadDir(filepath.Dir(path)) // what can't be listed holds nothing to be found
	var out []sibling
	for _, e := range entries {
		st, err := e.Info()
		if err != nil || !st.Mode().IsRegular() {
			continue
		}
		id, _ := identify(st)
		out = append(out, sibling{filepath.Join(filepath.Dir(path), e.Name()), id, st.Size(), st.ModTime()})
	}
	slices.SortStableFunc(out, func(a, b sibling) int {
		// auth.log.10 is older than auth.log.2
		return cmp.Or(a.mtime.Compare(b.mtime), cmp.Compare(len(b.path), len(a.path)), cmp.Compare(b.path, a.path))
	})
	return out
}

func (c *Collector) dropForgotten() {
	c.files = slices.DeleteFunc(c.files, func(f *file) bool { return f.forgotten })
}
