package authd_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/agent/relay/authd"
	"github.com/yagura-hids/yagura/internal/fleet"
	"github.com/yagura-hids/yagura/internal/wire"
)

const unable = "ERROR: Unable to add agent.\n\n"

func TestEnrol(t *testing.T) {
	of := open(t, authd.Options{Password: "secret"}, nil)
	of.want("OSSEC PASS: secret OSSEC A:'web1'\n", "OSSEC K:'1024 web1 any [0-9a-f]{64}'\n\n")
	of.want("OSSEC PASS: secret\n OSSEC A:'web2' G:'web'\n", "OSSEC K:'1025 web2 any [0-9a-f]{64}'\n\n")
	of.want("OSSEC PASS: secret OSSEC A:'web3' V:'v4.9.2' G:'web,test' IP:'src' K:'00'\n", "OSSEC K:'1026 web3 127.0.0.1 [0-9a-f]{64}'\n\n")
	of.want("OSSEC PASS: secret OSSEC A:'web4' IP:'127.0.0.1'\n", "OSSEC K:'1027 web4 127.0.0.1 [0-9a-f]{64}'\n\n")
	for name, group := range map[string]string{"web1": "", "web2": "web", "web3": "web"} {
		if k, err := of.store.Key(t.Context(), name); err != nil || k.Group != group || k.From.String() != "127.0.0.1" {
			t.Errorf("%s: %+v, %v", name, k, err)
		}
	}
	of.close()
	if s := of.Stats(); s != (authd.Stats{Enrolled: 4}) {
		t.Errorf("%+v", s)
	}
	if !slices.ContainsFunc(of.lines, func(s string) bool { return strings.Contains(s, "127.0.0.1 enrolled as web1 (1024)") }) {
		t.Errorf("%q", of.lines)
	}
}

// The host that asks again from the same address, and isn't at work, is the same one.
func TestEnrolAgain(t *testing.T) {
	of := open(t, authd.Options{NoPassword: true}, nil)
	first, _ := of.ask("OSSEC A:'web1'\n")
	again, _ := of.ask("OSSEC A:'web1'\n")
	if len(first) != 1 || len(again) != 1 || !strings.HasPrefix(again[0], "OSSEC K:'1024 web1 any ") || first[0] == again[0] {
		t.Errorf("%q, then %q", first, again)
	}
}

func TestUseSource(t *testing.T) {
	of := open(t, authd.Options{NoPassword: true, UseSource: true}, nil)
	of.want("OSSEC A:'web1'\n", "OSSEC K:'1024 web1 127.0.0.1 [0-9a-f]{64}'\n\n")
	of.want("OSSEC PASS: needless OSSEC A:'web2' IP:'any'\n", "OSSEC K:'1025 web2 any [0-9a-f]{64}'\n\n")
}

// A network is never told as a key's address: agents refuse it.
func TestNoNetworkInReply(t *testing.T) {
	line, err := wire.ParseKey("007 web 192.0.2.0/24 " + strings.Repeat("0a", 32))
	if err != nil {
		t.Fatal(err)
	}
	key := fleet.Key{Key: line}
	of := open(t, authd.Options{NoPassword: true, Enrol: func(context.Context, fleet.Request) (fleet.Key, error) { return key, nil }}, nil)
	of.want("OSSEC A:'web'\n", "OSSEC K:'007 web any (0a){32}'\n\n")
}

