package rule

import (
	"fmt"
	"slices"
	"strings"

	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/osxml"
	"github.com/yagura-hids/yagura/internal/pattern"
)

// Builder gathers the rules of several files. Use NewBuilder.
type Builder struct {
	faults  osxml.Faults
	tree    Tree
	outside Outside
	onto    func(element string, p *pattern.Pattern, at *phrase) // if not nil, is told of each pattern
	slots   map[string]int                                       // of dynamic fields, by lower-case name; see Subject.dynamic

	warnings osxml.Faults
	leaveOut bool // the rule at hand; see slip
}

// Outside is what rules name that isn't theirs.
type Outside struct {
	Number  func(*pattern.Pattern) int                   // gives a pattern its place in the ruleset's index, which is of the log
	Decoder func(name string) (id int, ok bool)          // resolves decoded_as
	List    func(path string) (map[string]string, error) // reads a list's keys and values
	Wazuh   bool                                         // the rules are in Wazuh's dialect, not in OSSEC's
}

// DefaultTimeframe is OSSEC's analysisd.default_timeframe, in seconds.
const DefaultTimeframe = 360

// NewBuilder returns an empty builder.
func NewBuilder(outside Outside) *Builder {
	return &Builder{outside: outside, tree: Tree{byID: map[int]*Rule{}, counters: map[int][]Counter{}}, slots: map[string]int{}}
}

// Add reads a file's elements, variables expanded. Parents come before their children, in this or an earlier file.
func (b *Builder) Add(file string, roots []*osxml.Element) {
	if len(roots) == 0 {
		b.faults.Add(osxml.Pos{File: file}, `write <group name="local,"> around the rules`, "the file holds no group of rules")
	}
	for _, group := range roots {
		name, ok := group.Attr("name")
		if !strings.EqualFold(group.Name, "group") || !ok || len(group.Attrs) != 1 {
			b.faults.Add(group.Pos, `a rule file holds <group name="..."> only`, "<%s> is no group with a name", group.Name)
			continue
		}
		if len(group.Children) == 0 {
			b.faults.Add(group.Pos, "give it one or remove it", "group %q holds no rules", name)
		}
		for _, e := range group.Children {
			if d := declare(name, e, b.outside.Wazuh, &b.faults); d != nil {
				b.rule(d)
			}
		}
	}
}

// Warnings returns what Wazuh warns of and passes over, as does a builder of its dialect: a *osxml.FaultError, or nil.
func (b *Builder) Warnings() error { return b.warnings.Err() }

// Build links the histories, sorts, and returns the tree, or every fault of every file added.
func (b *Builder) Build() (*Tree, error) {
	t := &b.tree
	t.outside, t.slots = b.outside, b.slots
	for _, r := range t.rules {
		b.freeze(r)
	}
	b.counters()
	return t, b.faults.Err()
}

func (b *Builder) rule(d *declaration) {
	old := b.tree.byID[d.id]
	switch {
	case d.overwrite && d.id >= 10 && old == nil:
		b.slips().Add(d.pos, "remove overwrite, or load the file that defines it before this one", "rule %d: overwrite, but there is no such rule", d.id)
	case d.overwrite && d.id >= 10:
		b.overwrite(old, d)
		return
	case old != nil:
		b.slips().Add(d.pos, fmt.Sprintf(`give it another id, or write overwrite="yes"; the first is at %s`, old.Pos), "rule %d is defined twice", d.id)
		return
	}
	b.leaveOut = false
	r := b.compile(d)
	if b.leaveOut {
		return
	}
	r.order = len(b.tree.rules)
	b.tree.byID[r.ID] = r
	b.tree.rules = append(b.tree.rules, r)
	b.place(r, d)
	if b.leaveOut && len(r.parents) == 0 {
		delete(b.tree.byID, r.ID)
		b.tree.rules = b.tree.rules[:r.order]
	}
}

