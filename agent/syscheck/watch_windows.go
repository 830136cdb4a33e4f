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
	"unicode/utf16"

	"golang.org/x/sys/windows"
)

// What is to be told of: names, contents, attributes, owners and permissions.
const notifyFilter = windows.FILE_NOTIFY_CHANGE_FILE_NAME | windows.FILE_NOTIFY_CHANGE_DIR_NAME | windows.FILE_NOTIFY_CHANGE_ATTRIBUTES |
	windows.FILE_NOTIFY_CHANGE_SIZE | windows.FILE_NOTIFY_CHANGE_LAST_WRITE | windows.FILE_NOTIFY_CHANGE_SECURITY

// notifier asks for changes by ReadDirectoryChangesW: once for each root with all below it, and once for the directory in which it lies, so that a
// root that comes, goes or is a file is noticed. All answers arrive at one port.
type notifier struct {
	*watcher
	pending *lately
	roots   []target
	port    windows.Handle
	dirs    map[string]*watchedDir  // by path, and "/" before it if all below is meant
	byKey   map[uintptr]*watchedDir // by what stands in their answers, until the last of them
	last    uintptr
}

// watchedDir is a directory that is open.
type watchedDir struct {
	key    uintptr
	path   string
	deep   bool              // all below it is meant, else only what names has
	names  map[string]string // the roots that lie in it, by their names in lower case
	handle windows.Handle
	ask    windows.Overlapped
	buf    [64 << 10]byte // the kernel writes to it
	closed bool
}

func newNotifier(w *watcher) (*notifier, error) {
	port, err := windows.CreateIoCompletionPort(windows.InvalidHandle, 0, 0, 1)
	if err != nil {
		return nil, fmt.Errorf("completion port: %w", err)
	}
	n := &notifier{watcher: w, port: port, dirs: map[string]*watchedDir{}, byKey: map[uintptr]*watchedDir{}}
	n.pending = newLately(n.rootOf)
	return n, nil
}

func (n *notifier) rootOf(path string) string {
	for _, d := range n.dirs {
		if d.deep && below(path, d.path) {
			return d.path
		}
	}
	return path
}

// close closes all. It waits for the last answers: the kernel writes them to what is ours.
func (n *notifier) close() {
	for _, d := range n.dirs {
		n.drop(d)
	}
	for len(n.byKey) > 0 {
		var size uint32
		var key uintptr
		var ask *windows.Overlapped
		if err := windows.GetQueuedCompletionStatus(n.port, &size, &key, &ask, 1000); ask == nil && err != nil {
			break // none comes
		}
		delete(n.byKey, key)
	}
	_ = windows.CloseHandle(n.port) // nobody waits there any more
}

func (n *notifier) expire(time.Time) {}

// place watches the roots, and forgets what is not in them.
func (n *notifier) place(roots []target, _ time.Time) {
	old := n.dirs
	n.roots = roots
	n.dirs = map[string]*watchedDir{}
	for _, r := range roots {
		dir, name := filepath.Split(r.path)
		if d := n.add(old, filepath.Clean(dir), false); d != nil && name != "" {
			d.names[strings.ToLower(name)] = r.path
		}
		if info, err := os.Stat(r.path); err == nil && info.IsDir() {
			n.add(old, r.path, true)
		}
	}
	for at, d := range old {
		if n.dirs[at] != d {
			n.drop(d)
		}
	}
}

// add watches a directory; if it is watched already, that goes on.
func (n *notifier) add(old map[string]*watchedDir, path string, deep bool) *watchedDir {
	at := path
	if deep {
		at = "/" + path
	}
	if d := n.dirs[at]; d != nil {
		return d
	}
	d := old[at]
	if d == nil || d.closed {
		var err error
		if d, err = n.open(path, deep); err != nil {
			n.report(fmt.Sprintf("realtime: watch %s: %v; it is looked at by the scheduled scans only", path, err))
			return nil
		}
	}
	d.names = map[string]string{}
	n.dirs[at] = d
	return d
}

