// Command yagura is the operator's one tool: it watches a machine, replays old logs, and tries rules.
//
//	yagura local     watch this machine's logs, warn here and in alerts.log/alerts.json
//	yagura replay    run old logs through the rules
//	yagura send      send logs to the stack on AWS
//	yagura alerts    list what was found
//	yagura agents    give OSSEC's agents keys, see them, tell them things
//	yagura syscheck  see what changed in files, and keep their baselines
//	yagura logtest   see how a line is decoded and judged
//	yagura rules     check, test and show rules
//	yagura cost      model what Yagura on AWS costs
//	yagura up        run the whole AWS stack on this machine
//	yagura import    bring an OSSEC or Wazuh installation's rules and settings
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
	Local    localCmd    `cmd:"" help:"Watch this machine's logs and journal; warn of attacks."`
	Replay   replayCmd   `cmd:"" help:"Run old logs through the rules, with the logs' own times."`
	Send     sendCmd     `cmd:"" help:"Send logs to the stack on AWS, with the logs' own times."`
	Alerts   alertsCmd   `cmd:"" help:"List the alerts that were stored, and filter them."`
	Agents   agentsCmd   `cmd:"" help:"OSSEC's agents and syslog's hosts: add, list, remove, restart, configure them."`
	Syscheck syscheckCmd `cmd:"" help:"What changed in files: list and show it, keep the baselines."`
	Logtest  logtestCmd  `cmd:"" help:"Show how log lines are decoded and judged."`
	Rules    struct {
		Check rulesCheckCmd `cmd:"" help:"Find faults in a ruleset, and what is likely wrong."`
		Test  rulesTestCmd  `cmd:"" help:"Run the test cases (.ini) of a ruleset."`
		Show  rulesShowCmd  `cmd:"" help:"Show a rule, what is around it, and its tests."`
	} `cmd:"" help:"Work on rules."`
	Up      upCmd            `cmd:"" help:"Run the whole AWS stack on this machine, without an account."`
	Import  importCmd        `cmd:"" help:"Bring the rules and settings of an OSSEC or Wazuh installation."`
	Cost    costCmd          `cmd:"" help:"Model what Yagura on AWS costs."`
	Version versionCmd       `cmd:"" help:"Show the version."`
	Print   kong.VersionFlag `name:"version" hidden:""`
}

const description = `Yagura is OSSEC without the server: it reads logs, decodes and judges them with OSSEC's own XML decoders and rules, and warns you.

  yagura local                            watch this machine
  yagura replay /var/log/auth.log.1       what would it have found last week?
  yagura logtest                          what does this line mean?`

// codeError is an error that wants an exit code of its own.
type codeError struct {
	code int
	err  error
}

func (e *codeError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *codeError) Unwrap() error { return e.err }

func main() { os.Exit(run(os.Args[1:])) }

// run returns the exit code: 0 done, 1 a fault, 2 a wrong call, or what the command defines.
func run(args []string) int {
	for _, key := range []string{"YAGURA_CONF", "YAGURA_RULES"} {
		if os.Getenv(key) == "" {
			_ = os.Unsetenv(key) // kong would take an empty path for the working directory
		}
	}
	var c cli
	parser, err := kong.New(&c, kong.Name("yagura"), kong.Description(description), kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Vars{"data": defaultData(), "parts": defaultParts(), "imported": defaultImport(), "version": "yagura " + version}, kong.BindToProvider(untilStopped))
	if err != nil {
		return fail(err)
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	ctx, err := parser.Parse(args)
	if err != nil {
		return fail(&codeError{2, fmt.Errorf("%w\nTry: %s --help", err, command(err))})
	}
	return fail(ctx.Run())
}

// untilStopped returns what ends with Ctrl-C or SIGTERM. A second Ctrl-C ends the program at once.
func untilStopped() (context.Context, error) {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, cancel)
	return ctx, nil
}

// command returns the command that a wrong call was for, as far as it was understood.
func command(err error) string {
	var wrong *kong.ParseError
	if errors.As(err, &wrong) && wrong.Context != nil && wrong.Context.Selected() != nil {
		return wrong.Context.Selected().FullPath()
	}
	return "yagura"
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

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run() error {
	fmt.Println("yagura", version)
	return nil
}
