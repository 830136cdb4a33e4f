package pattern_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/yagura-hids/yagura/internal/pattern"
)

// agrees checks p against what a slow reference says of the subject, and that the literals and the index hide no match.
func agrees(t *testing.T, p *pattern.Pattern, subject string, want bool) {
	t.Helper()
	var txt pattern.Text
	txt.Reset(subject)
	if got := p.Match(&txt); got != want {
		t.Fatalf("%v %q on %q: Match is %v", p.Dialect(), p.Source(), subject, got)
	}
	var hits pattern.Hits
	pattern.NewIndex([]*pattern.Pattern{p, p}).Scan(&txt, &hits)
	if want && !(hits.Possible(0) && hits.Possible(1)) {
		t.Fatalf("%v %q on %q: matches, but the index for %q hides it", p.Dialect(), p.Source(), subject, p.Literals())
	}
}

// agreesWith checks captures and end, too, against the plain regexp re. Offsets go through narrow.
func agreesWith(t *testing.T, p *pattern.Pattern, re *regexp.Regexp, subject, wide string, narrow func(int) int) {
	t.Helper()
	place := re.FindStringSubmatchIndex(wide)
	agrees(t, p, subject, place != nil)
	caps, end, ok := p.Find(text(subject), 0, nil)
	if ok != (place != nil) {
		t.Fatalf("%v %q on %q: Find says %v", p.Dialect(), p.Source(), subject, ok)
	}
	if !ok {
		return
	}
	var want []string
	for i := 2; i < len(place) && i <= 128; i += 2 {
		if place[i] >= 0 {
			want = append(want, subject[narrow(place[i]):narrow(place[i+1])])
		}
	}
	if end != narrow(place[1]) || !slices.Equal(caps, want) {
		t.Fatalf("%v %q on %q: end %d, captures %q; want %d, %q", p.Dialect(), p.Source(), subject, end, caps, narrow(place[1]), want)
	}
}

var osSeeds = [][2]string{
	{`^abc$`, "ABC"}, {`(a)|(b)`, "b"}, {`(\d*)-(\d*)`, "12-34"}, {`(\w+|\d+) foo`, "ab12 foo"}, {`x(\.)y`, "xéy"}, {`\\d+`, `a\ddd`},
	{`(\S+) (\.*) from (\S+) port (\d+)`, "Failed password for root from 198.51.100.7 port 22 ssh2"}, {`a$|^b|\p+c`, "..c"},
	{`(\W+)(\W)`, "ééé\xe9\xa9x"}, {`\D+\W\S+x`, "éa\x80\x80x"}, {`kernel|ſ`, "\u212aernel s"}, {`\S*\s\S*\s\S*x`, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa aaaaaa aa"},
}

func FuzzOSRegex(f *testing.F) {
	for _, s := range osSeeds {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, source, subject string) {
		p, err := pattern.Compile(pattern.OSRegex, source)
		if err != nil || !p.Captures() {
			return
		}
		agreesWith(t, p, pattern.Reference(p), subject, subject, func(at int) int { return at })
		agreesWithSlow(t, p, subject)
	})
}

// agreesWithSlow compares with the plain reading of the source, which shares nothing with the compiled one.
func agreesWithSlow(t *testing.T, p *pattern.Pattern, subject string) {
	t.Helper()
	if len(p.Source()) > 100 || len(subject) > 1000 { // which takes it too long
		return
	}
	slow := slowRegex{source: p.Source()}
	wantCaps, wantEnd, want, known := slow.find(subject)
	if !known {
		return
	}
	caps, end, ok := p.Find(text(subject), 0, nil)
	if ok != want || ok && (end != wantEnd || !slices.Equal(caps, wantCaps)) {
		t.Fatalf("%q on %q: %v, end %d, captures %q; want %v, %d, %q", p.Source(), subject, ok, end, caps, want, wantEnd, wantCaps)
	}
}

