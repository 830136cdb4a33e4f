package pattern_test

import (
	"strings"
	"testing"

	"github.com/yagura-hids/yagura/internal/pattern"
)

func TestDoubts(t *testing.T) {
	for _, tt := range []struct {
		dialect pattern.Dialect
		source  string
		want    string // the beginning of what is said of it; "" for nothing
	}{
		{pattern.OSMatch, "denied", ""},
		{pattern.OSMatch, "^denied|granted$", ""},
		{pattern.OSMatch, "denied|", "pattern 'denied|' has an empty alternative"},
		{pattern.OSMatch, "|denied", "pattern '|denied' has an empty alternative"},
		{pattern.OSMatch, "a||b", "pattern 'a||b' has an empty alternative"},
		{pattern.OSMatch, "^", "pattern '^' matches every text"},
		{pattern.OSMatch, "", "pattern '' matches every text"},
		{pattern.OSMatch, "^$", ""},
		{pattern.OSMatch, "a^b|c", "'a^b' can never match"},
		{pattern.OSMatch, "c|a$b", "'a$b' can never match"},
		{pattern.OSMatch, `user \S+ denied`, `'\S+' in pattern 'user \S+ denied' is text`},
		{pattern.OSMatch, `C:\temp\data`, ""},
		{pattern.OSMatch, `a.*b`, `'.*' in pattern`},
		{pattern.OSRegex, `^user \S+ denied`, ""},
		{pattern.OSRegex, `denied|`, "pattern 'denied|' has an empty alternative"},
		{pattern.OSRegex, `a\|`, ""},
		{pattern.OSRegex, `\.*`, `pattern '\.*' matches every text`},
		{pattern.OSRegex, `\.+`, ""},
		{pattern.OSRegex, `x^y`, "'x^y' can never match"},
		{pattern.OSRegex, `\s*^y`, ""}, // it may take nothing
		{pattern.OSRegex, `a|(x^y)`, "'a|(x^y)' can never match"},
		{pattern.OSRegex, `x$y`, "'x$y' can never match"},
		{pattern.OSRegex, `x$|y`, ""},
		{pattern.PCRE, `^user \S+ denied`, ""},
		{pattern.PCRE, `.*`, "pattern '.*' matches every text"},
		{pattern.PCRE, `(a+)+$`, ""}, // the second matcher is linear
		{pattern.PCRE, `(?!a)b`, ""}, // no repetition
		{pattern.PCRE, `^(?=a)\w+ x`, "pattern '^(?=a)\\w+ x' is beyond the linear matchers"},
		{pattern.PCRE, `(\w)\1+`, `pattern '(\w)\1+' is beyond the linear matchers`},
	} {
		p, err := pattern.Compile(tt.dialect, tt.source)
		if err != nil {
			t.Fatal(err)
		}
		got := p.Doubts()
		switch {
		case tt.want == "" && len(got) > 0:
			t.Errorf("%s %q: %+v, want none", tt.dialect, tt.source, got)
		case tt.want != "" && (len(got) != 1 || !strings.HasPrefix(got[0].What, tt.want) || got[0].Hint == ""):
			t.Errorf("%s %q: %+v, want %s…", tt.dialect, tt.source, got, tt.want)
		}
	}
}

// A pattern of which a part never matches is not one that matches always, whatever it is made of.
func FuzzDoubts(f *testing.F) {
	f.Add(uint8(0), "a^b|")
	f.Add(uint8(1), `(a$b|\.*)`)
	f.Add(uint8(2), `(?<=a)b+`)
	f.Fuzz(func(t *testing.T, dialect uint8, source string) {
		p, err := pattern.Compile(pattern.Dialect(dialect%3), source)
		if err != nil {
			return
		}
		for _, d := range p.Doubts() {
			if d.What == "" || d.Hint == "" {
				t.Errorf("%q: %+v", source, d)
			}
			if strings.Contains(d.What, "matches every text") && !p.MatchString("any other text") {
				t.Errorf("%q doesn't match every text", source)
			}
		}
	})
}

func TestImplies(t *testing.T) {
	for _, tt := range []struct {
		p, q string
		want bool
	}{
		{"foobar", "foo", true}, {"foo", "foobar", false}, {"foobar|foot", "foo", true}, {"foobar|bar", "foo", false}, {"foobar|bar", "foo|ba", true},
		{"^foobar", "^foo", true}, {"foobar", "^foo", false}, {"^foobar", "bar", true}, {"foobar$", "bar$", true}, {"foobar$", "bar", true},
		{"bar", "bar$", false}, {"^foo$", "^foo", true}, {"^foo", "^foo$", false}, {"^foo$", "^foo$", true}, {"FOOBAR", "foo", true},
		{"x", "", true}, {"", "x", false}, {"a^b", "x", true}, {"x", "a^b", false},
	} {
		if got := mustCompile(t, pattern.OSMatch, tt.p).Implies(mustCompile(t, pattern.OSMatch, tt.q)); got != tt.want {
			t.Errorf("%q implies %q: %t, want %t", tt.p, tt.q, got, tt.want)
		}
	}
}

func mustCompile(t *testing.T, d pattern.Dialect, source string) *pattern.Pattern {
	t.Helper()
	p, err := pattern.Compile(d, source)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// What is said to be implied is: a text that p matches, q matches.
func FuzzImplies(f *testing.F) {
	f.Add("^foo|bar$", "fo|ar", "a foo bar")
	f.Fuzz(func(t *testing.T, a, b, text string) {
		p, err := pattern.Compile(pattern.OSMatch, a)
		if err != nil {
			return
		}
		q, err := pattern.Compile(pattern.OSMatch, b)
		if err != nil {
			return
		}
		if p.Implies(q) && p.MatchString(text) && !q.MatchString(text) {
			t.Errorf("%q is said to imply %q, but not on %q", a, b, text)
		}
	})
}
