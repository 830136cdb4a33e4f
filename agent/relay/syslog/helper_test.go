package syslog_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/agent/relay/syslog"
)

var everybody = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}

// door is a listener at work.
type door struct {
	*syslog.Listener
	t    testing.TB
	end  context.CancelFunc
	done chan error

	mu      sync.Mutex
	got     []syslog.Message
	asked   int // how often Take was called
	batches int // and kept what it was given
	lines   []string
	hold    chan struct{} // Take waits for it, if it isn't nil
	fail    error         // what Take returns
}

func open(t testing.TB, o syslog.Options, change func(*door)) *door {
	t.Helper()
	d := &door{t: t, done: make(chan error, 1)}
	if o.Address == "" {
		o.Address = "127.0.0.1:0"
	}
	if o.Allowed == nil {
		o.Allowed = everybody
	}
	o.Take = d.take
	o.Report = func(line string) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.lines = append(d.lines, line)
	}
	l, err := syslog.Listen(o)
	if err != nil {
		t.Fatal(err)
	}
	d.Listener = l
	if change != nil {
		change(d)
	}
	ctx, end := context.WithCancel(t.Context())
	d.end = end
	go func() { d.done <- l.Serve(ctx) }()
	t.Cleanup(func() { end() })
	return d
}

func (d *door) take(ctx context.Context, batch []syslog.Message) error {
	d.mu.Lock()
	d.asked++
	d.mu.Unlock()
	if d.hold != nil {
		select {
		case <-d.hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.got = append(d.got, batch...)
	d.batches++
	return d.fail
}

// close ends the listener and returns what Serve returned.
func (d *door) close() error {
	d.end()
	select {
	case err := <-d.done:
		return err
	case <-time.After(20 * time.Second):
		d.t.Fatal("Serve doesn't end")
		return nil
	}
}

// until polls for a condition.
func (d *door) until(what string, is func() bool) {
	d.t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Microsecond) {
		d.mu.Lock()
		ok := is()
		d.mu.Unlock()
		if ok {
			return
		}
		if time.Now().After(end) {
			d.t.Fatalf("%s: it doesn't happen; %d messages, lines %q, %+v", what, len(d.got), d.lines, d.Stats())
		}
	}
}

func (d *door) want(texts ...string) {
	d.t.Helper()
	d.until("messages", func() bool { return len(d.got) >= len(texts) })
	d.mu.Lock()
	defer d.mu.Unlock()
	var got []string
	for _, m := range d.got {
		got = append(got, m.Text)
	}
	if !slices.Equal(got, texts) {
		d.t.Errorf("got %.300q, want %.300q", got, texts)
	}
}

func (d *door) dial() net.Conn {
	d.t.Helper()
	conn, err := net.Dial(d.Addr().Network(), d.Addr().String())
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { conn.Close() })
	return conn
}

func (d *door) send(conn net.Conn, text string) {
	d.t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		d.t.Fatal(err)
	}
}

// ended waits until the other end has closed a connection.
func (d *door) ended(conn net.Conn) {
	d.t.Helper()
	conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	var e net.Error
	if n, err := conn.Read(make([]byte, 1)); n > 0 || err == nil || errors.As(err, &e) && e.Timeout() {
		d.t.Fatalf("the connection is not closed: %d bytes, %v", n, err)
	}
}
