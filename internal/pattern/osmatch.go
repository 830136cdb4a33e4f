package pattern

import (
	"bytes"
	"regexp"
	"strings"
	"unicode/utf8"
)

// literal is one alternative of OS_Match, or a whole pattern of anchored-literal shape.
type literal struct {
	text       []byte // lowered
	start, end bool   // must stand at the start, at the end
	newline    bool   // "at the end" also means before a final newline
	never      bool   // an anchor stands where it holds nowhere
}

// find returns where the literal ends in s, which is lowered.
func (l *literal) find(s []byte) (end int, ok bool) {
	switch {
	case l.never:
		return 0, false
	case l.start && l.end:
		if l.newline && len(s) == len(l.text)+1 && s[len(l.text)] == '\n' {
			s = s[:len(l.text)]
		}
		return len(s), bytes.Equal(s, l.text)
	case l.start:
		return len(l.text), bytes.HasPrefix(s, l.text)
	case l.end: // the end before the newline comes first, as OSSEC would find it
		if n := len(s) - 1; l.newline && n >= 0 && s[n] == '\n' && bytes.HasSuffix(s[:n], l.text) {
			return n, true
		}
		return len(s), bytes.HasSuffix(s, l.text)
	}
	i := bytes.Index(s, l.text)
	return i + len(l.text), i >= 0
}

// osMatch is a compiled OS_Match pattern: alternatives of which one must be found.
type osMatch struct {
	alternatives []literal
	ascii        bool // the pattern is: only then do the alternatives tell for a text that is not
	folds        bool // the pattern holds the Kelvin sign or the long s, which are letters of ASCII, too
	direct       bool // one anchored alternative: OSSEC compares it byte by byte whatever the text
}

// match tells whether one of the alternatives is found in s, which is lowered.
func (m *osMatch) match(s []byte) bool {
	for i := range m.alternatives {
		if _, ok := m.alternatives[i].find(s); ok {
			return true
		}
	}
	return false
}

// parseOSMatch splits the source at each | and takes the anchors off. A single anchored alternative keeps to the strict end.
func parseOSMatch(source string) *osMatch {
	pieces := strings.Split(source, "|")
	m := &osMatch{ascii: isASCII(source), folds: strings.ContainsAny(source, string(kelvin)+string(longS))}
	for _, piece := range pieces {
		body := strings.Trim(piece, "^$")
		head, tail, _ := strings.Cut(piece, body)
		if body == "" {
			head, tail = piece, piece
		}
		l := literal{text: []byte(lowerString(body)), newline: len(pieces) > 1}
		l.start, l.end = strings.Contains(head, "^"), strings.Contains(tail, "$")
		l.never = body != "" && (strings.ContainsAny(body, "^$") || strings.Contains(head, "$") || strings.Contains(tail, "^"))
		m.alternatives = append(m.alternatives, l)
	}
	first := &m.alternatives[0]
	m.direct = len(pieces) == 1 && !first.never && (first.start || first.end)
	if !m.ascii && !m.direct {
		for i := range m.alternatives { // for texts of ASCII; these two also match a letter of it
			m.alternatives[i].text = asciiFold(m.alternatives[i].text)
		}
	}
	return m
}

func asciiFold(text []byte) []byte {
	return bytes.ReplaceAll(bytes.ReplaceAll(text, []byte(string(longS)), []byte("s")), []byte(string(kelvin)), []byte("k"))
}

// translateOSMatch returns a regexp that matches where the OS_Match source does. Its end may lie behind a final newline.
func translateOSMatch(source string) string {
	var out strings.Builder
	out.WriteString("(?i)")
	for i := 0; i < len(source); i++ {
		switch c := source[i]; c {
		case '|':
			out.WriteByte('|')
		case '^':
			out.WriteString(`\A`)
		case '$':
			out.WriteString(`\n?\z`)
		default:
			out.WriteString(regexp.QuoteMeta(source[i : i+1]))
		}
	}
	return out.String()
}

// WordMatch is the test of if_group: whether the subject holds, or with a leading ^ begins with, one of the pieces of pattern between |.
// ASCII case does not count. An empty piece is always true; an empty pattern never.
func WordMatch(pattern, subject string) bool {
	if pattern == "" {
		return false
	}
	pattern, subject = lowerString(pattern), lowerString(subject)
	for piece := range strings.SplitSeq(pattern, "|") {
		prefix, anchored := strings.CutPrefix(piece, "^")
		switch {
		case piece == "":
			return true
		case subject == "":
		case anchored && strings.HasPrefix(subject, prefix), !anchored && strings.Contains(subject, piece):
			return true
		}
	}
	return false
}

// isASCII tells whether s has no byte above 0x7F.
func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
