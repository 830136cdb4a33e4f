package relay

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/yagura-hids/yagura/agent/relay/config"
	"github.com/yagura-hids/yagura/agent/relay/limit"
	"github.com/yagura-hids/yagura/agent/relay/socket"
	"github.com/yagura-hids/yagura/internal/wire"
)

// door is a port that is listened to.
type door struct {
	serve func(ctx context.Context) error
	close func()
}

// listen opens all ports, or none.
func (r *Relay) listen(ctx context.Context) (doors []door, err error) {
	defer func() {
		if err != nil {
			for _, d := range doors {
				d.close()
			}
			doors = nil
		}
	}()
	add := func(d door, bad error) {
		err = errors.Join(err, bad)
		if d.serve != nil {
			doors = append(doors, d)
		}
	}
	for _, c := range r.opts.Config.Remotes {
		switch {
		case c.Syslog:
			list, err := r.listenSyslog(c)
			doors = append(doors, list...)
			add(door{}, err)
		default:
			if c.UDP {
				add(r.listenUDP(c))
			}
			if c.TCP {
				add(r.listenTCP(c))
			}
		}
	}
	if r.opts.Config.Auth.Enabled {
		add(r.listenAuth(ctx))
	}
	if r.opts.Config.Relay.HealthPort != 0 {
		add(r.listenHealth())
	}
	return doors, err
}

// address returns what to listen to.
func address(a netip.Addr, port uint16) string {
	host := ""
	if a.IsValid() {
		host = a.String()
	}
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}

// home returns the address that agents are listened to at, which is that of enrolment and health checks, too.
func (r *Relay) home() netip.Addr {
	if s := r.opts.Config.Secure(); s != nil {
		return s.Address
	}
	return netip.Addr{}
}

// busy adds to an error of listening what to do.
func busy(what string, err error) error {
	return fmt.Errorf("listen for %s: %w; see what has the port (ss -lnp), or choose another one in <remote>", what, err)
}

// opened notes a port that is listened to.
func (r *Relay) opened(what string, at net.Addr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ports = append(r.ports, fmt.Sprintf("%s %s/%s", what, at.String(), at.Network()))
}

// listenUDP opens the port of OSSEC's agents.
func (r *Relay) listenUDP(c config.Remote) (door, error) {
	s, err := socket.Listen(address(c.Address, c.Port))
	if err != nil {
		return door{}, busy("agents", err)
	}
	if hint := s.Advice(); hint != "" {
		r.opts.Report("agents: " + hint)
	}
	r.opened("agents", s.LocalAddr())
	r.mu.Lock()
	r.udp = s
	r.mu.Unlock()
	return door{
		func(ctx context.Context) error { return r.readUDP(ctx, s) },
		func() { _ = s.Close() },
	}, nil
}

// readUDP reads datagrams, as many at a time as there are.
func (r *Relay) readUDP(ctx context.Context, s *socket.UDP) error {
	on := udpReplier{s}
	var o opener
	for {
		b := r.empty(ctx)
		if b == nil {
			return nil
		}
		err := s.Read(len(b.packets), func(data []byte, from netip.AddrPort, via []byte) {
			p := b.add()
			p.data, p.from, p.via, p.on = append(p.data, data...), unmap(from), append(p.via, via...), on
		})
		few := b.n < socket.AtOnce
		if closed(err) || !r.spread(ctx, b, &o) {
			return nil
		}
		if few {
			time.Sleep(pause) // each awakening costs as much as some datagrams, and answers may take that long
		}
	}
}

// pause is how long datagrams are left to gather in the socket's buffer.
const pause = 2 * time.Millisecond

type udpReplier struct{ *socket.UDP }

func (u udpReplier) reply(data []byte, to netip.AddrPort, via []byte) error {
	return u.Write(data, to, via)
}

// The bounds of connections, which Wazuh's agents keep open.
const (
	mostConns    = 4096
	connsASource = 1024 // behind one address there may be many hosts
	connIdle     = 10 * time.Minute
)

// listenTCP opens the same for those of Wazuh: frames of a length and a datagram.
func (r *Relay) listenTCP(c config.Remote) (door, error) {
	l, err := net.Listen("tcp", address(c.Address, c.Port))
	if err != nil {
		return door{}, busy("agents", err)
	}
	r.opened("agents", l.Addr())
	conns := &limit.Conns{Most: mostConns, PerSource: connsASource}
	enter := func(from netip.Addr) bool {
		ok := conns.Enter(from)
		if !ok {
			r.counters.refuse(&packet{from: netip.AddrPortFrom(from, 0), why: limited}, r.opts.Now())
		}
		return ok
	}
	return door{
		func(ctx context.Context) error {
			return limit.Accept(ctx, l, func(err error) { r.counters.trouble("agents by TCP", err) }, enter, func(conn net.Conn, from netip.Addr) {
				defer conns.Leave(from)
				r.readTCP(ctx, conn, unmap(conn.RemoteAddr().(*net.TCPAddr).AddrPort()))
			})
		},
		func() { _ = l.Close() },
	}, nil
}

// readTCP reads one connection's frames until it ends.
func (r *Relay) readTCP(ctx context.Context, conn net.Conn, from netip.AddrPort) {
	in := bufio.NewReaderSize(conn, 16<<10)
	on := tcpReplier{make(chan []byte, mostAnswers), make(chan struct{})}
	defer close(on.ended)
	go on.write(conn)
	var frame []byte
	var o opener
	for {
		err := conn.SetReadDeadline(time.Now().Add(connIdle))
		if err == nil {
			frame, err = wire.ReadFrame(in, frame)
		}
		if err == nil && string(frame) == wire.Ping {
			if err = on.reply([]byte(wire.Pong), from, nil); err == nil {
				continue
			}
		}
		if err != nil {
			return
		}
		b := r.empty(ctx)
		if b == nil {
			return
		}
		p := b.add()
		p.data, p.from, p.on = append(p.data, frame...), from, on
		if !r.spread(ctx, b, &o) {
			return
		}
	}
}

// tcpReplier is what is to be sent on a connection. Who sends doesn't wait for it.
type tcpReplier struct {
	out   chan []byte
	ended chan struct{}
}

const mostAnswers = 256 // that wait: a push in one go, and more

var errSlow = errors.New("the host doesn't take what it is sent")

func (t tcpReplier) reply(data []byte, _ netip.AddrPort, _ []byte) error {
	select {
	case t.out <- wire.AppendFrame(nil, data):
		return nil
	case <-t.ended:
		return net.ErrClosed
	default:
		return errSlow
	}
}

func (t tcpReplier) write(conn net.Conn) {
	for {
		select {
		case frame := <-t.out:
			err := conn.SetWriteDeadline(time.Now().Add(30 * time.Second))
			if err == nil {
				_, err = conn.Write(frame)
			}
			if err != nil {
				_ = conn.Close() // which ends reading
				return
			}
		case <-t.ended:
			return
		}
	}
}

// listenHealth opens the port that a load balancer asks whether this relay takes anything.
func (r *Relay) listenHealth() (door, error) {
	l, err := net.Listen("tcp", address(r.home(), r.opts.Config.Relay.HealthPort))
	if err != nil {
		return door{}, busy("health checks", err)
	}
	r.opened("health", l.Addr())
	server := &http.Server{ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if bad := r.sick(); bad != "" {
			http.Error(w, bad, http.StatusServiceUnavailable)
			return
		}
		_, _ = fmt.Fprintln(w, "ok") // who asked may be gone
	})}
	return door{
		func(context.Context) error {
			if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		},
		func() { _ = server.Close() },
	}, nil
}
