package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/yagura-hids/yagura/internal/baseline"
	"github.com/yagura-hids/yagura/internal/changelist"
	"github.com/yagura-hids/yagura/internal/syscheck"
)

type syscheckShowCmd struct {
	Path  string `arg:"" help:"The file, or the registry's key."`
	Agent string `help:"On this agent's host only." placeholder:"ID"`
	Since string `help:"Changes not older than this: a time, a day, or how long ago, like 7d (default: all that is kept)." placeholder:"WHEN"`
	JSON  bool   `short:"j" help:"One JSON object a line: what each host has, then its changes."`
}

// Help adds what the flags don't say.
func (syscheckShowCmd) Help() string {
	return `First what the server knows of the file, hosts with the same together, then how it came to that, the newest change first.

  yagura syscheck show /etc/passwd
  yagura syscheck show /usr/bin/ssh --agent web7

Exit code 1: no host has or had such a file.`
}

// shownRecord is a host's file as --json shows it.
type shownRecord struct {
	Agent string `json:"agent"`
	baseline.Record
}

// Run shows a file.
func (c syscheckShowCmd) Run(ctx context.Context, at *syscheckCmd) error {
	since, err := parseWhen("--since", c.Since, time.Now())
	if err != nil {
		return &codeError{2, err}
	}
	name := syscheck.Escape(c.Path)
	var have []shownRecord
	var past []baseline.Entry
	var near []string
	err = at.baselines(ctx, func(s *baseline.Store) error {
		agents, err := syscheckListCmd{Agent: slices.DeleteFunc([]string{c.Agent}, func(a string) bool { return a == "" })}.agents(ctx, s)
		if err != nil {
			return err
		}
		for i, agent := range agents {
			tellEvery(i, len(agents), "hosts read")
			r, ok, err := s.Record(ctx, agent, name)
			if err != nil {
				return err
			}
			if ok {
				have = append(have, shownRecord{agent, r})
			}
			err = s.History(ctx, agent, since, false, func(e baseline.Entry) bool {
				if e.Change.Path == name || e.Change.From == name {
					past = append(past, e)
				}
				return ctx.Err() == nil
			})
			if err := errors.Join(err, ctx.Err()); err != nil {
				return err
			}
		}
		if len(have)+len(past) == 0 && len(agents) > 0 {
			near, err = nearPaths(ctx, s, agents[0], name)
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case len(have)+len(past) == 0:
		return unknownPath(name, near)
	}
	slices.SortStableFunc(past, func(a, b baseline.Entry) int { return b.Time.Compare(a.Time) })
	if c.JSON {
		return errors.Join(each(have, func(r shownRecord) error { return jsonTo(os.Stdout)(r) }), each(past, func(e baseline.Entry) error { return jsonTo(os.Stdout)(e) }))
	}
	return newScreen(os.Stdout).file(name, have, past)
}

func unknownPath(name string, near []string) error {
	hint := "; is it watched? yagura syscheck baseline export AGENT lists what is"
	if len(near) > 0 {
		hint = "; there are " + strings.Join(near, ", ")
	}
	return fmt.Errorf("%s: no host has told of it%s", syscheck.Plain(name), hint)
}

// nearPaths returns some paths that a typing error makes of a name: in the same folder, or of the same name elsewhere.
func nearPaths(ctx context.Context, s *baseline.Store, agent, name string) (near []string, err error) {
	records, err := s.Records(ctx, agent)
	for _, r := range records {
		if path.Base(r.Path) == path.Base(name) || path.Dir(r.Path) == path.Dir(name) && strings.HasPrefix(path.Base(r.Path), path.Base(name)[:1]) {
			near = append(near, syscheck.Plain(r.Path))
		}
	}
	return near[:min(len(near), 5)], err
}

// file shows what hosts have of a file, and its history.
//
//	/etc/shadow
//
//	49 hosts: web1, web2, web3 …
//	    size 1204, -rw-r-----, root:shadow, 2026-11-24 10:00:00
//	    sha256 …
//	only here: web7
//	    …
func (s screen) file(name string, have []shownRecord, past []baseline.Entry) error {
	var b strings.Builder
	b.WriteString(s.paint(cyan, syscheck.Plain(name)) + "\n\n")
	groups := map[string][]shownRecord{}
	for _, r := range have {
		key := changelist.State(&r.Record.Record)
		groups[key] = append(groups[key], r)
	}
	keys := make([]string, 0, len(groups))
	for key := range groups {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b string) int {
		return cmp.Or(len(groups[b])-len(groups[a]), strings.Compare(groups[a][0].Agent, groups[b][0].Agent))
	})
	for _, key := range keys {
		b.WriteString(s.whoHas(groups[key], len(have)) + "\n" + recordLines(&groups[key][0].Record.Record) + "\n")
	}
	if len(have) == 0 {
		b.WriteString("No host has it now.\n\n")
	}
	for _, e := range past {
		b.WriteString(s.paint(yellow, moment(e.Time)+"  "+printable(e.Agent)) + "\n")
		for line := range strings.SplitSeq(e.Change.Text(), "\n") {
			b.WriteString("    " + line + "\n")
		}
	}
	if len(past) == 0 {
		b.WriteString("No change of it is kept.\n")
	}
	_, err := fmt.Fprint(s.out, b.String())
	return err
}

// whoHas names the hosts that have the same, of so many that have the file.
func (s screen) whoHas(group []shownRecord, all int) string {
	var names []string
	for _, r := range group[:min(len(group), changelist.MaxAgents)] {
		names = append(names, printable(r.Agent))
	}
	list := strings.Join(names, ", ")
	if len(group) > len(names) {
		list += " …"
	}
	switch {
	case len(group) == 1 && all > 1:
		return s.paint(red, "only here: "+list)
	case len(group) == 1:
		return list
	}
	return fmt.Sprintf("%d of %d hosts: %s", len(group), all, list)
}

// recordLines says what a file is like.
func recordLines(r *syscheck.Record) string {
	var b strings.Builder
	for _, f := range (syscheck.Change{After: r}).Fields() {
		fmt.Fprintf(&b, "    %-8s %s\n", strings.TrimSuffix(f.Name, "_after"), f.Value)
	}
	return b.String()
}
