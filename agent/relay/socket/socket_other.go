//go:build !linux

package socket

import (
	"net"
	"net/netip"
)

type buffers struct{ data []byte }

func newBuffers(*net.UDPConn) (*buffers, error) { return &buffers{make([]byte, maxDatagram)}, nil }

func setUp(conn *net.UDPConn, bytes int) (got int, err error) { return 0, conn.SetReadBuffer(bytes) }

func (u *UDP) read(_ int, take func(data []byte, from netip.AddrPort, via []byte)) error {
	n, from, err := u.conn.ReadFromUDPAddrPort(u.buffers.data)
	if err == nil {
		take(u.buffers.data[:n], from, nil)
	}
	return err
}

func dropped(*net.UDPConn) uint64 { return 0 }
