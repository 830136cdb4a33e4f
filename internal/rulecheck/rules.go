package rulecheck

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/osxml"
	"github.com/yagura-hids/yagura/internal/rule"
)

// rules checks all rules. They come in the order of reading, so that a rule's parents are checked before it.
func (c *checker) rules(list []*rule.Rule) {
	c.counted = map[int]bool{}
	for _, r := range list {
		for _, counter := range c.set.Rules.Counters(r.ID) {
			if counter.ID != r.ID && !r.NoAlert {
				c.counted[counter.ID] = true
			}
		}
	}
	for _, r := range list {
		c.conditions[r] = c.set.Rules.Conditions(r)
	}
	for _, r := range list {
		c.rulePatterns(r)
		c.reached(r)
		c.groups(r)
		c.id(r)
		c.overwrites(r)
	}
	for _, r := range list {
		if len(c.hidden[r]) > 0 {
			c.tellHidden(r)
		}
	}
}

// onLog are the elements that look at what is always there.
var onLog = []string{"match", "match_pcre2", "regex", "pcre2", "if_matched_regex", "if_matched_group"}

func (c *checker) rulePatterns(r *rule.Rule) {
	isPattern := map[string]bool{}
	for _, p := range c.set.Rules.Patterns(r) {
		// what looks at something that may be missing and matches every text asks that there is one, unless it is written as alternatives
		c.doubts(p.Pos, ruleName(r), p.Element, p.Pattern, !slices.Contains(onLog, p.Element) && !strings.Contains(p.Source(), "|"))
		isPattern[p.Element] = true
	}
	for _, cond := range c.conditions[r] {
		if cond.Element == "action" && !isPattern["action"] && strings.ContainsAny(cond.Text, `|^$\`) {
			c.warn(cond.Pos, "write a rule for each action, or look for it with <match> or <regex>",
				"rule %d: <action> is compared as a whole, and to the letter; no action is '%s'", r.ID, cond.Text)
		}
	}
}

// reached warns of a rule that no event comes to, and of why. What hangs below such a rule is left out: it comes right with its parent.
func (c *checker) reached(r *rule.Rule) {
	parents := r.Parents()
	if len(parents) > 0 && !slices.ContainsFunc(parents, func(p *rule.Rule) bool { return !c.never[p] }) {
		c.never[r] = true
		return
	}
	if hint, why := c.cannotHold(r); why != "" {
		c.never[r] = true
		c.warn(r.Pos, hint, "rule %d can never hold: %s", r.ID, why)
		return
	}
	var by *rule.Rule
	for _, p := range parents {
		hides := c.hides(p, r)
		if hides == nil {
			return
		}
		by = hides
	}
	if by == nil {
		return
	}
	c.never[r] = true
	c.hidden[by] = append(c.hidden[by], r)
}

// tellHidden warns of the rules that others hide: of one at its own place, of more at the place of what hides them.
func (c *checker) tellHidden(by *rule.Rule) {
	list := c.hidden[by]
	hint := fmt.Sprintf("add to rule %d what sets it apart, hang below it what is a special case of it, or change the levels", by.ID)
	if by.Level == 0 {
		hint = fmt.Sprintf("add to rule %d what sets it apart, or hang below it what is a special case of it: among siblings, level 0 is asked first", by.ID)
	}
	if len(list) == 1 {
		c.warn(list[0].Pos, hint, "rule %d is never reached: rule %d (%s) is asked before it and holds whenever it would", list[0].ID, by.ID, by.Pos)
		return
	}
	var ids []string
	for _, r := range list {
		ids = append(ids, strconv.Itoa(r.ID))
	}
	c.warn(by.Pos, hint, "rules %s are never reached: rule %d is asked before them and holds whenever they would", strings.Join(ids, " "), by.ID)
}

// cannotHold returns why a rule can't hold whatever comes, "" if it can.
func (c *checker) cannotHold(r *rule.Rule) (hint, why string) {
	if r.Decoder() == rule.NoDecoder {
		return "name the parent decoder, or give the child <use_own_name>true</use_own_name>",
			"its decoded_as is a child decoder, which goes by its parent's name"
	}
	for _, cond := range c.conditions[r] {
		if strings.HasPrefix(cond.Element, "srcgeoip") || strings.HasPrefix(cond.Element, "dstgeoip") {
			return "remove it", "nothing finds a " + cond.Element + " here"
		}
		if hint, missing := c.unknownField(cond); missing {
			return hint, "no decoder finds the " + cond.Element
		}
	}
	k := r.Correlation
	switch {
	case k == nil:
		return "", ""
	case r.Level == 0:
		return "give it a level from 1 on", "it counts earlier events and has level 0"
	case slices.Contains(k.Different, "srcgeoip"):
		return "remove different_srcgeoip", "nothing finds a srcgeoip here"
	case c.counted[r.ID]:
		return "", ""
	case k.Kind == rule.BySID:
		return "name a rule that can be a verdict: of level 1 or more, and not noalert", c.uncounted(r)
	case k.Kind == rule.ByGroup:
		return "give the group to rules of level 1 or more that are read before it",
			"no event is ever counted for its if_matched_group: no rule before it has that group, or other composites count their ids"
	}
	return "", ""
}

// unknownField tells whether a condition asks for a dynamic field that no decoder fills. A negated one may hold without.
func (c *checker) unknownField(cond rule.Condition) (hint string, missing bool) {
	name, dynamic := strings.CutPrefix(cond.Element, "field ")
	if _, static := event.ParseField(name); !dynamic || static || strings.Contains(cond.How, "negate=yes") || slices.Contains(c.fields, anyField) {
		return "", false
	}
	if slices.ContainsFunc(c.fields, func(f string) bool { return strings.EqualFold(f, name) }) {
		return "", false
	}
	hint = "check its spelling, or name it in a decoder's <order>"
	if like := rule.Nearest(name, c.fields); like != "" {
		hint = "did you mean " + like + "?"
	}
	return hint, true
}

// uncounted says why no event is counted for a composite that names a rule.
func (c *checker) uncounted(r *rule.Rule) string {
	id, _ := strconv.Atoi(strings.TrimPrefix(r.Correlation.Key, "sid/")) // a rule's id, or the ruleset would have faults
	why := "is the one that asks"
	switch named := c.set.Rules.Rule(id); {
	case named.Level == 0:
		why = "has level 0"
	case named.NoAlert:
		why = "is noalert"
	}
	return fmt.Sprintf("rule %d, which its if_matched_sid names, %s, so its events are never counted", id, why)
}

// hides returns the child of p that is asked before r and holds whenever r does, nil if there is none.
func (c *checker) hides(p, r *rule.Rule) *rule.Rule {
	for _, s := range p.Siblings() {
		if s == r {
			return nil
		}
		if !s.NoAlert && !asksPast(s) && !c.never[s] && c.holdsWith(s, r) {
			return s
		}
	}
	return nil
}

// asksPast tells whether a rule asks of more than the event.
func asksPast(r *rule.Rule) bool { return r.Correlation != nil || r.FirstSeen || r.CheckDiff }

// holdsWith tells whether each condition of s holds where r holds, because r has one that implies it.
func (c *checker) holdsWith(s, r *rule.Rule) bool {
	for _, of := range c.conditions[s] {
		if !slices.ContainsFunc(c.conditions[r], func(rs rule.Condition) bool { return implies(rs, of) }) && !always(of) {
			return false
		}
	}
	return true
}

// always tells whether a condition holds for every event.
func always(c rule.Condition) bool {
	return c.Pattern != nil && !strings.Contains(c.How, "negate=yes") && (c.Element == "match" || c.Element == "regex" || c.Element == "pcre2" || c.Element == "match_pcre2") && c.Pattern.AlwaysMatches()
}

func implies(one, other rule.Condition) bool {
	if one.Element != other.Element {
		return false
	}
	if one.Text == other.Text && one.How == other.How {
		return true
	}
	return one.How == "" && other.How == "" && one.Pattern != nil && other.Pattern != nil && one.Pattern.Implies(other.Pattern)
}

// groups warns of names that run into each other, because OSSEC joins them as they are.
func (c *checker) groups(r *rule.Rule) {
	text := r.Outer()
	for _, e := range r.Written().Children {
		if !strings.EqualFold(e.Name, "group") || e.Content == "" {
			continue
		}
		if text != "" && !strings.ContainsRune(", ", rune(text[len(text)-1])) && !strings.ContainsRune(", ", rune(e.Content[0])) {
			c.warn(e.Pos, `end each list of groups with a comma`, "rule %d: the groups run into each other: '%s' and '%s' make '%s'",
				r.ID, lastWord(text), firstWord(e.Content), lastWord(text)+firstWord(e.Content))
		}
		text += e.Content
	}
}

func lastWord(list string) string  { return list[strings.LastIndexByte(list, ',')+1:] }
func firstWord(list string) string { word, _, _ := strings.Cut(list, ","); return word }

func (c *checker) id(r *rule.Rule) {
	if _, replaces := r.Replaces(); replaces || !c.own(r.Pos.File) || r.ID >= FirstOwnID && r.ID <= LastOwnID {
		return
	}
	c.warn(r.Pos, "give it an id that no ruleset takes", "rule %d: ids from %d to %d are for rules of your own", r.ID, FirstOwnID, LastOwnID)
}

// overwrites warns of an overwriting rule that names other parents: it stays where the first one hangs.
func (c *checker) overwrites(r *rule.Rule) {
	first, replaces := r.Replaces()
	sids := child(r.Written(), "if_sid")
	if !replaces || sids == nil {
		return
	}
	var want []string
	for _, p := range r.Parents() {
		want = append(want, strconv.Itoa(p.ID))
	}
	got := strings.FieldsFunc(sids.Content, func(c rune) bool { return c == ',' || c == ' ' })
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		c.warn(sids.Pos, "leave if_sid out, or write a new rule there and silence the old one",
			"rule %d: its if_sid has no effect: it overwrites the one at %s and stays below %s", r.ID, first, strings.Join(want, ", "))
	}
}

func child(e *osxml.Element, name string) *osxml.Element {
	for _, c := range e.Children {
		if strings.EqualFold(c.Name, name) {
			return c
		}
	}
	return nil
}
