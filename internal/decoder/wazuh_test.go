package decoder_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/yagura-hids/yagura/internal/event"
)

func loadWazuh(tb testing.TB, src string) *bench {
	tb.Helper()
	b, err := tryLoadAs(tb, true, src)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func TestWazuhDecode(t *testing.T) {
	for _, tt := range []struct{ name, decoders, program, log, want string }{
		{"pcre2 tells A from a", `<decoder name="p"><prematch type="pcre2">^T </prematch></decoder>`, "", "t a", ""},
		{"pcre2 with (?i) does not", `<decoder name="p"><prematch type="PCRE2">(?i)^T </prematch></decoder>`, "", "t a", "p"},
		{"osregex does not", `<decoder name="p"><prematch type="osregex">^T </prematch></decoder>`, "", "t a", "p"},
		{"OSSEC's pcre2 element does not", parent + child("x", `<pcre2>A=(\w)</pcre2><order>id</order>`), "", "t a=1", "p id=1"},
		{"program_name by osregex", `<decoder name="p"><program_name type="osregex">^a\d+$</program_name></decoder>`, "a12", "x", "p"},
		{"program_name by pcre2", `<decoder name="p"><program_name type="pcre2">^[a-c]+$</program_name></decoder>`, "ABC", "x", ""},
		{"program_name by osmatch", `<decoder name="p"><program_name type="osmatch">^ab</program_name></decoder>`, "ABC", "x", "p"},
		{"a negated program_name", `<decoder name="p"><program_name>!ab</program_name></decoder>`, "b", "x", "p"},
		{"a negated program_name that is there", `<decoder name="p"><program_name>!ab</program_name></decoder>`, "cab", "x", ""},
		{"an empty program_name accepts every program", `<decoder name="p"><program_name/><prematch>^x</prematch></decoder>`, "b", "x", "p"},
		{"and an empty program", `<decoder name="p"><program_name/><prematch>^x</prematch></decoder>`, "", "x", "p"},
		{"the last type counts", `<decoder name="p"><prematch type="osregex">^[A-</prematch><prematch type="pcre2">C]</prematch></decoder>`, "", "B", "p"},
		{"and no type is one", `<decoder name="p"><prematch type="pcre2">^\d</prematch><prematch>\s[</prematch></decoder>`, "", "1 [", "p"},
		{"type and offset in any order", parent + child("x", `<regex type="pcre2" offset="after_parent">^(\w)</regex><order>id</order>`), "", "t a", "p id=a"},
		{"an offset in capitals", parent + child("x", `<regex OFFSET="After_Parent">^(\w)</regex><order>id</order>`), "", "t a", "p id=a"},
		{"pcre2 captures keep their places", parent + child("x", `<regex type="pcre2">user (\w+) from|ip (\S+) port</regex><order>user, srcip</order>`), "",
			"t ip 192.0.2.1 port", "p srcip=192.0.2.1"},
		{"osregex captures are those of the alternative", parent + child("x", `<regex>user (\w+) from|ip (\S+) port</regex><order>user, srcip</order>`), "",
			"t ip 192.0.2.1 port", "p dstuser=192.0.2.1"},
		{"osregex alternatives are looked for in turn", parent + child("x", `<regex>b=(\w+)|(\w+)$</regex><order>id</order>`), "", "t a=1 b=2 c", "p id=2"},
		{"words of an order are exact", parent + child("x", `<regex>(\d)(\d)(\d)(\d)(\d)</regex><order>user, data, my_filename, extra_data, a.b.c</order>`), "", "t 12345",
			"p dstuser=1, extra_data=4, data=2, my_filename=3, a.b.c=5"},
		{"a dynamic field keeps its first value, a static one the last", parent + child("x", `<regex>a=(\w) a2=(\w)</regex><order>f, id</order>`) +
			child("x", `<regex>b=(\w) b2=(\w)</regex><order>f, id</order>`), "", "t a=1 a2=2 b=3 b2=4", "p id=4, f=1"},
		{"after_regex stays where the last one held", parent + child("x", `<regex>a=(\w)</regex><order>fa</order>`) +
			child("x", `<regex offset="after_regex">NEVER(\w)</regex><order>fn</order>`) +
			child("x", `<regex offset="after_regex">^ b=(\w)</regex><order>fb</order>`), "", "t a=1 b=2", "p fa=1, fb=2"},
		{"a chain may mix types", parent + child("x", `<regex>a=(\w)</regex><order>fa</order>`) + child("x", `<regex type="pcre2">b=([x-z])</regex><order>fb</order>`), "",
			"t a=1 b=y", "p fa=1, fb=y"},
		{"a child of its parent's name", parent + child("p", `<regex>a=(\w)</regex><order>fa</order>`) + child("p", `<regex>b=(\w)</regex><order>fb</order>`), "",
			"t b=2", "p fb=2"},
		{"a second attribute status", `<decoder name="p" status="x"><prematch>^t</prematch></decoder>`, "", "t", "p"},
		{"a regex that captures nothing", parent + child("x", `<regex>^t a</regex><order>id</order>`), "", "t a", "p"},
		{"JSON", `<decoder name="j"><prematch>^{</prematch><plugin_decoder>JSON_Decoder</plugin_decoder></decoder>`, "", `{"a":1}`, "j a=1"},
		{"JSON behind the parent", parent + child("x", `<plugin_decoder offset="after_parent">JSON_Decoder</plugin_decoder>`), "", `t {"a":1}`, "p a=1"},
		{"JSON behind the prematch", parent + child("x", `<prematch offset="after_parent">^x: </prematch><plugin_decoder offset="after_prematch">JSON_Decoder</plugin_decoder>`), "",
			`t x: {"a":1} and more`, "p a=1"},
		{"JSON in a chain", parent + child("x", `<plugin_decoder offset="after_parent">JSON_Decoder</plugin_decoder>`) +
			child("x", `<regex>"a":(\d)</regex><order>b</order>`), "", `t {"a":1}`, "p a=1, b=1"},
		{"a regex before JSON", parent + child("x", `<regex>no(\d)</regex><order>b</order>`) +
			child("x", `<plugin_decoder offset="after_parent">JSON_Decoder</plugin_decoder>`), "", `t {"a":1}`, "p a=1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := show(loadWazuh(t, tt.decoders).decode(tt.program, tt.log)); got != tt.want {
				t.Errorf("%q\n got %s\nwant %s", tt.log, got, tt.want)
			}
		})
	}
}

