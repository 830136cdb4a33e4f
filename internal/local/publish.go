package local

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/yagura-hids/yagura/internal/alertlog"
	"github.com/yagura-hids/yagura/internal/event"
)

// writer writes stored alerts to one kind of file, each alert once, whenever the process is killed.
//
// A commit that stores alerts also notes that they are waiting for this writer. It appends them to their day's file, and the next commit
// records how long the file then was and takes them off. If the process dies between the two, what stands behind the recorded length is
// compared with what should stand there, and only the rest is appended. Nobody is asked whether a write succeeded; the file is.
type writer struct {
	name   string // "log" or "json", the files' ending
	render func(io.Writer, uint64, *event.Alert) error
	dir    string // the data directory
	store  *Store
	fresh  []stored // of the last commit, to spare reading them
	behind bool     // others are waiting, too, or may be
	done   progress // since the last commit
	bad    string   // what was last reported
}

// chunkAlerts is how many waiting alerts are rendered at once.
const chunkAlerts = 1000

func newWriters(s *Store, json bool) []*writer {
	dir := filepath.Dir(s.path)
	w := []*writer{{name: "log", render: alertlog.WriteLog, dir: dir, store: s, behind: true}}
	if json {
		w = append(w, &writer{name: "json", render: alertlog.WriteJSON, dir: dir, store: s, behind: true})
	}
	return w
}

// committed tells the writer that its progress is recorded and that alerts were added.
func (w *writer) committed(fresh []stored) {
	w.done.Files = nil
	w.fresh = fresh
}

// catchUp writes the alerts that are waiting. After an error they are still waiting.
func (w *writer) catchUp() error {
	for {
		list, err := w.next()
		if err != nil || len(list) == 0 {
			return err
		}
		if err := w.writeAll(list); err != nil {
			w.behind = true
			return err
		}
	}
}

// next returns alerts that are waiting: those at hand, unless others have been left behind.
func (w *writer) next() ([]stored, error) {
	fresh := w.fresh
	w.fresh = nil
	if !w.behind {
		return fresh, nil
	}
	list, err := w.store.waiting(w.name, w.done.Upto, chunkAlerts)
	w.behind = err != nil || len(list) > 0
	return list, err
}

func (w *writer) writeAll(list []stored) error {
	for len(list) > 0 {
		file := w.file(list[0].alert.Time)
		n := slices.IndexFunc(list, func(s stored) bool { return w.file(s.alert.Time) != file })
		if n < 0 {
			n = len(list)
		}
		if err := w.write(file, list[:n]); err != nil {
			return err
		}
		w.done.Upto = list[n-1].n
		list = list[n:]
	}
	return nil
}

// file returns the name of a day's file, relative to the data directory, as OSSEC names it.
func (w *writer) file(t time.Time) string {
	return filepath.Join("alerts", t.Format("2006"), t.Format("Jan"), "ossec-alerts-"+t.Format("02")+"."+w.name)
}

// write makes sure that alerts stand in file.
func (w *writer) write(file string, alerts []stored) error {
	path := filepath.Join(w.dir, file)
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o640)
	if err != nil {
		return err
	}
	m, err := w.base(f, file)
	if err == nil {
		m, err = w.complete(f, m, alerts)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if w.done.Files == nil {
		w.done.Files = map[string]mark{}
	}
	w.done.Files[file] = m
	return w.link(path)
}

// base returns the length of file up to which everything is known to be well. A file that has none, because it is new, or was moved or
// cut by somebody else, gets one now, before anything is appended to it.
func (w *writer) base(f *os.File, file string) (mark, error) {
	st, err := f.Stat()
	if err != nil {
		return mark{}, err
	}
	now := mark{st.Size(), inode(st)}
	m, ok := w.done.Files[file]
	if !ok {
		if m, ok, err = w.store.mark(w.name, file); err != nil {
			return mark{}, err
		}
	}
	if ok && m.Inode == now.Inode && m.Size <= now.Size {
		return m, nil
	}
	return now, w.store.setMark(w.name, file, now)
}

// complete appends what is missing of alerts behind m, and returns the mark behind them.
func (w *writer) complete(f *os.File, m mark, alerts []stored) (mark, error) {
	var want bytes.Buffer
	starts := make([]int, 0, len(alerts))
	for _, s := range alerts {
		starts = append(starts, want.Len())
		if err := w.render(&want, s.n, s.alert); err != nil {
			return m, err
		}
	}
	have := make([]byte, want.Len())
	n, err := f.ReadAt(have, m.Size)
	if err != nil && err != io.EOF {
		return m, err
	}
	from := missing(want.Bytes(), have[:n], starts)
	if from == want.Len() {
		return mark{m.Size + int64(from), m.Inode}, nil
	}
	if _, err := f.Write(want.Bytes()[from:]); err != nil {
		return m, err
	}
	st, err := f.Stat()
	if err != nil {
		return m, err
	}
	return mark{st.Size(), m.Inode}, nil
}

// missing returns where in want to go on, if have stands there already. Where have turns out to be somebody else's text, that is the start
// of the record which it spoils.
func missing(want, have []byte, starts []int) int {
	same := 0
	for same < len(have) && want[same] == have[same] {
		same++
	}
	if same == len(have) {
		return same
	}
	i, found := slices.BinarySearch(starts, same)
	if !found {
		i--
	}
	return starts[i]
}

// link makes alerts/alerts.log another name of the day's file: a hard link, or where there are none, a symbolic one.
func (w *writer) link(path string) error {
	name := filepath.Join(w.dir, "alerts", "alerts."+w.name)
	target, err := os.Stat(path)
	if err != nil {
		return err
	}
	if st, err := os.Stat(name); err == nil && os.SameFile(st, target) {
		return nil
	}
	temp := name + ".new"
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Link(path, temp); err != nil {
		rel, err := filepath.Rel(filepath.Dir(name), path)
		if err != nil {
			return err
		}
		if err := os.Symlink(rel, temp); err != nil {
			return err
		}
	}
	return os.Rename(temp, name)
}

// trouble returns what to tell the user about the outcome of catchUp, once per change; "" for nothing.
func (w *writer) trouble(err error) string {
	was := w.bad
	switch {
	case err != nil:
		w.bad = err.Error()
		if was != "" {
			return ""
		}
		return fmt.Sprintf("write alerts.%s: %v; make room, or let this user write there; the alerts are stored and will be written then", w.name, err)
	case was != "":
		w.bad = ""
		return fmt.Sprintf("alerts.%s: written again, nothing is missing", w.name)
	}
	return ""
}

// progress returns what the next commit is to record.
func (w *writer) progress() progress { return progress{w.done.Upto, maps.Clone(w.done.Files)} }

func inode(st os.FileInfo) uint64 {
	if s, ok := st.Sys().(*syscall.Stat_t); ok {
		return s.Ino
	}
	return 0
}
