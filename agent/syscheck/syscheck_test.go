package syscheck_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/agent/spool"
	"github.com/yagura-hids/yagura/agent/syscheck"
	"github.com/yagura-hids/yagura/internal/event"
	words "github.com/yagura-hids/yagura/internal/syscheck"
)

const all = syscheck.Size | syscheck.Permissions | syscheck.Owner | syscheck.Group | syscheck.MTime | syscheck.SHA256

// host is a folder with files to watch, and a spool.
type host struct {
	t     *testing.T
	dir   string // what is watched
	spool *spool.Spool
	conf  syscheck.Config
	audit string        // auditd's log
	root  string        // of packages
	speed time.Duration // of the clock, if it isn't the usual one
	mu    sync.Mutex
	said  []string // reports
}

func newHost(t *testing.T) *host {
	t.Helper()
	base := tempDir(t)
	h := &host{t: t, dir: filepath.Join(base, "tree")}
	if err := os.Mkdir(h.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	h.spool = openSpool(t, filepath.Join(base, "agent.db"), "web1")
	h.conf = syscheck.Config{Directories: []syscheck.Directory{{Path: h.dir, Check: all, Recursion: -1}}}
	return h
}

func openSpool(t testing.TB, path, agent string) *spool.Spool {
	t.Helper()
	s, err := spool.Open(path, spool.Options{Agent: agent, Random: bytes.NewReader([]byte(agent + "01234567")), Gather: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func (h *host) new() *syscheck.Syscheck {
	h.t.Helper()
	o := syscheck.Options{Spool: h.spool, Audit: h.audit, Root: h.root, Report: h.report}
	if h.speed > 0 {
		start := time.Now()
		o.Now = func() time.Time { return start.Add(h.speed * time.Since(start)) }
		o.After = func(d time.Duration) <-chan time.Time { return time.After(d / h.speed) }
	}
	s, err := syscheck.New(h.conf, o)
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

func (h *host) report(msg string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.said = append(h.said, msg)
}

// reports returns what was reported so far.
func (h *host) reports() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.said)
}

func (h *host) path(name string) string { return filepath.Join(h.dir, filepath.FromSlash(name)) }

func (h *host) write(name, text string) {
	h.t.Helper()
	if err := os.MkdirAll(filepath.Dir(h.path(name)), 0o755); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(h.path(name), []byte(text), 0o644); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// scan makes a fast scan and returns the events that it kept.
func (h *host) scan() []*event.Event {
	h.t.Helper()
	_, err := h.new().Scan(context.Background(), true)
	h.must(err)
	return h.take()
}

// take returns what is in the spool, and empties it.
func (h *host) take() (events []*event.Event) {
	h.t.Helper()
	for h.spool.Stats().Events > 0 {
		run, err := h.spool.Next(context.Background())
		h.must(err)
		events = append(events, run.Events...)
		h.must(h.spool.Sent(run))
	}
	return events
}

// changes returns the changes among events, as "type name" or "type from > name".
func (h *host) changes(events []*event.Event) (list []string) {
	h.t.Helper()
	for _, ev := range events {
		if ev.Kind != event.Syscheck {
			continue
		}
		c, err := words.Parse(ev.Text)
		h.must(err)
		if c.Type == words.DigestsType {
			continue
		}
		line := c.Type + " "
		if c.From != "" {
			line += h.name(c.From) + " > "
		}
		list = append(list, line+h.name(c.Path))
	}
	return list
}

func (h *host) name(path string) string {
	rel, err := filepath.Rel(h.dir, path)
	h.must(err)
	return filepath.ToSlash(rel)
}

func (h *host) want(list ...string) {
	h.t.Helper()
	got := h.changes(h.scan())
	if !bytes.Equal([]byte(join(got)), []byte(join(list))) {
		h.t.Errorf("told:\n%swant:\n%s", join(got), join(list))
	}
}

func join(list []string) (text string) {
	for _, line := range list {
		text += "  " + line + "\n"
	}
	return text
}

func TestScan(t *testing.T) {
	h := newHost(t)
	h.write("a/1", "one")
	h.write("a-b", "two")
	h.write("b", "three")
	h.want("baseline a/1", "baseline a-b", "baseline b")
	h.want()
	h.write("a/1", "eno")
	h.must(os.Remove(h.path("b")))
	h.write("c", "four")
	h.must(os.Rename(h.path("a-b"), h.path("z")))
	h.want("modified a/1", "moved a-b > z", "deleted b", "added c")
	h.want()
}
