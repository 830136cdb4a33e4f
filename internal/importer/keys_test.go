package importer_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/yagura-hids/yagura/internal/importer"
)

func TestParseKeys(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		agents   int
		left     string
	}{
		{"empty", "", 0, ""},
		{"good ones", "001 web1 any " + key + "\n1024 db-2.example 10.1.2.3 " + key + "\r\n003 net 10.0.0.0/8 " + key + "\n004 six fe80::1/64 " + key, 4, ""},
		{"a mask", "001 web1 10.0.0.0/255.0.0.0 " + key, 1, ""},
		{"remarks and removed ones", "# a\n\n001 !web1 any " + key + "\n002 #*#*#*# any x\n #*#*# gone\n", 0, ""},
		{"too few words", "001 web1 any\n", 0, "k:1 has 3 words, not id, name, address and key"},
		{"too many", "001 web1 any " + key + " x\n", 0, "k:1 has 5 words, not id, name, address and key"},
		{"no id", "x1 web1 any " + key, 0, "k:1 begins with no id of 3 to 8 digits"},
		{"a short name", "001 w any " + key, 0, "k:1 has no name of 2 to 128 letters, digits, _ . and -"},
		{"a name with a slash", "001 ../web any " + key, 0, "k:1 has no name of 2 to 128 letters, digits, _ . and -"},
		{"no address", "001 web1 here " + key, 0, "k:1 has no address: want any, an address, or address/bits"},
		{"too many bits", "001 web1 10.0.0.0/33 " + key, 0, "k:1 has no address: want any, an address, or address/bits"},
		{"a short key", "\n001 web1 any abc", 0, "k:2 has no key of 32 to 128 letters and digits"},
		{"an id twice", "001 web1 any " + key + "\n001 web2 any " + key, 1, "k:2 has the id or name of line 1"},
		{"a name twice", "001 web1 any " + key + "\n\n002 web1 any " + key, 1, "k:3 has the id or name of line 1"},
	} {
		good, agents, left := importer.ParseKeys("k", []byte(tt.in))
		var got []string
		for _, l := range left {
			got = append(got, l.What+" "+l.Why)
		}
		if strings.Join(got, "\n") != tt.left || agents != tt.agents || bytes.Count(good, []byte("\n")) != tt.agents {
			t.Errorf("%s: %d agents, %q, left %q; want %d, %q", tt.name, agents, good, got, tt.agents, tt.left)
		}
	}
}

// FuzzParseKeys: what is kept is kept again, whole; and no key is told of.
func FuzzParseKeys(f *testing.F) {
	f.Add("001 web1 any " + key + "\n\n# x\n002 web1 10.0.0.1/x " + key + "\n")
	f.Fuzz(func(t *testing.T, in string) {
		good, agents, left := importer.ParseKeys("k", []byte(in))
		again, n, none := importer.ParseKeys("k", good)
		if n != agents || len(none) > 0 || !bytes.Equal(again, good) {
			t.Errorf("%d agents, then %d: %q, %q; %v", agents, n, good, again, none)
		}
		for _, l := range left {
			for _, word := range strings.Fields(in) {
				if len(word) > 31 && strings.Contains(fmt.Sprint(l), word) {
					t.Errorf("a key is told: %v", l)
				}
			}
		}
	})
}
