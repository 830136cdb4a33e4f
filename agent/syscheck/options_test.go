//go:build linux

package syscheck_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/yagura-hids/yagura/agent/syscheck"
	"github.com/yagura-hids/yagura/internal/event"
	words "github.com/yagura-hids/yagura/internal/syscheck"
)

func (h *host) symlink(target, name string) {
	h.t.Helper()
	h.must(os.MkdirAll(filepath.Dir(h.path(name)), 0o755))
	h.must(os.Symlink(target, h.path(name)))
}

// found returns the files below the tree of which a first scan tells.
func (h *host) found() (names string) {
	h.t.Helper()
	for _, line := range h.changes(h.scan()) {
		name, ok := strings.CutPrefix(line, words.Baseline+" ")
		if !ok {
			h.t.Errorf("%s in a first scan", line)
		}
		names += " " + name
	}
	return strings.TrimSpace(names)
}

// What of a tree is watched, by the configuration.
func TestWhatIsWatched(t *testing.T) {
	whole := syscheck.Directory{Path: ".", Check: all, Recursion: -1}
	with := func(path string, change func(d *syscheck.Directory)) syscheck.Directory {
		d := whole
		d.Path = path
		if change != nil {
			change(&d)
		}
		return d
	}
	depth := func(n int) func(d *syscheck.Directory) { return func(d *syscheck.Directory) { d.Recursion = n } }
	const everything = "a.log a/1 a/b/2 a/b/c/3 d/x.conf d/y to-a to-y"
	for _, c := range []struct {
		name string
		dirs []syscheck.Directory
		ign  []syscheck.Match
		want string
	}{
		{"all", []syscheck.Directory{whole}, nil, everything},
		{"twice", []syscheck.Directory{whole, with(".", depth(0))}, nil, everything},
		{"depth 0", []syscheck.Directory{with(".", depth(0))}, nil, "a.log to-a to-y"},
		{"depth 1", []syscheck.Directory{with(".", depth(1))}, nil, "a.log a/1 d/x.conf d/y to-a to-y"},
		{"below, deeper", []syscheck.Directory{with(".", depth(0)), with("a/b", nil)}, nil, "a.log a/b/2 a/b/c/3 to-a to-y"},
		{"below, shallower", []syscheck.Directory{whole, with("a", depth(0))}, nil, "a.log a/1 d/x.conf d/y to-a to-y"},
		{"files", []syscheck.Directory{with("a/1", nil), with("a.log", nil), with("none", nil)}, nil, "a.log a/1"},
		{"pattern", []syscheck.Directory{with("*/[by]", nil)}, nil, "a/b/2 a/b/c/3 d/y to-a/b/2 to-a/b/c/3"},
		{"restrict", []syscheck.Directory{with(".", func(d *syscheck.Directory) { d.Restrict = ".CONF$|3$" })}, nil, "a/b/c/3 d/x.conf"},
		{"ignore a prefix", []syscheck.Directory{whole}, []syscheck.Match{{Text: "A"}}, "d/x.conf d/y to-a to-y"},
		{"ignore a pattern", []syscheck.Directory{whole}, []syscheck.Match{{Text: ".log$|/B$", Pattern: true}}, "a/1 d/x.conf d/y to-a to-y"},
		{"ignored, and below named", []syscheck.Directory{whole, with("a/b/c", nil)}, []syscheck.Match{{Text: "a/b"}}, "a.log a/1 d/x.conf d/y to-a to-y"},
		{"a link", []syscheck.Directory{with("to-a", nil), with("to-y", nil)}, nil, "to-a to-y"},
		{"followed", []syscheck.Directory{with("to-a", func(d *syscheck.Directory) { d.FollowLinks = true })}, nil, "to-a/1 to-a/b/2 to-a/b/c/3"},
		{"below a link", []syscheck.Directory{whole, with("to-a/b", nil)}, nil, "a.log a/1 a/b/2 a/b/c/3 d/x.conf d/y to-a/b/2 to-a/b/c/3 to-a to-y"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHost(t)
			for _, name := range []string{"a/1", "a/b/2", "a/b/c/3", "a.log", "d/x.conf", "d/y"} {
				h.write(name, name)
			}
			h.symlink("a", "to-a")
			h.symlink("d/y", "to-y")
			h.must(syscall.Mkfifo(h.path("d/fifo"), 0o600))
			h.conf.Directories = nil
			for _, d := range c.dirs {
				d.Path = h.path(d.Path)
				h.conf.Directories = append(h.conf.Directories, d)
			}
			for _, m := range c.ign {
				if !m.Pattern {
					m.Text = strings.ToUpper(h.path(m.Text))
				}
				h.conf.Ignore = append(h.conf.Ignore, m)
			}
			if got := sortedNames(h.found()); got != sortedNames(c.want) {
				t.Errorf("watched:\n%s\nwant:\n%s", got, c.want)
			}
			h.want() // and nothing is forgotten by the next scan
		})
	}
}

