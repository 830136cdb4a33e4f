package syscheck

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// walker goes over the watched files in the order of the cache's keys.
type walker struct {
	tree    *tree
	fn      func(path string, r *root) error
	trouble func(path string, err error) error
}

// entry is what a directory holds.
type entry struct {
	name string
	mode fs.FileMode
}

// from walks the path and all below it, or all that is watched if path is "".
func (w *walker) from(path string) error {
	if path == "" {
		for _, r := range w.tree.tops() {
			if err := w.path(r.path, fs.ModeIrregular); err != nil {
				return err
			}
		}
		return nil
	}
	return w.path(path, fs.ModeIrregular)
}

// path visits a path. Its mode is what the directory tells of its type, ModeIrregular if that isn't known.
func (w *walker) path(path string, mode fs.FileMode) error {
	if w.tree.ignore.match(path) {
		return nil
	}
	r, depth := w.tree.rootOf(path)
	if mode&fs.ModeIrregular != 0 || mode&fs.ModeSymlink != 0 && r != nil && r.follows(path) {
		mode = typeOf(path, r != nil && r.follows(path))
	}
	switch {
	case mode.IsDir():
		return w.dir(path, r, depth)
	case mode&fs.ModeSymlink != 0 && len(w.tree.below(path)) > 0: // what is named below it is reached through it
		if err := w.dir(path, nil, 0); err != nil {
			return err
		}
	}
	if r != nil && (mode.IsRegular() || mode&fs.ModeSymlink != 0) && r.reaches(depth) && r.fits(path) {
		return w.fn(path, r)
	}
	return nil
}

// typeOf returns the type of what is at a path, ModeDevice for what nobody looks at.
func typeOf(path string, follow bool) fs.FileMode {
	k, err := statPath(path, follow)
	switch {
	case err != nil && !gone(err):
		return 0 // looking at it tells the trouble
	case err != nil:
		return fs.ModeDevice
	case k.isDir():
		return fs.ModeDir
	case k.isLink():
		return fs.ModeSymlink
	case k.isRegular():
		return 0
	}
	return fs.ModeDevice
}

// dir visits what is in a directory: all if its root reaches so far, and in any case what leads to other roots.
func (w *walker) dir(path string, r *root, depth int) error {
	entries := w.named(path)
	if r != nil && r.reaches(depth+1) && !(w.tree.skipNFS && onNetwork(path)) {
		all, err := list(path)
		if err != nil && !gone(err) {
			if err := w.trouble(path, err); err != nil {
				return err
			}
		}
		entries = merge(all, entries)
	}
	for _, e := range entries {
		if err := w.path(filepath.Join(path, e.name), e.mode); err != nil {
			return err
		}
	}
	return nil
}

// named returns the entries that lead to roots below.
func (w *walker) named(path string) (entries []entry) {
	for _, name := range w.tree.below(path) {
		entries = append(entries, entry{name, fs.ModeIrregular})
	}
	return entries
}

// merge returns both sets of entries, sorted.
func merge(all, named []entry) []entry {
	if len(named) == 0 {
		return all
	}
	all = append(all, named...)
	slices.SortStableFunc(all, func(a, b entry) int { return cmp.Compare(a.name, b.name) })
	return slices.CompactFunc(all, func(a, b entry) bool { return a.name == b.name })
}

// list returns what is in a directory, sorted.
func list(path string) (entries []entry, err error) {
	d, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer d.Close() //nolint:errcheck // all that mattered has been read
	for err == nil {
		var some []fs.DirEntry
		some, err = d.ReadDir(1024)
		for _, e := range some {
			entries = append(entries, entry{e.Name(), e.Type()})
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.name, b.name) })
	return entries, err
}

// join visits, once each and in one order, the files of a walk from path ("" for all) and those that the cache knows there.
func (s *Syscheck) join(ctx context.Context, path string, fn func(path string, r *root) error) error {
	span := allFiles
	if path != "" {
		span = treeSpan(path)
	}
	j := &joiner{cursor: cursor{view: s.o.Spool.View, span: span}, tree: s.tree.Load(), fn: fn}
	w := &walker{tree: j.tree, fn: j.walked, trouble: func(path string, err error) error { return s.trouble(ctx, path, err) }}
	if err := w.from(path); err != nil {
		return err
	}
	return j.upTo(nil)
}

// joiner goes over the cache while the walk goes over the files.
type joiner struct {
	cursor cursor
	tree   *tree
	fn     func(path string, r *root) error
}

// walked visits a file of the walk, and before it what only the cache knows up to there.
func (j *joiner) walked(path string, r *root) error {
	k := key(path)
	if err := j.upTo(k); err != nil {
		return err
	}
	have, err := j.cursor.peek()
	if err != nil {
		return err
	}
	if bytes.Equal(have, k) {
		j.cursor.next()
	}
	return j.fn(path, r)
}

// upTo visits what only the cache knows before k, to its end if k is nil.
func (j *joiner) upTo(k []byte) error {
	for {
		have, err := j.cursor.peek()
		if err != nil || have == nil || k != nil && bytes.Compare(have, k) >= 0 {
			return err
		}
		path := pathOf(have)
		if err := j.fn(path, j.tree.directoryOf(path)); err != nil {
			return err
		}
		j.cursor.next()
	}
}
