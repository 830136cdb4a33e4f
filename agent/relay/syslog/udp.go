package syslog

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/yagura-hids/yagura/agent/relay/limit"
)

// atOnce is how many datagrams are read before the clock is looked at.
const atOnce = 256

// readDatagrams queues datagrams until ctx ends.
func (l *Listener) readDatagrams(ctx context.Context) error {
	var dropped uint64
	var asked time.Time // of the kernel, for its count
	for {
		switch err := l.udp.Read(atOnce, l.datagram); {
		case errors.Is(err, net.ErrClosed):
			return unlessEnded(ctx, fmt.Errorf("read syslog: %w", err))
		case err != nil:
			l.troubleLine.Tell(l.o.Now(), l.o.Report, "syslog %s: read: %v", l.where(), err)
			limit.Wait(ctx, 100*time.Millisecond)
		}
		if now := l.o.Now(); now.Sub(asked) >= time.Second {
			asked, dropped = now, l.tellDropped(dropped)
		}
	}
}

// datagram queues one.
func (l *Listener) datagram(data []byte, from netip.AddrPort, _ []byte) {
	if source := plain(from.Addr()); l.admits(source) {
		l.push(source, data, false)
	}
}

// tellDropped reports that the kernel dropped more than it had when asked before.
func (l *Listener) tellDropped(before uint64) uint64 {
	now := l.udp.Dropped()
	if now > before {
		l.droppedLine.Tell(l.o.Now(), l.o.Report, "syslog %s: the kernel had no room for %d datagrams, which are lost: more come than are taken, or net.core.rmem_max is small",
			l.where(), now)
	}
	return now
}
