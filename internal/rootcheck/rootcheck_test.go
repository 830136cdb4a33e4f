package rootcheck_test

import (
	"strings"
	"testing"

	"github.com/yagura-hids/yagura/internal/rootcheck"
)

func TestParse(t *testing.T) {
	md5, sha1, sha256 := strings.Repeat("a", 32), strings.Repeat("b", 40), strings.Repeat("c", 64)
	for text, want := range map[string]rootcheck.Finding{
		"Rootkit 'x' detected by the presence of file '/dev/.x'. MD5=" + md5 + " SHA1=" + sha1 + " SHA256=" + sha256: {Path: "/dev/.x", MD5: md5, SHA1: sha1, SHA256: sha256},
		"Trojaned version of file '/bin/ls' detected. Signature used: 'x' (Generic). SHA1=short MD5=" + md5:          {Path: "/bin/ls", MD5: md5},
		"Process '71' hidden from ps. Possible trojaned version installed.":                                          {},
		"of file '/never/closed": {},
	} {
		if got := rootcheck.Parse(text); got != want {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

// Whatever a stranger writes: what is read stands in the text.
func FuzzParse(f *testing.F) {
	f.Add("Trojaned version of file '/bin/ls' detected. MD5=" + strings.Repeat("a", 32))
	f.Add(" file ''' SHA256= ")
	f.Fuzz(func(t *testing.T, text string) {
		got := rootcheck.Parse(text)
		for _, part := range []string{got.Path, got.MD5, got.SHA1, got.SHA256} {
			if !strings.Contains(text, part) {
				t.Fatalf("%q of %q", part, text)
			}
		}
	})
}
