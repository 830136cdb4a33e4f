package baseline_test

import (
	"testing"
	"time"

	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/maintenance"
	"github.com/yagura-hids/yagura/internal/syscheck"
)

// What was done in a window and found by a scan after it is maintenance; what is done after it, and seen at once, is not; and a scan shuts it.
func TestMaintenance(t *testing.T) {
	tab := open(t)
	s, a := newServer(t, tab), newAgent("web1")
	s.judge(a.scan(5)...)
	w, err := maintenance.NewStore(tab, maintenance.Options{Now: func() time.Time { return a.at }}).Begin(t.Context(), maintenance.Window{
		Scope: maintenance.Scope{Kind: maintenance.Profile, Value: "web"}, Until: a.at.Add(time.Hour), UntilScanned: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	change := func(content int, live bool) *event.Event {
		now := file(content)
		was := a.files["/etc/f1"]
		a.files["/etc/f1"] = *now
		c := syscheck.Change{Type: syscheck.Modified, Path: "/etc/f1", Before: &was, After: now, Live: live}
		return a.event(c.String())
	}
	for _, c := range []struct {
		name    string
		later   time.Duration
		live    bool
		scanned bool
		want    string
	}{
		{name: "within", want: w.ID},
		{name: "within, live", live: true, want: w.ID},
		{name: "after, found by a scan", later: 2 * time.Hour, want: w.ID},
		{name: "after, live", live: true},
		{name: "after, scanned", scanned: true},
	} {
		a.at = a.at.Add(c.later)
		if c.scanned {
			s.judge(a.digests())
		}
		got := s.judge(change(int(a.seq)+100, c.live))
		if got[0].Notes == nil || got[0].Notes.Maintenance != c.want {
			t.Errorf("%s: notes %+v, want %q", c.name, got[0].Notes, c.want)
		}
	}
}
