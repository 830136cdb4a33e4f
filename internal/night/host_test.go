package night_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/night"
	"github.com/yagura-hids/yagura/internal/syscheck"
)

func read(t *testing.T, name string) *night.Recording {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name+".jsonl.zst"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := night.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// edit is something that happens to a file of a host.
type edit struct {
	at      time.Duration
	path    string
	from    string
	after   *syscheck.Record                          // nil: it's deleted
	make    func(was syscheck.Record) syscheck.Record // makes after of what is there then
	pkg     *syscheck.Package
	notes   *syscheck.Notes  // that an agent claims
	summary *syscheck.Change // no file: the package manager's summary
	hidden  bool             // whoever did it edited the agent's cache, too
}

// host is one of the fleet: what its agent knows, and what will happen to it.
type host struct {
	id    string
	agent *event.Agent
	began time.Time // its night
	files map[string]*syscheck.Record
	order []string // of the first scan
	edits []edit
	seq   uint64
}

func newHost(id string, agent event.Agent, began time.Time, r *night.Recording) *host {
	h := &host{id: id, agent: &agent, began: began, files: map[string]*syscheck.Record{}}
	for i := range r.First {
		f := &r.First[i]
		h.files[f.Path] = h.own(f.Path, &f.Record)
		h.order = append(h.order, f.Path)
	}
	for i := range r.Changes {
		c := &r.Changes[i].Change
		e := edit{at: r.Changes[i].At, path: c.Path, from: c.From, pkg: h.run(c.Package)}
		switch {
		case c.Type == syscheck.Packages:
			e.summary = &syscheck.Change{Type: c.Type, More: c.More}
			for j := range c.Packages {
				e.summary.Packages = append(e.summary.Packages, *h.run(&c.Packages[j]))
			}
		case c.Type != syscheck.Deleted:
			e.after = h.own(c.Path, c.After)
		}
		h.edits = append(h.edits, e)
	}
	return h
}

// run returns the package as part of the host's own run of its package manager.
func (h *host) run(p *syscheck.Package) *syscheck.Package {
	if p == nil {
		return nil
	}
	own := *p
	own.Transaction += "@" + h.id
	own.Time = h.began.Add(p.Time.Sub(p.Time.Truncate(24 * time.Hour)))
	return &own
}

// ownFiles are those whose content no two hosts share: keys, names, passwords, and what is made from them on the host.
var ownFiles = []string{
	"/etc/hostname", "/etc/hosts", "/etc/machine-id", "/etc/ssh/ssh_host_", "/etc/ssl/private/", "/etc/ssl/certs/ssl-cert-snakeoil.pem", "/etc/shadow",
	"/etc/mysql/debian.cnf", "/etc/bind/rndc.key", "/boot/initrd.img-", "/etc/ssl/certs/java/cacerts", "/etc/postfix/main.cf", "/etc/mailname",
}

// own returns what a host has at a path where the recorded one had r.
func (h *host) own(path string, r *syscheck.Record) *syscheck.Record {
	if r.SHA256 == "" || !slices.ContainsFunc(ownFiles, func(p string) bool { return strings.HasPrefix(path, p) }) {
		return r
	}
	own := *r
	own.SHA256 = sum(h.id, r.SHA256)
	return &own
}

// sum returns a hash that stands for a content.
func sum(parts ...string) string {
	s := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(s[:])
}

// firstScan returns the events of the host's first scan.
func (h *host) firstScan(at time.Time) (list []*event.Event) {
	for _, path := range h.order {
		list = append(list, h.event(at, syscheck.Change{Type: syscheck.Baseline, Path: path, After: h.files[path]}.String()))
	}
	return append(list, h.digests(at))
}

// night returns the events of the host's night, the scan at its end among them.
func (h *host) night() (list []*event.Event) {
	slices.SortStableFunc(h.edits, func(a, b edit) int { return int(a.at - b.at) })
	last := time.Duration(0)
	for _, e := range h.edits {
		last = e.at
		if c := h.apply(e); c != nil {
			list = append(list, h.event(h.began.Add(e.at), c.String()))
		}
	}
	return append(list, h.digests(h.began.Add(last+time.Minute)))
}

// apply does an edit, and returns what the agent tells of it, nil for nothing.
func (h *host) apply(e edit) *syscheck.Change {
	if e.summary != nil {
		return e.summary
	}
	if was := h.files[e.path]; e.make != nil {
		if was == nil {
			was = new(syscheck.Record)
		}
		after := e.make(*was)
		e.after = &after
	}
	c := &syscheck.Change{Type: syscheck.Modified, Path: e.path, From: e.from, Before: h.files[e.path], After: e.after, Package: e.pkg, Notes: e.notes, Live: true}
	switch {
	case e.after == nil && c.Before == nil:
		return nil
	case e.after == nil:
		c.Type = syscheck.Deleted
	case c.Before == nil && e.from != "":
		c.Type, c.Before = syscheck.Moved, h.files[e.from]
	case c.Before == nil:
		c.Type = syscheck.Added
	}
	delete(h.files, e.from)
	delete(h.files, e.path)
	if e.after != nil {
		h.files[e.path] = e.after
	}
	if e.hidden {
		return nil
	}
	return c
}

// resend returns what the agent tells when it is asked for buckets.
func (h *host) resend(at time.Time, buckets []int) (list []*event.Event) {
	for _, path := range slices.Sorted(maps.Keys(h.files)) {
		if len(buckets) == 0 || slices.Contains(buckets, syscheck.Bucket(path)) {
			list = append(list, h.event(at, syscheck.Change{Type: syscheck.Baseline, Path: path, After: h.files[path]}.String()))
		}
	}
	return append(list, h.digests(at))
}

func (h *host) digests(at time.Time) *event.Event {
	var d syscheck.Digests
	for path, r := range h.files {
		d.Add(path, r)
	}
	return h.event(at, d.String())
}

func (h *host) event(at time.Time, text string) *event.Event {
	h.seq++
	return &event.Event{
		ID: event.ID{Agent: h.id, Epoch: 1, Seq: h.seq}, Time: at, Kind: event.Syscheck, Location: "syscheck", Text: text, Agent: h.agent,
	}
}

// less returns a part of the recording: all that happened to one path in so many, and what names keeps.
func less(r *night.Recording, one uint32, keep map[string]bool) *night.Recording {
	chosen := func(path string) bool {
		h := fnv.New32a()
		fmt.Fprint(h, path)
		return keep[path] || h.Sum32()%one == 0
	}
	part := new(night.Recording)
	for _, f := range r.First {
		if chosen(f.Path) {
			part.First = append(part.First, f)
		}
	}
	for _, c := range r.Changes {
		if c.Change.From == "" && chosen(c.Change.Path) || c.Change.Type == syscheck.Packages {
			part.Changes = append(part.Changes, c)
		}
	}
	return part
}
