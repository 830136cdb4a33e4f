package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/yagura-hids/yagura/internal/baseline"
	"github.com/yagura-hids/yagura/internal/changelist"
	"github.com/yagura-hids/yagura/internal/syscheck"
)

type syscheckShowCmd struct {
	Path  string `arg:"" help:"The file, or the registry's key."`
	Agent string `help:"On this agent's host only." placeholder:"ID"`
	Since string `help:"Changes not older than this: a time, a day, or how long ago, like 7d (default: all that is kept)." placeholder:"WHEN"`
	Limit int    `short:"n" default:"20" help:"At most so many changes; 0 for all (default: ${default})." placeholder:"N"`
	JSON  bool   `short:"j" help:"One JSON object a line: what each host has, then its changes as list shows them."`
}

// Help adds what the flags don't say.
func (syscheckShowCmd) Help() string {
	return `First what the server knows of the file, hosts with the same together, then how it came to that, the newest change first: the same change of
several hosts once, with --agent each.

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
	if c.Limit < 0 {
		return &codeError{2, fmt.Errorf("--limit %d: write how many changes to show, or 0 for all", c.Limit)}
	}
	names := spellings(c.Path)
	list := changelist.New(changelist.Options{
		Path: func(p string) bool { return slices.Contains(names, p) }, Unfolded: c.Agent != "", Whole: true, Limit: c.Limit,
	})
	var have []shownRecord
	var near []string
	var past []changelist.Line
	older := 0
	err = at.baselines(ctx, func(s *baseline.Store) error {
		agents, err := syscheckListCmd{Agent: slices.DeleteFunc([]string{c.Agent}, func(a string) bool { return a == "" })}.agents(ctx, s)
		if err != nil {
			return err
		}
		var mu sync.Mutex
		err = eachAgent(ctx, agents, func(ctx context.Context, agent string) error {
			r, ok, err := firstRecord(ctx, s, agent, names)
			if ok {
				mu.Lock()
				have = append(have, shownRecord{agent, r})
				mu.Unlock()
			}
			return errors.Join(err, readHistory(ctx, s, list, agent, since, false))
		})
		if past, older = list.Lines(); err == nil && len(have)+len(past) == 0 && len(agents) > 0 {
			near, err = nearPaths(ctx, s, agents[0], names[0])
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case len(have)+len(past) == 0:
		return unknownPath(c.Path, near)
	}
	slices.SortFunc(have, func(a, b shownRecord) int { return strings.Compare(a.Agent, b.Agent) })
	if c.Limit > 0 && len(past) > c.Limit {
		past, older = past[:c.Limit], older+len(past)-c.Limit
	}
	if c.JSON {
		return errors.Join(each(have, func(r shownRecord) error { return jsonTo(os.Stdout)(r) }), each(past, func(l changelist.Line) error { return jsonTo(os.Stdout)(l) }))
	}
	return newScreen(os.Stdout).file(names[0], have, past, older)
}

// escaped is a control character as a screen shows it, see syscheck.Plain.
var escaped = regexp.MustCompile(`\\x(?:[01][0-9a-f]|7f)`)

// spellings returns the paths that a user may mean: what is typed, as the file system has it or as messages do, or as a screen showed it.
func spellings(typed string) []string {
	names := []string{syscheck.Escape(typed)}
	if utf8.ValidString(typed) && strings.Contains(typed, `\x`) {
		names = append(names, typed, escaped.ReplaceAllStringFunc(typed, func(s string) string {
			c, _ := strconv.ParseUint(s[2:], 16, 8) // the expression lets nothing else through
			return string(rune(c))
		}))
	}
	slices.Sort(names[1:])
	return slices.Compact(names)
}

// firstRecord returns what an agent has under the first of these names that it knows.
func firstRecord(ctx context.Context, s *baseline.Store, agent string, names []string) (r baseline.Record, ok bool, err error) {
	for _, name := range names {
		if r, ok, err = s.Record(ctx, agent, name); ok || err != nil {
			break
		}
	}
	return r, ok, err
}

func unknownPath(name string, near []string) error {
	hint := "; is it watched? yagura syscheck baseline export AGENT lists what is"
	if len(near) > 0 {
		hint = "; there are " + strings.Join(near, ", ")
	}
	return fmt.Errorf("%s: no host has told of it%s", onScreen(name), hint)
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
//	49 of 50 hosts: web1, web2, web3 …
//	    size         1,204
//	    permissions  rw-r-----
//	    sha256       …
//
//	only here: web7
//	    …
//
//	!!  2026-11-25 02:00:00  only here: web7
//	    Integrity checksum changed for: '/etc/shadow'
//	    …
func (s screen) file(name string, have []shownRecord, past []changelist.Line, older int) error {
	var b strings.Builder
	if len(have) > 0 {
		name = have[0].Path
	}
	b.WriteString(s.paint(cyan, onScreen(name)) + "\n\n")
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
		b.WriteString(s.whoHas(groups[key], len(have)) + "\n" + recordLines(groups[key]) + "\n")
	}
	if len(have) == 0 {
		b.WriteString("No host has it now.\n\n")
	}
	for i := range past {
		b.WriteString(s.pastChange(&past[i]))
	}
	if older > 0 {
		b.WriteString(s.paint(grey, count(older, "older change")+"; -n 0 shows all") + "\n")
	}
	if len(past) == 0 {
		b.WriteString("No change of it is kept.\n")
	}
	_, err := fmt.Fprint(s.out, b.String())
	return err
}

// pastChange shows a change: where and when, and what changed on the host that had it last.
func (s screen) pastChange(l *changelist.Line) string {
	where := onScreen(l.Where())
	if l.Package == nil && l.Mark == changelist.Quiet { // what is a package's says so itself
		where += " (" + onScreen(strings.Join(l.Why(), ", ")) + ")"
	}
	colour := map[changelist.Mark]string{changelist.Quiet: grey, changelist.Full: yellow, changelist.First: red}[l.Mark]
	text := s.paint(colour, fmt.Sprintf("%-2s  %s  %s", l.Mark, moment(l.Time), where)) + "\n"
	for line := range strings.SplitSeq(l.Entry.Change.Text(), "\n") {
		text += "    " + onScreen(line) + "\n"
	}
	return text
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

// recordLines says what a file is like on these hosts. Its time is shown if it's one host's.
func recordLines(group []shownRecord) string {
	r := &group[0].Record.Record
	var b strings.Builder
	add := func(label, value string) {
		if value != "" {
			fmt.Fprintf(&b, "    %-11s  %s\n", label, onScreen(value))
		}
	}
	if k := r.Kind(); k != "file" {
		add("type", k)
	}
	add("link to", r.Link)
	add("size", thousands(int(r.Size)))
	add("permissions", r.Permissions())
	add("owner", strings.TrimSpace(r.UID+" "+r.User))
	add("group", strings.TrimSpace(r.GID+" "+r.Group))
	if len(group) == 1 && !r.MTime.IsZero() {
		add("written", moment(r.MTime))
	}
	add("md5", r.MD5)
	add("sha1", r.SHA1)
	add("sha256", r.SHA256)
	return b.String()
}
