package syscheck

import (
	"golang.org/x/sys/windows"
)

// Attributes of a file that say who is to see it stand in the upper half of its mode, as Windows has them.
const (
	attributes     = windows.FILE_ATTRIBUTE_READONLY | windows.FILE_ATTRIBUTE_HIDDEN | windows.FILE_ATTRIBUTE_SYSTEM
	attributeShift = 16
)

// identify adds what Go doesn't tell of a file: its owner's SID, its attributes, and by what it is known again when it's moved. What the system doesn't
// tell is left out.
func (k *known) identify(path string, follow bool) {
	h, err := openHandle(path, windows.READ_CONTROL|windows.FILE_READ_ATTRIBUTES, follow)
	if err != nil {
		return
	}
	defer windows.CloseHandle(h) //nolint:errcheck // it was only asked
	k.identifyHandle(h)
}

// openHandle opens what is at a path, of whatever type, without hindering others.
func openHandle(path string, access uint32, follow bool) (windows.Handle, error) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return 0, err
	}
	flags := uint32(windows.FILE_FLAG_BACKUP_SEMANTICS)
	if !follow {
		flags |= windows.FILE_FLAG_OPEN_REPARSE_POINT
	}
	return windows.CreateFile(name, access, windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE|windows.FILE_SHARE_DELETE, nil, windows.OPEN_EXISTING, flags, 0)
}

func (k *known) identifyHandle(h windows.Handle) {
	if sd, err := windows.GetSecurityInfo(h, windows.SE_FILE_OBJECT, windows.OWNER_SECURITY_INFORMATION); err == nil {
		if owner, _, err := sd.Owner(); err == nil && owner != nil {
			k.uid = owner.String()
		}
	}
	var info windows.ByHandleFileInformation
	if err := windows.GetFileInformationByHandle(h, &info); err == nil {
		k.mode |= info.FileAttributes & attributes << attributeShift
		k.dev, k.inode = uint64(info.VolumeSerialNumber), uint64(info.FileIndexHigh)<<32|uint64(info.FileIndexLow)
	}
}
