package pattern

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Bytes above 0x7F have no case in PCRE2's byte mode. As characters of this private area they have none for regexp and regexp2 either.
const (
	highBase  = 0xE000
	highFirst = highBase + 0x80
	highLast  = highBase + 0xFF
)

// widen turns each byte above 0x7F into its private character.
func widen(s string) string {
	if isASCII(s) {
		return s
	}
	out := make([]byte, 0, 2*len(s))
	for i := range len(s) {
		out = appendChar(out, s[i])
	}
	return string(out)
}

// narrow returns where offset end of the widened text lies in the text itself.
func narrow(widened string, end int) int { return utf8.RuneCountInString(widened[:end]) }

// appendChar appends a byte of the subject, or its private character.
func appendChar(out []byte, b byte) []byte {
	if b < utf8.RuneSelf {
		return append(out, b)
	}
	return utf8.AppendRune(out, highBase+rune(b))
}

// WazuhPCRE returns the source by which [PCRE] means what Wazuh does: case counts unless (?i) says otherwise, and (*UTF), with which some of its
// rules begin for the sake of \N{U+202E}, needs no mention.
func WazuhPCRE(source string) string { return "(?-i)" + strings.TrimPrefix(source, "(*UTF)") }

// pcreParser rewrites PCRE2 syntax into the part that regexp and regexp2 share and read alike. Only what PCRE2 alone has is changed:
// needless escapes go, classes are spelt out, names become numbers, possessive quantifiers atomic groups.
type pcreParser struct {
	source string
	pos    int
	out    []byte
	groups int
	names  map[string]int
	open   []pcreGroup
	atom   int  // where in out the thing begins that a quantifier would repeat; -1: nothing
	spaced bool // (?x): white space and comments do not count
	lazy   bool // (?U): quantifiers are lazy, and greedy with a ? behind them
	dollar bool // $ or \Z was seen
	full   bool // uses what regexp does not know
}

// pcreGroup is a group not yet closed.
type pcreGroup struct {
	atom         int  // where it begins in out
	spaced, lazy bool // the flags outside it, to which its end returns
}

// parse fills out, and tells where the source is wrong.
func (p *pcreParser) parse() error {
	p.out, p.atom, p.names = append(p.out, "(?i)"...), -1, map[string]int{}
	for p.pos < len(p.source) {
		if err := p.item(); err != nil {
			return err
		}
	}
	if len(p.open) > 0 {
		return p.fail(`a ( without its )`, `write \( for the character`)
	}
	return nil
}

// fail returns an error at the current place.
func (p *pcreParser) fail(msg, hint string) error {
	return &SyntaxError{p.source, p.pos, msg, hint}
}

// item rewrites the next thing of the source.
func (p *pcreParser) item() error {
	c := p.source[p.pos]
	switch {
	case p.spaced && strings.IndexByte(" \t\n\v\f\r", c) >= 0:
		p.pos++
		return nil
	case p.spaced && c == '#':
		p.pos += lengthTo(p.source[p.pos:], "\n")
		return nil
	}
	switch c {
	case '\\':
		return p.escape()
	case '[':
		return p.class()
	case '(':
		return p.group()
	case ')':
		return p.closeGroup()
	case '*', '+', '?':
		return p.quantifier(1)
	case '{':
		if n := braceLength(p.source[p.pos:]); n > 0 {
			return p.quantifier(n)
		}
		p.char(c)
	case '.':
		p.add(".")
	case '|', '^':
		p.out, p.atom = append(p.out, c), -1
	case '$':
		p.dollar = true
		p.out, p.atom = append(p.out, c), -1
	default:
		p.char(c)
	}
	p.pos++
	return nil
}

// add appends an atom.
func (p *pcreParser) add(text string) {
	p.atom = len(p.out)
	p.out = append(p.out, text...)
}

// char appends the character b as an atom.
func (p *pcreParser) char(b byte) {
	p.atom = len(p.out)
	if strings.IndexByte(`\.+*?()|[]{}^$`, b) >= 0 {
		p.out = append(p.out, '\\')
	}
	p.out = appendChar(p.out, b)
}

