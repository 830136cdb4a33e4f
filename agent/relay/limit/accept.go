package limit

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Accept gives each connection that enter lets in to handle, in a goroutine of its own, and closes it then. It ends with ctx, which closes the
// listener and all connections, and returns when all have been handled. trouble is told what keeps connections from being accepted for a
// while, as when the process has no more files.
func Accept(ctx context.Context, l net.Listener, trouble func(error), enter func(from netip.Addr) bool, handle func(conn net.Conn, from netip.Addr)) error {
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	var wait sync.WaitGroup
	defer wait.Wait()
	for {
		conn, err := l.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				_ = conn.Close()
			}
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("accept: %w", err)
		case err != nil:
			trouble(err)
			Wait(ctx, 100*time.Millisecond)
			continue
		}
		from := conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap().WithZone("")
		if !enter(from) {
			_ = conn.Close()
			continue
		}
		wait.Go(func() {
			defer func() { _ = conn.Close() }()
			defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
			handle(conn, from)
		})
	}
}

// Wait waits for d, or for ctx's end.
func Wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
