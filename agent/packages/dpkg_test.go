//go:build linux

package packages_test

import (
	"context"
	"crypto/md5" //nolint:gosec // dpkg's
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/agent/packages"
	"github.com/yagura-hids/yagura/agent/packages/packagestest"
)

// host is a root, and what an Index remembers of it.
type host struct {
	*packagestest.Root
	t     *testing.T
	store store
	index *packages.Index
	now   time.Time
}

func newHost(t *testing.T) *host {
	h := &host{Root: packagestest.New(t), t: t, store: store{}, now: time.Now()}
	h.restart()
	return h
}

// restart has another Index, that knows what is remembered.
func (h *host) restart() {
	h.t.Helper()
	o := h.store.options(h.Dir)
	o.Report = func(msg string) { h.t.Error(msg) }
	x, err := packages.New(o)
	if err != nil {
		h.t.Fatal(err)
	}
	h.index = x
}

func (h *host) refresh() {
	h.now = h.now.Add(time.Minute)
	h.index.Refresh(context.Background(), h.now)
}

// link returns the package whose work the state of a path is, as "name from > to".
func (h *host) link(path string, isNew bool) string {
	h.t.Helper()
	var c *packages.Content
	if info, err := os.Lstat(h.Path(path)); err == nil {
		c = &packages.Content{New: isNew, Symlink: info.Mode()&os.ModeSymlink != 0}
		c.Target, _ = filepath.EvalSymlinks(h.Path(path))
		text, _ := os.ReadFile(h.Path(path))
		sum := md5.Sum(text)
		c.Sum = func(a packages.Algorithm) []byte {
			if a == packages.MD5 {
				return sum[:]
			}
			return nil
		}
	}
	w, _ := h.index.Link(context.Background(), h.Path(path), c)
	if w == nil {
		return ""
	}
	return w.Package.Name + " " + w.Package.From + " > " + w.Package.To
}

func (h *host) want(path string, isNew bool, want string) {
	h.t.Helper()
	if got := h.link(path, isNew); got != want {
		h.t.Errorf("%s: %q, want %q", path, got, want)
	}
}

var version1 = packagestest.Files{
	"/usr/bin/tool": "one", "/usr/bin/gone": "x", "/usr/bin/same": "same", "/etc/tool.conf": "c1", "/usr/lib/libt.so.1": "-> libt.so.1.1", "/usr/lib/libt.so.1.1": "l1",
}

var version2 = packagestest.Files{
	"/usr/bin/tool": "two", "/usr/bin/new": "n", "/usr/bin/same": "same", "/etc/tool.conf": "c2", "/usr/lib/libt.so.1": "-> libt.so.1.2", "/usr/lib/libt.so.1.2": "l2",
}

func TestDpkg(t *testing.T) {
	h := newHost(t)
	h.Dpkg("-i", h.Deb("tool", "1", version1), h.Deb("other", "5", packagestest.Files{"/usr/bin/other": "o"}))
	h.refresh()
	h.want("/usr/bin/tool", true, "") // it was there before
	h.Dpkg("-i", h.Deb("tool", "2", version2))
	if !h.index.Stale() {
		t.Fatal("the database changed")
	}
	h.restart() // and remembers what was before
	h.refresh()
	const up = "tool 1 > 2"
	h.want("/usr/bin/tool", false, up)
	h.want("/usr/bin/gone", false, up)
	h.want("/usr/lib/libt.so.1.1", false, up)
	h.want("/usr/bin/new", true, up)
	h.want("/etc/tool.conf", false, up)
	h.want("/usr/lib/libt.so.1", false, up) // to the new file of the same package
	h.want("/usr/bin/other", false, "")     // not of a package that changed
	h.restart()
	h.want("/usr/bin/tool", false, up)
	h.Write("/usr/bin/tool", "evil")
	h.want("/usr/bin/tool", false, "")
	h.Write("/usr/bin/stranger", "two")
	h.want("/usr/bin/stranger", true, "")
	if err := os.Remove(h.Path("/usr/bin/new")); err != nil {
		t.Fatal(err)
	}
	h.want("/usr/bin/new", false, "") // the package has it
	os.Remove(h.Path("/usr/lib/libt.so.1"))
	if err := os.Symlink("../bin/other", h.Path("/usr/lib/libt.so.1")); err != nil {
		t.Fatal(err)
	}
	h.want("/usr/lib/libt.so.1", false, "")
	h.index.Forget(h.now.Add(-time.Second)) // a scan that began before
	h.want("/usr/bin/same", false, up)
	h.index.Forget(h.now)
	h.want("/usr/bin/same", false, "")
	h.Dpkg("-i", h.Deb("tool", "2", version2)) // once more
	h.refresh()
	h.want("/usr/bin/tool", false, "tool 2 > 2")
	h.Dpkg("-r", "tool")
	h.refresh()
	h.want("/usr/bin/tool", false, "tool 2 > ")
	h.want("/etc/tool.conf", false, "tool 2 > ") // is there, as it says
	h.Dpkg("-P", "tool")
	h.refresh()
	h.want("/etc/tool.conf", false, "tool 2 > ")
	h.want("/usr/bin/other", false, "")
}

