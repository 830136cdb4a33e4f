package syslog_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/agent/relay/authd"
	"github.com/yagura-hids/yagura/agent/relay/syslog"
	"github.com/yagura-hids/yagura/internal/event"
)

func TestUDP(t *testing.T) {
	d := open(t, syslog.Options{Network: "udp", Now: func() time.Time { return at }}, nil)
	conn := d.dial()
	for _, text := range []string{"<34>Oct 11 22:14:15 r1 su: a\n", "\n", "", "<38>1 2026-11-25T01:30:00Z web1 sshd 71 - - b", "c\nd"} {
		d.send(conn, text)
	}
	d.want("Oct 11 22:14:15 r1 su: a", "2026-11-25T01:30:00.000000+00:00 web1 sshd[71]: b", "c d")
	if err := d.close(); err != nil {
		t.Error(err)
	}
	m := d.got[0]
	if m.From != netip.MustParseAddr("127.0.0.1") || m.Priority != 35 || !m.At.Equal(at) {
		t.Errorf("%+v", m)
	}
	if s := d.Stats(); s.Messages != 3 || s.Empty != 2 {
		t.Errorf("%+v", s)
	}
}

func TestTCP(t *testing.T) {
	d := open(t, syslog.Options{Network: "tcp"}, nil)
	conn := d.dial()
	d.send(conn, "<34>Oct 11 22:14:15 r1 su: a\r\n\n"+counted("<13>b\nc")+"<13>"+long+"\n"+counted("<13>d\n")+"the end")
	conn.Close()
	d.want("Oct 11 22:14:15 r1 su: a", "b c", long[:event.MaxText], "d", "the end")
	d.until("counts", func() bool {
		s := d.Stats()
		return s.Messages == 5 && s.Cut == 1 && s.Empty == 1 && s.Connections == 0
	})
}

// Both families come in at one address, and IPv4 is told as such.
func TestBothFamilies(t *testing.T) {
	for _, network := range []string{"udp", "tcp"} {
		d := open(t, syslog.Options{Network: network, Address: "[::]:0"}, nil)
		_, port, _ := net.SplitHostPort(d.Addr().String())
		for i, host := range []string{"127.0.0.1", "::1"} {
			conn, err := net.Dial(network, net.JoinHostPort(host, port))
			if err != nil {
				t.Fatal(err)
			}
			d.send(conn, "hello\n")
			conn.Close()
			d.until("a message from "+host, func() bool { return len(d.got) == i+1 && d.got[i].From.String() == host })
		}
	}
}

