package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/yagura-hids/yagura/agent/rootcheck"
	"github.com/yagura-hids/yagura/agent/syscheck"
	"github.com/yagura-hids/yagura/rules"
)

type syscheckCmd struct {
	places
	Once bool `required:"" help:"Look once, then end. (The running agent looks by its schedule.)"`
	Fast bool `help:"As fast as the machine can; else within the budget of the configuration. For images."`
}

// Help adds what the flags don't say.
func (syscheckCmd) Help() string {
	return `What changed since the last time is kept in the spool, and sent when the agent runs. The first time all files are recorded. When an image
is made, this saves its instances the reading: they send what the image has, and look for differences.`
}

// Run scans once.
func (c syscheckCmd) Run(ctx context.Context) (err error) {
	h, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	s, err := syscheck.New(h.conf.Syscheck, syscheck.Options{Spool: h.spool, Report: warn})
	if err != nil {
		return err
	}
	start := time.Now()
	stats, err := s.Scan(ctx, c.Fast)
	if err != nil {
		return err
	}
	fmt.Printf("%d files, %s read in %s; %d changes, which wait in the spool with %d events\n", stats.Looked, size(stats.Bytes),
		time.Since(start).Round(time.Millisecond), stats.Changes, h.spool.Stats().Events)
	return nil
}

type rootcheckCmd struct {
	places
	Once bool `required:"" help:"Look once, then end. (The running agent looks by its schedule.)"`
	JSON bool `help:"Show findings as JSON lines."`
}

// Help adds what the flags don't say.
func (rootcheckCmd) Help() string {
	return `Shows all that is found, as fast as the machine can; nothing is kept or sent. Exit codes: 0 nothing found, 1 something.`
}

// Run checks once.
func (c rootcheckCmd) Run(ctx context.Context) error {
	h, err := c.look(ctx)
	if err != nil {
		return err
	}
	r, err := rootcheck.New(h.conf.Rootcheck, rootcheck.Options{Databases: rules.Rootcheck, Report: warn})
	if err != nil {
		return err
	}
	findings, err := r.Once(ctx)
	if err != nil {
		return err
	}
	for _, f := range findings {
		if c.JSON {
			err = json.NewEncoder(os.Stdout).Encode(f)
		} else {
			_, err = fmt.Printf("%-12s %s\n", f.Check, f.Text)
		}
		if err != nil {
			return err
		}
	}
	if len(findings) > 0 {
		return &codeError{1, errors.New("")}
	}
	return nil
}

// spoolPath is the file of what waits, and of what the readers remember.
func (p places) spoolPath() string { return filepath.Join(p.State, "agent.db") }
