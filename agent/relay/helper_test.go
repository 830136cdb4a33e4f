package relay_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/yagura-hids/yagura/agent/relay"
	"github.com/yagura-hids/yagura/agent/relay/config"
	"github.com/yagura-hids/yagura/agent/relay/relaytest"
	"github.com/yagura-hids/yagura/agent/spool"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/fleet"
	"github.com/yagura-hids/yagura/internal/table/bolt"
	"github.com/yagura-hids/yagura/internal/wire"
)

// home is a relay in a folder of its own, and a fleet that outlives it.
type home struct {
	testing.TB
	dir   string
	name  string
	conf  *config.Config
	fleet *fleet.Store
	spool *spool.Spool
	relay *relay.Relay
	stop  func()

	mu   sync.Mutex
	now  time.Time // zero for the clock's
	said []string
}

var loopback = netip.MustParseAddr("127.0.0.1")

func newHome(t testing.TB) *home {
	db, err := bbolt.Open(filepath.Join(t.TempDir(), "fleet.db"), 0o600, &bbolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	h := &home{TB: t, dir: t.TempDir(), name: "relay-1", fleet: fleet.New(bolt.New(db), fleet.Options{}), stop: func() {}}
	h.conf = &config.Config{Remotes: []config.Remote{{UDP: true, TCP: true, Address: loopback, Ciphers: config.Both}}}
	t.Cleanup(func() { h.stop() })
	return h
}

// key adds a key.
func (h *home) key(name, address string) wire.Key {
	h.Helper()
	at, err := wire.ParseAddress(address)
	if err != nil {
		h.Fatal(err)
	}
	k, err := h.fleet.Add(h.Context(), fleet.Key{Key: wire.Key{Name: name, Address: at}})
	if err != nil {
		h.Fatal(err)
	}
	return k.Key
}

// start starts the relay, and returns where its agents reach it.
func (h *home) start() netip.AddrPort {
	h.Helper()
	var err error
	if h.spool, err = spool.Open(filepath.Join(h.dir, "relay.db"), spool.Options{Agent: "relay-1", Gather: -1, Random: bytes.NewReader([]byte("abcdefgh"))}); err != nil {
		h.Fatal(err)
	}
	ready := make(chan struct{})
	h.relay, err = relay.New(h.Context(), relay.Options{
		Config: h.conf, Spool: h.spool, Dir: h.dir, Fleet: h.fleet, Name: h.name, Version: "1.2", Poll: 20 * time.Millisecond,
		Ready: func() { close(ready) }, Now: h.clock, Report: func(msg string) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.said = append(h.said, msg)
		},
	})
	if err != nil {
		h.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.relay.Run(ctx) }()
	h.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			h.Error(err)
		}
		if err := h.relay.Close(); err != nil {
			h.Error(err)
		}
		h.spool.Close()
	})
	select {
	case <-ready:
	case err := <-ended:
		ended <- err
		h.Fatalf("the relay doesn't start: %v", err)
	}
	return h.port("agents", "udp")
}

// port returns where something is listened to.
func (h *home) port(what, network string) netip.AddrPort {
	h.Helper()
	for _, p := range h.relay.Status().Ports {
		name, rest, _ := strings.Cut(p, " ")
		at, net, _ := strings.Cut(rest, "/")
		if name == what && net == network {
			return netip.MustParseAddrPort(at)
		}
	}
	h.Fatalf("%v: no %s by %s", h.relay.Status().Ports, what, network)
	return netip.AddrPort{}
}

func (h *home) clock() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.now.IsZero() {
		return time.Now()
	}
	return h.now
}

// pass lets time pass for the relay.
func (h *home) pass(d time.Duration) {
	now := h.clock().Add(d)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = now
}

// reports returns what was said so far.
func (h *home) reports() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(h.said, "\n")
}

// host returns a host that speaks to the relay.
func (h *home) host(key wire.Key, from, node string, to netip.AddrPort) *relaytest.Host {
	h.Helper()
	host, err := relaytest.Dial(key, netip.MustParseAddr(from), node, to)
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() { host.Close() })
	return host
}

// await waits until a host has seen enough.
func (h *home) await(host *relaytest.Host, enough func(relaytest.Seen) bool) {
	h.Helper()
	ctx, cancel := context.WithTimeout(h.Context(), 20*time.Second)
	defer cancel()
	if err := host.Await(ctx, enough); err != nil {
		h.Fatalf("%v\n%s", err, h.reports())
	}
}

// join makes a host known.
func (h *home) join(host *relaytest.Host) {
	h.Helper()
	acks := host.Seen().Acks
	h.must(host.Startup())
	h.await(host, func(s relaytest.Seen) bool { return s.Acks > acks })
	h.must(host.Keepalive())
	h.await(host, func(s relaytest.Seen) bool { return s.Acks > acks+1 })
}

func (h *home) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

// events takes what is in the spool, waiting until there are n.
func (h *home) events(n int) (list []*event.Event) {
	h.Helper()
	ctx, cancel := context.WithTimeout(h.Context(), 20*time.Second)
	defer cancel()
	for len(list) < n {
		run, err := h.spool.Next(ctx)
		if err != nil {
			h.Fatalf("%d of %d events: %v\n%v\n%s", len(list), n, err, h.relay.Status().Datagrams, h.reports())
		}
		list = append(list, run.Events...)
		h.must(h.spool.Sent(run))
	}
	return list
}

// line shows an event.
func line(ev *event.Event) string {
	return fmt.Sprintf("%s %s %s: %s", ev.ID.Agent, ev.Kind, ev.Location, ev.Text)
}

// until waits for a condition.
func (h *home) until(what string, ok func() bool) {
	h.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			h.Fatalf("not in 20 s: %s\n%v\n%s", what, h.relay.Status().Datagrams, h.reports())
		}
	}
}

func sum(b []byte) string {
	s := md5.Sum(b)
	return hex.EncodeToString(s[:])
}
