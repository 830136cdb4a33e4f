package logcollector_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	. "github.com/yagura-hids/yagura/agent/logcollector"
)

// writer is a daemon that writes numbered lines to one log, and the logrotate that plagues it.
type writer struct {
	o    *owner
	name string
	open *os.File
	line int
	half string // what an unfinished line still wants
	want []string

	packed int
	copies bool // it is rotated by copytruncate, otherwise by rename
	moved  bool // its file has been renamed, and it does not know yet
	copied bool // its file has been copied, and is to be truncated
}

func (w *writer) write(text string) {
	if w.open == nil {
		f, err := os.OpenFile(w.o.path(w.name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			w.o.t.Fatal(err)
		}
		w.open = f
	}
	if _, err := w.open.WriteString(text); err != nil {
		w.o.t.Fatal(err)
	}
}

func (w *writer) next(pad int) string {
	w.line++
	text := fmt.Sprintf("%s line %d %s", w.name, w.line, strings.Repeat("x", pad))
	w.want = append(w.want, text)
	return text
}

func (w *writer) finish() {
	w.truncate()
	if w.half != "" {
		w.write(w.half + "\n")
		w.half = ""
	}
}

func (w *writer) lines(n, pad int) {
	w.finish()
	for range n {
		w.write(w.next(pad) + "\n")
	}
}

func (w *writer) partial(pad int) {
	w.finish()
	text := w.next(pad)
	cut := len(text) - 1 - pad/2 // behind its number: generations that are alike can't be told apart
	w.write(text[:cut])
	w.half = text[cut:]
}

// rename is logrotate's: log.1 becomes log.2 and so on. The daemon keeps the old file open until it is told to reopen.
func (w *writer) rename(create bool) {
	if _, err := os.Stat(w.o.path(w.name)); err != nil || w.copies {
		return
	}
	w.shift()
	w.o.rename(w.name, w.name+".1")
	w.moved = true
	if create {
		w.o.append(w.name, "")
	}
}

func (w *writer) shift() {
	for i := 30; i > 0; i-- {
		for _, ext := range []string{"", ".gz", ".zst"} {
			_ = os.Rename(w.o.path(fmt.Sprintf("%s.%d%s", w.name, i, ext)), w.o.path(fmt.Sprintf("%s.%d%s", w.name, i+1, ext)))
		}
	}
}

func (w *writer) reopen() {
	if w.copied {
		return
	}
	w.finish()
	if w.open != nil {
		_ = w.open.Close()
		w.open = nil
	}
	w.moved = false
}

// copy and truncate are logrotate's copytruncate, of which the daemon knows nothing. It writes nothing in between: that would be lost to everybody.
func (w *writer) copy() {
	data, err := os.ReadFile(w.o.path(w.name))
	if err != nil || w.copied || !w.copies {
		return
	}
	w.shift()
	w.o.append(w.name+".1", string(data))
	w.copied = true
}

func (w *writer) truncate() {
	if w.copied {
		w.o.truncate(w.name)
		w.copied = false
	}
}

// pack replaces an older generation by a packed one. half leaves both for now: it has been killed, or is not ready yet.
func (w *writer) pack(n int, zstd, half bool) {
	name := w.o.path(fmt.Sprintf("%s.%d", w.name, n))
	st, err := os.Stat(name)
	if err != nil || w.moved || n == 1 && w.copied {
		return
	}
	data, err := os.ReadFile(name)
	if err != nil {
		w.o.t.Fatal(err)
	}
	packed, ext := gz(w.o.t, string(data)), ".gz"
	if zstd {
		packed, ext = zst(w.o.t, string(data)), ".zst"
	}
	if half {
		packed = packed[:len(packed)/2]
	}
	if err := os.WriteFile(name+ext, packed, 0o600); err != nil {
		w.o.t.Fatal(err)
	}
	if err := os.Chtimes(name+ext, st.ModTime(), st.ModTime()); err != nil {
		w.o.t.Fatal(err)
	}
	if !half {
		w.packed++ // out of sight and not removed: the next file might be given its inode, which TestCopied tries
		if err := os.Rename(name, fmt.Sprintf("%s.%s.%d", w.o.dir, w.name, w.packed)); err != nil {
			w.o.t.Fatal(err)
		}
		_ = os.Remove(name + map[bool]string{true: ".gz", false: ".zst"}[zstd])
	}
}

// TestModel does at random what happens to logs, kills the collector at random, and wants every line exactly once and in order.
func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		o := &owner{t: t, dir: dir, now: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)}
		o.sources = []Source{syslog(o.path("a")), syslog(o.path("b*.log")), syslog(o.path("c*"))}
		writers := []*writer{{o: o, name: "a"}, {o: o, name: "b1.log"}, {o: o, name: "b2.log"}, {o: o, name: "c"}}
		for _, w := range writers {
			w.copies = rapid.Bool().Draw(rt, "copies")
			w.write("")
		}
		o.start()
		w := func(rt *rapid.T) *writer { return writers[rapid.IntRange(0, 3).Draw(rt, "writer")] }
		rest := func(*rapid.T) {
			if o.c == nil {
				o.start()
			}
			o.run()
		}
		rt.Repeat(map[string]func(*rapid.T){
			"lines": func(rt *rapid.T) {
				w(rt).lines(rapid.IntRange(1, 20).Draw(rt, "n"), rapid.IntRange(0, 300).Draw(rt, "pad"))
			},
			"partial": func(rt *rapid.T) { w(rt).partial(rapid.IntRange(0, 99999).Draw(rt, "pad") % 200) },
			"rotate": func(rt *rapid.T) {
				w(rt).rename(rapid.Bool().Draw(rt, "create"))
			},
			"reopen":   func(rt *rapid.T) { w(rt).reopen() },
			"copy":     func(rt *rapid.T) { w(rt).copy() },
			"truncate": func(rt *rapid.T) { w(rt).truncate() },
			"copytruncate": func(rt *rapid.T) {
				w := w(rt)
				w.copy()
				w.truncate()
				if grow := rapid.IntRange(0, 30).Draw(rt, "n"); grow > 0 {
					w.lines(grow, rapid.IntRange(0, 300).Draw(rt, "pad"))
				}
			},
			"pack": func(rt *rapid.T) {
				w(rt).pack(rapid.IntRange(1, 3).Draw(rt, "n"), rapid.Bool().Draw(rt, "zstd"), rapid.IntRange(0, 3).Draw(rt, "half") == 0)
			},
			"look": rest,
			"time": func(rt *rapid.T) { o.now = o.now.Add(time.Duration(rapid.IntRange(1, 50).Draw(rt, "s")) * time.Second) },
			"kill": func(*rapid.T) { o.kill() },
			"kill after reading": func(rt *rapid.T) { // the batches are read, the first few stored
				if o.c == nil {
					o.start()
				}
				stored := rapid.IntRange(0, 3).Draw(rt, "stored")
				b, ok := o.c.Step(3)
				for i := 0; ok && i < 10; i++ {
					if i < stored {
						o.store(b)
					}
					b, ok = o.c.More(3)
				}
				o.kill()
			},
		})
		for _, w := range writers {
			w.truncate()
			w.reopen()
			rest(rt)
			w.lines(1, 0)
		}
		rest(rt)
		rest(rt)
		o.kill()
		total := 0
		for _, w := range writers {
			var got []string
			for _, text := range o.stored {
				if strings.HasPrefix(text, w.name+" ") {
					got = append(got, text)
				}
			}
			total += len(got)
			if w.name == "c" { // its pattern finds the old generations, too: then they are not queued, and only the set is promised
				slices.Sort(got)
				slices.Sort(w.want)
			}
			if !slices.Equal(got, w.want) {
				rt.Fatalf("%s: %s", w.name, firstDifference(got, w.want))
			}
		}
		if total != len(o.stored) {
			rt.Fatalf("%d lines stored, %d written", len(o.stored), total)
		}
	})
}

func firstDifference(got, want []string) string {
	i := 0
	for i < min(len(got), len(want)) && got[i] == want[i] {
		i++
	}
	at := func(list []string) []string { return list[min(i, len(list)):min(i+3, len(list))] }
	return fmt.Sprintf("%d lines, want %d; from line %d on got %.60q, want %.60q", len(got), len(want), i+1, at(got), at(want))
}
