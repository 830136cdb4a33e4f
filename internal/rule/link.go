package rule

import (
	"slices"
	"strconv"
	"strings"

	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/pattern"
)

// place hangs the rule where if_sid, if_level, if_group or its category says.
func (b *Builder) place(r *Rule, d *declaration) {
	if p := d.texts["category"]; p != nil {
		c, ok := event.ParseCategory(p.text)
		if !ok || c == event.CategoryHostInfo {
			b.fault(d, p, "known are syslog, firewall, ids, web-log, squid, windows, ossec", "no category %q", p.text)
			return
		}
		r.category = c
	}
	element, sids, groups := "if_sid", d.texts["if_sid"], d.texts["if_group"]
	if sids == nil && groups == nil {
		element, sids, groups = "if_matched_sid", d.texts["if_matched_sid"], d.texts["if_matched_group"]
		if sids != nil {
			groups = nil
		}
	}
	switch {
	case r.ID < 10:
		b.tree.tops = append(b.tree.tops, r)
	case sids != nil:
		b.belowRules(r, d, element, sids)
	case d.texts["if_level"] != nil:
		b.belowLevel(r, d)
	case groups != nil:
		b.belowGroup(r, d, groups)
	default:
		b.belowCategory(r, d)
	}
}

func (b *Builder) belowRules(r *Rule, d *declaration, element string, p *phrase) {
	list := strings.FieldsFunc(p.text, func(c rune) bool { return c == ',' || c == ' ' })
	if len(list) == 0 {
		b.slip(d, p, "name the parents' ids", "%s names no rule", element)
	}
	for _, word := range list {
		id, err := strconv.Atoi(word)
		if err != nil {
			b.slip(d, p, "write ids with commas or spaces between them", "%s: %q is no rule id", element, word)
			continue
		}
		parent := b.tree.byID[id]
		if parent == nil || parent == r {
			b.slip(d, p, b.nearest(id, r), "%s %d: no such rule", element, id)
			continue
		}
		r.category = parent.category
		b.hang(parent, r)
	}
}

// nearest tells the author of asker what there is near an id that is not.
func (b *Builder) nearest(id int, asker *Rule) string {
	best := (*Rule)(nil)
	for _, r := range b.tree.rules {
		if r != asker && r.ID != id && (best == nil || abs(r.ID-id) < abs(best.ID-id)) {
			best = r
		}
	}
	if best == nil || abs(best.ID-id) > 100 {
		return "rules must be read before those that name them"
	}
	return "did you mean " + strconv.Itoa(best.ID) + " (" + best.Pos.File + ")? Rules must be read before those that name them"
}

func abs(n int) int { return max(n, -n) }

// belowLevel hangs the rule below every rule so far that is asked at that level or before: templates and level 0 are among them, as in OSSEC.
func (b *Builder) belowLevel(r *Rule, d *declaration) {
	p := d.texts["if_level"]
	level, err := strconv.Atoi(strings.TrimSpace(p.text))
	if err != nil || level < 1 {
		b.slip(d, p, "write a level from 1 to 16", "if_level %q", p.text)
		return
	}
	for _, parent := range b.tree.rules {
		if parent != r && parent.sortLevel >= sortLevel(level, 1) {
			b.hang(parent, r)
		}
	}
}

func (b *Builder) belowGroup(r *Rule, d *declaration, p *phrase) {
	found := false
	for _, parent := range b.tree.rules {
		if parent != r && pattern.WordMatch(p.text, parent.GroupText) {
			b.hang(parent, r)
			r.category = parent.category
			found = true
		}
	}
	if !found {
		b.slip(d, p, "check its spelling, or load the file with that group before this one", "no rule so far has group %q", p.text)
	}
}

func (b *Builder) belowCategory(r *Rule, d *declaration) {
	top := b.tree.Top(r.category)
	if top == nil {
		b.fault(d, nil, "load the rules 1 to 7 (rules_config.xml) first", "no template for category %s", r.category)
		return
	}
	b.hang(top, r)
}

