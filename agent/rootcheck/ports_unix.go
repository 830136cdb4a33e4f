//go:build unix

package rootcheck

import (
	"bufio"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	maxHiddenPorts = 20
	connectWait    = time.Second
)

// protocol is what ports are numbered in.
type protocol struct {
	name   string
	socket int
}

// ports is a set of port numbers.
type ports [1 << 16 / 64]uint64

func (p *ports) add(n int)      { p[n>>6] |= 1 << (n & 63) }
func (p *ports) has(n int) bool { return p[n>>6]>>(n&63)&1 != 0 }

// lists are what there is to be seen of ports.
type lists struct {
	kernel map[string]*ports // /proc/net by protocol: all ports that are in use; nil where there is no /proc/net
	served map[string]*ports // of these, the ports on which somebody listens
	tools  []map[string]*ports
}

// hiddenPorts compares the ports on which nobody can listen any more with those that the kernel's tables and the tools show as taken.
//
// A port is tried by taking it, for some microseconds, unless the kernel shows it as in use. Ports that can't be taken and are shown nowhere
// are hidden. So are ports that the kernel shows and a tool doesn't.
func hiddenPorts(ctx context.Context, s *scan) error {
	for _, proto := range []protocol{{"tcp", unix.SOCK_STREAM}, {"udp", unix.SOCK_DGRAM}} {
		suspects, err := s.suspects(ctx, proto)
		if err != nil {
			return err
		}
		for i := 1; i < rounds && len(suspects) > 0; i++ {
			suspects = s.stillHidden(ctx, proto, suspects)
		}
		for i, port := range suspects {
			if i == maxHiddenPorts {
				s.found("Excessive number of '%s' ports hidden. It maybe a false-positive or something really bad is going on.", proto.name)
				break
			}
			s.found("Port '%d'(%s) hidden. Kernel-level rootkit or trojaned version of netstat.", port, proto.name)
		}
	}
	return nil
}

// suspects returns the ports that look hidden at first.
func (s *scan) suspects(ctx context.Context, proto protocol) (list []int, err error) {
	l := s.lists(ctx)
	for port := 1; port < 1<<16; port++ {
		if port%256 == 0 {
			if err := s.rest(ctx); err != nil {
				return nil, err
			}
		}
		if l.hides(proto, port, func() bool { return taken(proto, port) }) {
			list = append(list, port)
		}
	}
	return list, nil
}

// stillHidden returns those of the ports that are still hidden, though everything is read anew while they are in use.
func (s *scan) stillHidden(ctx context.Context, proto protocol, suspects []int) (list []int) {
	before := map[int]bool{}
	old := s.kernelLists()
	for _, port := range suspects {
		before[port] = old.served[proto.name].has(port) || taken(proto, port)
	}
	l := s.lists(ctx)
	now := s.kernelLists()
	for _, port := range suspects {
		used := now.served[proto.name].has(port) || taken(proto, port)
		if before[port] && used && l.hides(proto, port, func() bool { return taken(proto, port) && serves(ctx, proto, port) }) {
			list = append(list, port)
		}
	}
	return list
}

// hides tells whether a port is in use and something doesn't show it. taken is asked only if the kernel doesn't show the port.
func (l *lists) hides(proto protocol, port int, taken func() bool) bool {
	if l.served[proto.name].has(port) {
		for _, tool := range l.tools {
			if !tool[proto.name].has(port) {
				return true
			}
		}
		return false
	}
	if l.kernel[proto.name].has(port) {
		return false
	}
	for _, tool := range l.tools {
		if l.kernel == nil && tool[proto.name].has(port) {
			return false
		}
	}
	return taken()
}

// lists reads all that shows ports.
func (s *scan) lists(ctx context.Context) *lists {
	l := s.kernelLists()
	netstat := []string{"netstat", "-an"}
	if l.kernel != nil { // Linux
		netstat[1] = "-tuln"
	}
	for _, tool := range [][]string{{"ss", "-tuln"}, netstat} {
		out, err := output(ctx, tool[0], tool[1:]...)
		if shown := toolPorts(string(out), tool[0] == "ss"); err == nil && shown != nil {
			l.tools = append(l.tools, shown)
		}
	}
	return l
}

