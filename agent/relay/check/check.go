// Package check finds out whether a relay could do its work on this host, and says what to do where it could not.
//
//	configuration ─► faults ─┬─► ports: are they free? certificates, password: can they be read?
//	                         ├─► the kernel's buffer for datagrams
//	                         ├─► state, credentials, clock, uplink: as the agent's
//	                         └─► the fleet's table
//
// It changes nothing, here or at the other end; it opens ports for a moment, unless a relay runs.
package check

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/yagura-hids/yagura/agent/check"
	"github.com/yagura-hids/yagura/agent/relay/authd"
	"github.com/yagura-hids/yagura/agent/relay/config"
	"github.com/yagura-hids/yagura/agent/relay/socket"
	"github.com/yagura-hids/yagura/internal/fleet"
	"github.com/yagura-hids/yagura/internal/osxml"
)

// Options say what to look at.
type Options struct {
	Conf     string // the configuration's file
	Running  bool   // a relay runs here, and has the ports
	Sysctl   string // where the kernel's settings are; "" for /proc/sys
	Send     check.Options
	Fleet    func(ctx context.Context, c *config.Config) (*fleet.Store, error)
	Password func(ctx context.Context, c *config.Config) (string, error) // of enrolment
}

type checker struct {
	Options
	conf    *config.Config
	results []check.Result
}

// Run looks at everything. With a faulty configuration, the rest is left out.
func Run(ctx context.Context, o Options) []check.Result {
	if o.Sysctl == "" {
		o.Sysctl = "/proc/sys"
	}
	c := &checker{Options: o}
	if !c.configuration() {
		return c.results
	}
	c.ports()
	c.certificates()
	c.buffer()
	c.results = append(c.results, check.Sender(ctx, o.Send, c.conf.Client)...)
	c.fleet(ctx)
	c.enrolment(ctx)
	return c.results
}

func (c *checker) add(name string, v check.Verdict, hint, seen string, args ...any) {
	c.results = append(c.results, check.Result{Name: name, Verdict: v, Seen: fmt.Sprintf(seen, args...), Hint: hint})
}

// configuration tells whether there is one that could be in force.
func (c *checker) configuration() bool {
	const name = "configuration"
	conf, err := config.Read(c.Conf)
	var faults *osxml.FaultError
	switch {
	case errors.As(err, &faults):
		c.add(name, check.Fail, "mend these places; the relay does not start with them", "%v", err)
		return false
	case err != nil:
		c.add(name, check.Fail, "name another file with --conf, or run this as root", "%v", err)
		return false
	}
	c.conf = conf
	c.add(name, check.OK, "", "%d listeners; enrolment %s", len(conf.Remotes), map[bool]string{true: "on", false: "off"}[conf.Auth.Enabled])
	if len(conf.Unused) > 0 {
		c.add(name, check.OK, "", "without effect: %s", strings.Join(conf.Unused, ", "))
	}
	return true
}

// ports tries whether each port can be had.
func (c *checker) ports() {
	if c.Running {
		c.add("ports", check.OK, "", "a relay runs here and has them; yagura-relay status shows it")
		return
	}
	for _, l := range c.conf.Remotes {
		what := "agents"
		if l.Syslog {
			what = "syslog"
		}
		if l.UDP {
			c.port(what, "udp", l.Address, l.Port)
		}
		if l.TCP {
			c.port(what, "tcp", l.Address, l.Port)
		}
	}
	if c.conf.Auth.Enabled {
		c.port("enrolment", "tcp", netip.Addr{}, c.conf.Auth.Port)
	}
	if c.conf.Relay.HealthPort != 0 {
		c.port("health check", "tcp", netip.Addr{}, c.conf.Relay.HealthPort)
	}
}

