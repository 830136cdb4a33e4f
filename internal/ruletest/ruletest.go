// Package ruletest runs the test cases that rule authors write, in OSSEC's .ini format:
//
//	[A failed password]
//	log 1 pass = Jan  2 03:04:05 web1 sshd[71]: Failed password for root from 198.51.100.7 port 22 ssh2
//	log 2 fail = Jan  2 03:04:05 web1 sshd[71]: Accepted password for root from 198.51.100.7 port 22 ssh2
//	rule = 5716
//	alert = 5
//	decoder = sshd
//
// Each log meets an empty state; "pass" logs must come to the section's verdict and "fail" logs must not. Logs of the same number are fed one
// after the other, as Wazuh does, and the last one's verdict counts. With "sequence = yes" all logs share one state, one second apart, and only
// the last one's verdict counts; "repeat 2 = 9" feeds log 2 nine times.
//
//	Parse, ReadFile, Read (cases, faults) ─► Judge (outcomes, rules reached) ─► Coverage
package ruletest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/yagura-hids/yagura/internal/analysis"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/osxml"
	"github.com/yagura-hids/yagura/internal/ruleset"
)

// Case is one section of a file.
type Case struct {
	Name                 string
	Pos                  osxml.Pos
	Rule, Level, Decoder string // the verdict expected; Rule "" means none
	Sequence             bool
	Logs                 []Log
}

// Log is one line of a case.
type Log struct {
	Number string
	Text   string
	Fail   bool  // the verdict must be another
	Repeat int   // how often it is fed
	Before []Log // of the same number, fed before it
	Pos    osxml.Pos
}

// Verdict is what a log came to, or should. Rule "" means none.
type Verdict struct {
	Rule    string `json:"rule,omitempty"`
	Level   string `json:"level,omitempty"`
	Decoder string `json:"decoder,omitempty"`
}

// Want returns what the case expects.
func (c Case) Want() Verdict { return Verdict{c.Rule, c.Level, c.Decoder} }

// Outcome is what a log of a case came to.
type Outcome struct {
	Case    Case
	Log     Log
	Got     Verdict
	OK      bool // it's what the case says
	Missing bool // the ruleset has no rule of the id that the case wants
}

// String returns the outcome as file:line: section: what was expected, what came, and the log.
func (o Outcome) String() string {
	not, missing := "", ""
	if o.Log.Fail {
		not = "anything but "
	}
	if o.Missing {
		missing = " (the ruleset has no such rule)"
	}
	return fmt.Sprintf("%s: [%s] log %s: want %s%s%s, got %s\n\t%s", o.Log.Pos, o.Case.Name, o.Log.Number, not, o.Case.Want(), missing, o.Got, o.Log.Text)
}

// String returns "rule 5716 level 5 decoder sshd".
func (v Verdict) String() string {
	if v.Rule == "" {
		return "no rule, decoder " + orNone(v.Decoder)
	}
	return fmt.Sprintf("rule %s level %s decoder %s", v.Rule, v.Level, orNone(v.Decoder))
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// Parse reads a file of cases. Its error is a *osxml.FaultError with all faults; the cases without a fault come with it.
func Parse(file string, in io.Reader) ([]Case, error) {
	p := &parser{file: file}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		p.number++
		p.line(strings.TrimRight(lines.Text(), " \t\r"))
	}
	if err := lines.Err(); err != nil {
		p.fault(osxml.Pos{File: file, Line: p.number + 1, Col: 1}, "", "%v", err)
		p.number++
	}
	for _, c := range p.cases {
		if len(c.Logs) == 0 {
			p.fault(c.Pos, `add "log 1 pass = …"`, "[%s] has no log", c.Name)
		}
		if c.Rule != "" && c.Level == "" {
			p.fault(c.Pos, `add "alert = LEVEL"`, "[%s] has a rule and no alert", c.Name)
		}
	}
	return p.whole(), p.faults.Err()
}

