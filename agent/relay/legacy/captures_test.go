package legacy_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/syscheck"
)

// What agents of OSSEC told, as it was captured (see internal/wire/testdata/captures): of all that they tell at each start, and twice, only what is
// news is an event. 2.8.3 doesn't watch for new files as they come: it tells them when it starts again.
func TestCaptures(t *testing.T) {
	const change, mode, gone, added = "modified /srv/www/file-3 +diff", "modified /srv/www/file-5", "deleted /srv/www/file-7", "added /srv/www/file-21"
	want := map[string][]string{
		"2.8.3.txt": {change, mode, gone, added},
		"3.8.0.txt": {change, added, mode, gone},
		"4.2.0.txt": {change, added, mode, gone},
		"4.3.txt":   {change, added, mode, gone},
	}
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) != len(want) {
		t.Fatal(paths, err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			changes, others := story(t, path)
			if diff := cmp.Diff(want[filepath.Base(path)], changes); diff != "" {
				t.Error(diff)
			}
			if others[event.AgentState] != 2 || others[event.Rootcheck] < 5 || others[event.Log] != 5 {
				t.Errorf("events of other kinds: %v", others)
			}
		})
	}
}

// story reads a captured agent's messages: the changes of files, and how many events there were of other kinds.
func story(t *testing.T, path string) (changes []string, others map[event.Kind]int) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	h, others := newHome(t), map[event.Kind]int{}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		message, err := strconv.Unquote(strings.TrimSpace(line))
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		r := h.read(message)
		h.keep()
		switch {
		case r.Event == nil:
		case r.Event.Kind != event.Syscheck:
			others[r.Event.Kind]++
		default:
			if c := parse(t, r.Event.Text); c.Type != syscheck.Baseline {
				changes = append(changes, c.Type+" "+c.Path+map[bool]string{true: " +diff"}[c.Diff != ""])
			}
		}
	}
	if len(h.told) > 0 {
		t.Errorf("troubles were told: %q", h.told)
	}
	return changes, others
}

func parse(t *testing.T, text string) syscheck.Change {
	t.Helper()
	c, err := syscheck.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
