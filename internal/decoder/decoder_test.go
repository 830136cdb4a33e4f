package decoder_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/yagura-hids/yagura/internal/decoder"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/osxml"
	"github.com/yagura-hids/yagura/internal/pattern"
)

// bench is a tree with the index of its patterns, ready to decode one line after another.
type bench struct {
	tree    *decoder.Tree
	index   *pattern.Index
	decoded event.Decoded
	text    pattern.Text
	hits    pattern.Hits
}

func load(tb testing.TB, files ...string) *bench {
	tb.Helper()
	b, err := tryLoad(tb, files...)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func tryLoad(tb testing.TB, files ...string) (*bench, error) { return tryLoadAs(tb, false, files...) }

// tryLoadAs loads files in OSSEC's dialect or in Wazuh's.
func tryLoadAs(tb testing.TB, wazuh bool, files ...string) (*bench, error) {
	tb.Helper()
	var patterns []*pattern.Pattern
	builder := decoder.NewBuilder(func(p *pattern.Pattern) int {
		patterns = append(patterns, p)
		return len(patterns) - 1
	})
	builder.Wazuh = wazuh
	for i, src := range files {
		roots, err := osxml.Parse(fmt.Sprintf("f%d.xml", i+1), []byte(src))
		if err != nil {
			tb.Fatal(err)
		}
		builder.Add(roots)
	}
	tree, err := builder.Build()
	return &bench{tree: tree, index: pattern.NewIndex(patterns)}, err
}

// decode reads a log of a program, "" for none. The result is good until the next call.
func (b *bench) decode(program, log string) *event.Decoded {
	d := b.ready(program, log)
	b.tree.Decode(d, &b.text, &b.hits)
	return d
}

// ready prepares a log for decoding.
func (b *bench) ready(program, log string) *event.Decoded {
	d := &b.decoded
	d.Reset(&event.Event{Location: "here", Text: log})
	d.Program, d.Log, d.FullLog = program, log, log
	b.text.Reset(log)
	b.index.Scan(&b.text, &b.hits)
	return d
}

// show writes what was found as "decoder name=value, name=value", static fields first.
func show(d *event.Decoded) string {
	var fields []string
	for f := range event.NumFields {
		if v, ok := d.Get(f); ok {
			fields = append(fields, f.String()+"="+v)
		}
	}
	for _, f := range d.Dynamics() {
		fields = append(fields, f.Name+"="+f.Value)
	}
	return strings.TrimSpace(d.Decoder + " " + strings.Join(fields, ", "))
}

// vectors are the decoders of which OSSEC's answers to the lines below are known.
const vectors = `
<decoder name="P1"><program_name>^prog1$</program_name></decoder>
<decoder name="c1"><parent>P1</parent><prematch>^alpha </prematch><pcre2 offset="after_prematch">^user (\S+)</pcre2><order>user</order></decoder>
<decoder name="c2"><parent>P1</parent><prematch>^beta </prematch><pcre2 offset="after_prematch">^ip (\S+)</pcre2><order>srcip</order></decoder>
<decoder name="c2"><parent>P1</parent><pcre2 offset="after_regex">^ port (\d+)</pcre2><order>srcport</order></decoder>
<decoder name="c2"><parent>P1</parent><pcre2>id=(\w+)</pcre2><order>id</order></decoder>
<decoder name="c3"><parent>P1</parent><use_own_name>true</use_own_name><pcre2>^gamma (\S+)</pcre2><order>status</order></decoder>
<decoder name="c4"><parent>P1</parent><pcre2>^delta (\S+)</pcre2><order>action</order></decoder>
<decoder name="np"><prematch>^hello </prematch><regex offset="after_prematch">(\w+) (\w+)</regex><order>foo, bar</order></decoder>`

func TestVectors(t *testing.T) {
	b := load(t, vectors)
	for _, tt := range []struct{ program, log, want string }{
		{"prog1", "alpha user joe", "P1 dstuser=joe"},
		{"prog1", "alpha nouser joe", "P1"},
		{"prog1", "beta ip 1.2.3.4 port 99 id=xyz", "P1 srcip=1.2.3.4, srcport=99, id=xyz"},
		{"prog1", "beta noip 1.2.3.4 port 99 id=xyz", "P1 id=xyz"},
		{"prog1", "gamma ok", "c3 status=ok"},
		{"prog1", "delta ok", "P1"},
		{"other", "hello a b", ""},
		{"", "hello aa bb cc", "np foo=aa, bar=bb"},
		{"prog12", "alpha user joe", ""},
		{"PROG1", "ALPHA USER Joe", "P1 dstuser=Joe"},
	} {
		if got := show(b.decode(tt.program, tt.log)); got != tt.want {
			t.Errorf("%s: %s\n got %s\nwant %s", tt.program, tt.log, got, tt.want)
		}
	}
}

// child writes a decoder below p, which accepts every line that begins with "t ".
func child(name, elements string) string {
	return `<decoder name="` + name + `"><parent>p</parent>` + elements + `</decoder>`
}

const parent = `<decoder name="p"><prematch>^t </prematch></decoder>`

func TestDecode(t *testing.T) {
	for _, tt := range []struct{ name, decoders, log, want string }{
		{"captures that take no part shift the rest", parent + child("x", `<regex>user (\w+) from|ip (\S+) port</regex><order>user, srcip</order>`),
			"t ip 1.2.3.4 port", "p dstuser=1.2.3.4"},
		{"a sibling between two of one name does not end their chain", parent + child("x", `<regex>a=(\w+)</regex><order>id</order>`) +
			child("y", `<prematch>NEVER</prematch><regex>b=(\w+)</regex><order>status</order>`) + child("x", `<regex>c=(\w+)</regex><order>url</order>`),
			"t a=1 b=2 c=3", "p id=1, url=3"},
		{"dynamic fields keep their names over a chain", parent + child("x", `<regex>a=(\w+) b=(\w+)</regex><order>fa, fb</order>`) +
			child("x", `<regex>c=(\w+)</regex><order>fc</order>`), "t a=1 b=2 c=3", "p fa=1, fb=2, fc=3"},
		{"a later capture of one field replaces the earlier", parent + child("x", `<regex>a=(\w+)</regex><order>id</order>`) +
			child("x", `<regex>b=(\w+)</regex><order>id</order>`), "t a=1 b=2", "p id=2"},
		{"the first child without prematch shadows all others", parent + child("x", `<regex>a=(\w+)</regex><order>id</order>`) +
			child("y", `<prematch>b=</prematch><regex>b=(\w+)</regex><order>id</order>`), "t b=2", "p"},
		{"a child's prematch makes it the decoder though its regex fails", parent +
			child("x", `<prematch>a=</prematch><use_own_name>true</use_own_name><regex>a=(\d+)</regex><order>id</order>`), "t a=b", "x"},
		{"a child without prematch is the decoder only if its regex holds", parent +
			child("x", `<use_own_name>true</use_own_name><regex>a=(\d+)</regex><order>id</order>`), "t a=b", "p"},
		{"a parent's own regex is not for one with children", `<decoder name="p"><prematch>^t </prematch><regex>a=(\w+)</regex><order>id</order></decoder>` +
			child("x", `<prematch>NEVER</prematch>`), "t a=1", "p"},
		{"no other top-level decoder is tried after the first", parent + child("x", `<prematch>NEVER</prematch>`) +
			`<decoder name="q"><prematch>^t a</prematch></decoder>`, "t a", "p"},
		{"a failed top-level prematch leads to the next", parent + `<decoder name="q"><prematch>^u</prematch></decoder>`, "u", "q"},
		{"after_parent begins behind the parent's prematch", parent +
			child("x", `<prematch offset="after_parent">^a</prematch><regex offset="after_parent">^a (\w+)</regex><order>id</order>`), "t a b", "p id=b"},
		{"after_prematch of a top-level decoder", `<decoder name="p"><prematch>^t </prematch><regex offset="after_prematch">^(\w+)</regex><order>id</order></decoder>`,
			"t a", "p id=a"},
		{"after_regex begins behind the child's prematch if the elder failed", parent +
			child("x", `<prematch>a</prematch><regex>NO(\w+)</regex><order>id</order>`) + child("x", `<regex offset="after_regex">^(\w+)</regex><order>url</order>`),
			"t abc", "p url=bc"},
		{"after_regex of the third looks at the second only", parent + child("x", `<regex>a(\d)</regex><order>id</order>`) +
			child("x", `<regex>b(\d)</regex><order>url</order>`) + child("x", `<regex offset="after_regex">^(\w)</regex><order>status</order>`),
			"ta1 b2c", ""},
		{"the same, below a parent that accepts", parent + child("x", `<regex>a(\d)</regex><order>id</order>`) +
			child("x", `<regex>b(\d)</regex><order>url</order>`) + child("x", `<regex offset="after_regex">^(\w)</regex><order>status</order>`),
			"t a1 b2c", "p id=1, url=2, status=c"},
		{"repeated elements continue each other", `<decoder name="p"><prematch>^t</prematch><prematch> a$</prematch></decoder>`, "t a", "p"},
		{"of both dialects OSSEC's counts", `<decoder name="p"><prematch_pcre2>^u</prematch_pcre2><prematch>^t</prematch><prematch_pcre2>x</prematch_pcre2></decoder>`, "t", "p"},
		{"surplus captures and words are dropped", parent + child("x", `<regex>(\w)(\w)$</regex><order>id</order>`), "t ab", "p id=a"},
		{"an empty capture is there", parent + child("x", `<regex>a(\d*)b</regex><order>id, url</order>`), "t ab", "p id="},
		{"every alias of a field", parent + child("x", `<regex>(\d)(\d)(\d)(\d)</regex><order>user,data, my_filename,system_name extra</order>`), "t 1234",
			"p dstuser=1, extra_data=2, system_name=4, filename=3"},
		{"text beyond ASCII that folds into it", parent + child("x", `<regex>key=(\S+)</regex><order>id</order>`), "t \u212aey=1", "p id=1"},
		{"bytes that are no UTF-8", parent + child("x", `<pcre2>a=(\S+)</pcre2><order>id</order>`), "t a=\xff\xfe", "p id=\xff\xfe"},
		{"an empty line", parent, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := show(load(t, tt.decoders).decode("", tt.log)); got != tt.want {
				t.Errorf("%q\n got %s\nwant %s", tt.log, got, tt.want)
			}
		})
	}
}

