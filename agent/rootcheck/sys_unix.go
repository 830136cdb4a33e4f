//go:build unix

package rootcheck

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

var (
	// systemDirs are the usual places.
	systemDirs = []string{
		"/bin", "/sbin", "/usr/bin", "/usr/sbin", "/dev", "/lib", "/etc", "/root", "/var/log", "/var/mail", "/var/lib", "/var/www", "/usr/lib",
		"/usr/include", "/tmp", "/boot", "/usr/local", "/var/tmp",
	}
	// readDirs are where the size of each file is compared with what can be read.
	readDirs = []string{"/bin", "/sbin", "/usr/bin", "/usr/sbin", "/dev", "/etc", "/boot"}
)

// walk is a search of the file system.
type walk struct {
	*scan
	ignore map[string]bool
	read   []string          // readDirs as they are here, links resolved
	kinds  map[uint64]fsKind // by device
}

// fsKind is what a file system's numbers can be relied on for.
type fsKind struct {
	pseudo bool // the kernel's own: sizes and modes mean nothing
	remote bool
	links  bool // a directory's link count is that of its directories, and two
}

// system searches the file system for files that are hidden in one way and not in another, and for those that anybody can change.
func system(ctx context.Context, s *scan) error {
	w := &walk{scan: s, ignore: map[string]bool{}, kinds: map[uint64]fsKind{}}
	for _, dir := range s.conf.Ignore {
		w.ignore[filepath.Clean(dir)] = true
	}
	w.ignore[s.at("/proc")], w.ignore[s.at("/sys")] = true, true
	w.read = s.resolved(readDirs)
	dirs := systemDirs
	if s.conf.ScanAll {
		dirs = []string{"/"}
	}
	for _, dir := range s.resolved(dirs) {
		if err := w.dir(ctx, dir); err != nil {
			return err
		}
	}
	return nil
}

// resolved returns where directories are, links followed, without those that lie in others.
func (s *scan) resolved(dirs []string) (list []string) {
	for _, dir := range dirs {
		if path, err := filepath.EvalSymlinks(s.at(dir)); err == nil { // else it's not on this system
			list = append(list, path)
		}
	}
	all := slices.Clone(list)
	slices.Sort(list)
	return slices.DeleteFunc(slices.Compact(list), func(dir string) bool {
		return slices.ContainsFunc(all, func(other string) bool { return within(dir, other) })
	})
}

func within(path, dir string) bool { return strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/") }

// dir looks at what is in a directory, and then below.
func (w *walk) dir(ctx context.Context, dir string) error {
	info, err := os.Lstat(dir)
	if err != nil || !info.IsDir() || w.ignore[dir] {
		return nil //nolint:nilerr // gone meanwhile
	}
	st := info.Sys().(*syscall.Stat_t)
	kind := w.kind(dir, uint64(st.Dev)) // not of the same type on each system
	if kind.pseudo || kind.remote && w.conf.SkipNFS {
		return nil
	}
	dirs, err := w.entries(ctx, dir)
	if err != nil {
		return err
	}
	if kind.links && int(st.Nlink) != len(dirs)+2 {
		w.linkCount(dir)
	}
	for _, path := range dirs {
		if err := w.dir(ctx, path); err != nil {
			return err
		}
	}
	return nil
}

// entries looks at what is in a directory, some at a time, for there may be millions, and returns the directories.
func (w *walk) entries(ctx context.Context, dir string) (dirs []string, err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, nil // gone, or not for us
	}
	defer f.Close() //nolint:errcheck // nothing was written
	var hidden []string
	for {
		list, err := f.ReadDir(1024)
		for _, e := range list {
			path := filepath.Join(dir, e.Name())
			if err := w.entry(ctx, path, &hidden); err != nil {
				return nil, err
			}
			if e.IsDir() {
				dirs = append(dirs, path)
			}
		}
		if err != nil {
			w.hiddenFromStat(dir, hidden)
			return dirs, nil // its end, or gone
		}
	}
}

