package syslog

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/yagura-hids/yagura/agent/relay/limit"
)

// wantBuffer is how much of what comes while nobody reads the kernel is asked to keep.
const wantBuffer = 8 << 20

// enlarge asks for a large buffer, and tells if it is not given.
func (l *Listener) enlarge() {
	got, err := setBuffer(l.udp, wantBuffer)
	switch {
	case err != nil:
		l.o.Report(fmt.Sprintf("syslog %s: socket buffer: %v", l.where(), err))
	case got > 0 && got < wantBuffer:
		l.o.Report(fmt.Sprintf("syslog %s: the kernel keeps %d KiB of what comes while nobody reads, and more would be lost: sysctl -w net.core.rmem_max=%d lets it keep %d KiB",
			l.where(), got>>10, wantBuffer, wantBuffer>>10))
	}
}

// readDatagrams queues datagrams until ctx ends.
func (l *Listener) readDatagrams(ctx context.Context) error {
	buf := make([]byte, 1<<16)
	var dropped uint64
	var asked time.Time // of the kernel, for its count
	for {
		n, from, err := l.udp.ReadFromUDPAddrPort(buf)
		switch {
		case errors.Is(err, net.ErrClosed):
			return unlessEnded(ctx, fmt.Errorf("read syslog: %w", err))
		case err != nil:
			l.troubleLine.Tell(l.o.Now(), l.o.Report, "syslog %s: read: %v", l.where(), err)
			limit.Wait(ctx, 100*time.Millisecond)
			continue
		}
		if source := plain(from.Addr()); l.admits(source) {
			l.push(source, buf[:n], false)
		}
		if now := l.o.Now(); now.Sub(asked) >= time.Second {
			asked, dropped = now, l.tellDropped(dropped)
		}
	}
}

// tellDropped reports that the kernel dropped more than it had when asked before.
func (l *Listener) tellDropped(before uint64) uint64 {
	now := l.dropped()
	if now > before {
		l.droppedLine.Tell(l.o.Now(), l.o.Report, "syslog %s: the kernel had no room for %d datagrams, which are lost: more come than are taken, or net.core.rmem_max is small",
			l.where(), now)
	}
	return now
}

// dropped returns how many datagrams the kernel had no room for, where it tells.
func (l *Listener) dropped() uint64 {
	if l.udp == nil {
		return 0
	}
	return socketDrops(l.udp)
}
