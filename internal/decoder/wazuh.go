package decoder

import (
	"slices"
	"strings"

	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/osxml"
	"github.com/yagura-hids/yagura/internal/pattern"
)

// Wazuh's dialect is OSSEC's with more words, and with some that mean something else:
//
//	<X type="osmatch|osregex|pcre2">         on program_name, prematch, regex; of elements that continue each other the last one's counts
//	pcre2                                    tells A from a, and a capture that takes no part does not shift the others
//	order, fts                               know the words exactly; fts also takes dynamic fields
//	JSON_Decoder                             see json.go; plugins may stand in chains, patterns of a chain may differ in type
//	a child without prematch                 gives its fields, but is not what is reported: its type, fts and use_own_name have no effect
//	after_regex                              begins behind the last regex of the chain that held
//	a dynamic field that a chain finds twice keeps its first value
//	OS_Regex                                 looks for its alternatives in turn, see [pattern.CompileInTurn]
//	OS_Match                                 begins with ! to accept what it does not match
//	program_name, empty                      accepts every program
const (
	kindOSMatch = "osmatch"
	kindOSRegex = "osregex"
	kindPCRE    = "pcre2"
)

func (d *declaration) wazuhAttributes(x *expression, e *osxml.Element, faults *osxml.Faults) {
	x.kind = ""
	for _, a := range e.Attrs {
		switch strings.ToLower(a.Name) {
		case "offset":
			a.Value = strings.ToLower(a.Value)
			d.offset(x, e, a, faults)
		case "type":
			x.kind = d.patternKind(e, a, faults)
		default:
			d.unknownAttribute(e, a, "it may be offset or type", faults)
		}
	}
}

func (d *declaration) patternKind(e *osxml.Element, a osxml.Attr, faults *osxml.Faults) string {
	kind := strings.ToLower(a.Value)
	onlyProgram := kind == kindOSMatch && !strings.EqualFold(e.Name, "program_name")
	if onlyProgram || kind != kindOSMatch && kind != kindOSRegex && kind != kindPCRE {
		faults.Add(a.Pos, "write osregex or pcre2; osmatch is for program_name", "decoder %s: <%s type=%q>", d.name, e.Name, a.Value)
	}
	return kind
}

// compileWazuh compiles an expression whose element is in that dialect, unless its type says otherwise.
func (c *condition) compileWazuh(dialect pattern.Dialect, x *expression) (err error) {
	source := x.text
	switch x.kind {
	case kindOSRegex:
		dialect = pattern.OSRegex
	case kindPCRE:
		dialect, source, c.places = pattern.PCRE, pattern.WazuhPCRE(source), true
	}
	switch dialect {
	case pattern.OSRegex:
		c.Pattern, err = pattern.CompileInTurn(source)
		return err
	case pattern.OSMatch:
		source, c.negate = strings.CutPrefix(source, "!")
	}
	if c.Pattern, err = pattern.Compile(dialect, source); c.places && err == nil {
		c.KeepPlaces()
	}
	return err
}

// wazuhSetting reads the elements that only Wazuh has.
func (d *declaration) wazuhSetting(name string, e *osxml.Element, faults *osxml.Faults) bool {
	value := strings.ToLower(e.Content)
	switch name {
	case "json_null_field":
		d.json.noNulls = value == "discard"
		if value != "discard" && value != "string" && value != "empty" { // the last means string, as it does in Wazuh
			faults.Add(e.Pos, "write discard or string", "decoder %s: <%s> %q", d.name, e.Name, e.Content)
		}
	case "json_array_structure":
		d.json.csv = value == "csv"
		if value != "csv" && value != "array" {
			faults.Add(e.Pos, "write csv or array", "decoder %s: <%s> %q", d.name, e.Name, e.Content)
		}
	default:
		return false
	}
	return true
}

// jsonOffset reads where the JSON begins.
func (d *declaration) jsonOffset(e *osxml.Element, faults *osxml.Faults) {
	for _, a := range e.Attrs {
		o, known := offsets[strings.ToLower(a.Value)]
		switch {
		case !strings.EqualFold(a.Name, "offset"):
			d.unknownAttribute(e, a, "it may be offset", faults)
		case !known || o == afterRegex:
			faults.Add(a.Pos, "write after_parent or after_prematch", "decoder %s: <%s>: offset %q", d.name, e.Name, a.Value)
		default:
			d.json.offset = o
		}
	}
}

// slot returns where a word of an order goes.
func (d *declaration) slot(word string) slot {
	parse := event.ParseField
	if d.wazuh {
		parse = event.ParseWazuhField
	}
	if f, ok := parse(word); ok {
		return slot{field: f}
	}
	return slot{dynamic: word}
}

// wazuhFTS returns the one word for a field of an fts list.
func wazuhFTS(word string) string {
	if f, ok := event.ParseWazuhField(word); ok {
		return f.String()
	}
	return word
}

// rememberedWazuh is what an fts list of Wazuh's may name besides the fields of the decoder's order.
var rememberedWazuh = []string{"srcuser", "dstuser", "srcip", "dstip", "id", "location", "data", "extra_data", "system_name", "name"}

func (d *declaration) checkWazuh(add func(pos osxml.Pos, hint, what string)) {
	for _, word := range d.fts {
		if !slices.Contains(rememberedWazuh, word) && !slices.ContainsFunc(d.order, func(field string) bool { return strings.EqualFold(field, word) }) {
			add(d.pos, "name a field of its order, or "+strings.Join(rememberedWazuh, ", "), "fts can't remember "+word)
		}
	}
	switch {
	case d.json.offset == afterParent && d.parent == "":
		add(d.pos, "use after_prematch, or give it a parent", "the plugin's offset wants a parent")
	case d.json.offset == afterPrematch && d.prematch == nil:
		add(d.pos, "add a prematch", "the plugin's offset wants a prematch")
	}
}
