//go:build !linux

package socket

import (
	"net"
	"net/netip"
)

func setUp(conn *net.UDPConn, bytes int) (got int, err error) { return 0, conn.SetReadBuffer(bytes) }

func (u *UDP) read(_ int, take func(data []byte, from netip.AddrPort, via []byte)) error {
	n, from, err := u.conn.ReadFromUDPAddrPort(u.buf)
	if err == nil {
		take(u.buf[:n], from, nil)
	}
	return err
}

func dropped(*net.UDPConn) uint64 { return 0 }
