package syscheck

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Each directory in a tree gets a watch; so does the directory in which a root lies, so that a root that comes, goes or is a file is noticed.
const (
	onNames  = unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVED_FROM | unix.IN_MOVED_TO | unix.IN_DELETE_SELF | unix.IN_ONLYDIR | unix.IN_EXCL_UNLINK | unix.IN_MASK_ADD
	onFiles  = unix.IN_MODIFY | unix.IN_CLOSE_WRITE | unix.IN_ATTRIB
	inParent = onNames | unix.IN_MOVE_SELF
	inTree   = onNames | onFiles
)

// rest is how long the queue is left to itself after it was read: the kernel makes one of equal events there.
const rest = 20 * time.Millisecond

// tellAgain is how long nothing is said of a queue that overflows again.
const tellAgain = time.Hour

// notifier is an inotify instance.
type notifier struct {
	*watcher
	pending *lately
	file    *os.File
	fd      int // of file, whose Fd method would make it blocking
	roots   []target
	nodes   map[int]*node
	halves  map[uint32]half // moves of which only the beginning was read, by cookie
	round   int             // of placing

	limited, refused bool      // told that there can be no more watches; that one failed
	overflowed       time.Time // when it was told last
}

// node is a watched directory.
type node struct {
	path  string
	tree  bool              // all in it is watched, else only what names has
	names map[string]target // the roots that lie in it
	gone  bool              // moved away, and it's not known yet to where
	round int               // in which it was placed last
}

// half is what moved away from path.
type half struct {
	path  string
	nodes []*node // at and below path
	at    time.Time
}

func newNotifier(w *watcher) (*notifier, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	switch {
	case errors.Is(err, unix.EMFILE):
		return nil, fmt.Errorf("inotify: %w: raise fs.inotify.max_user_instances (sysctl), or the limit of open files", err)
	case err != nil:
		return nil, fmt.Errorf("inotify: %w", err)
	}
	n := &notifier{watcher: w, file: os.NewFile(uintptr(fd), "inotify"), fd: fd, nodes: map[int]*node{}, halves: map[uint32]half{}}
	n.pending = newLately(n.rootOf)
	return n, nil
}

func (n *notifier) close() { n.file.Close() } //nolint:errcheck // nothing is written to it

// rootOf returns the root at or below which a path lies.
func (n *notifier) rootOf(path string) string {
	best := path
	for _, r := range n.roots {
		if below(path, r.path) {
			best = r.path
		}
	}
	return best
}

// place watches the roots, anew if they are watched, and forgets what is not in them.
func (n *notifier) place(roots []target, now time.Time) {
	n.roots = roots
	n.round++
	clear(n.halves)
	for _, nd := range n.nodes {
		nd.tree, nd.names = false, nil
	}
	for _, r := range roots {
		dir, name := filepath.Split(r.path)
		if name != "" {
			n.parent(filepath.Clean(dir), name, r)
		}
		if isDir(r) {
			n.tree(r.path, r.follow)
		}
	}
	for wd, nd := range n.nodes {
		if nd.round != n.round {
			n.drop(wd)
		}
	}
}

func isDir(r target) bool {
	stat := os.Lstat
	if r.follow {
		stat = os.Stat
	}
	info, err := stat(r.path)
	return err == nil && info.IsDir()
}

// parent watches the directory in which a root lies.
func (n *notifier) parent(dir, name string, r target) {
	mask := uint32(inParent)
	if !isDir(r) { // a file, or what may become one
		mask |= onFiles
	}
	if nd := n.add(dir, mask); nd != nil {
		if nd.names == nil {
			nd.names = map[string]target{}
		}
		nd.names[name] = r
	}
}

// tree watches a directory and those below it.
func (n *notifier) tree(dir string, follow bool) {
	mask := uint32(inTree)
	if !follow {
		mask |= unix.IN_DONT_FOLLOW
	}
	nd := n.add(dir, mask)
	if nd == nil {
		return
	}
	nd.tree = true
	f, err := os.Open(dir)
	if err != nil {
		return // gone meanwhile, which the queue tells; or a scan will say that it can't be read
	}
	defer f.Close() //nolint:errcheck // it is only read
	for {
		entries, err := f.ReadDir(256)
		for _, e := range entries {
			if sub := filepath.Join(dir, e.Name()); e.IsDir() && n.enter(sub) {
				n.tree(sub, false)
			}
		}
		if err != nil {
			return
		}
	}
}

// add has the kernel watch one directory. It may be watched under another name, from before it was moved.
func (n *notifier) add(dir string, mask uint32) *node {
	wd, err := unix.InotifyAddWatch(n.fd, dir, mask)
	if err != nil {
		n.fault(dir, err)
		return nil
	}
	nd, ok := n.nodes[wd]
	if !ok {
		nd = &node{}
		n.nodes[wd] = nd
	}
	nd.path, nd.gone, nd.round = dir, false, n.round
	return nd
}

func (n *notifier) fault(dir string, err error) {
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ELOOP): // another one by now: the queue tells
	case errors.Is(err, unix.ENOSPC):
		if !n.limited {
			n.limited = true
			n.report(fmt.Sprintf("realtime: %s: the kernel watches no more directories for this user (%s): this and others are looked at by the scheduled scans only; "+
				"raise it with sysctl fs.inotify.max_user_watches=524288", dir, limit("max_user_watches")))
		}
	case !n.refused:
		n.refused = true
		n.report(fmt.Sprintf("realtime: watch %s: %v; it, and others for which this fails, are looked at by the scheduled scans only", dir, err))
	}
}

