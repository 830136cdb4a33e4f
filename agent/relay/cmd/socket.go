package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"
)

// errNotRunning is returned by askStatus if no relay listens there.
var errNotRunning = errors.New("the relay is not running")

const askTimeout = 5 * time.Second

// serveStatus answers HTTP on the socket at path with what status returns, as JSON, until ctx ends. Only one relay has the spool open, so a
// socket that is there is a dead one's.
func serveStatus(ctx context.Context, path string, status func() any) error {
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
	server := &http.Server{
		ReadHeaderTimeout: askTimeout, WriteTimeout: askTimeout,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_ = json.NewEncoder(w).Encode(status()) // that he who asks is gone is no trouble of the relay's
		}),
	}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("socket %s: %w", path, err)
	}
	return nil
}

// askStatus reads the status of the relay that listens at path.
func askStatus(ctx context.Context, path string, into any) error {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}
	client := http.Client{Timeout: askTimeout, Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://relay/", nil)
	if err != nil {
		return err
	}
	answer, err := client.Do(req)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%s: %w", path, errNotRunning)
	case err != nil:
		return fmt.Errorf("ask the relay: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	if err := json.NewDecoder(answer.Body).Decode(into); err != nil {
		return fmt.Errorf("the relay's answer: %w", err)
	}
	return nil
}
