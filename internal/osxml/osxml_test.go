package osxml_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/yagura-hids/yagura/internal/osxml"
)

// show writes elements as name@line:col{attr=value|}"content"[children].
func show(list []*osxml.Element) string {
	var parts []string
	for _, e := range list {
		s := fmt.Sprintf("%s@%d:%d", e.Name, e.Pos.Line, e.Pos.Col)
		for _, a := range e.Attrs {
			s += fmt.Sprintf("{%s=%s}", a.Name, a.Value)
		}
		if e.Content != "" {
			s += fmt.Sprintf("%q", e.Content)
		}
		if len(e.Children) > 0 {
			s += "[" + show(e.Children) + "]"
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, " ")
}

func TestParse(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"empty file", "", ""},
		{"only text", "no element here", ""},
		{"only a comment", "<!-- nothing -->\n", ""},
		{"several roots", "<a>1</a><b>2</b>", `a@1:1"1" b@1:9"2"`},
		{"text between roots", "x <a>1</a> y\n z <b>2</b> w", `a@1:3"1" b@2:4"2"`},
		{"byte order mark", "\xef\xbb\xbf<a>1</a>", `a@1:4"1"`},
		{"prolog", "<?xml version='1.0'?>\n<a>1</a>", `a@2:1"1"`},
		{"mark and prolog", "\xef\xbb\xbf<?xml ?><a>1</a>", `a@1:12"1"`},
		{"prolog elsewhere is an element", " <?xml v='1'>1</?xml>", `?xml@1:2{v=1}"1"`},
		{"content is kept to the byte", "<a> 1\n\t2 </a>", `a@1:1" 1\n\t2 "`},
		{"content after the last child", "<a>x<b>1</b>y<c>2</c>z</a>", `a@1:1"z"[b@1:5"1" c@1:14"2"]`},
		{"empty three ways", "<a/><b /><c></c>", "a@1:1 b@1:5 c@1:10"},
		{"empty with attribute", `<a b="1"/><c d='2' />`, `a@1:1{b=1} c@1:11{d=2}`},
		{"name with odd bytes", "<a-b.c:d>1</a-b.c:d>", `a-b.c:d@1:1"1"`},
		{"places count lines and bytes", "\n\n  <a>\n\té<b>1</b>\n</a>", `a@3:3"\n"[b@4:4"1"]`},
		{"carriage return ends no line", "<a>\r\n<b/>\r<c/></a>", "a@1:1[b@2:1 c@2:6]"},

		{"no entities", "<a>&lt; &amp; &#65; ></a>", `a@1:1"&lt; &amp; &#65; >"`},
		{"escaped <", `<a>x \<b> y</a>`, `a@1:1"x \\<b> y"`},
		{"escaped < of an end tag", `<a>x \</a></a>`, `a@1:1"x \\</a>"`},
		{"backslash elsewhere", `<a>\d\\</a>x</a>`, `a@1:1"\\d\\\\</a>x"`},

		{"comment", "<!-- <a>1</a> --><b>2</b>", `b@1:18"2"`},
		{"comment in content", "<a>1<!-- x -->2</a>", `a@1:1"12"`},
		{"comment between children", "<a><b/><!--\n\n--><c/></a>", "a@1:1[b@1:4 c@3:4]"},
		{"comment ends at !>", "<!-- a <b !> <c>1</c> -->", `c@1:14"1"`},
		{"comment ends at -->, not at a later !>", "<!-- a --><c>1</c> !>", `c@1:11"1"`},
		{"any <! is a comment", "<!DOCTYPE x --><c>1</c>", `c@1:16"1"`},
		{"so is CDATA", "<a><![CDATA[x!>y</a>", `a@1:1"y"`},
		{"comment behind a backslash", `<a>1\<!-- x -->2</a>`, `a@1:1"1\\2"`},
		{"the shortest comments", "<a>1<!>2<!-->3</a>", `a@1:1"123"`},

		{"quotes of either kind", `<a b="it's" c='"'/>`, `a@1:1{b=it's}{c="}`},
		{"space after =, lines between", "<a b= '1'\n  c=\n\"2\">3</a>", `a@1:1{b=1}{c=2}"3"`},
		{"no space between attributes", `<a b="1"c='2'/>`, `a@1:1{b=1}{c=2}`},
		{"no escapes in a value", `<a b="\"/>`, `a@1:1{b=\}`},
		{"< / and = in a value", `<a b="<x/=" c="/"/>`, `a@1:1{b=<x/=}{c=/}`},
		{"empty value", `<a b=""/>`, `a@1:1{b=}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := osxml.Parse("f.xml", []byte(tt.in))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, show(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseFaults(t *testing.T) {
	long := strings.Repeat("x", 8193)
	for _, tt := range []struct {
		name, in string
		want     []string // the faults, without the file's name
		kept     string   // of the elements
	}{
		{"never closed", "<a>1\n<b>2", []string{"2:1: <b> is never closed: add </b>"}, ""},
		{"outer never closed", "<a><b>1</b>", []string{"1:1: <a> is never closed: add </a>"}, `a@1:1[b@1:4"1"]`},
		{"wrong end tag", "<a>1</b></a>", []string{"1:5: </b> does not close <a> of line 1: write </a>"}, ""},
		{"end tag with a space", "<a>1</a ></a>", []string{"1:5: </a> does not close <a> of line 1: write </a>"}, ""},
		{"end tag in another case", "<a>1</A></a>", []string{"1:5: </A> does not close <a> of line 1: write </a>"}, ""},
		{"end tag of an outer element", "<a><k/><b>1\n</a><c/>", []string{"2:1: </a> does not close <b> of line 1: write </b>"}, "a@1:1[k@1:4] c@2:5"},
		{"stray end tag", "<k/></a><c/>", []string{"1:5: </a> ends nothing: remove it, or open the element before it"}, "k@1:1 c@1:9"},
		{"bare <", "<a><k/>1 < 2<b/></a>", []string{`1:10: "<" begins no element: write a literal "<" as "\<"`}, "a@1:1[k@1:4 b@1:13]"},
		{"named group", "<r><m>1</m><regex>(?<u>x)</regex></r>", []string{"1:26: </regex> does not close <u> of line 1: write </u>"}, `r@1:1[m@1:4"1"]`},
		{"comment never ends", "<a>1\n<!-- 2</a>", []string{"2:1: the comment never ends: end it with -->"}, ""},
		{"tag never ended", `<k/><a b="1"`, []string{`1:5: the tag <a is never ended: end it with ">"`}, "k@1:1"},
		{"> in a value", `<a b="1>2">3</a><k/>`, []string{`1:4: <a>: attribute b does not end: close the quote; ">" may not stand in a value`}, "k@1:17"},
		{"value without quotes", "<a b=1>2</a><k/>", []string{"1:4: <a>: attribute b is not quoted: put its value between quotes"}, "k@1:13"},
		{"attribute without value", "<a b/><k/>", []string{`1:4: <a>: attribute b has no value: write b="value", without a space before "="`}, "k@1:7"},
		{"space before =", "<a b ='1'/><k/>", []string{`1:4: <a>: attribute b has no value: write b="value", without a space before "="`}, "k@1:12"},
		{"attribute without name", "<a ='1'/><k/>", []string{`1:4: <a>: attribute  has no name: write name="value"`}, "k@1:10"},
		{"attribute twice", "<a b='1' B='2'/><k/>", []string{"1:10: <a>: attribute B stands twice: keep one"}, "k@1:17"},
		{"long name", "<" + long + "/><k/>", []string{"1:1: a name longer than 8192 bytes: shorten it"}, "k@1:8197"},
		{"long content", "<a>" + long + "</a><k/>", []string{"1:1: <a> holds 8193 bytes, more than 8192: split it"}, "k@1:8201"},
		{"long value", "<a b='" + long + "'/><k/>", []string{"1:4: <a>: an attribute longer than 8192 bytes: shorten it"}, "k@1:8203"},
		{"too deep", strings.Repeat("<a>", 1025), []string{"1:3073: elements nested more than 1024 deep"}, ""},
		{"all of them at once", "<a b/>\n<r><c>1</d></c>\n<e f=1>2</e><k>3</k></r>\n</z>\n<g>", []string{
			`1:4: <a>: attribute b has no value: write b="value", without a space before "="`,
			"2:8: </d> does not close <c> of line 2: write </c>",
			"3:4: <e>: attribute f is not quoted: put its value between quotes",
			"4:1: </z> ends nothing: remove it, or open the element before it",
			"5:1: <g> is never closed: add </g>",
		}, `r@2:1[k@3:13"3"]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := osxml.Parse("f.xml", []byte(tt.in))
			if err == nil {
				t.Fatal("no fault")
			}
			want := "f.xml:" + strings.Join(tt.want, "\nf.xml:")
			if diff := cmp.Diff(want, err.Error()); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tt.kept, show(got)); diff != "" {
				t.Errorf("kept: %s", diff)
			}
		})
	}
}