// A decoder with program_name is for lines with a program, one without is for the others; children of one name go below both.
func TestBothLists(t *testing.T) {
	b := load(t, `<decoder name="p"><program_name>^a$</program_name></decoder>
<decoder name="p"><program_name>^b$</program_name></decoder>
<decoder name="x"><parent>p</parent><regex>a=(\w+)</regex><order>id</order></decoder>`,
		`<decoder name="p"><prematch>^t</prematch></decoder>
<decoder name="x"><parent>p</parent><regex>b=(\w+)</regex><order>url</order></decoder>`)
	for _, tt := range []struct{ program, log, want string }{
		{"a", "a=1 b=2", "p id=1, url=2"},
		{"b", "a=1 b=2", "p id=1, url=2"},
		{"", "t a=1 b=2", "p url=2"},
		{"c", "t a=1 b=2", ""},
	} {
		if got := show(b.decode(tt.program, tt.log)); got != tt.want {
			t.Errorf("%q %q: got %s, want %s", tt.program, tt.log, got, tt.want)
		}
	}
}

// What describes a decoder comes from the last one that matched.
func TestReported(t *testing.T) {
	b := load(t, `<decoder name="p"><prematch>^t</prematch><type>windows</type></decoder>`+
		child("x", `<prematch>x</prematch><regex>a=(\w+)</regex><order>id</order><fts>id, name</fts><type>ids</type>`)+
		child("x", `<regex>b=(\w+)</regex><order>url</order><accumulate/>`))
	for _, tt := range []struct {
		log, leaf, parent string
		category          event.Category
		fts               []string
		accumulate        bool
	}{
		{"u", "", "", event.CategorySyslog, nil, false},
		{"t", "p", "", event.CategoryWindows, nil, false},
		{"tx", "x", "p", event.CategoryIDS, []string{"id", "name"}, false},
		{"tx a=1 b=2", "x", "p", event.CategorySyslog, nil, true},
	} {
		d := b.decode("", tt.log)
		if d.Leaf != tt.leaf || d.Parent != tt.parent || d.Category != tt.category || !slices.Equal(d.FTS, tt.fts) || d.Accumulate != tt.accumulate {
			t.Errorf("%q: leaf %q, parent %q, %s, fts %q, accumulate %t; want %+v", tt.log, d.Leaf, d.Parent, d.Category, d.FTS, d.Accumulate, tt)
		}
	}
}

