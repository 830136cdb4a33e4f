package session_test

import (
	"flag"
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/agent/relay/session"
)

func TestMaxHosts(t *testing.T) {
	r := newRelay(t, session.Options{})
	key := &session.Key{ID: "1027", Name: "few", Many: true, MaxHosts: 3}
	var hosts []*agent
	for i := range 4 {
		hosts = append(hosts, newAgent(key, fmt.Sprintf("10.0.1.%d", i), 1, fmt.Sprintf("h%d", i)))
		hosts[i].seq = 100
	}
	for _, h := range hosts[:3] {
		h.start(r, 1)
	}
	r.want(session.TooManyHosts, hosts[3].startup())
	r.wantTold(1, "too many hosts")

	// One that begins anew is none more.
	hosts[0].seq, hosts[0].salt = 0, 1
	if x := hosts[0].start(r, 2); x.Agent != "few/h0" {
		t.Fatalf("it is %q", x.Agent)
	}
	r.want(session.TooManyHosts, hosts[3].startup())
	r.store()

	r.now = r.now.Add(session.Idle)
	r.want(session.Accepted, hosts[1].event())
	if gone := r.s.Expire(r.now); len(gone) != 3 { // two, and the one that h0 was before
		t.Fatalf("%d are gone", len(gone))
	}
	hosts[3].start(r, 1)
}

func TestNewHostsComeSlowly(t *testing.T) {
	r := newRelay(t, session.Options{})
	refused := 0
	host := func(i int) {
		h := newAgent(many, fmt.Sprintf("10.0.%d.%d", i/200, i%200), 1, fmt.Sprintf("h%d", i))
		if _, v := r.send(h.startup()); v == session.TooFast {
			refused++
		}
	}
	for i := range 300 {
		host(i)
	}
	if refused != 300-session.KeyBurst {
		t.Fatalf("%d refused", refused)
	}
	r.now = r.now.Add(4 * time.Second)
	for i := 300; i < 330; i++ {
		host(i)
	}
	if refused != 300-session.KeyBurst+10 {
		t.Fatalf("%d refused", refused)
	}
	r.wantTold(1, "too fast")
	r.now = r.now.Add(time.Minute)
	r.s.Expire(r.now)
	r.wantTold(1, "53 times")
}

var forged = flag.Int("sources", 250_000, "how many addresses TestFlood comes from")

// Very many addresses, each with a datagram that opens: what is kept of them is bounded.
func TestFlood(t *testing.T) {
	r := newRelay(t, session.Options{Max: 5000})
	key := &session.Key{ID: "1028", Name: "open", Many: true, MaxHosts: 1 << 30}
	var verdicts [8]int
	before := heap()
	inner := make([]byte, 70)
	for i := range *forged {
		r.now = r.now.Add(20 * time.Microsecond * 200) // an hour of it, so that rates are not what bounds it
		from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), uint16(i))
		copy(inner, fmt.Sprintf("%010d", i))
		_, v := r.s.Admit(session.Arrival{Key: key, From: from, Seq: 1, Inner: inner, Control: i%2 == 0, At: r.now})
		verdicts[v]++
		if i%50_000 == 0 {
			r.store()
		}
	}
	r.store()
	used := heap() - before
	t.Logf("%v, %d bytes", verdicts, used)
	if _, all := r.s.Memory(key.ID); all != 5000 || verdicts[session.Accepted] != 5000 {
		t.Fatalf("%d sessions, %v", all, verdicts)
	}
	if used > 20<<20 {
		t.Fatalf("%d bytes are kept", used)
	}
	if len(r.told) > 200 {
		t.Fatalf("told %d times", len(r.told))
	}
}

func heap() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
