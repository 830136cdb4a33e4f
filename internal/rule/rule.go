// Package rule judges decoded events, as OSSEC's rule XML describes.
//
//	templates 1..7, one a category          a rule hangs below the rules that if_sid, if_level or if_group name,
//	  └─ 5700 decoded_as sshd               or else below its category's template; it is asked only when its
//	       ├─ 5710 level 5 "invalid user"   parent holds. Siblings are asked by level, the highest first and
//	       └─ 5716 level 5 "^Failed"        level 0 before all; the first that holds, or its deepest
//	            └─ 5720 frequency 6 …       descendant that does, is the verdict.
//
// A rule below several parents is one rule, so the "tree" shares its branches.
//
//	Builder.Add (XML → declarations, checked) ─► Builder.Build (linked, sorted) ─► Tree
//
// This package asks what needs only the event. What a composite rule asks of earlier events is described by Correlation and asked by analysis.
package rule

import (
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/osxml"
	"github.com/yagura-hids/yagura/internal/pattern"
)

// Rule is one rule ready to run. Its exported fields are not to be changed.
type Rule struct {
	ID          int
	Level       int
	Pos         osxml.Pos // where it is written
	Description string
	GroupText   string   // as OSSEC joins it: the outer group's name, then the rule's own, without a separator
	Groups      []string // GroupText split
	Info        []event.Info
	CVE         []string
	Mitre       []event.Mitre // Wazuh's

	NoAlert   bool // holds only through a child
	NoLog     bool // judged, remembered, not recorded; see also Recorded
	LogAlways bool // recorded whatever its level
	Mail      Mail
	NoFullLog bool // Wazuh's: the alert is written without the log
	NoCounter bool // Wazuh's: … and without how often the rule fired

	Ignore        int      // seconds for which further firings are swallowed after one; 0 for none
	CheckDiff     bool     // holds if the log differs from the last one of this host
	FirstSeen     bool     // if_fts: holds for fields never seen before
	IgnoreFields  []string // fields to put on the ignore list when it fires
	IgnoredFields []string // fields to look up in the ignore list
	Correlation   *Correlation

	wazuh     bool           // in Wazuh's dialect
	written   *osxml.Element // variables expanded
	replaces  osxml.Pos      // where the rule is written that it overwrites
	outer     string         // the name of the group around it
	category  event.Category
	decodedAs int // 0 for any decoder
	tests     []test
	gates     []int // numbers of the patterns on the log, which must be possible in it
	cut       []int // numbers of the patterns on fields cut out of the log, which must be possible in it, too
	sortLevel int
	order     int // of reading
	parents   []*Rule
	children  []*Rule
	asked     []Child         // the children, frozen
	byDecoder map[int][]Child // of them those to ask for a decoder's event, where many ask for one
}

// Child is a rule below another, with what most often rules it out beside it: the lists are long, and few of their rules are ever looked at.
type Child struct {
	*Rule
	decoder int32 // as Rule.decodedAs
	gate    int32 // 1 + the number of a pattern that must be possible, negative for one on a field cut out of the log; 0 for none
}

// Possible tells whether the rule may match; if not, it does not.
func (c *Child) Possible(s *Subject) bool {
	switch {
	case c.decoder != 0 && int(c.decoder) != s.DecoderID:
		return false
	case c.gate > 0:
		return s.Hits.Possible(int(c.gate) - 1)
	case c.gate < 0:
		return s.Rewritten || s.Hits.Possible(-int(c.gate)-1)
	}
	return true
}

// Mail is what a rule's options say of mail.
type Mail uint8

// By level, always, or never.
const (
	MailByLevel Mail = iota
	MailAlways
	MailNever
)

// Kind is which history a composite rule looks at.
type Kind uint8

// The kinds, each with the element that chooses it.
const (
	BySID   Kind = iota + 1 // if_matched_sid: events whose verdict was one rule
	ByGroup                 // if_matched_group: events whose verdict's group text matches
	ByRegex                 // if_matched_regex: events whose log matches
)

