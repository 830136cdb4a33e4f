// Package ruletest runs the test cases that rule authors write, in OSSEC's .ini format:
//
//	[A failed password]
//	log 1 pass = Jan  2 03:04:05 web1 sshd[71]: Failed password for root from 198.51.100.7 port 22 ssh2
//	log 2 fail = Jan  2 03:04:05 web1 sshd[71]: Accepted password for root from 198.51.100.7 port 22 ssh2
//	rule = 5716
//	alert = 5
//	decoder = sshd
//
// Each log meets an empty state; "pass" logs must come to the section's verdict and "fail" logs must not. A log may have several lines, each
// with the same key: they share one state, one second apart, and only the last one's verdict counts, as in Wazuh's tests. With
// "sequence = yes" all logs of the section share one; "repeat 2 = 9" feeds log 2 nine times.
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

// Log is what is fed to an engine: one line, or several.
type Log struct {
	Number string
	Before []string // its lines but the last
	Text   string
	Fail   bool // the verdict must be another
	Repeat int  // how often it is fed
	Pos    osxml.Pos
}

// Failure is a log whose verdict is not what its case says.
type Failure struct {
	Case Case
	Log  Log
	Got  string // "rule 5716 level 5 decoder sshd"
}

// String returns the failure as file:line: section: what was expected, what came, and the log.
func (f Failure) String() string {
	not := ""
	if f.Log.Fail {
		not = "anything but "
	}
	return fmt.Sprintf("%s: [%s] log %s: want %s%s, got %s\n\t%s", f.Log.Pos, f.Case.Name, f.Log.Number, not,
		describe(f.Case.Rule, f.Case.Level, f.Case.Decoder), f.Got, f.Log.Text)
}

func describe(rule, level, decoder string) string {
	if rule == "" {
		return "no rule, decoder " + orNone(decoder)
	}
	return fmt.Sprintf("rule %s level %s decoder %s", rule, level, orNone(decoder))
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// Parse reads a file of cases. Its error is a *osxml.FaultError with all faults.
func Parse(file string, in io.Reader) ([]Case, error) {
	p := &parser{file: file}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		p.number++
		p.line(strings.TrimRight(lines.Text(), " \t\r"))
	}
	if err := lines.Err(); err != nil {
		p.faults.Add(osxml.Pos{File: file, Line: p.number + 1, Col: 1}, "", "%v", err)
	}
	for _, c := range p.cases {
		if len(c.Logs) == 0 {
			p.faults.Add(c.Pos, `add "log 1 pass = …"`, "[%s] has no log", c.Name)
		}
		if c.Rule != "" && c.Level == "" {
			p.faults.Add(c.Pos, `add "alert = LEVEL"`, "[%s] has a rule and no alert", c.Name)
		}
	}
	return p.cases, p.faults.Err()
}

// Read parses all .ini files of a folder. Its error is a *osxml.FaultError, ErrNoCases, or tells what could not be read.
func Read(fsys fs.FS, dir string) ([]Case, error) {
	names, err := fs.Glob(fsys, path.Join(dir, "*.ini"))
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, ErrNoCases
	}
	var cases []Case
	var faults osxml.Faults
	for _, name := range names {
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

// ErrNoCases is returned for a folder without .ini files.
var ErrNoCases = errors.New("no cases: write some into .ini files there, yagura rules test --help shows how")

type parser struct {
	file   string
	number int
	cases  []Case
	faults osxml.Faults
}

func (p *parser) line(line string) {
	pos := osxml.Pos{File: p.file, Line: p.number, Col: 1}
	switch {
	case line == "" || line[0] == ';' || line[0] == '#':
	case line[0] == '[' && strings.HasSuffix(line, "]"):
		p.cases = append(p.cases, Case{Name: line[1 : len(line)-1], Pos: pos})
	case len(p.cases) == 0:
		p.faults.Add(pos, "begin with [a name]", "text before the first section")
	default:
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			p.faults.Add(pos, "write key = value", "%q is no setting", line)
			return
		}
		p.setting(&p.cases[len(p.cases)-1], pos, strings.Fields(key), strings.TrimSpace(value))
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
			p.faults.Add(pos, "write yes or no", "sequence = %q", value)
		}
	default:
		p.faults.Add(pos, "known are log N pass, log N fail, rule, alert, decoder, sequence, repeat N", "unknown key %q", strings.Join(key, " "))
	}
}

