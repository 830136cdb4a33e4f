//go:build unix

package syscheck

import (
	"io"
	"os"
	"strconv"
	"syscall"
)

// file is an open file. It isn't an os.File, which costs more system calls than a small file's content.
type file struct{ fd int }

// statPath returns what the system tells of a path, of its target if it is a symbolic link and follow is set.
func statPath(path string, follow bool) (*known, error) {
	var st syscall.Stat_t
	call := syscall.Lstat
	if follow {
		call = syscall.Stat
	}
	if err := again(func() error { return call(path, &st) }); err != nil {
		return nil, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	return fromStat(&st), nil
}

// openFile opens a file to read it, whatever it is, without waiting for it. Unless follow is set, a symbolic link is an error.
func openFile(path string, follow bool) (*file, *known, error) {
	flags := syscall.O_RDONLY | syscall.O_NONBLOCK | syscall.O_CLOEXEC | syscall.O_NOCTTY
	if !follow {
		flags |= syscall.O_NOFOLLOW
	}
	var fd int
	open := func(flags int) error {
		return again(func() (err error) { fd, err = syscall.Open(path, flags, 0); return err })
	}
	err := open(flags | noAtime)
	if err == syscall.EPERM && noAtime != 0 { // it is for owners only
		err = open(flags)
	}
	if err != nil {
		return nil, nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	f := &file{fd}
	var st syscall.Stat_t
	if err := again(func() error { return syscall.Fstat(fd, &st) }); err != nil {
		f.Close()
		return nil, nil, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	return f, fromStat(&st), nil
}

// again calls fn until no signal interrupts it.
func again(fn func() error) error {
	for {
		if err := fn(); err != syscall.EINTR {
			return err
		}
	}
}

// Read reads as io.Reader says.
func (f *file) Read(p []byte) (n int, err error) {
	err = again(func() (err error) { n, err = syscall.Read(f.fd, p); return err })
	switch {
	case err != nil:
		return 0, &os.SyscallError{Syscall: "read", Err: err}
	case n == 0 && len(p) > 0:
		return 0, io.EOF
	}
	return n, nil
}

// Close closes the file. All that mattered has been read.
func (f *file) Close() { _ = syscall.Close(f.fd) }

func fromStat(st *syscall.Stat_t) *known {
	sec, nsec := mtime(st)
	return &known{
		size: st.Size, mode: uint32(st.Mode), uid: strconv.FormatUint(uint64(st.Uid), 10), gid: strconv.FormatUint(uint64(st.Gid), 10),
		sec: min(max(sec, firstSecond), lastSecond), nsec: uint32(nsec), dev: uint64(st.Dev), inode: st.Ino,
	}
}
