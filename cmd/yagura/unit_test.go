package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/yagura-hids/yagura/internal/event"
)

func TestParseWhen(t *testing.T) {
	zone := time.FixedZone("", 3600)
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, zone)
	for text, want := range map[string]string{
		"":                     "0001-01-01T00:00:00Z",
		"2026-11-22":           "2026-11-22T00:00:00+01:00",
		"2026-11-22T08:30":     "2026-11-22T08:30:00+01:00",
		"2026-11-22 08:30:07":  "2026-11-22T08:30:07+01:00",
		"2026-11-22T08:30:07Z": "2026-11-22T08:30:07Z",
		"90m":                  "2026-11-23T10:30:00+01:00",
		"24h":                  "2026-11-22T12:00:00+01:00",
		"7d":                   "2026-11-16T12:00:00+01:00",
	} {
		got, err := parseWhen("--since", text, now)
		if err != nil || got.Format(time.RFC3339) != want {
			t.Errorf("%q: %s, %v; want %s", text, got.Format(time.RFC3339), err, want)
		}
	}
	for _, text := range []string{"yesterday", "-5m", "-3d", "3.5d", "d", "7", "2026-13-01", "99999999999d"} {
		if got, err := parseWhen("--until", text, now); err == nil || !strings.HasPrefix(err.Error(), "--until: ") {
			t.Errorf("%q: %s, %v", text, got, err)
		}
	}
}

func TestScreenColours(t *testing.T) {
	for level, colour := range map[int]string{1: grey, 3: grey, 4: cyan, 6: cyan, 7: yellow, 9: yellow, 10: red, 15: red} {
		a := &event.Alert{Rule: event.Rule{ID: 1, Level: level, Description: "Something."}, FullLog: "log"}
		var b bytes.Buffer
		if err := (screen{out: &b, colour: true}).alert(a); err != nil || !strings.Contains(b.String(), colour+"level ") {
			t.Errorf("level %d: %v, %q", level, err, b.String())
		}
		b.Reset()
		if err := (screen{out: &b}).alert(a); err != nil || strings.Contains(b.String(), "\x1b") {
			t.Errorf("level %d without colour: %v, %q", level, err, b.String())
		}
	}
}

// hostile are texts that must not reach a terminal as they are.
var hostile = []string{
	"\x1b]0;title\x07", "\x1b[2J", "\u009b31m", "\u202e", "\xff\xfe", "\r\nfaked line", "\x00\x7f\b", "\u2028", strings.Repeat("é\x1b", 30_000),
}

// A stranger's text in any part of an alert neither controls the terminal nor makes a line of its own.
func TestScreenHostile(t *testing.T) {
	for _, evil := range hostile {
		a := &event.Alert{
			Rule: event.Rule{ID: 1, Level: 5, Description: evil}, Hostname: evil, Location: evil, FullLog: evil,
			Fields: []event.Dynamic{{Name: evil, Value: "x"}, {Name: "srcip", Value: evil}},
		}
		var b bytes.Buffer
		if err := (screen{out: &b}).alert(a); err != nil {
			t.Fatal(err)
		}
		safe(t, b.String())
		if n := strings.Count(b.String(), "\n"); n != 3 {
			t.Errorf("%.20q makes %d lines", evil, n)
		}
	}
}

func safe(t *testing.T, shown string) {
	t.Helper()
	for _, r := range shown {
		if r == utf8.RuneError || r != '\n' && r != '\t' && !unicode.IsPrint(r) {
			t.Fatalf("%q in %.200q", r, shown)
		}
	}
}

func FuzzCleaner(f *testing.F) {
	for _, evil := range hostile {
		f.Add([]byte(evil[:min(len(evil), 100)]), 1)
	}
	f.Add([]byte("größe 櫓\tx\n"), 2)
	f.Fuzz(func(t *testing.T, text []byte, size int) {
		var whole, parts bytes.Buffer
		c := cleaner{out: &parts}
		size = max(1, size%7)
		for rest := text; len(rest) > 0; rest = rest[min(size, len(rest)):] {
			n := min(size, len(rest))
			if got, err := c.Write(rest[:n]); got != n || err != nil {
				t.Fatal(got, err)
			}
		}
		if _, err := (&cleaner{out: &whole}).Write(text); err != nil {
			t.Fatal(err)
		}
		safe(t, parts.String())
		// Neighbouring invalid bytes become one dot, or several if they come in several writes.
		if utf8.Valid(text) && parts.String() != whole.String() {
			t.Errorf("in parts %q, at once %q", parts.String(), whole.String())
		}
		if utf8.Valid(text) && utf8.RuneCount(text) != utf8.RuneCountInString(parts.String()) {
			t.Errorf("%q became %q", text, parts.String())
		}
	})
}

func TestShorten(t *testing.T) {
	if got := shorten("größe", 5); got != "größe" {
		t.Error(got)
	}
	if got := shorten("größer", 3); got != "grö … (3 more)" {
		t.Error(got)
	}
}

func TestFigures(t *testing.T) {
	for n, want := range map[int]string{0: "0 lines", 1: "1 line", 999: "999 lines", 1000: "1,000 lines", 1234567: "1,234,567 lines"} {
		if got := count(n, "line"); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0.0 KiB", 1536: "1.5 KiB", 5 << 20: "5.0 MiB", 3 << 30: "3.0 GiB"} {
		if got := bytesText(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

// A shell reads what shellWord writes as that very word.
func TestShellWord(t *testing.T) {
	if got := shellWord("/var/lib/yagura"); got != "/var/lib/yagura" {
		t.Error(got)
	}
	for _, word := range []string{"a b", "it's", "$HOME", "`id`", "x;y", `a"b\c`, "櫓", "a\nb", "~", "*"} {
		out, err := exec.Command("sh", "-c", "printf %s "+shellWord(word)).Output()
		if err != nil || string(out) != word {
			t.Errorf("%q: %q, %v", word, out, err)
		}
	}
}

func TestDefaultData(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", "/state")
	want := "/state/yagura"
	if os.Geteuid() == 0 {
		want = "/var/lib/yagura"
	}
	if got := defaultData(); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestServer(t *testing.T) {
	for host, want := range map[string]string{"web1": "web1", "web1.example.com": "web1", ".": "localhost"} {
		if got := (rulesFlags{Host: host}).server(); got != want {
			t.Errorf("%q: %q, want %q", host, got, want)
		}
	}
}

func TestCodes(t *testing.T) {
	for want, err := range map[int]error{0: nil, 1: errors.New("a fault"), 7: &codeError{code: 7}, 2: &codeError{2, errors.New("a wrong call")}} {
		if got := fail(err); got != want {
			t.Errorf("%v: %d, want %d", err, got, want)
		}
	}
}