func (p *parser) log(c *Case, l Log) {
	i := slices.IndexFunc(c.Logs, func(other Log) bool { return other.Number == l.Number })
	switch {
	case i >= 0 && c.Logs[i].Fail == l.Fail:
		known := &c.Logs[i]
		known.Before, known.Text = append(known.Before, known.Text), l.Text
		return
	case i >= 0:
		p.faults.Add(l.Pos, "give it a number of its own", "[%s] has two logs %s", c.Name, l.Number)
	}
	c.Logs = append(c.Logs, l)
}

func (p *parser) repeat(c *Case, pos osxml.Pos, number, value string) {
	n, err := strconv.Atoi(value)
	i := slices.IndexFunc(c.Logs, func(l Log) bool { return l.Number == number })
	switch {
	case err != nil || n < 1:
		p.faults.Add(pos, "write a number from 1", "repeat %s = %q", number, value)
	case i < 0:
		p.faults.Add(pos, "put it behind that log", "there is no log %s", number)
	default:
		c.Logs[i].Repeat = n
	}
}

// Run tries a case against a ruleset. It returns the logs that failed, and marks in covered the rules that the verdicts reached.
func Run(set *ruleset.Set, opts analysis.Options, c Case, covered map[int]bool) ([]Failure, error) {
	r := runner{engine: analysis.New(set, opts), state: analysis.NewMemory(0), covered: covered}
	var failures []Failure
	for i, l := range c.Logs {
		if !c.Sequence {
			r.state = analysis.NewMemory(0)
		}
		var got verdict
		var err error
		for range l.Repeat {
			for _, text := range slices.Concat(l.Before, []string{l.Text}) {
				if got, err = r.judge(text); err != nil {
					return failures, fmt.Errorf("%s: %w", l.Pos, err)
				}
			}
		}
		if c.Sequence && i < len(c.Logs)-1 {
			continue
		}
		if got.is(c) == l.Fail {
			failures = append(failures, Failure{Case: c, Log: l, Got: describe(got.rule, got.level, got.decoder)})
		}
	}
	return failures, nil
}

type verdict struct{ rule, level, decoder string }

// is tells whether the verdict is the one that the case expects. A case may leave the decoder out.
func (v verdict) is(c Case) bool {
	return v.rule == c.Rule && (c.Rule == "" || v.level == c.Level) && (c.Decoder == "" || strings.EqualFold(v.decoder, c.Decoder))
}

type runner struct {
	engine  *analysis.Engine
	state   *analysis.Memory
	covered map[int]bool
	seq     uint64
}

// start is the time of a case's first log: a Monday morning.
var start = time.Date(2024, time.January, 1, 10, 0, 0, 0, time.UTC)

func (r *runner) judge(text string) (verdict, error) {
	ev := event.Event{
		ID: event.ID{Agent: "ruletest", Seq: r.seq}, Time: start.Add(time.Duration(r.seq) * time.Second), Location: "stdin", Text: text,
	}
	r.seq++
	v, err := r.engine.Analyze(&ev, r.state)
	if err != nil {
		return verdict{}, err
	}
	got := verdict{decoder: v.Decoded.Decoder}
	if v.Rule != nil {
		got.rule, got.level = strconv.Itoa(v.Rule.ID), strconv.Itoa(v.Rule.Level)
		for _, id := range v.Matched {
			r.covered[id] = true
		}
	}
	return got, nil
}
