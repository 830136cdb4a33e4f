package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ncruces/go-strftime"

	"github.com/yagura-hids/yagura/agent/logcollector"
)

// programWithin is how long a program may take to answer.
const programWithin = 10 * time.Second

func (c *checker) logs(ctx context.Context) {
	if len(c.conf.Sources) == 0 {
		c.add("logs", Warn, "name some in <localfile>", "no log is followed")
	}
	for _, s := range c.conf.Sources {
		switch s.Format {
		case "journald":
			c.journal(ctx)
		case "command", "full_command":
			c.add("command "+s.Command, OK, "", "run every %v", max(s.Every, time.Minute))
		case "eventlog", "eventchannel":
			c.add("channel "+s.Location, OK, "", "read by the service's account")
		default:
			c.log(s)
		}
	}
}

func (c *checker) log(s logcollector.Source) {
	name := "log " + s.Location
	pattern := s.Location
	if strings.Contains(pattern, "%") {
		pattern = strftime.Format(pattern, c.Now())
	}
	found, err := filepath.Glob(pattern)
	switch {
	case err != nil:
		c.add(name, Fail, "write * ? [a-z] as in a shell", "%v", err)
		return
	case len(found) == 0:
		c.add(name, Warn, "nothing, if it is still to come: it is read from its start then", "%s is not there", pattern)
		return
	}
	for _, path := range found {
		if err := readable(path); err != nil {
			c.add(name, Fail, "run the agent as root, or in the group that may read it (adm, systemd-journal)", "%v", err)
			return
		}
	}
	c.add(name, OK, "", "%d readable", len(found))
}

func readable(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return f.Close()
}

func (c *checker) journal(ctx context.Context) {
	const name = "journal"
	ctx, cancel := context.WithTimeout(ctx, programWithin)
	defer cancel()
	out, err := exec.CommandContext(ctx, "journalctl", "--quiet", "--lines=1", "--output=cat").CombinedOutput()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		c.add(name, Fail, "install systemd's journalctl, or follow files in <localfile>", "%v", err)
	case err != nil:
		c.add(name, Fail, "run journalctl --lines=1 to see what is wrong", "journalctl: %v: %.200s", err, out)
	case len(out) == 0:
		c.add(name, Warn, "run the agent as root, or in the group systemd-journal", "no entry can be seen")
	default:
		c.add(name, OK, "", "readable")
	}
}

func (c *checker) directories() {
	const name = "syscheck"
	if c.conf.Syscheck.Disabled {
		c.add(name, OK, "", "disabled")
		return
	}
	readable := 0
	for _, d := range c.conf.Syscheck.Directories {
		found, err := filepath.Glob(d.Path)
		if err == nil && len(found) == 0 && !strings.ContainsAny(d.Path, "*?[") && !slices.Contains(c.conf.BuiltIn, name) {
			c.add(name+" "+d.Path, Warn, "nothing, if it is still to come", "not there")
		}
		for _, path := range found {
			if err := listable(path); err != nil {
				c.add(name+" "+path, Fail, "run the agent as root", "%v", err)
				continue
			}
			readable++
		}
	}
	if len(c.conf.Syscheck.Directories) == 0 {
		c.add(name, Warn, "name some in <directories>, or leave out <syscheck> for the built-in default", "no directory is watched")
		return
	}
	c.add(name, OK, "", "%d directories and files can be read", readable)
}

// listable tells why a directory can't be listed, or a file not be read.
func listable(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // only read
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		if _, err = f.Readdirnames(1); err == io.EOF { // an empty one
			return nil
		}
	}
	return err
}

// The spool's size where nothing is said.
const defaultSpool = 512 << 20

func (c *checker) state() {
	const name = "state"
	info, err := os.Stat(c.State)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		c.add(name, Warn, "nothing: it is made at the first start", "%s is not there yet", c.State)
		return
	case err == nil && !info.IsDir():
		err = fmt.Errorf("%s is no folder", c.State)
	case err == nil:
		err = writable(c.State)
	}
	if err != nil {
		c.add(name, Fail, "make it writable for the user that sends", "%v", err)
		return
	}
	want := c.conf.Client.SpoolSize
	if want == 0 {
		want = defaultSpool
	}
	for _, name := range []string{"agent.db", "relay.db"} {
		if spool, err := os.Stat(filepath.Join(c.State, name)); err == nil {
			want -= spool.Size()
		}
	}
	free, err := freeSpace(c.State)
	switch {
	case err != nil:
		c.add(name, Warn, "", "%s is writable; how much is free there is not known: %v", c.State, err)
	case free < want:
		c.add(name, Warn, "make room, or write a smaller <spool_size>", "%s has %d MB free; the spool may need %d MB more", c.State, free>>20, want>>20)
	default:
		c.add(name, OK, "", "%s is writable, %d MB free", c.State, free>>20)
	}
}

func writable(dir string) error {
	f, err := os.CreateTemp(dir, "check-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
