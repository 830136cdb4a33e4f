package rootcheck

import (
	"strings"

	"github.com/yagura-hids/yagura/internal/osxml"
	"github.com/yagura-hids/yagura/internal/pattern"
)

// audience is what a policy file is for: it begins the texts of its findings.
type audience string

const (
	systemAudit    audience = "System Audit:"
	windowsAudit   audience = "Windows Audit:"
	windowsMalware audience = "Windows Malware:"
	windowsApp     audience = "Application Found:"
)

// builtin are the policies that hold if the configuration names none. Each asks by itself whether it's for this system.
var builtin = map[audience][]string{
	systemAudit: {"system_audit.txt", "hardening_debian.txt", "hardening_redhat.txt", "hardening_amazon.txt"},
}

// policy is a policy file:
//
//	$name=value;                                                       stands for a whole value below
//	[Title] [any|all|any required|all required] [reference]
//	f:file,file;            f:file,file -> pattern;                    a file is there, or has a line
//	d:dir,dir;              d:dir,dir -> name;   d:dir -> name -> pattern;   the same of files below a directory
//	p:pattern;                                                         a process runs
//	r:key;                  r:key -> entry;      r:key -> entry -> pattern;  a key, entry or value of the registry
//
// A ! before the value, or on either side of the test's letter, turns a test round.
type policy struct{ entries []*entry }

// entry is a title with its tests.
type entry struct {
	title, reference string
	all, required    bool
	broken           bool // it couldn't be read, or one of all its tests: it holds never, for it would hold too often
	tests            []test
}

// test is a line below a title.
type test struct {
	kind    byte // f, d, p or r
	negated bool
	values  []string       // f, d: paths; r: keys
	name    *name          // d: which files; nil for the directory itself
	entry   string         // r; with a ! before it, it must not be there
	pattern *policyPattern // nil if only presence counts
}

// name is what d: says of the names of files.
type name struct{ p *pattern.Pattern }

// policyPattern holds for a file if it holds for one of its lines; if all parts are negated, if it holds for all of its lines.
type policyPattern struct {
	parts      []part
	allNegated bool
}

// part is one of the parts between " && ".
type part struct {
	negated bool
	op      byte             // '=' equal but for case, '<' the line is greater, '>' the line is smaller, 'r'
	text    string           // of = < >
	regex   *pattern.Pattern // of r
}

// parser is the state of reading one policy file.
type parser struct {
	faults *osxml.Faults
	vars   map[string]string
	policy *policy
}

// parsePolicy reads a policy file. Lines that can't be read become faults, and an entry with such a line holds never.
func parsePolicy(file, text string, faults *osxml.Faults) *policy {
	p := &parser{faults: faults, vars: map[string]string{}, policy: &policy{}}
	eachLine(file, text, faults, func(pos osxml.Pos, line string) {
		switch line[0] {
		case '$':
			p.variable(pos, line)
		case '[':
			p.title(pos, line)
		default:
			p.test(pos, line)
		}
	})
	return p.policy
}

func (p *parser) variable(pos osxml.Pos, line string) {
	name, value, ok := strings.Cut(line, "=")
	value, _, ok2 := strings.Cut(value, ";")
	if !ok || !ok2 || value == "" {
		p.faults.Add(pos, "write: $name=value;", "no variable")
		return
	}
	p.vars[strings.TrimSpace(name)] = strings.TrimSpace(value)
}

// title reads [Title] [condition] [reference], of which the last may be missing.
func (p *parser) title(pos osxml.Pos, line string) {
	title, rest, ok := strings.Cut(line[1:], "]")
	condition, rest, ok2 := bracketed(rest)
	reference, _, _ := bracketed(rest)
	e := &entry{title: strings.TrimSpace(title), reference: strings.TrimSpace(reference)}
	p.policy.entries = append(p.policy.entries, e)
	words := strings.Fields(strings.ToLower(condition))
	e.required = len(words) == 2 && words[1] == "required"
	known := ok && ok2 && e.title != "" && (len(words) == 1 || e.required) && (words[0] == "any" || words[0] == "all")
	if !known {
		e.broken = true
		p.faults.Add(pos, "write: [Title] [any|all|any required|all required] [reference]", "no entry: its tests are left out")
		return
	}
	e.all = words[0] == "all"
}

// bracketed cuts [text] off the beginning of s.
func bracketed(s string) (text, rest string, ok bool) {
	s, ok = strings.CutPrefix(strings.TrimLeft(s, " \t"), "[")
	if !ok {
		return "", s, false
	}
	return strings.Cut(s, "]")
}

func (p *parser) test(pos osxml.Pos, line string) {
	if len(p.policy.entries) == 0 {
		p.faults.Add(pos, "write a line [Title] [any] [] before it", "a test without an entry")
		return
	}
	e := p.policy.entries[len(p.policy.entries)-1]
	kind, value, ok := strings.Cut(line, ":")
	value, _, ok2 := strings.Cut(value, ";")
	letter := strings.Trim(kind, "!")
	if !ok || !ok2 || len(letter) != 1 || !strings.Contains("fdpr", letter) || strings.Trim(value, " \t!") == "" {
		p.spoiled(e, pos, "write: f:file -> pattern; or the like with d:, p: or r:", "no test")
		return
	}
	t := test{kind: letter[0], negated: len(kind)%2 == 0}
	if rest, ok := strings.CutPrefix(strings.TrimSpace(value), "!"); ok {
		value, t.negated = rest, !t.negated
	}
	if err := p.parts(&t, value); err != nil {
		p.spoiled(e, pos, "", err.Error())
		return
	}
	e.tests = append(e.tests, t)
}

// spoiled notes that a test can't be made. Of any, the others will do.
func (p *parser) spoiled(e *entry, pos osxml.Pos, hint, what string) {
	left := "this test"
	if e.all {
		left, e.broken = "the entry", true
	}
	p.faults.Add(pos, hint, "%s; %s is left out of '%s'", what, left, e.title)
}
