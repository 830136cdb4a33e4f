package rule

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/pattern"
)

func (b *Builder) decodedAs(r *Rule, d *declaration) {
	p := d.texts["decoded_as"]
	if p == nil {
		return
	}
	id, ok := b.outside.Decoder(p.text)
	if !ok {
		b.fault(d, p, "check its spelling, or add the decoder", "decoded_as %q: no such decoder", p.text)
		return
	}
	r.decodedAs = id
	if id == 0 { // a child decoder that goes by its parent's name: no event ever bears it
		r.decodedAs = NoDecoder
	}
}

// patternElements are the elements that hold patterns: two for each text, of which the plain one counts if both are there.
var patternElements = []struct {
	plain, pcre string
	dialect     pattern.Dialect
}{
	{"match", "match_pcre2", pattern.OSMatch}, {"regex", "pcre2", pattern.OSRegex}, {"program_name", "program_name_pcre2", pattern.OSMatch},
	{"id", "id_pcre2", pattern.OSMatch}, {"url", "url_pcre2", pattern.OSMatch}, {"srcport", "srcport_pcre2", pattern.OSMatch},
	{"dstport", "dstport_pcre2", pattern.OSMatch}, {"user", "user_pcre2", pattern.OSMatch}, {"srcgeoip", "srcgeoip_pcre2", pattern.OSMatch},
	{"dstgeoip", "dstgeoip_pcre2", pattern.OSMatch}, {"extra_data", "extra_data_pcre2", pattern.OSMatch},
	{"hostname", "hostname_pcre2", pattern.OSMatch}, {"status", "status_pcre2", pattern.OSMatch},
	{plain: "protocol", dialect: pattern.OSMatch}, {plain: "system_name", dialect: pattern.OSMatch},
	{plain: "data", dialect: pattern.OSMatch}, {plain: "location", dialect: pattern.OSMatch},
}

func (b *Builder) patterns(r *Rule, d *declaration) {
	for _, e := range patternElements {
		name, dialect, p := e.plain, e.dialect, d.texts[e.plain]
		if p == nil {
			name, dialect, p = e.pcre, pattern.PCRE, d.texts[e.pcre]
		}
		if p == nil {
			continue
		}
		compiled := b.pattern(d, name, dialect, p)
		if compiled == nil {
			continue
		}
		gates := &r.cut
		switch e.plain {
		case "match", "regex":
			gates = &r.gates
			r.tests = append(r.tests, onLog(compiled, p.negate))
		case "hostname", "program_name", "location": // which stand before the log
			gates = nil
			fallthrough
		default:
			text := texts[e.plain]
			if text == nil {
				text = b.fieldText(d, e.plain)
			}
			r.tests = append(r.tests, onText(compiled, p.negate, text))
		}
		if gates != nil && !p.negate {
			*gates = append(*gates, b.outside.Number(compiled))
		}
	}
}

// pattern compiles a phrase in the language that its element has, or that its type attribute names. In Wazuh "!" before an OS_Match pattern
// negates it, which OSSEC has given up: the phrase is then turned around.
func (b *Builder) pattern(d *declaration, name string, dialect pattern.Dialect, p *phrase) *pattern.Pattern {
	source := p.text
	switch p.kind {
	case "osmatch":
		dialect = pattern.OSMatch
	case "osregex":
		dialect = pattern.OSRegex
	case "pcre2":
		dialect, source = pattern.PCRE, pattern.WazuhPCRE(source)
	}
	if rest, turned := strings.CutPrefix(source, "!"); turned && d.wazuh && dialect == pattern.OSMatch {
		source, p.negate = rest, !p.negate
	}
	compiled, err := pattern.Compile(dialect, source)
	if err != nil {
		b.fault(d, p, "", "<%s>: %v", name, err)
		return nil
	}
	if b.onto != nil {
		b.onto(name, compiled, p)
	}
	return compiled
}

// values compiles the conditions that compare whole values.
func (b *Builder) values(r *Rule, d *declaration) {
	b.action(r, d)
	if size := d.attrs["maxsize"]; size > 0 {
		r.tests = append(r.tests, func(s *Subject) bool { return len(s.Log) >= size })
	}
	for _, e := range d.all["field"] {
		name, ok := e.Attr("name")
		if !ok {
			b.faults.Add(e.Pos, `write <field name="X">`, "rule %d: <field> has no name", d.id)
			continue
		}
		p := &phrase{text: e.Content, pos: e.Pos}
		if d.wazuh {
			p.kind, p.negate = how(d.id, e, &b.faults)
		}
		if compiled := b.pattern(d, "field", pattern.OSRegex, p); compiled != nil {
			r.tests = append(r.tests, onText(compiled, p.negate, b.fieldText(d, name)))
		}
	}
	if p := d.texts["compiled_rule"]; p != nil {
		t, ok := compiled[p.text]
		if !ok {
			b.fault(d, p, suggest(p.text, keys(compiled)), "no compiled_rule %q", p.text)
			return
		}
		r.tests = append(r.tests, t)
	}
}

// action compiles <action>: the whole value, in this case, or in Wazuh a pattern if a type is given.
func (b *Builder) action(r *Rule, d *declaration) {
	p := d.texts["action"]
	if p == nil {
		return
	}
	if p.kind == "" {
		r.tests = append(r.tests, func(s *Subject) bool {
			got, ok := s.Get(event.Action)
			return ok && (got == p.text) != p.negate
		})
		return
	}
	if compiled := b.pattern(d, "action", pattern.OSMatch, p); compiled != nil {
		r.tests = append(r.tests, onText(compiled, p.negate, fieldText(event.Action)))
	}
}

