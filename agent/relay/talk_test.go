package relay_test

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/agent/relay/relaytest"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/fleet"
	"github.com/yagura-hids/yagura/internal/wire"
)

// A group's files reach its hosts, which then have the right sum; changed ones reach them with the next keep-alive.
func TestPush(t *testing.T) {
	h := newHome(t)
	key := h.key("web-asg", "127.0.10.0/24")
	var want []byte
	for _, size := range []int{5_000, 40_000} {
		merged, err := wire.Merge([]wire.File{{Name: "agent.conf", Content: bytes.Repeat([]byte("<agent_config/> #!-x\n"), size/21)}})
		h.must(err)
		h.must(h.fleet.PutFiles(t.Context(), "default", merged))
		want = merged
		if size == 5_000 {
			to := h.start()
			h.join(h.host(key, "127.0.10.1", "other", to))
			host := h.host(key, "127.0.10.2", "node", to)
			h.join(host)
			h.await(host, func(s relaytest.Seen) bool { return s.Files == 1 && bytes.Equal(s.Merged, want) })
			defer func() {
				h.until("the changed files are there", func() bool {
					h.pass(time.Minute)
					h.must(host.Keepalive())
					return bytes.Equal(host.Seen().Merged, want)
				})
				h.must(host.Keepalive())
				h.until("the fleet knows the sum", func() bool {
					f, err := h.fleet.Host(t.Context(), "web-asg/node")
					return err == nil && f.Files == sum(want)
				})
				if s := host.Seen(); s.Damaged > 0 || s.Stale > 0 || s.Longest > wire.MaxToAgent {
					t.Errorf("damaged %d, stale %d, longest %d", s.Damaged, s.Stale, s.Longest)
				}
			}()
		}
	}
}

// Commands reach the host that they are for, once.
func TestCommands(t *testing.T) {
	h := newHome(t)
	key := h.key("web-asg", "127.0.10.0/24")
	to := h.start()
	one, two := h.host(key, "127.0.10.1", "one", to), h.host(key, "127.0.10.2", "two", to)
	h.join(one)
	var sent []fleet.Command
	for _, text := range []string{"syscheck restart", "execd restart-ossec0 null - (from_the_server) (no_rule_id)"} {
		for _, agent := range []string{"web-asg/one", "web-asg/two"} {
			c, err := h.fleet.Send(t.Context(), fleet.Command{Agent: agent, Text: text})
			h.must(err)
			sent = append(sent, c)
		}
	}
	want := "#!-syscheck restart\n#!-execd restart-ossec0 null - (from_the_server) (no_rule_id)"
	h.await(one, func(s relaytest.Seen) bool { return len(s.Told) == 2 })
	h.join(two) // what waits for it is told when it comes
	h.await(two, func(s relaytest.Seen) bool { return len(s.Told) == 2 })
	for _, host := range []*relaytest.Host{one, two} {
		if got := strings.Join(host.Seen().Told, "\n"); got != want {
			t.Errorf("%s was told %q", host.Node, got)
		}
	}
	for _, c := range sent {
		if c, err := h.fleet.Command(t.Context(), c.ID); err != nil || c.Told.IsZero() || c.Relay != "relay-1" {
			t.Errorf("%+v, %v", c, err)
		}
	}
}

// In strict freshness a host is heard when it has shown that it got what only it was sent; what it said before comes then, too.
func TestStrict(t *testing.T) {
	h := newHome(t)
	h.conf.Relay.StrictFreshness = true
	key := h.key("web-asg", "127.0.10.0/24")
	host := h.host(key, "127.0.10.1", "node", h.start())
	h.must(host.Startup())
	h.await(host, func(s relaytest.Seen) bool { return s.Acks == 1 })
	h.must(host.Log("/var/log/x", "before"))
	h.must(host.Keepalive())
	h.await(host, func(s relaytest.Seen) bool { return s.Files == 1 })
	if n := h.spool.Stats().Events; n != 0 {
		t.Errorf("%d events are kept of a host that has shown nothing", n)
	}
	if text := string(host.Seen().Merged); !strings.Contains(text, "yagura.nonce") {
		t.Errorf("it was sent %q", text)
	}
	h.must(host.Keepalive())
	h.must(host.Log("/var/log/x", "after"))
	var got []string
	for _, ev := range h.events(2) {
		got = append(got, ev.Text)
	}
	if strings.Join(got, " ") != "before after" {
		t.Errorf("%q", got)
	}
}

