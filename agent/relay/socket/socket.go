// Package socket is the UDP socket that datagrams of many hosts come in by: read as many at a time as there are, answered from the address that
// they were sent to, with a large buffer, and with the kernel's count of what that had no room for.
package socket

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// WantBuffer is how much the kernel is asked to keep of what comes while nobody reads: at 50,000 datagrams/s of 200 bytes, some 0.5 s.
const WantBuffer = 32 << 20

const maxDatagram = 1<<16 - 1

// UDP is an open socket. Write may be called by several goroutines, Read by one.
type UDP struct {
	conn    *net.UDPConn
	got     int // bytes of buffer
	buffers *buffers
}

// Listen opens a socket at HOST:PORT; without a host, at all addresses of both IPs.
func Listen(address string) (*UDP, error) {
	at, err := net.ResolveUDPAddr("udp", address)
	if err != nil {
		return nil, err
	}
	conn, err := net.ListenUDP("udp", at)
	if err != nil {
		return nil, err
	}
	u := &UDP{conn: conn}
	u.got, err = setUp(conn, WantBuffer)
	if err == nil {
		u.buffers, err = newBuffers(conn)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("set up %s: %w", conn.LocalAddr(), err), conn.Close())
	}
	return u, nil
}

// Advice says what to do if the kernel gave a smaller buffer than was wanted; "" if it didn't.
func (u *UDP) Advice() string {
	if u.got == 0 || u.got >= WantBuffer {
		return ""
	}
	return fmt.Sprintf("%s: the kernel keeps %d KiB of what comes while nobody reads, and a burst may need more: sysctl -w net.core.rmem_max=%d", u.conn.LocalAddr(), u.got>>10, WantBuffer)
}

// Read waits for a datagram, and gives it and up to most-1 others that are there to take, in their order. What take is given is good until it
// returns. via is how an answer leaves by Write. The error is net.ErrClosed after Close; others concern no one datagram and may be passed over.
func (u *UDP) Read(most int, take func(data []byte, from netip.AddrPort, via []byte)) error {
	return u.read(most, take)
}

// Write sends a datagram, from the address that the one with this via came to.
func (u *UDP) Write(data []byte, to netip.AddrPort, via []byte) error {
	if u.conn.LocalAddr().(*net.UDPAddr).IP.To4() == nil && to.Addr().Is4() {
		to = netip.AddrPortFrom(netip.AddrFrom16(to.Addr().As16()), to.Port())
	}
	_, _, err := u.conn.WriteMsgUDPAddrPort(data, via, to)
	return err
}

// LocalAddr returns where it listens.
func (u *UDP) LocalAddr() net.Addr { return u.conn.LocalAddr() }

// Dropped returns the kernel's count of datagrams that its buffer had no room for; 0 where it doesn't tell.
func (u *UDP) Dropped() uint64 { return dropped(u.conn) }

// Close ends Read.
func (u *UDP) Close() error { return u.conn.Close() }
