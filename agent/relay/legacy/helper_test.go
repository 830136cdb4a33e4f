package legacy_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/yagura-hids/yagura/agent/relay/legacy"
	"github.com/yagura-hids/yagura/internal/analysis"
	"github.com/yagura-hids/yagura/internal/ruleset"
	"github.com/yagura-hids/yagura/internal/syscheck"
	"github.com/yagura-hids/yagura/rules"
)

var start = time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)

// Hashes of three contents.
const (
	md5A, md5B = "0cc175b9c0f1b6a831c399e269772661", "92eb5ffee6ae2fec3ad71c777531578f"
	sha1A      = "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8"
	sha1B      = "e9d71f5ee7c92d6dc9e92ffdad17b8bd49418f98"
	sha256A    = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
	sha256B    = "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d"
	hashesA    = md5A + ":" + sha1A + ":" + sha256A
	hashesB    = md5B + ":" + sha1B + ":" + sha256B
)

// home is a relay's disk and what it knows.
type home struct {
	tb    testing.TB
	path  string
	db    *bolt.DB
	known *legacy.Known
	told  []string
	at    time.Time
}

func newHome(tb testing.TB) *home {
	tb.Helper()
	h := &home{tb: tb, path: filepath.Join(tb.TempDir(), "relay.db"), at: start}
	h.open()
	tb.Cleanup(func() { _ = h.db.Close() })
	return h
}

func (h *home) open() {
	h.tb.Helper()
	db, err := bolt.Open(h.path, 0o600, &bolt.Options{NoSync: true, Timeout: time.Second})
	if err != nil {
		h.tb.Fatal(err)
	}
	h.db = db
	h.known = legacy.Open(db.View, legacy.Options{Report: func(msg string) { h.told = append(h.told, msg) }})
}

// reopen loses what is not kept.
func (h *home) reopen() {
	h.tb.Helper()
	if err := h.db.Close(); err != nil {
		h.tb.Fatal(err)
	}
	h.open()
}

// message reads "QUEUE:LOCATION:TEXT" as one of agent web/a.
func (h *home) message(text string) legacy.Message {
	location, rest, _ := strings.Cut(text[2:], ":")
	h.at = h.at.Add(time.Second)
	return legacy.Message{Agent: "web/a", Host: "(web/a) 192.0.2.7", Queue: text[0], Location: location, Text: rest, At: h.at}
}

func (h *home) read(text string) legacy.Result {
	h.tb.Helper()
	return h.readOf(h.message(text))
}

func (h *home) readOf(m legacy.Message) legacy.Result {
	h.tb.Helper()
	r, err := h.known.Read(m)
	if err != nil {
		h.tb.Fatalf("%q: %v", m.Text, err)
	}
	return r
}

// change returns what a message makes of a file: "" for no event.
func (h *home) change(text string) syscheck.Change {
	h.tb.Helper()
	r := h.read(text)
	if r.Event == nil {
		return syscheck.Change{}
	}
	c, err := syscheck.Parse(r.Event.Text)
	if err != nil {
		h.tb.Fatal(err)
	}
	return c
}

func (h *home) keep() {
	h.tb.Helper()
	if err := h.db.Update(h.known.Changes().Put); err != nil {
		h.tb.Fatal(err)
	}
}

// whole has the agent tell all its files.
func (h *home) whole(sums ...string) {
	h.tb.Helper()
	h.read("1:ossec:ossec: Agent started: 'web->192.0.2.0'.")
	for _, s := range sums {
		h.read("8:syscheck:" + s)
	}
	h.read("8:syscheck:syscheck-db-completed")
}

// engines are engines with the built-in rules and, if OSSEC_RULESET names them, OSSEC's.
func engines(t *testing.T) map[string]*analysis.Engine {
	t.Helper()
	all := map[string]*analysis.Engine{}
	for name, dir := range map[string]string{"built-in": "", "OSSEC": os.Getenv("OSSEC_RULESET")} {
		if name == "OSSEC" && dir == "" {
			t.Log("OSSEC_RULESET is not set: the built-in rules only")
			continue
		}
		fsys, files, err := ruleset.Choose(rules.FS, dir)
		if err != nil {
			t.Fatal(err)
		}
		set, err := ruleset.Load(fsys, files)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = analysis.New(set, analysis.Options{Server: "vm", LogLevel: 1, MailLevel: 7})
	}
	return all
}
