package relay_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/yagura-hids/yagura/agent/relay/relaytest"
	"github.com/yagura-hids/yagura/internal/fleet"
	"github.com/yagura-hids/yagura/internal/wire"
)

// A host comes, is known, and what it says becomes its events; another cipher is answered in the same.
func TestHost(t *testing.T) {
	for _, c := range []wire.Cipher{wire.Blowfish, wire.AES, wire.WazuhAES} {
		t.Run(c.String(), func(t *testing.T) {
			h := newHome(t)
			key := h.key("web1", "127.0.0.7")
			host := h.host(key, "127.0.0.7", "web1.example.org", h.start())
			host.Cipher = c
			h.must(host.Startup())
			h.await(host, func(s relaytest.Seen) bool { return s.Acks == 1 })
			h.must(host.Send("1:ossec:ossec: Agent started: 'web1->127.0.0.7'."))
			h.must(host.Keepalive())
			h.must(host.Log("/var/log/auth.log", "Nov 25 01:02:03 web1 sshd[7]: Failed password for root from 198.51.100.7 port 22 ssh2"))
			var got []string
			for _, ev := range h.events(2) {
				got = append(got, line(ev))
			}
			slices.Sort(got)
			want := []string{
				"web1 agent (web1) 127.0.0.7->ossec: ossec: Agent started: 'web1->127.0.0.7'.",
				"web1 log (web1) 127.0.0.7->/var/log/auth.log: Nov 25 01:02:03 web1 sshd[7]: Failed password for root from 198.51.100.7 port 22 ssh2",
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
			var f fleet.Host
			h.until("the fleet knows the host", func() bool {
				f, _ = h.fleet.Host(t.Context(), "web1")
				return !f.Alive.IsZero()
			})
			if f.Node != "web1.example.org" || f.Key != key.ID || !strings.HasPrefix(f.Address, "127.0.0.7:") || f.Version != "OSSEC HIDS v3.8.0" || f.Cipher != c.String() || f.Relay != "relay-1" || f.Status(time.Now()) != fleet.Active {
				t.Errorf("%+v", f)
			}
			if s := host.Seen(); s.Damaged > 0 || s.Stale > 0 || s.Longest > wire.MaxToAgent {
				t.Errorf("%+v", s)
			}
		})
	}
}

// A key that is added, or taken away, while the relay runs.
func TestKeysChange(t *testing.T) {
	h := newHome(t)
	to := h.start()
	key := h.key("web1", "127.0.0.7")
	host := h.host(key, "127.0.0.7", "web1", to)
	h.until("the new key is known", func() bool {
		h.must(host.Startup())
		return host.Seen().Acks > 0
	})
	h.must(h.fleet.Remove(t.Context(), "web1"))
	h.until("the key is not taken any more", func() bool { return h.relay.Status().Keys == 0 })
	acks := host.Seen().Acks
	h.must(host.Startup())
	h.until("it is refused", func() bool { return h.relay.Status().Datagrams["unknown key"] > 0 })
	if host.Seen().Acks != acks {
		t.Error("it was answered")
	}
}

// What is wrong gets no answer, is counted by its reason, and told in one line a minute.
func TestRefused(t *testing.T) {
	h := newHome(t)
	key := h.key("web1", "127.0.0.7")
	net := h.key("asg", "127.0.1.0/24")
	to := h.start()
	other := key
	other.Secret = strings.Repeat("0", 64)
	good := h.host(key, "127.0.0.7", "web1", to)
	h.join(good)
	replay, err := good.Next("1:/var/log/x:once")
	h.must(err)
	h.must(good.Raw(replay))
	bad := []struct {
		name string
		host *relaytest.Host
		send func(*relaytest.Host) error
	}{
		{"wrong key", h.host(other, "127.0.0.7", "web1", to), (*relaytest.Host).Startup},
		{"unknown key", h.host(key, "127.0.0.8", "web1", to), (*relaytest.Host).Startup},
		{"wrong source", h.host(net, "127.0.2.1", "x", to), (*relaytest.Host).Startup},
		{"garbage", h.host(key, "127.0.0.7", "x", to), func(h *relaytest.Host) error { return h.Raw([]byte("<13>hello")) }},
		{"garbage", h.host(key, "127.0.0.7", "x", to), func(h *relaytest.Host) error { return h.Raw(nil) }},
		{"wrong key", h.host(key, "127.0.0.7", "x", to), func(h *relaytest.Host) error { return h.Raw([]byte(":12345678")) }},
		{"heard before", good, func(h *relaytest.Host) error { return h.Raw(replay) }},
	}
	counts := map[string]uint64{}
	for _, b := range bad {
		seen := b.host.Seen()
		for range 3 {
			h.must(b.send(b.host))
			counts[b.name]++
		}
		h.until(fmt.Sprintf("%s is counted: %v", b.name, counts), func() bool { return h.relay.Status().Datagrams[b.name] == counts[b.name] })
		if now := b.host.Seen(); now.Acks != seen.Acks || now.Damaged != seen.Damaged {
			t.Errorf("%s was answered: %+v", b.name, now)
		}
	}
	h.events(1)
	for _, words := range []string{"wrong key", "unknown key", "wrong source", "garbage", "a duplicate"} {
		if n := strings.Count(h.reports(), words); n != 1 {
			t.Errorf("%s was told %d times:\n%s", words, n, h.reports())
		}
	}
	if n := strings.Count(h.reports(), "\n") + 1; n > len(counts) {
		t.Errorf("%d lines:\n%s", n, h.reports())
	}
}

// 200 hosts with one key: their messages come twice, out of order, and again from a sibling's address. Each true one becomes an event once.
func TestManyHosts(t *testing.T) {
	h := newHome(t)
	key := h.key("web-asg", "127.0.10.0/24")
	to := h.start()
	hosts, err := relaytest.Shared(key, netip.MustParseAddr("127.0.10.1"), 200, to)
	h.must(err)
	t.Cleanup(func() { relaytest.Close(hosts) })
	for _, host := range hosts {
		h.until(host.Node+" is answered", func() bool { // two may say the same at first, as 200 of one image do
			h.must(host.Startup())
			return host.Seen().Acks > 0
		})
		h.join(host)
	}
	const each = 20
	random := rand.New(rand.NewPCG(1, 2))
	type shot struct {
		host     int
		datagram []byte
	}
	var first, again []shot
	want := map[string]int{}
	for i, host := range hosts {
		for n := range each {
			text := fmt.Sprintf("host %d says %d", i, n)
			d, err := host.Next("1:/var/log/x:" + text)
			h.must(err)
			want["web-asg/"+host.Node+" "+text] = 1
			first = append(first, shot{i, d})
			if random.IntN(4) == 0 {
				first = append(first, shot{i, d}) // a network's duplicate
			}
			again = append(again, shot{(i + 1 + random.IntN(199)) % 200, d}) // played by somebody from a sibling's address
		}
	}
	random.Shuffle(len(first), func(i, j int) { first[i], first[j] = first[j], first[i] })
	random.Shuffle(len(again), func(i, j int) { again[i], again[j] = again[j], again[i] })
	fire := func(shots []shot, done func() bool) {
		for i, s := range shots {
			h.must(hosts[s.host].Raw(s.datagram))
			if i%500 == 499 {
				h.until("the relay has taken what was sent", done)
			}
		}
		h.until("the relay has taken what was sent", done)
	}
	var sent uint64
	came := func() (n uint64) {
		for name, c := range h.relay.Status().Datagrams {
			if name != "answers not sent" && name != "held too long" && name != "dropped by the kernel" {
				n += c
			}
		}
		return n
	}
	base := came()
	fire(first, func() bool { return came() >= base })
	h.until("all of them came", func() bool { return came() == base+uint64(len(first)) })
	sent = h.relay.Status().Datagrams["accepted"]
	fire(again, func() bool { return true })
	h.until("all replays came", func() bool { return came() == base+uint64(len(first)+len(again)) })
	if now := h.relay.Status().Datagrams["accepted"]; now != sent {
		t.Errorf("%d replays were taken: %v", now-sent, h.relay.Status().Datagrams)
	}
	got := map[string]int{}
	for _, ev := range h.events(len(want)) {
		if ev.Location != "" && strings.Contains(ev.Text, " says ") {
			got[ev.ID.Agent+" "+ev.Text]++
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	h.until("200 hosts are in the fleet", func() bool {
		list, err := h.fleet.Hosts(t.Context())
		h.must(err)
		active := 0
		for _, f := range list {
			if f.Status(time.Now()) == fleet.Active && f.Agent == "web-asg/"+f.Node {
				active++
			}
		}
		return active == 200
	})
}
