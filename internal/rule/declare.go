package rule

import (
	"slices"
	"strconv"
	"strings"

	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/osxml"
)

// declaration is a rule as written: strings, and where they stand.
type declaration struct {
	pos       osxml.Pos
	source    *osxml.Element
	outer     string // the group element's name
	id, level int
	attrs     map[string]int
	noAlert   bool
	overwrite bool
	wazuh     bool // in Wazuh's dialect; see wazuh.go

	texts    map[string]*phrase // by element, repeated ones joined
	all      map[string][]*osxml.Element
	switches map[string]bool // same_*, different_*, if_fts, check_diff
	options  []string
	info     []event.Info

	same, different []string // Wazuh's: fields to compare
	mitre           []event.Mitre
}

// phrase is an element's text, joined over its repetitions.
type phrase struct {
	text   string
	pos    osxml.Pos
	kind   string // Wazuh's type=: osmatch, osregex, pcre2; "" for the element's own
	negate bool   // Wazuh's negate="yes"
}

// attrDigits are the rule's numbers, and how many digits OSSEC reads of each.
var attrDigits = map[string]int{"id": 6, "level": 4, "maxsize": 4, "frequency": 4, "timeframe": 5, "ignore": 6, "accuracy": 4}

// The elements of a rule, by how they are read.
var (
	joined = words(`match match_pcre2 regex pcre2 program_name program_name_pcre2 hostname hostname_pcre2 id id_pcre2 url url_pcre2
		user user_pcre2 srcport srcport_pcre2 dstport dstport_pcre2 status status_pcre2 extra_data extra_data_pcre2
		srcgeoip srcgeoip_pcre2 dstgeoip dstgeoip_pcre2 action group description if_sid if_group if_matched_group if_matched_regex
		ignore check_if_ignored`)
	replaced = words(`time weekday decoded_as if_matched_sid if_level category compiled_rule`)
	listedBy = words(`srcip dstip list field`)
	switched = words(`if_fts check_diff same_source_ip same_src_port same_dst_port same_user same_location same_id different_url
		different_srcip different_srcgeoip not_same_source_ip not_same_user not_same_id not_same_agent`)

	// cancels are the options that do nothing but take back an earlier one.
	cancels = map[string]string{
		"not_same_source_ip": "same_source_ip", "not_same_user": "same_user", "not_same_id": "same_id", "not_same_agent": "same_location",
	}
	optionWords = words(`alert_by_email no_email_alert log_alert no_log no_ar`)
	infoTypes   = words(`text link cve osvdb`)
)

func words(list string) map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.Fields(list) {
		set[w] = true
	}
	return set
}

// declare reads one <rule>. It returns nil if the rule is too broken to go on with.
func declare(outer string, e *osxml.Element, wazuh bool, faults *osxml.Faults) *declaration {
	d := &declaration{
		pos: e.Pos, source: e, outer: outer, wazuh: wazuh, attrs: map[string]int{}, texts: map[string]*phrase{}, all: map[string][]*osxml.Element{},
		switches: map[string]bool{},
	}
	if !strings.EqualFold(e.Name, "rule") {
		faults.Add(e.Pos, "a group holds <rule> elements only", "<%s> is no rule", e.Name)
		return nil
	}
	before := faults.Len()
	for _, a := range e.Attrs {
		d.attr(a, faults)
	}
	var hasID, hasLevel bool
	d.id, hasID = d.attrs["id"]
	d.level, hasLevel = d.attrs["level"]
	if d.id == 0 && hasID && faults.Len() > before {
		return nil
	}
	if d.id == 0 {
		faults.Add(e.Pos, `write <rule id="100100" level="5">`, "the rule has no id")
		return nil
	}
	if !hasLevel {
		faults.Add(e.Pos, `give it one, from level="0" (ignored) to "16"`, "rule %d has no level", d.id)
	}
	if len(e.Children) == 0 {
		faults.Add(e.Pos, "give it a condition and a description", "rule %d is empty", d.id)
	}
	for _, child := range e.Children {
		d.element(child, faults)
	}
	return d
}

