package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"golang.org/x/term"

	"github.com/yagura-hids/yagura/internal/logtest"
	"github.com/yagura-hids/yagura/internal/statestore"
)

type logtestCmd struct {
	rulesFlags
	Verbose  bool        `short:"v" help:"Show each rule that is tried."`
	Quiet    bool        `short:"q" help:"No words at the start."`
	Unit     string      `short:"U" help:"Expect this of every line, as RULE:LEVEL:DECODER; the exit code tells of the last: 0 as expected, 1 level differs, 2 rule differs, 3 decoder differs, 255 no rule." placeholder:"R:L:D"`
	Explain  explainFlag `help:"Tell why each decoder and rule that was asked did or did not fit: those that nearly did, or with --explain=all all, or with --explain=20 so many of each list." placeholder:"all|N"`
	JSON     bool        `help:"One JSON object a line, instead of the three phases."`
	JSONL    bool        `name:"jsonl" help:"Lines are {\"log\": \"…\", \"t\": seconds since 1970}; t is the event's time, \"priority\" the number of a PRI, and \"kind\" makes it one of an agent: syscheck, rootcheck, command, agent."`
	Isolated bool        `help:"Forget all state between lines." xor:"where"`
	stackFlags
	Check bool `short:"t" help:"Only load the configuration and the ruleset, and tell their faults."`
}

// Help adds what the flags don't say.
func (logtestCmd) Help() string {
	return `Reads log lines from standard input, one event each, until it ends (Ctrl-D). State lasts between lines: paste ten failed logins to see a
composite rule fire.

  echo 'Nov 23 10:00:00 web1 sshd[7]: Failed password for root from 198.51.100.7 port 22 ssh2' | yagura logtest
  yagura logtest --explain < some.log        why this rule, and not that one?

With --aws, lines meet what the counting rules of a stack on AWS remember now. Nothing is changed there.`
}

// explainFlag is a flag with or without a value.
type explainFlag struct {
	on   bool
	most int // as logtest.Options has it
}

// IsBool tells that the flag may stand alone.
func (explainFlag) IsBool() bool { return true }

// Decode reads the flag's value, if it has one.
func (f *explainFlag) Decode(ctx *kong.DecodeContext) error {
	*f = explainFlag{on: true}
	if ctx.Scan.Peek().Type != kong.FlagValueToken {
		return nil
	}
	text := fmt.Sprint(ctx.Scan.Pop().Value)
	if text == "all" {
		f.most = -1
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return fmt.Errorf("want all or a number, not %q", text)
	}
	f.most = n
	return nil
}

// Run judges the lines of standard input.
func (c logtestCmd) Run() error {
	conf, set, err := c.load()
	if err != nil {
		return err
	}
	if c.Check {
		if !c.Quiet {
			fmt.Fprintf(os.Stderr, "good: %d rules, ruleset %s\n", len(set.Rules.Rules()), set.Hash)
		}
		return nil
	}
	var want []string
	if c.Unit != "" {
		if want = strings.Split(c.Unit, ":"); len(want) != 3 {
			return &codeError{1, fmt.Errorf("-U wants RULE:LEVEL:DECODER, like 5716:5:sshd, not %q", c.Unit)}
		}
	}
	if !c.Quiet && !c.JSON {
		fmt.Fprintf(os.Stderr, "yagura logtest: %d rules, ruleset %s\n", len(set.Rules.Rules()), set.Hash)
	}
	if !c.Quiet && term.IsTerminal(int(os.Stdin.Fd())) {
		fmt.Fprintln(os.Stderr, "Type one log per line. Ctrl-D ends.")
	}
	opts := logtest.Options{
		JSONLines: c.JSONL, JSON: c.JSON, Isolated: c.Isolated, Verbose: c.Verbose, Explain: c.Explain.on, Most: c.Explain.most, Analysis: c.options(conf), Now: time.Now,
	}
	if c.AWS {
		ctx := context.Background() // Ctrl-C ends logtest as it is: it may be waiting for a line
		stack, err := c.open(ctx)
		if err != nil {
			return err
		}
		opts.State = statestore.New(ctx, stack, statestore.Options{Now: time.Now}) // never committed
	}
	if want != nil {
		opts.Stop = func(o logtest.Outcome) bool { return o.ExitCode(want[0], want[1], want[2]) == logtest.ExitNoRule }
	}
	got, err := logtest.Run(set, opts, os.Stdin, safeOnTerminal(os.Stdout))
	if err != nil || want == nil {
		return err
	}
	code := got.ExitCode(want[0], want[1], want[2])
	if code == 0 {
		fmt.Println("0")
		return nil
	}
	return &codeError{code: code}
}