// What describes a decoder comes from the last one with a prematch, whatever its chain finds.
func TestWazuhReported(t *testing.T) {
	b := loadWazuh(t, `<decoder name="p"><prematch>^t</prematch><type>windows</type></decoder>`+
		child("x", `<prematch>x</prematch><regex>a=(\w+)</regex><order>tty</order><fts>name, tty, extra_data</fts><type>ids</type>`)+
		child("x", `<regex>b=(\w+)</regex><order>url</order><type>squid</type><use_own_name>true</use_own_name>`)+
		child("y", `<regex>c=(\w+)</regex><order>url</order><type>squid</type><use_own_name>true</use_own_name>`))
	for _, tt := range []struct {
		log, decoder, leaf, fts string
		category                event.Category
	}{
		{"tx a=1 b=2", "p", "x", "name tty extra_data", event.CategoryIDS},
		{"t c=3", "p", "p", "", event.CategoryWindows},
	} {
		d := b.decode("", tt.log)
		if d.Decoder != tt.decoder || d.Leaf != tt.leaf || d.Category != tt.category || strings.Join(d.FTS, " ") != tt.fts {
			t.Errorf("%q: decoder %q, leaf %q, %s, fts %q; want %+v", tt.log, d.Decoder, d.Leaf, d.Category, d.FTS, tt)
		}
	}
}

