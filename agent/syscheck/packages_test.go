//go:build linux

package syscheck_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"github.com/yagura-hids/yagura/agent/packages/packagestest"
	"github.com/yagura-hids/yagura/agent/syscheck"
	"github.com/yagura-hids/yagura/internal/event"
	words "github.com/yagura-hids/yagura/internal/syscheck"
)

// packaged is a host whose files are below a root with a package manager. Only SHA-256 is compared: dpkg has MD5.
type packaged struct {
	*host
	root *packagestest.Root
}

func newPackaged(t *testing.T) *packaged {
	t.Helper()
	h := &packaged{host: newHost(t), root: packagestest.New(t)}
	h.host.root, h.dir = h.root.Dir, h.root.Path("/usr")
	h.must(os.Mkdir(h.dir, 0o755))
	h.conf.Packages = true
	h.conf.Directories[0].Path = h.dir
	return h
}

// lock holds dpkg's lock until the returned function is called, as dpkg does.
func (h *packaged) lock() (unlock func()) {
	h.t.Helper()
	f, err := os.OpenFile(h.root.Path("/var/lib/dpkg/lock-frontend"), os.O_RDWR|os.O_CREATE, 0o640)
	h.must(err)
	h.must(unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK}))
	h.t.Cleanup(func() { f.Close() })
	return func() { f.Close() }
}

// packageLine is a change as "type name (package from > to)", or what was done: "packages: tool 1 > 2: 3 files".
func packageLine(c words.Change, name string) string {
	if c.Type == words.Packages {
		line := "packages:"
		for _, p := range c.Packages {
			line += " " + p.Name + " " + p.From + ">" + p.To + ":" + string(rune('0'+p.Files))
		}
		return line
	}
	line := c.Type + " " + name
	if c.Package != nil {
		line += " (" + c.Package.Name + " " + c.Package.From + ">" + c.Package.To + ")"
	}
	return line
}

func (h *packaged) found() (list []string) {
	h.t.Helper()
	for _, ev := range h.scan() {
		c, err := words.Parse(ev.Text)
		if err == nil && c.Type != words.DigestsType {
			list = append(list, packageLine(c, strings.TrimPrefix(c.Path, h.dir+"/")))
		}
	}
	return list
}

func (h *packaged) wantFound(want ...string) {
	h.t.Helper()
	got := h.found()
	slices.Sort(got)
	if !slices.Equal(got, want) {
		h.t.Errorf("told:\n%swant:\n%s", join(got), join(want))
	}
}

func (h *packaged) tool(version, text string, more ...string) string {
	files := packagestest.Files{"/usr/bin/tool": text, "/usr/lib/tool/same": "same"}
	for _, name := range more {
		files["/usr/lib/tool/"+name] = name
	}
	return h.root.Deb("tool", version, files)
}

func TestPackagesByScan(t *testing.T) {
	h := newPackaged(t)
	h.root.Dpkg("-i", h.tool("1", "one", "old"), h.root.Deb("other", "1", packagestest.Files{"/usr/bin/other": "o"}))
	h.found()
	h.wantFound()
	h.root.Dpkg("-i", h.tool("2", "two", "new"))
	h.root.Write("/usr/bin/other", "evil")
	h.root.Write("/usr/bin/new", "evil")
	h.wantFound("added bin/new", "added lib/tool/new (tool 1>2)", "deleted lib/tool/old (tool 1>2)", "modified bin/other", "modified bin/tool (tool 1>2)",
		"packages: tool 1>2:3")
	h.wantFound()
	h.root.Dpkg("-i", h.tool("3", "three", "newer"))
	h.root.Write("/usr/bin/tool", "evil")
	h.must(os.Chmod(h.root.Path("/usr/lib/tool/same"), 0o777))
	h.wantFound("added lib/tool/newer (tool 2>3)", "deleted lib/tool/new (tool 2>3)", "modified bin/tool", "modified lib/tool/same", "packages: tool 2>3:2")
	h.root.Dpkg("-P", "tool")
	h.wantFound("deleted bin/tool (tool 3>)", "deleted lib/tool/newer (tool 3>)", "deleted lib/tool/same (tool 3>)", "packages: tool 3>:3")
	h.root.Dpkg("-i", h.tool("4", "four"))
	h.conf.Packages = false
	h.wantFound("added bin/tool", "added lib/tool/same")
}

// A scan comes in the middle of dpkg's work, waits a little, and what it doesn't know by then is told as it is.
func TestPackagesScanWhileAtWork(t *testing.T) {
	h := newPackaged(t)
	h.speed = 100
	h.root.Dpkg("-i", h.tool("1", "one"))
	h.found()
	unlock := h.lock()
	h.root.Write("/usr/bin/tool", "two") // and the database doesn't know
	done := make(chan []string)
	go func() { done <- h.found() }()
	if got := <-done; !slices.Equal(got, []string{"modified bin/tool"}) { // after two minutes
		t.Errorf("%q", got)
	}
	unlock()
	h.wantFound()
}

func (r *running) packageLines() (list []string) {
	for _, c := range r.told {
		list = append(list, packageLine(c, strings.TrimPrefix(c.Path, r.dir+"/")))
	}
	return list
}

