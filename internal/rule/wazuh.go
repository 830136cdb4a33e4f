package rule

import (
	"slices"
	"strings"

	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/osxml"
)

// Wazuh's dialect is OSSEC's with more words, and with some that mean something else:
//
//	<X type="osmatch|osregex|pcre2" negate="yes">   on every element that holds a pattern; this PCRE2 tells A from a
//	<data> <protocol> <system_name> <location>      patterns on more fields
//	same_X, different_X, not_same_X, same_field …   on every field; in OSSEC some of these words have no effect
//	frequency="8"                                   fires on the eighth event, not the tenth, of one agent
//	global_frequency                                … of all agents
//	$(field) in a description                       stands for the event's field
//	<mitre>, options no_full_log and no_counter, <list> and <ignore> with dynamic fields
var (
	joinedWazuh  = words(`data location protocol system_name`)
	optionsWazuh = words(`no_full_log no_counter`)
)

// compared are the words behind same_, different_ and not_same_, with the fields that they compare.
var compared = map[string]string{
	"source_ip": "srcip", "srcip": "srcip", "dstip": "dstip", "src_port": "srcport", "srcport": "srcport", "dst_port": "dstport",
	"dstport": "dstport", "srcuser": "srcuser", "user": "dstuser", "protocol": "protocol", "action": "action", "id": "id", "url": "url",
	"data": "data", "extra_data": "extra_data", "status": "status", "system_name": "system_name", "srcgeoip": "srcgeoip",
	"dstgeoip": "dstgeoip", "location": "location",
}

// how reads the attributes by which Wazuh chooses the language of an element's pattern, and turns it around.
func how(id int, e *osxml.Element, faults *osxml.Faults) (kind string, negate bool) {
	for _, a := range e.Attrs {
		value := strings.ToLower(a.Value)
		switch strings.ToLower(a.Name) {
		case "type":
			kind = value
			if value != "osmatch" && value != "osregex" && value != "pcre2" {
				faults.Add(a.Pos, "write osmatch, osregex or pcre2", "rule %d: <%s type=%q>", id, e.Name, a.Value)
			}
		case "negate":
			negate = value == "yes"
			if value != "yes" && value != "no" {
				faults.Add(a.Pos, "write yes or no", "rule %d: <%s negate=%q>", id, e.Name, a.Value)
			}
		}
	}
	return kind, negate
}

// wazuhNumber checks the numbers that Wazuh bounds. It counts the event that fires and the first one, where OSSEC counts those between.
func (d *declaration) wazuhNumber(name string, a osxml.Attr, faults *osxml.Faults) {
	n := d.attrs[name]
	switch {
	case name == "id" && len(a.Value) > 6:
		faults.Add(a.Pos, "write at most six digits", "id=%q is too long", a.Value)
	case name == "level" && n > 16:
		faults.Add(a.Pos, "write 0 to 16", "level=%q is no level", a.Value)
	case name == "frequency":
		if n < 2 || len(a.Value) > 4 {
			faults.Add(a.Pos, "write 2 to 9999", "frequency=%q is out of range", a.Value)
		}
		d.attrs[name] = max(n-2, 0)
	}
}

// wazuhElement reads the elements that only Wazuh has, or that mean more there. It tells whether e is one.
func (d *declaration) wazuhElement(name string, e *osxml.Element, faults *osxml.Faults) bool {
	switch name {
	case "mitre":
		d.addMitre(e, faults)
	case "same_agent", "not_same_agent": // without effect there, too
	case "global_frequency":
		d.switches[name] = true
	default:
		return d.comparison(name, e)
	}
	return true
}

func (d *declaration) comparison(name string, e *osxml.Element) bool {
	for _, c := range []struct {
		prefix string
		fields *[]string
	}{{"same_", &d.same}, {"different_", &d.different}, {"not_same_", &d.different}} {
		word, ok := strings.CutPrefix(name, c.prefix)
		field := compared[word]
		if word == "field" {
			field = fieldName(strings.TrimSpace(e.Content))
		}
		if ok && field != "" {
			*c.fields = append(*c.fields, field)
			return true
		}
	}
	return false
}

// fieldName returns the one name of a static field, and a dynamic field's own.
func fieldName(name string) string {
	if f, ok := event.ParseWazuhField(name); ok {
		return f.String()
	}
	return name
}

// addMitre reads <id>s of techniques, or one <tacticID> with one <techniqueID>.
func (d *declaration) addMitre(e *osxml.Element, faults *osxml.Faults) {
	var found []event.Mitre
	var pair event.Mitre
	pairs := 0
	for _, child := range e.Children {
		switch id := strings.TrimSpace(child.Content); strings.ToLower(child.Name) {
		case "id":
			found = append(found, event.Mitre{Technique: id})
		case "tacticid":
			pair.Tactic = id
			pairs++
		case "techniqueid":
			pair.Technique = id
			pairs++
		default:
			faults.Add(child.Pos, "known are id, tacticID and techniqueID", "rule %d: <mitre>: unknown element <%s>", d.id, child.Name)
			return
		}
	}
	if pairs > 0 {
		found = append(found, pair)
	}
	lacks := slices.ContainsFunc(found, func(m event.Mitre) bool { return m.Technique == "" || pairs > 0 && m.Tactic == "" })
	if len(found) == 0 || pairs > 2 || lacks {
		faults.Add(e.Pos, "write <id>T1110</id>, or one <tacticID> and one <techniqueID>", "rule %d: <mitre> names no technique", d.id)
		return
	}
	for _, m := range found {
		if !slices.Contains(d.mitre, m) {
			d.mitre = append(d.mitre, m)
		}
	}
}

// wazuh takes over what Wazuh compares.
func (c *Correlation) wazuh(d *declaration) {
	c.Wazuh, c.Global = true, d.switches["global_frequency"]
	for _, kind := range []struct {
		names    []string
		fields   *[]string
		location *bool
	}{{d.same, &c.Same, &c.Location}, {d.different, &c.Different, &c.OtherLocation}} {
		for _, name := range kind.names {
			if name == "location" {
				*kind.location = true
			} else if !slices.Contains(*kind.fields, name) {
				*kind.fields = append(*kind.fields, name)
			}
		}
	}
}

// Describe returns the rule's description of d. In Wazuh's dialect $(field) stands for the value of a field, for nothing if there is none.
func (r *Rule) Describe(d *event.Decoded) string {
	if !r.wazuh || !strings.Contains(r.Description, "$(") {
		return r.Description
	}
	var b strings.Builder
	rest := r.Description
	for {
		before, after, ok := strings.Cut(rest, "$(")
		name, behind, closed := strings.Cut(after, ")")
		if !ok || !closed {
			b.WriteString(rest)
			return b.String()
		}
		b.WriteString(before)
		b.WriteString(named(d, name))
		rest = behind
	}
}

// named returns what an event has under a name: a static field's, one of the header's, or a dynamic field's.
func named(d *event.Decoded, name string) string {
	switch name {
	case "program_name":
		return d.Program
	case "hostname":
		return d.Hostname
	case "location":
		return d.Location
	}
	if f, ok := event.ParseWazuhField(name); ok {
		value, _ := d.Get(f)
		return value
	}
	value, _ := d.Dynamic(name)
	return value
}
