//go:build unix

package rootcheck_test

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/yagura-hids/yagura/agent/rootcheck"
	"github.com/yagura-hids/yagura/internal/osxml"
	"github.com/yagura-hids/yagura/rules"
)

func FuzzPolicy(f *testing.F) {
	names, err := fs.Glob(rules.Rootcheck, "rootcheck/*.txt")
	if err != nil || len(names) == 0 {
		f.Fatalf("%v, %v", names, err)
	}
	for _, name := range names {
		data, err := fs.ReadFile(rules.Rootcheck, name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data))
	}
	f.Add("[A] [all required] [r]\nf:!$x -> r:a && !<:b;\n")
	f.Fuzz(func(t *testing.T, text string) {
		var faults osxml.Faults
		entries, good := rootcheck.ParsePolicy("f", text, &faults)
		if good > entries || entries > strings.Count(text, "[") {
			t.Errorf("%d of %d entries", good, entries)
		}
		lines := strings.Count(text, "\n") + 1
		checkPlaces(t, faults.Err(), lines)
	})
}

func FuzzSignatures(f *testing.F) {
	f.Add("usr/x ! Name of it :: l\n*/y ! Z ::\n", "ls !a|b!c\nps !^[x]{2}$\n")
	f.Fuzz(func(t *testing.T, kits, trojans string) {
		var faults osxml.Faults
		n := rootcheck.ParseRootkits("k", kits, &faults)
		if n > strings.Count(kits, "!") {
			t.Errorf("%d rootkits", n)
		}
		checkPlaces(t, faults.Err(), strings.Count(kits, "\n")+1)
		faults = osxml.Faults{}
		if n := rootcheck.ParseTrojans("t", trojans, &faults); n > strings.Count(trojans, "!") {
			t.Errorf("%d trojans", n)
		}
		checkPlaces(t, faults.Err(), strings.Count(trojans, "\n")+1)
	})
}

// checkPlaces wants each fault to be in a line of the file.
func checkPlaces(t *testing.T, err error, lines int) {
	var list *osxml.FaultError
	if err == nil {
		return
	}
	if !errors.As(err, &list) {
		t.Fatal(err)
	}
	for _, fault := range list.Faults {
		if fault.Pos.Line < 1 || fault.Pos.Line > lines {
			t.Errorf("%v of %d lines", fault, lines)
		}
	}
}

// FuzzPattern: a ! before a part turns it round; a pattern of two parts holds if both do.
func FuzzPattern(f *testing.F) {
	f.Add("r:^a\\w+", "<:b", "abc")
	f.Add("=:x", ">:", "X")
	f.Fuzz(func(t *testing.T, a, b, line string) {
		if a, b = strings.TrimSpace(a), strings.TrimSpace(b); strings.Contains(a+b, "&&") || len(line) > 1000 {
			return
		}
		holdsA, errA := rootcheck.MatchLine(a, line)
		not, errNot := rootcheck.MatchLine("!"+a, line)
		if (errA == nil) != (errNot == nil) || errA == nil && holdsA == not {
			t.Errorf("%q: %v, %v; negated %v, %v", a, holdsA, errA, not, errNot)
		}
		holdsB, errB := rootcheck.MatchLine(b, line)
		both, err := rootcheck.MatchLine(a+" && "+b, line)
		if errA == nil && errB == nil && (err != nil || both != (holdsA && holdsB)) {
			t.Errorf("%q && %q: %v, %v", a, b, both, err)
		}
	})
}

// FuzzProgram: what is found in a program doesn't depend on the pieces in which it is read.
func FuzzProgram(f *testing.F) {
	f.Add([]byte("\x00/dev/ttyop\x00abc"), 3)
	f.Add([]byte(strings.Repeat("abcd", 10_000)), 1000)
	f.Fuzz(func(t *testing.T, program []byte, piece int) {
		const signatures = "x !^/dev/tty!\nx !bcda$!\nx !a{2}!\nx !^....$!\n"
		whole, pieces := rootcheck.TrojanHits(signatures, string(program), 1<<20), rootcheck.TrojanHits(signatures, string(program), max(1, piece))
		if whole != pieces {
			t.Errorf("%d as a whole, %d in pieces of %d", whole, pieces, piece)
		}
	})
}

func TestTables(t *testing.T) {
	for out, want := range map[string][]int{
		"Netid State Recv-Q Send-Q Local Address:Port Peer Address:Port\nudp UNCONN 0 0 *:68 *:*\ntcp LISTEN 0 5 127.0.0.1%lo:53 0.0.0.0:*\ntcp LISTEN 0 5 [::]:22 [::]:*\n": {22, 53},
		"tcp\ntcp a b\ntcp LISTEN 0 5 x:99999 y\n": nil,
	} {
		if got := rootcheck.ToolPorts(out, true); !slices.Equal(got, want) {
			t.Errorf("%q: %v", out, got)
		}
	}
	netstat := "Proto Recv-Q Send-Q  Local Address\ntcp4 0 0 *.22 *.* LISTEN\ntcp46 0 0 127.0.0.1.631 *.* LISTEN\ntcp6 0 0 :::80 :::* LISTEN\n"
	if got := rootcheck.ToolPorts(netstat, false); !slices.Equal(got, []int{22, 80, 631}) {
		t.Error(got)
	}
	table := "  sl  local_address rem_address   st\n   0: 0100007F:0016 00000000:0000 0A 0\n   1: 00000000000000000000000000000000:FFFF 0:0 0A\n 2: x:zzzz 0:0 0A\n"
	if got := rootcheck.KernelPorts(table); !slices.Equal(got, []int{22, 65535}) {
		t.Error(got)
	}
}

func FuzzTables(f *testing.F) {
	f.Add("tcp LISTEN 0 5 127.0.0.1:53 0.0.0.0:*\n", true)
	f.Add("  0: 0100007F:0016 00000000:0000 0A 0\n", false)
	f.Fuzz(func(t *testing.T, text string, ss bool) {
		for _, port := range append(rootcheck.ToolPorts(text, ss), rootcheck.KernelPorts(text)...) {
			if port < 0 || port > 65535 {
				t.Error(port)
			}
		}
	})
}