// limit returns one of inotify's settings: "fs.inotify.max_user_watches is 8192".
func limit(name string) string {
	b, err := os.ReadFile("/proc/sys/fs/inotify/" + name)
	if err != nil {
		return "fs.inotify." + name
	}
	return "fs.inotify." + name + " is " + strings.TrimSpace(string(b))
}

func (n *notifier) drop(wd int) {
	delete(n.nodes, wd)
	_, _ = unix.InotifyRmWatch(n.fd, uint32(wd)) // one that is gone is what is wanted
}

// read waits for events, until ctx ends.
func (n *notifier) read(ctx context.Context, happened chan<- func(now time.Time)) error {
	buf := make([]byte, 64<<10)
	stop := context.AfterFunc(ctx, func() { n.file.SetReadDeadline(time.Unix(1, 0)) }) //nolint:errcheck // inotify has deadlines
	defer stop()
	for {
		size, err := n.file.Read(buf)
		if err != nil {
			return fmt.Errorf("read inotify's queue: %w", err)
		}
		handled := make(chan struct{})
		select {
		case happened <- func(now time.Time) { n.handleAll(buf[:size], now); close(handled) }:
			<-handled
		case <-ctx.Done():
			return ctx.Err()
		}
		select {
		case <-n.after(rest):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// handleAll takes what the kernel wrote: wd (4), mask (4), cookie (4), length of the name (4), name with zeros, in the machine's byte order.
func (n *notifier) handleAll(b []byte, now time.Time) {
	for len(b) >= unix.SizeofInotifyEvent {
		e := binary.NativeEndian
		wd, mask, cookie, size := int32(e.Uint32(b)), e.Uint32(b[4:]), e.Uint32(b[8:]), int(e.Uint32(b[12:]))
		b = b[unix.SizeofInotifyEvent:]
		name := strings.TrimRight(string(b[:min(size, len(b))]), "\x00")
		b = b[min(size, len(b)):]
		n.handle(int(wd), mask, cookie, name, now)
	}
}

func (n *notifier) handle(wd int, mask, cookie uint32, name string, now time.Time) {
	if mask&unix.IN_Q_OVERFLOW != 0 {
		n.overflow(now)
		return
	}
	nd, ok := n.nodes[wd]
	if mask&unix.IN_IGNORED != 0 {
		delete(n.nodes, wd)
	}
	if !ok || nd.gone {
		return
	}
	if name == "" {
		if mask&(unix.IN_DELETE_SELF|unix.IN_MOVE_SELF|unix.IN_UNMOUNT) != 0 {
			n.lost(nd, now)
		}
		return
	}
	path := filepath.Join(nd.path, name)
	r, isRoot := nd.names[name]
	dir := mask&unix.IN_ISDIR != 0 || r.follow && isDir(r)
	if !isRoot && (!nd.tree || dir && !n.enter(path)) {
		return
	}
	switch {
	case mask&unix.IN_MOVED_FROM != 0:
		n.leave(path, dir, cookie, now)
	case mask&(unix.IN_MOVED_TO|unix.IN_CREATE) != 0:
		n.arrive(path, dir, cookie, r.follow, now)
	case mask&unix.IN_DELETE != 0, !dir:
		n.pending.mark(path, dir, now)
	}
}

// lost notes that a directory itself went away.
func (n *notifier) lost(nd *node, now time.Time) {
	if nd.tree {
		n.pending.mark(nd.path, true, now)
	}
	for _, r := range nd.names {
		n.pending.mark(r.path, true, now)
	}
}

// leave notes that path was moved away.
func (n *notifier) leave(path string, dir bool, cookie uint32, now time.Time) {
	h := half{path: path, at: now}
	if dir {
		for _, nd := range n.nodes {
			if nd.tree && below(nd.path, path) {
				nd.gone = true
				h.nodes = append(h.nodes, nd)
			}
		}
	}
	n.halves[cookie] = h
	n.pending.mark(path, dir, now)
}

// arrive notes that path is new, or was moved there. In a new directory something may be already.
func (n *notifier) arrive(path string, dir bool, cookie uint32, follow bool, now time.Time) {
	h, moved := n.halves[cookie]
	moved = moved && cookie != 0
	delete(n.halves, cookie)
	for _, nd := range h.nodes {
		if nd.gone {
			nd.path, nd.gone = path+strings.TrimPrefix(nd.path, h.path), false
		}
	}
	if dir {
		n.tree(path, follow)
	}
	if moved {
		n.pending.move(h.path, path, dir, now)
		return
	}
	n.pending.mark(path, dir, now)
}

// expire forgets what was moved to where nothing is watched.
func (n *notifier) expire(now time.Time) {
	for cookie, h := range n.halves {
		if now.Sub(h.at) < quiet {
			continue
		}
		delete(n.halves, cookie)
		for wd, nd := range n.nodes {
			if nd.gone && below(nd.path, h.path) {
				n.drop(wd)
			}
		}
	}
}

// overflow makes up for events that the kernel had no room for.
func (n *notifier) overflow(now time.Time) {
	if now.Sub(n.overflowed) >= tellAgain {
		n.overflowed = now
		n.report(fmt.Sprintf("realtime: more happened than the kernel could tell (%s): the trees are scanned", limit("max_queued_events")))
	}
	n.place(n.roots, now)
	for _, r := range n.roots {
		n.pending.mark(r.path, true, now)
	}
}
