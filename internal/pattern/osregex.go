package pattern

import (
	"fmt"
	"regexp"
	"strings"
)

// osEscapes are OS_Regex's two-character escapes in regexp's words.
var osEscapes = map[byte]string{
	'w': `[A-Za-z0-9@_-]`, 'W': `[^A-Za-z0-9@_-]`,
	'd': `[0-9]`, 'D': `[^0-9]`,
	's': `\x20`, 'S': `[^\x20]`,
	'p': `[()*+,.:;<=>?\[\]!"'#%&$|{}-]`,
	'.': `(?s:.)`, 't': `\t`,
	'$': `\$`, '(': `\(`, ')': `\)`, '{': `\{`, '}': `\}`, '[': `\[`, ']': `\]`, '\\': `\\`, '|': `\|`, '<': `<`,
}

// maxSource is the longest OS_Regex or OS_Match pattern in bytes, OSSEC's limit.
const maxSource = 2048

// translateOSRegex returns the regexp that means what the OS_Regex source means.
func translateOSRegex(source string) (string, error) {
	var out strings.Builder
	out.WriteString("(?i)")
	depth := 0
	for i := 0; i < len(source); i++ {
		switch c := source[i]; c {
		case '\\':
			if i+1 == len(source) {
				return "", &SyntaxError{source, i, `a lone \ at the end`, `write \\ for a backslash`}
			}
			i++
			class, ok := osEscapes[source[i]]
			if !ok {
				return "", &SyntaxError{source, i - 1, fmt.Sprintf("unknown escape %q", source[i-1:i+1]),
					`only \w \W \d \D \s \S \p \. \t and \$ \( \) \{ \} \[ \] \\ \| \< exist; other characters need no escape`}
			}
			out.WriteString(class)
		case '(':
			depth++
			out.WriteByte('(')
		case ')':
			if depth--; depth < 0 {
				return "", &SyntaxError{source, i, "a ) without its (", `write \) for the character`}
			}
			out.WriteByte(')')
		case '+', '*':
			out.WriteString(osQuantifier(source, i))
		case '^':
			out.WriteString(`\A`)
		case '$':
			out.WriteString(`\z`)
		case '|':
			out.WriteByte('|')
		default:
			out.WriteString(regexp.QuoteMeta(source[i : i+1]))
		}
	}
	if depth > 0 {
		return "", &SyntaxError{source, len(source), "a ( without its )", `write \( for the character`}
	}
	return out.String(), nil
}

// osQuantifier returns the + or * at i: a quantifier if the byte two before it is a backslash, else the character. It is greedy only where
// the pattern or a branch of it ends, and never behind an escaped backslash.
func osQuantifier(source string, i int) string {
	if i < 2 || source[i-2] != '\\' {
		return `\` + source[i:i+1]
	}
	rest := strings.TrimLeft(source[i+1:], ")")
	if (rest == "" || rest[0] == '|') && source[i-1] != '\\' {
		return source[i : i+1]
	}
	return source[i:i+1] + "?"
}
