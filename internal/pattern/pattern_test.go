package pattern_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/yagura-hids/yagura/internal/pattern"
)

func compile(t testing.TB, d pattern.Dialect, source string) *pattern.Pattern {
	t.Helper()
	p, err := pattern.Compile(d, source)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func text(s string) *pattern.Text {
	var t pattern.Text
	t.Reset(s)
	return &t
}

func TestVectors(t *testing.T) {
	const no = "no match"
	type captures = []string
	for _, v := range []struct {
		dialect         pattern.Dialect
		source, subject string
		rest            string // of the subject behind the match, "no match" for none
		captures        captures
	}{
		{pattern.OSRegex, `^abc$`, "ABC", "", nil},
		{pattern.OSRegex, `^abc$`, "abcd", no, nil},
		{pattern.OSRegex, `foo`, "xFOOy", "y", nil},
		{pattern.OSRegex, `a$b`, "a$b", no, nil},
		{pattern.OSRegex, `a$b`, "ab", no, nil},
		{pattern.OSRegex, `[a]`, "a", no, nil},
		{pattern.OSRegex, `[a]`, "[a]", "", nil},
		{pattern.OSRegex, `^a|b`, "xb", "", nil},
		{pattern.OSRegex, `^a|b`, "xa", no, nil},
		{pattern.OSRegex, `(a)|(b)`, "b", "", captures{"b"}},
		{pattern.OSRegex, `(\d*)-(\d*)`, "12-34", "", captures{"12", "34"}},
		{pattern.OSRegex, `x(\d*)y`, "xy", "", captures{""}},
		{pattern.OSRegex, `(\w+)x`, "hello worldx", "", captures{"world"}},
		{pattern.OSRegex, `a\(+b`, "a(((b", "", nil},
		{pattern.OSRegex, `\\d+`, `a\ddd`, "", nil},
		{pattern.OSRegex, `\\+`, `a\\\`, `\\`, nil}, // behind an escaped backslash even the last quantifier is lazy
		{pattern.OSRegex, `\d++`, "12+", "", nil},
		{pattern.OSRegex, `(\w+|\d+) foo`, "ab12 foo", "", captures{"ab12"}},
		{pattern.OSRegex, `x(\.)y`, "xéy", "", captures{"é"}},

		{pattern.OSRegex, `(\w+)`, "hello world", " world", captures{"hello"}},
		{pattern.OSRegex, `(\w+) (\.*)`, "ab cd ef", "", captures{"ab", "cd ef"}},
		{pattern.OSRegex, `(\S+)$`, "ab cd", "", captures{"cd"}},
		{pattern.OSRegex, `(\d+|\w+)(\w*)`, "12ab", "", captures{"12", "ab"}},
		{pattern.OSRegex, `\w+@`, "a@@", "@", nil},
		{pattern.OSRegex, `a+`, "aa+", "", nil},
		{pattern.OSRegex, `a+`, "aa", no, nil},
		{pattern.OSRegex, `(a)+`, "a+", "", captures{"a"}},
		{pattern.OSRegex, `É`, "é", "", nil},
		{pattern.OSRegex, `kernel`, "\u212aernel", "", nil},
		{pattern.OSRegex, `^kernel`, "\u212aernel", no, nil}, // compared directly
		{pattern.OSRegex, `(\S+) (\w+)`, "caf\xe9 abc", "", captures{"caf\xe9", "abc"}},
		{pattern.OSRegex, `^`, "abc", "abc", nil},
		{pattern.OSRegex, `$`, "abc", "", nil},
		{pattern.OSRegex, `abc$`, "abc\n", no, nil},
		{pattern.OSRegex, `a\sb`, "a\tb", no, nil},
		{pattern.OSRegex, `a\Sb`, "a\tb", "", nil},
		{pattern.OSRegex, `a\.b`, "a\nb", "", nil},
		{pattern.OSRegex, `a\tb`, "a\tb", "", nil},
		{pattern.OSRegex, `\p\p`, "/(-", "", nil},
		{pattern.OSRegex, `x^a`, "x^a", no, nil},

		{pattern.PCRE, `x(.)y`, "xéy", no, nil},
		{pattern.PCRE, `x(..)y`, "xéy", "", captures{"é"}},
		{pattern.PCRE, `(\S+) (\w+)`, "caf\xe9 abc", "", captures{"caf\xe9", "abc"}},
		{pattern.PCRE, `É`, "é", no, nil},
		{pattern.PCRE, "\xe9", "\xc9", no, nil},
		{pattern.PCRE, `(a)|(b)`, "b", "", captures{"b"}},
		{pattern.PCRE, `x\d$`, "x1\n", "\n", nil},
		{pattern.PCRE, `^x1$`, "x1\n", no, nil}, // compared directly: the strict end
		{pattern.PCRE, `^^$`, "", "", nil},
		{pattern.PCRE, `^\z`, "", "", nil},
		{pattern.OSRegex, `^^$`, "", "", nil},
		{pattern.OSRegex, `^^$`, "a", no, nil},
		{pattern.PCRE, `a.b`, "a\nb", no, nil},
		{pattern.PCRE, `\<(\w+)\>`, "<b>", "", captures{"b"}},
		{pattern.PCRE, `a\sb`, "a\vb", "", nil},
		{pattern.PCRE, `[^\]]+\]`, "ab]c", "c", nil},
		{pattern.PCRE, `[[:digit:]]{2,3}`, "1234", "4", nil},
		{pattern.PCRE, `[^a]`, "A", no, nil},
		{pattern.PCRE, `x{,}{`, "x{,}{", "", nil},
		{pattern.PCRE, `(?-i)Abc`, "abc", no, nil},
		{pattern.PCRE, `(?-i)Abc`, "xAbc", "", nil},
		{pattern.PCRE, `(?m)^b$`, "a\nb\nc", "\nc", nil},
		{pattern.PCRE, `(?x) a b # ab`, "ab", "", nil},
		{pattern.PCRE, `\Qa.b\E+`, "a.bb", "", nil},
		{pattern.PCRE, `\x41\x{42}\103\cA`, "abc\x01", "", nil},
		{pattern.PCRE, `foo(?=bar)`, "FooBar", "Bar", nil},
		{pattern.PCRE, `(?<!a)b`, "abxb", "", nil},
		{pattern.PCRE, `(\w+) \1`, "is is", "", captures{"is"}},
		{pattern.PCRE, `(?<n>\w+) \k<n>`, "is is", "", captures{"is"}},
		{pattern.PCRE, `a++b`, "aaab", "", nil},
		{pattern.PCRE, `a++a`, "aaa", no, nil},
		{pattern.PCRE, `(?>a|ab)c`, "abc", no, nil},
		{pattern.PCRE, "(?=\xe9)(.)x", "\xe9x", "", captures{"\xe9"}},
		{pattern.PCRE, `a\Kb`, "ab", "", nil},
		{pattern.PCRE, `a\Rb`, "a\r\nb", "", nil},

		{pattern.PCRE, `[\d-]+[a\-z][\x41-\x43]`, "1-zb", "", nil},
		{pattern.PCRE, `[\101][\b][]x][^]x]`, "a\b]a", "", nil},
		{pattern.PCRE, `[a-\d]+`, "a-1", "", nil},
		{pattern.PCRE, `[^\s\S]`, "a", no, nil},
		{pattern.PCRE, `[^\x00-\xff]|[\x00-\xff]`, "\xff", "", nil},
		{pattern.PCRE, `[[:^alpha:]]+`, "12a", "a", nil},
		{pattern.PCRE, `\Ax\Z`, "x\n", "\n", nil},
		{pattern.PCRE, `\Ax\z`, "x\n", no, nil},
		{pattern.PCRE, `\Gx\Bx\b`, "xx", "", nil},
		{pattern.PCRE, `\N\C\e\cA\11`, "a\n\x1b\x01\t", "", nil},
		{pattern.PCRE, `\h\H\v\V`, " a\nb", "", nil},
		{pattern.PCRE, `(a)(b)\g{-1}\g1\g{2}`, "abbab", "", nil},
		{pattern.PCRE, `(?P<n>a)(?'m'b)(?P=n)\k{m}\k'n'`, "ababa", "", captures{"a", "b"}},
		{pattern.PCRE, `(x)?(?(1)a|b)`, "b", "", captures{}},
		{pattern.PCRE, `a(?#comment)+`, "aa", "", nil},
		{pattern.PCRE, `a\E+`, "aa", "", nil},
		{pattern.PCRE, `(?i-x:A)(?s:.)`, "a\n", "", nil},
		{pattern.PCRE, `a{1001}`, strings.Repeat("a", 1001), "", nil},
		{pattern.PCRE, `(?:ab){2,}c{0}`, "ababab", "", nil},

		{pattern.OSMatch, `a|^b$`, "bar", "", nil},
		{pattern.OSMatch, `a|^b$`, "b", "", nil},
		{pattern.OSMatch, `a|^b$`, "xfoo", no, nil},
		{pattern.OSMatch, `a.b`, "a.b", "", nil},
		{pattern.OSMatch, `a.b`, "axb", no, nil},
		{pattern.OSMatch, `foo|`, "anything", "", nil},
		{pattern.OSMatch, `|foo`, "", "", nil},
		{pattern.OSMatch, `a||b`, "x", "", nil},
		{pattern.OSMatch, ``, "x", "", nil},
		{pattern.OSMatch, `!foo`, "bar", no, nil},
		{pattern.PCRE, `(?U)<(.*)>`, "<a><b>", "<b>", []string{"a"}},
		{pattern.PCRE, `(?U)<(.*?)>`, "<a><b>", "", []string{"a><b"}},
		{pattern.PCRE, `(?U:(a+))(b+)`, "aabb", "", []string{"aa", "bb"}},
		{pattern.PCRE, `(?mUs)^A(.{1,9})(?:^B)`, "Ax\nB\nB", "\nB", []string{"x\n"}},
		{pattern.PCRE, `(?U)a(?-U)(b*)(?=c)`, "abbc", "c", []string{"bb"}},
		{pattern.PCRE, `x\N{U+202E}+y`, "x\u202e\u202ey", "", nil},
		{pattern.PCRE, `x\N{U+202E}y`, "xey", no, nil},
		{pattern.PCRE, pattern.WazuhPCRE(`(*UTF)\N{U+E9}A`), "éA", "", nil},
		{pattern.PCRE, pattern.WazuhPCRE(`\N{U+E9}A`), "éa", no, nil},
		{pattern.OSMatch, `!foo`, "!foo", "", nil},
		{pattern.OSMatch, `É`, "é", "", nil},
		{pattern.OSMatch, `^É`, "é", no, nil},
		{pattern.OSMatch, `É|x`, "é", "", nil},
		{pattern.OSMatch, `ſ|x`, "S", "", nil},
		{pattern.OSMatch, "\u212aernel", "KERNEL", "", nil},
		{pattern.OSMatch, `^ſ`, "S", no, nil}, // compared directly
		{pattern.OSMatch, `kernel`, "\u212aernel", "", nil},
		{pattern.OSMatch, `^a|b$`, "xb", "", nil},
		{pattern.OSMatch, `^a|b$`, "bx", no, nil},
		{pattern.OSMatch, `x|b$`, "ab\n", "", nil},
		{pattern.OSMatch, `b$`, "ab\n", no, nil},
		{pattern.OSMatch, `a^b`, "a^b", no, nil},
		{pattern.OSMatch, `a$b`, "a$b", no, nil},
		{pattern.OSMatch, `\<`, "<", no, nil},
		{pattern.OSMatch, `\<`, `\<`, "", nil},
	} {
		p := compile(t, v.dialect, v.source)
		caps, end, ok := p.Find(text(v.subject), 0, nil)
		if p.MatchString(v.subject) != ok {
			t.Errorf("%v %q on %q: Match and Find disagree", v.dialect, v.source, v.subject)
		}
		switch {
		case ok == (v.rest == no):
			t.Errorf("%v %q on %q: match is %v", v.dialect, v.source, v.subject, ok)
		case ok && v.dialect != pattern.OSMatch && v.subject[end:] != v.rest:
			t.Errorf("%v %q on %q: rest %q, want %q", v.dialect, v.source, v.subject, v.subject[end:], v.rest)
		case ok && v.captures != nil && !slices.Equal(caps, v.captures):
			t.Errorf("%v %q on %q: captures %q, want %q", v.dialect, v.source, v.subject, caps, v.captures)
		}
	}
}

func TestErrors(t *testing.T) {
	for _, v := range []struct {
		dialect pattern.Dialect
		source  string
		offset  int
		msg     string
	}{
		{pattern.OSRegex, ``, 0, "empty pattern"},
		{pattern.OSRegex, `a\x`, 1, `unknown escape "\\x"`},
		{pattern.OSRegex, `\-`, 0, `unknown escape "\\-"`},
		{pattern.OSRegex, `a\`, 1, `a lone \ at the end`},
		{pattern.OSRegex, `(a`, 2, "a ( without its )"},
		{pattern.OSRegex, `a)`, 1, "a ) without its ("},
		{pattern.OSRegex, strings.Repeat("a", 2049), 2048, "longer than 2048 bytes"},
		{pattern.OSRegex, "a\xff", 0, "not valid UTF-8"},
		{pattern.OSMatch, strings.Repeat("a", 2049), 2048, "longer than 2048 bytes"},
		{pattern.OSMatch, "a\xff", 0, "not valid UTF-8"},
		{pattern.PCRE, ``, 0, "empty pattern"},
		{pattern.PCRE, `a(b`, 3, "a ( without its )"},
		{pattern.PCRE, `ab)`, 2, "a ) without its ("},
		{pattern.PCRE, `a|*`, 2, "a quantifier with nothing to repeat"},
		{pattern.PCRE, `a**`, 2, "a quantifier with nothing to repeat"},
		{pattern.PCRE, `a{3,2}`, 1, "a quantifier out of range"},
		{pattern.PCRE, `x[ab`, 1, "a [ without its ]"},
		{pattern.PCRE, `x[b-a]`, 2, "a range whose end is below its start"},
		{pattern.PCRE, `[[:no:]]`, 1, "unknown class [:no:]"},
		{pattern.PCRE, `a\`, 1, `a lone \ at the end`},
		{pattern.PCRE, `a\y`, 1, `unknown escape \y`},
		{pattern.PCRE, `\x{100}`, 0, `\x{100} is no byte`},
		{pattern.PCRE, `(a)\2`, 3, "no group 2 before this"},
		{pattern.PCRE, `\k<n>`, 0, `no group "n" before this`},
		{pattern.PCRE, `(?<a b>x)`, 0, "this kind of group is not supported"},
		{pattern.PCRE, `(?|a)`, 0, "this kind of group is not supported"},
		{pattern.PCRE, `(?i-s-m)a`, 0, "this kind of group is not supported"},
		{pattern.PCRE, `[a\y]`, 2, `unknown escape \y`},
		{pattern.PCRE, `[a-\y]`, 1, `unknown escape \y`},
		{pattern.PCRE, `[a\`, 2, `a lone \ at the end`},
		{pattern.PCRE, `\pL`, 0, `unknown escape \p`},
		{pattern.PCRE, `\89`, 0, "no group 89 before this"},
		{pattern.PCRE, `(?R)`, 0, "this kind of group is not supported"},
		{pattern.PCRE, `(*UTF)a`, 0, "backtracking verbs and settings (*...) are not supported"},
	} {
		_, err := pattern.Compile(v.dialect, v.source)
		var bad *pattern.SyntaxError
		if !errors.As(err, &bad) || bad.Offset != v.offset || bad.Msg != v.msg {
			t.Errorf("%v %.40q: got error %v, want %q at %d", v.dialect, v.source, err, v.msg, v.offset)
		}
	}
}

func TestWordMatch(t *testing.T) {
	for _, v := range []struct {
		pattern, subject string
		want             bool
	}{
		{"^sys", "syslog,sshd,", true},
		{"sys|foo", "syslog,sshd,", true},
		{"foo|", "syslog,sshd,", true},
		{"ysl", "syslog,sshd,", true},
		{"SSHD", "syslog,sshd,", true},
		{"^sshd", "syslog,sshd,", false},
		{"x^y", "syslog,sshd,", false},
		{"", "syslog,sshd,", false},
		{"a", "", false},
		{"^", "", false},
		{"a|", "", true},
	} {
		if got := pattern.WordMatch(v.pattern, v.subject); got != v.want {
			t.Errorf("WordMatch(%q, %q) = %v", v.pattern, v.subject, got)
		}
	}
}

func TestProperties(t *testing.T) {
	for _, v := range []struct {
		dialect  pattern.Dialect
		source   string
		groups   int
		captures bool
	}{
		{pattern.OSRegex, `^login$`, 0, false},
		{pattern.OSRegex, `^login`, 0, false},
		{pattern.OSRegex, `login`, 0, true},
		{pattern.OSRegex, `^login.`, 0, true},
		{pattern.OSRegex, `^(a)(b)`, 2, true},
		{pattern.PCRE, `(?:a)(b)`, 1, true},
		{pattern.PCRE, `(a)\1`, 1, true},
		{pattern.PCRE, `login$`, 0, false},
		{pattern.OSMatch, `a|b`, 0, false},
	} {
		p := compile(t, v.dialect, v.source)
		if p.Groups() != v.groups || p.Captures() != v.captures {
			t.Errorf("%v %q: groups %d, captures %v", v.dialect, v.source, p.Groups(), p.Captures())
		}
		if p.Source() != v.source || p.Dialect() != v.dialect {
			t.Errorf("%v %q: says it is %v %q", v.dialect, v.source, p.Dialect(), p.Source())
		}
	}
}

func TestFindFrom(t *testing.T) {
	subject := text("ab ab ab\n")
	for _, v := range []struct {
		dialect pattern.Dialect
		source  string
		from    int
		end     int // -1: no match
	}{
		{pattern.OSRegex, `^(a)b`, 3, 5},
		{pattern.OSRegex, `^ab`, 3, 5},
		{pattern.OSRegex, `^ab`, 4, -1},
		{pattern.OSRegex, `(b)`, 2, 5},
		{pattern.PCRE, `\bab$`, 1, 8},
		{pattern.PCRE, `\b(b)`, 1, 2},
		{pattern.PCRE, `ab`, 7, -1},
		{pattern.PCRE, `^`, 9, 9},
	} {
		_, end, ok := compile(t, v.dialect, v.source).Find(subject, v.from, nil)
		if ok != (v.end >= 0) || ok && end != v.end {
			t.Errorf("%v %q from %d: end %d, %v; want %d", v.dialect, v.source, v.from, end, ok, v.end)
		}
	}
}

func TestOverrunIsCounted(t *testing.T) {
	p := compile(t, pattern.PCRE, `(?<!b)(a+)+$`)
	if p.MatchString(strings.Repeat("a", 4000)+"c") || p.Overruns() != 1 {
		t.Errorf("overruns %d, want 1", p.Overruns())
	}
}

func TestDialectNames(t *testing.T) {
	got := []string{pattern.OSMatch.String(), pattern.OSRegex.String(), pattern.PCRE.String()}
	if want := []string{"OS_Match", "OS_Regex", "PCRE2"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// The lowered text must serve whatever length and place a letter has.
func TestLowering(t *testing.T) {
	var subject pattern.Text
	for n := range 20 {
		for b := range 256 {
			s := strings.Repeat("x", n) + string([]byte{byte(b)}) + "y"
			subject.Reset(s)
			p := compile(t, pattern.PCRE, `^x*\x{`+string("0123456789abcdef"[b>>4])+string("0123456789abcdef"[b&15])+`}y$`)
			if !p.Match(&subject) || subject.String() != s {
				t.Fatalf("%q is not matched", s)
			}
		}
	}
}
