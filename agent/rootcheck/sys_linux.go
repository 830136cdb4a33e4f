package rootcheck

import "golang.org/x/sys/unix"

// fileSystem tells of the file system on which a directory lies. Counts of links are relied on where they are known to be right: overlay,
// btrfs and network file systems have their own.
func fileSystem(dir string) fsKind {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return fsKind{}
	}
	switch uint32(st.Type) { // not of the same type on each architecture
	case unix.EXT4_SUPER_MAGIC, unix.TMPFS_MAGIC: // ext2 and ext3 have the same number
		return fsKind{links: true}
	case unix.PROC_SUPER_MAGIC, unix.SYSFS_MAGIC, unix.CGROUP_SUPER_MAGIC, unix.CGROUP2_SUPER_MAGIC, unix.SELINUX_MAGIC, unix.DEBUGFS_MAGIC,
		unix.TRACEFS_MAGIC, unix.SECURITYFS_MAGIC, unix.BPF_FS_MAGIC, unix.PSTOREFS_MAGIC, unix.EFIVARFS_MAGIC, unix.DEVPTS_SUPER_MAGIC:
		return fsKind{pseudo: true}
	case unix.NFS_SUPER_MAGIC, unix.SMB_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC, unix.AFS_SUPER_MAGIC, unix.CEPH_SUPER_MAGIC, unix.V9FS_MAGIC:
		return fsKind{remote: true}
	}
	return fsKind{}
}
