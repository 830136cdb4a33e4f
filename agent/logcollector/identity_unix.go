//go:build unix

package logcollector

import (
	"os"
	"syscall"
)

// identity is what a file keeps when it is renamed.
type identity struct{ dev, inode uint64 }

func identify(st os.FileInfo) (id identity, linked bool) {
	s, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return identity{}, true
	}
	return identity{uint64(s.Dev), s.Ino}, s.Nlink > 0
}

// openLog opens without waiting, should a pipe have taken the file's place.
func openLog(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
}
