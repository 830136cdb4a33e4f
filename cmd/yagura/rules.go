package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/yagura-hids/yagura/internal/osxml"
	"github.com/yagura-hids/yagura/internal/ruleset"
	"github.com/yagura-hids/yagura/internal/ruletest"
	"github.com/yagura-hids/yagura/rules"
)

type rulesTestCmd struct {
	rulesFlags
	Cases   []string `arg:"" optional:"" help:"Files of cases (.ini), folders of them, or a ruleset's folder, whose cases are in its tests/." type:"path" placeholder:"DIR"`
	Verbose bool     `short:"v" help:"Name the rules that no case reaches."`
	JSON    bool     `help:"One JSON object a line: each log's outcome, then the sum."`
}

// Help adds what the flags don't say.
func (rulesTestCmd) Help() string {
	return `Without arguments it runs the built-in cases; with --rules they show what a ruleset of your own changes. A case in a .ini file:

  [a failed login]
  log 1 pass = Nov 23 10:00:00 web1 sshd[7]: Failed password for root from 198.51.100.7 port 22 ssh2
  rule = 5716
  alert = 5
  decoder = sshd

OSSEC's and Wazuh's own cases are of this form, too:

  yagura rules test                                          the built-in rules
  yagura rules test /etc/yagura/rules                        your own, with the cases in its tests/
  yagura rules test --rules /var/ossec ossec-testing/tests   OSSEC's rules with OSSEC's cases

Exit code 0: all cases hold; 1: some don't; 2: cases or rules have faults, or there are none.`
}

// Run tries all cases, and tells which fail and what they reach.
func (c rulesTestCmd) Run() error {
	cases, err := c.cases()
	var faults *osxml.FaultError
	if err != nil && !errors.As(err, &faults) {
		return &codeError{2, err}
	}
	conf, set, err := c.load()
	if err != nil {
		return &codeError{2, err}
	}
	t := &caseRun{rulesTestCmd: c, set: set, covered: map[int]bool{}, out: safeOnTerminal(os.Stdout), bar: newCaseBar(len(cases), c.JSON)}
	for _, test := range cases {
		outcomes, err := ruletest.Run(set, c.options(conf), test, t.covered)
		if err != nil {
			return err
		}
		t.note(outcomes)
	}
	_ = t.bar.Finish() // a bar that can't be drawn is no reason to stop
	if err := t.sum(len(cases)); err != nil {
		return err
	}
	switch {
	case faults != nil:
		return &codeError{2, fmt.Errorf("%s in the cases, which were not run:\n%w", count(len(faults.Faults), "fault"), faults)}
	case t.failed > 0:
		return &codeError{code: 1}
	}
	return nil
}

// cases finds the tests: those that are named, or the built-in ones. A folder that is a ruleset is tested with itself.
func (c *rulesTestCmd) cases() ([]ruletest.Case, error) {
	if len(c.Cases) == 0 {
		return ruletest.Read(rules.FS, "tests")
	}
	var cases []ruletest.Case
	var faults osxml.Faults
	for _, name := range c.Cases {
		if _, err := os.Stat(name); err != nil {
			return nil, fmt.Errorf("look for cases: %w", err)
		}
		if info, err := os.Stat(filepath.Join(name, "tests")); err == nil && info.IsDir() {
			if c.Rules == "" && c.Conf == "" {
				c.Rules = name
			}
			name = filepath.Join(name, "tests")
		}
		list, err := ruletest.Read(osFS{}, shorter(name))
		if err != nil && !errors.As(err, new(*osxml.FaultError)) {
			return nil, err
		}
		faults.Append(name, err)
		cases = append(cases, list...)
	}
	return cases, faults.Err()
}

// osFS is the system's files by the names that a shell knows.
type osFS struct{}

// Open opens a file.
func (osFS) Open(name string) (fs.File, error) { return os.Open(name) }

// shorter returns a path as the user would write it: relative to the working directory, if that's below it.
func shorter(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	if rel, err := filepath.Rel(here, path); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return path
}