func (n *notifier) open(path string, deep bool) (*watchedDir, error) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return nil, err
	}
	n.last++
	d := &watchedDir{key: n.last, path: path, deep: deep}
	d.handle, err = windows.CreateFile(name, windows.FILE_LIST_DIRECTORY, windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE|windows.FILE_SHARE_DELETE, nil,
		windows.OPEN_EXISTING, windows.FILE_FLAG_BACKUP_SEMANTICS|windows.FILE_FLAG_OVERLAPPED, 0)
	if err != nil {
		return nil, err
	}
	if _, err = windows.CreateIoCompletionPort(d.handle, n.port, d.key, 0); err == nil {
		err = d.again()
	}
	if err != nil {
		_ = windows.CloseHandle(d.handle) // the error says more
		return nil, err
	}
	n.byKey[d.key] = d
	return d, nil
}

// again asks for what happens next.
func (d *watchedDir) again() error {
	d.ask = windows.Overlapped{}
	return windows.ReadDirectoryChanges(d.handle, &d.buf[0], uint32(len(d.buf)), d.deep, notifyFilter, nil, &d.ask, 0)
}

// drop closes a directory. Its last answer, that it was closed, is still to come.
func (n *notifier) drop(d *watchedDir) {
	if !d.closed {
		d.closed = true
		_ = windows.CloseHandle(d.handle) // it was only asked
	}
}

// read waits for answers, until ctx ends.
func (n *notifier) read(ctx context.Context, happened chan<- func(now time.Time)) error {
	stop := context.AfterFunc(ctx, func() { _ = windows.PostQueuedCompletionStatus(n.port, 0, 0, nil) })
	defer stop()
	for {
		var size uint32
		var key uintptr
		var ask *windows.Overlapped
		err := windows.GetQueuedCompletionStatus(n.port, &size, &key, &ask, windows.INFINITE)
		if ask == nil {
			return errors.Join(ctx.Err(), err)
		}
		select {
		case happened <- func(now time.Time) { n.answer(key, size, err, now) }:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// answer takes what the kernel wrote about one directory.
func (n *notifier) answer(key uintptr, size uint32, err error, now time.Time) {
	d := n.byKey[key]
	if d == nil {
		return
	}
	switch {
	case d.closed:
		delete(n.byKey, key)
		return
	case err == nil && size > 0:
		n.changes(d, d.buf[:size], now)
	default: // more happened than there was room for, or the directory is gone
		n.lost(d, now)
	}
	if err == nil {
		err = d.again()
	}
	if err != nil { // the next scan places it again, if it's there
		n.drop(d)
		delete(n.byKey, key)
		n.lost(d, now)
	}
}

func (n *notifier) lost(d *watchedDir, now time.Time) {
	if d.deep {
		n.pending.mark(d.path, true, now)
		return
	}
	for _, path := range d.names {
		n.pending.mark(path, true, now)
	}
}

// changes reads entries: offset of the next one (4), what happened (4), length of the name (4), name from the directory on, in UTF-16.
func (n *notifier) changes(d *watchedDir, b []byte, now time.Time) {
	from := "" // of a rename, whose other half follows
	for len(b) >= 12 {
		next, action, size := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint32(b[8:])
		units := make([]uint16, min(int(size), len(b)-12)/2)
		for i := range units {
			units[i] = binary.LittleEndian.Uint16(b[12+2*i:])
		}
		name := string(utf16.Decode(units))
		path := filepath.Join(d.path, name)
		if !d.deep {
			path = d.names[strings.ToLower(name)]
		}
		if path != "" {
			n.change(d, path, action, from, now)
		}
		if from = ""; action == windows.FILE_ACTION_RENAMED_OLD_NAME {
			from = path
		}
		if next == 0 || int(next) > len(b) {
			return
		}
		b = b[next:]
	}
}

// change notes one. Whether what is gone was a directory nobody tells.
func (n *notifier) change(d *watchedDir, path string, action uint32, from string, now time.Time) {
	info, err := os.Lstat(path)
	dir := err == nil && info.IsDir()
	switch action {
	case windows.FILE_ACTION_MODIFIED:
		if !dir {
			n.pending.mark(path, false, now)
		}
	case windows.FILE_ACTION_RENAMED_NEW_NAME:
		if from != "" {
			n.pending.move(from, path, dir, now)
			break
		}
		n.pending.mark(path, dir, now)
	default:
		n.pending.mark(path, dir || err != nil, now)
	}
	if !d.deep && dir { // a root that came
		n.place(n.roots, now)
	}
}
