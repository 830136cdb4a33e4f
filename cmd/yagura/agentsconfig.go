package main

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/yagura-hids/yagura/internal/config"
	"github.com/yagura-hids/yagura/internal/fleet"
	"github.com/yagura-hids/yagura/internal/wire"
)

type configPushCmd struct {
	Files []string `arg:"" help:"Files, or folders of them, such as /var/ossec/etc/shared." type:"path" placeholder:"DIR|FILE"`
	Group string   `help:"Whose hosts are sent them (default: ${default})." default:"default" placeholder:"NAME"`
}

// Help adds what the flags don't say.
func (configPushCmd) Help() string {
	return `These files, and no others, are what the hosts of the group are sent, each when it next says that it lives (every ten minutes, if it isn't told
otherwise). Agents keep them in etc/shared: agent.conf, ar.conf, rootkit_files.txt and the like. They read them when they start.

  yagura agents config push /var/ossec/etc/shared
  yagura agents config push agent.conf ar.conf --group web
  yagura agents restart --all

An agent.conf with faults is refused: it would end agents at their next start. So are files that OSSEC's protocol can't carry. An ar.conf is made if there
is none, or completed, so that agents can be restarted.`
}

// Run makes the files what the group is sent.
func (c configPushCmd) Run(ctx context.Context, at *agentsCmd) error {
	files, err := gather(c.Files)
	if err != nil {
		return err
	}
	files = withRestart(files)
	merged, err := wire.Merge(files)
	if err != nil {
		return err
	}
	return at.with(ctx, func(store *fleet.Store) error {
		if err := store.PutFiles(ctx, c.Group, merged); err != nil {
			return err
		}
		list, err := roster(ctx, store)
		if err != nil {
			return err
		}
		fmt.Printf("%s (%s) for group %s, md5 %s\n", count(len(files), "file"), bytesText(int64(len(merged))), printable(c.Group), md5Of(merged))
		if hosts, _ := inGroup(list, c.Group, merged); hosts > 0 {
			fmt.Printf("%s of it get them with their next word. To let them read them: yagura agents%s restart --all\n", count(hosts, "host"), at.where())
		}
		if !slices.ContainsFunc(list, func(a agent) bool { return a.key != nil && groupOf(a.key) == c.Group }) {
			warn(fmt.Sprintf("no agent is in group %s yet; yagura agents%s add NAME ADDRESS --group %s adds one", c.Group, at.where(), c.Group))
		}
		return nil
	})
}

// gather reads files, and those of folders. What agents would write under another name is refused, and what is left out of a folder told.
func gather(names []string) (files []wire.File, err error) {
	var errs []error
	seen := map[string]string{}
	add := func(path string) {
		name := filepath.Base(path)
		text, err := os.ReadFile(path)
		if err == nil {
			err = fitToPush(path, text)
		}
		if first := seen[name]; first != "" && err == nil {
			err = fmt.Errorf("%s: agents would write it over %s, which has the same name", path, first)
		}
		if err != nil {
			errs = append(errs, err)
		}
		files, seen[name] = append(files, wire.File{Name: name, Content: text}), path
	}
	for _, name := range names {
		entries, err := os.ReadDir(name)
		if err != nil { // a file, or what isn't there
			add(name)
			continue
		}
		for _, e := range entries {
			if why := leftOut(e); why != "" {
				warn(filepath.Join(name, e.Name()) + ": left out: " + why)
			} else if e.Name() != wire.Merged { // what is made here
				add(filepath.Join(name, e.Name()))
			}
		}
	}
	if len(files) == 0 && len(errs) == 0 {
		errs = append(errs, errors.New("no files there to send"))
	}
	return files, errors.Join(errs...)
}

// arConf is the file that tells agents which active responses there are, a line such as "firewall-drop600 - firewall-drop.sh - 600" for each.
const arConf = "ar.conf"

// responses returns the names of the active responses in a group's files.
func responses(files []wire.File) (names []string) {
	for _, f := range files {
		if f.Name != arConf {
			continue
		}
		for line := range strings.Lines(string(f.Content)) {
			if words := strings.Fields(line); len(words) > 0 {
				names = append(names, words[0])
			}
		}
	}
	return names
}

// restartName is the response that restarts an agent. OSSEC's server always sends it.
const restartName = "restart-ossec0"

// withRestart adds to an ar.conf, or to the files if there is none, what agents need to be restarted.
func withRestart(files []wire.File) []wire.File {
	if slices.Contains(responses(files), restartName) {
		return files
	}
	lines := restartName + " - restart-ossec.sh - 0\n" + restartName + " - restart-ossec.cmd - 0\n"
	i := slices.IndexFunc(files, func(f wire.File) bool { return f.Name == arConf })
	if i < 0 {
		return append(files, wire.File{Name: arConf, Content: []byte(lines)})
	}
	text := bytes.TrimRight(files[i].Content, "\n")
	files[i].Content = append(append(text, '\n'), lines...)
	return files
}

