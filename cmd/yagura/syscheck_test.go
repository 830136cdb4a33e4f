package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/internal/baseline"
	"github.com/yagura-hids/yagura/internal/changelist"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/local"
	"github.com/yagura-hids/yagura/internal/syscheck"
)

// watchedHost tells what becomes of its files.
type watchedHost struct {
	id  string
	seq uint64
	at  time.Time
}

func (h *watchedHost) event(text string) *event.Event {
	h.seq++
	return &event.Event{
		ID: event.ID{Agent: h.id, Epoch: 1, Seq: h.seq}, Time: h.at, Kind: event.Syscheck, Location: "syscheck", Text: text,
		Agent: &event.Agent{Name: h.id, Profile: "web"},
	}
}

func fileOf(content string, mode uint32) *syscheck.Record {
	return &syscheck.Record{Size: int64(len(content)), Mode: mode, UID: "0", User: "root", GID: "0", Group: "root", SHA256: fmt.Sprintf("%064x", content)}
}

// patchNight is a data folder that knows of 50 hosts. On all of them openssl is upgraded, on 31 /etc/resolv.conf changes, and on web07 a program
// gets another content and runs as its owner from then on, and a file with a strange name comes.
func patchNight(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	tables, done, err := local.Fleet(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	night := time.Now().Add(-time.Hour).Truncate(time.Second)
	k := baseline.New(tables, baseline.Options{Now: time.Now})
	judge := func(events ...*event.Event) {
		t.Helper()
		k.Begin(t.Context())
		for _, ev := range events {
			if _, err := k.Judge(ev); err != nil {
				t.Fatal(err)
			}
		}
		ops, err := k.Ops()
		if err == nil {
			err = tables.Commit(t.Context(), ops)
		}
		if err != nil {
			t.Fatal(err)
		}
		k.Committed()
	}
	there := map[string]*syscheck.Record{
		"/etc/resolv.conf": fileOf("a", 0o100644), "/usr/sbin/sshd": fileOf("a", 0o100755), "/usr/bin/openssl": fileOf("a", 0o100755),
	}
	hosts := make([]watchedHost, 50)
	for i := range hosts {
		hosts[i] = watchedHost{id: fmt.Sprintf("web%02d", i+1), at: night.Add(-time.Hour)}
		h := &hosts[i]
		var d syscheck.Digests
		var scan []*event.Event
		for path, r := range there {
			scan = append(scan, h.event(syscheck.Change{Type: syscheck.Baseline, Path: path, After: r}.String()))
			d.Add(path, r)
		}
		judge(append(scan, h.event(d.String()))...)
	}
	p := syscheck.Package{Manager: "dpkg", Name: "openssl", Arch: "amd64", From: "3.0.13-1", To: "3.0.14-1", Transaction: "t1", Time: night}
	told := p
	told.Files = 1
	for i := range hosts {
		h := &hosts[i]
		h.at = night.Add(time.Duration(i) * time.Second)
		modified := func(path string, now *syscheck.Record, p *syscheck.Package) *event.Event {
			return h.event(syscheck.Change{Type: syscheck.Modified, Path: path, Before: there[path], After: now, Package: p, Diff: map[bool]string{true: "< a\n> b\n"}[path == "/etc/resolv.conf"]}.String())
		}
		events := []*event.Event{
			modified("/usr/bin/openssl", fileOf("b", 0o100755), &p),
			h.event(syscheck.Change{Type: syscheck.Packages, Packages: []syscheck.Package{told}}.String()),
		}
		if i < 31 {
			events = append(events, modified("/etc/resolv.conf", fileOf("b", 0o100644), nil))
		}
		if h.id == "web07" {
			events = append(events, modified("/usr/sbin/sshd", fileOf("evil", 0o104755), nil),
				h.event(syscheck.Change{Type: syscheck.Added, Path: "/tmp/a\n!!  b\x1b[2J", After: fileOf("x", 0o100644)}.String()))
		}
		judge(events...)
	}
	if err := done(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// A patch night of 50 hosts is a handful of lines, of which what matters stands out.
func TestPatchNight(t *testing.T) {
	dir := patchNight(t)
	show := func(args ...string) string {
		t.Helper()
		return listed(t, append([]string{"syscheck", "--data", dir}, args...))
	}
	for _, c := range []struct {
		args   string
		lines  int
		wanted []string
	}{
		{"list", 5, []string{
			"upgraded  openssl", "50 hosts", "3.0.13-1 → 3.0.14-1, 1 file",
			"changed   /etc/resolv.conf", "31 of 50 hosts of web", "most have it",
			"\n!!  ", "changed   /usr/sbin/sshd", "only here: web07", "rwxr-xr-x → rwsr-xr-x",
			`added     /tmp/a\x0a!!  b\x1b[2J`,
		}},
		{"list --agent web07 --agent web08 --path /etc", 2, []string{"2 of 50 hosts of web: web07, web08"}},
		{"list --profile db", 0, nil},
		{"list --unfolded -n 0", 1 + 50*2 + 31 + 2, []string{"package openssl 3.0.13-1 → 3.0.14-1"}},
		{"list --unfolded -n 3", 1 + 3 + 1, []string{"130 older lines; -n 0 shows all"}},
		{"list --unfolded -n 0 --json", 50*2 + 31 + 2, []string{`"diff":"< a`, `"mark":"first"`}},
		{"list --json", 4, []string{`"hosts":31`, `"agents":["web01","web02",`, `"profiles":[{"profile":"web","hosts":31,"same":31,"of":50}]`}},
		{"show /usr/sbin/sshd", -1, []string{"49 of 50 hosts: web01, ", "only here: web07", "permissions  rwsr-xr-x", "!!  ", "Permissions changed from 'rwxr-xr-x' to 'rwsr-xr-x'"}},
		{"show /etc/resolv.conf", -1, []string{"31 of 50 hosts: web01", "19 of 50 hosts: web32", "    < a", "31 of 50 hosts of web (most have it)"}},
		{"show /etc/resolv.conf --json", 50 + 1, []string{`"diff":"< a`}},
		{"show /etc/resolv.conf --agent web03 --json", 1 + 1, []string{`"same":3`}},
		{`show /tmp/a\x0a!!  b\x1b[2J`, -1, []string{`/tmp/a\x0a!!  b\x1b[2J`, "only here: web07"}},
		{"baseline list --json", 50, []string{`{"agent":"web01",`}},
	} {
		args := strings.Split(strings.Replace(c.args, "!!  b", "!!~~b", 1), " ")
		for i := range args {
			args[i] = strings.ReplaceAll(args[i], "~", " ")
		}
		got := show(args...)
		if n := strings.Count(got, "\n"); n != c.lines && c.lines >= 0 {
			t.Errorf("%s: %d lines, want %d:\n%s", c.args, n, c.lines, got)
		}
		for _, text := range c.wanted {
			if !strings.Contains(got, text) {
				t.Errorf("%s: no %q in\n%s", c.args, text, got)
			}
		}
		if slices.Contains(args, "--json") {
			for line := range strings.Lines(got) {
				if !json.Valid([]byte(line)) {
					t.Errorf("%s: %s", c.args, line)
				}
			}
		}
	}
}

// A terminal that is too narrow for a table has two lines of each.
func TestNarrowChanges(t *testing.T) {
	at := time.Date(2026, 11, 25, 2, 0, 0, 0, time.Local)
	lines := []changelist.Line{
		{Time: at, What: syscheck.Moved, From: "/a", Path: "/b", Hosts: 1, Agents: []string{"web7"}, Mark: changelist.Full},
		{Time: at, What: syscheck.Disagreement, Hosts: 2, Agents: []string{"web7", "web8"}, Mark: changelist.First, Remarks: []string{"2 buckets of the agent's record aren't as here"}},
	}
	for width, want := range map[int]string{
		60: `!   2026-11-25 02:00:00  moved     /a → /b
    web7
!!  2026-11-25 02:00:00  disagreement
    2 hosts: web7, web8, 2 buckets of the agent's record aren't as here
7 older lines; -n 0 shows all
`,
		200: `    Time                 What          Path     Where                Why
!   2026-11-25 02:00:00  moved         /a → /b  web7
!!  2026-11-25 02:00:00  disagreement           2 hosts: web7, web8  2 buckets of the agent's record aren't as here
7 older lines; -n 0 shows all
`,
	} {
		var b strings.Builder
		if err := (screen{out: &b}).changes(lines, 7, width); err != nil || b.String() != want {
			t.Errorf("%d columns: %v\n%s\nwant\n%s", width, err, b.String(), want)
		}
	}
}

func TestSpellings(t *testing.T) {
	for typed, want := range map[string][]string{
		"/etc/passwd": {"/etc/passwd"}, "/\xff": {`/\xff`}, `/\xff`: {`/\x5cxff`, `/\xff`}, `/a\x0ab`: {`/a\x5cx0ab`, "/a\nb", `/a\x0ab`}, `C:\xampp`: {`C:\xampp`},
	} {
		if got := spellings(typed); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", typed, got, want)
		}
	}
}

// An exported baseline that lost its end is refused.
func TestCutBaseline(t *testing.T) {
	const head, line = `{"yagura_baseline":1,"agent":"x","files":2}` + "\n", `{"path":"/a","record":{}}` + "\n"
	for text, want := range map[string]string{
		head + line + `{"path":"/b","record":{}}`: "",
		head + line:                   `x:1: "files" is 2, but there are 1: if the file is whole, and they are meant, write their number there`,
		head + line + `{"path":"/b`:   "x:3: unexpected end of JSON input",
		head + line + line:            "x:3: /a is there twice",
		head + "{\"path\":\"/\xff\"}": `x:2: bytes that are no UTF-8; such a byte of a path is written \\xff`,
	} {
		_, err := readBaseline("x", strings.NewReader(text))
		if got := fmt.Sprint(err); got != want && (err != nil || want != "") {
			t.Errorf("%q: %s\nwant %s", text, got, want)
		}
	}
}
