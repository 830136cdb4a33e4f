package decoder_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/yagura-hids/yagura/internal/event"
)

// jsonDecoder is a decoder of JSON with more elements.
func jsonDecoder(elements string) string {
	return `<decoder name="j"><prematch>^</prematch><plugin_decoder>JSON_Decoder</plugin_decoder>` + elements + `</decoder>`
}

func TestJSON(t *testing.T) {
	b := loadWazuh(t, jsonDecoder(""))
	for _, tt := range []struct{ in, want string }{
		{`{"b":"1","a":{"y":"2","x":{"z":"3"}},"c":"4"}`, "j b=1, a.y=2, a.x.z=3, c=4"},
		{`{"srcip":"192.0.2.1","dstip":"192.0.2.2","srcport":1,"dstport":2,"protocol":"tcp","action":"x","srcuser":"a","dstuser":"b","id":"7","status":"s",` +
			`"url":"/","data":"d","extra_data":"e","systemname":"n"}`,
			"j dstuser=b, srcuser=a, srcip=192.0.2.1, dstip=192.0.2.2, srcport=1, dstport=2, protocol=tcp, action=x, id=7, url=/, extra_data=e, status=s, system_name=n, data=d"},
		{`{"a":{"srcip":"192.0.2.1"},"Srcip":"x"}`, "j a.srcip=192.0.2.1, Srcip=x"},
		{`{"user":"a"}`, "j dstuser=a"},
		{`{"user":"a","dstuser":"b"}`, "j dstuser=b"},
		{`{"dstuser":"b","user":"a"}`, "j dstuser=b, user=a"},
		{`{"t":true,"f":false,"n":null,"e":"","o":{},"l":[]}`, "j t=true, f=false, n=null, e=, l=[]"},
		{`{"a":5,"b":-7,"c":1.0,"d":1e3,"e":1.50,"f":12345678901234567890,"g":2147483647,"h":1614000000000,"i":0.1}`,
			"j a=5, b=-7, c=1, d=1000, e=1.50, f=12345678901234567890, g=2147483647, h=1614000000000, i=0.1"},
		{`{"l":["a",2,true,null,{"b":[1,"c"],"d":{}}]}`, `j l=["a", 2, true, null, {"b": [1, "c"], "d": {}}]`},
		{`{"l":["a\"b\\c"]}`, `j l=["a\"b\\c"]`},
		{`{"a":"é\u00e9\n\u0000\u001b|"}`, "j a=éé   |"},
		{`{"a\nb":{"c":1}}`, "j a b.c=1"},
		{`{"a":1,"a":2,"id":1,"id":2}`, "j id=2, a=1"},
		{`{"a":"\ud800x"}`, "j a=\ufffdx"},
		{`{"a":1} {"b":2}`, "j a=1"},
		{"  \t {\"a\":1}", "j a=1"},
		{`{"":1,"x":{"":2}}`, "j x.=2"},
		{`["a"]`, "j"}, {`"a"`, "j"}, {``, "j"}, {`x`, "j"}, {`{`, "j"},
		{`{"a":1,"b":}`, "j"}, {`{"a":1`, "j"}, {`{"a":01}`, "j"}, {`{'a':1}`, "j"}, {`{"a":"\x"}`, "j"},
	} {
		if got := show(b.decode("", tt.in)); got != tt.want {
			t.Errorf("%s\n got %s\nwant %s", tt.in, got, tt.want)
		}
	}
}

func TestJSONSettings(t *testing.T) {
	const in = `{"n":null,"l":["a",1,null,{"x":1},[2],true],"e":[]}`
	for _, tt := range []struct{ elements, want string }{
		{"", `j n=null, l=["a", 1, null, {"x": 1}, [2], true], e=[]`},
		{"<json_null_field>string</json_null_field><json_array_structure>array</json_array_structure>", `j n=null, l=["a", 1, null, {"x": 1}, [2], true], e=[]`},
		{"<json_null_field>discard</json_null_field>", `j l=["a", 1, null, {"x": 1}, [2], true], e=[]`},
		{"<json_array_structure>CSV</json_array_structure>", "j n=null, l=a,1,null,true"},
	} {
		if got := show(loadWazuh(t, jsonDecoder(tt.elements)).decode("", in)); got != tt.want {
			t.Errorf("%s\n got %s\nwant %s", tt.elements, got, tt.want)
		}
	}
}