func TestID(t *testing.T) {
	b := load(t, vectors+`
<decoder name="late"><parent>P1</parent><prematch>z</prematch></decoder>
<decoder name="late"><prematch>^late</prematch></decoder>
<decoder name="np"><program_name>^np</program_name></decoder>`)
	id := func(name string) int {
		t.Helper()
		n, ok := b.tree.ID(name)
		if !ok {
			t.Fatalf("no decoder %s", name)
		}
		return n
	}
	if got := b.decode("prog1", "alpha user joe").DecoderID; got != id("P1") {
		t.Errorf("a child bears the id %d, want its parent's %d", got, id("P1"))
	}
	if got := b.decode("prog1", "gamma ok").DecoderID; got != id("c3") || got == id("P1") {
		t.Errorf("a child with use_own_name bears the id %d, want its own %d", got, id("c3"))
	}
	if got := id("c1"); got != 0 {
		t.Errorf("a child without use_own_name has the id %d, want 0: no event bears it", got)
	}
	if got := b.decode("", "late").DecoderID; got == 0 || got != id("late") {
		t.Errorf("a decoder with the name of an earlier child bears the id %d, want %d, not 0", got, id("late"))
	}
	if one, other := b.decode("", "hello a b").DecoderID, b.decode("np", "").DecoderID; one != other || one != id("np") {
		t.Errorf("two decoders of one name bear the ids %d and %d", one, other)
	}
	seen := map[int]string{}
	for _, name := range []string{"P1", "c3", "np", "late", "rootcheck", "syscheck_new_entry", "syscheck_deleted", "hostinfo_new", "hostinfo_modified"} {
		if other, twice := seen[id(name)]; twice {
			t.Errorf("%s and %s have one id", name, other)
		}
		seen[id(name)] = name
	}
	if _, ok := b.tree.ID("nobody"); ok {
		t.Error("an unknown name has an id")
	}
}

