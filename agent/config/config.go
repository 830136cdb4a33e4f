// Package config reads what an agent is to do, in the words of ossec.conf and agent.conf:
//
//	<ossec_config>                                 <agent_config os= name= profile=>   as far as it is for this host
//	  <client>     <uplink> <config-profile> …       <localfile> <syscheck> <rootcheck>
//	  <localfile>  <location> <log_format> …
//	  <syscheck>   <directories> <ignore> …        a part that no file speaks of: the built-in default for this system
//	  <rootcheck>  <rootkit_files> …
package config

import (
	"time"

	"github.com/yagura-hids/yagura/agent/logcollector"
	"github.com/yagura-hids/yagura/agent/rootcheck"
	"github.com/yagura-hids/yagura/agent/syscheck"
)

// Config is what an agent does.
type Config struct {
	Client    Client
	Sources   []logcollector.Source
	Syscheck  syscheck.Config
	Rootcheck rootcheck.Config
	Hash      string   // of all that was read: the version that the agent reports
	Unused    []string // what was there and has no effect
}

// Client is what the <client> sections say.
type Client struct {
	Uplink    string            // kinesis:STREAM, file:DIRECTORY, http://… or https://…
	Region    string            // of AWS; "" for what the environment or the instance says
	Profiles  []string          // config-profile
	Central   string            // path in SSM's Parameter Store below which central configuration is looked for, by profile; "" for none
	Labels    map[string]string // what the operator says of the host
	Heartbeat time.Duration     // notify_time; 0 for 10 minutes
	SpoolSize int64             // bytes; 0 for 512 MiB
}
