package relaytest_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/yagura-hids/yagura/agent/relay/relaytest"
	"github.com/yagura-hids/yagura/internal/wire"
)

func TestHost(t *testing.T) {
	relay, at := listen(t)
	key := parse(t, "002 web-asg 127.0.0.0/8 "+secret)
	hosts, err := relaytest.Shared(key, netip.MustParseAddr("127.0.1.17"), 2, at)
	if err != nil {
		t.Fatal(err)
	}
	defer relaytest.Close(hosts)
	h, sibling := hosts[0], hosts[1]
	sibling.Cipher = wire.AES

	next, err := h.Next("1:/var/log/syslog:a line")
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{h.Startup(), h.Raw(next), h.Raw(next), sibling.Raw(next), sibling.Log("/var/log/syslog", "another")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	got := take(t, relay, key, 5)
	want := []string{
		"127.0.1.17 002 0:2 #!-agent startup ",
		"127.0.1.17 002 0:1 1:/var/log/syslog:a line",
		"127.0.1.17 002 0:1 1:/var/log/syslog:a line",
		"127.0.1.18 002 0:1 1:/var/log/syslog:a line",
		"127.0.1.18 002 0:1 1:/var/log/syslog:another",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A host sees acks and files as an agent does, and says in its keep-alive which file it has.
func TestSeen(t *testing.T) {
	relay, at := listen(t)
	key := parse(t, "001 web 127.0.1.17 "+secret)
	h, err := relaytest.Dial(key, netip.MustParseAddr("127.0.1.17"), "web-1", at)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	codec, to := wire.NewCodec(key), h.Local()
	for i, text := range []string{
		wire.Ack, "#!-up file 900150983cd24fb0d6963f7d28e17f72 merged.mg\n", "a", "bc", "#!-close file ", "#!-syscheck restart", wire.Ack,
	} {
		sealed, err := codec.Seal(nil, "", wire.Message{Global: 7, Local: uint32(i%6 + 1), Text: []byte(text)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := relay.WriteToUDPAddrPort(sealed, to); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := relay.WriteToUDPAddrPort([]byte("!"), to); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := h.Await(ctx, func(s relaytest.Seen) bool { return s.Damaged > 0 }); err != nil {
		t.Fatal(err)
	}
	want := relaytest.Seen{
		Acks: 1, Files: 1, Merged: []byte("abc"), Told: []string{"#!-syscheck restart"}, Damaged: 1, Stale: 1, Seq: 70006, Longest: h.Seen().Longest,
	}
	if diff := cmp.Diff(want, h.Seen()); diff != "" {
		t.Error(diff)
	}
	if err := h.Keepalive(); err != nil {
		t.Fatal(err)
	}
	k, err := wire.ParseKeepalive([]byte(take(t, relay, key, 1)[0][len("127.0.1.17  0:1 "):]))
	if err != nil || k.Node != "web-1" || k.MergedSum() != "900150983cd24fb0d6963f7d28e17f72" {
		t.Errorf("%+v, %v", k, err)
	}
}

func TestLoad(t *testing.T) {
	relay, at := listen(t)
	keys, err := relaytest.Keys(3)
	if err != nil {
		t.Fatal(err)
	}
	hosts, err := relaytest.Own(keys, at)
	if err != nil {
		t.Fatal(err)
	}
	defer relaytest.Close(hosts)
	load, err := relaytest.Seal(hosts, 2, func(host, i int) string { return fmt.Sprintf("1:log:%d of host %d", i, host) })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := load.Send(100_000); err != nil {
		t.Fatal(err)
	}
	for i := range load.Len() {
		host, nth := i%3, i/3
		want := []string{fmt.Sprintf("127.1.0.%d  0:%d 1:log:%d of host %d", host+1, nth+1, nth, host)}
		if diff := cmp.Diff(want, take(t, relay, keys[host], 1)); diff != "" {
			t.Error(diff)
		}
	}
}

const secret = "471ade85ec705557fee3f67b49757129bcbd056d36b3feeb6cc12044a86e5cc5"

func parse(t *testing.T, line string) wire.Key {
	t.Helper()
	key, err := wire.ParseKey(line)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func listen(t *testing.T) (*net.UDPConn, netip.AddrPort) {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn, conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

// take opens the next datagrams: who sent each, its prefix, counters and text.
func take(t *testing.T, conn *net.UDPConn, key wire.Key, n int) (all []string) {
	t.Helper()
	buf, codec := make([]byte, 64<<10), wire.NewCodec(key)
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	for range n {
		size, from, err := conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			t.Fatal(err)
		}
		d, err := wire.Split(buf[:size])
		if err != nil {
			t.Fatal(err)
		}
		m, err := codec.Open(d, wire.MaxMessage, &wire.Scratch{})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprintf("%s %s %d:%d %s", from.Addr(), d.ID, m.Global, m.Local, m.Text))
	}
	return all
}
