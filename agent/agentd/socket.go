package agentd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"
)

// ErrNotRunning is returned by Ask if no agent listens there.
var ErrNotRunning = errors.New("the agent is not running")

const askTimeout = 5 * time.Second

// Serve answers everyone who connects to the socket at path with the agent's status, one JSON object, until ctx ends. Only one agent has the
// spool open, so a socket that is there is a dead one's.
func (a *Agent) Serve(ctx context.Context, path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove old socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return fmt.Errorf("listen on %s: %w; a socket's path may be about 100 bytes long", path, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return errors.Join(fmt.Errorf("protect socket: %w", err), l.Close())
	}
	defer context.AfterFunc(ctx, func() { _ = l.Close() })() // which ends Accept
	for {
		conn, err := l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("socket %s: %w", path, err)
		}
		a.answer(conn)
	}
}

// answer tells one asker. That he is gone is no trouble of the agent's.
func (a *Agent) answer(conn net.Conn) {
	_ = conn.SetDeadline(a.opts.Now().Add(askTimeout))
	_ = json.NewEncoder(conn).Encode(a.Status())
	_ = conn.Close()
}

// Ask returns the status of the agent that listens at path.
func Ask(ctx context.Context, path string) (Status, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return Status{}, fmt.Errorf("%s: %w", path, ErrNotRunning)
	case err != nil:
		return Status{}, fmt.Errorf("ask the agent: %w", err)
	}
	defer func() { _ = conn.Close() }() // it was only read
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return Status{}, fmt.Errorf("ask the agent: %w", err)
	}
	text, err := io.ReadAll(conn)
	if err != nil {
		return Status{}, fmt.Errorf("ask the agent: %w", err)
	}
	var s Status
	if err := json.Unmarshal(text, &s); err != nil {
		return Status{}, fmt.Errorf("the agent's answer: %w", err)
	}
	return s, nil
}
