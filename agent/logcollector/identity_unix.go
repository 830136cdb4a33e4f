//go:build unix

package logcollector

import (
	"os"
	"syscall"
)

// stat tells what is at path.
func stat(path string) (info, error) {
	st, err := os.Stat(path)
	if err != nil {
		return info{}, err
	}
	return describe(st), nil
}

func statHandle(h *os.File) (info, error) {
	st, err := h.Stat()
	if err != nil {
		return info{}, err
	}
	return describe(st), nil
}

func describe(st os.FileInfo) info {
	i := info{size: st.Size(), mtime: st.ModTime(), regular: st.Mode().IsRegular(), linked: true}
	if s, ok := st.Sys().(*syscall.Stat_t); ok {
		i.id, i.linked = identity{uint64(s.Dev), s.Ino}, s.Nlink > 0
	}
	return i
}

// openLog opens without waiting, should a pipe have taken the file's place.
func openLog(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
}

// expandVars is for the names of Windows' variables.
func expandVars(path string) string { return path }