func TestFaults(t *testing.T) {
	regex := `<regex>a(\d)</regex><order>id</order>`
	for _, tt := range []struct{ decoders, want string }{
		{`<rule id="1"/>`, "f1.xml:1:1: <rule> is no decoder"},
		{`<decoder><prematch>a</prematch></decoder>`, "the decoder has no name"},
		{`<decoder name="x" status="y"><prematch>a</prematch></decoder>`, "f1.xml:1:19: decoder x: unknown attribute status"},
		{`<decoder name="x"></decoder>`, "decoder x is empty"},
		{`<decoder name="x"><prematch>a</prematch><regx>b</regx></decoder>`, "f1.xml:1:41: decoder x: unknown element <regx>"},
		{`<decoder name="x"><prematch>a</prematch><Type>ids</Type></decoder>`, "unknown element <Type>"},
		{`<decoder name="x"><accumulate/></decoder>`, "no program_name and no prematch"},
		{`<decoder name="x"><prematch>a</prematch><regex>a(b)</regex></decoder>`, "regex without order"},
		{`<decoder name="x"><prematch>a</prematch><order>id</order></decoder>`, "order without regex"},
		{`<decoder name="x"><prematch>a</prematch><fts>id</fts></decoder>`, "fts without regex"},
		{`<decoder name="x"><prematch>a</prematch><regex>(a</regex><order>id</order></decoder>`, "decoder x: pattern"},
		{`<decoder name="x"><prematch></prematch></decoder>`, "empty pattern"},
		{`<decoder name="x"><prematch>a</prematch><regex>^t abc</regex><order>id</order></decoder>`, "the regex captures nothing"},
		{`<decoder name="x"><prematch>a</prematch><regex>a(\d)</regex><order>id,,url</order></decoder>`, "<order> has an empty word"},
		{`<decoder name="x"><prematch>a</prematch><regex>a(\d)</regex><order>` + strings.Repeat("a,", 256) + `a</order></decoder>`, "<order> has 257 words"},
		{`<decoder name="x"><prematch>a</prematch>` + regex + `<fts>protocol</fts></decoder>`, `fts can't remember "protocol"`},
		{`<decoder name="x"><prematch>a</prematch>` + regex + `<fts>id,id,id,id,id,id,id,id,id</fts></decoder>`, "fts has 9 fields"},
		{`<decoder name="x"><prematch>a</prematch><type>mail</type></decoder>`, `no type "mail"`},
		{`<decoder name="x"><prematch>a</prematch><type>ossec-alert</type></decoder>`, `no type "ossec-alert"`},
		{`<decoder name="x"><prematch>a</prematch><plugin_decoder>JSON_Decoder</plugin_decoder></decoder>`, `no plugin decoder "JSON_Decoder"`},
		{`<decoder name="x"><prematch>a</prematch><plugin_decoder>PF_Decoder</plugin_decoder>` + regex + `</decoder>`, "exclude each other"},
		{`<decoder name="x"><prematch offset="after_parent">a</prematch></decoder>`, "this offset is not for a prematch"},
		{`<decoder name="x"><prematch offset="after_regex">a</prematch></decoder>`, "this offset is not for a prematch"},
		{`<decoder name="x"><prematch offset="behind">a</prematch></decoder>`, `offset "behind"`},
		{`<decoder name="x"><prematch from="after_parent">a</prematch></decoder>`, "unknown attribute from"},
		{`<decoder name="x"><prematch>a</prematch><regex offset="after_parent">(\d)</regex><order>id</order></decoder>`, "this offset wants a parent"},
		{`<decoder name="x"><prematch>a</prematch><regex>(\d)</regex><regex offset="after_prematch">b</regex><order>id</order></decoder>`, "continues another"},
		{`<decoder name="x"><prematch_pcre2>` + strings.Repeat("a", 8000) + `</prematch_pcre2><prematch_pcre2>` + strings.Repeat("a", 193) + `</prematch_pcre2></decoder>`, "longer than 8192 bytes"},
		{child("x", `<prematch>a</prematch>`), `no top-level decoder "p"`},
		{parent + child("x", `<prematch>a</prematch>`) + `<decoder name="y"><parent>x</parent><prematch>b</prematch></decoder>`, `no top-level decoder "x"`},
		{parent + child("x", `<regex offset="after_prematch">a(\d)</regex><order>id</order>`), "offset after_prematch without a prematch"},
		{parent + child("x", `<regex offset="after_regex">a(\d)</regex><order>id</order>`), "offset after_regex, but no regex before it"},
		{parent + child("x", regex) + child("x", `<prematch>b</prematch>`+regex), "can't have a prematch or fts"},
		{parent + child("x", regex) + child("x", `<fts>id</fts>`+regex), "can't have a prematch or fts"},
		{parent + child("x", regex) + child("x", `<pcre2>a(\d)</pcre2><order>id</order>`), "needs its kind of regex"},
		{parent + child("x", `<prematch>a</prematch>`) + child("x", regex), "needs its kind of regex"},
	} {
		_, err := tryLoad(t, tt.decoders)
		var faults *osxml.FaultError
		if !errors.As(err, &faults) {
			t.Errorf("%s: error %v, want %s", tt.decoders, err, tt.want)
			continue
		}
		if len(faults.Faults) != 1 || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s:\n got %v\nwant %s", tt.decoders, err, tt.want)
		}
	}
}