func TestWazuhFaults(t *testing.T) {
	top := func(elements string) string { return `<decoder name="x">` + elements + `</decoder>` }
	for _, tt := range []struct{ decoders, want string }{
		{top(`<prematch type="osmatch">a</prematch>`), `f1.xml:1:29: decoder x: <prematch type="osmatch">: write osregex or pcre2`},
		{top(`<program_name type="regex">a</program_name>`), `<program_name type="regex">`},
		{top(`<prematch negate="yes">a</prematch>`), "<prematch>: unknown attribute negate"},
		{top(`<prematch offset="behind">a</prematch>`), `offset "behind"`},
		{top(`<prematch type="pcre2">[</prematch>`), "decoder x: pattern"},
		{`<decoder name="x" id="1"><prematch>a</prematch></decoder>`, "unknown attribute id"},
		{top(`<prematch>a</prematch><json_null_field>drop</json_null_field>`), `<json_null_field> "drop": write discard or string`},
		{top(`<prematch>a</prematch><json_array_structure>x</json_array_structure>`), `<json_array_structure> "x": write csv or array`},
		{top(`<prematch>a</prematch><plugin_decoder offset="after_parent">JSON_Decoder</plugin_decoder>`), "the plugin's offset wants a parent"},
		{top(`<prematch>a</prematch><plugin_decoder offset="after_regex">JSON_Decoder</plugin_decoder>`), `offset "after_regex"`},
		{top(`<prematch>a</prematch><plugin_decoder from="here">JSON_Decoder</plugin_decoder>`), "unknown attribute from"},
		{top(`<program_name>a</program_name><plugin_decoder offset="after_prematch">JSON_Decoder</plugin_decoder>`), "the plugin's offset wants a prematch"},
		{top(`<prematch>a</prematch><plugin_decoder>XML_Decoder</plugin_decoder>`), `no plugin decoder "XML_Decoder"`},
		{top(`<prematch>a</prematch><regex>(a)</regex><order>b</order><fts>c</fts>`), "fts can't remember c"},
		{parent + child("x", `<regex>(a)</regex><order>b</order>`) + child("x", `<use_own_name>true</use_own_name>`), "needs its kind of regex"},
		{parent + child("x", `<prematch>a</prematch>`) + `<decoder name="y"><parent>x</parent><prematch>b</prematch></decoder>`, `no top-level decoder "x"`},
	} {
		_, err := tryLoadAs(t, true, tt.decoders)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s:\n got %v\nwant %s", tt.decoders, err, tt.want)
		}
	}
}

// Decoding costs memory only where a plugin makes up text.
func TestDecodeAllocatesNothing(t *testing.T) {
	src := parent + child("x", `<prematch>x</prematch><regex>a=(\w+)|b=(\w+)</regex><order>tty</order><fts>name, tty</fts>`) +
		child("x", `<regex>c=(\w+)</regex><order>url</order>`) + `<decoder name="q"><program_name>^q</program_name></decoder>`
	for name, b := range map[string]*bench{"OSSEC": load(t, vectors, parent+child("x", `<regex>a=(\w+)</regex><order>tty</order>`)), "Wazuh": loadWazuh(t, src)} {
		for _, program := range []string{"", "q", "prog1"} {
			d := b.ready(program, "t x b=1 c=2 a=3")
			if n := testing.AllocsPerRun(10, func() { b.tree.Decode(d, &b.text, &b.hits) }); n != 0 {
				t.Errorf("%s, program %q: %v allocations", name, program, n)
			}
		}
	}
}

// What is explained of a chain is what Decode does: after_regex stays where the last one held, and plugins are passed over.
func TestWazuhExplain(t *testing.T) {
	b := loadWazuh(t, parent+child("x", `<plugin_decoder offset="after_parent">JSON_Decoder</plugin_decoder>`)+child("x", `<regex>a=(\w)</regex><order>fa</order>`)+
		child("x", `<regex offset="after_regex">no(\w)</regex><order>fn</order>`)+child("x", `<regex offset="after_regex">^c=(\w)</regex><order>fc</order>`))
	var got []string
	for _, try := range b.tree.Explain(b.ready("", "t a=1 b=2"), "t a=1 b=2") {
		got = append(got, strings.TrimSpace(try.Name+" "+try.Element+" "+try.Text+" "+try.Against))
	}
	want := []string{"p", "x", `x regex no(\w)  b=2`, `x regex ^c=(\w)  b=2`}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