// lengthTo returns how far s reaches up to and with end; all of it if end is not there.
func lengthTo(s, end string) int {
	if i := strings.Index(s, end); i >= 0 {
		return i + len(end)
	}
	return len(s)
}

// braceLength returns the length of the quantifier {n}, {n,} or {n,m} that s begins with, or 0.
func braceLength(s string) int {
	end := strings.IndexByte(s, '}')
	if end < 2 {
		return 0
	}
	low, high, _ := strings.Cut(s[1:end], ",")
	if !digits(low) || low == "" || !digits(high) {
		return 0
	}
	return end + 1
}

// digits tells whether s has nothing but digits.
func digits(s string) bool { return strings.Trim(s, "0123456789") == "" }

// quantifier rewrites a quantifier of n bytes and the ? or + behind it.
func (p *pcreParser) quantifier(n int) error {
	if p.atom < 0 {
		return p.fail("a quantifier with nothing to repeat", `put a \ before it for the character, or a group around what it repeats`)
	}
	text := p.source[p.pos : p.pos+n]
	if low, high, both := strings.Cut(strings.Trim(text, "{}"), ","); n > 1 {
		a, _ := strconv.Atoi(low)
		b, _ := strconv.Atoi(high)
		if len(low) > 5 || len(high) > 5 || max(a, b) > 65535 || both && high != "" && b < a {
			return p.fail("a quantifier out of range", "it counts up to 65535, the smaller number first")
		}
	}
	p.pos += n
	p.out = append(p.out, text...)
	lazy, next := p.lazy, p.source[p.pos:]
	switch {
	case strings.HasPrefix(next, "?"):
		lazy = !lazy
		p.pos++
	case strings.HasPrefix(next, "+"):
		// a++ is (?>a+).
		p.out = append(slices.Insert(p.out, p.atom, []byte("(?>")...), ')')
		p.full, lazy = true, false
		p.pos++
	}
	if lazy {
		p.out = append(p.out, '?')
	}
	p.atom = -1
	return nil
}

// closeGroup rewrites a closing parenthesis. The group is what a quantifier behind it repeats.
func (p *pcreParser) closeGroup() error {
	if len(p.open) == 0 {
		return p.fail("a ) without its (", `write \) for the character`)
	}
	last := p.open[len(p.open)-1]
	p.open = p.open[:len(p.open)-1]
	p.out = append(p.out, ')')
	p.atom, p.spaced, p.lazy = last.atom, last.spaced, last.lazy
	p.pos++
	return nil
}

// openGroup appends head, the beginning of a group, for n bytes of the source.
func (p *pcreParser) openGroup(head string, n int) {
	p.open = append(p.open, pcreGroup{len(p.out), p.spaced, p.lazy})
	p.out, p.atom = append(p.out, head...), -1
	p.pos += n
}

// group rewrites what begins with a parenthesis.
func (p *pcreParser) group() error {
	rest := p.source[p.pos:]
	for _, head := range []string{"(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>"} {
		if strings.HasPrefix(rest, head) {
			p.full = p.full || head != "(?:"
			p.openGroup(head, len(head))
			return nil
		}
	}
	for head, end := range map[string]string{"(?<": ">", "(?P<": ">", "(?'": "'"} {
		if name, ok := between(rest, head, end); ok && name != "" && strings.IndexFunc(name, notWord) < 0 {
			p.groups++
			p.names[name] = p.groups
			p.openGroup("(", len(head)+len(name)+1)
			return nil
		}
	}
	if name, ok := between(rest, "(?P=", ")"); ok {
		return p.named(name, len("(?P=")+len(name)+1)
	}
	if n, ok := between(rest, "(?(", ")"); ok && n != "" && digits(n) {
		p.full = true
		p.openGroup("(?("+n+")", len(n)+4)
		return nil
	}
	switch {
	case strings.HasPrefix(rest, "(?#"):
		p.pos += lengthTo(rest, ")")
		return nil
	case strings.HasPrefix(rest, "(?"):
		return p.flags()
	case strings.HasPrefix(rest, "(*"):
		return p.fail("backtracking verbs and settings (*...) are not supported", "leave them out")
	}
	p.groups++
	p.openGroup("(", 1)
	return nil
}

