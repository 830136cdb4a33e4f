package logcollector_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/internal/event"
)

func TestFile(t *testing.T) {
	tests := []struct {
		name string
		run  func(o *owner)
	}{
		{"starts at the end", func(o *owner) {
			o.append("log", "old\n")
			o.start()
			o.append("log", "new\n")
			o.run()
			o.want("new")
		}},
		{"starts at the end, not inside a line", func(o *owner) {
			o.append("log", "old\nhalf")
			o.start().want()
			o.append("log", " whole\n")
			o.run()
			o.want("half whole")
		}},
		{"killed before the first line", func(o *owner) {
			o.append("log", "old\n")
			o.start().kill()
			o.append("log", "new\n")
			o.start().want("new")
		}},
		{"from the start", func(o *owner) {
			o.sources[0].FromStart = true
			o.append("log", "one\n\n\r\ntwo\r\n")
			o.start().want("one", "two")
		}},
		{"appears late", func(o *owner) {
			o.start().append("log", "one\n")
			o.run()
			o.want("one")
		}},
		{"appears while nobody runs", func(o *owner) {
			o.start().kill()
			o.append("log", "one\n")
			o.start().want("one")
		}},
		{"a partial line waits", func(o *owner) {
			o.start().append("log", "on")
			o.run()
			o.want()
			o.append("log", "e\r")
			o.run()
			o.want()
			o.append("log", "\ntwo")
			o.run()
			o.want("one")
		}},
		{"a partial line waits over a kill", func(o *owner) {
			o.start().append("log", "on")
			o.run()
			o.kill()
			o.append("log", "e\n")
			o.start().want("one")
		}},
		{"rotated by rename", func(o *owner) {
			o.start().append("log", "1\n")
			o.run()
			o.append("log", "2\nlast")
			o.rename("log", "log.1")
			o.run()
			o.append("log.1", " of old\n3\nend")
			o.run() // the writer has not changed over yet
			o.want("1", "2", "last of old", "3")
			o.append("log", "new\n")
			o.run()
			o.want("end", "new")
		}},
		{"the old file is still written to", func(o *owner) {
			o.start().append("log", "1\n")
			o.run()
			o.rename("log", "log.1")
			o.append("log", "2\n")
			o.run()
			o.now = o.now.Add(50 * time.Second)
			o.append("log.1", "straggler\n")
			o.run()
			o.want("1", "2", "straggler")
			o.now = o.now.Add(2 * time.Minute)
			o.run()
			o.append("log.1", "too late\n")
			o.run()
			o.want()
		}},
		{"rotated while nobody runs", func(o *owner) {
			o.start().append("log", "1\n")
			o.run()
			o.append("log", "2\n3")
			o.kill()
			o.rename("log", "log.1")
			o.append("log", "4\n")
			o.start().want("1", "2", "3", "4")
		}},
		{"rotated three times while nobody runs", func(o *owner) {
			o.start().append("log", "1\n")
			o.run()
			o.append("log", "2\n")
			o.kill()
			o.rename("log", "log.3")
			o.append("log.2", "3\n")
			o.append("log.1", "4\n")
			o.append("log", "5\n")
			for i, name := range []string{"log.3", "log.2", "log.1", "log"} {
				at := o.now.Add(time.Duration(i) * time.Minute)
				if err := os.Chtimes(o.path(name), at, at); err != nil {
					o.t.Fatal(err)
				}
			}
			o.append("log-debug", "another log\n")
			o.start().want("1", "2", "3", "4", "5")
		}},
		{"rotated and packed while nobody runs", func(o *owner) {
			o.start().append("log", "1\n")
			o.run()
			o.kill()
			o.rename("log", "away")
			o.append("log", "2\n")
			o.remove("away")
			o.append("away", "another file, maybe with the same inode\n")
			o.start().want("1", "2")
			if len(o.reports) != 3 || !strings.Contains(o.reports[2], "after byte 2 is not read") {
				o.t.Fatalf("reports: %q", o.reports)
			}
		}},
		{"copied and truncated", func(o *owner) {
			o.start().append("log", "1\n2\n")
			o.run()
			o.truncate("log")
			o.append("log", "3\n")
			o.run()
			o.want("1", "2", "3")
		}},
		{"truncated, and longer than before", func(o *owner) {
			o.start().append("log", "1\n")
			o.run()
			o.truncate("log")
			o.append("log", "2\n3\n4\n")
			o.run()
			o.want("1", "2", "3", "4")
		}},
		{"truncated, and of the same size, while nobody runs", func(o *owner) {
			o.start().append("log", "1\n2\n")
			o.run()
			o.kill()
			o.truncate("log")
			o.append("log", "3\n4\n")
			o.start().want("1", "2", "3", "4")
		}},
		{"deleted and created anew", func(o *owner) {
			o.start().append("log", "1\n")
			o.run()
			o.remove("log")
			o.append("log", "2\n")
			o.run()
			o.want("1", "2")
		}},
		{"inode used again while nobody runs", func(o *owner) {
			o.start().append("log", "1 and more than the next\n")
			o.run()
			o.kill()
			o.remove("log")
			o.append("log", "2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n")
			o.start().want("1 and more than the next", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12")
		}},
		{"moved away and back", func(o *owner) {
			o.start().append("log", "1\n")
			o.run()
			o.rename("log", "x")
			o.run()
			o.now = o.now.Add(2 * time.Hour) // let go by now
			o.run()
			o.kill()
			o.start()
			o.rename("x", "log")
			o.append("log", "2\n")
			o.run()
			o.want("1", "2")
		}},
		{"two names of one file", func(o *owner) {
			o.sources = append(o.sources, syslog(o.path("alias")))
			o.append("log", "")
			if err := os.Symlink("log", o.path("alias")); err != nil {
				o.t.Fatal(err)
			}
			o.start().append("log", "1\n")
			o.run()
			o.want("1")
		}},
		{"binary", func(o *owner) {
			o.start().append("log", "\x00\x00a\xff\xfe\r\r\n\x00\n")
			o.run()
			o.want("a\xff\xfe\r") // NULs before a line are a hole in the file
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.run(newOwner(t, syslog("log"))) })
	}
}

func TestGlob(t *testing.T) {
	o := newOwner(t, syslog("*.log*"))
	o.append("a.log", "old\n")
	o.start()
	o.append("b.log", "b1\n")
	o.append("a.log", "a1\n")
	o.append("a.log.2.gz", "packed\n")
	o.run()
	o.want("a1", "b1")
	// Rotation to a name that the pattern finds, too.
	o.rename("a.log", "a.log.1")
	o.append("a.log.1", "a2\n")
	o.append("a.log", "a3\n")
	o.run()
	o.want("a2", "a3")
	o.kill()
	o.rename("a.log.1", "a.log.2")
	o.rename("a.log", "a.log.1")
	o.append("a.log", "a4\n")
	o.start().want("a4")
}

// A file that was truncated and then rotated while nobody ran is found by its inode, but begins anew. Its successor waits for nobody.
func TestGlobTruncatedAndRotated(t *testing.T) {
	o := newOwner(t, syslog("log*")).start()
	o.append("log", "1\n")
	o.run()
	o.kill()
	o.truncate("log")
	o.append("log", "2\n3\n")
	o.rename("log", "log.1")
	o.append("log", "")
	o.start()
	o.append("log", "4\n")
	o.run()
	o.want("1", "2", "3", "4")
}

func TestDatedName(t *testing.T) {
	o := newOwner(t, syslog("app-%Y-%m-%d-%H.log"))
	o.append("app-2026-11-23-10.log", "old\n")
	o.start()
	o.append("app-2026-11-23-10.log", "ten\n")
	o.append("app-2026-11-23-11.log", "eleven\n")
	o.run()
	o.want("ten")
	o.now = o.now.Add(time.Hour)
	o.append("app-2026-11-23-10.log", "ten, late\n")
	o.run()
	o.append("app-2026-11-23-10.log", "ten, unfinished")
	o.run()
	o.want("ten, late", "eleven")
	o.now = o.now.Add(61 * time.Minute)
	o.run()
	o.want("ten, unfinished")
	if len(o.reports) != 1 {
		t.Errorf("one missing file, reported as %q", o.reports)
	}
}

func TestLongLines(t *testing.T) {
	long := strings.Repeat("x", 10<<20)
	o := newOwner(t, syslog("log"), syslog("other")).start()
	o.append("log", long)
	o.append("other", "not starved\n")
	o.run()
	o.want("not starved", long[:event.MaxText])
	if o.lines[0].Cut || !o.lines[1].Cut {
		t.Error("not the long line is marked cut")
	}
	o.kill()
	o.append("log", long+"\nnext\n"+long[:event.MaxText]+"\r\n")
	o.start().want("next", long[:event.MaxText])
	if last := o.lines[3]; last.Cut || last.Offset != 20<<20+6 {
		t.Errorf("last line: cut %v at %d", last.Cut, last.Offset)
	}
}

func TestTrouble(t *testing.T) {
	o := newOwner(t, syslog("log"), syslog("*.txt"), syslog("dir"))
	if err := os.Mkdir(o.path("dir"), 0o700); err != nil {
		t.Fatal(err)
	}
	o.start()
	o.run()
	o.append("log", "1\n")
	o.run()
	o.run()
	want := []string{
		"log: no such file; still looking", "*.txt: no file matches; still looking",
		"dir: is not a regular file; name files, or a pattern such as DIR/*.log", "log: found and readable now",
	}
	got := strings.ReplaceAll(strings.Join(o.reports, "\n"), o.dir+"/", "")
	if got != strings.Join(want, "\n") {
		t.Errorf("reports:\n%s", got)
	}
	o.want("1")
}

func TestFairAndBounded(t *testing.T) {
	o := newOwner(t, syslog("giant"), syslog("small")).start()
	o.append("giant", strings.Repeat("g\n", 100_000))
	o.append("small", "s\n")
	b, _ := o.c.Step(500)
	if len(b.Lines) != 500 || b.Lines[256].Text != "s" {
		t.Fatalf("%d lines, the 257th is %q", len(b.Lines), b.Lines[256].Text)
	}
	for i := range b.Positions.Files {
		if got, want := b.Positions.Files[i].Offset, []int64{998, 2}[i]; got != want {
			t.Errorf("file %d: offset %d, want %d", i, got, want)
		}
	}
}
