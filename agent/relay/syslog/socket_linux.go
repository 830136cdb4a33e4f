package syslog

import (
	"net"
	"unsafe"

	"golang.org/x/sys/unix"
)

// setBuffer asks for a receive buffer, beyond what the system allows to all if we are root, and returns what was given.
func setBuffer(conn *net.UDPConn, bytes int) (got int, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var inner error
	err = raw.Control(func(fd uintptr) {
		if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, bytes) != nil {
			inner = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, bytes)
		}
		if inner == nil {
			got, inner = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF)
		}
	})
	if err == nil {
		err = inner
	}
	return got / 2, err // the kernel counts its own structures, too
}

// Of the numbers that SO_MEMINFO gives.
const (
	memInfo      = 9 // so many there are
	memInfoDrops = 8
)

// socketDrops returns the kernel's count of datagrams that the socket's buffer had no room for; 0 if it doesn't tell.
func socketDrops(conn *net.UDPConn) uint64 {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0
	}
	var info [memInfo]uint32
	size := uint32(unsafe.Sizeof(info))
	_ = raw.Control(func(fd uintptr) { // a closed socket has none
		_, _, _ = unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO,
			uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	})
	return uint64(info[memInfoDrops])
}
