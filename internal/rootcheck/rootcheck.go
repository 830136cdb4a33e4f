// Package rootcheck knows what a message of the rootkit check means, our agent's and OSSEC's alike:
//
//	Rootkit 'x' detected by the presence of file '/dev/.x'. MD5=… SHA1=… SHA256=…
//	└──────────────── the finding ────────┘  path            hashes, if they are whole
//
// Which finding it is, the text says as a whole: OSSEC's rules ask for its words, and the same text is the same finding.
package rootcheck

import "strings"

// Finding is what a message tells of a file; texts that tell of none leave it empty.
type Finding struct {
	Path              string
	MD5, SHA1, SHA256 string // hexadecimal digits, as many as such a hash has; "" if the message has none
}

// Parse reads a message. No text is wrong.
func Parse(text string) (f Finding) {
	if _, rest, ok := strings.Cut(text, " file '"); ok {
		if path, _, ok := strings.Cut(rest, "'"); ok {
			f.Path = path
		}
	}
	for _, h := range []struct {
		mark   string
		digits int
		to     *string
	}{{" MD5=", 32, &f.MD5}, {" SHA1=", 40, &f.SHA1}, {" SHA256=", 64, &f.SHA256}} {
		_, rest, _ := strings.Cut(text, h.mark)
		if sum, _, _ := strings.Cut(rest, " "); len(sum) == h.digits {
			*h.to = sum
		}
	}
	return f
}
