package rules_test

import (
	"testing"

	"github.com/yagura-hids/yagura/internal/analysis"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/syscheck"
)

// matrixCase is a change with everything that the server may know of it at once.
type matrixCase struct {
	syscheck.Change
	registry, watched, doubted bool
}

// level is what the change's alert must have at least and at most, as docs/rules.md says it.
func (c *matrixCase) level() (least, most int) {
	n := c.Notes
	isNew := c.Type == syscheck.Added || c.Type == syscheck.Readded
	plain := 7
	if isNew || c.registry {
		plain = 5
	}
	fourth := c.Type == syscheck.Modified && n.Changes > 3 && n.Privileged == ""
	switch {
	case c.doubted:
		return 9, 9
	case n.Folded:
		return 0, 0
	case c.watched && isNew && !common(n, 26):
		return 7, 7
	case fourth && c.watched, n.Maintenance != "" && c.watched:
		return 7, 7
	case fourth:
		return 0, 0
	case n.Maintenance != "":
		return 3, 3
	case common(n, 27):
		return 0, 0
	case common(n, 26):
		return 3, 7
	case isNew && n.Privileged != "" && n.Same == 1:
		return 7, 7
	}
	return plain, plain
}

// common tells whether so many of the 50 hosts have the file so, and that is all that is expected of it.
func common(n *syscheck.Notes, hosts int) bool { return n.Maintenance == "" && n.Same >= hosts }

// TestMatrix tries all that the server may note of a change with all else.
func TestMatrix(t *testing.T) {
	engine, seq := analysis.New(load(t), analysis.Options{LogLevel: 1}), uint64(0)
	for _, c := range matrix() {
		seq++
		location := "syscheck"
		if c.registry {
			location = "syscheck-registry"
		}
		ev := &event.Event{ID: event.ID{Agent: "web1", Epoch: 1, Seq: seq}, Kind: event.Syscheck, Location: location, Text: c.String()}
		v, err := engine.Analyze(ev, analysis.NewMemory(0))
		if err != nil {
			t.Fatal(err)
		}
		if v.Rule == nil {
			t.Fatalf("%s: no rule", ev.Text)
		}
		if least, most := c.level(); v.Rule.Level < least || v.Rule.Level > most {
			t.Errorf("%s: rule %d of level %d, want %d to %d", ev.Text, v.Rule.ID, v.Rule.Level, least, most)
		}
	}
	if seq < 5000 {
		t.Errorf("%d cases only", seq)
	}
}

func matrix() (list []matrixCase) {
	bools := []bool{false, true}
	for _, kind := range []string{syscheck.Added, syscheck.Modified, syscheck.Deleted, syscheck.Readded, syscheck.Moved} {
		for _, registry := range bools {
			for _, watched := range bools {
				for _, folded := range bools {
					for _, window := range []string{"", "w"} {
						for _, same := range []int{1, 10, 26, 40} {
							for _, changes := range []int{1, 2, 3, 4} {
								for _, privileged := range []string{"", "executable"} {
									n := syscheck.Notes{Changes: changes, Privileged: privileged, Folded: folded, Maintenance: window, Profile: "web", Hosts: 50, Same: same}
									list = append(list, doubts(kind, registry, watched, n)...)
								}
							}
						}
					}
				}
			}
		}
	}
	return list
}

// doubts returns the change, and the change with each thing that may speak against it.
func doubts(kind string, registry, watched bool, n syscheck.Notes) (list []matrixCase) {
	disbelieved, cache, image := n, n, n
	disbelieved.Disbelieved, cache.Cache, image.Image = "web2 told otherwise", true, "ami-1"
	for _, n := range []syscheck.Notes{n, disbelieved, cache, image} {
		for _, mode := range []uint32{0o100755, 0o104755} {
			gained := mode&0o4000 != 0 && kind != syscheck.Deleted
			c := matrixCase{registry: registry, watched: watched, doubted: gained || n.Disbelieved != "" || n.Cache || n.Image != ""}
			c.Change = syscheck.Change{Type: kind, Path: path(registry, watched), Notes: &n}
			if kind == syscheck.Moved {
				c.From = "/tmp/it's"
			}
			if kind != syscheck.Added {
				c.Before = &syscheck.Record{Mode: 0o100755, UID: "0", GID: "0", SHA256: "a"}
			}
			if kind != syscheck.Deleted {
				c.After = &syscheck.Record{Mode: mode, UID: "0", GID: "0", SHA256: "b"}
			}
			list = append(list, c)
		}
	}
	return list
}

func path(registry, watched bool) string {
	switch {
	case registry && watched:
		return `HKEY_LOCAL_MACHINE\Software\Microsoft\Windows\CurrentVersion\Run`
	case registry:
		return `HKEY_LOCAL_MACHINE\Software\X`
	case watched:
		return "/etc/cron.d/x"
	}
	return "/srv/x"
}

// TestWatched: whatever a file, or the folder above it, is called, its being watched can't be hidden.
func TestWatched(t *testing.T) {
	engine := analysis.New(load(t), analysis.Options{LogLevel: 1})
	for i, c := range []struct {
		kind, from, path string
		rule             int
	}{
		{syscheck.Moved, "/tmp/it's", "/etc/cron.d/x", 990},
		{syscheck.Moved, "/etc/shadow", "/tmp/it's", 990},
		{syscheck.Modified, "/etc/shadow", "/tmp/it's", 990},
		{syscheck.Modified, "/tmp/it's", "/etc/shadow", 990},
		{syscheck.Modified, "", "/home/o'brien/.ssh/authorized_keys", 990},
		{syscheck.Modified, "", "C:\\WINDOWS/System32/drivers/etc/hosts", 990},
		{syscheck.Modified, "", "/srv/etc/shadow", 989},
		{syscheck.Modified, "/tmp/x", "/srv/was moved to '/etc/shadow", 989},
	} {
		ch := syscheck.Change{Type: c.kind, From: c.from, Path: c.path, Notes: &syscheck.Notes{Changes: 1, Maintenance: "w"}}
		ev := &event.Event{ID: event.ID{Agent: "web1", Epoch: 1, Seq: uint64(i)}, Kind: event.Syscheck, Location: "syscheck", Text: ch.String()}
		v, err := engine.Analyze(ev, analysis.NewMemory(0))
		if err != nil {
			t.Fatal(err)
		}
		if v.Rule == nil || v.Rule.ID != c.rule {
			t.Errorf("%s: rule %+v, want %d", ev.Text, v.Rule, c.rule)
		}
	}
}
