package syscheck

import "syscall"

// noAtime leaves the time of the last access as it is.
const noAtime = syscall.O_NOATIME

func mtime(st *syscall.Stat_t) (sec, nsec int64) { return int64(st.Mtim.Sec), int64(st.Mtim.Nsec) }

// Types of file systems that come over the network, as statfs(2) tells them.
const (
	nfsType  = 0x6969
	cifsType = 0xff534d42
	smb2Type = 0xfe534d42
	smbType  = 0x517b
)

// onNetwork tells whether a directory is NFS or CIFS.
func onNetwork(dir string) bool {
	var st syscall.Statfs_t
	if err := again(func() error { return syscall.Statfs(dir, &st) }); err != nil {
		return false
	}
	switch uint32(st.Type) {
	case nfsType, cifsType, smb2Type, smbType:
		return true
	}
	return false
}