func newPorts() map[string]*ports { return map[string]*ports{"tcp": {}, "udp": {}} }

// States in /proc/net in which somebody waits for others: LISTEN of TCP, and UDP without a peer.
const (
	tcpListen = "0A"
	udpBound  = "07"
)

// kernelLists reads /proc/net.
func (s *scan) kernelLists() *lists {
	l := &lists{served: newPorts()}
	for _, table := range []string{"tcp", "tcp6", "udp", "udp6"} {
		f, err := os.Open(filepath.Join(s.proc, "net", table))
		if err != nil {
			continue // no IPv6, or no Linux
		}
		if l.kernel == nil {
			l.kernel = newPorts()
		}
		name := table[:3]
		eachSocket(f, func(port int, state string) {
			l.kernel[name].add(port)
			if state == tcpListen || state == udpBound && name == "udp" {
				l.served[name].add(port)
			}
		})
		f.Close() //nolint:errcheck // nothing was written
	}
	return l
}

// eachSocket calls fn with the local port and the state of each line of a table of /proc/net:
//
//	0: 0100007F:0277 00000000:0000 0A …
func eachSocket(table io.Reader, fn func(port int, state string)) {
	for lines := bufio.NewScanner(table); lines.Scan(); {
		f := strings.Fields(lines.Text())
		if len(f) < 4 {
			continue
		}
		_, hex, ok := strings.Cut(f[1], ":")
		port, err := strconv.ParseUint(hex, 16, 16)
		if ok && err == nil {
			fn(int(port), f[3])
		}
	}
}

// toolPorts returns the local ports that ss or netstat shows; nil if it shows none, which is likelier a tool of another kind than a host
// without ports.
//
//	ss:      tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:*
//	netstat: tcp 0 0 0.0.0.0:22 0.0.0.0:* LISTEN     tcp4 0 0 *.22 *.* LISTEN
func toolPorts(out string, ss bool) map[string]*ports {
	column, any := 3, false
	if ss {
		column = 4
	}
	shown := newPorts()
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		if len(f) <= column || len(f[0]) < 3 || shown[f[0][:3]] == nil {
			continue
		}
		local := f[column]
		port, err := strconv.ParseUint(local[strings.LastIndexAny(local, ":.")+1:], 10, 16)
		if err == nil {
			shown[f[0][:3]].add(int(port))
			any = true
		}
	}
	if !any {
		return nil
	}
	return shown
}

// taken tells whether a port can't be had because somebody has it, on IPv4 or IPv6: a socket for both wants it free on both.
func taken(proto protocol, port int) bool {
	err := bind(unix.AF_INET6, proto, &unix.SockaddrInet6{Port: port})
	if err != nil && err != unix.EADDRINUSE { // no IPv6
		err = bind(unix.AF_INET, proto, &unix.SockaddrInet4{Port: port})
	}
	return err == unix.EADDRINUSE
}

// bind takes a port and gives it back at once. With SO_REUSEADDR a port of TCP can be had that waits for late packets of its last user, but
// none on which somebody listens.
func bind(family int, proto protocol, addr unix.Sockaddr) error {
	fd, err := unix.Socket(family, proto.socket|closeOnExec, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd) //nolint:errcheck // nothing was written
	if family == unix.AF_INET6 {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0)
	}
	if err == nil && proto.socket == unix.SOCK_STREAM {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	}
	if err != nil {
		return err
	}
	return unix.Bind(fd, addr)
}

// serves tells whether somebody waits at a port that is taken. The kernel's tables don't show a port of TCP that was taken and on which nobody
// listens, as programs do that call others from a port of their choice: all of the host's addresses refuse a connection to it.
func serves(ctx context.Context, proto protocol, port int) bool {
	if proto.socket != unix.SOCK_STREAM {
		return true
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return true
	}
	for _, addr := range addrs {
		n, ok := addr.(*net.IPNet)
		if !ok || n.IP.IsLinkLocalUnicast() && n.IP.To4() == nil { // these want a zone
			continue
		}
		d := net.Dialer{Timeout: connectWait}
		conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(n.IP.String(), strconv.Itoa(port)))
		if err == nil {
			conn.Close() //nolint:errcheck // nothing was written
			return true
		}
	}
	return false
}
