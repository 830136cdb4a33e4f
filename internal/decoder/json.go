package decoder

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/yagura-hids/yagura/internal/event"
)

// jsonPlugin is the plugin_decoder that reads JSON.
const jsonPlugin = "JSON_Decoder"

// jsonDecoder is Wazuh's JSON_Decoder. Of an object it makes fields, the members of inner objects under dotted names:
//
//	{"srcip":"192.0.2.1","user":{"name":"joe","id":7},"tags":["a",2]}    srcip, user.name=joe, user.id=7, tags=["a", 2]
//
// Text that does not begin with a whole JSON value gives no fields; what stands behind one does not count.
type jsonDecoder struct {
	offset  offset
	noNulls bool // leave out a null, which otherwise is the text null
	csv     bool // arrays as a,2, without what lies deeper
}

// Bounds of what an event's JSON may take; fields beyond them are left out, and JSON that is deeper gives none.
const (
	maxJSONFields = maxOrder
	maxJSONName   = 1024 // bytes
	maxJSONDepth  = 1000
)

// decode sets the fields that the JSON at text's beginning holds.
func (j *jsonDecoder) decode(d *event.Decoded, text string) {
	var whole json.RawMessage
	if json.NewDecoder(strings.NewReader(text)).Decode(&whole) != nil || whole[0] != '{' || depth(whole) > maxJSONDepth {
		return
	}
	r := jsonReader{d: d, how: j, tokens: json.NewDecoder(strings.NewReader(text))}
	r.tokens.UseNumber()
	r.next() // the {
	r.object()
}

// depth returns how deep objects and arrays lie in each other. The JSON is valid.
func depth(src []byte) int {
	deepest, now, quoted := 0, 0, false
	for i := 0; i < len(src); i++ {
		switch c := src[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++
		case quoted:
		case c == '{' || c == '[':
			now++
			deepest = max(deepest, now)
		case c == '}' || c == ']':
			now--
		}
	}
	return deepest
}

// jsonReader turns valid JSON into fields, token by token, for the order of members and the digits of numbers count.
type jsonReader struct {
	d      *event.Decoded
	how    *jsonDecoder
	tokens *json.Decoder
	path   []byte // the dotted name of what is read
}

// next returns the next token; the JSON is known to be valid.
func (r *jsonReader) next() json.Token {
	token, _ := r.tokens.Token()
	return token
}

// object reads the members up to the }.
func (r *jsonReader) object() {
	for r.tokens.More() {
		length := len(r.path)
		if key, _ := r.next().(string); length > 0 {
			r.path = append(append(r.path, '.'), key...)
		} else {
			r.path = append(r.path, key...)
		}
		r.member(r.next())
		r.path = r.path[:length]
	}
	r.next()
}

func (r *jsonReader) member(token json.Token) {
	switch token {
	case json.Delim('{'):
		r.object()
	case json.Delim('['):
		if r.how.csv {
			r.set(string(r.commas(nil)))
		} else {
			r.set(string(r.print(nil, token)))
		}
	case nil:
		if !r.how.noNulls {
			r.set("null")
		}
	default:
		r.set(scalar(token))
	}
}

// set gives the field of the current path a value, if it is a static one or there is room.
func (r *jsonReader) set(value string) {
	name, value := plain(string(r.path)), plain(value)
	f, static := staticField(name)
	if name == "systemname" { // Wazuh's word for it here
		f, static = event.SystemName, true
	}
	switch _, taken := r.d.Get(event.DstUser); {
	case static && !(name == "user" && taken):
		r.d.Set(f, value)
	case name != "" && len(name) <= maxJSONName && len(r.d.Dynamics()) < maxJSONFields:
		r.d.AddDynamic(name, value)
	}
}

// commas reads the array whose [ was read, up to its ], and appends its strings, numbers, booleans and nulls, with commas between.
func (r *jsonReader) commas(out []byte) []byte {
	for r.tokens.More() {
		token := r.next()
		if _, deeper := token.(json.Delim); deeper {
			r.print(nil, token)
			continue
		}
		if out = append(out, scalar(token)...); r.tokens.More() {
			out = append(out, ',')
		}
	}
	r.next() // the ]
	return out
}

// print appends the JSON value that begins with the token, on one line with blanks between: ["a", {"b": 1}].
func (r *jsonReader) print(out []byte, token json.Token) []byte {
	open, ok := token.(json.Delim)
	if !ok {
		return appendScalar(out, token)
	}
	out = append(out, byte(open))
	for first := true; r.tokens.More(); first = false {
		if !first {
			out = append(out, ", "...)
		}
		if open == '{' {
			out = append(appendScalar(out, r.next()), ": "...)
		}
		out = r.print(out, r.next())
	}
	end, _ := r.next().(json.Delim)
	return append(out, byte(end))
}

var quote = strings.NewReplacer(`"`, `\"`, `\`, `\\`)

func appendScalar(out []byte, token json.Token) []byte {
	if text, ok := token.(string); ok {
		return append(append(append(out, '"'), quote.Replace(text)...), '"')
	}
	return append(out, scalar(token)...)
}

// scalar returns the text of a string, number, boolean or null.
func scalar(token json.Token) string {
	switch v := token.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case json.Number:
		return number(v)
	}
	return "null"
}

// number returns a whole number of 32 bits without fraction and exponent, as Wazuh shows it: 1.0 is 1, 1e3 is 1000. Others stay as written.
func number(n json.Number) string {
	if f, err := n.Float64(); err == nil && f == float64(int32(f)) {
		return strconv.Itoa(int(f))
	}
	return n.String()
}

// plain puts a blank in the place of each control character, which JSON can spell: a value must not break a line of alerts.log.
func plain(s string) string {
	if strings.IndexFunc(s, control) < 0 {
		return s
	}
	return strings.Map(func(c rune) rune {
		if control(c) {
			return ' '
		}
		return c
	}, s)
}

func control(c rune) bool { return c < ' ' || c == 0x7f }
