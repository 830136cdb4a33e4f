package syscheck_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/agent/syscheck"
)

// mirror knows of the files in a tree what it was told to look at, as a cache does.
type mirror struct {
	mu      sync.Mutex
	files   map[string]string // what can be seen of a file, by path
	changes []string
	reports []string
}

func sight(path string) (string, bool) {
	info, err := os.Lstat(path)
	if err != nil || info.IsDir() {
		return "", false
	}
	st := info.Sys().(*syscall.Stat_t)
	content, _ := os.ReadFile(path)
	return fmt.Sprintf("%v %d %q", info.Mode(), st.Uid, content), true
}

func (m *mirror) tell(format string, args ...any) {
	m.changes = append(m.changes, fmt.Sprintf(format, args...))
}

func (m *mirror) look(list []syscheck.Noticed) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, n := range list {
		if n.From != "" {
			m.moved(n.From, n.Path)
		}
	}
	for _, n := range list {
		m.check(n.Path)
		if n.Tree {
			m.tree(n.Path)
		}
	}
}

func (m *mirror) tree(dir string) {
	for path := range maps.Clone(m.files) {
		if strings.HasPrefix(path, dir+"/") {
			m.check(path)
		}
	}
	filepath.WalkDir(dir, func(path string, _ fs.DirEntry, _ error) error {
		m.check(path)
		return nil
	})
}

func (m *mirror) moved(from, to string) {
	for path, seen := range maps.Clone(m.files) {
		rest, ok := strings.CutPrefix(path, from)
		if !ok || rest != "" && rest[0] != '/' {
			continue
		}
		now, there := sight(to + rest)
		_, still := sight(path)
		if _, known := m.files[to+rest]; there && !still && !known && now == seen {
			delete(m.files, path)
			m.files[to+rest] = now
			m.tell("moved %s %s", filepath.Base(path), filepath.Base(to+rest))
		}
	}
}

func (m *mirror) check(path string) {
	seen, known := m.files[path]
	now, there := sight(path)
	name := filepath.Base(path)
	switch {
	case known && !there:
		delete(m.files, path)
		m.tell("deleted %s", name)
		return
	case !known && there:
		m.tell("added %s", name)
	case known && now != seen:
		m.tell("modified %s", name)
	}
	if there {
		m.files[path] = now
	}
}

// watching watches roots and knows all files in them.
func watching(t *testing.T, enter func(string) bool, roots ...string) *mirror {
	t.Helper()
	m := &mirror{files: map[string]string{}}
	if enter == nil {
		enter = func(string) bool { return true }
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := syscheck.Watch(ctx, roots, enter, func(msg string) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.reports = append(m.reports, msg)
	}, m.look)
	t.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
	})
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range roots {
		m.check(r)
		m.tree(r)
	}
	m.changes = nil
	return m
}

// await polls until cond holds; then nothing more may come for a while that is longer than any debounce.
func (m *mirror) await(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		m.mu.Lock()
		ok := cond()
		m.mu.Unlock()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			m.mu.Lock()
			defer m.mu.Unlock()
			t.Fatalf("%s: changes %q, reports %q", what, m.changes, m.reports)
		}
	}
}

// want awaits that these changes were told, in whatever order, and no others up to a last one that is made to know that all before has come.
func (m *mirror) want(t *testing.T, dir string, want ...string) {
	t.Helper()
	m.await(t, fmt.Sprintf("want %q", want), func() bool { return len(m.changes) >= len(want) })
	write(t, filepath.Join(dir, "the-last"), "")
	m.await(t, "the last", func() bool { return slices.Contains(m.changes, "added the-last") })
	m.mu.Lock()
	defer m.mu.Unlock()
	got := slices.DeleteFunc(slices.Clone(m.changes), func(c string) bool { return c == "added the-last" })
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("changes %q, want %q", got, want)
	}
}