// Wazuh's agents come by TCP.
func TestTCP(t *testing.T) {
	h := newHome(t)
	key := h.key("web1", "any")
	h.start()
	at := h.port("agents", "tcp")
	conn, err := net.Dial("tcp", at.String())
	h.must(err)
	defer conn.Close()
	h.must(conn.SetDeadline(time.Now().Add(20 * time.Second)))
	codec, scratch := wire.NewCodec(key), &wire.Scratch{}
	say := func(local uint32, text string) []byte {
		d, err := codec.Seal(nil, key.ID, wire.Message{Cipher: wire.WazuhAES, Random: 7, Local: local, Text: []byte(text)})
		h.must(err)
		return wire.AppendFrame(nil, d)
	}
	hear := func() string {
		frame, err := wire.ReadFrame(conn, nil)
		h.must(err)
		if string(frame) == wire.Pong {
			return wire.Pong
		}
		d, err := wire.Split(frame)
		h.must(err)
		m, err := codec.Open(d, wire.MaxWazuh, scratch)
		h.must(err)
		return string(m.Text)
	}
	write := func(b []byte) {
		_, err := conn.Write(b)
		h.must(err)
	}
	write(wire.AppendFrame(nil, []byte(wire.Ping)))
	if got := hear(); got != wire.Pong {
		t.Errorf("ping was answered %q", got)
	}
	write(say(1, `#!-agent startup {"version":"v4.9.2"}`))
	if got := hear(); got != wire.Ack {
		t.Errorf("startup was answered %q", got)
	}
	long := strings.Repeat("x", 20_000)
	write(append(say(2, "1:/var/log/x:"+long), say(3, "#!-Linux |node |6.1.0 |#1 |x86_64 [Debian|debian: 12] - Wazuh v4.9.2 / 00000000000000000000000000000000\nx merged.mg\n#\"_agent_ip\":192.0.2.7\n")...))
	if got := hear(); got != wire.Ack {
		t.Errorf("the keep-alive was answered %q", got)
	}
	if ev := h.events(1)[0]; ev.Text != long || ev.ID.Agent != "web1" {
		t.Errorf("%.60q of %s", ev.Text, ev.ID)
	}
	var f fleet.Host
	h.until("the fleet knows it", func() bool {
		f, _ = h.fleet.Host(t.Context(), "web1")
		return !f.Alive.IsZero()
	})
	if f.Version != "Wazuh v4.9.2" {
		t.Errorf("%+v", f)
	}
}

// A rotated key's old secret is good until the host has the new one.
func TestRotate(t *testing.T) {
	h := newHome(t)
	key := h.key("web1", "127.0.0.7")
	to := h.start()
	old := h.host(key, "127.0.0.7", "web1", to)
	h.join(old)
	k, err := h.fleet.Rotate(t.Context(), "web1", time.Hour)
	h.must(err)
	fresh := h.host(k.Key, "127.0.0.7", "web1", to)
	fresh.Count(0, 100)
	h.join(old) // which is answered with the secret that it has
	h.until("the new secret is taken", func() bool {
		h.must(fresh.Startup())
		return fresh.Seen().Acks > 0
	})
	h.until("the fleet forgets the old one", func() bool {
		k, err := h.fleet.Key(t.Context(), "web1")
		return err == nil && k.Previous == ""
	})
	acks := old.Seen().Acks
	h.must(old.Startup())
	h.until("the old one is refused", func() bool { return h.relay.Status().Datagrams["wrong key"] > 0 })
	if old.Seen().Acks != acks {
		t.Error("it was answered")
	}
}

// Stopped and started again, the relay knows what it has heard and goes on with who comes.
func TestRestart(t *testing.T) {
	h := newHome(t)
	key := h.key("web-asg", "127.0.10.0/24")
	h.conf.Remotes[0].TCP = false // whose port of that number may be taken
	h.conf.Remotes[0].Port = h.start().Port()
	to := h.port("agents", "udp")
	host, sibling := h.host(key, "127.0.10.1", "node", to), h.host(key, "127.0.10.2", "sibling", to)
	h.join(host)
	h.join(sibling)
	var sent [][]byte
	for i := range 50 {
		d, err := host.Next(fmt.Sprintf("1:/var/log/x:line %d", i))
		h.must(err)
		sent = append(sent, d)
		h.must(host.Raw(d))
	}
	h.events(50)
	h.stop()
	h.start()
	for _, d := range sent {
		h.must(host.Raw(d))
		h.must(sibling.Raw(d))
	}
	h.until("all replays came", func() bool {
		d := h.relay.Status().Datagrams
		return d["heard before"]+d["heard elsewhere"] == 100
	})
	h.must(host.Log("/var/log/x", "new")) // it knows nothing of the restart
	h.join(host)
	if ev := h.events(1)[0]; ev.Text != "new" || ev.ID.Agent != "web-asg/node" {
		t.Errorf("%s", line(ev))
	}
	if s := host.Seen(); s.Stale > 0 {
		t.Errorf("%d answers with counters that did not rise", s.Stale)
	}
}

