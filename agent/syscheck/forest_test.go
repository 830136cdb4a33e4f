//go:build linux

package syscheck_test

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	words "github.com/yagura-hids/yagura/internal/syscheck"
)

// forest is a tree that changes at random.
type forest struct {
	t       *testing.T
	rnd     *rand.Rand
	dir     string
	n       int
	names   []string        // of files that may be there
	touched map[string]bool // paths that a change named
	inodes  map[uint64]bool // of files that a change touched
}

func newForest(t *testing.T, dir string, n int) *forest {
	f := &forest{t: t, rnd: rand.New(rand.NewPCG(*seed, uint64(n))), dir: dir, touched: map[string]bool{}, inodes: map[uint64]bool{}}
	for range n {
		f.create()
	}
	f.forget()
	return f
}

// forget begins a new period of changes.
func (f *forest) forget() {
	clear(f.touched)
	clear(f.inodes)
}

func (f *forest) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// fresh returns a path at which there is nothing, with a directory.
func (f *forest) fresh() string {
	f.n++
	odd := []string{"", "-", " x", ".d", "\n", "\xff", `\xff`, "ü"}[f.rnd.IntN(8)]
	path := filepath.Join(f.dir, fmt.Sprintf("d%d%s", f.rnd.IntN(20), odd), fmt.Sprintf("e%d", f.rnd.IntN(10)), fmt.Sprintf("f%d%s", f.n, odd))
	f.must(os.MkdirAll(filepath.Dir(path), 0o755))
	return path
}

// pick returns a file that is there, and notes that it is about to change.
func (f *forest) pick() string {
	for {
		i := f.rnd.IntN(len(f.names))
		path := f.names[i]
		if _, err := os.Lstat(path); err == nil {
			f.note(path)
			return path
		}
		f.names[i] = f.names[len(f.names)-1]
		f.names = f.names[:len(f.names)-1]
	}
}

func (f *forest) note(path string) {
	f.touched[words.Escape(path)] = true
	if fi, err := os.Lstat(path); err == nil {
		f.inodes[fi.Sys().(*syscall.Stat_t).Ino] = true
	}
	if fi, err := os.Stat(path); err == nil {
		f.inodes[fi.Sys().(*syscall.Stat_t).Ino] = true
	}
}

func (f *forest) text() []byte {
	b := make([]byte, 1+f.rnd.IntN(200))
	for i := range b {
		b[i] = byte(f.rnd.Uint32())
	}
	return b
}

func (f *forest) create() string {
	path := f.fresh()
	f.must(os.WriteFile(path, f.text(), 0o644))
	f.names = append(f.names, path)
	f.note(path)
	return path
}

// change makes one change and returns the paths that the kernel would tell of.
func (f *forest) change() []string {
	switch f.rnd.IntN(11) {
	case 0:
		path := f.pick()
		f.must(f.ignore(os.WriteFile(path, f.text(), 0o600)))
		return []string{path}
	case 1:
		path := f.pick()
		f.must(f.ignore(os.Chmod(path, fs.FileMode(0o400+f.rnd.IntN(0o400)))))
		return []string{path}
	case 2:
		path := f.pick()
		f.must(os.Lchown(path, f.rnd.IntN(5), f.rnd.IntN(5)))
		return []string{path}
	case 3:
		return []string{f.sneak(f.pick())}
	case 4:
		path := f.pick()
		f.must(os.Remove(path))
		return []string{path}
	case 5, 6:
		return f.rename(f.pick(), f.rnd.IntN(3) == 0)
	case 7:
		path, target := f.pick(), f.pick()
		f.must(os.Remove(path))
		f.must(os.Symlink(target, path))
		f.note(path)
		return []string{path}
	case 8:
		from, path := f.pick(), f.fresh()
		f.must(os.Link(from, path))
		f.names = append(f.names, path)
		f.note(path)
		return []string{from, path}
	case 9:
		from := filepath.Dir(f.pick())
		return f.renameDir(from)
	}
	return []string{f.create()}
}

// ignore lets a link's missing target pass.
func (f *forest) ignore(err error) error {
	if os.IsNotExist(err) || os.IsPermission(err) || err != nil && strings.Contains(err.Error(), "too many levels") {
		return nil
	}
	return err
}

// sneak changes a file's content, and neither its size nor its time.
func (f *forest) sneak(path string) string {
	fi, err := os.Lstat(path)
	f.must(err)
	if !fi.Mode().IsRegular() || fi.Size() == 0 {
		return path
	}
	text, err := os.ReadFile(path)
	f.must(err)
	text[f.rnd.IntN(len(text))]++
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	f.must(err)
	_, err = file.Write(text)
	f.must(err)
	f.must(file.Close())
	f.must(os.Chtimes(path, fi.ModTime(), fi.ModTime()))
	return path
}

func (f *forest) rename(from string, over bool) []string {
	to := f.fresh()
	if over {
		to = f.pick()
	}
	f.must(os.Rename(from, to))
	f.note(to)
	f.names = append(f.names, to)
	return []string{from, to}
}

func (f *forest) renameDir(from string) []string {
	to := filepath.Join(f.dir, fmt.Sprintf("g%d", f.n))
	f.n++
	entries, err := os.ReadDir(from)
	f.must(err)
	var paths []string
	for _, e := range entries {
		old, path := filepath.Join(from, e.Name()), filepath.Join(to, e.Name())
		f.note(old)
		f.touched[words.Escape(path)] = true
		f.names = append(f.names, path)
		paths = append(paths, old, path)
	}
	f.must(os.Rename(from, to))
	return paths
}