// hang puts r among parent's children, before the first of a lower sort level: an overwritten one stands elsewhere than its level says.
func (b *Builder) hang(parent, r *Rule) {
	if slices.Contains(parent.children, r) {
		return
	}
	at := slices.IndexFunc(parent.children, func(c *Rule) bool { return c.sortLevel < r.sortLevel })
	if at < 0 {
		at = len(parent.children)
	}
	parent.children = slices.Insert(parent.children, at, r)
	r.parents = append(r.parents, parent)
}

// fewDecoders is how many children may ask for a decoder before a table by decoder pays.
const fewDecoders = 4

// freeze prepares the lists of children by decoder. List 0 is for all decoders that no child asks for.
func (b *Builder) freeze(r *Rule) {
	asked := map[int]bool{0: true}
	for _, c := range r.children {
		asked[c.decodedAs] = true
		r.asked = append(r.asked, c.child())
	}
	if len(asked) <= fewDecoders {
		return
	}
	r.byDecoder = make(map[int][]Child, len(asked))
	for id := range asked {
		var list []Child
		for _, c := range r.asked {
			if c.decodedAs == 0 || c.decodedAs == id {
				list = append(list, c)
			}
		}
		r.byDecoder[id] = list
	}
}

// child returns the rule as its parents keep it.
func (r *Rule) child() Child {
	c := Child{Rule: r, decoder: int32(r.decodedAs)}
	switch {
	case len(r.gates) > 0:
		c.gate = int32(r.gates[0]) + 1
	case len(r.cut) > 0:
		c.gate = -int32(r.cut[0]) - 1
	}
	return c
}

// Counter is a composite rule that counts another rule's events.
type Counter struct {
	*Rule     // the composite
	Times int // how often each event counts: once for each place of its rule below the tree's tops, as in OSSEC; once by id or pattern
}

// counters finds for each rule the composites that count its events. As in OSSEC, those that name the rule's id take the place of those that
// name its groups; a composite of groups knows only rules read before it, and itself.
func (b *Builder) counters() {
	t := &b.tree
	var groups, patterns []*Rule
	sids := map[string][]Counter{}
	for _, r := range t.rules {
		switch c := r.Correlation; {
		case c == nil:
		case c.Kind == BySID:
			sids[c.Key] = append(sids[c.Key], Counter{r, 1})
			b.checkSID(r)
		case c.Kind == ByGroup:
			groups = append(groups, r)
		case c.Kind == ByRegex:
			patterns = append(patterns, r)
		}
	}
	places := places(t.rules)
	for _, r := range t.rules {
		if r.Level == 0 {
			continue
		}
		list := slices.Clone(sids["sid/"+strconv.Itoa(r.ID)])
		if len(list) == 0 {
			list = groupCounters(r, groups, places[r])
		}
		for _, p := range patterns {
			list = append(list, Counter{p, 1})
		}
		if len(list) > 0 {
			t.counters[r.ID] = list
		}
	}
}

func (b *Builder) checkSID(r *Rule) {
	id, err := strconv.Atoi(strings.TrimPrefix(r.Correlation.Key, "sid/"))
	if len(r.parents) > 0 && (err != nil || b.tree.byID[id] == nil) { // without parents, a fault was told before
		b.slips().Add(r.Pos, b.nearest(id, r), "rule %d: if_matched_sid %s: no such rule", r.ID, strings.TrimPrefix(r.Correlation.Key, "sid/"))
	}
}

func groupCounters(r *Rule, groups []*Rule, places int) []Counter {
	var list []Counter
	for _, g := range groups {
		if g.order >= r.order && g.Correlation.counts(r.GroupText) {
			list = append(list, Counter{g, places})
		}
	}
	return list
}

// places counts the ways from the tops down to each rule.
func places(rules []*Rule) map[*Rule]int {
	n := make(map[*Rule]int, len(rules))
	for _, r := range rules {
		if len(r.parents) == 0 {
			n[r] = 1
		}
		for _, p := range r.parents {
			n[r] += n[p]
		}
	}
	return n
}