// slowOSMatch is OS_Match in the plainest words. Anchors inside an alternative are beyond it.
func slowOSMatch(source, subject string) bool {
	pieces := strings.Split(source, "|")
	fold := foldAll
	if len(pieces) == 1 && (strings.HasPrefix(source, "^") || strings.HasSuffix(source, "$")) { // OSSEC compares bytes
		fold = foldBytes
	}
	subject = fold(subject)
	ends := []string{subject}
	if cut, ok := strings.CutSuffix(subject, "\n"); ok && len(pieces) > 1 {
		ends = append(ends, cut)
	}
	for _, piece := range pieces {
		lit, start := strings.CutPrefix(fold(piece), "^")
		lit, end := strings.CutSuffix(lit, "$")
		for _, s := range ends {
			at := strings.Index(s, lit)
			if start && !strings.HasPrefix(s, lit) || end && !strings.HasSuffix(s, lit) || start && end && s != lit {
				continue
			}
			if at >= 0 {
				return true
			}
		}
	}
	return false
}

// foldBytes lowers ASCII.
func foldBytes(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] += 'a' - 'A'
		}
	}
	return string(b)
}

// foldAll puts one letter in the place of all that differ in case only. Bytes that are no UTF-8 stay.
func foldAll(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			b.WriteByte(s[i])
		} else {
			least := r
			for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
				least = min(least, f)
			}
			b.WriteRune(least)
		}
		i += n
	}
	return b.String()
}

func FuzzOSMatch(f *testing.F) {
	for _, s := range [][2]string{
		{`a|^b$`, "bar"}, {`foo|`, "x"}, {`!foo`, "!foo"}, {`É`, "é"}, {`^É`, "é"}, {`a^b|c$`, "c\n"}, {`^`, ""}, {`$|x`, "\n"}, {`ſ|k`, "K\u212a"}, {`ſ`, "s"},
	} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, source, subject string) {
		p, err := pattern.Compile(pattern.OSMatch, source)
		if err != nil {
			return
		}
		anchorInside := regexp.MustCompile(`[^|][\^]|[$][^|]`).MatchString(source)
		if anchorInside || strings.ContainsRune(source, utf8.RuneError) { // which stands for any byte that is no UTF-8
			agrees(t, p, subject, p.MatchString(subject))
			return
		}
		agrees(t, p, subject, slowOSMatch(source, subject))
	})
}

func FuzzPCRE(f *testing.F) {
	for _, s := range [][2]string{
		{`x(.)y`, "x\xe9y"}, {`(\S+) (\w+)`, "caf\xe9 abc"}, {`^(?:a|b)+?[^c-e]*(\d{2,3})$`, "abz123\n"}, {`\<(\w+)\>`, "<b>"},
		{`(?-i)Abc`, "Abc"}, {`(?:ab?)*c|\bx\B`, "ababac xy"}, {`(a|ab)(c|bcd)(d*)`, "abcd"}, {`[\x80-\xff]+`, "a\xe9\x80"}, {`[[:alpha:]]{3}`, "abc"},
		{`foo(?=bar)`, "foobar"}, {`(\w)\1`, "aa"}, {`(?:a*)*b`, "aaab"}, {`.*.*x`, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}, {`(?:\w+,?)+;`, "aaaa,aaaa"},
	} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, source, subject string) {
		p, err := pattern.Compile(pattern.PCRE, source)
		if err != nil {
			return
		}
		re, err := regexp.Compile(pattern.Translate(p))
		if err != nil || !p.Captures() || strings.HasSuffix(subject, "\n") {
			if len(source) < 30 && len(subject) < 30 { // regexp2 takes its time
				agrees(t, p, subject, p.MatchString(subject))
			}
			return
		}
		wide := pattern.Widen(subject)
		agreesWith(t, p, re, subject, wide, func(at int) int { return pattern.Narrow(wide, at) })
	})
}
