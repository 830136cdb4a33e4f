package decoder

import (
	"fmt"
	"slices"
	"strings"

	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/osxml"
)

// declaration is a decoder as written: strings, and where they stand.
type declaration struct {
	name                     string
	pos                      osxml.Pos
	parent                   string
	program, prematch, regex *expression
	order, fts               []string
	kind                     event.Category
	plugin                   string
	useOwnName, accumulate   bool
	hasOrder, hasFTS         bool

	wazuh bool // in Wazuh's dialect
	json  jsonDecoder
}

// expression is a pattern as written. pcre tells the *_pcre2 form.
type expression struct {
	text   string
	pcre   bool
	kind   string // Wazuh's type=, "" for the element's own
	offset offset
	pos    osxml.Pos
}

var offsets = map[string]offset{"after_parent": afterParent, "after_prematch": afterPrematch, "after_regex": afterRegex}

// maxOrder is OSSEC's decoder_order_size.
const maxOrder = 256

// declare reads one <decoder>.
func declare(e *osxml.Element, wazuh bool, faults *osxml.Faults) *declaration {
	d := &declaration{pos: e.Pos, kind: event.CategorySyslog, wazuh: wazuh}
	d.name, _ = e.Attr("name")
	switch {
	case !strings.EqualFold(e.Name, "decoder"):
		faults.Add(e.Pos, `a decoder file holds <decoder name="..."> only`, "<%s> is no decoder", e.Name)
		return nil
	case d.name == "":
		faults.Add(e.Pos, `write <decoder name="...">`, "the decoder has no name")
	case len(e.Attrs) != 1 && !(wazuh && len(e.Attrs) == 2 && strings.EqualFold(e.Attrs[1].Name, "status")):
		faults.Add(e.Attrs[1].Pos, "remove it", "decoder %s: unknown attribute %s", d.name, e.Attrs[1].Name)
	case len(e.Children) == 0:
		faults.Add(e.Pos, "give it a program_name or a prematch", "decoder %s is empty", d.name)
	}
	for _, child := range e.Children {
		d.element(child, faults)
	}
	if len(e.Children) > 0 {
		d.check(faults)
	}
	return d
}

func (d *declaration) element(e *osxml.Element, faults *osxml.Faults) {
	name := strings.ToLower(e.Name)
	if e.Name == "type" || name != "type" {
		if d.pattern(name, e, faults) || d.setting(name, e, faults) || d.wazuh && d.wazuhSetting(name, e, faults) {
			return
		}
	}
	faults.Add(e.Pos, "a decoder knows parent, program_name, prematch, regex, order, fts, type, use_own_name, plugin_decoder, accumulate",
		"decoder %s: unknown element <%s>", d.name, e.Name)
}

// pattern reads the elements that hold patterns. Repeated ones continue each other; of both dialects the OSSEC one counts.
func (d *declaration) pattern(name string, e *osxml.Element, faults *osxml.Faults) bool {
	var into **expression
	base, pcre := strings.CutSuffix(name, "_pcre2")
	switch {
	case base == "program_name":
		into = &d.program
	case base == "prematch":
		into = &d.prematch
	case name == "regex" || name == "pcre2":
		into, pcre = &d.regex, name == "pcre2"
	default:
		return false
	}
	x := *into
	switch {
	case x == nil || x.pcre && !pcre:
		x = &expression{pcre: pcre, pos: e.Pos}
		*into = x
	case !x.pcre && pcre:
		return true
	}
	x.text += e.Content
	d.attributes(x, e, faults)
	if len(x.text) > 8192 {
		faults.Add(e.Pos, "split the decoder", "decoder %s: <%s> is longer than 8192 bytes", d.name, e.Name)
	}
	return true
}

// attributes reads a pattern's attributes: in OSSEC the first one, an offset.
func (d *declaration) attributes(x *expression, e *osxml.Element, faults *osxml.Faults) {
	switch {
	case d.wazuh:
		d.wazuhAttributes(x, e, faults)
	case len(e.Attrs) == 0:
	case !strings.EqualFold(e.Attrs[0].Name, "offset"):
		d.unknownAttribute(e, e.Attrs[0], "it may be offset", faults)
	default:
		d.offset(x, e, e.Attrs[0], faults)
	}
}

func (d *declaration) unknownAttribute(e *osxml.Element, a osxml.Attr, hint string, faults *osxml.Faults) {
	faults.Add(a.Pos, hint, "decoder %s: <%s>: unknown attribute %s", d.name, e.Name, a.Name)
}

func (d *declaration) offset(x *expression, e *osxml.Element, a osxml.Attr, faults *osxml.Faults) {
	switch o, known := offsets[a.Value]; {
	case !known:
		faults.Add(a.Pos, "write after_parent, after_prematch or after_regex", "decoder %s: <%s>: offset %q", d.name, e.Name, a.Value)
	case x.text != e.Content:
		faults.Add(a.Pos, "put it on the first one", "decoder %s: <%s> continues another and can't have an offset", d.name, e.Name)
	default:
		x.offset = o
	}
}

