package ruleset_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/yagura-hids/yagura/internal/ruleset"
)

func TestParseList(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     map[string]string
	}{
		{"empty", "", map[string]string{}},
		{"keys and values", "a:1\nb:2\n", map[string]string{"a": "1", "b": "2"}},
		{"no last line end", "a:1\nb:2", map[string]string{"a": "1", "b": "2"}},
		{"carriage returns", "a:1\r\nb:2\r\n", map[string]string{"a": "1", "b": "2"}},
		{"no value", "a:\n", map[string]string{"a": ""}},
		{"no key", ":x\n", map[string]string{"": "x"}},
		{"the first colon splits", "a:b:c\n", map[string]string{"a": "b:c"}},
		{"lines without a colon", "a\n\nb:2\n", map[string]string{"b": "2"}},
		{"comments", "### a:1\na:2 \t### b:3\nc#:## 4\n", map[string]string{"a": "2", "c#": "## 4"}},
		{"nothing else is trimmed", " a : 1 \n", map[string]string{" a ": " 1 "}},
		{"the first of a key counts", "a:1\na:2\n", map[string]string{"a": "1"}},
	} {
		if diff := cmp.Diff(tt.want, ruleset.ParseList(tt.in)); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

// FuzzParseList: a key holds no colon, no key or value holds a line end or a comment, and each stands in the text.
func FuzzParseList(f *testing.F) {
	f.Add("a:1\n### b:2\r\nc:3 ### d")
	f.Fuzz(func(t *testing.T, src string) {
		for k, v := range ruleset.ParseList(src) {
			if strings.Contains(k, ":") || strings.ContainsAny(k+v, "\n") || strings.Contains(k+":"+v, "###") || !strings.Contains(src, k+":"+v) {
				t.Errorf("%q: %q in %q", k, v, src)
			}
		}
	})
}

func TestParseWazuhList(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     map[string]string
	}{
		{"keys and values", "a:1\r\nb:2", map[string]string{"a": "1", "b": "2"}},
		{"keys without values", "200:\n201:\n", map[string]string{"200": "", "201": ""}},
		{"a quoted key", `"a:b":1`, map[string]string{"a:b": "1"}},
		{"a quoted value", `a:"1:2"`, map[string]string{"a": "1:2"}},
		{"both quoted", `"a:b":"c:d" e`, map[string]string{"a:b": "c:d"}},
		{"only a quoted key", `"a:b"`, map[string]string{}},
		{"an open key", `"a:b`, map[string]string{}},
		{"an open value", `a:"b`, map[string]string{}},
		{"a quote behind the colon", `a:b"c"`, map[string]string{"a": "c"}},
		{"no comments", "a:1 ### 2", map[string]string{"a": "1 ### 2"}},
		{"the first of a key counts", "a:1\n\"a\":2", map[string]string{"a": "1"}},
	} {
		if diff := cmp.Diff(tt.want, ruleset.ParseWazuhList(tt.in)); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

// FuzzList: what is read of a list stands in it, is no more than it, and reads the same when it is written with quotes.
func FuzzList(f *testing.F) {
	f.Add("a:1\n\"b:c\":2\nd:\"e:f\"\ng:")
	f.Fuzz(func(t *testing.T, src string) {
		size := 0
		for k, v := range ruleset.ParseWazuhList(src) {
			size += len(k) + len(v)
			if !strings.Contains(src, k) || !strings.Contains(src, v) || strings.Contains(k, "\n") {
				t.Errorf("%q: %q in %q", k, v, src)
			}
			if strings.ContainsAny(k+v, "\"\r") {
				continue
			}
			if again := ruleset.ParseWazuhList(`"` + k + `":"` + v + `"`); len(again) != 1 || again[k] != v {
				t.Errorf("%q: %q reads as %q", k, v, again)
			}
		}
		if size > len(src) {
			t.Errorf("%d bytes of %d", size, len(src))
		}
	})
}
