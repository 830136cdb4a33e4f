// Package decoder finds out which program a log line is from, and takes the fields out of it, as OSSEC's decoder XML describes.
//
//	           program name? ─yes─► named   (has program_name)  ┐  the first whose program_name and
//	d.Program ─┤                                                ├─ prematch hold is the decoder; then, of
//	           no ────────────────► unnamed (prematch only)     ┘  its children, the first whose prematch holds
//	                                                               (or that has none) extracts: regex + order
//
// There are two levels only. Children of one name form a chain: each takes its fields in turn. A child goes by its parent's name and id
// unless it has use_own_name.
//
//	Builder.Add (XML → declarations, checked) ─► Builder.Build (linked) ─► Tree.Decode (as often as you like, from many goroutines)
package decoder

import (
	"sync"
	"sync/atomic"

	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/osxml"
	"github.com/yagura-hids/yagura/internal/pattern"
)

// offset tells where the text begins that a prematch or regex looks at.
type offset uint8

const (
	fromStart offset = iota
	afterParent
	afterPrematch
	afterRegex
)

// condition is a pattern with its number in the ruleset's index.
type condition struct {
	*pattern.Pattern
	number int
	offset offset
	negate bool // program_name only: it accepts what the pattern does not match
	places bool // captures keep their places, and an empty one leaves its field as it is: Wazuh's PCRE2
}

// slot is where a capture goes: a static field, or a dynamic one by name.
type slot struct {
	field   event.Field
	dynamic string
}

// node is a decoder ready to run.
type node struct {
	name     string // as declared
	reported string // the parent's, unless it has use_own_name
	parent   string
	pos      osxml.Pos // where it is written
	id       int
	category event.Category

	program  *condition
	prematch *condition
	regex    *condition
	order    []slot
	fts      []string
	plugin   plugin
	json     *jsonDecoder

	accumulate bool
	children   []*node
	follower   *node // the next child of the same name, which extracts after this one
	inChain    bool  // is itself a follower
}

// Tree is all decoders of a ruleset, linked. It does not change and may be shared.
type Tree struct {
	named, unnamed []*node
	wazuh          bool
	opened         [256][]*node // of unnamed, those that can match in a log that begins with the byte
	ids            map[string]int
	programs       sync.Map     // program name → []*node of named that accept it
	known          atomic.Int64 // how many programs it holds
}

// maxPrograms bounds the memory that made-up program names can take.
const maxPrograms = 4096

// Names of decoders that the engine itself may report, beside the declared ones.
var builtin = []string{
	"rootcheck", "syscheck_integrity_changed", "syscheck_integrity_changed_2nd", "syscheck_integrity_changed_3rd", "syscheck_new_entry",
	"syscheck_deleted", "hostinfo_new", "hostinfo_modified",
	"syscheck_packages", "syscheck_disagreement", "syscheck_scanned", // Yagura's own
	// Wazuh's; what they would report is not made here
	"syscheck_registry_key_modified", "syscheck_registry_key_deleted", "syscheck_registry_key_added", "syscheck_registry_value_modified",
	"syscheck_registry_value_deleted", "syscheck_registry_value_added", "syscollector", "ciscat", "windows_eventchannel", "sca",
}

// ID returns the number that decoded_as compares for a decoder's name: a declared one's or a built-in one's.
func (t *Tree) ID(name string) (int, bool) {
	id, ok := t.ids[name]
	return id, ok
}

// Decode finds d's decoder and fields. text holds d.Log, and hits what the ruleset's index found in it.
func (t *Tree) Decode(d *event.Decoded, text *pattern.Text, hits *pattern.Hits) {
	list := t.unnamed
	switch {
	case d.Program != "":
		list = t.accepting(d.Program)
	case d.Log != "":
		list = t.opened[d.Log[0]]
	}
	for _, top := range list {
		rest := 0
		if top.prematch != nil {
			var ok bool
			if rest, ok = top.prematch.after(text, 0, hits); !ok {
				continue
			}
		}
		run := run{d: d, text: text, hits: hits, wazuh: t.wazuh, parentRest: rest}
		run.top(top)
		return
	}
}

