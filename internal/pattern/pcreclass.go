package pattern

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// byteSet tells for each byte whether it belongs.
type byteSet [256]bool

func (s *byteSet) addRange(lo, hi byte) {
	for b := int(lo); b <= int(hi); b++ {
		s[b] = true
	}
}

// addText adds the ranges of text, such as "09AZ__".
func (s *byteSet) addText(text string, negated bool) {
	var other byteSet
	for i := 0; i < len(text); i += 2 {
		other.addRange(text[i], text[i+1])
	}
	for b, in := range other {
		if in != negated {
			s[b] = true
		}
	}
}

// classRanges are the escapes that stand for a set of bytes, and the sets, as pairs of first and last. The capital is the complement.
var classRanges = map[byte]string{'d': "09", 'w': "09AZ__az", 's': "\t\r  ", 'h': "\t\t  \xa0\xa0", 'v': "\n\r\x85\x85"}

// posixRanges are the sets of [:alpha:] and its like.
var posixRanges = map[string]string{
	"alnum": "09AZaz", "alpha": "AZaz", "ascii": "\x00\x7f", "blank": "\t\t  ", "cntrl": "\x00\x1f\x7f\x7f", "digit": "09", "graph": "!~",
	"lower": "az", "print": " ~", "punct": "!/:@[`{~", "space": "\t\r  ", "upper": "AZ", "word": "09AZ__az", "xdigit": "09AFaf",
}

// classEscape adds the set of \d and its like; false if c is none.
func (s *byteSet) classEscape(c byte) bool {
	ranges, ok := classRanges[lowerByte(c)]
	if ok {
		s.addText(ranges, c != lowerByte(c))
	}
	return ok
}

// errClassOpen is parseClass's error where the source ends first.
var errClassOpen = errors.New("a [ without its ]")

// parseClass reads the [...] that s begins with: its set, whether it begins with ^, and its length, or with an error that error's place.
func parseClass(s string) (set byteSet, negated bool, n int, err error) {
	n = 1
	if strings.HasPrefix(s[n:], "^") {
		negated = true
		n++
	}
	for first := true; ; first = false {
		switch {
		case n >= len(s):
			return set, negated, 0, errClassOpen
		case s[n] == ']' && !first:
			return set, negated, n + 1, nil
		}
		if name, ok := between(s[n:], "[:", ":]"); ok && strings.Trim(name, "^abcdefghijklmnopqrstuvwxyz") == "" {
			ranges, known := posixRanges[strings.TrimPrefix(name, "^")]
			if !known {
				return set, negated, n, fmt.Errorf("unknown class [:%s:]", name)
			}
			set.addText(ranges, name[0] == '^')
			n += len(name) + 4
			continue
		}
		size, err := set.classItem(s[n:])
		if err != nil {
			return set, negated, n, err
		}
		n += size
	}
}

// classItem adds the character, range or escape that s begins with, and returns its length.
func (s *byteSet) classItem(text string) (int, error) {
	if text[0] == '\\' && len(text) > 1 && s.classEscape(text[1]) {
		return 2, nil
	}
	lo, n, err := classChar(text)
	if err != nil {
		return 0, err
	}
	rest := text[n:]
	if len(rest) < 2 || rest[0] != '-' || rest[1] == ']' || rest[1] == '[' && strings.HasPrefix(rest[1:], "[:") {
		s[lo] = true
		return n, nil
	}
	if rest[1] == '\\' && len(rest) > 2 && classRanges[lowerByte(rest[2])] != "" {
		s[lo] = true // the hyphen stands for itself: the next round adds it
		return n, nil
	}
	hi, m, err := classChar(rest[1:])
	if err != nil {
		return 0, err
	}
	if hi < lo {
		return 0, errors.New("a range whose end is below its start")
	}
	s.addRange(lo, hi)
	return n + 1 + m, nil
}

// classChar reads one character of a class, in which \b is a backspace and numbers are octal.
func classChar(text string) (b byte, n int, err error) {
	if text[0] != '\\' {
		return text[0], 1, nil
	}
	if len(text) > 1 && text[1] == 'b' {
		return '\b', 2, nil
	}
	if n := octalLength(text[1:], 3); n > 0 {
		return octal(text[1 : 1+n]), 1 + n, nil
	}
	return charEscape(text)
}

// charEscape reads the escape of one character: a letter's, a code's, or a needless one.
func charEscape(text string) (b byte, n int, err error) {
	if len(text) < 2 {
		return 0, 0, errors.New(`a lone \ at the end`)
	}
	c := text[1]
	if i := strings.IndexByte("aefnrt", c); i >= 0 {
		return "\a\x1b\f\n\r\t"[i], 2, nil
	}
	switch {
	case c == 'x':
		return hexEscape(text)
	case c == '0':
		n := octalLength(text[1:], 3)
		return octal(text[1 : 1+n]), 1 + n, nil
	case c == 'c' && len(text) > 2 && ' ' <= text[2] && text[2] <= '~':
		return upperByte(text[2]) ^ 0x40, 3, nil
	case isAlnum(c):
		return 0, 0, fmt.Errorf(`unknown escape \%c`, c)
	}
	return c, 2, nil
}

// hexEscape reads \xhh or \x{hh}.
func hexEscape(text string) (b byte, n int, err error) {
	if code, ok := between(text, `\x{`, "}"); ok {
		v, err := strconv.ParseUint(code, 16, 8)
		if err != nil {
			return 0, 0, fmt.Errorf(`\x{%s} is no byte`, code)
		}
		return byte(v), len(code) + 4, nil
	}
	n = 2
	for n < len(text) && n < 4 && strings.IndexByte("0123456789abcdefABCDEF", text[n]) >= 0 {
		n++
	}
	v, _ := strconv.ParseUint("0"+text[2:n], 16, 8) // no digits: a zero byte
	return byte(v), n, nil
}

// octalLength returns how many of the first most bytes of s are octal digits.
func octalLength(s string, most int) int {
	n := 0
	for n < len(s) && n < most && '0' <= s[n] && s[n] <= '7' {
		n++
	}
	return n
}

// octal returns the byte of up to three octal digits; OSSEC's PCRE2 would refuse one above 0377, here its low bits count.
func octal(s string) byte {
	v, _ := strconv.ParseUint(s, 8, 16)
	return byte(v)
}

// upperByte raises a-z only.
func upperByte(b byte) byte {
	if 'a' <= b && b <= 'z' {
		return b - 'a' + 'A'
	}
	return b
}

// isAlnum tells whether b is an ASCII letter or digit.
func isAlnum(b byte) bool {
	return '0' <= b && b <= '9' || 'a' <= lowerByte(b) && lowerByte(b) <= 'z'
}