func (d *declaration) setting(name string, e *osxml.Element, faults *osxml.Faults) bool {
	switch name {
	case "parent":
		d.parent = e.Content
	case "order":
		d.hasOrder = true
		d.order = d.words(e, faults)
	case "fts":
		d.hasFTS = true
		d.fts = d.ftsFields(e, faults)
	case "use_own_name":
		d.useOwnName = e.Content == "true"
	case "accumulate":
		d.accumulate = true
	case "ftscomment":
	case "plugin_decoder":
		d.plugin = e.Content
		if d.wazuh && d.plugin == jsonPlugin {
			d.jsonOffset(e, faults)
		} else if _, ok := plugins[e.Content]; !ok {
			faults.Add(e.Pos, "known are PF_Decoder, SymantecWS_Decoder, SonicWall_Decoder, OSSECAlert_Decoder",
				"decoder %s: no plugin decoder %q", d.name, e.Content)
		}
	case "type":
		var ok bool
		if d.kind, ok = event.ParseCategory(e.Content); !ok {
			faults.Add(e.Pos, "known are syslog, firewall, ids, web-log, squid, windows, host-information, ossec",
				"decoder %s: no type %q", d.name, e.Content)
		}
	default:
		return false
	}
	return true
}

// words splits an order at its commas. Of each word, leading spaces and what follows a space are dropped.
func (d *declaration) words(e *osxml.Element, faults *osxml.Faults) []string {
	var words []string
	for word := range strings.SplitSeq(e.Content, ",") {
		word, _, _ = strings.Cut(strings.TrimLeft(word, " "), " ")
		if word = strings.Trim(word, "\t\r\n"); word == "" {
			faults.Add(e.Pos, "remove a comma, or name a field", "decoder %s: <%s> has an empty word", d.name, e.Name)
			continue
		}
		words = append(words, word)
	}
	if len(words) > maxOrder {
		faults.Add(e.Pos, "", "decoder %s: <%s> has %d words, more than %d", d.name, e.Name, len(words), maxOrder)
	}
	return words
}

// ftsWords are looked for in an fts list's words in this order. OSSEC takes srcuser for dstuser; here it is itself.
var ftsWords = []struct{ in, field string }{
	{"srcuser", "srcuser"}, {"user", "dstuser"}, {"srcip", "srcip"}, {"dstip", "dstip"}, {"id", "id"}, {"location", "location"},
	{"data", "data"}, {"system_name", "system_name"}, {"name", "name"},
}

func (d *declaration) ftsFields(e *osxml.Element, faults *osxml.Faults) []string {
	var fields []string
	for _, word := range d.words(e, faults) {
		if d.wazuh {
			fields = append(fields, wazuhFTS(word))
			continue
		}
		i := slices.IndexFunc(ftsWords, func(w struct{ in, field string }) bool { return strings.Contains(word, w.in) })
		if i < 0 {
			faults.Add(e.Pos, "known are srcuser, dstuser, srcip, dstip, id, location, extra_data, system_name, name",
				"decoder %s: fts can't remember %q", d.name, word)
			continue
		}
		fields = append(fields, ftsWords[i].field)
	}
	if len(fields) > 8 {
		faults.Add(e.Pos, "", "decoder %s: fts has %d fields, more than 8", d.name, len(fields))
	}
	return fields
}

// check holds a declaration to what its elements ask of each other.
func (d *declaration) check(faults *osxml.Faults) {
	add := func(pos osxml.Pos, hint, what string) {
		faults.Add(pos, hint, "%s", fmt.Sprintf("decoder %s: %s", d.name, what))
	}
	if d.parent == "" && d.program == nil && d.prematch == nil && d.name != "" {
		add(d.pos, "give it one of them, or a parent", "no program_name and no prematch")
	}
	if d.regex != nil && !d.hasOrder {
		add(d.regex.pos, "name its captures with <order>", "regex without order")
	}
	if d.regex == nil && d.hasOrder {
		add(d.pos, "add a regex", "order without regex")
	}
	if d.regex == nil && d.hasFTS {
		add(d.pos, "add a regex", "fts without regex")
	}
	if d.plugin != "" && d.regex != nil {
		add(d.regex.pos, "keep one", "plugin_decoder and regex exclude each other")
	}
	if d.wazuh {
		d.checkWazuh(add)
	}
	if p := d.prematch; p != nil && p.offset != fromStart && (p.offset != afterParent || d.parent == "") {
		add(p.pos, "only after_parent, below a parent", "this offset is not for a prematch")
	}
	if r := d.regex; r != nil {
		switch {
		case d.parent == "" && (r.offset == afterParent || r.offset == afterRegex):
			add(r.pos, "use after_prematch, or give it a parent", "this offset wants a parent")
		case d.parent != "" && r.offset == afterPrematch && d.prematch == nil:
			add(r.pos, "add a prematch, or use after_parent", "offset after_prematch without a prematch")
		}
	}
}
