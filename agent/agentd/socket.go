package agentd

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/yagura-hids/yagura/internal/syscheck"
)

// ErrNotRunning is returned by Ask if no agent listens there.
var ErrNotRunning = errors.New("the agent is not running")

const askTimeout = 5 * time.Second

// The words that may be said to an agent's socket, each in a line.
const (
	wordStatus = "status" // the answer is a Status
	wordResend = "resend" // and a blank, and which buckets; the answer is an answer

	maxSaid = 2048
)

// answer is what an agent says to what is done for an asker.
type answer struct {
	Error string `json:"error,omitempty"`
}

// Serve answers those who connect to the socket at path and say a word, with one JSON object, until ctx ends. Only one agent has the spool
// open, so a socket that is there is a dead one's.
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
	var wait sync.WaitGroup
	defer wait.Wait()
	for {
		conn, err := l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("socket %s: %w", path, err)
		}
		wait.Go(func() { a.answer(ctx, conn) })
	}
}

// answer tells one asker. That he is gone is no trouble of the agent's.
func (a *Agent) answer(ctx context.Context, conn net.Conn) {
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(a.opts.Now().Add(askTimeout))
	word, err := bufio.NewReader(io.LimitReader(conn, maxSaid)).ReadString('\n')
	if err != nil {
		return
	}
	var out any = answer{Error: "unknown word"}
	word, rest, _ := strings.Cut(strings.TrimSuffix(word, "\n"), " ")
	switch word {
	case wordStatus:
		out = a.Status()
	case wordResend:
		out = answer{}
		buckets, err := syscheck.ParseBuckets(rest)
		if err == nil {
			err = a.Resend(ctx, buckets)
		}
		if err != nil {
			out = answer{Error: err.Error()}
		}
		_ = conn.SetDeadline(a.opts.Now().Add(askTimeout))
	}
	_ = json.NewEncoder(conn).Encode(out)
}

// Resend tells again what is known of all files in these buckets, of all files if there are none, and returns when that is in the spool.
func (a *Agent) Resend(ctx context.Context, buckets []int) error {
	a.mu.Lock()
	s := a.syscheck
	a.mu.Unlock()
	if s == nil {
		return errors.New("no file is watched")
	}
	return s.Resend(ctx, buckets)
}

// Ask returns the status of the agent that listens at path.
func Ask(ctx context.Context, path string) (Status, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var s Status
	err := say(ctx, path, wordStatus, &s)
	return s, err
}

// AskResend has the agent that listens at path do what Resend does.
func AskResend(ctx context.Context, path string, buckets []int) error {
	var out answer
	if err := say(ctx, path, wordResend+" "+syscheck.FormatBuckets(buckets), &out); err != nil {
		return err
	}
	if out.Error != "" {
		return fmt.Errorf("the agent: %s", out.Error)
	}
	return nil
}

// say says a word to the agent that listens at path, and reads its answer until ctx ends.
func say(ctx context.Context, path, word string, into any) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%s: %w", path, ErrNotRunning)
	case err != nil:
		return fmt.Errorf("ask the agent: %w", err)
	}
	defer func() { _ = conn.Close() }()                         // it was only read
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })() // which ends the read
	if _, err := fmt.Fprintln(conn, word); err != nil {
		return fmt.Errorf("ask the agent: %w", err)
	}
	text, err := io.ReadAll(conn)
	if err != nil {
		return fmt.Errorf("ask the agent: %w", errors.Join(ctx.Err(), err))
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("the agent's answer: %w", err)
	}
	return nil
}