// whole returns the cases that no fault lies in.
func (p *parser) whole() []Case {
	var list []Case
	for i, c := range p.cases {
		end := p.number + 1
		if i+1 < len(p.cases) {
			end = p.cases[i+1].Pos.Line
		}
		if !slices.ContainsFunc(p.lines, func(line int) bool { return line >= c.Pos.Line && line < end }) {
			list = append(list, c)
		}
	}
	return list
}

func (p *parser) fault(pos osxml.Pos, hint, what string, args ...any) {
	p.lines = append(p.lines, pos.Line)
	p.faults.Add(pos, hint, what, args...)
}

// Read parses the files, and of folders all .ini files there. Its error is a *osxml.FaultError, with which the cases without a fault come,
// ErrNoCases, or tells what could not be read.
func Read(fsys fs.FS, names ...string) ([]Case, error) {
	files, err := expand(fsys, names)
	if err != nil {
		return nil, err
	}
	var cases []Case
	var faults osxml.Faults
	for _, name := range files {
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, err
		}
		list, err := Parse(name, bytes.NewReader(text))
		faults.Append(name, err)
		cases = append(cases, list...)
	}
	return cases, faults.Err()
}

func expand(fsys fs.FS, names []string) ([]string, error) {
	var files []string
	for _, name := range names {
		info, err := fs.Stat(fsys, name)
		switch {
		case err != nil:
			return nil, err
		case !info.IsDir():
			files = append(files, name)
			continue
		}
		there, err := fs.Glob(fsys, path.Join(name, "*.ini"))
		if err != nil {
			return nil, err
		}
		if len(there) == 0 {
			return nil, fmt.Errorf("%s: %w", name, ErrNoCases)
		}
		files = append(files, there...)
	}
	return files, nil
}

// ErrNoCases is returned for a folder without .ini files.
var ErrNoCases = errors.New("no cases: write some into .ini files there, yagura rules test --help shows how")

type parser struct {
	file   string
	number int
	cases  []Case
	faults osxml.Faults
	lines  []int // that have faults
}

func (p *parser) line(line string) {
	pos := osxml.Pos{File: p.file, Line: p.number, Col: 1}
	switch {
	case line == "" || line[0] == ';' || line[0] == '#':
	case line[0] == '[' && strings.HasSuffix(line, "]"):
		p.cases = append(p.cases, Case{Name: line[1 : len(line)-1], Pos: pos})
	case len(p.cases) == 0:
		p.fault(pos, "begin with [a name]", "text before the first section")
	default:
		at := strings.IndexAny(line, "=:")
		if at < 0 {
			p.fault(pos, "write key = value", "%q is no setting", line)
			return
		}
		p.setting(&p.cases[len(p.cases)-1], pos, strings.Fields(strings.ToLower(line[:at])), strings.TrimSpace(line[at+1:]))
	}
}

func (p *parser) setting(c *Case, pos osxml.Pos, key []string, value string) {
	switch {
	case len(key) == 3 && key[0] == "log" && (key[2] == "pass" || key[2] == "fail"):
		p.log(c, Log{Number: key[1], Text: value, Fail: key[2] == "fail", Repeat: 1, Pos: pos})
	case len(key) == 2 && key[0] == "repeat":
		p.repeat(c, pos, key[1], value)
	case len(key) == 1 && key[0] == "rule":
		c.Rule = value
	case len(key) == 1 && key[0] == "alert":
		c.Level = value
	case len(key) == 1 && key[0] == "decoder":
		c.Decoder = value
	case len(key) == 1 && key[0] == "sequence":
		c.Sequence = value == "yes"
		if value != "yes" && value != "no" {
			p.fault(pos, "write yes or no", "sequence = %q", value)
		}
	default:
		p.fault(pos, "known are log N pass, log N fail, rule, alert, decoder, sequence, repeat N; before a log goes log 1 pass =", "unknown key %q", strings.Join(key, " "))
	}
}