// leftOut says why an entry of a folder isn't sent.
func leftOut(e fs.DirEntry) string {
	switch {
	case e.IsDir():
		return "agents have no folders in etc/shared"
	case strings.HasPrefix(e.Name(), "."):
		return "agents would write its name with a - in the place of the ."
	case !e.Type().IsRegular():
		return "it is no plain file; name it, to send what it links to"
	}
	return ""
}

// fitToPush returns what is wrong with a file that is to be sent.
func fitToPush(path string, text []byte) error {
	name := filepath.Base(path)
	switch {
	case strings.HasPrefix(name, ".") || name == wire.Merged:
		return fmt.Errorf("%s: agents would not write it under this name; rename it", path)
	case strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return fmt.Errorf("%s: the protocol has no spaces and control characters in names; rename it", path)
	case bytes.IndexByte(text, 0) >= 0:
		return fmt.Errorf("%s: the protocol can't carry byte 0, which is in it; send text", path)
	case len(text) == 0:
		return fmt.Errorf("%s: it is empty; leave it out", path)
	}
	if name != "agent.conf" {
		return nil
	}
	if _, err := config.Parse(path, text); err != nil {
		return fmt.Errorf("agents would not start with this agent.conf:\n%w", err)
	}
	return nil
}

func md5Of(b []byte) string {
	sum := md5.Sum(b) // the protocol's
	return hex.EncodeToString(sum[:])
}

// inGroup counts a group's hosts, and those that told that they have its files.
func inGroup(list []agent, group string, merged []byte) (hosts, have int) {
	sum := md5Of(merged)
	for _, a := range list {
		if a.key == nil || groupOf(a.key) != group {
			continue
		}
		hosts += len(a.hosts)
		for _, h := range a.hosts {
			if h.Files == sum {
				have++
			}
		}
	}
	return hosts, have
}

type configShowCmd struct {
	File  string `arg:"" optional:"" help:"Show what is in this one." placeholder:"FILE"`
	Group string `help:"Of this group (default: ${default})." default:"default" placeholder:"NAME"`
	JSON  bool   `short:"j" help:"One JSON object a line, a file."`
}

// Help adds what the flags don't say.
func (configShowCmd) Help() string {
	return `The files, what they would be told by, and how many hosts told that they have them.

  yagura agents config show
  yagura agents config show agent.conf --group web`
}

// sharedFile is a file as --json shows it.
type sharedFile struct {
	Name string `json:"name"`
	Size int    `json:"size"`
	MD5  string `json:"md5"`
}

// Run shows the group's files.
func (c configShowCmd) Run(ctx context.Context, at *agentsCmd) error {
	return at.with(ctx, func(store *fleet.Store) error {
		merged, err := store.Files(ctx, c.Group)
		if err != nil {
			return err
		}
		if merged == nil {
			if c.File != "" {
				return fmt.Errorf("hosts of group %s are sent nothing", c.Group)
			}
			fmt.Fprintf(os.Stderr, "hosts of group %s are sent nothing; yagura agents%s config push FILE... changes that\n", printable(c.Group), at.where())
			return nil
		}
		files, err := wire.Unmerge(merged)
		if err != nil {
			return err
		}
		if c.File != "" {
			return c.content(files)
		}
		list, err := roster(ctx, store)
		if err != nil {
			return err
		}
		return c.show(files, merged, list)
	})
}

func (c configShowCmd) content(files []wire.File) error {
	for _, f := range files {
		if f.Name == c.File {
			_, err := safeOnTerminal(os.Stdout).Write(f.Content)
			return err
		}
	}
	return fmt.Errorf("hosts of group %s are sent no %s", c.Group, c.File)
}

func (c configShowCmd) show(files []wire.File, merged []byte, list []agent) error {
	rows := [][]string{}
	for _, f := range files {
		if c.JSON {
			if err := jsonTo(os.Stdout)(sharedFile{f.Name, len(f.Content), md5Of(f.Content)}); err != nil {
				return err
			}
		}
		rows = append(rows, []string{printable(f.Name), thousands(len(f.Content)) + " bytes", md5Of(f.Content)})
	}
	if c.JSON {
		return nil
	}
	rows = append(rows, []string{wire.Merged, thousands(len(merged)) + " bytes", md5Of(merged)})
	if err := newScreen(os.Stdout).grid(rows, -1, nil); err != nil {
		return err
	}
	hosts, have := inGroup(list, c.Group, merged)
	_, err := fmt.Printf("%d of %s of group %s have it, as they told last\n", have, count(hosts, "host"), printable(c.Group))
	return err
}

type configClearCmd struct {
	Group string `help:"The hosts of this group (default: ${default})." default:"default" placeholder:"NAME"`
}

// Help adds what the flags don't say.
func (configClearCmd) Help() string {
	return `Hosts keep the files that they have: OSSEC's agents remove none. To change what an agent does, push an agent.conf that says so.`
}

// Run sends the group nothing from now on.
func (c configClearCmd) Run(ctx context.Context, at *agentsCmd) error {
	return at.with(ctx, func(store *fleet.Store) error {
		if err := store.PutFiles(ctx, c.Group, nil); err != nil {
			return err
		}
		_, err := fmt.Printf("Hosts of group %s are sent nothing from now on; they keep the files that they have.\n", printable(c.Group))
		return err
	})
}
