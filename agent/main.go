// Command yagura-agent runs on a host: it reads logs, watches files and looks for rootkits, and sends what it sees to a Yagura stack.
//
//	yagura-agent run        do that until stopped
//	yagura-agent check      find out whether it could, and say what to do if not
//	yagura-agent status     what is followed, how far behind, what waits, what was sent
//	yagura-agent syscheck   look at all files once
//	yagura-agent rootcheck  look for rootkits once
package main

import (
	"flag"
	"os"

	"github.com/yagura-hids/yagura/agent/program"
)

// version is set by the build.
var version = "dev"

const description = `yagura-agent reads this host's logs, watches its files and looks for rootkits, as ossec.conf says, and sends what it sees to a Yagura stack.

  yagura-agent check    could it run here? what is missing?
  yagura-agent status   how is the one that runs?
`

var self = program.Program{Name: "yagura-agent", Version: version, Description: description, Commands: []program.Entry{
	{Name: "run", Help: "Read logs, watch files, look for rootkits, send what is seen. Until stopped.", More: runHelp, Make: func() program.Command { return &runCmd{} }},
	{Name: "check", Help: "Find out whether the agent could run here, and what to do if not.", More: checkHelp, Make: func() program.Command { return &checkCmd{} }},
	{Name: "status", Help: "Show what the running agent does, how far behind it is, and what waits to be sent.", More: statusHelp, Make: func() program.Command { return &statusCmd{} }},
	{Name: "syscheck", Help: "Look at all watched files once (--once), and show what changed.", More: syscheckHelp, Make: func() program.Command { return &syscheckCmd{} }},
	{Name: "rootcheck", Help: "Look for rootkits once (--once), and hold the host against the policy files.", More: rootcheckHelp, Make: func() program.Command { return &rootcheckCmd{} }},
}}

// places are where things are on this host.
type places struct{ conf, state string }

func (p *places) flags(f *flag.FlagSet) {
	f.StringVar(&p.conf, "conf", defaultConf(), "the configuration `file`, in OSSEC's format")
	f.StringVar(&p.state, "state", defaultState(), "the `folder` of what is not sent yet, and of how far has been read")
}

func socketFlag(f *flag.FlagSet, into *string) {
	f.StringVar(into, "socket", defaultSocket(), "the `path` where the running agent answers")
}

func main() { os.Exit(self.Main(os.Args[1:])) }

func warn(msg string) { program.Say(os.Stderr, "yagura-agent: %s\n", msg) }