// log adds a log. One of the same number and kind is fed before it.
func (p *parser) log(c *Case, l Log) {
	i := slices.IndexFunc(c.Logs, func(other Log) bool { return other.Number == l.Number && other.Fail == l.Fail })
	if i < 0 {
		c.Logs = append(c.Logs, l)
		return
	}
	earlier := c.Logs[i]
	l.Before = append(earlier.Before, earlier)
	earlier.Before = nil
	l.Before[len(l.Before)-1] = earlier
	c.Logs[i] = l
}

// maxRepeat is how often a log may be fed.
const maxRepeat = 100_000

func (p *parser) repeat(c *Case, pos osxml.Pos, number, value string) {
	n, err := strconv.Atoi(value)
	i := slices.IndexFunc(c.Logs, func(l Log) bool { return l.Number == number })
	switch {
	case err != nil || n < 1 || n > maxRepeat:
		p.fault(pos, fmt.Sprintf("write a number from 1 to %d", maxRepeat), "repeat %s = %q", number, value)
	case i < 0:
		p.fault(pos, "put it behind that log", "there is no log %s", number)
	default:
		c.Logs[i].Repeat = n
	}
}

// Run tries a case against a ruleset. It returns what its logs came to, and marks in covered the rules that the verdicts reached.
func Run(set *ruleset.Set, opts analysis.Options, c Case, covered map[int]bool) ([]Outcome, error) {
	r := runner{engine: analysis.New(set, opts), state: analysis.NewMemory(0), covered: covered}
	id, err := strconv.Atoi(c.Rule)
	missing := c.Rule != "" && (err != nil || set.Rules.Rule(id) == nil)
	var list []Outcome
	for i, l := range c.Logs {
		if !c.Sequence {
			r.state = analysis.NewMemory(0)
		}
		got, err := r.feed(l)
		if err != nil {
			return list, err
		}
		if !c.Sequence || i == len(c.Logs)-1 {
			list = append(list, Outcome{Case: c, Log: l, Got: got, OK: got.is(c) != l.Fail, Missing: missing})
		}
	}
	return list, nil
}

// is tells whether the verdict is the one that the case expects. A case may leave the decoder out.
func (v Verdict) is(c Case) bool {
	return v.Rule == c.Rule && (c.Rule == "" || v.Level == c.Level) && (c.Decoder == "" || strings.EqualFold(v.Decoder, c.Decoder))
}

type runner struct {
	engine  *analysis.Engine
	state   *analysis.Memory
	covered map[int]bool
	seq     uint64
}

// start is the time of a case's first log: a Monday morning.
var start = time.Date(2024, time.January, 1, 10, 0, 0, 0, time.UTC)

// feed judges a log, after those that come before it, and returns the last verdict.
func (r *runner) feed(l Log) (got Verdict, err error) {
	for _, l := range slices.Concat(l.Before, []Log{l}) {
		for range l.Repeat {
			if got, err = r.judge(l.Text); err != nil {
				return got, fmt.Errorf("%s: %w", l.Pos, err)
			}
		}
	}
	return got, nil
}

func (r *runner) judge(text string) (Verdict, error) {
	ev := event.Event{
		ID: event.ID{Agent: "ruletest", Seq: r.seq}, Time: start.Add(time.Duration(r.seq) * time.Second), Location: "stdin", Text: text,
	}
	r.seq++
	v, err := r.engine.Analyze(&ev, r.state)
	if err != nil {
		return Verdict{}, err
	}
	got := Verdict{Decoder: v.Decoded.Decoder}
	if v.Rule != nil {
		got.Rule, got.Level = strconv.Itoa(v.Rule.ID), strconv.Itoa(v.Rule.Level)
		for _, id := range v.Matched {
			r.covered[id] = true
		}
	}
	return got, nil
}
