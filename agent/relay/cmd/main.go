// Command yagura-relay takes what unmodified OSSEC agents and appliances send, and sends it to a Yagura stack.
//
//	yagura-relay run     do that until stopped
//	yagura-relay check   find out whether it could, and say what to do if not
//	yagura-relay status  what came in and what became of it, which hosts, what waits, what was sent
package main

import (
	"flag"
	"os"

	"github.com/yagura-hids/yagura/agent/program"
)

// version is set by the build.
var version = "dev"

const description = `yagura-relay is what OSSEC's agents and senders of syslog have for a server. It keeps no alerts and judges nothing: what they send goes to a
Yagura stack, where their keys are, too (yagura agents --aws).

  yagura-relay check    could it run here? what is missing?
  yagura-relay status   how is the one that runs?
`

var self = program.Program{Name: "yagura-relay", Version: version, Description: description, Commands: []program.Entry{
	{Name: "run", Help: "Take what agents and appliances send, and send it on. Until stopped.", More: runHelp, Make: func() program.Command { return &runCmd{} }},
	{Name: "check", Help: "Find out whether the relay could run here, and what to do if not.", More: checkHelp, Make: func() program.Command { return &checkCmd{} }},
	{Name: "status", Help: "Show what came in and what became of it, and what waits to be sent.", More: statusHelp, Make: func() program.Command { return &statusCmd{} }},
}}

func main() { os.Exit(self.Main(os.Args[1:])) }

func warn(msg string) { program.Say(os.Stderr, "yagura-relay: %s\n", msg) }

// places are where things are on this host.
type places struct{ conf, state, socket string }

func (p *places) Flags(f *flag.FlagSet) {
	f.StringVar(&p.conf, "conf", "/etc/yagura/relay.conf", "the configuration `file`, in OSSEC's format")
	f.StringVar(&p.state, "state", "/var/lib/yagura-relay", "the `folder` of what is not sent yet, and of what is known of hosts")
	socketFlag(f, &p.socket)
}

func socketFlag(f *flag.FlagSet, into *string) {
	f.StringVar(into, "socket", "/run/yagura-relay/relay.sock", "the `path` where the running relay answers")
}
