package decoder

import (
	"github.com/yagura-hids/yagura/internal/osxml"
	"github.com/yagura-hids/yagura/internal/pattern"
)

// Builder gathers the decoders of several files. The zero value is empty.
type Builder struct {
	Wazuh bool // the files are in Wazuh's dialect, not in OSSEC's; see wazuh.go. It is for before the first Add

	faults osxml.Faults
	nodes  []*node
	tree   Tree
	number func(*pattern.Pattern) int
}

// NewBuilder returns a builder. number gives each pattern its place in the ruleset's index.
func NewBuilder(number func(*pattern.Pattern) int) *Builder {
	return &Builder{number: number, tree: Tree{ids: map[string]int{}}}
}

// Add reads a file's elements, variables expanded, and returns how many decoders it holds.
// Parents come before their children, in this or an earlier file.
func (b *Builder) Add(roots []*osxml.Element) int {
	count := 0
	for _, e := range roots {
		d := declare(e, b.Wazuh, &b.faults)
		if d == nil {
			continue
		}
		count++
		n := b.compile(d)
		if d.parent == "" {
			b.addTop(n)
		} else {
			b.addChild(d, n)
		}
	}
	return count
}

// Build returns the linked tree, or every fault of every file added.
func (b *Builder) Build() (*Tree, error) {
	b.tree.wazuh = b.Wazuh
	for i, name := range builtin {
		b.identify(name, len(b.nodes)+1+i)
	}
	b.tree.open()
	return &b.tree, b.faults.Err()
}

func (b *Builder) compile(d *declaration) *node {
	n := &node{
		name: d.name, reported: d.name, parent: d.parent, pos: d.pos, category: d.kind, fts: d.fts, plugin: plugins[d.plugin],
		accumulate: d.accumulate, id: len(b.nodes) + 1,
	}
	if d.plugin == jsonPlugin {
		n.json = &d.json
	}
	b.nodes = append(b.nodes, n)
	if d.parent == "" {
		n.program = b.condition(d, d.program, pattern.OSMatch)
	}
	n.prematch = b.condition(d, d.prematch, pattern.OSRegex)
	n.regex = b.condition(d, d.regex, pattern.OSRegex)
	if n.regex != nil && !n.regex.Captures() && !b.Wazuh {
		b.faults.Add(d.regex.pos, "put what you want between ( and )", "decoder %s: the regex captures nothing", d.name)
	}
	for _, word := range d.order {
		n.order = append(n.order, d.slot(word))
	}
	return n
}

func (b *Builder) condition(d *declaration, x *expression, dialect pattern.Dialect) *condition {
	if x == nil {
		return nil
	}
	if x.pcre {
		dialect = pattern.PCRE
	}
	c := &condition{offset: x.offset}
	var err error
	if b.Wazuh {
		err = c.compileWazuh(dialect, x)
	} else {
		c.Pattern, err = pattern.Compile(dialect, x.text)
	}
	if err != nil {
		b.faults.Add(x.pos, "", "decoder %s: %v", d.name, err)
		return nil
	}
	c.number = b.number(c.Pattern)
	return c
}

// identify returns the id of the decoders that report that name: the first one's, here offered.
func (b *Builder) identify(name string, offered int) int {
	if id := b.tree.ids[name]; id != 0 {
		return id
	}
	b.tree.ids[name] = offered
	return offered
}

func (b *Builder) addTop(n *node) {
	n.id = b.identify(n.name, n.id)
	if n.program != nil {
		b.tree.named = append(b.tree.named, n)
	} else {
		b.tree.unnamed = append(b.tree.unnamed, n)
	}
	if b.Wazuh && n.program != nil && n.program.Source() == "" && !n.program.negate && n.prematch != nil {
		twin := *n // an empty program_name also accepts the empty program of ": text"
		b.tree.unnamed = append(b.tree.unnamed, &twin)
	}
}

// addChild hangs the child below every top-level decoder of its parent's name, and behind its elder of the same name.
func (b *Builder) addChild(d *declaration, child *node) {
	if d.useOwnName {
		child.id = b.identify(d.name, child.id)
	} else {
		child.reported, child.id = d.parent, b.tree.ids[d.parent]
		if _, taken := b.tree.ids[d.name]; !taken {
			b.tree.ids[d.name] = 0 // a known word for decoded_as that never matches
		}
	}
	found := false
	for _, list := range [][]*node{b.tree.named, b.tree.unnamed} {
		for _, top := range list {
			if top.name != d.parent {
				continue
			}
			own := *child // each parent has its own chains
			b.hang(d, top, &own, !found)
			found = true
		}
	}
	if !found {
		b.faults.Add(d.pos, "declare the parent before it; a parent has no parent itself", "decoder %s: no top-level decoder %q", d.name, d.parent)
	}
}

// hang puts the child below one parent. Faults are told for the first parent only.
func (b *Builder) hang(d *declaration, top, child *node, first bool) {
	for _, elder := range top.children {
		if elder.name != child.name || elder.follower != nil {
			continue
		}
		elder.follower, child.inChain = child, true
		switch {
		case !first:
		case child.prematch != nil || len(child.fts) > 0:
			b.faults.Add(d.pos, "give it another name, or remove them", "decoder %s continues one of the same name and can't have a prematch or fts", d.name)
		case b.Wazuh && elder.extracts() && child.extracts():
		case child.regex == nil || elder.regex == nil || child.regex.Dialect() != elder.regex.Dialect():
			b.faults.Add(d.pos, "use regex in both, or pcre2 in both", "decoder %s continues one of the same name and needs its kind of regex", d.name)
		}
		break
	}
	if first && d.regex != nil && d.regex.offset == afterRegex && !child.inChain && child.prematch == nil {
		b.faults.Add(d.regex.pos, "put a decoder of the same name before it", "decoder %s: offset after_regex, but no regex before it", d.name)
	}
	top.children = append(top.children, child)
}
