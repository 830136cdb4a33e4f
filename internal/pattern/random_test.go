package pattern_test

import (
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/yagura-hids/yagura/internal/pattern"
)

// Fuzzing from bytes seldom writes a pattern that compiles. These are put together from whole tokens, so that nearly all do.
var (
	osTokens = strings.Split(`a b ab k s é É \w \w+ \w* \d+ \S+ \S* \W \W+ \D* \.+ \.* \. \s \s+ \p \p* ^ $ | ( ) ( ) - -- \t \( \\ a+`, " ")
	reTokens = strings.Split(`a b ab k s . .* .+ .*? .+? \w \w+ \w+? \d+ \S+ \S*? [^a] [^a-b]* [ab]+ [ab]{2,3} \s \s+ \W+ \xe9 [^\x80-\xff]*`+
		` ^ $ | | ( ) ( ) (?: ) (?: )* )+ )? )+? )*? ){2} \b \B - \< (?i) (?-i) (?m) (?s) a? b?? a{0,2} a{2,} a{1,2}? \R`, " ")
	subjectTokens = []string{"a", "b", "A", "B", "k", "s", "1", "-", " ", "\n", "é", "É", "\xe9", "\x80", "\u212a", "(", `\`, "\t", "aaaaaaaaaaaaaaaaaa", "ab ab"}
)

func phrase(r *rand.Rand, tokens []string, most int) string {
	var s strings.Builder
	for range r.IntN(most) {
		s.WriteString(tokens[r.IntN(len(tokens))])
	}
	return s.String()
}

// FuzzTokens compares with regexp on the translated text. Each seed stands for some dozens of patterns.
func FuzzTokens(f *testing.F) {
	for seed := range uint64(60) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 2))
		tried := 0
		for range 60 {
			if p, re := randomPattern(r); p != nil {
				tried++
				for range 8 {
					compareRandom(t, p, re, phrase(r, subjectTokens, 12))
				}
			}
		}
		if tried == 0 {
			t.Errorf("seed %d makes no pattern that compiles", seed)
		}
	})
}

// randomPattern returns a pattern with its reference, or nil if what came up does not compile.
func randomPattern(r *rand.Rand) (*pattern.Pattern, *regexp.Regexp) {
	dialect, tokens := pattern.OSRegex, osTokens
	if r.IntN(2) > 0 {
		dialect, tokens = pattern.PCRE, reTokens
	}
	p, err := pattern.Compile(dialect, phrase(r, tokens, 10))
	if err != nil || !p.Captures() {
		return nil, nil
	}
	re, err := regexp.Compile(pattern.Translate(p))
	if err != nil {
		return nil, nil
	}
	return p, re
}

func compareRandom(t *testing.T, p *pattern.Pattern, re *regexp.Regexp, subject string) {
	t.Helper()
	if p.Dialect() == pattern.OSRegex {
		agreesWith(t, p, re, subject, subject, func(at int) int { return at })
		agreesWithSlow(t, p, subject)
		return
	}
	if strings.HasSuffix(subject, "\n") { // regexp has no $ before a final newline, but regexp2 has
		agreesWithFull(t, p, subject)
		return
	}
	wide := pattern.Widen(subject)
	agreesWith(t, p, re, subject, wide, func(at int) int { return pattern.Narrow(wide, at) })
}

// agreesWithFull compares with regexp2. Where a loop can be empty the two engines differ by design, and the small matcher keeps out.
func agreesWithFull(t *testing.T, p *pattern.Pattern, subject string) {
	t.Helper()
	if !pattern.ByProg(p) {
		return
	}
	caps, end, ok := p.Find(text(subject), 0, nil)
	wantCaps, wantEnd, want := pattern.FindFull(p, subject)
	if p.Overruns() > 0 {
		return
	}
	if ok != want || ok && (end != wantEnd || !slices.Equal(caps, wantCaps)) {
		t.Fatalf("%q on %q: %v, end %d, captures %q; regexp2 says %v, %d, %q", p.Source(), subject, ok, end, caps, want, wantEnd, wantCaps)
	}
}
