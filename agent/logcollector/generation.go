package logcollector

import (
	"bytes"
	"cmp"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// generation is a file beside a log that may hold what the log held before:
//
//	renamed         log.1, log-20261124, log.old, app-20261124.log    the same inode
//	copied          the same names; then the log was truncated        the same beginning
//	packed          the same names and .gz or .zst                    the same beginning, unpacked
type generation struct {
	path   string
	stamp  string // "1", "20261124"; "" for a name that is no older generation's
	packed bool
	info
	handle *os.File
	head   []byte
}

// rotatedStamp returns what makes path the name of an older generation of the log; "" if it is none.
func rotatedStamp(log, path string) (stamp string, packed bool) {
	if plain := strings.TrimSuffix(strings.TrimSuffix(path, ".gz"), ".zst"); plain != path {
		path, packed = plain, true
	}
	tail, ok := strings.CutPrefix(path, log)
	if ext := filepath.Ext(log); !ok && ext != "" { // app.log: app-20261124.log
		tail, ok = strings.CutPrefix(path, strings.TrimSuffix(log, ext))
		if ok {
			tail, ok = strings.CutSuffix(tail, ext)
		}
	}
	if !ok || len(tail) < 2 || !strings.ContainsAny(tail[:1], ".-_") {
		return "", false
	}
	if stamp = tail[1:]; stamp != "old" && strings.Trim(stamp, "0123456789.-_T:") != "" {
		return "", false
	}
	return stamp, packed
}

// number is the count in log.1, of which the greater is the older; false for dates.
func (g *generation) number() (int, bool) {
	n, err := strconv.Atoi(g.stamp)
	return n, err == nil && len(g.stamp) < 6
}

// beside lists the generations of the log at path, the oldest first, and the file that id names, whatever its name.
func beside(path string, id identity) []*generation {
	entries, _ := os.ReadDir(filepath.Dir(path)) // what can't be listed holds nothing to be found
	var out []*generation
	for _, e := range entries {
		g := &generation{path: filepath.Join(filepath.Dir(path), e.Name())}
		if g.path == path {
			continue
		}
		g.stamp, g.packed = rotatedStamp(path, g.path)
		if g.stamp == "" && id == (identity{}) {
			continue
		}
		if st, err := os.Lstat(g.path); err != nil || !st.Mode().IsRegular() {
			continue
		}
		var err error
		if g.info, err = stat(g.path); err == nil && g.regular && (g.id == id || g.size > 0 && g.stamp != "") {
			out = append(out, g)
		}
	}
	sortGenerations(out)
	return slices.CompactFunc(out, func(a, b *generation) bool { return a.stamp != "" && a.stamp == b.stamp })
}

// sortGenerations goes by the names where these are of one kind: they are right even while somebody is renaming. Times are not always.
// log.2 is older than log.1, unless the times of the first and the last say that somebody counts upwards.
func sortGenerations(list []*generation) {
	numbers, dates := 0, 0
	var first, last *generation
	for _, g := range list {
		if n, ok := g.number(); ok {
			numbers++
			if g.packed { // its time may be that of packing
				continue
			}
			if first == nil || n < first.count() {
				first = g
			}
			if last == nil || n > last.count() {
				last = g
			}
		} else if g.stamp != "" && g.stamp != "old" {
			dates++
		}
	}
	up := 1
	if first != nil && last.mtime.After(first.mtime) {
		up = -1
	}
	slices.SortStableFunc(list, func(a, b *generation) int {
		byNumber := up * cmp.Compare(b.count(), a.count())
		packed := cmp.Compare(len(a.path), len(b.path)) // the plain one first
		switch len(list) {
		case numbers:
			return cmp.Or(byNumber, packed)
		case dates:
			return cmp.Or(cmp.Compare(a.stamp, b.stamp), packed)
		}
		return cmp.Or(a.mtime.Compare(b.mtime), byNumber, packed)
	})
}

// count is number, 0 for none.
func (g *generation) count() int {
	n, _ := g.number()
	return n
}

// open opens g and reads its beginning.
func (g *generation) open() error {
	h, err := openLog(g.path)
	if err != nil {
		return err
	}
	g.handle = h
	if g.info, err = statHandle(h); err != nil {
		return err
	}
	if !g.packed {
		g.head, err = readHead(h)
		return err
	}
	u, err := unpackFrom(h, 0)
	if err != nil {
		return err
	}
	defer u.done()
	g.head = make([]byte, headSize)
	n, err := io.ReadFull(u, g.head)
	g.head = g.head[:n]
	if err == io.ErrUnexpectedEOF {
		err = nil // a short one, or one cut off: that is told when it is read
	}
	return err
}

func (g *generation) close() {
	if g.handle != nil {
		_ = g.handle.Close() // it was only read
		g.handle = nil
	}
}

// copyOf tells whether g is, or is to become, a copy of the file that begins with head and has size bytes: it is no older one.
func (g *generation) copyOf(head []byte, size int64) bool {
	return len(g.head) > 0 && bytes.HasPrefix(head, g.head) && (g.packed || g.size <= size)
}

// wanted is what is known of the file whose further generations are looked for.
type wanted struct {
	path   string
	id     identity            // of the file, if it was renamed
	mark   mark                // of the file
	prev   mark                // of the file read before it
	unread bool                // nothing of it has been given out
	alone  bool                // what came after it is of no interest
	taken  func(identity) bool // what is being read already
	live   *file               // the log's file as it is now, if it is there
}

// found is what stands beside a log, opened.
type found struct {
	it     *generation   // the wanted file, or what holds the same
	newer  []*generation // what came after it, or after the one read before it; the oldest first
	older  []*generation // what came between the two, if the wanted one was empty when it was looked at last
	itself bool
	head   []byte // of the live file, as all this was judged
	size   int64
	sure   bool // one of these two was found, so newer is what it says
}

// renamings is how often lookBeside begins anew because somebody is renaming. Each look takes longer than a renaming.
const renamings = 100

// lookBeside looks for w's file and for what came after it, again if somebody renamed meanwhile.
func lookBeside(w wanted) found {
	list := beside(w.path, w.id)
	for tries := 0; ; tries++ {
		out := w.pick(list)
		now := beside(w.path, w.id)
		if tries == renamings || slices.EqualFunc(list, now, func(a, b *generation) bool { return a.path == b.path && a.id == b.id }) {
			return out
		}
		out.close()
		list = now
	}
}

// pick goes from the newest back to what is wanted.
func (w wanted) pick(list []*generation) found {
	out := found{sure: w.prev == noMark}
	if w.live != nil { // read again after the newest beside it: what is truncated later will be missed in the file
		out.head, out.size = w.live.head()
	}
	itself := slices.ContainsFunc(list, w.renamed)
	newest := true
	for _, g := range slices.Backward(list) {
		if g.open() != nil {
			g.close()
			continue
		}
		if newest && w.live != nil && g.stamp != "" {
			newest = false
			if out.head, out.size = w.live.head(); g.copyOf(out.head, out.size) {
				g.close()
				continue
			}
		}
		switch {
		case itself && g.id == w.id, !itself && !w.unread && w.is(g):
			out.it, out.sure = g, true
			if w.mark.n > 0 {
				return out
			}
			out.newer, out.older, out.itself = nil, out.newer, true
		case w.prev.whole(g.head):
			g.close()
			out.sure = true
			return w.finish(out, true)
		case g.stamp == "" || len(g.head) == 0 || w.taken(g.id):
			g.close()
		default:
			out.newer = slices.Insert(out.newer, 0, g)
		}
	}
	return w.finish(out, w.prev == noMark)
}

// finish picks out an unread file if it is not known what came after the one read before, or if nothing else is asked for.
func (w wanted) finish(out found, prev bool) found {
	if !out.sure || w.alone {
		out.divide(slices.IndexFunc(out.newer, w.is))
	}
	return out.inOrder(prev)
}

// divide makes the ith of the newer ones the wanted one. Of an unread file little may be known, so if possible it is not picked out, but is
// one of those that came after the one read before.
func (f *found) divide(i int) {
	if f.it != nil || i < 0 {
		return
	}
	found{newer: f.newer[:i]}.close()
	f.it, f.newer, f.sure = f.newer[i], f.newer[i+1:], true
}

// inOrder undoes that pick collects everything in newer, and puts aside what came later when it meets the wanted one. prev
// says that it came as far as the one read before that.
func (f found) inOrder(prev bool) found {
	if f.it != nil && f.itself {
		f.newer, f.older = f.older, f.newer
	}
	if !prev {
		found{newer: f.older}.close()
		f.older = nil
	}
	return f
}

// is tells by g's beginning whether it is w's file. If that can't be told from the one before, of whose beginning more is known, it is not.
func (w wanted) is(g *generation) bool {
	return w.mark.n > 0 && w.mark.begins(g.head) && !w.taken(g.id) && !(w.prev.n > w.mark.n && w.prev.whole(g.head))
}

// renamed tells whether g is w's very file, and not a later one that was given its inode.
func (w wanted) renamed(g *generation) bool {
	if g.id != w.id || g.packed || g.stamp == "" && w.mark.n == 0 {
		return false
	}
	defer g.close()
	return g.open() == nil && w.mark.begins(g.head)
}

func (f found) close() {
	if f.it != nil {
		f.it.close()
	}
	for _, g := range slices.Concat(f.newer, f.older) {
		g.close()
	}
}

// keep drops what is not wanted of the newer ones.
func (f *found) keep(want func(g *generation) bool) {
	f.newer = slices.DeleteFunc(f.newer, func(g *generation) bool {
		if want(g) {
			return false
		}
		g.close()
		return true
	})
}

// noMark says that no older file was there.
var noMark = mark{sum: "-"}