// A host that is silent for long is told of, and comes back as the same.
func TestSilent(t *testing.T) {
	h := newHome(t)
	key := h.key("web-asg", "127.0.10.0/24")
	to := h.start()
	host := h.host(key, "127.0.10.1", "node", to)
	h.join(host)
	h.pass(time.Hour)
	ev := h.events(1)[0]
	//nolint:misspell // OSSEC's
	if got := line(ev); got != "web-asg/node agent web-asg/node-127.0.10.1->ossec-monitord: ossec: Agent disconnected: 'web-asg/node-127.0.10.1'." {
		t.Errorf("%s", got)
	}
	h.join(host)
	h.must(host.Log("/var/log/x", "back"))
	if ev := h.events(1)[0]; ev.Text != "back" || ev.ID.Agent != "web-asg/node" {
		t.Errorf("%s", line(ev))
	}
}

// Stopped, the relay keeps what it has taken.
func TestStop(t *testing.T) {
	h := newHome(t)
	key := h.key("web1", "127.0.0.7")
	host := h.host(key, "127.0.0.7", "web1", h.start())
	h.join(host)
	before := h.relay.Status().Datagrams["accepted"]
	for i := range 300 {
		h.must(host.Log("/var/log/x", fmt.Sprintf("line %d", i)))
	}
	h.until("all are taken", func() bool { return h.relay.Status().Datagrams["accepted"] == before+300 })
	h.stop()
	h.start()
	for i, ev := range h.events(300) {
		if ev.Text != fmt.Sprintf("line %d", i) {
			t.Fatalf("event %d is %q", i, ev.Text)
		}
	}
}

// Of a host that isn't known yet so much is held and no more; the loss is counted and told.
func TestHeld(t *testing.T) {
	h := newHome(t)
	h.conf.Relay.StrictFreshness = true
	key := h.key("web-asg", "127.0.10.0/24")
	host := h.host(key, "127.0.10.1", "node", h.start())
	h.must(host.Startup())
	h.await(host, func(s relaytest.Seen) bool { return s.Acks == 1 })
	for i := range 1100 {
		h.must(host.Log("/var/log/x", fmt.Sprintf("line %d", i)))
	}
	h.until("all came", func() bool { return h.relay.Status().Datagrams["accepted"] == 1101 })
	h.must(host.Keepalive())
	h.await(host, func(s relaytest.Seen) bool { return s.Files == 1 })
	h.must(host.Keepalive())
	lines, told := 0, ""
	for _, ev := range h.events(1001) {
		if strings.HasPrefix(ev.Text, "line ") {
			lines++
		} else {
			told = ev.Text
		}
	}
	if lost := h.relay.Status().Datagrams["held too long"]; lines != 1000 || lost != 100 || !strings.HasPrefix(told, "ossec: Relay: key "+key.ID+" (web-asg), 127.0.10.1:") {
		t.Errorf("%d lines, %d lost, told: %q", lines, lost, told)
	}
}

// A machine with the address and the name of an earlier one, which autoscaling took away, has files of its own.
func TestAnotherMachine(t *testing.T) {
	h := newHome(t)
	key := h.key("web-asg", "127.0.10.0/24")
	to := h.start()
	host := h.host(key, "127.0.10.1", "ip-127-0-10-1", to)
	scan := func(sum string) string {
		h.must(host.Send("9:rootcheck:Starting syscheck scan."))
		h.must(host.Send("8:syscheck:10:33188:0:0:" + strings.Repeat(sum, 32) + ":" + strings.Repeat(sum, 40) + " /etc/hosts"))
		h.must(host.Send("9:rootcheck:Ending syscheck scan."))
		for _, ev := range h.events(3) {
			if ev.Kind == event.Syscheck {
				return ev.Text
			}
		}
		return "no word of it"
	}
	h.join(host)
	if got := scan("a"); !strings.Contains(got, `"baseline"`) {
		t.Errorf("the first machine's file: %s", got)
	}
	host.Count(0, 0)
	h.pass(2 * time.Minute)
	h.join(host)
	if ev := h.events(1)[0]; !strings.Contains(ev.Text, "its counters went back") {
		t.Errorf("%s", line(ev))
	}
	if got := scan("b"); !strings.Contains(got, `"baseline"`) {
		t.Errorf("the next one's: %s", got)
	}
	host.Count(0, 3000) // the same machine, restored to what it was
	h.join(host)
	if got := scan("c"); !strings.Contains(got, `"modified"`) {
		t.Errorf("its changed file: %s", got)
	}
}
