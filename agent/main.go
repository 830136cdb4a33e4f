// Command yagura-agent runs on a host: it reads logs, watches files and looks for rootkits, and sends what it sees to a Yagura stack.
//
//	yagura-agent run        do that until stopped
//	yagura-agent check      find out whether it could, and say what to do if not
//	yagura-agent status     what is followed, how far behind, what waits, what was sent
//	yagura-agent syscheck   look at all files once
//	yagura-agent rootcheck  look for rootkits once
package main

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

// version is set by the build.
var version = "dev"

const description = `yagura-agent reads this host's logs, watches its files and looks for rootkits, as ossec.conf says, and sends what it sees to a Yagura stack.

  yagura-agent check    could it run here? what is missing?
  yagura-agent status   how is the one that runs?
`

// command is one word that may follow the program's name. The flags are read by the standard library: a parser that calls methods by name would
// keep the whole AWS SDK in the program, and that in memory.
type command interface {
	// flags declares what the command takes.
	flags(f *flag.FlagSet)
	// run does it. Its error is told; a codeError chooses the exit code, others give 1.
	run(ctx context.Context) error
}

var commands = []struct {
	name, help, more string
	make             func() command
}{
	{"run", "Read logs, watch files, look for rootkits, send what is seen. Until stopped.", runHelp, func() command { return &runCmd{} }},
	{"check", "Find out whether the agent could run here, and what to do if not.", checkHelp, func() command { return &checkCmd{} }},
	{"status", "Show what the running agent does, how far behind it is, and what waits to be sent.", statusHelp, func() command { return &statusCmd{} }},
	{"syscheck", "Look at all watched files once (--once), and show what changed.", syscheckHelp, func() command { return &syscheckCmd{} }},
	{"rootcheck", "Look for rootkits once (--once), and hold the host against the policy files.", rootcheckHelp, func() command { return &rootcheckCmd{} }},
	{"version", "Show the version.", "", func() command { return versionCmd{} }},
}

// places are where things are on this host.
type places struct{ conf, state string }

func (p *places) flags(f *flag.FlagSet) {
	f.StringVar(&p.conf, "conf", defaultConf(), "the configuration `file`, in OSSEC's format")
	f.StringVar(&p.state, "state", defaultState(), "the `folder` of what is not sent yet, and of how far has been read")
}

func socketFlag(f *flag.FlagSet, into *string) {
	f.StringVar(into, "socket", defaultSocket(), "the `path` where the running agent answers")
}

// codeError is an error that wants an exit code of its own.
type codeError struct {
	code int
	err  error
}

func (e *codeError) Error() string { return e.err.Error() }

func (e *codeError) Unwrap() error { return e.err }

func main() { os.Exit(run(os.Args[1:])) }

// run returns the exit code: 0 done, 1 a fault, 2 a wrong call, or what the command's help says.
func run(args []string) int {
	word := "help"
	if len(args) > 0 {
		word = strings.TrimLeft(args[0], "-")
	}
	if word == "help" || word == "h" {
		usage(os.Stdout)
		return 0
	}
	for _, c := range commands {
		if c.name != word {
			continue
		}
		cmd := c.make()
		f := flags(cmd, c.name, c.help, c.more)
		switch err := f.Parse(args[1:]); {
		case errors.Is(err, flag.ErrHelp):
			f.SetOutput(os.Stdout)
			f.Usage()
			return 0
		case err != nil:
			return fail(wrongCall(c.name, "%w", err))
		case f.NArg() > 0:
			return fail(wrongCall(c.name, "unexpected %q", f.Arg(0)))
		}
		ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		context.AfterFunc(ctx, cancel) // a second Ctrl-C ends the program at once
		return fail(cmd.run(ctx))
	}
	return fail(wrongCall("", "unknown command %q", args[0]))
}

func wrongCall(command, format string, args ...any) error {
	return &codeError{2, fmt.Errorf(format+"\nTry: yagura-agent %s", append(args, strings.TrimSpace(command+" --help"))...)}
}

// flags returns the parser of a command. It says nothing by itself.
func flags(cmd command, name, help, more string) *flag.FlagSet {
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	f.SetOutput(io.Discard)
	cmd.flags(f)
	f.Usage = func() {
		out := f.Output()
		say(out, "Usage: yagura-agent %s [flags]\n\n%s\n", name, help)
		if more != "" {
			say(out, "\n%s\n", more)
		}
		say(out, "\nFlags:\n")
		f.VisitAll(func(x *flag.Flag) {
			value, text := flag.UnquoteUsage(x)
			if x.DefValue != "" && x.DefValue != "false" {
				text += " (" + x.DefValue + ")"
			}
			say(out, "  %-18s %s\n", strings.TrimSpace("--"+x.Name+" "+strings.ToUpper(value)), text)
		})
	}
	return f
}

func usage(w io.Writer) {
	say(w, "Usage: yagura-agent COMMAND [flags]\n\n%s\nCommands:\n", description)
	for _, c := range commands {
		say(w, "  %-10s %s\n", c.name, c.help)
	}
	say(w, "\nyagura-agent COMMAND --help tells more of one.\n")
}

// say writes to a screen: nobody can be told that telling failed.
func say(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }

// fail tells the user of an error and returns its exit code.
func fail(err error) int {
	if err == nil {
		return 0
	}
	if text := err.Error(); text != "" {
		warn(text)
	}
	var code *codeError
	if errors.As(err, &code) {
		return code.code
	}
	return 1
}

func warn(msg string) { fmt.Fprintln(os.Stderr, "yagura-agent: "+msg) }

type versionCmd struct{}

func (versionCmd) flags(*flag.FlagSet) {}

func (versionCmd) run(context.Context) error {
	fmt.Println("yagura-agent", version)
	return nil
}
