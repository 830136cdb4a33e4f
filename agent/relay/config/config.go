// Package config reads what a relay is to do, in the words of ossec.conf:
//
//	<ossec_config>
//	  <remote>  <connection> <port> <protocol> <allowed-ips> …   a listener; without any, OSSEC's agents on 1514, by UDP and TCP
//	  <auth>    <port> <use_password> <password> …               enrolment; without it, there is none
//	  <client>  <uplink> <region> <spool_size> …                 where events go, as yagura-agent has it
//	  <relay>   <fleet> <name> <health_port> …                   what OSSEC has no words for
//
// Other sections belong to others and are left to them. What is faulty in these has its place, and all faults come at once. Relative paths begin
// at the file's folder.
package config

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	agent "github.com/yagura-hids/yagura/agent/config"
	"github.com/yagura-hids/yagura/internal/osxml"
)

// Config is what a relay does.
type Config struct {
	Remotes []Remote // at most one that is not of syslog, and 16 in all
	Auth    Auth
	Client  agent.Client // of it Uplink, Region, Gather and SpoolSize
	Relay   Relay
	Unused  []string // what was there and has no effect, as "auth <purge>"
}

// Remote is one <remote>: a port on which agents or syslog are listened to.
type Remote struct {
	Syslog      bool           // else it is for OSSEC's agents
	UDP, TCP    bool           // at least one of them
	Port        uint16         // never 0
	Address     netip.Addr     // local_ip, to which it is bound; not valid for all of IPv4 and IPv6
	Allowed     []netip.Prefix // of syslog: who may send; at least one
	Denied      []netip.Prefix // of syslog: who may not, whatever Allowed says
	Ciphers     Ciphers        // of agents: crypto_accept
	Certificate string         // of syslog by TCP: a file in PEM, which makes it TLS; "" for plain text
	Key         string         // the certificate's
}

// Ciphers says what agents may encrypt with.
type Ciphers string

// The ciphers.
const (
	Both     Ciphers = "both"
	AES      Ciphers = "aes"
	Blowfish Ciphers = "blowfish"
)

// Auth is <auth>: enrolment, as authd does it.
type Auth struct {
	Enabled     bool   // there is an <auth>, and it isn't disabled
	Port        uint16 // 1515
	UseSourceIP bool   // a key is bound to the address that asked for it; else it is for any
	Password    string // where it is: "file:/PATH", its first line, or "ssm:NAME", a parameter of AWS. "" for none: whoever asks gets a key
	Certificate string // ssl_manager_cert, a file in PEM; "" for one that the relay makes and signs itself
	Key         string // ssl_manager_key; "" as above
	OldTLS      bool   // ssl_auto_negotiate: TLS 1.0 and 1.1, too, for hosts that know no better
	CA          string // ssl_agent_ca: whoever asks must have a certificate of these; "" for no matter who
}

// Relay is <relay>.
type Relay struct {
	Name            string // of this relay, in hosts' status and commands; "" for the host's own
	Fleet           string // DynamoDB's table of agents; "" where the fleet is on this machine
	HealthPort      uint16 // a TCP port that answers HTTP as long as all is well; 0 for none
	StrictFreshness bool   // a host that comes anew must answer to a number first, so that nobody can play what it said before
}

// What is so if nothing is said.
const (
	SecurePort = 1514
	SyslogPort = 514
	AuthPort   = 1515
	MaxRemotes = 16
)

// Read parses a file. Its error is a *osxml.FaultError with all faults, or tells why the file can't be read.
func Read(file string) (*Config, error) {
	src, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	return Parse(file, src)
}

// Parse is Read of a text at hand. An empty one gives the defaults.
func Parse(file string, src []byte) (*Config, error) {
	r := &reader{config: &Config{Auth: Auth{Port: AuthPort}}, dir: filepath.Dir(file)}
	roots, err := osxml.Parse(file, src)
	r.faults.Append(file, err)
	for _, root := range roots {
		if root.Name != "ossec_config" {
			r.faults.Add(root.Pos, "write <ossec_config> around it", "<%s> is no configuration", root.Name)
			continue
		}
		for _, e := range root.Children {
			r.section(e)
		}
	}
	if len(r.config.Remotes) == 0 {
		r.config.Remotes = []Remote{{UDP: true, TCP: true, Port: SecurePort, Ciphers: Both}}
	}
	r.collisions()
	return r.config, r.faults.Err()
}

func (r *reader) section(e *osxml.Element) {
	switch strings.ToLower(e.Name) {
	case "remote":
		r.remote(e)
	case "auth":
		r.auth(e)
	case "client":
		agent.ReadClient(e, &r.config.Client, &r.faults)
	case "relay":
		r.relay(e)
	}
}

// Secure returns the listener of OSSEC's agents, nil if there is none.
func (c *Config) Secure() *Remote {
	if i := slices.IndexFunc(c.Remotes, func(l Remote) bool { return !l.Syslog }); i >= 0 {
		return &c.Remotes[i]
	}
	return nil
}
