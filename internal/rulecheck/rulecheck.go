// Package rulecheck finds what is likely wrong in a ruleset that loads: rules and decoders that no event ever comes to, patterns that match
// everything, nothing, or slowly, groups that run into each other.
//
//	ruleset.Load ─► faults: it doesn't run        rulecheck.Check ─► warnings: it runs, but hardly as its author means
//
// A warning is told only if it's true. Whether a rule can hold is not decidable in general, so not all that is wrong is found.
package rulecheck

import (
	"errors"
	"fmt"
	"slices"

	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/osxml"
	"github.com/yagura-hids/yagura/internal/pattern"
	"github.com/yagura-hids/yagura/internal/rule"
	"github.com/yagura-hids/yagura/internal/ruleset"
	"github.com/yagura-hids/yagura/internal/syscheck"
)

// Ids that OSSEC leaves to its users.
const (
	FirstOwnID = 100000
	LastOwnID  = 119999
)

// Check returns the warnings, in the order of files and lines. own tells whether a file is the user's own: its rules are held to the ids that are
// the user's.
func Check(set *ruleset.Set, own func(file string) bool) []*osxml.Fault {
	c := &checker{set: set, own: own, conditions: map[*rule.Rule][]rule.Condition{}, never: map[*rule.Rule]bool{}, hidden: map[*rule.Rule][]*rule.Rule{}}
	named, unnamed := set.Decoders.Tops()
	c.decoders(named)
	c.decoders(unnamed)
	c.fields = slices.Concat(fields(named), fields(unnamed), event.SyslogFields[:], syscheck.FieldNames)
	c.rules(set.Rules.Rules())
	var all *osxml.FaultError
	if !errors.As(c.found.Err(), &all) {
		return nil
	}
	return slices.CompactFunc(all.Faults, func(a, b *osxml.Fault) bool { return *a == *b }) // a decoder below two of its parent's name is there twice
}

type checker struct {
	set        *ruleset.Set
	own        func(file string) bool
	found      osxml.Faults
	conditions map[*rule.Rule][]rule.Condition
	never      map[*rule.Rule]bool         // rules that can't hold, as was told
	hidden     map[*rule.Rule][]*rule.Rule // by what hides them
	fields     []string                    // dynamic ones that decoders fill, and syslog's; anyField is among them if one fills what the line names
	counted    map[int]bool                // composites that count some rule's events
}

func (c *checker) warn(pos osxml.Pos, hint, what string, args ...any) {
	c.found.Add(pos, hint, what, args...)
}

// doubts tells what is odd about a pattern. That it matches every text is told only where that can't be meant.
func (c *checker) doubts(pos osxml.Pos, whose, element string, p *pattern.Pattern, mayMatchAll bool) {
	for _, d := range p.Doubts() {
		if !d.Always || !mayMatchAll {
			c.warn(pos, d.Hint, "%s: <%s>: %s", whose, element, d.What)
		}
	}
}

func ruleName(r *rule.Rule) string { return fmt.Sprintf("rule %d", r.ID) }