func TestPackagesLive(t *testing.T) {
	h := newPackaged(t)
	h.speed = 10
	h.root.Dpkg("-i", h.tool("1", "one", "old"))
	h.conf.Ignore = []syscheck.Match{{Text: ".dpkg-new$|.dpkg-tmp$", Pattern: true}} // as by default
	r := h.run()
	unlock := h.lock()
	h.must(os.WriteFile(h.root.Path("/usr/bin/tool.new"), []byte("two"), 0o644)) // as dpkg does, of whose database nothing is heard for now
	h.must(os.Rename(h.root.Path("/usr/bin/tool.new"), h.root.Path("/usr/bin/tool")))
	h.root.Write("/usr/bin/cron", "evil")
	t.Setenv("DPKG_FRONTEND_LOCKED", "yes") // as apt, which holds the lock over all that it has dpkg do
	h.root.Dpkg("-i", h.tool("2", "two", "new"))
	unlock()
	r.await("all", func() bool {
		lines := r.packageLines()
		return slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, "packages:") })
	})
	got := r.packageLines()
	last := got[len(got)-1]
	slices.Sort(got)
	want := []string{"added bin/cron", "added lib/tool/new (tool 1>2)", "deleted lib/tool/old (tool 1>2)", "modified bin/tool (tool 1>2)", "packages: tool 1>2:3"}
	if !slices.Equal(got, want) || !strings.HasPrefix(last, "packages:") {
		t.Errorf("told:\n%swant:\n%s", join(got), join(want))
	}
}

// While dpkg is at work a change waits; if the agent ends meanwhile, it is told.
func TestPackagesEndWhileAtWork(t *testing.T) {
	h := newPackaged(t)
	h.speed = 10
	h.root.Dpkg("-i", h.tool("1", "one"))
	r := h.run()
	unlock := h.lock()
	h.root.Write("/usr/bin/evil", "evil")
	r.await("its look", func() bool { return r.check.Waiting() == 1 })
	if len(r.told) > 0 {
		t.Errorf("told %q", r.packageLines())
	}
	r.stop()
	if got := r.packageLines(); !slices.Equal(got, []string{"added bin/evil"}) {
		t.Errorf("told %q", got)
	}
	unlock()
}

// killed returns the host as a kill leaves it at this moment.
func (h *packaged) killed() *packaged {
	h.t.Helper()
	file := filepath.Join(h.t.TempDir(), "copy.db")
	h.must(h.spool.View(func(tx *bolt.Tx) error { return tx.CopyFile(file, 0o600) }))
	other := &host{t: h.t, dir: h.dir, conf: h.conf, root: h.host.root, speed: h.speed, spool: openSpool(h.t, file, "web1")}
	return &packaged{host: other, root: h.root}
}

// A kill before it is told what was done loses nothing of it: it is told once the agent runs again.
func TestPackagesKilledBeforeTold(t *testing.T) {
	h := newPackaged(t)
	h.speed = 10
	h.root.Dpkg("-i", h.tool("1", "one"))
	h.found()
	h.root.Dpkg("-i", h.tool("2", "two"))
	_, err := h.new().Check(context.Background(), h.root.Path("/usr/bin/tool"))
	h.must(err)
	for deadline := time.Now().Add(20 * time.Second); h.spool.Stats().Events == 0 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	k := h.killed()
	k.conf.Schedule = syscheck.Schedule{Every: time.Hour, At: -1}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- k.new().Run(ctx) }()
	r := &running{host: k.host}
	r.await("what was done", func() bool { return slices.Contains(r.packageLines(), "packages: tool 1>2:1") })
	cancel()
	h.must(<-ended)
	r.told = slices.DeleteFunc(r.told, func(c words.Change) bool { return c.Type == words.Baseline }) // a copy tells all again
	if got := r.packageLines(); len(got) != 2 || got[0] != "modified bin/tool (tool 1>2)" {
		t.Errorf("%q", got)
	}
	k.wantFound()
}

// A kill while a change waits: the next scan sees it.
func TestPackagesKilledWhileWaiting(t *testing.T) {
	h := newPackaged(t)
	h.root.Dpkg("-i", h.tool("1", "one"))
	h.found()
	unlock := h.lock()
	h.root.Write("/usr/bin/tool", "two")
	s := h.new()
	_, err := s.Check(context.Background(), h.root.Path("/usr/bin/tool"))
	h.must(err)
	if s.Waiting() != 1 {
		t.Fatalf("%d wait", s.Waiting())
	}
	k := h.killed()
	unlock()
	h.root.Dpkg("-i", h.tool("2", "two"))
	k.wantFound("modified bin/tool (tool 1>2)", "packages: tool 1>2:1")
}

func TestPackagesText(t *testing.T) {
	var list []words.Package
	for i := range 2000 {
		list = append(list, words.Package{Manager: "dpkg", Name: fmt.Sprintf("package-%d", i), Arch: "amd64", From: "1.0", To: "1.1", Transaction: "2026-11-25T04:00:00Z", Files: i})
	}
	text := syscheck.PackagesText(list)
	c, err := words.Parse(text)
	if err != nil || len(text) > event.MaxText || len(text) < event.MaxText*9/10 || len(c.Packages)+c.More != len(list) {
		t.Errorf("%d bytes, %d packages and %d more: %v", len(text), len(c.Packages), c.More, err)
	}
}
