package legacy_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/yagura-hids/yagura/agent/relay/legacy"
)

// Changes are seen before they are stored, whether Put is late or fails, and are let go of afterwards.
func TestChangesAreSeenBeforeTheyAreStored(t *testing.T) {
	h := newHome(t)
	h.whole("1:33188:0:0:xxx:xxx /a")
	first := h.known.Changes()
	h.read("8:syscheck:2:33188:0:0:xxx:xxx /a")
	second := h.known.Changes()
	sees := func(want string) {
		t.Helper()
		if sum, err := h.known.Sum("web/a", "/a"); sum != want || err != nil {
			t.Errorf("known is %q, want %q (%v)", sum, want, err)
		}
	}
	sees("2:33188:0:0:xxx:xxx")
	broken := errors.New("disk full")
	if err := h.db.Update(func(tx *bolt.Tx) error { return errors.Join(first.Put(tx), broken) }); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	sees("2:33188:0:0:xxx:xxx")
	if h.known.Unstored() != 2 {
		t.Errorf("%d changes are held", h.known.Unstored())
	}
	for i, c := range []*legacy.Changes{first, second} {
		if err := h.db.Update(c.Put); err != nil {
			t.Fatal(err)
		}
		if h.known.Unstored() != 1-i {
			t.Errorf("%d changes are held", h.known.Unstored())
		}
		sees("2:33188:0:0:xxx:xxx")
	}
	h.reopen()
	sees("2:33188:0:0:xxx:xxx")
	for range 3 {
		h.read("1:/var/log/x:nothing to learn")
		if h.keep(); h.known.Unstored() != 0 {
			t.Error("logs are held")
		}
	}
}

// Hosts that are gone for long are forgotten, some at a time; not those that were heard since, even if that isn't stored yet.
func TestForget(t *testing.T) {
	h := newHome(t)
	say := func(agent, text string) {
		m := h.message(text)
		m.Agent = agent
		h.readOf(m)
	}
	for i := range 50 {
		say(fmt.Sprint("old/", i), "8:syscheck:1:33188:0:0:xxx:xxx /a")
		say(fmt.Sprint("old/", i), []string{"9:rootcheck:Ending rootcheck scan.", "8:syscheck:syscheck-db-completed", "1:ossec:ossec: Agent started: 'x->any'."}[i%3])
	}
	say("web/c", "8:syscheck:1:33188:0:0:xxx:xxx /a") // its start was before it came here
	h.keep()
	h.at = h.at.AddDate(0, 0, 30)
	before := h.at
	say("old/7", "9:rootcheck:Starting syscheck scan.")
	h.keep()
	say("old/0", "9:rootcheck:Starting syscheck scan.")
	forgotten := 0
	for range 4 {
		n, err := h.known.Forget(before)
		if err != nil || n > 20 {
			t.Fatal(n, err)
		}
		forgotten += n
		h.keep()
	}
	if n, err := h.known.Forget(before); forgotten != 48 || n != 0 || err != nil {
		t.Errorf("%d were forgotten, and then %d (%v)", forgotten, n, err)
	}
	for agent, want := range map[string]bool{"old/7": true, "old/0": true, "web/c": true, "old/9": false, "old/49": false} {
		if sum, err := h.known.Sum(agent, "/a"); (sum != "") != want || err != nil {
			t.Errorf("%s: known is %q (%v)", agent, sum, err)
		}
	}
}

// TestClear: what is forgotten is forgotten at once and for good, whether it was stored or not; the rest stays.
func TestClear(t *testing.T) {
	texts := []string{"8:syscheck:1:33188:0:0:xxx:xxx /a", "8:syscheck-registry:0:0:0:0:xxx:xxx HKEY", "9:rootcheck:" + rootkit, "3:n:Host: 192.0.2.1 (), "}
	for what, want := range map[string][]bool{
		legacy.Syscheck: {true, true, false, false}, legacy.Rootcheck: {false, false, true, false}, legacy.All: {true, true, true, true},
	} {
		for mask := range 4 {
			h := newHome(t)
			h.whole()
			for _, text := range texts {
				h.read(text)
			}
			other := h.message(texts[0])
			other.Agent = "web/b"
			h.readOf(other)
			if mask&1 != 0 {
				h.keep()
			}
			if err := h.known.Clear("web/a", what); err != nil {
				t.Fatal(err)
			}
			if mask&2 != 0 {
				h.keep()
				h.reopen()
			}
			for i, text := range texts {
				r := h.read(text)
				if (r.Event != nil) != want[i] {
					t.Errorf("%s, %b: %q: %+v", what, mask, text, r)
				}
				if r.Event != nil && i < 2 && !strings.Contains(r.Event.Text, `"baseline"`) {
					t.Errorf("%s, %b: %s: its agent has not told all its files since", what, mask, r.Event.Text)
				}
			}
			if r := h.readOf(other); r.Event != nil {
				t.Errorf("%s, %b: another host's: %+v", what, mask, r)
			}
		}
	}
	if err := newHome(t).known.Clear("web/a", "all of it"); err == nil {
		t.Error("cleared something else")
	}
}