func TestListenRefuses(t *testing.T) {
	for want, o := range map[string]syslog.Options{
		"no network may send": {Network: "udp", Address: "127.0.0.1:0"},
		"want udp or tcp":     {Network: "quic", Address: "127.0.0.1:0", Allowed: everybody},
		"udp has no TLS":      {Network: "udp", Address: "127.0.0.1:0", Allowed: everybody, TLS: new(tls.Config)},
		"listen tcp":          {Network: "tcp", Address: "192.0.2.1:0", Allowed: everybody},
		"listen udp":          {Network: "udp", Address: "192.0.2.1:0", Allowed: everybody},
	} {
		if _, err := syslog.Listen(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// Who may not send gets no answer, one line and a count. What is denied is denied though it is allowed.
func TestRefused(t *testing.T) {
	home := []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	for name, tt := range map[string]struct {
		o    syslog.Options
		want string
	}{
		"not allowed": {syslog.Options{Allowed: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}, "127.0.0.1 was refused: it is in no <allowed-ips>"},
		"denied":      {syslog.Options{Denied: home}, "127.0.0.1 was refused: it is in <denied-ips>"},
	} {
		t.Run(name, func(t *testing.T) {
			tt.o.Network = "udp"
			d := open(t, tt.o, nil)
			conn := d.dial()
			for range 3 {
				d.send(conn, "hello")
			}
			d.until("counts", func() bool { return d.Stats().Refused == 3 })
			tt.o.Network = "tcp"
			d2 := open(t, tt.o, nil)
			conn = d2.dial()
			d2.ended(conn)
			if err := errors.Join(d.close(), d2.close()); err != nil {
				t.Error(err)
			}
			for _, d := range []*door{d, d2} {
				lines := slices.DeleteFunc(slices.Clone(d.lines), func(s string) bool { return strings.Contains(s, "rmem_max") })
				if len(d.got) > 0 || len(lines) != 1 || !strings.Contains(lines[0], tt.want) {
					t.Errorf("messages %v, lines %q", d.got, lines)
				}
			}
		})
	}
}

// While Take waits, a connection is read no further than the queue holds; nothing is lost, and nothing changes its place.
func TestBackPressure(t *testing.T) {
	d := open(t, syslog.Options{Network: "tcp"}, func(d *door) { d.hold = make(chan struct{}) })
	conn := d.dial()
	const n = 5 * syslog.MaxQueued
	sent := make(chan error)
	go func() {
		var err error
		for i := 0; i < n && err == nil; i++ {
			_, err = fmt.Fprintf(conn, "<13>%d%s\n", i, strings.Repeat(" ", 1000))
		}
		sent <- err
	}()
	d.until("a full queue", func() bool { return d.Waiting() == syslog.MaxQueued })
	select {
	case <-sent:
		t.Fatal("all was read though nothing was taken")
	default:
	}
	close(d.hold)
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	d.until("all", func() bool { return len(d.got) == n })
	for i, m := range d.got {
		if got := strings.TrimRight(m.Text, " "); got != fmt.Sprint(i) {
			t.Fatalf("%d: %s", i, got)
		}
	}
	if d.batches > n/4 {
		t.Errorf("%d batches", d.batches)
	}
}

// The end comes though Take waits, and readers for it.
func TestEndWithAFullQueue(t *testing.T) {
	for _, network := range []string{"udp", "tcp"} {
		d := open(t, syslog.Options{Network: network}, func(d *door) { d.hold = make(chan struct{}) })
		conn := d.dial()
		d.until("a full queue", func() bool {
			conn.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
			for range 100 {
				io.WriteString(conn, "hello\n")
			}
			return d.Waiting() >= syslog.MaxQueued
		})
		d.end()
		d.until("another Take", func() bool { return d.asked == 2 })
		close(d.hold)
		if err := d.close(); err != nil {
			t.Error(err)
		}
		if len(d.got) < syslog.MaxQueued {
			t.Errorf("%s: %d messages", network, len(d.got))
		}
	}
}

// What was read before the end is still given.
func TestEndGivesWhatWasRead(t *testing.T) {
	for _, network := range []string{"udp", "tcp"} {
		d := open(t, syslog.Options{Network: network}, func(d *door) { d.hold = make(chan struct{}) })
		conn := d.dial()
		d.send(conn, "0\n")
		d.until("Take", func() bool { return d.asked == 1 })
		d.send(conn, "1\n")
		d.send(conn, "2\n")
		d.until("reading", func() bool { return d.Waiting() == 2 })
		d.end()
		close(d.hold)
		if err := d.close(); err != nil {
			t.Error(err)
		}
		d.want("0", "1", "2")
	}
}

// If Take can't keep messages, Serve ends, and tells what is lost.
func TestTakeFails(t *testing.T) {
	broken := errors.New("the disk is broken")
	d := open(t, syslog.Options{Network: "udp"}, func(d *door) { d.fail = broken })
	d.send(d.dial(), "a")
	select {
	case err := <-d.done:
		if !errors.Is(err, broken) {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("Serve goes on")
	}
	if last := d.lines[len(d.lines)-1]; !strings.Contains(last, "1 messages that had been read are lost: take syslog: the disk is broken") {
		t.Error(last)
	}
}

func TestTLS(t *testing.T) {
	cert, _, err := authd.Certificate(t.TempDir(), []string{"relay.example.org"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	o := syslog.Options{Network: "tcp", TLS: &tls.Config{Certificates: []tls.Certificate{cert}}}
	d := open(t, o, nil)
	d.send(d.dial(), "<13>in plain text\n")
	conn := tls.Client(d.dial(), &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // the test's own
	d.send(conn, counted("<13>a")+"<13>b\n")
	conn.Close()
	d.want("a", "b")
	d.until("counts", func() bool { s := d.Stats(); return s.Handshakes == 1 && s.Connections == 0 })
	d = open(t, o, func(d *door) { d.Hurry(time.Minute, time.Minute, 20*time.Millisecond) })
	d.ended(d.dial())
	d.until("counts", func() bool { s := d.Stats(); return s.Handshakes == 1 && s.Connections == 0 })
}

// A message must come whole in its time, however it trickles; before one there is more of it.
func TestSlowConnections(t *testing.T) {
	d := open(t, syslog.Options{Network: "tcp"}, func(d *door) { d.Hurry(time.Hour, 50*time.Millisecond, time.Hour) })
	trickling, quiet := d.dial(), d.dial()
	stop := make(chan struct{})
	go func() {
		for {
			if _, err := io.WriteString(trickling, "x"); err != nil {
				close(stop)
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	select {
	case <-stop:
	case <-time.After(20 * time.Second):
		t.Fatal("a trickling message is waited for")
	}
	d.until("cut", func() bool { return len(d.got) == 1 && d.got[0].Cut && d.Stats().Slow == 1 })
	d.send(quiet, "hello\n")
	d.until("hello", func() bool { return len(d.got) == 2 })
}

func TestIdleConnections(t *testing.T) {
	d := open(t, syslog.Options{Network: "tcp"}, func(d *door) { d.Hurry(20*time.Millisecond, time.Hour, time.Hour) })
	d.ended(d.dial())
	d.until("counts", func() bool { s := d.Stats(); return s.Slow == 1 && s.Connections == 0 })
}

func TestCrowd(t *testing.T) {
	d := open(t, syslog.Options{Network: "tcp"}, nil)
	for range 64 {
		d.dial()
	}
	d.until("connections", func() bool { return d.Stats().Connections == 64 })
	d.ended(d.dial())
	if err := d.close(); err != nil {
		t.Error(err)
	}
	if s := d.Stats(); s.Crowded != 1 || s.Connections != 0 || !strings.Contains(d.lines[0], "a connection from 127.0.0.1 was refused: 64 are open, and may be 1024, from one source 64") {
		t.Errorf("%+v %q", s, d.lines)
	}
}

// What the kernel had no room for is counted, and told.
func TestDropped(t *testing.T) {
	if runtime.GOOS != "linux" {
		return
	}
	d := open(t, syslog.Options{Network: "udp"}, func(d *door) { d.hold = make(chan struct{}) })
	conn := d.dial()
	d.until("drops", func() bool {
		for range 100 {
			d.send(conn, long[:60_000])
		}
		return d.Stats().Dropped > 0
	})
	close(d.hold)
	d.until("a line", func() bool {
		d.send(conn, "x")
		return slices.ContainsFunc(d.lines, func(s string) bool { return strings.Contains(s, "the kernel had no room for") })
	})
}

// BenchmarkUDP sends from one socket, so many at a time as surely fit into the socket's buffer.
func BenchmarkUDP(b *testing.B) {
	d := open(b, syslog.Options{Network: "udp"}, nil)
	conn := d.dial()
	text := []byte("<38>Nov 25 01:30:00 web1 sshd[71]: Failed password for root from 198.51.100.7 port 22 ssh2")
	b.SetBytes(int64(len(text)))
	sent := uint64(0)
	for b.Loop() {
		conn.Write(text)
		if sent++; sent%1024 == 0 {
			for d.Stats().Messages+1024 < sent {
				time.Sleep(50 * time.Microsecond)
			}
		}
	}
	d.until("all", func() bool { d.got = nil; return d.Stats().Messages == sent })
}

func BenchmarkTCP(b *testing.B) {
	d := open(b, syslog.Options{Network: "tcp"}, nil)
	conn := d.dial()
	text := strings.Repeat("<38>Nov 25 01:30:00 web1 sshd[71]: Failed password for root from 198.51.100.7 port 22 ssh2\n", 100)
	b.SetBytes(int64(len(text)) / 100)
	sent := uint64(0)
	for b.Loop() {
		if sent%100 == 0 {
			d.send(conn, text)
		}
		sent++
	}
	sent = (sent + 99) / 100 * 100
	d.until("all", func() bool { d.got = nil; return d.Stats().Messages == sent })
}
