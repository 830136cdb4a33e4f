//go:build unix

package syscheck_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/yagura-hids/yagura/agent/syscheck"
	"github.com/yagura-hids/yagura/internal/event"
	words "github.com/yagura-hids/yagura/internal/syscheck"
)

// diffHost has a tree with report_changes; diffs makes a scan and returns the differences that it told, by file.
func diffHost(t *testing.T) (h *host, diffs func() map[string]string) {
	h = newHost(t)
	h.conf.Directories[0].ReportChanges = true
	return h, func() map[string]string {
		t.Helper()
		return h.diffs(h.scan())
	}
}

func (h *host) diffs(events []*event.Event) map[string]string {
	list := map[string]string{}
	for _, ev := range events {
		if c, err := words.Parse(ev.Text); err == nil && ev.Kind == event.Syscheck && c.Type != words.DigestsType && c.Type != words.Baseline {
			list[c.Type+" "+h.name(c.Path)] = c.Diff
		}
	}
	return list
}

func wantDiffs(t *testing.T, got map[string]string, want map[string]string) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// kept checks how many contents are kept.
func (h *host) kept(want int) {
	h.t.Helper()
	n, counted, size := syscheck.Texts(h.t, h.spool)
	if n != want || counted != size {
		h.t.Errorf("%d contents, want %d; counted as %d bytes, are %d", n, want, counted, size)
	}
}

func TestReportChanges(t *testing.T) {
	h, diffs := diffHost(t)
	h.write("a", "one\ntwo\n")
	h.write("moved", "here\n")
	h.write("over", "over\n")
	h.write("by", "by\n")
	h.write("gone", "x\n")
	h.write("mode", "x\n")
	diffs()
	h.kept(6)
	h.write("a", "one\n2\n")
	h.write("new", "x\n")
	h.must(os.Rename(h.path("moved"), h.path("there")))
	h.must(os.Rename(h.path("by"), h.path("over")))
	h.must(os.Remove(h.path("gone")))
	h.must(os.Chmod(h.path("mode"), 0o600))
	wantDiffs(t, diffs(), map[string]string{
		"modified a": "@@ -2 +2 @@\n-two\n+2\n", "added new": "", "moved there": "", "modified over": "@@ -1 +1 @@\n-over\n+by\n", "deleted gone": "", "modified mode": "",
	})
	h.kept(5)
	h.write("there", "there\n")
	h.write("new", "y\n")
	h.write("a", "one\n2\n3")
	wantDiffs(t, diffs(), map[string]string{
		"modified there": "@@ -1 +1 @@\n-here\n+there\n", "modified new": "@@ -1 +1 @@\n-x\n+y\n", "modified a": "@@ -2,0 +3 @@\n+3\n\\ No newline at end of file\n",
	})
}

func TestReportChangesNot(t *testing.T) {
	h, diffs := diffHost(t)
	h.conf.NoDiff = []syscheck.Match{{Text: h.path("secret")}, {Text: ".key$", Pattern: true}}
	h.write("secret", "s\n")
	h.write("x.key", "k\n")
	h.write("binary", "a\x00b")
	h.write("latin", "caf\xe9\n")
	h.write("large", strings.Repeat("x\n", 1<<20))
	h.write("grows", "x\n")
	h.must(os.Symlink("secret", h.path("link")))
	diffs()
	h.kept(4) // of two nothing but that they are no text, or too large
	if text, err := os.ReadFile(filepath.Join(filepath.Dir(h.dir), "agent.db")); err != nil || strings.Contains(string(text), "s\nk\n") {
		t.Error(err)
	}
	h.write("secret", "S\n")
	h.write("x.key", "K\n")
	h.write("binary", "a\x00B")
	h.write("latin", "caf\xe9!\n")
	h.write("large", strings.Repeat("y\n", 1<<20))
	h.write("grows", strings.Repeat("x\n", 1<<20))
	wantDiffs(t, diffs(), map[string]string{
		"modified secret": "<Diff truncated because nodiff option>", "modified x.key": "<Diff truncated because nodiff option>", "modified link": "",
		"modified binary": "<No diff: the file is not text>", "modified latin": "@@ -1 +1 @@\n-caf\\xe9\n+caf\\xe9!\n",
		"modified large": "<No diff: the file is larger than 1 MiB>", "modified grows": "<No diff: the file is larger than 1 MiB>",
	})
	h.write("binary", "text\n")
	h.write("grows", "small\n")
	wantDiffs(t, diffs(), map[string]string{"modified binary": "", "modified grows": ""})
}

// TestReportChangesOnAndOff has the configuration ask for differences later, for others, and no more.
func TestReportChangesOnAndOff(t *testing.T) {
	h, diffs := diffHost(t)
	h.conf.Directories[0].ReportChanges = false
	h.write("a", "a\n")
	h.write("b", "b\n")
	diffs()
	h.kept(0)
	h.conf.Directories[0].ReportChanges = true
	diffs()
	h.kept(2)
	h.write("a", "A\n")
	wantDiffs(t, diffs(), map[string]string{"modified a": "@@ -1 +1 @@\n-a\n+A\n"})
	h.conf.NoDiff = []syscheck.Match{{Text: h.path("b")}}
	diffs()
	h.kept(1)
	h.conf.Directories = nil
	diffs()
	h.kept(0)
}

func TestReportChangesFull(t *testing.T) {
	defer syscheck.SetMaxContents(4000)()
	h, diffs := diffHost(t)
	r := rand.New(rand.NewPCG(1, 1))
	for i := range 40 {
		h.write(fmt.Sprint(i), fmt.Sprint(r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64()))
	}
	diffs()
	n, counted, size := syscheck.Texts(t, h.spool)
	if n == 0 || n == 40 || counted != size || size > 4000 {
		t.Errorf("%d contents of %d bytes, counted as %d", n, size, counted)
	}
	if len(h.said) != 1 || !strings.Contains(h.said[0], "64 MiB") {
		t.Errorf("%q", h.said)
	}
}

// TestReportChangesAndKills cuts transactions off, as a kill does, at random. Who applies the differences that were told to the first content has
// the last one: none is lost, none is told twice.
func TestReportChangesAndKills(t *testing.T) {
	h, _ := diffHost(t)
	r := rand.New(rand.NewPCG(3, 3))
	content := "line 0\n"
	h.write("a", content)
	h.scan()
	told := content
	for i := range 60 {
		content = strings.Replace(fmt.Sprintf("%sline %d\n", content, i+1), fmt.Sprintf("line %d\n", r.IntN(i+1)), "", r.IntN(2))
		h.write("a", content)
		ctx, cancel := context.WithCancel(context.Background())
		if r.IntN(2) == 0 {
			cancel() // before anything can be kept
		}
		_, err := h.new().Scan(ctx, true)
		cancel()
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		for _, diff := range h.diffs(h.take()) {
			told = apply(t, told, diff)
		}
	}
	for _, diff := range h.diffs(h.scan()) {
		told = apply(t, told, diff)
	}
	if told != content {
		t.Errorf("differences come to %q, the file is %q", told, content)
	}
}
