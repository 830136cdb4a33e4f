package syscheck

import (
	"os"

	"golang.org/x/sys/windows"
)

// file is an open file.
type file struct{ *os.File }

// Close closes the file. All that mattered has been read.
func (f *file) Close() { _ = f.File.Close() }

// statPath returns what the system tells of a path, of its target if it is a symbolic link and follow is set.
func statPath(path string, follow bool) (*known, error) {
	call := os.Lstat
	if follow {
		call = os.Stat
	}
	fi, err := call(path)
	if err != nil {
		return nil, err
	}
	k := fromInfo(fi)
	k.identify(path, follow)
	return k, nil
}

// openFile opens a file to read it. Meanwhile others may write, rename and delete it.
func openFile(path string, follow bool) (*file, *known, error) {
	h, err := openHandle(path, windows.GENERIC_READ, follow)
	if err != nil {
		return nil, nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	f := os.NewFile(uintptr(h), path)
	fi, err := f.Stat()
	if err != nil {
		_ = f.Close() // the error says more
		return nil, nil, err
	}
	k := fromInfo(fi)
	k.identifyHandle(windows.Handle(f.Fd()))
	return &file{f}, k, nil
}

// fromInfo makes a record of what Go tells; st_mode is made of the few bits that there are.
func fromInfo(fi os.FileInfo) *known {
	k := &known{size: fi.Size(), mode: uint32(fi.Mode().Perm()), sec: fi.ModTime().Unix(), nsec: uint32(fi.ModTime().Nanosecond())}
	k.sec = min(max(k.sec, firstSecond), lastSecond)
	switch {
	case fi.Mode().IsRegular():
		k.mode |= typeRegular
	case fi.Mode()&os.ModeSymlink != 0:
		k.mode |= typeLink
	case fi.IsDir():
		k.mode |= typeDirectory
	}
	return k
}

// kindOf is for systems that mount what is far away, or what is no file.
func kindOf(string) kind { return onDisk }