func sortedNames(names string) string {
	list := strings.Fields(names)
	slices.Sort(list)
	return strings.Join(list, " ")
}

// A file that is no longer spoken of is forgotten, and one that is spoken of for the first time is no news.
func TestConfigurationChanges(t *testing.T) {
	h := newHost(t)
	h.write("a", "1")
	h.write("b", "2")
	h.want("baseline a", "baseline b")
	h.conf.Ignore = []syscheck.Match{{Text: h.path("a")}}
	h.want("unwatched a")
	h.want()
	h.write("c", "3")
	h.want("added c")
	h.conf.Ignore = nil
	h.write("d", "4")
	h.want("baseline a", "baseline d")
	h.write("e", "5")
	h.want("added e")
	h.conf.Directories[0].Check |= syscheck.MD5
	h.want("baseline a", "baseline b", "baseline c", "baseline d", "baseline e")
	h.conf.Directories[0].Check = syscheck.SHA1 // nothing in common, and still
	h.write("b", "two")
	h.want("baseline a", "modified b", "baseline c", "baseline d", "baseline e")
	h.want()
}

// A pattern is looked up again by each scan; what comes to match it is new.
func TestPatternMatchesLater(t *testing.T) {
	h := newHost(t)
	h.conf.Directories[0].Path = h.path("*/etc")
	h.write("a/etc/1", "1")
	h.want("baseline a/etc/1")
	h.write("b/etc/2", "2")
	h.want("added b/etc/2")
	h.must(os.RemoveAll(h.path("a")))
	h.want("deleted a/etc/1")
}

// The moves: what is told of each.
func TestMoves(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(h *host)
		want []string
	}{
		{"to a later name", func(h *host) { h.rename("a", "z") }, []string{"moved a > z"}},
		{"to an earlier name", func(h *host) { h.rename("c", "0") }, []string{"moved c > 0"}},
		{"over another", func(h *host) { h.rename("a", "b") }, []string{"modified a > b"}},
		{"over one that was moved", func(h *host) { h.rename("b", "z"); h.rename("a", "b") }, []string{"modified a > b", "added z"}},
		{"and changed", func(h *host) { h.rename("a", "z"); h.write("z", "changed") }, []string{"deleted a", "added z"}},
		{"and another mode", func(h *host) { h.rename("a", "z"); h.must(os.Chmod(h.path("z"), 0o600)) }, []string{"moved a > z"}},
		{"two changed places", func(h *host) { h.rename("a", "t"); h.rename("b", "a"); h.rename("t", "b") }, []string{"modified a", "modified b"}},
		{"a copy took its place", func(h *host) { h.rename("a", "z"); h.write("a", "one") }, []string{"modified a", "added z"}},
		{"a directory", func(h *host) { h.rename("d", "g") }, []string{"moved d/e/1 > g/e/1", "moved d/e/2 > g/e/2"}},
		{"a link", func(h *host) { h.rename("l", "k") }, []string{"moved l > k"}},
		{"a hard link", func(h *host) { h.must(os.Link(h.path("a"), h.path("h"))) }, []string{"added h"}},
		{"a hard link in its place", func(h *host) { h.must(os.Link(h.path("a"), h.path("h"))); h.must(os.Remove(h.path("a"))) }, []string{"moved a > h"}},
		{"a file became a directory", func(h *host) { h.must(os.Remove(h.path("a"))); h.write("a/1", "one") }, []string{"deleted a", "added a/1"}},
		{"a link became its target", func(h *host) { h.must(os.Remove(h.path("l"))); h.write("l", "one") }, []string{"modified l"}},
		{"a link's target is another", func(h *host) { h.must(os.Remove(h.path("l"))); h.symlink("b", "l") }, []string{"modified l"}},
		{"a link's target is gone", func(h *host) { h.must(os.Remove(h.path("b"))) }, []string{"deleted b"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHost(t)
			h.conf.Directories[0].Check |= syscheck.Inode
			for name, text := range map[string]string{"a": "one", "b": "two", "c": "three", "d/e/1": "four", "d/e/2": "five"} {
				h.write(name, text)
			}
			h.symlink("a", "l")
			w := &follower{t: t, state: map[string]words.Record{}}
			w.follow(h.scan())
			c.do(h)
			events := h.scan()
			w.follow(events)
			w.same(truth(t, h.dir))
			if got := join(h.changes(events)); sortedLines(got) != sortedLines(join(c.want)) && !h.linkToo(got, c.want) {
				t.Errorf("told:\n%swant:\n%s", got, join(c.want))
			}
		})
	}
}

