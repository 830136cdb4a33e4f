package check_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	agent "github.com/yagura-hids/yagura/agent/check"
	"github.com/yagura-hids/yagura/agent/relay/check"
	"github.com/yagura-hids/yagura/agent/relay/config"
	"github.com/yagura-hids/yagura/agent/relay/socket"
	"github.com/yagura-hids/yagura/internal/fleet"
	"github.com/yagura-hids/yagura/internal/table/bolt"
	"github.com/yagura-hids/yagura/internal/wire"
)

// home is a host with a fleet of its own.
type home struct {
	*testing.T
	dir   string
	fleet *fleet.Store
	opts  check.Options
}

func newHome(t *testing.T) *home {
	t.Helper()
	dir := t.TempDir()
	db, err := bbolt.Open(filepath.Join(dir, "fleet.db"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	h := &home{T: t, dir: dir, fleet: fleet.New(bolt.New(db), fleet.Options{})}
	h.opts = check.Options{
		Conf: filepath.Join(dir, "relay.conf"), Sysctl: dir, Send: agent.Options{State: dir, Agent: "relay-1"},
		Fleet:    func(context.Context, *config.Config) (*fleet.Store, error) { return h.fleet, nil },
		Password: func(context.Context, *config.Config) (string, error) { return "secret", nil },
	}
	h.write("net/core/rmem_max", fmt.Sprintln(socket.WantBuffer))
	return h
}

func (h *home) write(name, text string) {
	h.Helper()
	file := filepath.Join(h.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		h.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		h.Fatal(err)
	}
}

// conf writes a configuration that has a port which is free, and more.
func (h *home) conf(more string) (port int) {
	h.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		h.Fatal(err)
	}
	port = l.Addr().(*net.TCPAddr).Port
	l.Close()
	h.write("relay.conf", fmt.Sprintf("<ossec_config><client><uplink>file:%s</uplink></client><relay><fleet>dynamodb:hids-fleet</fleet></relay>"+
		"<remote><port>%d</port><local_ip>127.0.0.1</local_ip></remote>%s</ossec_config>", h.dir, port, more))
	return port
}

// run returns what is said: "verdict name: seen → hint", a line each.
func (h *home) run() string {
	var b strings.Builder
	for _, r := range check.Run(h.Context(), h.opts) {
		fmt.Fprintf(&b, "%s %s: %s → %s\n", r.Verdict, r.Name, r.Seen, r.Hint)
	}
	return b.String()
}

func (h *home) want(said string, lines ...string) {
	h.Helper()
	for _, line := range lines {
		if !strings.Contains("\n"+said, "\n"+line) {
			h.Errorf("it doesn't say %q:\n%s", line, said)
		}
	}
}

func TestAllIsWell(t *testing.T) {
	h := newHome(t)
	at, err := wire.ParseAddress("10.0.0.0/24")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.fleet.Add(t.Context(), fleet.Key{Key: wire.Key{Name: "web", Address: at}}); err != nil {
		t.Fatal(err)
	}
	port := h.conf("")
	said := h.run()
	h.want(said, "ok configuration: 1 listeners; enrolment off", fmt.Sprintf("ok port %d/udp: free, for agents", port), fmt.Sprintf("ok port %d/tcp: free", port),
		"ok socket buffer: up to 32 MiB", "ok state: ", "ok uplink: ", "ok fleet: 1 keys in table hids-fleet")
	if strings.Contains(said, "fail ") || strings.Contains(said, "warn ") {
		t.Error(said)
	}
}

func TestWhatIsWrong(t *testing.T) {
	h := newHome(t)
	port := h.conf("<auth><port>1</port><use_password>no</use_password></auth><remote><connection>syslog</connection><local_ip>192.0.2.77</local_ip><allowed-ips>any</allowed-ips></remote>")
	h.write("net/core/rmem_max", "212992\n")
	busy, err := net.ListenPacket("udp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	h.want(h.run(), fmt.Sprintf("fail port %d/udp: taken, and wanted for agents → see who has it: ss -lnp 'sport = :%d'", port, port),
		"fail port 514/udp: ", "warn socket buffer: net.core.rmem_max is 212992: bursts of datagrams are lost → sysctl -w net.core.rmem_max=33554432",
		"warn fleet: table hids-fleet has no key: no agent can come in → yagura agents --aws add", "warn enrolment: whoever reaches port 1 gets a key")

	h.opts.Running = true
	if said := h.run(); !strings.Contains(said, "ok ports: a relay runs here") || strings.Contains(said, "taken") {
		t.Errorf("with a relay that runs: %s", said)
	}
}

func TestWhatIsOutOfReach(t *testing.T) {
	h := newHome(t)
	h.conf("<auth><port>2</port><password>file:none</password></auth><remote><connection>syslog</connection><protocol>tcp</protocol><allowed-ips>any</allowed-ips>" +
		"<tls_certificate>none.pem</tls_certificate><tls_key>none.key</tls_key></remote>")
	h.opts.Fleet = func(context.Context, *config.Config) (*fleet.Store, error) { return nil, errors.New("no AWS region") }
	h.opts.Password = func(context.Context, *config.Config) (string, error) { return "", os.ErrPermission }
	h.want(h.run(), "fail fleet: no AWS region → ", "fail enrolment: password: permission denied → ", "fail certificate of port 514: open "+h.dir+"/none.pem")
}

func TestLongPassword(t *testing.T) {
	h := newHome(t)
	h.conf("<auth><port>2</port><password>ssm:/hids/enrol</password></auth>")
	h.want(h.run(), "ok enrolment: by password, from ssm:/hids/enrol")
	h.opts.Password = func(context.Context, *config.Config) (string, error) { return strings.Repeat("x", 33), nil }
	h.want(h.run(), "warn enrolment: the password has 33 characters")
}

func TestNoConfiguration(t *testing.T) {
	h := newHome(t)
	h.want(h.run(), "fail configuration: configuration: open ")
	h.write("relay.conf", "<ossec_config>\n<remote><port>x</port></remote></ossec_config>")
	h.want(h.run(), "fail configuration: "+h.opts.Conf+":2:")
}