func (w *walk) kind(dir string, dev uint64) fsKind {
	kind, ok := w.kinds[dev]
	if !ok {
		kind = fileSystem(dir)
		w.kinds[dev] = kind
	}
	return kind
}

// entry looks at one file. One that can't be found is added to hidden.
func (w *walk) entry(ctx context.Context, path string, hidden *[]string) error {
	if err := w.rest(ctx); err != nil {
		return err
	}
	info, err := w.lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		*hidden = append(*hidden, filepath.Base(path))
	}
	if r, ok := w.db.names[filepath.Base(path)]; ok {
		if err := w.rootkit(ctx, r, path); err != nil {
			return err
		}
	}
	if err != nil || !info.Mode().IsRegular() {
		return nil //nolint:nilerr // hidden, or not for us
	}
	if info.Mode().Perm()&0o002 != 0 && info.Sys().(*syscall.Stat_t).Uid == 0 {
		w.found("File '%s' is owned by root and has write permissions to anyone.", path)
	}
	if w.conf.ReadAll || slices.ContainsFunc(w.read, func(dir string) bool { return within(path, dir) }) {
		return w.size(ctx, path)
	}
	return nil
}

// size compares a file's size with what can be read. A file that is written meanwhile is tried again, and let go if it doesn't rest.
func (w *walk) size(ctx context.Context, path string) error {
	for range rounds {
		before, err := os.Lstat(path)
		if err != nil {
			return nil //nolint:nilerr // gone meanwhile
		}
		f, err := openRegular(path)
		if err != nil {
			return nil //nolint:nilerr // not for us
		}
		n, err := w.copy(ctx, io.Discard, f)
		f.Close() //nolint:errcheck // nothing was written
		if err != nil {
			return ctx.Err()
		}
		after, err := os.Lstat(path)
		if err != nil || n == after.Size() {
			return nil //nolint:nilerr // gone meanwhile
		}
		if os.SameFile(before, after) && before.Size() == after.Size() && before.ModTime().Equal(after.ModTime()) {
			sums, err := w.sums(ctx, path)
			w.found("Anomaly detected in file '%s'. File size doesn't match what we found. Possible kernel level rootkit.%s", path, sums)
			return err
		}
	}
	return nil
}

// hiddenFromStat tells of those names that the directory still has, and that still can't be found.
func (w *walk) hiddenFromStat(dir string, names []string) {
	for range rounds {
		if len(names) == 0 {
			return
		}
		l := &siblings{}
		names = slices.DeleteFunc(names, func(name string) bool {
			path := filepath.Join(dir, name)
			_, err := w.lstat(path)
			return !errors.Is(err, fs.ErrNotExist) || !l.has(path)
		})
	}
	for _, name := range names {
		w.found("Anomaly detected in file '%s'. Hidden from stats, but showing up on readdir. Possible kernel level rootkit.", filepath.Join(dir, name))
	}
}

// linkCount compares a directory's link count with the directories that it shows.
func (w *walk) linkCount(dir string) {
	for i := 0; ; i++ {
		before, ok := links(dir)
		entries, err := os.ReadDir(dir)
		after, ok2 := links(dir)
		if !ok || !ok2 || err != nil || before < 2 { // ext4 gives up counting at 65000, and says 1
			return
		}
		dirs := 2
		for _, e := range entries {
			if e.IsDir() {
				dirs++
			}
		}
		if dirs == after {
			return
		}
		if i >= rounds && before == after {
			w.found("Files hidden inside directory '%s'. Link count does not match number of files (%d,%d).", dir, after, dirs)
			return
		}
		if i > 2*rounds {
			return // it's never at rest
		}
	}
}

// links returns a directory's link count.
func links(dir string) (int, bool) {
	info, err := os.Lstat(dir)
	if err != nil || !info.IsDir() {
		return 0, false
	}
	return int(info.Sys().(*syscall.Stat_t).Nlink), true
}
