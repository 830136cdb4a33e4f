package logcollector

import (
	"os"
	"time"

	"golang.org/x/sys/windows"
)

// stat tells what is at path.
func stat(path string) (info, error) {
	h, err := open(path, 0)
	if err != nil {
		return info{}, err
	}
	defer func() { _ = windows.CloseHandle(h) }() // nothing was written
	return describe(h, path)
}

func statHandle(h *os.File) (info, error) { return describe(windows.Handle(h.Fd()), h.Name()) }

func describe(h windows.Handle, path string) (info, error) {
	var d windows.ByHandleFileInformation
	if err := windows.GetFileInformationByHandle(h, &d); err != nil {
		return info{}, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	return info{
		id:      identity{uint64(d.VolumeSerialNumber), uint64(d.FileIndexHigh)<<32 | uint64(d.FileIndexLow)},
		size:    int64(d.FileSizeHigh)<<32 | int64(d.FileSizeLow),
		mtime:   time.Unix(0, d.LastWriteTime.Nanoseconds()),
		regular: d.FileAttributes&(windows.FILE_ATTRIBUTE_DIRECTORY|windows.FILE_ATTRIBUTE_DEVICE) == 0,
		linked:  d.NumberOfLinks > 0,
	}, nil
}

// openLog opens so that others may write, rename and delete meanwhile: whoever rotates the log must not notice.
func openLog(path string) (*os.File, error) {
	h, err := open(path, windows.GENERIC_READ)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(h), path), nil
}

func open(path string, access uint32) (windows.Handle, error) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return 0, &os.PathError{Op: "open", Path: path, Err: err}
	}
	h, err := windows.CreateFile(name, access, windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE|windows.FILE_SHARE_DELETE, nil,
		windows.OPEN_EXISTING, windows.FILE_FLAG_BACKUP_SEMANTICS, 0)
	if err != nil {
		return 0, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return h, nil
}

// expandVars puts in the values of the environment's variables, %SystemRoot% and the like. What is none stays: it may be a date's %Y.
func expandVars(path string) string { return replaceVars(path, os.LookupEnv) }
