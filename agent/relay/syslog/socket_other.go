//go:build !linux

package syslog

import "net"

// setBuffer asks for a receive buffer. What was given isn't known: 0.
func setBuffer(conn *net.UDPConn, bytes int) (got int, err error) {
	return 0, conn.SetReadBuffer(bytes)
}

func socketDrops(*net.UDPConn) uint64 { return 0 }