func TestErrors(t *testing.T) {
	fail := fleet.ErrExists
	of := open(t, authd.Options{NoPassword: true, Enrol: func(context.Context, fleet.Request) (fleet.Key, error) { return fleet.Key{}, fail }}, nil)
	of.want("OSSEC A:'w b'\n", "ERROR: Invalid agent name: w b\n\n", unable)
	of.want("OSSEC A:'w'\n", "ERROR: Invalid agent name: w\n\n", unable)
	of.want("OSSEC A:'web1' G:'no/group'\n", "ERROR: Invalid group: no/group\n\n", unable)
	of.want("OSSEC A:'web1' IP:'192.0.2.7'\n", "ERROR: Invalid IP: 192.0.2.7\n\n", unable)
	of.want("OSSEC A:'web1' IP:'127.0.0.0/8'\n", "ERROR: Invalid IP: 127.0.0.0/8\n\n", unable)
	of.want("OSSEC A:'web1'\n", "ERROR: Invalid agent name: web1\n\n", unable)
	fail = errors.New("the table is gone")
	of.want("OSSEC A:'web1'\n", "ERROR: Internal manager error adding agent: web1\n\n", unable)
	of.close()
	if s := of.Stats(); s != (authd.Stats{Refused: 7}) || !slices.ContainsFunc(of.lines, func(s string) bool { return strings.HasSuffix(s, "the table is gone") }) {
		t.Errorf("%+v %q", s, of.lines)
	}
}

// Who doesn't know the password, or doesn't ask, gets not a word, and after some failures not even TLS until the minute is over.
func TestGuesses(t *testing.T) {
	now := time.Date(2026, 11, 25, 1, 30, 0, 0, time.UTC)
	var mu sync.Mutex
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	of := open(t, authd.Options{Password: "secret", Now: clock}, func(of *office) { of.Bound(1000, 5, 20*time.Second, time.Millisecond) })
	for _, request := range []string{
		"OSSEC PASS: secre OSSEC A:'web1'\n", "OSSEC PASS: secrets OSSEC A:'web1'\n", "OSSEC PASS: OSSEC A:'web1'\n", "OSSEC A:'web1'\n", "hello\n",
	} {
		of.want(request)
	}
	of.want("OSSEC PASS: secret OSSEC A:'web1'\n")
	mu.Lock()
	now = now.Add(time.Minute)
	mu.Unlock()
	of.want("OSSEC PASS: secret OSSEC A:'web1'\n", "OSSEC K:'1024 .*'\n\n")
	of.close()
	if s := of.Stats(); s != (authd.Stats{Enrolled: 1, Passwords: 3, Malformed: 2, Limited: 1}) {
		t.Errorf("%+v", s)
	}
	if n := len(of.lines); n != 4 || !strings.Contains(of.lines[0], "127.0.0.1 gave a wrong password, or none") {
		t.Errorf("%q", of.lines)
	}
}

