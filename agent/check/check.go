// Package check finds out whether an agent could do its work on this host, and says what to do where it could not.
//
//	configuration ─► faults, what is left out ─┬─► logs, directories: can they be read?
//	                                           ├─► state: can it be written, is there room for the spool?
//	                                           ├─► credentials ─► clock ─► uplink ─► central configuration
//	                                           └─► what the service's own sandbox hides
//
// It changes nothing, here or at the other end.
package check

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/yagura-hids/yagura/agent/config"
	"github.com/yagura-hids/yagura/internal/osxml"
)

// Verdict says how a result is to be taken.
type Verdict string

// The verdicts: all is well; it runs, but perhaps not as meant; it won't work.
const (
	OK   Verdict = "ok"
	Warn Verdict = "warn"
	Fail Verdict = "fail"
)

// Result is one thing that was looked at.
type Result struct {
	Name    string  `json:"name"` // "log /var/log/auth.log"
	Verdict Verdict `json:"verdict"`
	Seen    string  `json:"seen"`           // what there is; may have several lines
	Hint    string  `json:"hint,omitempty"` // the way out
}

// Options say what to look at.
type Options struct {
	Files []string     // of the configuration
	State string       // folder of the spool
	Host  config.Host  // this one
	Agent string       // its id
	HTTP  *http.Client // for the clock; nil for http's own
	Now   func() time.Time
}

// Failed tells whether something won't work.
func Failed(list []Result) bool {
	return slices.ContainsFunc(list, func(r Result) bool { return r.Verdict == Fail })
}

// Run looks at everything. What can't be looked at because of an earlier failure is left out.
func Run(ctx context.Context, o Options) []Result {
	c := newChecker(o)
	c.configuration()
	if c.conf == nil {
		return c.results
	}
	c.logs(ctx)
	c.directories()
	c.state()
	c.aws(ctx)
	c.uplink(ctx)
	c.central(ctx)
	c.sandbox(ctx)
	return c.results
}

// Sender looks at what all need that send: the state folder and its room, credentials, the clock, the uplink. Files and Host say nothing here.
func Sender(ctx context.Context, o Options, client config.Client) []Result {
	c := newChecker(o)
	c.conf = &config.Config{Client: client}
	c.state()
	c.aws(ctx)
	c.uplink(ctx)
	return c.results
}

func newChecker(o Options) *checker {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.HTTP == nil {
		o.HTTP = http.DefaultClient
	}
	return &checker{Options: o}
}

type checker struct {
	Options
	conf    *config.Config // nil if it is faulty
	region  string         // of AWS, "" if AWS is out of reach, or not needed
	results []Result
}

func (c *checker) add(name string, v Verdict, hint, seen string, args ...any) {
	if len(args) > 0 {
		seen = fmt.Sprintf(seen, args...)
	}
	c.results = append(c.results, Result{name, v, seen, hint})
}

func (c *checker) configuration() {
	const name = "configuration"
	var files []string
	for _, f := range c.Files {
		if _, err := os.Stat(f); errors.Is(err, fs.ErrNotExist) {
			c.add(name, Warn, "write it; enough is <ossec_config><client><uplink>kinesis:STREAM</uplink></client></ossec_config>", "%s is not there: the built-in default holds", f)
			continue
		}
		files = append(files, f)
	}
	conf, err := config.Read(c.Host, files)
	var faults *osxml.FaultError
	switch {
	case errors.As(err, &faults):
		c.add(name, Fail, "mend these places; the agent does not start with them, and a running one keeps the configuration that it has", "%v", err)
		return
	case err != nil:
		c.add(name, Fail, "run this as root", "%v", err)
		return
	}
	c.conf, c.Files = conf, files
	c.add(name, OK, "", "%d logs, %d directories; hash %s", len(conf.Sources), len(conf.Syscheck.Directories), conf.Hash)
	if len(conf.BuiltIn) > 0 {
		c.add(name, OK, "", "built-in default for %s", strings.Join(conf.BuiltIn, ", "))
	}
	if len(conf.Notes) > 0 {
		c.add(name, Warn, "see that these entries are meant so", "%s", strings.Join(conf.Notes, "\n"))
	}
	if len(conf.Unused) > 0 {
		c.add(name, OK, "", "without effect: %s", strings.Join(conf.Unused, ", "))
	}
}
