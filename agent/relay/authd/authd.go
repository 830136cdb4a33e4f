// Package authd lets hosts enrol themselves, as OSSEC's authd does for its agent-auth, and Wazuh's for its agents: 1515/tcp, TLS.
//
//	agent ─► OSSEC PASS: secret OSSEC A:'web1' G:'web'\n         one request a connection
//	      ◄─ OSSEC K:'1024 web1 any 9f3c…'\n\n                   or
//	      ◄─ ERROR: Invalid agent name: w\n\n  ERROR: Unable to add agent.\n\n
//
// A wrong password gets no answer. Who guesses, or asks too often, is kept out for the rest of the minute.
package authd

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/yagura-hids/yagura/agent/relay/limit"
	"github.com/yagura-hids/yagura/internal/fleet"
)

// Options are what a server works with.
type Options struct {
	Address    string // "HOST:PORT"; ":1515" is all addresses of both families
	Cert       tls.Certificate
	CAs        *x509.CertPool // who must have signed a host's own certificate; nil if it needs none
	OldTLS     bool           // TLS 1.0 and 1.1, too, and RSA key exchange, for agent-auth with an OpenSSL older than 1.0.1
	Password   string         // that hosts give
	NoPassword bool           // none is asked for; else Password may not be empty
	UseSource  bool           // a key is for the host's address only, not for any

	// Enrol gives a host its key. An error that wraps fleet.ErrInvalid or fleet.ErrExists is told the host as one of its name.
	Enrol  func(ctx context.Context, r fleet.Request) (fleet.Key, error)
	Report func(line string) // tells who enrolled, and trouble; nil for nothing
	Now    func() time.Time  // nil for time.Now
}

// Stats counts what hosts asked since the server was opened.
type Stats struct {
	Enrolled    uint64
	Refused     uint64 // told an error
	Passwords   uint64 // wrong or missing ones
	Malformed   uint64 // no requests
	Handshakes  uint64 // of TLS that failed
	Limited     uint64 // connections beyond the limits
	Connections int    // open now
}

// bounds are what hosts may cost.
type bounds struct {
	perMinute int           // requests of a source
	failures  int           // of a source in a minute: no TLS, no request, a wrong password
	whole     time.Duration // for a connection
	pause     time.Duration // before a wrong password's connection is closed
	last      time.Duration // for the host to close when it has its key
}

// Bounds on what hosts may cost. Many hosts may be behind one address.
const (
	maxConns     = 256
	maxPerSource = 64
)

var defaults = bounds{perMinute: 600, failures: 10, whole: 30 * time.Second, pause: time.Second, last: 2 * time.Second}

// Server is an open server. It answers nobody before Serve.
type Server struct {
	o        Options
	listener net.Listener
	tls      *tls.Config
	bounds   bounds
	conns    limit.Conns
	attempts limit.Rate
	failures limit.Rate

	enrolled, refused, passwords, malformed, handshakes, limited               atomic.Uint64
	refusedLine, passwordLine, malformedLine, handshakeLine, limitedLine, hurt limit.Lines
}

