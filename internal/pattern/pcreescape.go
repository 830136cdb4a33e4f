package pattern

import (
	"strconv"
	"strings"
	"unicode"
)

// escape rewrites what begins with a backslash outside a class.
func (p *pcreParser) escape() error {
	rest := p.source[p.pos:]
	if len(rest) < 2 {
		return p.fail(`a lone \ at the end`, `write \\ for a backslash`)
	}
	if done, err := p.backReference(rest); done || err != nil {
		return err
	}
	if done := p.assertion(rest); done {
		return nil
	}
	var set byteSet
	if set.classEscape(rest[1]) {
		p.addSet(&set, false)
		p.pos += 2
		return nil
	}
	b, n, err := charEscape(rest)
	if err != nil {
		return p.fail(err.Error(), "leave the backslash out, or see the list of escapes in pcre2pattern(3)")
	}
	p.char(b)
	p.pos += n
	return nil
}

// assertion rewrites the escapes that have a spelling of their own; false if rest begins with none.
func (p *pcreParser) assertion(rest string) bool {
	switch rest[1] {
	case 'b', 'B', 'A', 'z':
		p.out, p.atom = append(p.out, rest[:2]...), -1
	case 'G': // the start of the search, which is the start of the subject
		p.out, p.atom = append(p.out, `\A`...), -1
	case 'Z':
		p.dollar = true
		p.out, p.atom = append(p.out, `(?-m:$)`...), -1
	case 'E': // of a \Q that is not there
	case 'K': // moves the start of the match, which nobody asks for
		p.atom = -1
	case 'N':
		if text, ok := between(rest, `\N{U+`, "}"); ok {
			return p.numbered(text)
		}
		p.add(`[^\n]`)
	case 'C':
		p.add(`(?s:.)`)
	case 'R':
		p.full = true
		p.add("(?>\r\n|[\n-\r" + string(rune(highBase+0x85)) + "])")
	case 'Q':
		return p.quoted(rest)
	default:
		return false
	}
	p.pos += 2
	return true
}

// numbered rewrites \N{U+202E}, a character by its number: its bytes.
func (p *pcreParser) numbered(hex string) bool {
	n, err := strconv.ParseUint(hex, 16, 32)
	if err != nil || n > unicode.MaxRune {
		return false
	}
	p.add("(?:")
	for _, b := range []byte(string(rune(n))) {
		start := p.atom
		p.char(b)
		p.atom = start
	}
	p.out = append(p.out, ')')
	p.pos += len(`\N{U+}`) + len(hex)
	return true
}

// quoted rewrites \Q...\E.
func (p *pcreParser) quoted(rest string) bool {
	text, _, _ := strings.Cut(rest[2:], `\E`)
	for i := range len(text) {
		p.char(text[i])
	}
	p.pos += lengthTo(rest, `\E`)
	return true
}

// backReference rewrites \1, \g{-1}, \k<name> and their like; false if rest begins with none.
func (p *pcreParser) backReference(rest string) (bool, error) {
	for _, form := range [...][2]string{{`\k<`, ">"}, {`\k{`, "}"}, {`\k'`, "'"}, {`\g{`, "}"}} {
		name, ok := between(rest, form[0], form[1])
		if !ok {
			continue
		}
		n := len(name) + 4
		number, err := strconv.Atoi(name)
		switch {
		case err != nil || form[0] != `\g{`:
			return true, p.named(name, n)
		case number < 0:
			number += p.groups + 1
		}
		return true, p.reference(number, n)
	}
	start := 1
	if strings.HasPrefix(rest, `\g`) {
		start = 2
	}
	n := len(rest[start:]) - len(strings.TrimLeft(rest[start:], "0123456789"))
	number, _ := strconv.Atoi(rest[start : start+n])
	switch {
	case n == 0 || rest[start] == '0':
		return false, nil
	case start == 1 && number >= 10 && number > p.groups:
		n = octalLength(rest[1:], 3)
		if n == 0 {
			return true, p.reference(number, 1)
		}
		p.char(octal(rest[1 : 1+n]))
		p.pos += 1 + n
		return true, nil
	}
	return true, p.reference(number, start+n)
}