// fieldText returns how to find a field by name: a dynamic field, in Wazuh's dialect a static one, too.
func (b *Builder) fieldText(d *declaration, name string) func(*Subject) *pattern.Text {
	if f, static := event.ParseWazuhField(name); static && d.wazuh {
		return fieldText(f)
	}
	slot := b.slot(name)
	return func(s *Subject) *pattern.Text { return s.dynamic(slot, name) }
}

func (b *Builder) slot(name string) int {
	key := strings.ToLower(name)
	if _, known := b.slots[key]; !known {
		b.slots[key] = len(b.slots)
	}
	return b.slots[key]
}

func (b *Builder) addresses(r *Rule, d *declaration) {
	for _, side := range []struct {
		name  string
		field event.Field
		cache func(*Subject) *address
	}{
		{"srcip", event.SrcIP, func(s *Subject) *address { return &s.srcip }},
		{"dstip", event.DstIP, func(s *Subject) *address { return &s.dstip }},
	} {
		var list []network
		negate := false
		for _, e := range d.all[side.name] {
			if d.wazuh {
				_, negate = how(d.id, e, &b.faults)
			}
			n, err := parseNetwork(e.Content)
			if err != nil {
				b.faults.Add(e.Pos, "write an address, address/bits or any, with ! before it to negate", "rule %d: <%s>: %v", d.id, side.name, err)
				continue
			}
			list = append(list, n)
		}
		if len(list) > 0 {
			r.tests = append(r.tests, func(s *Subject) bool {
				_, ok := s.Get(side.field)
				return ok && listed(list, s.addr(side.field, side.cache(s))) != negate
			})
		}
	}
}

func (b *Builder) times(r *Rule, d *declaration) {
	for _, clock := range []struct {
		name  string
		parse func(string) (func(time.Time) bool, error)
	}{{"time", parseTime}, {"weekday", parseWeekday}} {
		p := d.texts[clock.name]
		if p == nil {
			continue
		}
		holds, err := clock.parse(p.text)
		if err != nil {
			b.fault(d, p, "", "<%s>: %v", clock.name, err)
			continue
		}
		r.tests = append(r.tests, func(s *Subject) bool { return holds(s.Time) })
	}
}

// correlation compiles what the rule asks of earlier events.
func (b *Builder) correlation(r *Rule, d *declaration) {
	c := &Correlation{Frequency: d.attrs["frequency"], Timeframe: int64(d.attrOr("timeframe", DefaultTimeframe)), Global: true}
	if d.wazuh {
		c.wazuh(d)
	} else {
		c.ossec(d)
	}
	switch {
	case d.texts["if_matched_sid"] != nil:
		c.Kind = BySID
		c.Key = "sid/" + strings.TrimLeft(strings.TrimSpace(d.text("if_matched_sid")), "0")
	case d.texts["if_matched_group"] != nil:
		c.Kind = ByGroup
		c.Key = "group/" + strconv.Itoa(d.id)
		c.group = b.pattern(d, "if_matched_group", pattern.OSMatch, d.texts["if_matched_group"])
	case d.texts["if_matched_regex"] != nil:
		c.Kind, c.Key = ByRegex, Events
		c.log = b.pattern(d, "if_matched_regex", pattern.OSRegex, d.texts["if_matched_regex"])
	default:
		context := len(d.same)+len(d.different) > 0 || d.switches["global_frequency"] || slices.ContainsFunc(keys(d.switches), func(s string) bool { return strings.Contains(s, "same_") || strings.HasPrefix(s, "different_") })
		if (context || d.attrs["frequency"] > 0) && !r.CheckDiff {
			b.fault(d, nil, "add if_matched_sid, if_matched_group or if_matched_regex", "frequency and same_* count earlier events, but no if_matched_* says which")
		}
		return
	}
	if !r.CheckDiff { // which takes the place of any history
		r.Correlation = c
	}
}

// ossec reads what OSSEC compares.
func (c *Correlation) ossec(d *declaration) {
	c.Location = d.switches["same_location"]
	for _, s := range sameFields {
		if d.switches[s.element] {
			c.Same = append(c.Same, s.field)
		}
	}
	for _, field := range []string{"url", "srcgeoip"} { // nothing finds a srcgeoip, so a rule that asks for two never fires, as in OSSEC without GeoIP
		if d.switches["different_"+field] {
			c.Different = append(c.Different, field)
		}
	}
	if d.texts["if_matched_regex"] != nil && d.texts["if_matched_sid"] == nil && d.texts["if_matched_group"] == nil {
		c.Location = false // neither this nor the ports count there
		c.Same = slices.DeleteFunc(c.Same, func(name string) bool { return strings.HasSuffix(name, "port") })
	}
}

// sameFields are the options that compare a field.
var sameFields = []struct{ element, field string }{
	{"same_source_ip", event.SrcIP.String()}, {"same_id", event.FieldID.String()}, {"same_user", event.DstUser.String()},
	{"same_src_port", event.SrcPort.String()}, {"same_dst_port", event.DstPort.String()},
}