// Listen opens a server.
func Listen(o Options) (*Server, error) {
	switch {
	case o.Password == "" && !o.NoPassword:
		return nil, errors.New("authd: there is no password; without one whoever can connect can enrol, so this must be asked for")
	case o.NoPassword:
		o.Password = ""
	}
	if o.Report == nil {
		o.Report = func(string) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Server{o: o, tls: secure(&o), conns: limit.Conns{Most: maxConns, PerSource: maxPerSource}}
	s.limit(defaults)
	var err error
	if s.listener, err = net.Listen("tcp", o.Address); err != nil {
		return nil, fmt.Errorf("authd: %w", err)
	}
	if len(o.Password) > MaxPassword {
		o.Report(fmt.Sprintf("authd %s: the password has more than %d characters, of which OSSEC's agent-auth sends no more: only Wazuh's agents can enrol", s.Addr(), MaxPassword))
	}
	return s, nil
}

func (s *Server) limit(b bounds) {
	s.bounds = b
	s.attempts.PerMinute, s.failures.PerMinute = b.perMinute, b.failures
}

// secure returns what is said about TLS.
func secure(o *Options) *tls.Config {
	c := &tls.Config{Certificates: []tls.Certificate{o.Cert}, MinVersion: tls.VersionTLS12, SessionTicketsDisabled: true}
	if o.OldTLS {
		c.MinVersion = tls.VersionTLS10
		for _, suite := range tls.CipherSuites() {
			c.CipherSuites = append(c.CipherSuites, suite.ID)
		}
		c.CipherSuites = append(c.CipherSuites, tls.TLS_RSA_WITH_AES_256_CBC_SHA, tls.TLS_RSA_WITH_AES_128_CBC_SHA)
	}
	if o.CAs != nil {
		c.ClientCAs, c.ClientAuth = o.CAs, tls.RequireAndVerifyClientCert
	}
	return c
}

// Addr returns where it listens.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Stats returns the counts so far.
func (s *Server) Stats() Stats {
	return Stats{
		Enrolled: s.enrolled.Load(), Refused: s.refused.Load(), Passwords: s.passwords.Load(), Malformed: s.malformed.Load(),
		Handshakes: s.handshakes.Load(), Limited: s.limited.Load(), Connections: s.conns.Open(),
	}
}

// Close closes the server without serving it. Serve does it itself.
func (s *Server) Close() error {
	if err := s.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("close authd: %w", err)
	}
	return nil
}

// Serve answers hosts until ctx ends; that is no error.
func (s *Server) Serve(ctx context.Context) error {
	trouble := func(err error) { s.tell(&s.hurt, "accept: %v", err) }
	err := limit.Accept(ctx, s.listener, trouble, s.welcome, func(conn net.Conn, from netip.Addr) {
		defer s.conns.Leave(from)
		s.converse(ctx, conn, from)
	})
	if err != nil {
		return fmt.Errorf("authd %s: %w", s.Addr(), err)
	}
	return nil
}

// tell reports a line of one kind, once a minute.
func (s *Server) tell(kind *limit.Lines, format string, args ...any) {
	kind.Tell(s.o.Now(), s.o.Report, "authd %s: "+format, append([]any{s.Addr()}, args...)...)
}

// welcome tells whether a connection is taken, and counts it if so.
func (s *Server) welcome(from netip.Addr) bool {
	now, why := s.o.Now(), ""
	switch {
	case s.failures.Spent(from, now):
		why = fmt.Sprintf("it failed %d times this minute", s.failures.PerMinute)
	case !s.attempts.Count(from, now):
		why = fmt.Sprintf("it came more than %d times this minute", s.attempts.PerMinute)
	case !s.conns.Enter(from):
		why = fmt.Sprintf("%d connections are open, and may be %d, from one source %d", s.conns.Open(), s.conns.Most, s.conns.PerSource)
	default:
		return true
	}
	s.limited.Add(1)
	s.tell(&s.limitedLine, "a connection from %s was refused: %s", from, why)
	return false
}

// fail counts a failure of one kind against its source, and tells it.
func (s *Server) fail(count *atomic.Uint64, kind *limit.Lines, from netip.Addr, format string, args ...any) {
	count.Add(1)
	s.failures.Count(from, s.o.Now())
	s.tell(kind, "%s "+format, append([]any{from}, args...)...)
}

// converse answers one host.
func (s *Server) converse(ctx context.Context, conn net.Conn, from netip.Addr) {
	ctx, cancel := context.WithTimeout(ctx, s.bounds.whole)
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	host := tls.Server(conn, s.tls)
	switch err := host.HandshakeContext(ctx); {
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET): // a load balancer that asks whether we live
		s.handshakes.Add(1)
		return
	case err != nil:
		s.fail(&s.handshakes, &s.handshakeLine, from, "did not come to TLS: %v", err)
		return
	}
	r, err := readRequest(host)
	switch {
	case err != nil:
		s.fail(&s.malformed, &s.malformedLine, from, "sent no request: %v", err)
	case !s.knows(r.password):
		s.fail(&s.passwords, &s.passwordLine, from, "gave a wrong password, or none")
		limit.Wait(ctx, s.bounds.pause)
	default:
		s.answer(ctx, host, from, r)
	}
}