// Correlation is what a composite rule asks of earlier events.
type Correlation struct {
	Kind      Kind
	Key       string   // of the events that it looks at, such as "sid/5716", "group/40111", [Events]
	Frequency int      // earlier events needed, less one: it fires on event Frequency+2
	Timeframe int64    // seconds
	Same      []string // fields: a static one's name as [event.Field.String] has it, or else a dynamic one's
	Different []string // likewise
	Location  bool     // same_location

	// Wazuh's dialect counts in another way; see [Correlation.Global] and the rest.
	Global        bool // events of all agents count; false in Wazuh without global_frequency: those of this event's agent only
	OtherLocation bool // different_location
	// Wazuh: same_location compares locations, not hosts; a field of Different that one of two events lacks differs; an earlier event that
	// a rule of this level or above has used ends the look only if it is comparable; of the events counted only the newest is marked as
	// used, and none if Frequency is 0.
	Wazuh bool

	log   *pattern.Pattern
	group *pattern.Pattern
}

// Events is the key of all events, which ByRegex rules look at.
const Events = "events"

// MatchesLog tells whether an earlier event's log is one that if_matched_regex counts. It holds for the other kinds. work is scratch memory.
func (c *Correlation) MatchesLog(log string, work *pattern.Text) bool {
	if c.log == nil {
		return true
	}
	work.Reset(log)
	return c.log.Match(work)
}

// counts tells whether events whose rule has that group text are in a ByGroup history.
func (c *Correlation) counts(groupText string) bool {
	return c.group != nil && c.group.MatchString(groupText)
}

// Alert returns what an alert on d says of the rule. mailLevel is the level from which alerts are mailed.
func (r *Rule) Alert(d *event.Decoded, mailLevel int) event.Rule {
	out := event.Rule{
		ID: r.ID, Level: r.Level, Description: r.Describe(d), Groups: r.Groups, GroupText: r.GroupText, Info: r.Info, CVE: r.CVE,
		Mitre: r.Mitre, NoFullLog: r.NoFullLog, NoCounter: r.NoCounter,
		Mail: r.Mail == MailAlways || r.Mail == MailByLevel && r.Level >= mailLevel,
	}
	if r.Correlation != nil {
		out.Frequency = r.Correlation.Frequency
		if r.wazuh { // as it is written
			out.Frequency += 2
		}
	}
	return out
}

// Recorded tells whether the rule's alerts are to be stored. logLevel is the level from which they are.
func (r *Rule) Recorded(logLevel int) bool {
	return r.Level > 0 && !r.NoLog && (r.Level >= logLevel || r.LogAlways)
}

// Children returns the rules below r to ask for an event of that decoder, in order.
func (r *Rule) Children(decoder int) []Child {
	if r.byDecoder == nil {
		return r.asked
	}
	if list, ok := r.byDecoder[decoder]; ok {
		return list
	}
	return r.byDecoder[0]
}

// Tree is all rules of a ruleset, linked. It does not change and may be shared.
type Tree struct {
	tops     []*Rule
	rules    []*Rule // in order of reading
	byID     map[int]*Rule
	counters map[int][]Counter // by rule id: the composites that count its events
	outside  Outside           // for Conditions, as are the slots
	slots    map[string]int
}

// Top returns the template of a category, nil if there is none.
func (t *Tree) Top(c event.Category) *Rule {
	for _, r := range t.tops {
		if r.category == c {
			return r
		}
	}
	return nil
}

// Rules returns all rules in the order of reading. The slice is the tree's own.
func (t *Tree) Rules() []*Rule { return t.rules }

// Rule returns the rule of that id, nil if there is none.
func (t *Tree) Rule(id int) *Rule { return t.byID[id] }

// Counters returns the composite rules that count the events whose verdict is the rule of that id. The slice is the tree's own.
func (t *Tree) Counters(id int) []Counter { return t.counters[id] }
