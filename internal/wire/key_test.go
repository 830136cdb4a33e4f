package wire_test

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/yagura-hids/yagura/internal/wire"
)

const secret = "9f3c1d5ab2e8476089d4c7f1a6b05e320c7be9154fd2a8361e5d90b7ac42f683"

func TestAddress(t *testing.T) {
	for _, c := range []struct{ text, shown, in, out string }{
		{"any", "any", "192.0.2.1 2001:db8::1 ::ffff:192.0.2.1", ""},
		{"192.0.2.1", "192.0.2.1", "192.0.2.1 ::ffff:192.0.2.1", "192.0.2.2 2001:db8::1 ::192.0.2.1"},
		{"192.0.2.1/32", "192.0.2.1", "192.0.2.1", "192.0.2.2"},
		{"::ffff:192.0.2.1", "192.0.2.1", "192.0.2.1 ::ffff:192.0.2.1", "192.0.2.2"},
		{"10.0.0.0/24", "10.0.0.0/24", "10.0.0.0 10.0.0.255 ::ffff:10.0.0.7", "10.0.1.0 2001:db8::1"},
		{"10.0.0.9/24", "10.0.0.9/24", "10.0.0.1", "10.0.1.9"}, // what is written stays
		{"::ffff:10.0.0.0/120", "10.0.0.0/24", "10.0.0.1", "10.0.1.1"},
		{"0.0.0.0/0", "0.0.0.0/0", "192.0.2.1", "2001:db8::1"},
		{"2001:db8::/32", "2001:db8::/32", "2001:db8::1 2001:db8:1::%eth0", "2001:db9::1 192.0.2.1"},
		{"::/0", "::/0", "2001:db8::1", "192.0.2.1 ::ffff:192.0.2.1"},
		{"!10.0.0.0/8", "!10.0.0.0/8", "192.0.2.1 2001:db8::1", "10.1.2.3 ::ffff:10.1.2.3"},
		{"!192.0.2.1", "!192.0.2.1", "192.0.2.2", "192.0.2.1"},
	} {
		a, err := wire.ParseAddress(c.text)
		if err != nil || a.String() != c.shown || a.Any() != (c.text == "any") {
			t.Errorf("%s: %v %v", c.text, a, err)
		}
		for _, host := range strings.Fields(c.in) {
			if !a.Covers(netip.MustParseAddr(host)) {
				t.Errorf("%s doesn't cover %s", c.text, host)
			}
		}
		for _, host := range strings.Fields(c.out) {
			if a.Covers(netip.MustParseAddr(host)) {
				t.Errorf("%s covers %s", c.text, host)
			}
		}
		host, single := a.Single()
		if want := !strings.ContainsAny(c.shown, "/!y"); single != want || single && host.String() != c.shown {
			t.Errorf("%s: single %v %v", c.text, host, single)
		}
	}
}

func TestNoAddress(t *testing.T) {
	for _, text := range []string{
		"", "!", "!any", "ANY", "web", "10.0.0", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/255.255.255.0", "10.0.0.0/-1", "fe80::1%eth0", "10.0.0.256", "2001:db8::/129",
		"!!10.0.0.1", "10.0.0.1 ",
	} {
		if a, err := wire.ParseAddress(text); !errors.Is(err, wire.ErrKey) {
			t.Errorf("%q: %v %v", text, a, err)
		}
	}
	if (wire.Address{}).Covers(netip.MustParseAddr("192.0.2.1")) || (wire.Address{}).String() != "" {
		t.Error("no address covers something")
	}
}

func TestKey(t *testing.T) {
	const text = "1026 web-asg 127.0.0.0/24 " + secret
	k, err := wire.ParseKey(text)
	if err != nil || k.ID != "1026" || k.Name != "web-asg" || k.Address.String() != "127.0.0.0/24" || k.Secret != secret || k.String() != text {
		t.Fatalf("%v %v", k, err)
	}
	const exported = "MTAyNiB3ZWItYXNnIDEyNy4wLjAuMC8yNCA5ZjNjMWQ1YWIyZTg0NzYwODlkNGM3ZjFhNmIwNWUzMjBjN2JlOTE1NGZkMmE4MzYxZTVkOTBiN2FjNDJmNjgz"
	if k.Export() != exported {
		t.Errorf("exported %s", k.Export())
	}
	for _, text := range []string{exported, exported[:40] + "\r\n  " + exported[40:] + "\n", exported + "=="} {
		if again, err := wire.Import(text); err != nil || again != k {
			t.Errorf("import %q: %v %v", text, again, err)
		}
	}
}

func TestKeySpacesInSecret(t *testing.T) {
	if k, err := wire.ParseKey("7 db any a b  c"); err != nil || k.Secret != "a b  c" {
		t.Errorf("%q %v", k.Secret, err)
	}
}

