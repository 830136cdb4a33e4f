package osxml_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/yagura-hids/yagura/internal/osxml"
)

var seeds = []string{
	"<group name=\"syslog,\">\n  <rule id='1' level=\"0\">\n    <match>a|b</match>\n  </rule>\n</group>\n",
	"<!-- c --><a>1\\<!-- x -->2</a>", "<a>\\<<!>!</a>", "<a><b></a>", "<a b='\"' c=\"'\"/>", "<a></A></a", "<a b", "<!", "</a>", "<a/ b='1'></a/>",
	"<var name=\"V\">x</var><m a=\"$V.\">$V|$$V,$V</m>", "<?xml ?>\n<?xml>1</?xml>", "<a>\\<!> </a>",
}

// write is the simplest writer. "<!>" is an empty comment; it keeps apart what would join to something else.
func write(b *strings.Builder, list []*osxml.Element) {
	for _, e := range list {
		b.WriteString("\n<" + e.Name)
		for _, a := range e.Attrs {
			quote := `"`
			if strings.Contains(a.Value, quote) {
				quote = "'"
			}
			b.WriteString(" " + a.Name + "=" + quote + a.Value + quote)
		}
		b.WriteString(" >")
		write(b, e.Children)
		b.WriteString(strings.ReplaceAll(e.Content, "<!", "<<!>!") + "<!></" + e.Name + ">")
	}
}

// clear forgets the places.
func clear(list []*osxml.Element) []*osxml.Element {
	for _, e := range list {
		e.Pos = osxml.Pos{}
		for i := range e.Attrs {
			e.Attrs[i].Pos = osxml.Pos{}
		}
		clear(e.Children)
	}
	return list
}

// byteAt returns what stands at a place of src, or false if there is no such place.
func byteAt(src []byte, pos osxml.Pos) (byte, bool) {
	lines := bytes.SplitAfter(src, []byte("\n"))
	if pos.Line < 1 || pos.Line > len(lines) || pos.Col < 1 || pos.Col > len(lines[pos.Line-1]) {
		return 0, false
	}
	return lines[pos.Line-1][pos.Col-1], true
}

func checkPlaces(t *testing.T, src []byte, list []*osxml.Element) {
	for _, e := range list {
		if c, ok := byteAt(src, e.Pos); !ok || c != '<' {
			t.Errorf("<%s> at %s: %q stands there", e.Name, e.Pos, c)
		}
		checkPlaces(t, src, e.Children)
	}
}

// FuzzParse: places lie inside the file, and what is read, written and read again is the same.
func FuzzParse(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		roots, err := osxml.Parse("f", src)
		checkPlaces(t, src, roots)
		if err != nil {
			var faults *osxml.FaultError
			if !errors.As(err, &faults) || len(faults.Faults) == 0 {
				t.Fatalf("not a fault error: %v", err)
			}
			for _, fault := range faults.Faults {
				if _, ok := byteAt(src, fault.Pos); !ok {
					t.Errorf("fault outside the file: %v", fault)
				}
			}
			return
		}
		var b strings.Builder
		write(&b, roots)
		again, err := osxml.Parse("f", []byte(b.String()))
		if err != nil {
			t.Fatalf("%v\n%q", err, b.String())
		}
		if diff := cmp.Diff(clear(roots), clear(again)); diff != "" {
			t.Errorf("%s\n%q", diff, b.String())
		}
	})
}

// FuzzExpand: without variables nothing changes; with one, no fault means that no "$V" is left where it must be replaced.
func FuzzExpand(f *testing.F) {
	for _, s := range seeds {
		f.Add("x", s)
	}
	f.Fuzz(func(t *testing.T, value, text string) {
		var none, some osxml.Faults
		e := &osxml.Element{Name: "m", Content: text}
		osxml.Expand([]*osxml.Element{e}, &none)
		if e.Content != text || none.Len() != 0 {
			t.Fatalf("%q became %q without a variable: %v", text, e.Content, none.Err())
		}
		v := &osxml.Element{Name: "var", Attrs: []osxml.Attr{{Name: "name", Value: "V"}}, Content: value}
		list := osxml.Expand([]*osxml.Element{v, {Name: "m", Content: text}}, &some)
		if len(list) != 1 || list[0].Name != "m" {
			t.Fatalf("got %d elements", len(list))
		}
		if got := list[0].Content; len(text) > 2 && !strings.Contains(value, "$") && some.Len() == 0 && strings.Contains(got, "$V|") {
			t.Errorf("%q became %q", text, got)
		}
		if !strings.Contains(text, "$") && list[0].Content != text {
			t.Errorf("%q became %q", text, list[0].Content)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	src := []byte(strings.Repeat("<group name=\"syslog,\">\n  <rule id=\"100100\" level=\"5\">\n    <match>^one thing |^other thing</match>\n"+
		"    <description>Something happened.</description> <!-- a remark -->\n  </rule>\n</group>\n", 1000))
	b.SetBytes(int64(len(src)))
	for b.Loop() {
		if _, err := osxml.Parse("f", src); err != nil {
			b.Fatal(err)
		}
	}
}
