package fleet_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/yagura-hids/yagura/internal/fleet"
	"github.com/yagura-hids/yagura/internal/table"
)

// Hosts of one name get names of their own; one that comes again gets its own again, unless it is alive.
func TestEnrol(t *testing.T) {
	each(t, func(t *testing.T, tab table.Table) {
		s, c := open(tab)
		enrol := func(name, from string, useSource bool) fleet.Key {
			t.Helper()
			k, err := s.Enrol(t.Context(), fleet.Request{Name: name, From: netip.MustParseAddr(from), UseSource: useSource})
			if err != nil {
				t.Fatal(err)
			}
			if got, err := s.Key(t.Context(), k.ID); err != nil || got != k {
				t.Fatalf("stored %+v, %v; returned %+v", got, err, k)
			}
			return k
		}
		one, two := enrol("web", "192.0.2.1", false), enrol("web", "::ffff:192.0.2.2", true)
		if one.Name != "web" || one.ID != "1024" || !one.Address.Any() || two.Name != "web2" || two.ID != "1025" || two.Address.String() != "192.0.2.2" {
			t.Errorf("%+v, %+v", one, two)
		}
		again := enrol("web", "192.0.2.2", false)
		if again.ID != two.ID || again.Name != "web2" || again.Secret == two.Secret || !again.Created.Equal(two.Created) || !again.Address.Any() {
			t.Errorf("never connected: %+v, then %+v", two, again)
		}
		put := func(agent string) {
			t.Helper()
			if err := s.PutHosts(t.Context(), []fleet.Host{{Agent: agent, Key: "x", Last: c.now(), Alive: c.now()}}); err != nil {
				t.Fatal(err)
			}
		}
		put("web2")
		if k := enrol("web", "192.0.2.2", false); k.Name != "web3" || k.ID != "1026" {
			t.Errorf("another host at the address of one that is alive: %+v", k)
		}
		c.advance(fleet.AliveFor + 1)
		if k := enrol("web", "192.0.2.2", false); k.ID != two.ID {
			t.Errorf("disconnected: %+v", k)
		}
		add(t, s, key(t, "", "by-hand", "any"))
		add(t, s, key(t, "", "asg", "10.0.0.0/8"))
		for _, name := range []string{"by-hand", "asg"} {
			if k := enrol(name, "192.0.2.1", false); k.Name != name+"2" {
				t.Errorf("%s: %+v", name, k)
			}
		}
	})
}

func TestEnrolBounds(t *testing.T) {
	s, _ := open(inFile(t))
	from := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}) }
	seen := map[string]bool{}
	for i := range 256 {
		k, err := s.Enrol(t.Context(), fleet.Request{Name: "localhost", From: from(i)})
		if err != nil || seen[k.Name] || seen[k.ID] {
			t.Fatalf("%d: %+v, %v", i, k, err)
		}
		seen[k.Name], seen[k.ID] = true, true
	}
	if !seen["localhost256"] || seen["localhost1"] {
		t.Error("not numbered from 2 to 256")
	}
	if k, err := s.Enrol(t.Context(), fleet.Request{Name: "localhost", From: from(256)}); !errors.Is(err, fleet.ErrExists) {
		t.Errorf("the 257th: %+v, %v", k, err)
	}
	if k, err := s.Enrol(t.Context(), fleet.Request{Name: "localhost", From: from(255)}); err != nil || k.Name != "localhost256" {
		t.Errorf("the 256th again: %+v, %v", k, err)
	}
	long := strings.Repeat("x", 128)
	for i, want := range []error{nil, fleet.ErrExists} {
		if _, err := s.Enrol(t.Context(), fleet.Request{Name: long, From: from(i)}); !errors.Is(err, want) {
			t.Errorf("a name that can't be longer: %v, want %v", err, want)
		}
	}
	for name, r := range map[string]fleet.Request{"name": {Name: "a b", From: from(1)}, "group": {Name: "web", From: from(1), Group: "../x"}} {
		if _, err := s.Enrol(t.Context(), r); !errors.Is(err, fleet.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if k, err := s.Enrol(t.Context(), fleet.Request{Name: "web", UseSource: true}); err == nil {
		t.Errorf("a source that isn't known: %+v", k)
	}
}
