package socket

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"syscall"
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

// atOnce is how many datagrams one call of the system takes at most.
const atOnce = 64

// received is one datagram's place in such a call: recvmmsg(2)'s struct mmsghdr.
type received struct {
	header unix.Msghdr
	size   uint32
}

// buffers is the memory of such a call. Of the datagrams' own, only what they fill is ever touched.
type buffers struct {
	raw    syscall.RawConn
	got    [atOnce]received
	vector [atOnce]unix.Iovec
	names  [atOnce]unix.RawSockaddrInet6 // of IPv4, too, which is shorter
	via    [atOnce][128]byte
	data   []byte
}

func newBuffers(conn *net.UDPConn) (*buffers, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	b := &buffers{raw: raw, data: make([]byte, atOnce*maxDatagram)}
	for i := range b.got {
		b.vector[i].Base = &b.data[i*maxDatagram]
		b.vector[i].SetLen(maxDatagram)
		h := &b.got[i].header
		h.Iov, h.Name, h.Control = &b.vector[i], (*byte)(unsafe.Pointer(&b.names[i])), &b.via[i][0]
		h.SetIovlen(1)
	}
	return b, nil
}

func (u *UDP) read(most int, take func(data []byte, from netip.AddrPort, via []byte)) error {
	b := u.buffers
	var n int
	var failed unix.Errno
	err := b.raw.Read(func(fd uintptr) bool {
		n, failed = b.receive(fd, min(most, atOnce))
		return failed != unix.EAGAIN
	})
	if err != nil {
		return err
	}
	if failed != 0 { // EINTR, or an ICMP message about something that was sent
		return failed
	}
	for i := range n {
		h := &b.got[i].header
		take(b.data[i*maxDatagram:][:b.got[i].size], source(&b.names[i]), b.via[i][:h.Controllen])
	}
	return nil
}

func (b *buffers) receive(fd uintptr, most int) (n int, failed unix.Errno) {
	for i := range most {
		h := &b.got[i].header
		h.Namelen = uint32(unsafe.Sizeof(b.names[i]))
		h.SetControllen(len(b.via[i]))
	}
	got, _, failed := unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&b.got)), uintptr(most), unix.MSG_DONTWAIT, 0, 0)
	return int(got), failed
}

// source returns a sender's address.
func source(name *unix.RawSockaddrInet6) netip.AddrPort {
	port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&name.Port))[:])
	if name.Family == unix.AF_INET {
		return netip.AddrPortFrom(netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(name)).Addr), port)
	}
	return netip.AddrPortFrom(netip.AddrFrom16(name.Addr), port)
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