func (c *checker) port(what, network string, address netip.Addr, port uint16) {
	name := fmt.Sprintf("port %d/%s", port, network)
	host := ""
	if address.IsValid() {
		host = address.String()
	}
	err := try(network, net.JoinHostPort(host, strconv.Itoa(int(port))))
	switch {
	case err == nil:
		c.add(name, check.OK, "", "free, for %s", what)
	case errors.Is(err, syscall.EADDRINUSE):
		c.add(name, check.Fail, fmt.Sprintf("see who has it: ss -lnp 'sport = :%d'; OSSEC's own server must be stopped first", port), "taken, and wanted for %s", what)
	case errors.Is(err, syscall.EACCES):
		c.add(name, check.Fail, "run this as root; the service has the right to it (CAP_NET_BIND_SERVICE)", "%v", err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		c.add(name, check.Fail, "write an address of this host into <local_ip>, or leave it out", "%v", err)
	default:
		c.add(name, check.Fail, "", "%v", err)
	}
}

// try opens a port and closes it again.
func try(network, address string) error {
	if network == "udp" {
		conn, err := net.ListenPacket(network, address)
		if err != nil {
			return err
		}
		return conn.Close()
	}
	l, err := net.Listen(network, address)
	if err != nil {
		return err
	}
	return l.Close()
}

func (c *checker) certificates() {
	for _, l := range c.conf.Remotes {
		if l.Certificate != "" {
			c.certificate(fmt.Sprintf("certificate of port %d", l.Port), l.Certificate, l.Key)
		}
	}
	if a := c.conf.Auth; a.Enabled && a.Certificate != "" {
		c.certificate("certificate of enrolment", a.Certificate, a.Key)
	}
}

func (c *checker) certificate(name, file, key string) {
	if _, err := tls.LoadX509KeyPair(file, key); err != nil {
		c.add(name, check.Fail, "see that both files are in PEM, belong together, and may be read by the relay's user", "%v", err)
		return
	}
	c.add(name, check.OK, "", "%s", file)
}

// buffer looks how large a socket's buffer may be. A small one loses datagrams whenever many come at once.
func (c *checker) buffer() {
	const name = "socket buffer"
	text, err := os.ReadFile(filepath.Join(c.Sysctl, "net/core/rmem_max"))
	if err != nil {
		return // not Linux
	}
	most, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	switch {
	case err != nil:
		c.add(name, check.Warn, "", "net.core.rmem_max: %v", err)
	case most < socket.WantBuffer:
		c.add(name, check.Warn, fmt.Sprintf("sysctl -w net.core.rmem_max=%d, and write that into /etc/sysctl.d; the package does so", socket.WantBuffer),
			"net.core.rmem_max is %d: bursts of datagrams are lost", most)
	default:
		c.add(name, check.OK, "", "up to %d MiB", most>>20)
	}
}

func (c *checker) fleet(ctx context.Context) {
	const name = "fleet"
	if c.conf.Relay.Fleet == "" {
		c.add(name, check.Fail, "write <relay><fleet>dynamodb:STACK-fleet</fleet></relay>", "nothing says where agents' keys are")
		return
	}
	store, err := c.Fleet(ctx, c.conf)
	var keys []fleet.Key
	if err == nil {
		keys, err = store.Keys(ctx)
	}
	switch {
	case err != nil:
		c.add(name, check.Fail, "see that table and region are right, and that the instance's role may read the table (RelayRole in template.yaml)", "%v", err)
	case len(keys) == 0:
		c.add(name, check.Warn, "yagura agents --aws add NAME makes one, or yagura agents --aws import brings OSSEC's client.keys", "table %s has no key: no agent can come in", c.conf.Relay.Fleet)
	default:
		c.add(name, check.OK, "", "%d keys in table %s", len(keys), c.conf.Relay.Fleet)
	}
}

func (c *checker) enrolment(ctx context.Context) {
	const name = "enrolment"
	switch a := c.conf.Auth; {
	case !a.Enabled:
	case a.Password == "":
		c.add(name, check.Warn, "write <use_password>yes</use_password> into <auth>", "whoever reaches port %d gets a key", a.Port)
	default:
		password, err := c.Password(ctx, c.conf)
		switch {
		case err != nil:
			c.add(name, check.Fail, "see that it is there, and that the relay may read it", "password: %v", err)
		case len(password) > authd.MaxPassword:
			c.add(name, check.Warn, fmt.Sprintf("take one of at most %d", authd.MaxPassword), "the password has %d characters, and OSSEC's agent-auth sends only the first", len(password))
		default:
			c.add(name, check.OK, "", "by password, from %s", a.Password)
		}
	}
}
