package syscheck

import "syscall"

// noAtime: there is no such thing here.
const noAtime = 0

func mtime(st *syscall.Stat_t) (sec, nsec int64) {
	return int64(st.Mtimespec.Sec), int64(st.Mtimespec.Nsec)
}

// onNetwork tells whether a directory is NFS or SMB.
func onNetwork(dir string) bool {
	var st syscall.Statfs_t
	if err := again(func() error { return syscall.Statfs(dir, &st) }); err != nil {
		return false
	}
	for _, name := range []string{"nfs", "smbfs"} {
		if fsType(st.Fstypename[:]) == name {
			return true
		}
	}
	return false
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
