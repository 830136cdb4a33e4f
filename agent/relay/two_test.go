package relay_test

import (
	"testing"
	"time"

	"github.com/yagura-hids/yagura/internal/fleet"
)

// A host goes from one relay to another of the same fleet: it is the same agent there, its answers' counters rise, and what it sent to the
// first can't be played to the second.
func TestTwoRelays(t *testing.T) {
	a := newHome(t)
	b := newHome(t)
	b.fleet, b.name = a.fleet, "relay-2"
	key := a.key("web-asg", "127.0.10.0/24")
	toA := a.start()
	host := a.host(key, "127.0.10.1", "node", toA)
	a.join(host)
	played, err := host.Next("1:/var/log/x:once")
	a.must(err)
	a.must(host.Raw(played))
	if ev := a.events(1)[0]; ev.ID.Agent != "web-asg/node" {
		t.Errorf("%s", line(ev))
	}
	a.stop() // which tells the fleet how far the host has counted

	toB := b.start()
	moved := b.host(key, "127.0.10.1", "node", toB)
	b.must(moved.Raw(played))
	b.until("the replay is refused", func() bool {
		d := b.relay.Status().Datagrams
		return d["heard before"]+d["heard elsewhere"] == 1
	})
	moved.Count(0, 10)
	b.join(moved)
	b.must(moved.Log("/var/log/x", "here now"))
	if ev := b.events(1)[0]; ev.ID.Agent != "web-asg/node" || ev.Text != "here now" {
		t.Errorf("%s", line(ev))
	}
	if x, y := host.Seen().Seq, moved.Seen().Seq; y <= x {
		t.Errorf("the first relay's last answer has %d, the second's %d", x, y)
	}
	var f fleet.Host
	b.until("the fleet knows where the host is", func() bool {
		f, err = b.fleet.Host(t.Context(), "web-asg/node")
		return err == nil && f.Seq > 10
	})
	if time.Since(f.First) > time.Minute || f.Status(time.Now()) != fleet.Active {
		t.Errorf("%+v", f)
	}
}