// newCaseBar is a bar on standard error, for cases that last, where a person watches.
func newCaseBar(cases int, quiet bool) *progressbar.ProgressBar {
	if quiet || !term.IsTerminal(int(os.Stderr.Fd())) {
		return progressbar.DefaultSilent(int64(cases))
	}
	return progressbar.NewOptions(cases, progressbar.OptionSetWriter(os.Stderr), progressbar.OptionSetDescription("testing"),
		progressbar.OptionShowCount(), progressbar.OptionFullWidth(), progressbar.OptionThrottle(drawEvery), progressbar.OptionClearOnFinish())
}

// caseRun is what came of the cases so far.
type caseRun struct {
	rulesTestCmd
	set          *ruleset.Set
	covered      map[int]bool
	out          io.Writer
	bar          *progressbar.ProgressBar
	logs, failed int
	err          error
}

// caseOutcome is an outcome as --json shows it.
type caseOutcome struct {
	Kind   string           `json:"kind"`
	File   string           `json:"file"`
	Line   int              `json:"line"`
	Case   string           `json:"case"`
	Number string           `json:"number"`
	Log    string           `json:"log"`
	Want   ruletest.Verdict `json:"want"`
	Not    bool             `json:"not,omitempty"` // anything but what is wanted
	Got    ruletest.Verdict `json:"got"`
	OK     bool             `json:"ok"`
}

func (t *caseRun) note(outcomes []ruletest.Outcome) {
	for _, o := range outcomes {
		t.logs++
		if !o.OK {
			t.failed++
		}
		switch {
		case t.JSON:
			t.keep(json.NewEncoder(t.out).Encode(caseOutcome{
				"log", o.Log.Pos.File, o.Log.Pos.Line, o.Case.Name, o.Log.Number, o.Log.Text, o.Case.Want(), o.Log.Fail, o.Got, o.OK,
			}))
		case !o.OK:
			_ = t.bar.Clear() // as Finish
			_, err := fmt.Fprintln(t.out, clean(o.String()))
			t.keep(err)
		}
	}
	_ = t.bar.Add(1) // as Finish
}

func (t *caseRun) keep(err error) { t.err = errors.Join(t.err, err) }

// caseSum is the last line of --json.
type caseSum struct {
	Kind    string                  `json:"kind"`
	Cases   int                     `json:"cases"`
	Logs    int                     `json:"logs"`
	Failed  int                     `json:"failed"`
	Rules   int                     `json:"rules"`
	Reached int                     `json:"reached"`
	Files   []ruletest.FileCoverage `json:"files"`
}

// sum shows the coverage of each file, and the whole.
func (t *caseRun) sum(cases int) error {
	s := caseSum{Kind: "sum", Cases: cases, Logs: t.logs, Failed: t.failed, Files: ruletest.Coverage(t.set, t.covered)}
	wide := 0
	for _, f := range s.Files {
		s.Rules += f.Rules
		s.Reached += f.Reached
		wide = max(wide, len(f.File))
	}
	if t.JSON {
		return errors.Join(t.err, json.NewEncoder(t.out).Encode(s))
	}
	var b strings.Builder
	for _, f := range s.Files {
		fmt.Fprintf(&b, "%-*s %5d of %4d rules reached\n", wide, f.File, f.Reached, f.Rules)
		if t.Verbose && len(f.Missing) > 0 {
			b.WriteString(wrapped("    no case reaches", f.Missing))
		}
	}
	fmt.Fprintf(&b, "%s, %s: %d passed, %d failed; %d of %d rules reached\n", count(cases, "case"), count(t.logs, "log"), t.logs-t.failed, t.failed,
		s.Reached, s.Rules)
	_, err := io.WriteString(t.out, b.String())
	return errors.Join(t.err, err)
}

// wrapped writes numbers after a text, in lines of 100 columns.
func wrapped(text string, numbers []int) string {
	var b strings.Builder
	line := text
	for _, n := range numbers {
		word := fmt.Sprintf(" %d", n)
		if len(line)+len(word) > 100 {
			b.WriteString(line + "\n")
			line = strings.Repeat(" ", len(text))
		}
		line += word
	}
	return b.String() + line + "\n"
}
