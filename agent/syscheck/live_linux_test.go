package syscheck_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/agent/syscheck"
)

func TestLiveWho(t *testing.T) {
	h := newHost(t)
	h.write("a", "one")
	h.conf.Directories[0].WhoData = true
	log := filepath.Join(t.TempDir(), "audit.log")
	h.audit = log
	r := h.run()
	h.write("a", "two")
	r.await("a change", func() bool { return len(r.told) == 1 })
	if c := r.told[0]; c.Who != nil {
		t.Errorf("%+v without a log", c.Who)
	}
	write(t, log, records(fmt.Sprintf("%d.000:7", time.Now().Unix()), byAlice, `"/"`, fmt.Sprintf("name=%q nametype=NORMAL", h.path("a"))))
	h.write("a", "three")
	r.await("another change", func() bool { return len(r.told) == 2 })
	if c := r.told[1]; c.Who == nil || c.Who.Process != "/usr/bin/vi" || c.Who.User != "root" || c.Who.PID != 902 {
		t.Errorf("%+v", c.Who)
	}
	if !slices.ContainsFunc(h.reports(), func(s string) bool { return strings.Contains(s, "-w "+h.dir+" -p wa -k yagura_fim") }) {
		t.Errorf("nothing said of how to log who: %q", h.reports())
	}
}

// Wine tells nothing of directories below that were there before.
func TestLiveLimits(t *testing.T) {
	h := newHost(t)
	h.speed = 10
	h.write("deep/er/still/a", "x")
	h.write("no/a", "x")
	h.conf.Directories[0].Recursion = 1
	h.conf.Ignore = []syscheck.Match{{Text: h.path("no")}, {Text: ".log$", Pattern: true}}
	r := h.run()
	for _, name := range []string{"deep/er/still/a", "no/a", "a.log", "deep/er/b"} {
		h.write(name, "changed")
	}
	h.write("deep/b", "x")
	r.await("what is watched", func() bool { return len(r.told) > 0 })
	h.write("deep/c", "x")
	r.await("the last", func() bool { return len(r.told) > 1 })
	if got := r.lines(); !slices.Equal(got, []string{"added deep/b", "added deep/c"}) {
		t.Errorf("%q", got)
	}
}
