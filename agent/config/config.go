// Package config reads what an agent is to do, in the words of ossec.conf and agent.conf:
//
//	<ossec_config>                                 <agent_config os= name= profile=>   as far as it is for this host
//	  <client>     <uplink> <config-profile> …       <localfile> <syscheck> <rootcheck> <labels>
//	  <labels>     <label key=…>
//	  <localfile>  <location> <log_format> …       a part that no file speaks of: the built-in default for this system
//	  <syscheck>   <directories> <ignore> …
//	  <rootcheck>  <rootkit_files> …
//
// Several files add up in their order: lists grow, of single settings the last counts, of two entries for one file or directory the first.
// Relative paths begin at the first file's folder, or above it if that is etc/, as /var/ossec is.
// What belongs to parts that are not here is named by Config.Unused; what nobody knows is a fault with its place, and all faults come at once.
package config

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"time"

	"github.com/yagura-hids/yagura/agent/logcollector"
	"github.com/yagura-hids/yagura/agent/rootcheck"
	"github.com/yagura-hids/yagura/agent/syscheck"
	"github.com/yagura-hids/yagura/internal/osxml"
)

// Config is what an agent does.
type Config struct {
	Client    Client
	Sources   []logcollector.Source
	Syscheck  syscheck.Config
	Rootcheck rootcheck.Config
	Hash      string   // of all that was read: the version that the agent reports; 12 hexadecimal digits
	BuiltIn   []string // the sections that no file speaks of: localfile, syscheck, rootcheck
	Unused    []string // what was there and has no effect
	Notes     []string // with their places: entries that were left out, for being there before, of another system, or not allowed
}

// Client is what the <client> sections say, and <labels>.
type Client struct {
	Uplink         string            // kinesis:STREAM, file:DIRECTORY, http://… or https://…; "" for none
	Region         string            // of AWS; "" for what the environment or the instance says
	Profiles       []string          // config-profile
	Central        string            // path in SSM's Parameter Store below which central configuration is looked for, by profile; "" for none
	RemoteCommands bool              // central configuration may name commands to run
	Labels         map[string]string // what the operator says of the host
	Heartbeat      time.Duration     // notify_time; 0 for 10 minutes
	Gather         time.Duration     // how long events wait for more, so that batches are large and cheap; 0 for 5 s
	SpoolSize      int64             // bytes; 0 for 512 MiB
}

// Text is one file of configuration.
type Text struct {
	Name    string // for messages
	Source  []byte
	Central bool // it came over the network: made of <agent_config>, and its commands are refused unless <remote_commands> allows them
}

// Host is what the configuration depends on.
type Host struct {
	System string   // as GOOS: "linux"; "" for the one that this runs on
	Name   string   // what name= is looked for in
	OS     []string // descriptions of the system; os= is looked for in each
	Root   string   // where the built-in default looks for logs: a folder laid out like /; "" for / itself
}

// Read parses the files of these names, then the central texts. Its error is a *osxml.FaultError with all faults, or tells which file could
// not be read.
func Read(host Host, names []string, central ...Text) (*Config, error) {
	var texts []Text
	for _, name := range names {
		src, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("configuration: %w", err)
		}
		texts = append(texts, Text{Name: name, Source: src})
	}
	return Parse(host, append(texts, central...)...)
}

// Parse is Read of texts at hand. No text at all gives the built-in default.
func Parse(host Host, texts ...Text) (*Config, error) {
	r := newReader(host)
	if len(texts) > 0 && !texts[0].Central {
		r.home = home(texts[0].Name)
	}
	for _, t := range texts {
		roots, err := osxml.Parse(t.Name, t.Source)
		r.faults.Append(t.Name, err)
		if len(roots) == 0 && err == nil && !t.Central {
			r.faults.Add(osxml.Pos{File: t.Name}, "write <ossec_config> around it", "the file holds no configuration")
		}
		for _, root := range roots {
			r.add(t, root)
		}
	}
	r.read()
	r.defaults()
	r.config.Hash = hash(texts)
	return r.config, r.faults.Err()
}

// hash returns a short hash of all that was read, as it was read.
func hash(texts []Text) string {
	sum := sha256.New()
	for _, t := range texts {
		sum.Write(binary.BigEndian.AppendUint64(nil, uint64(len(t.Source))))
		sum.Write(t.Source)
	}
	return hex.EncodeToString(sum.Sum(nil)[:6])
}
