//go:build linux

package syscheck_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/agent/syscheck"
	"github.com/yagura-hids/yagura/internal/event"
	words "github.com/yagura-hids/yagura/internal/syscheck"
)

var (
	files   = flag.Int("files", 1500, "files of the model's tree")
	changes = flag.Int("changes", 200, "changes that are made to it")
	seed    = flag.Uint64("seed", 1, "of the random changes")
	once    = flag.Bool("once", false, "let that process end after a scan")
	child   = flag.String("child", "", "be the process that is killed: a tree and a spool, separated by a colon")
)

// truth returns the records of all files below dir, by path as in a message: what a scan must come to.
func truth(t *testing.T, dir string) map[string]words.Record {
	t.Helper()
	state := map[string]words.Record{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		state[words.Escape(path)] = recordOf(t, path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return state
}

func recordOf(t *testing.T, path string) words.Record {
	t.Helper()
	fi, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	st := fi.Sys().(*syscall.Stat_t)
	r := words.Record{
		Size: st.Size, Mode: st.Mode, UID: strconv.Itoa(int(st.Uid)), GID: strconv.Itoa(int(st.Gid)), MTime: fi.ModTime().UTC(), Inode: st.Ino,
	}
	r.User, r.Group = names(r.UID, r.GID)
	if fi.Mode()&fs.ModeSymlink != 0 {
		link, err := os.Readlink(path)
		if err != nil {
			t.Fatal(err)
		}
		r.Link = words.Escape(link)
	}
	if target, err := os.Stat(path); err == nil && target.Mode().IsRegular() {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(text)
		r.SHA256 = hex.EncodeToString(sum[:])
	}
	return r
}

// names returns what the owner and the group are called, "" for neither.
var names = func() func(uid, gid string) (string, string) {
	users, groups := map[string]string{}, map[string]string{}
	return func(uid, gid string) (string, string) {
		if _, ok := users[uid]; !ok {
			users[uid] = ""
			if u, err := user.LookupId(uid); err == nil {
				users[uid] = u.Username
			}
		}
		if _, ok := groups[gid]; !ok {
			groups[gid] = ""
			if g, err := user.LookupGroupId(gid); err == nil {
				groups[gid] = g.Name
			}
		}
		return users[uid], groups[gid]
	}
}()

// follower follows an agent as its server does.
type follower struct {
	t       *testing.T
	state   map[string]words.Record
	told    map[string]int // how often a path was told of, without baselines
	digests *words.Digests
}

// follow applies events, and fails if one doesn't go on from what was told before.
func (f *follower) follow(events []*event.Event) {
	f.t.Helper()
	f.told = map[string]int{}
	for _, ev := range events {
		if ev.Kind != event.Syscheck {
			continue
		}
		c, err := words.Parse(ev.Text)
		if err != nil {
			f.t.Fatal(err)
		}
		if c.Type == words.DigestsType {
			if f.digests, err = words.ParseDigests(ev.Text); err != nil {
				f.t.Fatal(err)
			}
			f.agree()
			continue
		}
		f.apply(&c)
	}
}

func (f *follower) apply(c *words.Change) {
	f.t.Helper()
	have, known := f.state[c.Path]
	want := map[string]bool{words.Added: false, words.Moved: false, words.Modified: true, words.Deleted: true}
	if must, ok := want[c.Type]; ok && must != known {
		f.t.Errorf("%s %s, and it was known: %v", c.Type, c.Path, known)
	}
	if c.Type == words.Moved {
		have = f.state[c.From]
	}
	if c.Before != nil && *c.Before != have {
		f.t.Errorf("%s %s: before %+v, but it was told as %+v", c.Type, c.Path, *c.Before, have)
	}
	if c.From != "" {
		if _, known := f.state[c.From]; !known {
			f.t.Errorf("%s %s from %s, which was not known", c.Type, c.Path, c.From)
		}
		delete(f.state, c.From)
		f.told[c.From]++
	}
	if c.Type != words.Baseline {
		f.told[c.Path]++
	}
	if c.After == nil {
		delete(f.state, c.Path)
		return
	}
	f.state[c.Path] = *c.After
}

// agree compares the digests with what was followed.
func (f *follower) agree() {
	f.t.Helper()
	var own words.Digests
	for path, r := range f.state {
		own.Add(path, &r)
	}
	if own != *f.digests {
		f.t.Errorf("digests of %d files differ from those of the %d that were told", f.digests.Files(), own.Files())
	}
}

// same compares what was followed with the truth.
func (f *follower) same(state map[string]words.Record) {
	f.t.Helper()
	wrong := 0
	for path, r := range state {
		if got, ok := f.state[path]; (!ok || got != r) && wrong < 10 {
			f.t.Errorf("%s: told %+v (%v), is %+v", path, got, ok, r)
			wrong++
		}
	}
	for path := range f.state {
		if _, ok := state[path]; !ok && wrong < 10 {
			f.t.Errorf("%s: told, but gone", path)
			wrong++
		}
	}
}

// forest is a tree that changes at random.
type forest struct {
	t       *testing.T
	rnd     *rand.Rand
	dir     string
	n       int
	names   []string        // of files that may be there
	touched map[string]bool // paths that a change named
	inodes  map[uint64]bool // of files that a change touched
}

func newForest(t *testing.T, dir string, n int) *forest {
	f := &forest{t: t, rnd: rand.New(rand.NewPCG(*seed, uint64(n))), dir: dir, touched: map[string]bool{}, inodes: map[uint64]bool{}}
	for range n {
		f.create()
	}
	f.forget()
	return f
}

// forget begins a new period of changes.
func (f *forest) forget() {
	clear(f.touched)
	clear(f.inodes)
}

func (f *forest) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// fresh returns a path at which there is nothing, with a directory.
func (f *forest) fresh() string {
	f.n++
	odd := []string{"", "-", " x", ".d", "\n", "\xff", `\xff`, "ü"}[f.rnd.IntN(8)]
	path := filepath.Join(f.dir, fmt.Sprintf("d%d%s", f.rnd.IntN(20), odd), fmt.Sprintf("e%d", f.rnd.IntN(10)), fmt.Sprintf("f%d%s", f.n, odd))
	f.must(os.MkdirAll(filepath.Dir(path), 0o755))
	return path
}

// pick returns a file that is there, and notes that it is about to change.
func (f *forest) pick() string {
	for {
		i := f.rnd.IntN(len(f.names))
		path := f.names[i]
		if _, err := os.Lstat(path); err == nil {
			f.note(path)
			return path
		}
		f.names[i] = f.names[len(f.names)-1]
		f.names = f.names[:len(f.names)-1]
	}
}

func (f *forest) note(path string) {
	f.touched[words.Escape(path)] = true
	if fi, err := os.Lstat(path); err == nil {
		f.inodes[fi.Sys().(*syscall.Stat_t).Ino] = true
	}
	if fi, err := os.Stat(path); err == nil {
		f.inodes[fi.Sys().(*syscall.Stat_t).Ino] = true
	}
}

func (f *forest) text() []byte {
	b := make([]byte, 1+f.rnd.IntN(200))
	for i := range b {
		b[i] = byte(f.rnd.Uint32())
	}
	return b
}

func (f *forest) create() string {
	path := f.fresh()
	f.must(os.WriteFile(path, f.text(), 0o644))
	f.names = append(f.names, path)
	f.note(path)
	return path
}

// change makes one change and returns the paths that the kernel would tell of.
func (f *forest) change() []string {
	switch f.rnd.IntN(11) {
	case 0:
		path := f.pick()
		f.must(f.ignore(os.WriteFile(path, f.text(), 0o600)))
		return []string{path}
	case 1:
		path := f.pick()
		f.must(f.ignore(os.Chmod(path, fs.FileMode(0o400+f.rnd.IntN(0o400)))))
		return []string{path}
	case 2:
		path := f.pick()
		f.must(os.Lchown(path, f.rnd.IntN(5), f.rnd.IntN(5)))
		return []string{path}
	case 3:
		return []string{f.sneak(f.pick())}
	case 4:
		path := f.pick()
		f.must(os.Remove(path))
		return []string{path}
	case 5, 6:
		return f.rename(f.pick(), f.rnd.IntN(3) == 0)
	case 7:
		path, target := f.pick(), f.pick()
		f.must(os.Remove(path))
		f.must(os.Symlink(target, path))
		f.note(path)
		return []string{path}
	case 8:
		from, path := f.pick(), f.fresh()
		f.must(os.Link(from, path))
		f.names = append(f.names, path)
		f.note(path)
		return []string{from, path}
	case 9:
		from := filepath.Dir(f.pick())
		return f.renameDir(from)
	}
	return []string{f.create()}
}

// ignore lets a link's missing target pass.
func (f *forest) ignore(err error) error {
	if os.IsNotExist(err) || os.IsPermission(err) || err != nil && strings.Contains(err.Error(), "too many levels") {
		return nil
	}
	return err
}

// sneak changes a file's content, and neither its size nor its time.
func (f *forest) sneak(path string) string {
	fi, err := os.Lstat(path)
	f.must(err)
	if !fi.Mode().IsRegular() || fi.Size() == 0 {
		return path
	}
	text, err := os.ReadFile(path)
	f.must(err)
	text[f.rnd.IntN(len(text))]++
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	f.must(err)
	_, err = file.Write(text)
	f.must(err)
	f.must(file.Close())
	f.must(os.Chtimes(path, fi.ModTime(), fi.ModTime()))
	return path
}

func (f *forest) rename(from string, over bool) []string {
	to := f.fresh()
	if over {
		to = f.pick()
	}
	f.must(os.Rename(from, to))
	f.note(to)
	f.names = append(f.names, to)
	return []string{from, to}
}

func (f *forest) renameDir(from string) []string {
	to := filepath.Join(f.dir, fmt.Sprintf("g%d", f.n))
	f.n++
	entries, err := os.ReadDir(from)
	f.must(err)
	var paths []string
	for _, e := range entries {
		old, path := filepath.Join(from, e.Name()), filepath.Join(to, e.Name())
		f.note(old)
		f.touched[words.Escape(path)] = true
		f.names = append(f.names, path)
		paths = append(paths, old, path)
	}
	f.must(os.Rename(from, to))
	return paths
}

// caused tells whether the changes since forget may have changed that path.
func (f *forest) caused(path string, before, after map[string]words.Record) bool {
	if f.touched[path] {
		return true
	}
	for _, state := range []map[string]words.Record{before, after} {
		if r, ok := state[path]; ok && (f.inodes[r.Inode] || r.Link != "" && f.caused(words.Escape(r.Link), before, after)) {
			return true
		}
	}
	return false
}

func differing(a, b map[string]words.Record) (paths []string) {
	for path, r := range a {
		if s, ok := b[path]; !ok || s != r {
			paths = append(paths, path)
		}
	}
	for path := range b {
		if _, ok := a[path]; !ok {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	return paths
}

func modelHost(t *testing.T) (*host, *forest, *follower) {
	h := newHost(t)
	h.conf.Directories[0].Check |= syscheck.Inode
	f := newForest(t, h.dir, *files)
	w := &follower{t: t, state: map[string]words.Record{}}
	w.follow(h.scan())
	w.same(truth(t, h.dir))
	if len(w.told) > 0 {
		t.Errorf("%d changes in the first scan", len(w.told))
	}
	return h, f, w
}

// Between two scans, each path that is another one now is told of exactly once, and no other.
func TestChangesBetweenScans(t *testing.T) {
	h, f, w := modelHost(t)
	before := truth(t, h.dir)
	for range 4 {
		for range *changes / 4 {
			f.change()
		}
		after := truth(t, h.dir)
		w.follow(h.scan())
		w.same(after)
		paths := differing(before, after)
		for _, path := range paths {
			if w.told[path] != 1 {
				t.Errorf("%s changed and is told %d times", path, w.told[path])
			}
		}
		if len(w.told) != len(paths) {
			t.Errorf("%d paths changed, %d are told", len(paths), len(w.told))
		}
		before = after
	}
}

// During scans, with the kernel's notices of half of the changes, too: what is told is one story, of files that changed, and ends with the truth.
func TestChangesDuringScans(t *testing.T) {
	h, f, w := modelHost(t)
	ctx := context.Background()
	before := truth(t, h.dir)
	s := h.new()
	for range 4 {
		scanned := make(chan error, 1)
		go func() {
			_, err := s.Scan(ctx, true)
			scanned <- err
		}()
		for range *changes / 4 {
			paths := f.change()
			if f.rnd.IntN(2) == 0 {
				continue
			}
			for len(paths) > 0 {
				var err error
				if paths, err = s.Check(ctx, paths...); err != nil {
					t.Fatal(err)
				}
			}
		}
		h.must(<-scanned)
		_, err := s.Scan(ctx, true)
		h.must(err)
		after := truth(t, h.dir)
		w.follow(h.take())
		w.same(after)
		for path := range w.told {
			if !f.caused(path, before, after) {
				t.Errorf("%s is told, and nothing touched it", path)
			}
		}
		for _, path := range differing(before, after) {
			if w.told[path] == 0 {
				t.Errorf("%s changed and is not told", path)
			}
		}
		before = after
		f.forget()
	}
}

// TestChild is the process that is killed: it scans for ever.
func TestChild(t *testing.T) {
	dir, path, ok := strings.Cut(*child, ":")
	if !ok {
		return
	}
	h := &host{t: t, dir: dir, spool: openSpool(t, path, "web1")}
	h.conf = syscheck.Config{Directories: []syscheck.Directory{{Path: dir, Check: all | syscheck.Inode, Recursion: -1}}}
	s := h.new()
	for ended := false; !ended; ended = *once {
		_, err := s.Scan(context.Background(), true)
		h.must(err)
		fmt.Println("scanned")
	}
	for _, msg := range h.reports() {
		fmt.Printf("report: %s\n", msg)
	}
}

// A process is killed while it scans, from its first scan on. What it told goes on after it as if nothing had been.
func TestKilled(t *testing.T) {
	base := t.TempDir()
	dir, path := filepath.Join(base, "tree"), filepath.Join(base, "agent.db")
	f := newForest(t, dir, *files)
	w := &follower{t: t, state: map[string]words.Record{}}
	before := truth(t, dir)
	for round := range 12 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestChild$", "-child="+dir+":"+path)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		f.must(err)
		f.must(cmd.Start())
		if round == 4 { // from now on there is a baseline
			_, err := out.Read(make([]byte, 1))
			f.must(err)
		}
		killed := make(chan struct{})
		lives := time.Duration(10+f.rnd.IntN(40*(round+1))) * time.Millisecond * time.Duration(1+*files/1500)
		go func() {
			<-time.After(lives) // and dies wherever it is by then
			_ = cmd.Process.Kill()
			close(killed)
		}()
		if round > 0 {
			for range *changes / 12 {
				f.change()
			}
		}
		<-killed
		_ = cmd.Wait()
	}
	h := &host{t: t, dir: dir, spool: openSpool(t, path, "web1")}
	h.conf = syscheck.Config{Directories: []syscheck.Directory{{Path: dir, Check: all | syscheck.Inode, Recursion: -1}}}
	s := h.new()
	_, err := s.Scan(context.Background(), true)
	h.must(err)
	after := truth(t, dir)
	w.follow(h.take())
	w.same(after)
	if len(w.told) == 0 {
		t.Error("no change was told")
	}
	for path := range w.told {
		if !f.caused(path, before, after) {
			t.Errorf("%s is told, and nothing touched it", path)
		}
	}
}
