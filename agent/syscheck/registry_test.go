package syscheck_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/yagura-hids/yagura/agent/syscheck"
	"github.com/yagura-hids/yagura/internal/event"
	words "github.com/yagura-hids/yagura/internal/syscheck"
)

// utf16le returns a text as the registry has it, without the zero at its end.
func utf16le(s string) (b []byte) {
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

func TestValuesText(t *testing.T) {
	for _, tt := range []struct {
		name string
		v    syscheck.Value
		want string
	}{
		{"text", syscheck.Value{Name: "a", Kind: 1, Data: utf16le("C:\\x \"y\"\n\x00")}, `"a"=sz:"C:\\x \"y\"\n"`},
		{"without its zero", syscheck.Value{Kind: 1, Data: utf16le("x")}, `""=1:7800`},
		{"with something behind its zero", syscheck.Value{Kind: 1, Data: utf16le("x\x00y\x00")}, `""=1:7800000079000000`},
		{"half a pair", syscheck.Value{Kind: 1, Data: []byte{0, 0xd8, 0, 0}}, `""=1:00d80000`},
		{"an odd byte", syscheck.Value{Kind: 1, Data: []byte{'x', 0, 0}}, `""=1:780000`},
		{"expanded", syscheck.Value{Kind: 2, Data: utf16le("%windir%\x00")}, `""=expand_sz:"%windir%"`},
		{"texts", syscheck.Value{Kind: 7, Data: utf16le("a b\x00[c]\x00\x00")}, `""=multi_sz:"a b" "[c]"`},
		{"no texts", syscheck.Value{Kind: 7, Data: utf16le("\x00")}, `""=7:0000`},
		{"number", syscheck.Value{Kind: 4, Data: []byte{1, 2, 0, 0}}, `""=dword:513`},
		{"long number", syscheck.Value{Kind: 11, Data: []byte{1, 0, 0, 0, 0, 0, 0, 0}}, `""=qword:1`},
		{"short number", syscheck.Value{Kind: 4, Data: []byte{1}}, `""=4:01`},
		{"bytes", syscheck.Value{Kind: 3, Data: []byte{0xff, 0}}, `""=3:ff00`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := syscheck.ValuesText([]syscheck.Value{tt.v}); got != tt.want+"\n" {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

// FuzzValuesText: two values have the same text only if they are the same: no change is hidden.
func FuzzValuesText(f *testing.F) {
	f.Add(uint32(1), utf16le("a\x00"), uint32(1), utf16le("a"))
	f.Add(uint32(7), utf16le("a\x00b\x00\x00"), uint32(7), utf16le("a\" \"b\x00\x00"))
	f.Fuzz(func(t *testing.T, kind uint32, data []byte, otherKind uint32, other []byte) {
		a, b := syscheck.ValuesText([]syscheck.Value{{Kind: kind, Data: data}}), syscheck.ValuesText([]syscheck.Value{{Kind: otherKind, Data: other}})
		if (a == b) != (kind == otherKind && string(data) == string(other)) {
			t.Errorf("%q and %q", a, b)
		}
		if strings.Count(a, "\n") != 1 {
			t.Errorf("%q is no line", a)
		}
	})
}

// memoryHive is a registry in memory, by the keys' paths with the view before them if it isn't the system's.
type memoryHive struct {
	keys map[string]map[string]string // texts by their names
	fail map[string]string            // what of a key can't be read: open, values, subkeys
}

func (m *memoryHive) open(path string, bits int) (subkeys []string, values []syscheck.Value, subErr, valueErr, err error) {
	at := path
	if bits == 64 {
		at = "64:" + path
	}
	denied := errors.New("access is denied")
	switch m.fail[at] {
	case "open":
		return nil, nil, nil, nil, denied
	case "values":
		valueErr = denied
	case "subkeys":
		subErr = denied
	}
	texts, ok := m.keys[at]
	if !ok {
		return nil, nil, nil, nil, fmt.Errorf("open: %w", fs.ErrNotExist)
	}
	for name, text := range texts {
		values = append(values, syscheck.Value{Name: name, Kind: 1, Data: utf16le(text + "\x00")})
	}
	for key := range m.keys {
		if rest, ok := strings.CutPrefix(key, at+`\`); ok && !strings.Contains(rest, `\`) && subErr == nil {
			subkeys = append(subkeys, rest)
		}
	}
	return subkeys, values, subErr, valueErr, nil
}

// registryHost scans a registry in memory.
func registryHost(t *testing.T) (*host, *memoryHive, func() []string) {
	h := newHost(t)
	h.conf = syscheck.Config{Registry: []syscheck.Registry{{Key: `HKEY_LOCAL_MACHINE\Software\Run`}}}
	m := &memoryHive{fail: map[string]string{}, keys: map[string]map[string]string{
		`HKEY_LOCAL_MACHINE\Software\Run`:         {"a": "1", "b": "2"},
		`HKEY_LOCAL_MACHINE\Software\Run\sub`:     {"c": "3"},
		`HKEY_LOCAL_MACHINE\Software\Run\sub\low`: {},
		`HKEY_LOCAL_MACHINE\Software\Runner`:      {"not": "watched"},
	}}
	return h, m, func() (list []string) {
		t.Helper()
		s := h.new()
		s.SetHive(m.open)
		_, err := s.Scan(context.Background(), true)
		must(t, err)
		for _, ev := range h.take() {
			if c, err := words.Parse(ev.Text); err == nil && ev.Kind == event.Syscheck && c.Type != words.DigestsType {
				list = append(list, strings.TrimSpace(c.Type+" "+strings.Replace(c.Path, `HKEY_LOCAL_MACHINE\Software\`, "", 1)+" "+c.Diff))
				if ev.Location != "syscheck-registry" {
					t.Errorf("location %s", ev.Location)
				}
			}
		}
		slices.Sort(list)
		return list
	}
}

func wantList(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
}

const run = `HKEY_LOCAL_MACHINE\Software\Run`

func TestRegistry(t *testing.T) {
	_, m, scan := registryHost(t)
	wantList(t, scan(), `baseline Run`, `baseline Run\sub`, `baseline Run\sub\low`)
	wantList(t, scan())
	m.keys[run]["a"] = "other"
	m.keys[run+`\new`] = map[string]string{"x": "y"}
	delete(m.keys, run+`\sub\low`)
	wantList(t, scan(), `added Run\new`, `deleted Run\sub\low`, `modified Run`)
	wantList(t, scan())
	clear(m.keys)
	wantList(t, scan(), `deleted Run`, `deleted Run\new`, `deleted Run\sub`)
}

func TestRegistryDiff(t *testing.T) {
	h, m, scan := registryHost(t)
	h.conf.Registry[0].ReportChanges = true
	h.conf.NoDiff = []syscheck.Match{{Text: run + `\sub`}}
	scan()
	m.keys[run]["a"] = "other"
	m.keys[run+`\sub`]["c"] = "secret"
	wantList(t, scan(), "modified Run @@ -1 +1 @@\n-\"a\"=sz:\"1\"\n+\"a\"=sz:\"other\"", `modified Run\sub <Diff truncated because nodiff option>`)
}

func TestRegistryUnreadable(t *testing.T) {
	h, m, scan := registryHost(t)
	scan()
	m.keys[run]["a"] = "other"
	for _, what := range []string{"open", "values", "subkeys"} {
		m.fail[run] = what
		if what == "subkeys" {
			wantList(t, scan(), "modified Run")
		} else {
			wantList(t, scan())
		}
	}
	if len(h.said) != 3 || !strings.Contains(h.said[0], run) {
		t.Errorf("%q", h.said)
	}
	clear(m.fail)
	m.keys[run+`\sub`]["c"] = "other"
	wantList(t, scan(), `modified Run\sub`)
}

func TestRegistryIgnore(t *testing.T) {
	h, m, scan := registryHost(t)
	h.conf.RegistryIgnore = []syscheck.Match{{Text: strings.ToLower(run) + `\SUB`}, {Text: `\Enum$`, Pattern: true}}
	m.keys[run+`\subway`], m.keys[run+`\Enum`], m.keys[run+`\Enum\x`], m.keys[run+`\Enumeration`] = nil, nil, nil, nil
	wantList(t, scan(), `baseline Run`, `baseline Run\Enumeration`, `baseline Run\subway`)
	h.conf.RegistryIgnore = nil
	wantList(t, scan(), `baseline Run\Enum`, `baseline Run\Enum\x`, `baseline Run\sub`, `baseline Run\sub\low`)
	h.conf.RegistryIgnore = []syscheck.Match{{Text: `\Enum$`, Pattern: true}}
	wantList(t, scan(), `unwatched Run\Enum`, `unwatched Run\Enum\x`)
	h.conf.Registry = nil
	wantList(t, scan(), `unwatched Run`, `unwatched Run\Enumeration`, `unwatched Run\sub`, `unwatched Run\sub\low`, `unwatched Run\subway`)
}

func TestRegistryViews(t *testing.T) {
	h, m, scan := registryHost(t)
	h.conf.Registry = []syscheck.Registry{{Key: run + `\sub`, Bits: 32}, {Key: run + `\sub`, Bits: 64}}
	m.keys["64:"+run+`\sub`] = map[string]string{"c": "wide"}
	wantList(t, scan(), `baseline Run\sub`, `baseline Run\sub\low`, `baseline [x64] Run\sub`)
	m.keys["64:"+run+`\sub`]["c"] = "other"
	wantList(t, scan(), `modified [x64] Run\sub`)
}

// TestRegistryCircle has a link lead back up.
func TestRegistryCircle(t *testing.T) {
	h := newHost(t)
	h.conf = syscheck.Config{Registry: []syscheck.Registry{{Key: run}}}
	s := h.new()
	s.SetHive(func(string, int) ([]string, []syscheck.Value, error, error, error) {
		return []string{"again"}, nil, nil, nil, nil
	})
	_, err := s.Scan(context.Background(), true)
	must(t, err)
	if n := len(h.take()); n != 65+3 || len(h.said) != 1 {
		t.Errorf("%d events, with those around the scan, %q", n, h.said)
	}
}
