package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/yagura-hids/yagura/agent/agentd"
	"github.com/yagura-hids/yagura/agent/program"
	"github.com/yagura-hids/yagura/agent/rootcheck"
	"github.com/yagura-hids/yagura/agent/syscheck"
	buckets "github.com/yagura-hids/yagura/internal/syscheck"
	"github.com/yagura-hids/yagura/rules"
)

type syscheckCmd struct {
	places
	socket     string
	once, fast bool
	resend     string
}

const syscheckHelp = `What changed since the last time is kept in the spool, and sent when the agent runs. The first time all files are recorded. When an image
is made, this saves its instances the reading: they send what the image has, and look for differences.
With --resend the running agent tells again what it knows of files, for a server that knows something else; no file is looked at.`

func (c *syscheckCmd) Flags(f *flag.FlagSet) {
	c.places.flags(f)
	onceFlag(f, &c.once)
	socketFlag(f, &c.socket)
	f.StringVar(&c.resend, "resend", "", "have the running agent tell again what it knows of all files, or of those in some `buckets`: all, or 17,200")
	f.BoolVar(&c.fast, "fast", false, "as fast as the machine can, for images; else within the budget of the configuration")
}

func onceFlag(f *flag.FlagSet, into *bool) {
	f.BoolVar(into, "once", false, "look once, then end; the running agent looks by its schedule")
}

func (c *syscheckCmd) Run(ctx context.Context) (err error) {
	if c.resend != "" {
		list, err := buckets.ParseBuckets(c.resend)
		if err != nil {
			return self.WrongCall("syscheck", "--resend: %w", err)
		}
		return agentd.AskResend(ctx, c.socket, list)
	}
	if !c.once {
		return self.WrongCall("syscheck", "--once or --resend is missing: the running agent looks by its schedule")
	}
	h, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	s, err := syscheck.New(h.config.Syscheck, syscheck.Options{Spool: h.spool, Report: warn})
	if err != nil {
		return err
	}
	start := time.Now()
	stats, err := s.Scan(ctx, c.fast)
	if err != nil {
		return err
	}
	fmt.Printf("%d files, %s read in %s; %d changes, which wait in the spool with %d events\n", stats.Looked, program.Size(stats.Bytes),
		time.Since(start).Round(time.Millisecond), stats.Changes, h.spool.Stats().Events)
	return nil
}

type rootcheckCmd struct {
	places
	once, json bool
}

const rootcheckHelp = `Shows all that is found, as fast as the machine can; nothing is kept or sent. Exit codes: 0 nothing found, 1 something.`

func (c *rootcheckCmd) Flags(f *flag.FlagSet) {
	c.places.flags(f)
	onceFlag(f, &c.once)
	f.BoolVar(&c.json, "json", false, "show findings as JSON lines")
}

func (c *rootcheckCmd) Run(ctx context.Context) error {
	if !c.once {
		return self.WrongCall("rootcheck", "--once is missing: the running agent looks by its schedule")
	}
	h, err := c.look(ctx)
	if err != nil {
		return err
	}
	r, err := rootcheck.New(h.config.Rootcheck, rootcheck.Options{Databases: rules.Rootcheck, Report: warn})
	if err != nil {
		return err
	}
	findings, err := r.Once(ctx)
	if err != nil {
		return err
	}
	for _, f := range findings {
		if c.json {
			err = json.NewEncoder(os.Stdout).Encode(f)
		} else {
			_, err = fmt.Printf("%-12s %s\n", f.Check, f.Text)
		}
		if err != nil {
			return err
		}
	}
	if len(findings) > 0 {
		return program.Silent(1)
	}
	return nil
}

// spoolPath is the file of what waits, and of what the readers remember.
func (p places) spoolPath() string { return filepath.Join(p.state, "agent.db") }