func TestWatch(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(t *testing.T, dir, out string)
		want []string
	}{
		{"created", func(t *testing.T, d, _ string) { write(t, d+"/new", "x") }, []string{"added new"}},
		{"modified", func(t *testing.T, d, _ string) { write(t, d+"/a", "other") }, []string{"modified a"}},
		{"mode", func(t *testing.T, d, _ string) { must(t, os.Chmod(d+"/a", 0o600)) }, []string{"modified a"}},
		{"owner", func(t *testing.T, d, _ string) { must(t, os.Chown(d+"/sub/b", 12, 34)) }, []string{"modified b"}},
		{"deleted", func(t *testing.T, d, _ string) { must(t, os.Remove(d+"/a")) }, []string{"deleted a"}},
		{"moved within", func(t *testing.T, d, _ string) { must(t, os.Rename(d+"/a", d+"/sub/c")) }, []string{"moved a c"}},
		{"moved out", func(t *testing.T, d, o string) { must(t, os.Rename(d+"/a", o+"/a")) }, []string{"deleted a"}},
		{"moved in", func(t *testing.T, d, o string) { must(t, os.Rename(o+"/foreign", d+"/f")) }, []string{"added f"}},
		{"moved over", func(t *testing.T, d, _ string) { must(t, os.Rename(d+"/a", d+"/sub/b")) }, []string{"deleted a", "modified b"}},
		{"linked", func(t *testing.T, d, _ string) { must(t, os.Link(d+"/a", d+"/l"), os.Symlink("a", d+"/s")) }, []string{"added l", "added s"}},
		{"file for directory", func(t *testing.T, d, _ string) {
			must(t, os.RemoveAll(d+"/sub"))
			write(t, d+"/sub", "a file")
		}, []string{"added sub", "deleted b", "deleted deep"}},
		{"directories with files at once", func(t *testing.T, d, _ string) {
			must(t, os.MkdirAll(d+"/p/q/r", 0o755))
			write(t, d+"/p/q/r/new", "x")
			write(t, d+"/p/other", "x")
		}, []string{"added new", "added other"}},
		{"directory moved", func(t *testing.T, d, _ string) {
			must(t, os.Rename(d+"/sub", d+"/bus"))
			write(t, d+"/bus/down/new", "x")
		}, []string{"moved b b", "moved deep deep", "added new"}},
		{"directory moved out, and what happens in it", func(t *testing.T, d, o string) {
			must(t, os.Rename(d+"/sub", o+"/sub"))
			write(t, o+"/sub/new", "x")
		}, []string{"deleted b", "deleted deep"}},
		{"directory moved in", func(t *testing.T, d, o string) {
			must(t, os.Rename(o+"/dir", d+"/dir"))
			write(t, d+"/dir/new", "x")
		}, []string{"added in", "added new"}},
		{"directory moved, one made in its place", func(t *testing.T, d, _ string) {
			must(t, os.Rename(d+"/sub", d+"/old"), os.Mkdir(d+"/sub", 0o755))
			write(t, d+"/sub/x", "x")
			write(t, d+"/old/y", "y")
		}, []string{"moved b b", "moved deep deep", "added x", "added y"}},
		{"write a temporary file, rename it over", func(t *testing.T, d, _ string) {
			write(t, d+"/.a.swp", "edited")
			must(t, os.Chmod(d+"/.a.swp", 0o600), os.Rename(d+"/.a.swp", d+"/a"))
		}, []string{"modified a"}},
		{"rename to a backup, write anew, delete the backup", func(t *testing.T, d, _ string) {
			must(t, os.Rename(d+"/a", d+"/a~"))
			write(t, d+"/a", "edited")
			must(t, os.Remove(d+"/a~"))
		}, []string{"modified a"}},
		{"rename to a backup, write anew", func(t *testing.T, d, _ string) {
			must(t, os.Rename(d+"/a", d+"/a~"))
			write(t, d+"/a", "edited")
		}, []string{"modified a", "added a~"}},
		{"delete, write anew", func(t *testing.T, d, _ string) {
			must(t, os.Remove(d+"/a"))
			write(t, d+"/a", "edited")
		}, []string{"modified a"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir, out := t.TempDir(), t.TempDir()
			must(t, os.MkdirAll(dir+"/sub/down", 0o755), os.Mkdir(out+"/dir", 0o755))
			write(t, dir+"/a", "a")
			write(t, dir+"/sub/b", "b")
			write(t, dir+"/sub/down/deep", "deep")
			write(t, out+"/foreign", "f")
			write(t, out+"/dir/in", "i")
			m := watching(t, nil, dir)
			tt.do(t, dir, out)
			m.want(t, dir, tt.want...)
		})
	}
}

func TestWatchWritingGoesOn(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/a", "0")
	m := watching(t, nil, dir)
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 1; ; i++ {
			select {
			case <-stop:
				return
			default:
				os.WriteFile(dir+"/a", fmt.Append(nil, i), 0o644)
			}
		}
	}()
	m.await(t, "a file that never rests", func() bool { return len(m.changes) > 0 })
	close(stop)
	<-done
}

func TestWatchFile(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/a", "a")
	m := watching(t, nil, dir+"/a", dir+"/late", dir+"/later")
	write(t, dir+"/other", "x")
	write(t, dir+"/.tmp", "edited")
	must(t, os.Rename(dir+"/.tmp", dir+"/a"), os.Mkdir(dir+"/later", 0o755))
	write(t, dir+"/late", "x")
	write(t, dir+"/later/in", "x")
	m.want(t, dir+"/later", "modified a", "added late", "added in")
	write(t, dir+"/a", "by its own name")
	m.await(t, "second change", func() bool { return strings.Count(strings.Join(m.changes, " "), "modified a") == 2 })
	must(t, os.RemoveAll(dir))
	m.await(t, "all deleted", func() bool { return slices.Contains(m.changes, "deleted a") && len(m.files) == 0 })
}

