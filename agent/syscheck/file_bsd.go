//go:build darwin || freebsd

package syscheck

import "syscall"

// noAtime: there is no such thing here.
const noAtime = 0

func mtime(st *syscall.Stat_t) (sec, nsec int64) {
	return int64(st.Mtimespec.Sec), int64(st.Mtimespec.Nsec)
}

// kindOf tells what sort of file system a directory is on, by the name that statfs(2) tells.
func kindOf(dir string) kind {
	var st syscall.Statfs_t
	if err := again(func() error { return syscall.Statfs(dir, &st) }); err != nil {
		return onDisk
	}
	switch fsType(st.Fstypename[:]) {
	case "nfs", "smbfs":
		return onNetwork
	case "procfs", "linprocfs", "linsysfs", "devfs":
		return inKernel
	}
	return onDisk
}

func fsType(raw []int8) string {
	var name []byte
	for _, c := range raw {
		if c == 0 {
			break
		}
		name = append(name, byte(c))
	}
	return string(name)
}