func (d *declaration) attr(a osxml.Attr, faults *osxml.Faults) {
	name := strings.ToLower(a.Name)
	switch name {
	case "noalert":
		d.noAlert = !d.wazuh || a.Value == "1" // in OSSEC any value sets it
		return
	case "overwrite":
		d.overwrite = a.Value == "yes"
		if a.Value != "yes" && a.Value != "no" {
			faults.Add(a.Pos, "write yes or no", "overwrite=%q", a.Value)
		}
		return
	}
	limit, known := attrDigits[name]
	if !known {
		faults.Add(a.Pos, suggest(a.Name, append(keys(attrDigits), "overwrite", "noalert")), "unknown attribute %s of a rule", a.Name)
		return
	}
	n, err := strconv.ParseUint(a.Value[:min(len(a.Value), limit)], 10, 32)
	if err != nil {
		faults.Add(a.Pos, "write digits", "%s=%q is no number", a.Name, a.Value)
	}
	d.attrs[name] = int(n)
	if d.wazuh {
		d.wazuhNumber(name, a, faults)
	}
}

func (d *declaration) element(e *osxml.Element, faults *osxml.Faults) {
	name := strings.ToLower(e.Name)
	switch {
	case joined[name], d.wazuh && joinedWazuh[name]:
		d.join(name, e, faults)
	case replaced[name]:
		d.texts[name] = &phrase{text: e.Content, pos: e.Pos}
	case listedBy[name]:
		d.all[name] = append(d.all[name], e)
	case d.wazuh && d.wazuhElement(name, e, faults):
	case cancels[name] != "":
		delete(d.switches, cancels[name])
	case switched[name]:
		d.switches[name] = true
	case name == "options":
		d.option(e, faults)
	case name == "info":
		d.addInfo(e, faults)
	case name == "cve":
		d.info = append(d.info, event.Info{Type: "cve", Text: e.Content})
	default:
		known := slices.Concat(keys(joined), keys(replaced), keys(listedBy), keys(switched), []string{"options", "info", "cve"})
		faults.Add(e.Pos, suggest(name, known), "rule %d: unknown element <%s>", d.id, e.Name)
	}
}

func (d *declaration) join(name string, e *osxml.Element, faults *osxml.Faults) {
	text := e.Content
	if name == "description" {
		text = strings.Replace(text, "\n", " ", 1)
	}
	p := d.texts[name]
	if p == nil {
		p = &phrase{pos: e.Pos}
		d.texts[name] = p
	}
	p.text += text
	if d.wazuh {
		p.kind, p.negate = how(d.id, e, faults)
	}
}

func (d *declaration) option(e *osxml.Element, faults *osxml.Faults) {
	if !optionWords[e.Content] && !(d.wazuh && optionsWazuh[e.Content]) {
		faults.Add(e.Pos, suggest(e.Content, keys(optionWords)), "rule %d: unknown option %q", d.id, e.Content)
		return
	}
	d.options = append(d.options, e.Content)
}

func (d *declaration) addInfo(e *osxml.Element, faults *osxml.Faults) {
	info := event.Info{Type: "text", Text: e.Content}
	for _, a := range e.Attrs {
		if a.Name != "type" || !infoTypes[a.Value] {
			faults.Add(a.Pos, "type may be text, link, cve or osvdb", "rule %d: <info %s=%q>", d.id, a.Name, a.Value)
			return
		}
		info.Type = a.Value
	}
	d.info = append(d.info, info)
}

func (d *declaration) text(name string) string {
	if p := d.texts[name]; p != nil {
		return p.text
	}
	return ""
}

func (d *declaration) attrOr(name string, otherwise int) int {
	if n, ok := d.attrs[name]; ok {
		return n
	}
	return otherwise
}

func keys[V any](m map[string]V) []string {
	list := make([]string, 0, len(m))
	for k := range m {
		list = append(list, k)
	}
	slices.Sort(list)
	return list
}

// suggest returns "did you mean X?" for the known word that is nearest to one that is not known, or "remove it" if none is near.
func suggest(word string, known []string) string {
	best := Nearest(word, known)
	if best == "" {
		return "remove it"
	}
	return "did you mean " + best + "?"
}

// Nearest returns the known word that is nearest to one that is not known, "" if none is near.
func Nearest(word string, known []string) string {
	best, least := "", 3
	for _, k := range known {
		if n := distance(word, k); n < least {
			best, least = k, n
		}
	}
	return best
}

// distance is how many letters must be changed, added or removed to make one word of the other.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
