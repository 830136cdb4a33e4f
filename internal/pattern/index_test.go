package pattern_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/yagura-hids/yagura/internal/pattern"
)

func TestLiterals(t *testing.T) {
	for _, v := range []struct {
		dialect pattern.Dialect
		source  string
		want    []string
	}{
		{pattern.PCRE, `^Failed (\S+) from (?:user|host) (\d+)$`, []string{" from user ", " from host "}},
		{pattern.PCRE, `\d+ connection(?:s)? lost`, []string{" connection lost", " connections lost"}},
		{pattern.PCRE, `Alpha|Bet[ao]`, []string{"alpha", "beta", "beto"}},
		{pattern.PCRE, `(?:abc)+|(?:def){2}`, []string{"abc", "defdef"}},
		{pattern.PCRE, `caf\xe9`, []string{"caf\xe9"}},
		{pattern.PCRE, `^login$`, []string{"login"}},
		{pattern.PCRE, `abc|\d+`, nil},
		{pattern.PCRE, `ab`, nil},
		{pattern.PCRE, `(?:abc)*`, nil},
		{pattern.PCRE, `(abc)\1`, nil},
		{pattern.OSRegex, `user \w+ É denied`, []string{"user "}},
		{pattern.OSRegex, `kernel:`, []string{"kernel:"}},
		{pattern.OSMatch, `Foo|^barr$`, []string{"foo", "barr"}},
		{pattern.OSMatch, `foo|`, nil},
		{pattern.OSMatch, `Éfoo`, nil},
	} {
		got := compile(t, v.dialect, v.source).Literals()
		slices.Sort(got)
		slices.Sort(v.want)
		if !slices.Equal(got, v.want) {
			t.Errorf("%v %q: literals %q, want %q", v.dialect, v.source, got, v.want)
		}
	}
}

func TestIndex(t *testing.T) {
	var patterns []*pattern.Pattern
	for _, source := range []string{`failed password`, `session (?:opened|closed)`, `\d+`, `xyz`, `(?:abc|abcd)e`} {
		patterns = append(patterns, compile(t, pattern.PCRE, source))
	}
	x := pattern.NewIndex(patterns)
	var hits pattern.Hits
	for _, v := range []struct {
		subject string
		want    []bool
	}{
		{"", []bool{false, false, true, false, false}},
		{"XYZ", []bool{false, false, true, true, false}},
		{"FAILED Password", []bool{true, false, true, false, false}},
		{"a session closed xy", []bool{false, true, true, false, false}},
		{"zabcde", []bool{false, false, true, false, true}},
		{"the Kelvin sign \u212a", []bool{false, false, true, false, false}},
		{"\u212a\u017fe\u017f\u017fion clo\u017fed", []bool{false, true, true, false, false}},
	} {
		x.Scan(text(v.subject), &hits)
		for i, want := range v.want {
			if hits.Possible(i) != want {
				t.Errorf("%q: Possible(%d) is %v", v.subject, i, !want)
			}
		}
	}
}

// Every literal of a large index is found wherever it stands.
func TestIndexFindsAll(t *testing.T) {
	patterns := manyPatterns(t)
	x := pattern.NewIndex(patterns)
	var hits pattern.Hits
	for i, p := range patterns {
		if len(p.Literals()) == 0 {
			t.Fatalf("%q has no literals", p.Source())
		}
		for _, l := range p.Literals() {
			for _, s := range []string{l, "x" + l, strings.ToUpper(l) + "y"} {
				if x.Scan(text(s), &hits); !hits.Possible(i) {
					t.Fatalf("%q hides pattern %q", s, p.Source())
				}
			}
		}
	}
}

func TestNoAllocations(t *testing.T) {
	x, texts := pattern.NewIndex(manyPatterns(t)), prepared()
	var hits pattern.Hits
	var caps []string
	for _, v := range benchPatterns {
		p := compile(t, v.dialect, v.source)
		work := func() {
			for i := range texts {
				texts[i].Reset(benchLines[i])
				x.Scan(&texts[i], &hits)
				p.Match(&texts[i])
				caps, _, _ = p.Find(&texts[i], 0, caps[:0])
			}
		}
		work()
		if n := testing.AllocsPerRun(10, work); n > 0 {
			t.Errorf("%q allocates %v times", v.source, n)
		}
	}
}

// Lines made to hurt are matched without the last resort, or as it would have.
func TestHostile(t *testing.T) {
	for name, unit := range hostileUnits {
		subject := strings.Repeat(unit, 1<<13/len(unit))
		for _, source := range []string{`(.+): .+: (\S+): `, `(?:\w+,?)+;`, `(\S+ \S*) .* (\S+) \S*.* (\d{3}) `, `(?:a|a|aa)+$`, `\[(\S+)\(+?.*?x`} {
			p := compile(t, pattern.PCRE, source)
			agreesWith(t, p, pattern.Reference(p), subject, pattern.Widen(subject), func(at int) int {
				return pattern.Narrow(pattern.Widen(subject), at)
			})
			if p.Overruns() > 0 {
				t.Errorf("%q on %s: overruns", source, name)
			}
		}
	}
}
