// Command record watches a machine in a folder, as its agent would, while a command changes it, and writes what was told:
//
//	go run ./internal/night/record -root FOLDER -out internal/night/testdata COMMAND…
//
// tools/night/record makes such a folder and patches it. Two agents watch: one what OSSEC watches, the other also the libraries. Both
// tell of changes as they happen, and scan before and after.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/yagura-hids/yagura/agent/spool"
	"github.com/yagura-hids/yagura/agent/syscheck"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/night"
	words "github.com/yagura-hids/yagura/internal/syscheck"
)

// variants are what is watched.
var variants = map[string][]string{
	"usual": {"/etc", "/usr/bin", "/usr/sbin", "/bin", "/sbin", "/boot"},
	"wide":  {"/etc", "/usr/bin", "/usr/sbin", "/bin", "/sbin", "/boot", "/usr/lib", "/lib"},
}

// quiet is how long nothing must have happened before the night is over.
const quiet = 15 * time.Second

func main() {
	root := flag.String("root", "", "the folder with the machine")
	out := flag.String("out", "", "the folder for the recordings")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if *root == "" || *out == "" || flag.NArg() == 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := record(ctx, *root, *out, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func record(ctx context.Context, root, out string, command []string) error {
	root, err := filepath.Abs(root)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "night")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }()
	var agents []*agent
	for name, dirs := range variants {
		a, err := begin(ctx, name, root, work, dirs)
		if err != nil {
			return err
		}
		agents = append(agents, a)
	}
	began := time.Now()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", command[0], err)
	}
	for _, a := range agents {
		if err := a.end(ctx, began); err != nil {
			return err
		}
		if err := a.write(filepath.Join(out, a.name+".jsonl.zst")); err != nil {
			return err
		}
	}
	return nil
}

// agent is one that watches.
type agent struct {
	name, root string
	spool      *spool.Spool
	syscheck   *syscheck.Syscheck
	stop       context.CancelFunc
	stopped    chan error
	first      bool // the first scan's records are being taken
	told       night.Recording
}

func begin(ctx context.Context, name, root, work string, dirs []string) (*agent, error) {
	s, err := spool.Open(filepath.Join(work, name+".db"), spool.Options{Agent: name, Random: bytes.NewReader(make([]byte, 8)), Gather: -1})
	if err != nil {
		return nil, err
	}
	a := &agent{name: name, root: root, spool: s, stopped: make(chan error, 1), first: true}
	a.syscheck, err = syscheck.New(config(root, dirs), syscheck.Options{Spool: s, Root: root, Report: func(msg string) { fmt.Fprintln(os.Stderr, name+": "+msg) }})
	if err != nil {
		return nil, err
	}
	if _, err := a.syscheck.Scan(ctx, true); err != nil {
		return nil, err
	}
	if err := a.take(ctx, time.Now()); err != nil {
		return nil, err
	}
	a.first = false
	ctx, a.stop = context.WithCancel(ctx)
	go func() { a.stopped <- a.syscheck.Run(ctx) }()
	return a, nil
}

// config is what the agent's own default compares, of these directories, all of it as it happens.
func config(root string, dirs []string) (c syscheck.Config) {
	c.Schedule, c.Packages = syscheck.Schedule{At: -1}, true
	for _, d := range dirs {
		c.Directories = append(c.Directories, syscheck.Directory{
			Path: filepath.Join(root, d), Realtime: true, Recursion: -1,
			Check: syscheck.Size | syscheck.Permissions | syscheck.Owner | syscheck.Group | syscheck.SHA256,
		})
	}
	for _, path := range []string{"/etc/mtab", "/etc/adjtime", "/etc/random-seed", "/etc/cups/certs", "/etc/cups/subscriptions.conf"} {
		c.Ignore = append(c.Ignore, syscheck.Match{Text: filepath.Join(root, path)})
	}
	c.Ignore = append(c.Ignore, syscheck.Match{Text: `.swp$|.swx$|~$|.dpkg-new$|.dpkg-tmp$|.rpmnew$|.lock$`, Pattern: true})
	return c
}

// end waits until nothing more happens, scans for what nobody noticed, and takes what was told.
func (a *agent) end(ctx context.Context, began time.Time) error {
	for last, since := uint64(0), time.Now(); time.Since(since) < quiet && ctx.Err() == nil; time.Sleep(time.Second) {
		if n := a.syscheck.Stats().Changes; n != last {
			last, since = n, time.Now()
		}
	}
	_, err := a.syscheck.Scan(ctx, true)
	a.stop()
	return errors.Join(err, <-a.stopped, a.take(ctx, began), a.spool.Close())
}

// take adds what is in the spool to what was told.
func (a *agent) take(ctx context.Context, began time.Time) error {
	for a.spool.Stats().Events > 0 {
		run, err := a.spool.Next(ctx)
		if err != nil {
			return err
		}
		for _, ev := range run.Events {
			if ev.Kind != event.Syscheck {
				continue
			}
			if err := a.add(ev, began); err != nil {
				return err
			}
		}
		if err := a.spool.Sent(run); err != nil {
			return err
		}
	}
	return nil
}

func (a *agent) add(ev *event.Event, began time.Time) error {
	c, err := words.Parse(ev.Text)
	if err != nil {
		return err
	}
	c.Path, c.From = strings.TrimPrefix(c.Path, a.root), strings.TrimPrefix(c.From, a.root)
	for _, r := range []*words.Record{c.Before, c.After} {
		if r != nil {
			r.User, r.Group = "", "" // this machine's names
		}
	}
	switch c.Type {
	case words.DigestsType:
	case words.Baseline:
		if !a.first { // told again
			break
		}
		a.told.First = append(a.told.First, night.File{Path: c.Path, Record: *c.After})
	default:
		a.told.Changes = append(a.told.Changes, night.Change{At: ev.Time.Sub(began), Change: c})
	}
	return nil
}

func (a *agent) write(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	linked := 0
	for _, c := range a.told.Changes {
		if c.Change.Package != nil {
			linked++
		}
	}
	fmt.Fprintf(os.Stderr, "%s: %d files, %d changes, %d of them linked to a package\n", a.name, len(a.told.First), len(a.told.Changes), linked)
	return errors.Join(a.told.Write(f), f.Close())
}
