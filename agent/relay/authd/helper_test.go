package authd_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"time"

	bbolt "go.etcd.io/bbolt"

	"github.com/yagura-hids/yagura/agent/relay/authd"
	"github.com/yagura-hids/yagura/internal/fleet"
	"github.com/yagura-hids/yagura/internal/table/bolt"
)

// certificate is made once: RSA takes its time.
var certificate = sync.OnceValues(func() (tls.Certificate, error) {
	dir, err := os.MkdirTemp("", "authd")
	if err != nil {
		return tls.Certificate{}, err
	}
	defer os.RemoveAll(dir)
	cert, _, err := authd.Certificate(dir, []string{"relay.example.org", "127.0.0.1"}, time.Now())
	return cert, err
})

// office is a server at work.
type office struct {
	*authd.Server
	t     *testing.T
	store *fleet.Store
	end   context.CancelFunc
	done  chan error

	mu    sync.Mutex
	lines []string
}

func open(t *testing.T, o authd.Options, change func(*office)) *office {
	t.Helper()
	db, err := bbolt.Open(filepath.Join(t.TempDir(), "fleet.db"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	of := &office{t: t, store: fleet.New(bolt.New(db), fleet.Options{}), done: make(chan error, 1)}
	if o.Cert, err = certificate(); err != nil {
		t.Fatal(err)
	}
	o.Address = "127.0.0.1:0"
	if o.Enrol == nil {
		o.Enrol = of.store.Enrol
	}
	o.Report = func(line string) {
		of.mu.Lock()
		defer of.mu.Unlock()
		of.lines = append(of.lines, line)
	}
	if of.Server, err = authd.Listen(o); err != nil {
		t.Fatal(err)
	}
	of.Bound(1000, 1000, 20*time.Second, time.Millisecond)
	if change != nil {
		change(of)
	}
	ctx, end := context.WithCancel(t.Context())
	of.end = end
	go func() { of.done <- of.Serve(ctx) }()
	t.Cleanup(end)
	return of
}

// close ends the server.
func (of *office) close() {
	of.t.Helper()
	of.end()
	select {
	case err := <-of.done:
		if err != nil {
			of.t.Error(err)
		}
	case <-time.After(20 * time.Second):
		of.t.Fatal("Serve doesn't end")
	}
}

// until polls for a condition.
func (of *office) until(is func() bool) {
	of.t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			of.t.Fatalf("it doesn't happen: %+v", of.Stats())
		}
	}
}

func (of *office) dial(c *tls.Config) (*tls.Conn, error) {
	c.InsecureSkipVerify = c.RootCAs == nil
	d := tls.Dialer{Config: c, NetDialer: &net.Dialer{Timeout: 20 * time.Second}}
	conn, err := d.DialContext(of.t.Context(), "tcp", of.Addr().String())
	if err != nil {
		return nil, err
	}
	of.t.Cleanup(func() { conn.Close() })
	return conn.(*tls.Conn), conn.SetDeadline(time.Now().Add(20 * time.Second))
}

// tap remembers what kind the last record of TLS was that came through it, as long as each is read whole.
type tap struct {
	net.Conn
	rest, kind []byte
}

func (t *tap) Read(b []byte) (int, error) {
	n, err := t.Conn.Read(b)
	for t.rest = append(t.rest, b[:n]...); len(t.rest) >= 5; {
		end := 5 + int(t.rest[3])<<8 + int(t.rest[4])
		if len(t.rest) < end {
			break
		}
		t.kind, t.rest = t.rest[:1], t.rest[end:]
	}
	return n, err
}

const alert = 21 // a record's kind; in TLS 1.2 it can be seen

// ask sends a request and returns what comes, each record a text, and whether the connection was ended as TLS wants it, not just closed.
func (of *office) ask(request string) (records []string, ended bool) {
	of.t.Helper()
	raw, err := net.Dial("tcp", of.Addr().String())
	if err != nil {
		of.t.Fatal(err)
	}
	defer raw.Close()
	raw.SetDeadline(time.Now().Add(20 * time.Second))
	through := &tap{Conn: raw}
	conn := tls.Client(through, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}) //nolint:gosec // the test's own
	if _, err := io.WriteString(conn, request); err != nil {
		return nil, false
	}
	for buf := make([]byte, 4096); ; {
		n, err := conn.Read(buf)
		if n > 0 {
			records = append(records, string(buf[:n]))
		}
		if err != nil {
			return records, len(through.kind) > 0 && through.kind[0] == alert
		}
	}
}

// want asks and compares what comes with patterns. The answer to a host that gets a key is ended; all others break off, as OSSEC's do.
func (of *office) want(request string, pattern ...string) {
	of.t.Helper()
	records, ended := of.ask(request)
	ok := len(records) == len(pattern)
	for i := range min(len(records), len(pattern)) {
		ok = ok && regexp.MustCompile("^(?:"+pattern[i]+")$").MatchString(records[i])
	}
	if key := len(pattern) == 1; !ok || key != ended {
		of.t.Errorf("%q: got %q (ended: %v), want %q", request, records, ended, pattern)
	}
}