// A load balancer opens connections and closes them, to see whether the server lives. That is nothing to tell.
func TestHealthChecks(t *testing.T) {
	of := open(t, authd.Options{NoPassword: true}, func(of *office) { of.Bound(1000, 1, 20*time.Second, time.Millisecond) })
	for i := range uint64(3) {
		conn, err := net.Dial("tcp", of.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
		of.until(func() bool { return of.Stats().Handshakes == i+1 })
	}
	of.want("OSSEC A:'web1'\n", "OSSEC K:'1024 .*'\n\n")
	of.close()
	if len(of.lines) != 1 {
		t.Errorf("%q", of.lines)
	}
}

func TestTooOften(t *testing.T) {
	of := open(t, authd.Options{NoPassword: true}, func(of *office) { of.Bound(3, 1000, 20*time.Second, time.Millisecond) })
	n := 0
	for i := range 5 {
		if records, _ := of.ask(fmt.Sprintf("OSSEC A:'web-%d'\n", i)); len(records) == 1 {
			n++
		}
	}
	of.close()
	if s := of.Stats(); n < 3 || s.Enrolled != uint64(n) || s.Limited != uint64(5-n) { // more than 3 where a minute ends meanwhile
		t.Errorf("%d enrolled, %+v", n, s)
	}
}

// Silent connections take no place for long, and no more than 64 of one source's.
func TestSilence(t *testing.T) {
	of := open(t, authd.Options{NoPassword: true}, func(of *office) { of.Bound(1000, 1000, time.Second, time.Millisecond) })
	silent, err := net.Dial("tcp", of.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	half, err := of.dial(new(tls.Config))
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(half, "OSSEC A:'we")
	for _, conn := range []net.Conn{silent, half} {
		conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("it is not closed: %v", err)
		}
	}
	of.close()
	if s := of.Stats(); s != (authd.Stats{Handshakes: 1, Malformed: 1}) {
		t.Errorf("%+v", s)
	}
}

func TestCrowd(t *testing.T) {
	of := open(t, authd.Options{NoPassword: true}, nil)
	for range 65 {
		conn, err := net.Dial("tcp", of.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	of.until(func() bool { return of.Stats().Limited == 1 && of.Stats().Connections == 64 })
	of.close()
}

func TestTLSVersions(t *testing.T) {
	old := &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}}
	of := open(t, authd.Options{NoPassword: true}, nil)
	if _, err := of.dial(old.Clone()); err == nil {
		t.Error("TLS 1.0 was taken unasked")
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		if _, err := of.dial(&tls.Config{MinVersion: version, MaxVersion: version}); err != nil {
			t.Error(err)
		}
	}
	of = open(t, authd.Options{NoPassword: true, OldTLS: true}, nil)
	if _, err := of.dial(old.Clone()); err != nil {
		t.Error(err)
	}
	if _, err := of.dial(&tls.Config{MinVersion: tls.VersionTLS13}); err != nil {
		t.Error(err)
	}
}

// With an authority, only hosts that it has signed for come in.
func TestClientCertificates(t *testing.T) {
	own, err := certificate()
	if err != nil {
		t.Fatal(err)
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	host := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "web1"}, NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	var pool, servers = x509.NewCertPool(), x509.NewCertPool()
	servers.AddCert(own.Leaf)
	var client tls.Certificate
	key := own.PrivateKey.(*rsa.PrivateKey) // for all of them
	for _, c := range []*x509.Certificate{ca, host} {
		der, err := x509.CreateCertificate(rand.Reader, c, ca, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		client = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
		if c == ca {
			parsed, _ := x509.ParseCertificate(der)
			pool.AddCert(parsed)
		}
	}
	of := open(t, authd.Options{NoPassword: true, CAs: pool}, nil)
	if records, _ := of.ask("OSSEC A:'web1'\n"); len(records) > 0 {
		t.Errorf("a host without a certificate was answered %q", records)
	}
	conn, err := of.dial(&tls.Config{Certificates: []tls.Certificate{client}, RootCAs: servers, ServerName: "relay.example.org"})
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(conn, "OSSEC A:'web1'\n")
	if got, err := io.ReadAll(conn); err != nil || !strings.HasPrefix(string(got), "OSSEC K:'1024 web1 any ") {
		t.Errorf("%q, %v", got, err)
	}
}

func TestLongPassword(t *testing.T) {
	of := open(t, authd.Options{Password: strings.Repeat("x", authd.MaxPassword+1)}, nil)
	of.close()
	if len(of.lines) != 1 || !strings.Contains(of.lines[0], "more than 32 characters") {
		t.Errorf("%q", of.lines)
	}
}

func TestListenRefuses(t *testing.T) {
	for want, o := range map[string]authd.Options{
		"there is no password": {Address: "127.0.0.1:0"}, "listen tcp": {Address: "192.0.2.1:0", NoPassword: true},
	} {
		if _, err := authd.Listen(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func BenchmarkEnrol(b *testing.B) {
	cert, err := certificate()
	if err != nil {
		b.Fatal(err)
	}
	s, err := authd.Listen(authd.Options{
		Address: "127.0.0.1:0", Cert: cert, Password: "secret",
		Enrol: func(_ context.Context, r fleet.Request) (fleet.Key, error) {
			var k fleet.Key
			k.ID, k.Name, k.Secret = "1024", r.Name, strings.Repeat("0a", 32)
			return k, nil
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	s.Bound(1<<30, 1<<30, 20*time.Second, 0)
	go s.Serve(b.Context())
	for b.Loop() {
		conn, err := tls.Dial("tcp", s.Addr().String(), &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // the benchmark's own
		if err != nil {
			b.Fatal(err)
		}
		io.WriteString(conn, "OSSEC PASS: secret OSSEC A:'web1'\n")
		if got, err := io.ReadAll(conn); err != nil || len(got) == 0 {
			b.Fatal(got, err)
		}
		conn.Close()
	}
}