// All faults of all files come at once, each with its place, and once though the parent is there twice.
func TestAllFaults(t *testing.T) {
	_, err := tryLoad(t, parent+"\n"+`<decoder name="p"><program_name>^t</program_name></decoder>
<decoder name="a"><prematch>(</prematch></decoder>
`+child("b", `<order>id</order>`), `<decoder name="c"><parent>nobody</parent></decoder>
`+child("d", `<regex>a(\d)</regex><order>id</order>`)+"\n"+child("d", `<prematch>x</prematch><regex>a(\d)</regex><order>id</order>`))
	var faults *osxml.FaultError
	if !errors.As(err, &faults) {
		t.Fatal(err)
	}
	var places []string
	for _, f := range faults.Faults {
		places = append(places, f.Pos.String())
	}
	want := []string{"f1.xml:3:19", "f1.xml:4:1", "f2.xml:1:1", "f2.xml:3:1"}
	if !slices.Equal(places, want) {
		t.Errorf("faults at %q, want %q:\n%v", places, want, err)
	}
}

func TestManyPrograms(t *testing.T) {
	b := load(t, `<decoder name="p"><program_name>^prog</program_name></decoder>`)
	for i := range 5000 {
		if d := b.decode(fmt.Sprintf("prog%d", i), "x"); d.Decoder != "p" {
			t.Fatalf("prog%d: decoder %q", i, d.Decoder)
		}
		if d := b.decode(fmt.Sprintf("other%d", i), "x"); d.Decoder != "" {
			t.Fatalf("other%d: decoder %q", i, d.Decoder)
		}
	}
}
