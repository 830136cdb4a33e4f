package logcollector_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	. "github.com/yagura-hids/yagura/agent/logcollector"
)

// owner does what yagura local does: it stores lines and positions together, and comes back from a kill with what it stored.
type owner struct {
	t       testing.TB
	dir     string
	sources []Source
	now     time.Time
	reports []string

	c      *Collector
	stored []string // the lines' texts
	lines  []Line
	saved  []byte // the positions as JSON
}

func newOwner(t testing.TB, sources ...Source) *owner {
	o := &owner{t: t, dir: t.TempDir(), now: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)}
	for _, s := range sources {
		if s.Location != "-" {
			s.Location = filepath.Join(o.dir, s.Location)
		}
		o.sources = append(o.sources, s)
	}
	t.Cleanup(func() { o.kill() })
	return o
}

func (o *owner) start() *owner {
	o.t.Helper()
	var p Positions
	if o.saved != nil {
		if err := json.Unmarshal(o.saved, &p); err != nil {
			o.t.Fatal(err)
		}
	}
	c, err := New(o.sources, p, Options{
		Host: "web1", Zone: time.UTC,
		Now:    func() time.Time { return o.now },
		Wake:   make(chan time.Time),
		Report: func(msg string) { o.reports = append(o.reports, msg) },
	})
	if err != nil {
		o.t.Fatal(err)
	}
	o.c = c
	o.run()
	return o
}

// kill ends the collector without a last word, like kill -9.
func (o *owner) kill() {
	if o.c != nil {
		_ = o.c.Close()
		o.c = nil
	}
}

func (o *owner) store(b Batch) {
	for _, l := range b.Lines {
		o.stored = append(o.stored, l.Text)
		o.lines = append(o.lines, l)
	}
	var err error
	if o.saved, err = json.Marshal(b.Positions); err != nil {
		o.t.Fatal(err)
	}
}

// run lets the collector look once, and stores all that it has.
func (o *owner) run() {
	b, ok := o.c.Step(1000)
	for n := 0; ok; n++ {
		if n > 10000 {
			o.t.Fatal("the collector does not come to rest")
		}
		o.store(b)
		b, ok = o.c.More(1000)
	}
}

// want checks what was stored since the last check.
func (o *owner) want(texts ...string) {
	o.t.Helper()
	if !slices.Equal(o.stored, texts) {
		o.t.Fatalf("got  %.200q\nwant %.200q", o.stored, texts)
	}
	o.stored = nil
}

func (o *owner) path(name string) string { return filepath.Join(o.dir, name) }

func (o *owner) append(name, text string) {
	o.t.Helper()
	f, err := os.OpenFile(o.path(name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		o.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		o.t.Fatal(err)
	}
}

func (o *owner) rename(from, to string) {
	o.t.Helper()
	if err := os.Rename(o.path(from), o.path(to)); err != nil {
		o.t.Fatal(err)
	}
}

func (o *owner) remove(name string) {
	o.t.Helper()
	if err := os.Remove(o.path(name)); err != nil {
		o.t.Fatal(err)
	}
}

func (o *owner) truncate(name string) {
	o.t.Helper()
	if err := os.Truncate(o.path(name), 0); err != nil {
		o.t.Fatal(err)
	}
}

func syslog(location string) Source { return Source{Location: location, Format: "syslog"} }

// program is what djb-multilog takes for the program: the log's folder.
func (o *owner) program() string { return filepath.Base(o.dir) }
