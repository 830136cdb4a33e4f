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
	whole := firstObject(text)
	if whole == "" || !json.Valid([]byte(whole)) {
		return
	}
	r := jsonReader{d: d, how: j, rest: whole}
	r.object()
}

// firstObject returns the object that text begins with, if what it holds is valid; "" if there is none or it is too deep.
func firstObject(text string) string {
	text = strings.TrimLeft(text, jsonBlanks)
	if !strings.HasPrefix(text, "{") {
		return ""
	}
	depth, quoted := 0, false
	for i := 0; i < len(text) && depth <= maxJSONDepth; i++ {
		switch c := text[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++
		case quoted:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth--; depth == 0 {
				return text[:i+1]
			}
		}
	}
	return ""
}

const jsonBlanks = " \t\r\n"

// jsonReader turns an object into fields, in its order and with its digits. The object is valid, so that reading needs no errors.
type jsonReader struct {
	d    *event.Decoded
	how  *jsonDecoder
	rest string
	path []byte // the dotted name of what is read
}

// next returns the byte that the next token begins with.
func (r *jsonReader) next() byte {
	r.rest = strings.TrimLeft(r.rest, jsonBlanks)
	return r.rest[0]
}

// found passes over the next token if it is that byte.
func (r *jsonReader) found(c byte) bool {
	if r.next() != c {
		return false
	}
	r.rest = r.rest[1:]
	return true
}

// object reads an object's members into fields.
func (r *jsonReader) object() {
	length := len(r.path)
	for r.found('{'); !r.found('}'); r.found(',') {
		key := r.scalar()
		if r.found(':'); length > 0 {
			r.path = append(r.path, '.')
		}
		r.path = append(r.path, key...)
		r.member()
		r.path = r.path[:length]
	}
}

func (r *jsonReader) member() {
	switch r.next() {
	case '{':
		r.object()
	case '[':
		if r.how.csv {
			r.set(string(r.commas(nil)), false)
		} else {
			r.set(string(r.print(nil)), false)
		}
	case 'n':
		if value := r.scalar(); !r.how.noNulls {
			r.set(value, true)
		}
	default:
		r.set(r.scalar(), true)
	}
}

// set gives the field of the current path a value, if it is a static one or there is room. An empty value counts only if it may.
func (r *jsonReader) set(value string, mayBeEmpty bool) {
	if value == "" && !mayBeEmpty || len(r.path) == 0 || len(r.path) > maxJSONName {
		return
	}
	name, value := plain(string(r.path)), plain(value)
	f, static := event.ParseWazuhField(name)
	if name == "systemname" { // Wazuh's word for it here
		f, static = event.SystemName, true
	}
	switch _, taken := r.d.Get(event.DstUser); {
	case static && !(name == "user" && taken):
		r.d.Set(f, value)
	case len(r.d.Dynamics()) < maxJSONFields:
		r.d.AddDynamic(name, value)
	}
}

// scalar reads a string, number, boolean or null, and returns its text.
func (r *jsonReader) scalar() string {
	if r.next() == '"' {
		return r.text()
	}
	end := strings.IndexAny(r.rest, ",]}"+jsonBlanks)
	value := r.rest[:end]
	r.rest = r.rest[end:]
	return number(value)
}

// text reads a string.
func (r *jsonReader) text() string {
	end := 1
	for ; r.rest[end] != '"'; end++ {
		if r.rest[end] == '\\' {
			end++
		}
	}
	value, quoted := r.rest[1:end], r.rest[:end+1]
	r.rest = r.rest[end+1:]
	if strings.IndexByte(value, '\\') < 0 {
		return value
	}
	var unescaped string
	_ = json.Unmarshal([]byte(quoted), &unescaped) // it is valid
	return unescaped
}

// commas reads an array and appends its strings, numbers, booleans and nulls, with commas between.
func (r *jsonReader) commas(out []byte) []byte {
	more := false
	for r.found('['); !r.found(']'); more = r.found(',') {
		if c := r.next(); c == '{' || c == '[' {
			r.print(nil)
			continue
		}
		if more && len(out) > 0 {
			out = append(out, ',')
		}
		out = append(out, r.scalar()...)
	}
	return out
}

// print reads a value and appends it on one line with blanks between: ["a", {"b": 1}].
func (r *jsonReader) print(out []byte) []byte {
	open := r.next()
	switch {
	case open == '"':
		return r.quote(out)
	case open != '{' && open != '[':
		return append(out, r.scalar()...)
	}
	out = append(out, open)
	more := false
	for r.found(open); !r.found(open + 2); more = r.found(',') { // } and ] come two behind { and [
		if more {
			out = append(out, ", "...)
		}
		if open == '{' {
			out = append(r.quote(out), ": "...)
			r.found(':')
		}
		out = r.print(out)
	}
	return append(out, open+2)
}

var escape = strings.NewReplacer(`"`, `\"`, `\`, `\\`)

// quote reads a string and appends it in quotes.
func (r *jsonReader) quote(out []byte) []byte {
	return append(append(append(out, '"'), escape.Replace(r.text())...), '"')
}

// number returns a whole number of 32 bits without fraction and exponent, as Wazuh shows it: 1.0 is 1, 1e3 is 1000. Others, and what is no
// number, stay as written.
func number(s string) string {
	if s[0] > '9' || !strings.ContainsAny(s, ".eE") {
		return s
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil && f == float64(int32(f)) {
		return strconv.Itoa(int(f))
	}
	return s
}

// plain puts a blank in the place of each control character, which JSON can spell: a value must not break a line of alerts.log.
func plain(s string) string {
	for i := range len(s) {
		if control(rune(s[i])) {
			return strings.Map(func(c rune) rune {
				if control(c) {
					return ' '
				}
				return c
			}, s)
		}
	}
	return s
}

func control(c rune) bool { return c < ' ' || c == 0x7f }
