package syslog

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"

	"github.com/yagura-hids/yagura/agent/relay/limit"
)

// accept takes in connections until ctx ends, and returns when all are closed.
func (l *Listener) accept(ctx context.Context) error {
	trouble := func(err error) {
		l.troubleLine.Tell(l.o.Now(), l.o.Report, "syslog %s: accept: %v", l.where(), err)
	}
	err := limit.Accept(ctx, l.tcp, trouble, l.welcome, func(conn net.Conn, from netip.Addr) {
		defer l.conns.Leave(from)
		l.converse(ctx, conn, from)
	})
	if err != nil {
		return fmt.Errorf("syslog %s: %w", l.where(), err)
	}
	return nil
}

// welcome tells whether a connection is taken, and counts it if so.
func (l *Listener) welcome(from netip.Addr) bool {
	if !l.admits(from) {
		return false
	}
	if l.conns.Enter(from) {
		return true
	}
	l.crowded.Add(1)
	l.crowdedLine.Tell(l.o.Now(), l.o.Report, "syslog %s: a connection from %s was refused: %d are open, and may be %d, from one source %d",
		l.where(), from, l.conns.Open(), l.conns.Most, l.conns.PerSource)
	return false
}

// converse reads a connection to its end.
func (l *Listener) converse(ctx context.Context, conn net.Conn, from netip.Addr) {
	secure, err := l.shake(ctx, conn)
	if err != nil {
		l.handshakes.Add(1)
		if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) { // a load balancer that asks whether we live
			return
		}
		l.handshakeLine.Tell(l.o.Now(), l.o.Report, "syslog %s: TLS with %s: %v", l.where(), from, err)
		return
	}
	p := &patient{Conn: secure, limits: l.limits}
	for f := newFrames(p, p.frame); ; {
		text, cut, err := f.next()
		if len(text) > 0 || err == nil {
			l.push(from, text, cut)
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			l.slow.Add(1)
		}
		if err != nil {
			return
		}
	}
}

// shake returns the connection, secured where that is asked for.
func (l *Listener) shake(ctx context.Context, conn net.Conn) (net.Conn, error) {
	if l.o.TLS == nil {
		return conn, nil
	}
	ctx, cancel := context.WithTimeout(ctx, l.limits.shake)
	defer cancel()
	secure := tls.Server(conn, l.o.TLS)
	return secure, secure.HandshakeContext(ctx)
}
