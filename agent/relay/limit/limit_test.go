package limit_test

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/agent/relay/limit"
)

var (
	start = time.Date(2026, 11, 25, 1, 30, 0, 0, time.UTC)
	one   = netip.MustParseAddr("192.0.2.1")
	two   = netip.MustParseAddr("192.0.2.2")
)

func TestConns(t *testing.T) {
	c := limit.Conns{Most: 3, PerSource: 2}
	for i, step := range []struct {
		from netip.Addr
		want bool
	}{{one, true}, {netip.MustParseAddr("::ffff:192.0.2.1"), true}, {one, false}, {two, true}, {two, false}} {
		if got := c.Enter(step.from); got != step.want {
			t.Errorf("%d: %s enters: %v", i, step.from, got)
		}
	}
	c.Leave(one)
	if !c.Enter(two) || c.Enter(one) || c.Open() != 3 {
		t.Error("a place that was left is not given again, or twice")
	}
}

// The addresses that one host of IPv6 can take are one source.
func TestNetworkIsOneSource(t *testing.T) {
	c := limit.Conns{Most: 9, PerSource: 1}
	if !c.Enter(netip.MustParseAddr("2001:db8::1")) || c.Enter(netip.MustParseAddr("2001:db8::2")) || !c.Enter(netip.MustParseAddr("2001:db8:0:1::1")) {
		t.Error("want one for each /64")
	}
}

func TestRate(t *testing.T) {
	r := limit.Rate{PerMinute: 2}
	if r.Spent(one, start) || !r.Count(one, start) || !r.Count(one, start) || !r.Spent(one, start) || r.Count(one, start.Add(59*time.Second)) {
		t.Error("want two a minute")
	}
	if !r.Count(two, start) || !r.Count(one, start.Add(time.Minute)) {
		t.Error("want two for each, each minute")
	}
}

// A million forged sources take no more memory than maxSources, and none of them gets more than its share.
func TestRateIsBounded(t *testing.T) {
	r := limit.Rate{PerMinute: 1}
	within := 0
	for i := range uint32(1_000_000) {
		var a [4]byte
		binary.BigEndian.PutUint32(a[:], i)
		if r.Count(netip.AddrFrom4(a), start) {
			within++
		}
	}
	if within != 1<<16+1 {
		t.Errorf("%d sources were within the limit", within)
	}
}

func TestLines(t *testing.T) {
	var l limit.Lines
	var got []string
	for _, after := range []time.Duration{0, 1, 59, 60, 61, 121} {
		l.Tell(start.Add(after*time.Second), func(s string) { got = append(got, s) }, "at %d", int(after))
	}
	want := []string{"at 0", "at 60 (and 2 like it in the time before)", "at 121 (and 1 like it in the time before)"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