// open sorts the unnamed decoders by what a log can begin with.
func (t *Tree) open() {
	seen := map[string][]*node{} // lists by which decoders are in them
	for b := range t.opened {
		members := make([]byte, len(t.unnamed))
		var list []*node
		for i, top := range t.unnamed {
			if top.prematch == nil || top.prematch.Opens(byte(b)) {
				members[i] = 1
				list = append(list, top)
			}
		}
		if old, ok := seen[string(members)]; ok {
			list = old
		}
		seen[string(members)], t.opened[b] = list, list
	}
}

// accepting returns the decoders whose program_name accepts the program, in order.
func (t *Tree) accepting(program string) []*node {
	if list, ok := t.programs.Load(program); ok {
		return list.([]*node)
	}
	var text pattern.Text
	text.Reset(program)
	var list []*node
	for _, top := range t.named {
		if top.program.Match(&text) != top.program.negate {
			list = append(list, top)
		}
	}
	if t.known.Load() < maxPrograms {
		t.known.Add(1)
		t.programs.Store(program, list)
	}
	return list
}

// after returns where the match of c in text[from:] ends.
func (c *condition) after(text *pattern.Text, from int, hits *pattern.Hits) (int, bool) {
	if !hits.Possible(c.number) {
		return 0, false
	}
	return c.End(text, from)
}

// run is the decoding of one event.
type run struct {
	d          *event.Decoded
	text       *pattern.Text
	hits       *pattern.Hits
	wazuh      bool
	parentRest int // behind the top-level decoder's prematch
	childRest  int // behind the child's prematch
	regexRest  int // behind the previous regex of a chain
}

func (r *run) top(top *node) {
	r.report(top)
	r.childRest = r.parentRest
	n := top
	if len(top.children) > 0 {
		if n = r.choose(top.children); n == nil {
			return
		}
	}
	r.extract(n)
}

// choose returns the first child whose prematch holds or that has none.
func (r *run) choose(children []*node) *node {
	for _, child := range children {
		if child.inChain {
			continue
		}
		if child.prematch == nil {
			return child
		}
		from := 0
		if child.prematch.offset == afterParent {
			from = r.parentRest
		}
		if rest, ok := child.prematch.after(r.text, from, r.hits); ok {
			r.childRest = rest
			r.report(child)
			return child
		}
	}
	return nil
}

// extract runs the regex or plugin of n and of those that follow it in its chain. In OSSEC a regex that holds makes its decoder the reported
// one, and one that fails sends the next after_regex back behind the prematch; in Wazuh neither.
func (r *run) extract(n *node) {
	r.regexRest = r.childRest
	var buf [16]string
	for ; n != nil && n.extracts(); n = n.follower {
		if n.regex == nil {
			r.plugin(n)
			continue
		}
		var captures []string
		end, ok := 0, r.hits.Possible(n.regex.number)
		if ok {
			captures, end, ok = n.regex.Find(r.text, r.from(n.regex.offset), buf[:0])
		}
		if !r.wazuh {
			r.regexRest = r.childRest
		}
		if !ok {
			continue
		}
		r.regexRest = end
		if !r.wazuh {
			r.report(n)
		}
		r.store(n, captures)
	}
}

// extracts tells whether the decoder takes fields out.
func (n *node) extracts() bool { return n.regex != nil || n.plugin != nil || n.json != nil }

func (r *run) plugin(n *node) {
	if n.json != nil {
		n.json.decode(r.d, r.d.Log[r.from(n.json.offset):])
	} else {
		n.plugin(r.d)
	}
	r.d.Rewritten = true
}

func (r *run) from(o offset) int {
	switch o {
	case afterParent:
		return r.parentRest
	case afterPrematch:
		return r.childRest
	case afterRegex:
		return r.regexRest
	}
	return 0
}

func (r *run) store(n *node, captures []string) {
	for i, s := range n.order {
		switch {
		case i == len(captures):
			return
		case n.regex.places && captures[i] == "":
		case s.dynamic == "":
			r.d.Set(s.field, captures[i])
		case r.wazuh:
			r.d.AddDynamic(s.dynamic, captures[i])
		default:
			r.d.SetDynamic(s.dynamic, captures[i])
		}
	}
}

func (r *run) report(n *node) {
	r.d.Decoder, r.d.Parent, r.d.Leaf, r.d.DecoderID = n.reported, n.parent, n.name, n.id
	r.d.Category, r.d.FTS, r.d.Accumulate = n.category, n.fts, n.accumulate
}
