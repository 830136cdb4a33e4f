package pattern_test

import (
	"slices"
	"testing"

	"github.com/yagura-hids/yagura/internal/pattern"
)

// find returns what a pattern captures in a text, and what is left behind the match.
func find(p *pattern.Pattern, s string, from int) (captures []string, rest string, ok bool) {
	var text pattern.Text
	text.Reset(s)
	captures, end, ok := p.Find(&text, from, nil)
	if !ok {
		return nil, "", false
	}
	return captures, s[end:], true
}

func TestCompileInTurn(t *testing.T) {
	for _, tt := range []struct {
		source, text string
		want         []string
		rest         string
	}{
		{`b=(\w+)|(\w+)$`, "a=1 b=2 c", []string{"2"}, " c"},
		{`b=(\w+)|(\w+)$`, "a=1 c", []string{"c"}, ""},
		{`^b=(\w+)|^(\w+)`, "a=1 b=2", []string{"a"}, "=1 b=2"},
		{`x\|(\w)|y(\w)`, "y1 x|2", []string{"2"}, ""},
		{`(a|b)(\w)`, "b1 a2", []string{"b", "1"}, " a2"},
		{`a(\w)|`, "b", nil, "b"},
		{`c(\w)|b(\w)|a(\w)`, "a1 b2 c3", []string{"3"}, ""},
		{`(\w+)`, "a b", []string{"a"}, " b"},
	} {
		p, err := pattern.CompileInTurn(tt.source)
		if err != nil {
			t.Fatal(err)
		}
		got, rest, ok := find(p, tt.text, 0)
		if !ok || !slices.Equal(got, tt.want) || rest != tt.rest || !p.MatchString(tt.text) {
			t.Errorf("%s in %q: %q, rest %q, %t; want %q, rest %q", tt.source, tt.text, got, rest, ok, tt.want, tt.rest)
		}
		if _, _, ok := find(p, "a1 b2 c3"+tt.text, len("a1 b2 c3")+len(tt.text)); ok && tt.source != `a(\w)|` {
			t.Errorf("%s matches behind the text's end", tt.source)
		}
	}
	for _, source := range []string{"", "(", `a|\x`} {
		if _, err := pattern.CompileInTurn(source); err == nil {
			t.Errorf("%q compiles", source)
		}
	}
}

// FuzzCompileInTurn: whether there is a match does not depend on the order in which alternatives are looked for.
func FuzzCompileInTurn(f *testing.F) {
	f.Add(`b=(\w+)|(\w+)$`, "a=1 b=2 c")
	f.Add(`x\|(\w)|y(\w)|^z`, "y1 x|2")
	f.Fuzz(func(t *testing.T, source, s string) {
		p, err := pattern.CompileInTurn(source)
		whole, wholeErr := pattern.Compile(pattern.OSRegex, source)
		if (err == nil) != (wholeErr == nil) {
			t.Fatalf("%q: %v, as OS_Regex %v", source, err, wholeErr)
		}
		if err != nil {
			return
		}
		if _, _, ok := find(p, s, 0); ok != whole.MatchString(s) {
			t.Errorf("%q in %q: %t", source, s, ok)
		}
	})
}

func TestKeepPlaces(t *testing.T) {
	for _, tt := range []struct {
		source, text string
		want         []string
	}{
		{`user (\w+)|ip (\S+) (\d*)`, "ip x ", []string{"", "x", ""}},
		{`user (\w+)|ip (\S+)`, "user x", []string{"x", ""}},
		{`(?:(a)|(b))(?=c)(d)?`, "bc", []string{"", "b", ""}},               // beyond linear matchers
		{`(?:(a)|(b)){2}(c)?`, "ab\xff", []string{"a", "b", ""}},            // what the first round captured stays
		{`(?i)(\xe9)|(\w+)$`, "caf\xe9 x", []string{"\xe9", ""}},            // bytes
		{`(?:(q)|(x)|y)+z` + `(\d)?`, "yyyz", []string{"", "", ""}},         // none took part
		{`(?:(x+x+)+y|(z))`, "xxxxxxxxxxxxxxxxxxxxxxxz", []string{"", "z"}}, // out of steps
	} {
		p, err := pattern.Compile(pattern.PCRE, tt.source)
		if err != nil {
			t.Fatal(err)
		}
		p.KeepPlaces()
		if got, _, ok := find(p, tt.text, 0); !ok || !slices.Equal(got, tt.want) {
			t.Errorf("%s in %q: %q, want %q", tt.source, tt.text, got, tt.want)
		}
	}
}
