package main

import (
	"context"
	"time"

	"github.com/yagura-hids/yagura/internal/baseline"
	"github.com/yagura-hids/yagura/internal/table"
)

// syscheckCmd shows what the server knows of the hosts' files. What they are to check now is told them by yagura agents syscheck.
type syscheckCmd struct {
	fleetFlags

	List     syscheckListCmd `cmd:"" help:"List what changed, the newest first: the same change of many hosts is one line."`
	Show     syscheckShowCmd `cmd:"" help:"Show a file as each host has it, and its history."`
	Baseline struct {
		List   baselineListCmd   `cmd:"" help:"List the baselines."`
		Export baselineExportCmd `cmd:"" help:"Write a baseline to a file, to be kept or compared."`
		Import baselineImportCmd `cmd:"" help:"Make what a file says an agent's baseline."`
		Accept baselineAcceptCmd `cmd:"" help:"Begin to count an agent's changes anew."`
		Clear  baselineClearCmd  `cmd:"" help:"Forget what is known of an agent's files; the history stays."`
	} `cmd:"" help:"What the server knows of an agent's files."`
	Maintenance maintenanceCmd `cmd:"" help:"Windows in which changes are expected, and quiet."`
}

// Help adds what the flags don't say.
func (syscheckCmd) Help() string {
	return `What changed in the files that are watched, and what the server knows of them: with yagura local on this machine or, with --aws, in a stack.

  yagura syscheck list                              the last day, all hosts; "!" marks what to look at first
  yagura syscheck list --agent web7 --since 7d
  yagura syscheck show /etc/passwd                  who has it how, and how it came to that
  yagura syscheck baseline export web7 web7.jsonl

To let an agent check its files now: yagura agents syscheck.

Exit code 0: done; 1: not, or not all; 2: a wrong call.`
}

// baselines opens the baselines that are meant, as fleetFlags.with does.
func (c *syscheckCmd) baselines(ctx context.Context, do func(*baseline.Store) error) error {
	return c.with(ctx, func(t table.Table) error { return do(baseline.NewStore(t, baseline.Options{Now: time.Now})) })
}
