package socket

import (
	"errors"
	"net"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// setUp asks for a receive buffer, beyond what the system allows to all if we may, and to be told which address a datagram came to. It returns
// the buffer that was given, in bytes.
func setUp(conn *net.UDPConn, bytes int) (got int, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var inner error
	err = raw.Control(func(fd uintptr) {
		s := int(fd)
		if unix.SetsockoptInt(s, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, bytes) != nil {
			inner = unix.SetsockoptInt(s, unix.SOL_SOCKET, unix.SO_RCVBUF, bytes)
		}
		if inner == nil {
			got, inner = unix.GetsockoptInt(s, unix.SOL_SOCKET, unix.SO_RCVBUF)
		}
		if inner == nil {
			inner = tellAddress(s)
		}
	})
	return got / 2, errors.Join(err, inner) // the kernel counts its own structures, too
}

// tellAddress makes the kernel tell which address a datagram came to. A socket of both IPs tells it of IPv4 as of IPv6.
func tellAddress(s int) error {
	domain, err := unix.GetsockoptInt(s, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return err
	}
	if domain == unix.AF_INET6 {
		return unix.SetsockoptInt(s, unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
	}
	return unix.SetsockoptInt(s, unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
}

func (u *UDP) read(most int, take func(data []byte, from netip.AddrPort, via []byte)) error {
	raw, err := u.conn.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	err = raw.Read(func(fd uintptr) bool {
		for n := 0; n < most; n++ {
			size, oob, _, from, err := unix.Recvmsg(int(fd), u.buf, u.oob, unix.MSG_DONTWAIT)
			switch {
			case errors.Is(err, unix.EAGAIN):
				return n > 0
			case errors.Is(err, unix.EINTR):
				n--
				continue
			case err != nil: // an ICMP message about something that was sent
				inner = err
				return true
			}
			take(u.buf[:size], source(from), u.oob[:oob])
		}
		return true
	})
	return errors.Join(err, inner)
}

func source(from unix.Sockaddr) netip.AddrPort {
	switch a := from.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port))
	}
	return netip.AddrPort{}
}

func dropped(conn *net.UDPConn) uint64 {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0
	}
	var info [unix.SK_MEMINFO_VARS]uint32
	size := uint32(unsafe.Sizeof(info))
	_ = raw.Control(func(fd uintptr) { // a closed socket has none
		_, _, _ = unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO,
			uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	})
	return uint64(info[unix.SK_MEMINFO_DROPS])
}
