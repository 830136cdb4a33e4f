package syscheck

import "syscall"

// noAtime leaves the time of the last access as it is.
const noAtime = syscall.O_NOATIME

func mtime(st *syscall.Stat_t) (sec, nsec int64) { return int64(st.Mtim.Sec), int64(st.Mtim.Nsec) }

// kindOf tells what sort of file system a directory is on, by the type that statfs(2) tells.
func kindOf(dir string) kind {
	var st syscall.Statfs_t
	if err := again(func() error { return syscall.Statfs(dir, &st) }); err != nil {
		return onDisk
	}
	switch uint32(st.Type) {
	case 0x6969, 0xff534d42, 0xfe534d42, 0x517b: // NFS, CIFS, SMB 2, SMB
		return onNetwork
	case 0x9fa0, 0x62656572, 0x64626720, 0x74726163, 0x73636673, 0x27e0eb, 0x63677270: // proc, sysfs, debugfs, tracefs, securityfs, cgroup, cgroup 2
		return inKernel
	}
	return onDisk
}