// What a stranger can write costs no more than so much.
func TestJSONBounds(t *testing.T) {
	b := loadWazuh(t, jsonDecoder(""))
	var many strings.Builder
	for i := range 300 {
		fmt.Fprintf(&many, `"k%d":1,`, i)
	}
	d := b.decode("", `{`+many.String()+`"srcip":"192.0.2.1"}`)
	if ip, _ := d.Get(event.SrcIP); len(d.Dynamics()) != 256 || ip != "192.0.2.1" {
		t.Errorf("%d fields, srcip %q", len(d.Dynamics()), ip)
	}
	nested := func(open, closing string, depth int) string {
		return `{"x":1,"a":` + strings.Repeat(open, depth-1) + "1" + strings.Repeat(closing, depth-1) + "}"
	}
	for _, tt := range []struct {
		in     string
		fields int
	}{
		{nested(`{"a":`, "}", 400), 2}, {nested(`{"a":`, "}", 1000), 1}, {nested(`{"a":`, "}", 1001), 0}, {nested(`{"a":`, "}", 20000), 0},
		{nested("[", "]", 1000), 2}, {nested("[", "]", 1001), 0}, {nested("[", "]", 60000), 0},
		{`{"a":"` + strings.Repeat(`{[\"`, 2000) + `"}`, 1},
		{`{"` + strings.Repeat("k", 1025) + `":1,"b":2}`, 1},
	} {
		if got := len(b.decode("", tt.in).Dynamics()); got != tt.fields {
			t.Errorf("%.40s… (%d bytes): %d fields, want %d", tt.in, len(tt.in), got, tt.fields)
		}
	}
}

// FuzzJSONDecoder: the fields of an object are its members, as encoding/json finds them in a map; what is no object has none. Nothing breaks a
// line, and names and numbers of fields are bounded.
func FuzzJSONDecoder(f *testing.F) {
	for _, in := range []string{`{"a":{"b":[1,"x",null]},"srcip":"192.0.2.1"} rest`, `{"user":"a","dstuser":1e3}`, `{"a":`, `[{}]`, `{"a":"\u0000\n\ud800"}`} {
		f.Add(in, true, false)
		f.Add(in, false, true)
	}
	elements := map[bool]string{true: "<json_null_field>discard</json_null_field>"}
	arrays := map[bool]string{true: "<json_array_structure>csv</json_array_structure>"}
	benches := map[[2]bool]*bench{}
	for _, key := range [][2]bool{{false, false}, {false, true}, {true, false}, {true, true}} {
		benches[key] = loadWazuh(f, jsonDecoder(elements[key[0]]+arrays[key[1]]))
	}
	f.Fuzz(func(t *testing.T, in string, noNulls, csv bool) {
		in = strings.ToValidUTF8(in, "\ufffd") // as it is where lines are read
		d := benches[[2]bool{noNulls, csv}].decode("", in)
		if strings.Count(in, "{")+strings.Count(in, "[") > 1000 { // it may be too deep
			return
		}
		var want map[string]any
		decoder := json.NewDecoder(strings.NewReader(in))
		decoder.UseNumber()
		if decoder.Decode(&want) != nil {
			want = nil
		}
		paths := dotted(want)
		for _, field := range d.Dynamics() {
			if !within(paths, field.Name) {
				t.Errorf("%q is no member of %q", field.Name, in)
			}
			if strings.ContainsFunc(field.Name+field.Value, func(c rune) bool { return c < ' ' || c == 0x7f }) || len(field.Name) > 1024 {
				t.Errorf("field %q=%q", field.Name, field.Value)
			}
		}
		if len(d.Dynamics()) > 256 || d.Decoder != "j" || want == nil && show(d) != "j" {
			t.Errorf("%q gives %s", in, show(d))
		}
		for name := range want {
			if value, ok := want[name].(string); ok && name == "srcip" {
				if got, _ := d.Get(event.SrcIP); got != blank(value) && len(paths) > 0 {
					t.Errorf("srcip %q, want %q", got, value)
				}
			}
		}
	})
}

// dotted returns the names of all members, inner ones dotted.
func dotted(object map[string]any) []string {
	var names []string
	for name, value := range object {
		names = append(names, blank(name))
		if inner, ok := value.(map[string]any); ok {
			for _, below := range dotted(inner) {
				names = append(names, strings.TrimPrefix(blank(name)+"."+below, "."))
			}
		}
	}
	return names
}

// within tells whether the name is one of paths, or lies below one: of a name that comes twice, encoding/json keeps one only.
func within(paths []string, name string) bool {
	return slices.ContainsFunc(paths, func(path string) bool { return name == path || strings.HasPrefix(name, path+".") || path == "" })
}

func blank(s string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsControl(c) && c < 0x80 {
			return ' '
		}
		return c
	}, s)
}

func BenchmarkJSON(b *testing.B) {
	const in = `{"timestamp":"2024-01-02T03:04:05.678901+0000","flow_id":1234567890123456,"in_iface":"eth0","event_type":"alert","src_ip":"192.0.2.1",` +
		`"src_port":51234,"dest_ip":"198.51.100.7","dest_port":443,"proto":"TCP","alert":{"action":"allowed","gid":1,"signature_id":2100498,"rev":7,` +
		`"signature":"made-up signature","category":"Potentially Bad Traffic","severity":2},"flow":{"pkts_toserver":5,"pkts_toclient":4,"bytes_toserver":563,` +
		`"bytes_toclient":589,"start":"2024-01-02T03:04:04.000000+0000"},"tags":["a","b"],"payload":null}`
	bench := loadWazuh(b, jsonDecoder(""))
	d := bench.ready("", in)
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		d.Reset(d.Event)
		d.Log = in
		bench.tree.Decode(d, &bench.text, &bench.hits)
	}
}
