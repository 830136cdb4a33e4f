package syscheck

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Escape returns a path as it stands in a message: a byte that is no part of UTF-8 as \xff. Where a path has such bytes, or looks as if
// it had been escaped, a backslash before such a look is \x5c, so that two paths never become one. Other paths stay as they are.
func Escape(path string) string {
	if utf8.ValidString(path) && !strings.Contains(path, `\x`) {
		return path
	}
	var b strings.Builder
	for i := 0; i < len(path); {
		r, n := utf8.DecodeRuneInString(path[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, path[i])
		case r == '\\' && escaped(path[i:]):
			b.WriteString(`\x5c`)
		default:
			b.WriteString(path[i : i+n])
		}
		i += n
	}
	return b.String()
}

// escaped tells whether s begins like what Escape makes of a byte.
func escaped(s string) bool {
	return len(s) >= 4 && s[1] == 'x' && isHex(s[2]) && isHex(s[3])
}

func isHex(c byte) bool { return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' }
