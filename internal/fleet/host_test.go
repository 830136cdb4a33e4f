package fleet_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/yagura-hids/yagura/internal/fleet"
	"github.com/yagura-hids/yagura/internal/table"
)

func put(t testing.TB, s *fleet.Store, hosts ...fleet.Host) {
	t.Helper()
	if err := s.PutHosts(t.Context(), hosts); err != nil {
		t.Fatal(err)
	}
}

func host(t testing.TB, s *fleet.Store, agent string) fleet.Host {
	t.Helper()
	h, err := s.Host(t.Context(), agent)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func hosts(t testing.TB, s *fleet.Store) []fleet.Host {
	t.Helper()
	list, err := s.Hosts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestStatus(t *testing.T) {
	ago := func(d time.Duration) time.Time { return noon.Add(-d) }
	for _, c := range []struct {
		h    fleet.Host
		want fleet.Status
	}{
		{fleet.Host{}, fleet.NeverConnected},
		{fleet.Host{Key: "001"}, fleet.NeverConnected},
		{fleet.Host{Key: "001", Last: ago(0)}, fleet.Pending},
		{fleet.Host{Key: "001", Last: ago(fleet.AliveFor + 1)}, fleet.Disconnected},
		{fleet.Host{Key: "001", Last: ago(0), Alive: ago(fleet.AliveFor)}, fleet.Active},
		{fleet.Host{Key: "001", Last: ago(0), Alive: ago(fleet.AliveFor + 1)}, fleet.Disconnected},
		{fleet.Host{Key: "001", Last: ago(-time.Hour), Alive: ago(-time.Hour)}, fleet.Active},
		{fleet.Host{Last: ago(fleet.AliveFor)}, fleet.Active},
		{fleet.Host{Last: ago(fleet.AliveFor + 1)}, fleet.Disconnected},
	} {
		if got := c.h.Status(noon); got != c.want {
			t.Errorf("%+v: %s, want %s", c.h, got, c.want)
		}
	}
}

// A host comes back as it was put; many are put at once, and listed in the order of their ids.
func TestHosts(t *testing.T) {
	each(t, func(t *testing.T, tab table.Table) {
		s, c := open(tab)
		full := fleet.Host{
			Agent: "web-asg/ip-10-0-1-17", Key: "001", Node: "ip-10-0-1-17", Address: "192.0.2.7:41234", OS: "Linux ip-10-0-1-17 6.1", Version: "OSSEC HIDS v4.2.0",
			Cipher: "aes", Files: "d41d8cd98f00b204e9800998ecf8427e", First: noon, Last: noon.Add(1), Alive: noon.Add(2), Relay: "i-1", Seq: 1<<64 - 1, Mark: fleet.Mark("x"),
			Scans: map[string]time.Time{"syscheck started": noon},
		}
		list := []fleet.Host{full}
		for i := range 250 {
			list = append(list, fleet.Host{Agent: fmt.Sprintf("web%03d", i), Key: "002", Last: noon})
		}
		put(t, s, slices.Concat(list[100:], list[:100])...)
		slices.SortFunc(list, func(a, b fleet.Host) int { return strings.Compare(a.Agent, b.Agent) })
		if got := hosts(t, s); !reflect.DeepEqual(got, list) {
			t.Errorf("%d hosts, want %d; first %+v", len(got), len(list), got[0])
		}
		if got := host(t, s, full.Agent); !reflect.DeepEqual(got, full) {
			t.Errorf("%+v, want %+v", got, full)
		}
		for _, agent := range []string{"web", "", "\xff", strings.Repeat("x", 3000)} {
			if h, err := s.Host(t.Context(), agent); !errors.Is(err, fleet.ErrUnknown) {
				t.Errorf("%.20q: %+v, %v", agent, h, err)
			}
		}
		if version(t, s) != 0 {
			t.Error("hosts are no change of the keys")
		}
		c.advance(fleet.KnownFor)
		if _, err := s.Host(t.Context(), full.Agent); !errors.Is(err, fleet.ErrUnknown) {
			t.Errorf("a host of many that wasn't heard for long: %v", err)
		}
		if got := hosts(t, s); len(got) != 250 {
			t.Errorf("%d hosts, want those of keys of one", len(got))
		}
	})
}

// What was heard later stays, whoever writes last; what is known of the time before is added.
func TestLaterHost(t *testing.T) {
	each(t, func(t *testing.T, tab table.Table) {
		s, _ := open(tab)
		put(t, s, fleet.Host{Agent: "web1", Key: "1", First: noon, Last: noon.Add(time.Hour), Relay: "one", Seq: 7, Scans: map[string]time.Time{"a": noon, "b": noon}})
		put(t, s,
			fleet.Host{Agent: "web2", Key: "2", Last: noon},
			fleet.Host{Agent: "web1", Key: "1", First: noon.Add(-1), Last: noon.Add(time.Minute), Relay: "late", Seq: 3})
		if h := host(t, s, "web1"); h.Relay != "one" || h.Seq != 7 {
			t.Errorf("an older one came later: %+v", h)
		}
		if h := host(t, s, "web2"); h.Key != "2" {
			t.Errorf("the other one: %+v", h)
		}
		put(t, s, fleet.Host{Agent: "web1", Key: "1", First: noon.Add(time.Hour), Last: noon.Add(2 * time.Hour), Relay: "two", Seq: 5, Scans: map[string]time.Time{"b": noon.Add(1)}})
		h := host(t, s, "web1")
		if h.Relay != "two" || h.Seq != 5 || !h.First.Equal(noon) || !reflect.DeepEqual(h.Scans, map[string]time.Time{"a": noon, "b": noon.Add(1)}) {
			t.Errorf("a newer one: %+v", h)
		}
		put(t, s, fleet.Host{Agent: "twice", Last: noon.Add(2), Relay: "newer"}, fleet.Host{Agent: "twice", Last: noon.Add(1), Relay: "older"})
		if h := host(t, s, "twice"); h.Relay != "newer" {
			t.Errorf("%+v", h)
		}
	})
}

// What strangers say of themselves is cut, and no host stops the others.
func TestStrangeHosts(t *testing.T) {
	s, _ := open(inFile(t))
	var list []fleet.Host
	long := strings.Repeat("\x01\xff", 4000)
	for i := range table.MaxOps {
		list = append(list, fleet.Host{Agent: fmt.Sprint("web", i), Node: long, OS: long, Version: long, Cipher: long, Files: long, Address: long, Relay: long, Last: noon})
	}
	for _, bad := range []string{"", "\xff", strings.Repeat("x", 513)} {
		list = append(list, fleet.Host{Agent: bad, Last: noon})
	}
	if err := s.PutHosts(t.Context(), list); !errors.Is(err, fleet.ErrInvalid) {
		t.Error(err)
	}
	if got := hosts(t, s); len(got) != table.MaxOps || len(got[0].OS) > 2*512 {
		t.Errorf("%d hosts, an OS of %d bytes", len(got), len(got[0].OS))
	}
}

// Relays that write the same hosts at once: the one that heard a host last is who is stored.
func TestConcurrentHosts(t *testing.T) {
	each(t, func(t *testing.T, tab table.Table) {
		const relays, rounds, agents = 4, 10, 20
		var wg sync.WaitGroup
		for relay := range relays {
			s, _ := open(tab)
			wg.Go(func() {
				for round := range rounds {
					var list []fleet.Host
					for a := range agents {
						seq := round*relays + relay + 1
						list = append(list, fleet.Host{Agent: fmt.Sprint("web", a), Key: "1", Last: noon.Add(time.Duration(seq)), Seq: uint64(seq)})
					}
					if err := s.PutHosts(t.Context(), list); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		s, _ := open(tab)
		for _, h := range hosts(t, s) {
			if h.Seq != relays*rounds {
				t.Errorf("%s: %d", h.Agent, h.Seq)
			}
		}
	})
}

// A command is told once, by one of the relays that want to, and not after its time.
func TestCommands(t *testing.T) {
	each(t, func(t *testing.T, tab table.Table) {
		s, c := open(tab)
		send := func(agent string, expires time.Time) fleet.Command {
			t.Helper()
			sent, err := s.Send(t.Context(), fleet.Command{Agent: agent, Text: "syscheck restart", Expires: expires})
			if err != nil {
				t.Fatal(err)
			}
			return sent
		}
		first, short := send("web1", time.Time{}), send("web2", noon.Add(time.Minute))
		c.advance(time.Second)
		last := send("web3", noon.Add(fleet.MaxCommandWaits))
		if first.ID == short.ID || !first.Expires.Equal(noon.Add(fleet.CommandWaits)) || !first.Created.Equal(noon) {
			t.Errorf("%+v, %+v", first, short)
		}
		waiting := func(want ...fleet.Command) {
			t.Helper()
			got, err := s.Waiting(t.Context())
			byID := func(a, b fleet.Command) int { return strings.Compare(a.ID, b.ID) }
			slices.SortFunc(want, byID)
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%+v, %v; want %+v", got, err, want)
			}
		}
		waiting(first, short, last)
		var told sync.Map
		var wg sync.WaitGroup
		for relay := range 4 {
			s, _ := open(tab)
			wg.Go(func() {
				ok, err := s.Told(t.Context(), first.ID, fmt.Sprint(relay))
				if err != nil {
					t.Error(err)
				}
				if _, twice := told.LoadOrStore(ok, relay); twice && ok {
					t.Error("two relays tell it")
				}
			})
		}
		wg.Wait()
		relay, _ := told.Load(true)
		if got, err := s.Command(t.Context(), first.ID); err != nil || got.Relay != fmt.Sprint(relay) || !got.Told.Equal(noon) || got.Text != first.Text {
			t.Errorf("%+v, %v; told by %v", got, err, relay)
		}
		waiting(short, last)
		c.advance(time.Minute - time.Second)
		waiting(last)
		if ok, err := s.Told(t.Context(), short.ID, "late"); ok || err != nil {
			t.Errorf("an expired one: %t, %v", ok, err)
		}
		c.advance(fleet.MaxCommandWaits - time.Minute - 1)
		waiting(last)
		c.advance(1)
		waiting()
		c.advance(48 * time.Hour)
		for _, id := range []string{last.ID, "", "x"} {
			if got, err := s.Command(t.Context(), id); !errors.Is(err, fleet.ErrUnknown) {
				t.Errorf("%q: %+v, %v", id, got, err)
			}
			if ok, err := s.Told(t.Context(), id, "x"); ok || !errors.Is(err, fleet.ErrUnknown) {
				t.Errorf("%q: %t, %v", id, ok, err)
			}
		}
	})
}

func TestInvalidCommands(t *testing.T) {
	s, _ := open(inFile(t))
	for what, c := range map[string]fleet.Command{
		"no agent": {Text: "x"}, "no text": {Agent: "web1"}, "long": {Agent: "web1", Text: strings.Repeat("x", 901)}, "bytes": {Agent: "web1", Text: "\xff"},
		"for ever": {Agent: "web1", Text: "x", Expires: noon.Add(fleet.MaxCommandWaits + 1)},
	} {
		if sent, err := s.Send(t.Context(), c); !errors.Is(err, fleet.ErrInvalid) {
			t.Errorf("%s: %+v, %v", what, sent, err)
		}
	}
}

// Files come back as they were, and what doesn't fit is refused.
func TestFiles(t *testing.T) {
	each(t, func(t *testing.T, tab table.Table) {
		s, _ := open(tab)
		files := func(group, want string) {
			t.Helper()
			if got, err := s.Files(t.Context(), group); err != nil || string(got) != want || (want == "") != (got == nil) {
				t.Errorf("%q: %.20q, %v; want %.20q", group, got, err, want)
			}
		}
		files("", "")
		text := "!5 agent.conf\n<a/>\n"
		rises(t, s, true, "put", func() error { return s.PutFiles(t.Context(), "", []byte(text)) })
		files("default", text)
		files("web", "")
		large := strings.Repeat("<!-- the same -->\n", fleet.MaxFiles/18)
		rises(t, s, true, "put", func() error { return s.PutFiles(t.Context(), "web", []byte(large)) })
		files("web", large)
		rises(t, s, true, "put nothing", func() error { return s.PutFiles(t.Context(), "web", nil) })
		files("web", "")
		for _, bad := range [][]byte{make([]byte, fleet.MaxFiles+1), noise(500 << 10)} {
			if err := s.PutFiles(t.Context(), "", bad); !errors.Is(err, table.ErrTooLarge) || !strings.Contains(err.Error(), fmt.Sprint(len(bad))) {
				t.Errorf("%d bytes: %v", len(bad), err)
			}
		}
		files("", text)
		for _, group := range []string{"a/b", " ", strings.Repeat("x", 200)} {
			_, err := s.Files(t.Context(), group)
			if err2 := s.PutFiles(t.Context(), group, nil); !errors.Is(err, fleet.ErrInvalid) || !errors.Is(err2, fleet.ErrInvalid) {
				t.Errorf("%q: %v, %v", group, err, err2)
			}
		}
	})
}

// noise is bytes that can't be packed.
func noise(n int) []byte {
	b, x := make([]byte, n), uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}

// Any key comes back from the table as it was.
func TestKeyRoundTrip(t *testing.T) {
	s, _ := open(inFile(t))
	n := 0
	rapid.Check(t, func(r *rapid.T) {
		n++
		moment := rapid.Custom(func(r *rapid.T) time.Time {
			return time.Unix(rapid.Int64Range(-1<<33, 1<<35).Draw(r, "s"), rapid.Int64Range(0, 999_999_999).Draw(r, "ns")).UTC()
		})
		k := key(t, fmt.Sprintf("%05d", n), fmt.Sprint("host", n), rapid.SampledFrom([]string{"any", "192.0.2.1", "10.0.0.0/8", "!10.0.0.0/8", "2001:db8::/32"}).Draw(r, "address"))
		k.Secret = rapid.StringMatching(`[ -~é]{1,80}`).Draw(r, "secret")
		k.Many = rapid.Bool().Draw(r, "many")
		k.MaxHosts = rapid.IntRange(0, 1<<30).Draw(r, "max hosts")
		k.Group, k.Previous = rapid.StringMatching(`[a-z._-]{0,9}`).Draw(r, "group"), rapid.StringMatching(`[ -~]{0,80}`).Draw(r, "previous")
		k.Created, k.Until = moment.Draw(r, "created"), moment.Draw(r, "until")
		added, err := s.Add(r.Context(), k)
		if err != nil {
			r.Fatal(err)
		}
		k.Many = added.Many
		if got, err := s.Key(r.Context(), k.ID); err != nil || got != k || added != k {
			r.Fatalf("%+v, %v; want %+v", got, err, k)
		}
	})
}