func TestNoKey(t *testing.T) {
	long := strings.Repeat("x", 128)
	for _, line := range []string{
		"", "1", "1 web any", "1 web any ", " web any k", "a web any k", "-1 web any k", "123456789 web any k", "1  any k", "1 #web any k", "1 !web any k",
		"1 we\tb any k", "1 web  any k", "1 web 10.0.0.0/99 k", "1 web any k\nk", "1 " + long + " any k", "1 web any " + long,
	} {
		if k, err := wire.ParseKey(line); !errors.Is(err, wire.ErrKey) {
			t.Errorf("%q: %v %v", line, k, err)
		}
	}
	for _, text := range []string{"", "A", "####", "MTAyNg==", "MTAyNiB3ZWItYXNn"} {
		if k, err := wire.Import(text); !errors.Is(err, wire.ErrKey) {
			t.Errorf("%q: %v %v", text, k, err)
		}
	}
}

func TestNoErrorShowsSecret(t *testing.T) {
	bad := secret + secret
	if _, err := wire.ParseKey("1 web any " + bad); err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("%v", err)
	}
}

func TestReadKeys(t *testing.T) {
	keys, err := wire.ReadKeys(strings.NewReader(strings.Join([]string{
		"# agents",
		"001 web1 192.0.2.1 k1\r",
		"",
		" 002 web2 192.0.2.2 k2",
		"003 #*#*#*#*# #*#*#*#*# #*#*#*#*#",
		"#004 web4 192.0.2.4 k4",
		"005 !web5 any k5",
		"1 one any k6",
		"001 again any k7",
		"bad",
		"008 long any " + strings.Repeat("x", 3000),
		"009 web9 10.0.0.0/255.0.0.0 k9",
		"010 last 2001:db8::/64 k10",
	}, "\n")))
	var got []string
	for _, k := range keys {
		got = append(got, k.String())
	}
	want := []string{"001 web1 192.0.2.1 k1", "1 one any k6", "010 last 2001:db8::/64 k10"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	const faults = `line 9: no agent key: id 001 is that of line 2, which holds
line 10: no agent key: 1 fields of id, name, address and key, with one space between
line 11: no agent key: longer than 2048 bytes
line 12: no agent key: address "10.0.0.0/255.0.0.0": write "any", an address, or a network with its number of bits, like 10.0.0.0/24`
	if err == nil || !errors.Is(err, wire.ErrKey) {
		t.Fatal(err)
	}
	if diff := cmp.Diff(faults, err.Error()); diff != "" {
		t.Error(diff)
	}
}

func TestReadKeysBrokenFile(t *testing.T) {
	r := io.MultiReader(strings.NewReader("1 a any k\n2 b any k\n"), brokenReader{})
	keys, err := wire.ReadKeys(r)
	if len(keys) != 2 || !errors.Is(err, os.ErrClosed) || errors.Is(err, wire.ErrKey) {
		t.Errorf("%v %v", keys, err)
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, os.ErrClosed }

func TestNewSecret(t *testing.T) {
	text, err := wire.NewSecret(bytes.NewReader([]byte("0123456789abcdefghijklmnopqrstuv")))
	if err != nil || text != "303132333435363738396162636465666768696a6b6c6d6e6f70717273747576" {
		t.Errorf("%s %v", text, err)
	}
	if _, err := wire.NewSecret(strings.NewReader("too short")); err == nil {
		t.Error("a secret of 9 bytes")
	}
}

// FuzzKeys reads a file; the keys found must be found again in what they are written as.
func FuzzKeys(f *testing.F) {
	f.Add([]byte("001 web1 192.0.2.1 k1\n# x\n002 web2 !10.0.0.0/8 k2\r\n"))
	f.Add([]byte("1 a ::ffff:10.0.0.0/97 k\n2 b ::/0 k\n3 c 0::1.2.3.4/32 k"))
	f.Fuzz(func(t *testing.T, file []byte) {
		keys, _ := wire.ReadKeys(bytes.NewReader(file))
		var again strings.Builder
		for _, k := range keys {
			again.WriteString(k.String() + "\n")
			if imported, err := wire.Import(k.Export()); err != nil || imported != k {
				t.Fatalf("%v exported is %v: %v", k, imported, err)
			}
		}
		keys2, err := wire.ReadKeys(strings.NewReader(again.String()))
		if err != nil || len(keys2) != len(keys) {
			t.Fatalf("%d keys, then %d: %v: %s", len(keys), len(keys2), err, again.String())
		}
		for i, k := range keys {
			if keys2[i] != k {
				t.Errorf("%v, then %v", k, keys2[i])
			}
		}
	})
}