// overwrite puts a rule's new self in its old place: parents, children and the order among siblings stay. Siblings that are read later
// are sorted by its new level, as in OSSEC.
func (b *Builder) overwrite(old *Rule, d *declaration) {
	b.leaveOut = false
	r := b.compile(d)
	if b.leaveOut { // the old one stays
		return
	}
	r.category, r.order, r.parents, r.children = old.category, old.order, old.parents, old.children
	r.replaces = old.Pos
	if o, n := old.Correlation, r.Correlation; d.wazuh && o != nil && n != nil && o.Kind != ByRegex { // which events count stays, too
		n.Kind, n.Key, n.group, n.log = o.Kind, o.Key, o.group, nil
	}
	*old = *r
}

// compile turns what is written into what runs.
func (b *Builder) compile(d *declaration) *Rule {
	r := &Rule{
		ID: d.id, Level: d.level, Pos: d.pos, Description: d.text("description"), GroupText: d.outer + d.text("group"), Info: d.info,
		NoAlert: d.noAlert, Ignore: d.attrs["ignore"], CheckDiff: d.switches["check_diff"], FirstSeen: d.switches["if_fts"],
		IgnoreFields: b.ignoreFields(d, "ignore"), IgnoredFields: b.ignoreFields(d, "check_if_ignored"),
		category: event.CategorySyslog, Mitre: d.mitre, wazuh: d.wazuh, written: d.source, outer: d.outer,
	}
	r.Groups = event.SplitGroups(r.GroupText)
	for _, i := range r.Info {
		if i.Type == "cve" {
			r.CVE = append(r.CVE, i.Text)
		}
	}
	for _, o := range d.options {
		r.option(o)
	}
	r.sortLevel = sortLevel(r.Level, d.attrOr("accuracy", 1))
	b.decodedAs(r, d)
	b.patterns(r, d)
	b.values(r, d)
	b.addresses(r, d)
	b.times(r, d)
	b.lists(r, d)
	b.correlation(r, d)
	return r
}

// sortLevel is what siblings are sorted by, a hundred for each level. Level 0 goes before all; those of accuracy 0 go last, by their level.
func sortLevel(level, accuracy int) int {
	switch {
	case level == 0:
		return 9900
	case accuracy == 0:
		return level
	}
	return 100 * level
}

func (r *Rule) option(o string) {
	switch o {
	case "alert_by_email":
		r.Mail = MailAlways
	case "no_email_alert":
		r.Mail = MailNever
	case "log_alert":
		r.LogAlways, r.NoLog = true, false
	case "no_log":
		r.NoLog, r.LogAlways = true, false
	case "no_full_log":
		r.NoFullLog = true
	case "no_counter":
		r.NoCounter = true
	}
}

// ignoreFields finds the fields that an <ignore> or <check_if_ignored> names. OSSEC looks for their names anywhere in it.
func (b *Builder) ignoreFields(d *declaration, element string) []string {
	p := d.texts[element]
	switch {
	case p == nil:
		return nil
	case d.wazuh:
		return strings.FieldsFunc(p.text, func(c rune) bool { return c == ',' || c == ' ' })
	}
	known := []string{"name", "id", "user", "srcip", "dstip", "data", "location"}
	fields := slices.DeleteFunc(slices.Clone(known), func(f string) bool { return !strings.Contains(p.text, f) })
	if len(fields) == 0 {
		b.fault(d, p, "name one or more of "+strings.Join(known, ", "), "<%s> names no field: %q", element, p.text)
	}
	return fields
}

func (b *Builder) fault(d *declaration, p *phrase, hint, what string, args ...any) {
	pos := d.pos
	if p != nil {
		pos = p.pos
	}
	b.faults.Add(pos, hint, "rule %d: %s", d.id, fmt.Sprintf(what, args...))
}

// slips are where that goes which OSSEC refuses and Wazuh, whose own rules have such slips, warns of and passes over.
func (b *Builder) slips() *osxml.Faults {
	if b.outside.Wazuh {
		return &b.warnings
	}
	return &b.faults
}

// slip notes a slip that costs Wazuh the rule, or the place where it is wrong.
func (b *Builder) slip(d *declaration, p *phrase, hint, what string, args ...any) {
	b.slips().Add(p.pos, hint, "rule %d: %s", d.id, fmt.Sprintf(what, args...))
	b.leaveOut = d.wazuh
}
