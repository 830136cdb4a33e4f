// Package program is how yagura-agent and yagura-relay are called: a word, its flags, an exit code.
//
//	yagura-agent status --json ─► Command "status" ─► Flags, Run ─► 0 done, 1 a fault, 2 a wrong call, or a code of the command's own
//
// The flags are read by the standard library: a parser that calls methods by name would keep the whole AWS SDK in the program, and that in memory.
package program

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// Program is a program of several commands.
type Program struct {
	Name        string
	Version     string
	Description string // what it does, and which commands to try first
	Commands    []Entry
}

// Entry is one word that may follow the program's name.
type Entry struct {
	Name string
	Help string // a sentence
	More string // more of it; may be ""
	Make func() Command
}

// Command is what such a word does.
type Command interface {
	// Flags declares what the command takes.
	Flags(f *flag.FlagSet)
	// Run does it. Its error is told; a CodeError chooses the exit code, others give 1.
	Run(ctx context.Context) error
}

// CodeError is an error that wants an exit code of its own. One without a text says nothing.
type CodeError struct {
	Code int
	Err  error
}

func (e *CodeError) Error() string { return e.Err.Error() }

func (e *CodeError) Unwrap() error { return e.Err }

// Silent is an error that only chooses the exit code: what is wrong was shown.
func Silent(code int) error { return &CodeError{code, errors.New("")} }

// Main does what the arguments say, until that is done or the process is told to end, and returns the exit code.
func (p *Program) Main(args []string) int {
	word := "help"
	if len(args) > 0 {
		word = strings.TrimLeft(args[0], "-")
	}
	switch word {
	case "help", "h":
		p.usage(os.Stdout)
		return 0
	case "version":
		Say(os.Stdout, "%s %s\n", p.Name, p.Version)
		return 0
	}
	for _, c := range p.Commands {
		if c.Name == word {
			return p.call(c, args[1:])
		}
	}
	return p.fail(p.WrongCall("", "unknown command %q", args[0]))
}

func (p *Program) call(c Entry, args []string) int {
	cmd := c.Make()
	f := p.flags(cmd, c)
	switch err := f.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		f.SetOutput(os.Stdout)
		f.Usage()
		return 0
	case err != nil:
		return p.fail(p.WrongCall(c.Name, "%w", err))
	case f.NArg() > 0:
		return p.fail(p.WrongCall(c.Name, "unexpected %q", f.Arg(0)))
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, cancel) // a second Ctrl-C ends the program at once
	return p.fail(cmd.Run(ctx))
}

// WrongCall is the error of a call that can't be meant so; it says where to look.
func (p *Program) WrongCall(command, format string, args ...any) error {
	return &CodeError{2, fmt.Errorf(format+"\nTry: "+p.Name+" %s", append(args, strings.TrimSpace(command+" --help"))...)}
}

// flags returns the parser of a command. It says nothing by itself.
func (p *Program) flags(cmd Command, c Entry) *flag.FlagSet {
	f := flag.NewFlagSet(c.Name, flag.ContinueOnError)
	f.SetOutput(io.Discard)
	cmd.Flags(f)
	f.Usage = func() {
		out := f.Output()
		Say(out, "Usage: %s %s [flags]\n\n%s\n", p.Name, c.Name, c.Help)
		if c.More != "" {
			Say(out, "\n%s\n", c.More)
		}
		Say(out, "\nFlags:\n")
		f.VisitAll(func(x *flag.Flag) {
			value, text := flag.UnquoteUsage(x)
			if x.DefValue != "" && x.DefValue != "false" {
				text += " (" + x.DefValue + ")"
			}
			Say(out, "  %-18s %s\n", strings.TrimSpace("--"+x.Name+" "+strings.ToUpper(value)), text)
		})
	}
	return f
}

func (p *Program) usage(w io.Writer) {
	Say(w, "Usage: %s COMMAND [flags]\n\n%s\nCommands:\n", p.Name, p.Description)
	for _, c := range p.Commands {
		Say(w, "  %-10s %s\n", c.Name, c.Help)
	}
	Say(w, "  %-10s %s\n", "version", "Show the version.")
	Say(w, "\n%s COMMAND --help tells more of one.\n", p.Name)
}

// Say writes to a screen: nobody can be told that telling failed.
func Say(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }

// Warn tells the operator of something, under the program's name.
func (p *Program) Warn(msg string) { Say(os.Stderr, "%s: %s\n", p.Name, msg) }

// fail tells the user of an error and returns its exit code.
func (p *Program) fail(err error) int {
	if err == nil {
		return 0
	}
	if text := err.Error(); text != "" {
		p.Warn(text)
	}
	var code *CodeError
	if errors.As(err, &code) {
		return code.Code
	}
	return 1
}

// Size writes a number of bytes for people.
func Size(n int64) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%d GiB", n>>30)
	case n >= 10<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 10<<10:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}
