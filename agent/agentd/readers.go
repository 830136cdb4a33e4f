package agentd

import (
	"context"

	"github.com/yagura-hids/yagura/agent/config"
	"github.com/yagura-hids/yagura/agent/rootcheck"
	"github.com/yagura-hids/yagura/agent/syscheck"
)

// run does a reader's work until ctx ends.
type run = func(ctx context.Context) error

const partSyscheck = "syscheck"

// parts returns the readers that conf asks for, by name.
func (a *Agent) parts(conf *config.Config) map[string]*reader {
	out := map[string]*reader{}
	if len(conf.Sources) > 0 {
		out["logs"] = &reader{name: "logs", conf: conf.Sources, begin: func() (run, func() any, error) {
			return a.beginLogs(conf.Sources)
		}}
	}
	if !conf.Syscheck.Disabled && len(conf.Syscheck.Directories)+len(conf.Syscheck.Registry) > 0 {
		out[partSyscheck] = &reader{name: partSyscheck, conf: conf.Syscheck, begin: func() (run, func() any, error) {
			s, err := syscheck.New(conf.Syscheck, syscheck.Options{Spool: a.opts.Spool, Report: a.opts.Report, Now: a.opts.Now})
			if err != nil {
				return nil, nil, err
			}
			a.syscheck = s // start holds mu
			return s.Run, func() any { return s.Stats() }, nil
		}}
	}
	if !conf.Rootcheck.Disabled {
		out["rootcheck"] = &reader{name: "rootcheck", conf: conf.Rootcheck, begin: func() (run, func() any, error) {
			r, err := rootcheck.New(conf.Rootcheck, rootcheck.Options{Spool: a.opts.Spool, Databases: a.opts.Databases, Report: a.opts.Report, Now: a.opts.Now})
			if err != nil {
				return nil, nil, err
			}
			return r.Run, func() any { return r.Stats() }, nil
		}}
	}
	return out
}