// knows tells whether it is the password, in a time that doesn't tell how much of it was right.
func (s *Server) knows(password string) bool {
	got, want := sha256.Sum256([]byte(password)), sha256.Sum256([]byte(s.o.Password))
	return s.o.NoPassword || subtle.ConstantTimeCompare(got[:], want[:]) == 1
}

// answer gives a host its key, or tells it why not. A host that is told an error sees the connection broken, not ended, so that agent-auth
// fails; so it is with OSSEC.
func (s *Server) answer(ctx context.Context, host *tls.Conn, from netip.Addr, r request) {
	k, why := s.enrol(ctx, from, r)
	if why != "" {
		s.refused.Add(1)
		s.tell(&s.refusedLine, "%s was told: %q", from, why)
		_, _ = fmt.Fprintf(host, "ERROR: %s\n\n", why) // agent-auth reads each for itself
		_, _ = io.WriteString(host, "ERROR: Unable to add agent.\n\n")
		return
	}
	if err := reply(host, k); err != nil {
		s.tell(&s.hurt, "%s may not have got its key, %s (%s): %v", from, k.Name, k.ID, err)
		return
	}
	s.enrolled.Add(1)
	s.o.Report(fmt.Sprintf("authd %s: %s enrolled as %s (%s)", s.Addr(), from, k.Name, k.ID))
	_ = host.CloseWrite()
	_ = host.SetReadDeadline(time.Now().Add(s.bounds.last))
	_, _ = io.CopyN(io.Discard, host, maxRequest) // to close before it has would break the reply off
}

// reply sends a key. Agents take no network for their address.
func reply(host io.Writer, k fleet.Key) error {
	address := "any"
	if a, ok := k.Address.Single(); ok {
		address = a.String()
	}
	_, err := fmt.Fprintf(host, "OSSEC K:'%s %s %s %s'\n\n", k.ID, k.Name, address, k.Secret)
	return err
}

// enrol returns the host's key, or what it is told.
func (s *Server) enrol(ctx context.Context, from netip.Addr, r request) (k fleet.Key, why string) {
	ask := fleet.Request{Name: r.name, From: from, UseSource: s.o.UseSource}
	if fleet.BadName(r.name) != "" {
		return k, "Invalid agent name: " + r.name
	}
	if ask.Group, why = s.group(from, r); why != "" {
		return k, why
	}
	switch own, err := netip.ParseAddr(r.address); {
	case r.address == "":
	case r.address == "any":
		ask.UseSource = false
	case r.address == "src", err == nil && own.Unmap() == from:
		ask.UseSource = true
	default:
		return k, "Invalid IP: " + r.address
	}
	k, err := s.o.Enrol(ctx, ask)
	switch {
	case errors.Is(err, fleet.ErrInvalid), errors.Is(err, fleet.ErrExists):
		return k, "Invalid agent name: " + r.name
	case err != nil:
		s.tell(&s.hurt, "%v", err)
		return k, "Internal manager error adding agent: " + r.name
	}
	return k, ""
}

// group returns the group that the host asks for, or what it is told. Of several it gets the first.
func (s *Server) group(from netip.Addr, r request) (group, why string) {
	for _, g := range r.groups {
		if !validGroup(g) {
			return "", "Invalid group: " + g
		}
	}
	if len(r.groups) == 0 {
		return "", ""
	}
	if len(r.groups) > 1 {
		s.tell(&s.hurt, "%s (%s) asks for the groups %q: it is in the first; an agent is in one", r.name, from, r.groups)
	}
	return r.groups[0], ""
}
