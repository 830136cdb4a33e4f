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
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// version is set by the build.
var version = "dev"

type cli struct {
	Run       runCmd           `cmd:"" help:"Read logs, watch files, look for rootkits; send what is seen. Until stopped."`
	Syscheck  syscheckCmd      `cmd:"" help:"Look at all watched files once, and show what changed."`
	Rootcheck rootcheckCmd     `cmd:"" help:"Look for rootkits once, and hold the host against the policy files."`
	Check     checkCmd         `cmd:"" help:"Find out whether the agent could run here, and what to do if not."`
	Status    statusCmd        `cmd:"" help:"Show what the running agent follows, how far behind it is, and what waits to be sent."`
	Version   versionCmd       `cmd:"" help:"Show the version."`
	Print     kong.VersionFlag `name:"version" hidden:""`
}

const description = `yagura-agent reads this host's logs, watches its files and looks for rootkits, as ossec.conf says, and sends what it sees to a Yagura stack.

  yagura-agent check    could it run? what is missing?
  yagura-agent status   how is the one that runs?`

// places are where things are on this host.
type places struct {
	Conf  string `help:"The configuration, in OSSEC's format (default: ${default})." type:"path" default:"${conf}" env:"YAGURA_AGENT_CONF" placeholder:"FILE"`
	State string `help:"Where the agent keeps what is not sent yet and how far it has read (default: ${default})." type:"path" default:"${state}" env:"YAGURA_AGENT_STATE" placeholder:"DIR"`
}

type socketFlag struct {
	Socket string `help:"Where the running agent answers (default: ${default})." type:"path" default:"${socket}" env:"YAGURA_AGENT_SOCKET" placeholder:"PATH"`
}

// codeError is an error that wants an exit code of its own.
type codeError struct {
	code int
	err  error
}

func (e *codeError) Error() string { return e.err.Error() }

func (e *codeError) Unwrap() error { return e.err }

func main() { os.Exit(run(os.Args[1:])) }

// run returns the exit code: 0 done, 1 a fault, 2 a wrong call, 3 the agent is not running.
func run(args []string) int {
	var c cli
	parser, err := kong.New(&c, kong.Name("yagura-agent"), kong.Description(description), kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Vars{"conf": defaultConf(), "state": defaultState(), "socket": defaultSocket(), "version": "yagura-agent " + version},
		kong.BindToProvider(untilStopped))
	if err != nil {
		return fail(err)
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	ctx, err := parser.Parse(args)
	if err != nil {
		return fail(&codeError{2, fmt.Errorf("%w\nTry: yagura-agent --help", err)})
	}
	return fail(ctx.Run())
}

// untilStopped returns what ends with Ctrl-C or SIGTERM. A second Ctrl-C ends the program at once.
func untilStopped() (context.Context, error) {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, cancel)
	return ctx, nil
}

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

// Run prints the version.
func (versionCmd) Run() error {
	fmt.Println("yagura-agent", version)
	return nil
}