// Whoever edits the database is believed; the server is not so credulous.
func TestDpkgDatabaseEdited(t *testing.T) {
	h := newHost(t)
	h.Dpkg("-i", h.Deb("tool", "1", version1))
	h.refresh()
	h.Write("/usr/bin/tool", "evil")
	h.Write("/var/lib/dpkg/info/tool.md5sums", "4034a346ccee15292d823416f7510a2f  usr/bin/tool\n")
	h.refresh()
	h.want("/usr/bin/tool", false, "") // nothing was installed
	h.Dpkg("-i", h.Deb("tool", "2", version2))
	h.refresh()
	h.Write("/usr/bin/tool", "evil")
	h.Write("/var/lib/dpkg/info/tool.md5sums", "4034a346ccee15292d823416f7510a2f  usr/bin/tool\n")
	h.want("/usr/bin/tool", false, "tool 1 > 2")
}

func TestDpkgPlaces(t *testing.T) {
	h := newHost(t)
	for _, dir := range []string{"/usr/bin", "/usr/lib"} {
		os.MkdirAll(h.Path(dir), 0o755)
	}
	for from, to := range map[string]string{"/bin": "usr/bin", "/lib": "/usr/lib"} {
		if err := os.Symlink(to, h.Path(from)); err != nil {
			t.Fatal(err)
		}
	}
	h.refresh()
	h.Dpkg("-i", h.Deb("base", "1", packagestest.Files{"/bin/a": "a", "/usr/bin/b": "b", "/usr/bin/c": "c"}))
	// As by dpkg-divert: another package's /usr/bin/c lies elsewhere.
	h.Write("/var/lib/dpkg/diversions", "/usr/bin/d\n/usr/bin/d.real\nmine\n")
	h.Dpkg("-i", h.Deb("theirs", "1", packagestest.Files{"/usr/bin/d": "theirs"}), h.Deb("mine", "1", packagestest.Files{"/usr/bin/d": "mine"}))
	h.refresh()
	for path, want := range map[string]string{"/usr/bin/a": "base", "/bin/a": "base", "/bin/b": "base", "/usr/bin/b": "base", "/usr/bin/d.real": "theirs", "/usr/bin/d": "mine"} {
		h.want(path, true, want+"  > 1")
	}
}

// What one package loses and another one has is nobody's deletion.
func TestDpkgMovedBetweenPackages(t *testing.T) {
	h := newHost(t)
	h.Dpkg("-i", h.Deb("a", "1", packagestest.Files{"/usr/bin/x": "x", "/usr/bin/a": "a"}))
	h.refresh()
	h.Dpkg("--force-overwrite", "-i", h.Deb("b", "1", packagestest.Files{"/usr/bin/x": "x"}))
	h.Dpkg("-r", "a")
	h.refresh()
	os.Remove(h.Path("/usr/bin/x"))
	h.want("/usr/bin/x", false, "")
	h.want("/usr/bin/a", false, "a 1 > ")
}

func TestDpkgLog(t *testing.T) {
	h := newHost(t)
	h.refresh()
	h.Dpkg("-i", h.Deb("tool", "1", version1))
	h.Write("/var/log/dpkg.log", "2026-03-01 04:00:00 startup archives unpack\n2026-03-01 04:00:01 install old:all <none> 1\n"+
		"2026-03-01 05:00:00 startup archives unpack\n2026-03-01 05:00:09 install tool:all <none> 1\n2026-03-01 05:01:00 startup packages configure\n"+
		"2026-03-01 05:01:01 install other:all <none> 1\nnonsense\n")
	h.refresh()
	w, _ := h.index.Link(context.Background(), h.Path("/usr/bin/tool"), &packages.Content{New: true, Sum: func(packages.Algorithm) []byte {
		sum := md5.Sum([]byte("one"))
		return sum[:]
	}})
	if w == nil {
		t.Fatal("not linked")
	}
	at := time.Date(2026, 3, 1, 5, 0, 9, 0, time.Local).UTC()
	if p := w.Package; !p.Time.Equal(at) || p.Transaction != at.Add(-9*time.Second).Format(time.RFC3339) || p.Arch != "all" || p.Manager != "dpkg" {
		t.Errorf("%+v", p)
	}
}