// What is exactly at a limit is allowed.
func TestParseAtLimits(t *testing.T) {
	x := strings.Repeat("x", 8192)
	for _, in := range []string{
		"<" + x + " />", "<a>" + x + "</a>", "<a b='" + x + "'/>", "<a " + x + "='" + x + "'/>",
		strings.Repeat("<a>", 1024) + strings.Repeat("</a>", 1024),
	} {
		if _, err := osxml.Parse("f", []byte(in)); err != nil {
			t.Errorf("%.20s: %v", in, err)
		}
	}
}

func TestExpand(t *testing.T) {
	const vars = `<var name="A">one</var><var name="long_NAME">$A two</var><var name="Empty"></var>`
	for _, tt := range []struct{ name, in, want string }{
		{"before any variable $ is plain", `<m>($nothing)$</m>`, "m:($nothing)$"},
		{"only behind the definition", `<m>$A x</m><var name="A">1</var><m>$A x</m>`, "m:$A x m:1 x"},
		{"invisible as an element", vars, ""},
		{"at the end", vars + `<m>x$A</m>`, "m:xone"},
		{"each terminator stays", vars + `<m>$A.$A|$A,$A $A$A</m>`, "m:one.one|one,one oneone"},
		{"case does not count", vars + `<m>$LONG_name</m>`, "m:$A two"},
		{"values are not expanded again", vars + `<m>$long_NAME!</m>`, "fault long_NAME!"},
		{"an empty value", vars + `<m>a$Empty.</m>`, "m:a."},
		{"two bytes are never expanded", vars + `<m>$A</m>`, "m:$A"},
		{"nor in attributes", vars + `<m n="$A" o="$A,"></m>`, "m[n=$A][o=one,]:"},
		{"a lone $", vars + `<m>foo$</m><m>foo$|bar</m><m>a$ b</m><m>a$$A</m>`, "m:foo$ m:foo$|bar m:a$ b m:a$one"},
		{"no other terminator", vars + `<m>($A)</m>`, "fault A)"},
		{"nor is that one", vars + `<m>(foo$)</m>`, "fault )"},
		{"in children and the text behind them", vars + `<r><m>$A.</m>x$A</r>`, "r:xone{m:one.}"},
		{"a later value counts from there", vars + `<m>x$A</m><var name="a">1</var><m>x$A</m>`, "m:xone m:x1"},
		{"defined deep inside", `<r><var name="V">1</var></r><m>x$V</m>`, "r: m:x1"},
		{"an empty name", `<var name="">1</var>`, `fault f:1:1: <var> wants one attribute, its name`},
		{"no name", `<var>1</var>`, `fault f:1:1: <var> wants one attribute, its name`},
		{"two attributes", `<var name="a" b="c">1</var>`, `fault f:1:1: <var> wants one attribute, its name`},
		{"a long name", `<var name="` + strings.Repeat("n", 256) + `">1</var>`, "fault f:1:1: <var>: a name longer than 255 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			roots, err := osxml.Parse("f", []byte(tt.in))
			if err != nil {
				t.Fatal(err)
			}
			var faults osxml.Faults
			got := plain(osxml.Expand(roots, &faults))
			if want, faulty := strings.CutPrefix(tt.want, "fault "); faulty {
				if err := faults.Err(); err == nil || faults.Len() != 1 || !strings.Contains(err.Error(), want) {
					t.Errorf("fault %v, want one with %s", err, want)
				}
				return
			}
			if err := faults.Err(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// plain writes elements as name[attr=value]:content{children}.
func plain(list []*osxml.Element) string {
	var parts []string
	for _, e := range list {
		s := e.Name
		for _, a := range e.Attrs {
			s += "[" + a.Name + "=" + a.Value + "]"
		}
		s += ":" + e.Content
		if len(e.Children) > 0 {
			s += "{" + plain(e.Children) + "}"
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, " ")
}

func TestElementAttr(t *testing.T) {
	e := osxml.Element{Attrs: []osxml.Attr{{Name: "Name", Value: "x"}}}
	if v, ok := e.Attr("nAME"); v != "x" || !ok {
		t.Errorf("got %q %v", v, ok)
	}
	if v, ok := e.Attr("other"); v != "" || ok {
		t.Errorf("got %q %v for an attribute that is not there", v, ok)
	}
}

func TestFaults(t *testing.T) {
	var all, one osxml.Faults
	if err := all.Err(); err != nil {
		t.Fatalf("no fault is an error: %v", err)
	}
	one.Add(osxml.Pos{File: "b", Line: 2, Col: 3}, "", "50%% of %s", "it")
	all.Add(osxml.Pos{File: "a"}, "mend it", "broken")
	all.Append("", nil)
	all.Append("", fmt.Errorf("wrapped: %w", one.Err()))
	all.Append("c", fmt.Errorf("100%% other"))
	all.Add(osxml.Pos{File: "b", Line: 2, Col: 1}, "", "before it")
	all.Add(osxml.Pos{File: "b", Line: 1, Col: 9}, "", "first")
	const want = "a: broken: mend it\nb:1:9: first\nb:2:1: before it\nb:2:3: 50% of it\nc: 100% other"
	if got := all.Err().Error(); got != want || all.Len() != 5 {
		t.Errorf("got %d faults:\n%s\nwant:\n%s", all.Len(), got, want)
	}
}

// In Wazuh's files a backslash takes the meaning of the one behind it.
func TestParseWazuh(t *testing.T) {
	for in, want := range map[string]string{`<a>E:\\</a>`: `E:\\`, `<a>x\<b</a>`: `x\<b`, `<a>x\\\<b</a>`: `x\\\<b`, `<a>\d\\\\</a>`: `\d\\\\`} {
		roots, err := osxml.ParseWazuh("f", []byte(in))
		if err != nil || len(roots) != 1 || roots[0].Content != want {
			t.Errorf("%s: %v, %v", in, roots, err)
		}
	}
	if _, err := osxml.Parse("f", []byte(`<a>E:\\</a>`)); err == nil {
		t.Error("in OSSEC's files it does not")
	}
}