func (h *host) rename(from, to string) {
	h.t.Helper()
	h.must(os.Rename(h.path(from), h.path(to)))
}

func sortedLines(text string) string {
	lines := strings.Split(text, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// linkToo tells whether got is want and, since its target became another one, the link l.
func (h *host) linkToo(got string, want []string) bool {
	return sortedLines(got) == sortedLines(join(append([]string{"modified l"}, want...)))
}

// What is hashed: the file, its link's target, what the prefilter makes of it.
func TestHashes(t *testing.T) {
	h := newHost(t)
	h.write("a", "content")
	h.symlink("a", "l")
	h.conf.Directories[0].Check |= syscheck.MD5 | syscheck.SHA1
	filter := filepath.Join(t.TempDir(), "filter")
	h.must(os.WriteFile(filter, []byte("#!/bin/sh\n[ \"$1\" = -y ] && grep -q plain \"$2\" && echo filtered || exit 1\n"), 0o755))
	h.conf.Prefilter = []string{filter, "-y"}
	h.write("p", "plain")
	sums := map[string]string{}
	for _, ev := range h.scan() {
		if c, err := words.Parse(ev.Text); ev.Kind == event.Syscheck && err == nil && c.After != nil {
			sums[h.name(c.Path)] = c.After.SHA256 + c.After.MD5 + c.After.SHA1
		}
	}
	for name, start := range map[string]string{"a": sum("content"), "l": sum("content"), "p": sum("filtered\n")} {
		if got := sums[name]; !strings.HasPrefix(got, start) || len(got) != 64+32+40 {
			t.Errorf("%s: %s, want %s…", name, got, start)
		}
	}
}

func sum(text string) string {
	s := sha256.Sum256([]byte(text))
	return hex.EncodeToString(s[:])
}

// A user who may not read a file tells of it once, and of no change, whatever it was before; of one that happened meanwhile when it can be read again.
func TestUnreadable(t *testing.T) {
	h := newHost(t)
	h.write("a", "one")
	h.write("never", "hidden")
	h.must(os.Chmod(h.path("never"), 0o600))
	base := filepath.Dir(h.dir)
	const nobody = 65534
	for p := base; len(p) > len(os.TempDir()); p = filepath.Dir(p) {
		h.must(os.Chmod(p, 0o777))
	}
	h.must(h.spool.Close())
	h.must(os.Chmod(filepath.Join(base, "agent.db"), 0o666))
	program, err := os.ReadFile(os.Args[0])
	h.must(err)
	h.must(os.WriteFile(filepath.Join(base, "program"), program, 0o755))
	scan := func() (said string, told []string) {
		cmd := exec.Command(filepath.Join(base, "program"), "-test.run=^TestChild$", "-once", "-child="+h.dir+":"+filepath.Join(base, "agent.db"))
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		h.spool = openSpool(t, filepath.Join(base, "agent.db"), "web1")
		defer h.spool.Close()
		for _, line := range strings.Split(string(out), "\n") {
			if rest, ok := strings.CutPrefix(line, "report: "); ok {
				said += rest + "\n"
			}
		}
		return said, h.changes(h.take())
	}
	check := func(reports int, want ...string) {
		t.Helper()
		said, told := scan()
		if join(told) != join(want) || strings.Count(said, "\n") != reports {
			t.Errorf("told:\n%swant:\n%sreports:\n%s", join(told), join(want), said)
		}
	}
	check(1, "baseline a", "baseline never")
	check(0)
	before, err := os.Stat(h.path("a"))
	h.must(err)
	h.write("a", "eno")
	h.must(os.Chtimes(h.path("a"), before.ModTime(), before.ModTime()))
	h.must(os.Chmod(h.path("a"), 0o600))
	check(1, "modified a") // its mode, for sure
	check(0)
	h.must(os.Chmod(h.path("never"), 0o604))
	check(0, "modified never")
	h.must(os.Chmod(h.path("a"), 0o604))
	check(0, "modified a")
	check(0)
}

// A directory that is configured and not there is no fault, and what comes into it is new.
func TestRootComesLater(t *testing.T) {
	h := newHost(t)
	h.conf.Directories[0].Path = h.path("later/on")
	h.want()
	h.write("later/on/a", "1")
	h.want("added later/on/a")
	if said := h.reports(); len(said) > 0 {
		t.Error(said)
	}
}

// What can't be a configuration is told with its place.
func TestFaults(t *testing.T) {
	h := newHost(t)
	for _, c := range []struct {
		dir  syscheck.Directory
		want string
	}{
		{syscheck.Directory{Path: "relative"}, "not an absolute path"},
		{syscheck.Directory{Path: "/etc", Restrict: strings.Repeat("x", 3000)}, "directory /etc: restrict:"},
	} {
		_, err := syscheck.New(syscheck.Config{Directories: []syscheck.Directory{c.dir}}, syscheck.Options{Spool: h.spool})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q, want %q in it", err, c.want)
		}
	}
}

// A disk that was cloned tells its new server of all files, without looking at them; one whose server asks tells of those in the buckets.
func TestResend(t *testing.T) {
	h := newHost(t)
	ctx := context.Background()
	for _, name := range strings.Fields("a b c d e f g h") {
		h.write(name, name)
	}
	h.scan()
	path := filepath.Join(filepath.Dir(h.dir), "agent.db")
	h.must(h.spool.Close())
	h.spool = openSpool(t, path, "web2")
	h.must(os.Remove(h.path("a"))) // nobody looks
	s := h.new()
	ended, cancel := context.WithCancel(ctx)
	ran := make(chan error)
	h.conf.Schedule.OnStart = true // none is due, though: there was one
	go func() { ran <- s.Run(ended) }()
	w := &follower{t: t, state: map[string]words.Record{}}
	for w.digests == nil {
		w.follow(h.take())
	}
	if len(w.state) != 8 {
		t.Errorf("%d files are told again, want 8", len(w.state))
	}
	bucket := words.Bucket(h.path("c"))
	h.must(s.Resend(ctx, []int{bucket, 999, -1}))
	list := h.changes(h.take())
	var want []string
	for _, name := range strings.Fields("a b c d e f g h") {
		if words.Bucket(h.path(name)) == bucket {
			want = append(want, "baseline "+name)
		}
	}
	if join(list) != join(want) {
		t.Errorf("told again:\n%swant:\n%s", join(list), join(want))
	}
	cancel()
	h.must(<-ran)
	h.want("deleted a")
}

// More files go than are held at once: all are told of, and the few that were moved are known again if both halves are seen soon enough.
func TestManyGo(t *testing.T) {
	h := newHost(t)
	const n = 9000 // more than are held
	for i := range n {
		h.write(fmt.Sprintf("%02d/%d", i%10, i), fmt.Sprint(i))
	}
	h.scan()
	h.must(os.Mkdir(h.path("new"), 0o755))
	for i := range n {
		name := fmt.Sprintf("%02d/%d", i%10, i)
		if i%3 == 0 {
			h.rename(name, fmt.Sprintf("new/%d", i))
			continue
		}
		h.must(os.Remove(h.path(name)))
	}
	count := map[string]int{}
	for _, line := range h.changes(h.scan()) {
		what, _, _ := strings.Cut(line, " ")
		count[what]++
	}
	if count["moved"] < n/4 || count["moved"]+count["added"] != n/3 || count["moved"]+count["deleted"] != n {
		t.Errorf("told: %v", count)
	}
	h.want()
}