// notWord tells whether r may not stand in a group's name.
func notWord(r rune) bool { return r >= utf8.RuneSelf || !isWord(byte(r)) }

// between returns what stands between head, with which s begins, and the next end.
func between(s, head, end string) (string, bool) {
	rest, headed := strings.CutPrefix(s, head)
	inner, _, ended := strings.Cut(rest, end)
	return inner, headed && ended
}

// flags rewrites (?i) and (?i:...). The flags x and U are carried out here.
func (p *pcreParser) flags() error {
	rest := p.source[p.pos+2:]
	n := len(rest) - len(strings.TrimLeft(rest, "imsxU-"))
	on, off, _ := strings.Cut(rest[:n], "-")
	if n == len(rest) || rest[n] != ')' && rest[n] != ':' || strings.Contains(off, "-") {
		return p.fail("this kind of group is not supported", "groups are (...), (?:...), (?=...), (?!...), (?<=...), (?<!...), (?>...), (?<name>...), (?imsxU-imsxU)")
	}
	ours := strings.NewReplacer("x", "", "U", "")
	head := ours.Replace(on)
	if less := ours.Replace(off); less != "" {
		head += "-" + less
	}
	set := func(flag string, now bool) bool {
		return (now || strings.Contains(on, flag)) && !strings.Contains(off, flag)
	}
	spaced, lazy := set("x", p.spaced), set("U", p.lazy)
	if rest[n] == ':' {
		p.openGroup("(?"+head+":", n+3)
	} else {
		if head != "" {
			p.out = append(p.out, "(?"+head+")"...)
		}
		p.atom = -1
		p.pos += n + 3
	}
	p.spaced, p.lazy = spaced, lazy
	return nil
}

// named rewrites a reference by name, n bytes long.
func (p *pcreParser) named(name string, n int) error {
	number, ok := p.names[name]
	if !ok {
		return p.fail(fmt.Sprintf("no group %q before this", name), "name a group (?<"+name+">...) first")
	}
	return p.reference(number, n)
}

// reference rewrites a back reference, n bytes long.
func (p *pcreParser) reference(number, n int) error {
	if number < 1 || number > p.groups {
		return p.fail(fmt.Sprintf("no group %d before this", number), "refer to a group that stands further left")
	}
	p.full = true
	p.add(fmt.Sprintf(`(?:\%d)`, number))
	p.pos += n
	return nil
}

// class rewrites [...].
func (p *pcreParser) class() error {
	set, negated, n, err := parseClass(p.source[p.pos:])
	if err != nil {
		p.pos += n
		return p.fail(err.Error(), `write \[ for the character`)
	}
	p.addSet(&set, negated)
	p.pos += n
	return nil
}

// addSet appends the set of bytes as an atom. It stays negated as written: folding comes before negation.
func (p *pcreParser) addSet(set *byteSet, negated bool) {
	p.atom = len(p.out)
	text := appendRanges(nil, set)
	switch {
	case len(text) == 0 && negated:
		p.out = append(p.out, `(?s:.)`...)
		return
	case len(text) == 0:
		p.out = append(p.out, `[^\s\S]`...)
		return
	case negated:
		text = append([]byte("^"), text...)
	}
	p.out = append(p.out, '[')
	p.out = append(p.out, text...)
	p.out = append(p.out, ']')
}

// appendRanges appends the set as ranges of a class. None crosses 0x7F: the characters beyond lie elsewhere.
func appendRanges(out []byte, set *byteSet) []byte {
	for lo := 0; lo < 256; lo++ {
		if !set[lo] {
			continue
		}
		hi := lo
		for hi < 255 && hi != 0x7F && set[hi+1] {
			hi++
		}
		out = appendClassChar(out, byte(lo))
		if hi > lo {
			out = appendClassChar(append(out, '-'), byte(hi))
		}
		lo = hi
	}
	return out
}

// appendClassChar appends one character of a class.
func appendClassChar(out []byte, b byte) []byte {
	if strings.IndexByte(`\]^[-`, b) >= 0 {
		out = append(out, '\\')
	}
	return appendChar(out, b)
}
