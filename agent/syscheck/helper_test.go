package syscheck_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
)

// tempDir is t.TempDir, whose last step Wine 8 can't do.
func tempDir(t *testing.T) string {
	t.Helper()
	if runtime.GOOS != "windows" {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp("", "yagura")
	must(t, err)
	t.Cleanup(func() {
		var all []string
		filepath.WalkDir(dir, func(path string, _ fs.DirEntry, _ error) error { all = append(all, path); return nil })
		for _, path := range slices.Backward(all) {
			os.Remove(path)
		}
	})
	return dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// anything does something to a random path of a small tree, or moves it to or from a place outside of it. Much of it fails, as it should.
func anything(r *rand.Rand, dir, out string) {
	pick := func() string {
		path := dir
		if r.IntN(8) == 0 {
			path = out
		}
		for range 1 + r.IntN(3) {
			path = filepath.Join(path, string(rune('a'+r.IntN(4))))
		}
		return path
	}
	path := pick()
	switch r.IntN(8) {
	case 0, 1:
		os.MkdirAll(path, 0o755)
	case 2, 3:
		os.WriteFile(path, fmt.Append(nil, r.Int()), 0o644)
	case 4:
		os.Chmod(path, fs.FileMode(0o700|r.IntN(0o100)))
	case 5, 6:
		os.Rename(path, pick())
	case 7:
		if r.IntN(4) == 0 {
			os.RemoveAll(path)
		} else {
			os.Remove(path)
		}
	}
}