func TestWatchRootByLink(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Mkdir(dir+"/real", 0o755), os.Symlink("real", dir+"/link"))
	m := watching(t, nil, dir+"/link")
	write(t, dir+"/real/a", "x")
	m.await(t, "a file below a link", func() bool { return slices.Contains(m.changes, "added a") })
}

func TestWatchNotEntered(t *testing.T) {
	dir := t.TempDir()
	must(t, os.MkdirAll(dir+"/no/deep", 0o755), os.Mkdir(dir+"/yes", 0o755))
	m := watching(t, func(d string) bool { return filepath.Base(d) != "no" }, dir)
	write(t, dir+"/no/a", "x")
	write(t, dir+"/no/deep/a", "x")
	must(t, os.Rename(dir+"/no", dir+"/yes/no"))
	write(t, dir+"/yes/b", "x")
	m.want(t, dir, "added b")
	must(t, os.Rename(dir+"/yes/no", dir+"/yes/now"))
	m.await(t, "renamed to what is watched", func() bool { return strings.Count(strings.Join(m.changes, " "), "added a") == 2 })
}

// setting writes one of inotify's settings for the time of a test.
func setting(t *testing.T, name, value string) {
	t.Helper()
	path := "/proc/sys/fs/inotify/" + name
	old, err := os.ReadFile(path)
	must(t, err, os.WriteFile(path, []byte(value), 0))
	t.Cleanup(func() { must(t, os.WriteFile(path, old, 0)) })
}

func TestWatchOverflow(t *testing.T) {
	dir := t.TempDir()
	setting(t, "max_queued_events", "16")
	m := watching(t, nil, dir)
	for i := range 300 {
		sub := fmt.Sprintf("%s/%d", dir, i)
		must(t, os.Mkdir(sub, 0o755))
		write(t, sub+"/f", "x")
	}
	m.await(t, "all in spite of the overflow", func() bool { return len(m.files) == 300 })
	m.await(t, "report", func() bool { return len(m.reports) == 1 })
	if !strings.Contains(m.reports[0], "fs.inotify.max_queued_events is 16") {
		t.Errorf("%q", m.reports)
	}
	write(t, dir+"/299/g", "x") // in a directory whose making nobody told
	m.await(t, "after the overflow", func() bool { return len(m.files) == 301 })
}

// watches returns how many directories are watched on this machine: the limit counts those of other processes, too.
func watches() (n int) {
	list, _ := filepath.Glob("/proc/[0-9]*/fdinfo/*")
	for _, path := range list {
		text, _ := os.ReadFile(path) // some are gone
		n += strings.Count(string(text), "inotify wd:")
	}
	return n
}

func TestWatchLimit(t *testing.T) {
	dir := t.TempDir()
	for i := range 50 {
		must(t, os.Mkdir(fmt.Sprintf("%s/%d", dir, i), 0o755))
	}
	setting(t, "max_user_watches", fmt.Sprint(watches()+20))
	m := watching(t, nil, dir)
	write(t, dir+"/a", "x")
	m.want(t, dir, "added a")
	if len(m.reports) != 1 || !strings.Contains(m.reports[0], "fs.inotify.max_user_watches is ") || !strings.Contains(m.reports[0], dir) {
		t.Errorf("%q", m.reports)
	}
}

func TestWatchNoInstance(t *testing.T) {
	setting(t, "max_user_instances", "0")
	var reports []string
	ended := syscheck.Watch(context.Background(), []string{t.TempDir()}, nil, func(msg string) { reports = append(reports, msg) }, nil)
	if err := <-ended; err != nil || len(reports) != 1 || !strings.Contains(reports[0], "max_user_instances") {
		t.Errorf("%v, %q", err, reports)
	}
}

// TestWatchRandom has two writers do what they like. In the end, what is known is what is there: nothing was missed.
func TestWatchRandom(t *testing.T) {
	dir, out := t.TempDir(), t.TempDir()
	m := watching(t, nil, dir)
	var wg sync.WaitGroup
	for w := range 2 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 5))
			for range 3000 {
				anything(r, dir, out)
			}
		})
	}
	wg.Wait()
	m.await(t, "all as it is", func() bool { return maps.Equal(m.files, actual(dir)) })
	if len(m.reports) > 0 {
		t.Errorf("%q", m.reports)
	}
}

func actual(dir string) map[string]string {
	files := map[string]string{}
	filepath.WalkDir(dir, func(path string, _ fs.DirEntry, _ error) error {
		if s, ok := sight(path); ok {
			files[path] = s
		}
		return nil
	})
	return files
}
