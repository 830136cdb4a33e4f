package legacy_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/yagura-hids/yagura/internal/analysis"
	"github.com/yagura-hids/yagura/internal/baseline"
	"github.com/yagura-hids/yagura/internal/table"
	tables "github.com/yagura-hids/yagura/internal/table/bolt"
)

func sumLine(size, hashes, path string) string {
	return "8:syscheck:" + size + ":33188:0:0:" + hashes + " " + path
}

// counted is what happens to one file, and to one key of the registry, on a server that knows them: OSSEC's ids, and how its text begins.
var counted = []struct {
	message string
	rule    int // by our rules
	ossec   int // by OSSEC's, 0 for the same
	log     string
}{
	{"1:ossec:ossec: Agent started: 'web->192.0.2.0'.", 501, 0, ""},
	{sumLine("1", hashesA, "/srv/x"), 0, 0, ""},
	{"8:syscheck-registry:0:0:0:0:" + md5A + ":" + sha1A + " " + hkey, 0, 0, ""},
	{"9:rootcheck:Ending syscheck scan.", 515, 0, ""},
	{"8:syscheck:syscheck-db-completed", -1, 0, ""},
	{sumLine("2", hashesB, "/srv/x"), 550, 0, "Integrity checksum changed for: '/srv/x'\nSize changed from '1' to '2'\nOld md5sum was: '" + md5A + "'\nNew md5sum is : '" + md5B + "'"},
	{sumLine("3", hashesA, "/srv/x"), 551, 0, "Integrity checksum changed for: '/srv/x'\nSize changed from '2' to '3'\n"},
	{sumLine("4", hashesB, "/srv/x"), 552, 0, "Integrity checksum changed for: '/srv/x'\nSize changed from '3' to '4'\n"},
	{sumLine("5", hashesA, "/srv/x"), 988, 550, "Integrity checksum changed for: '/srv/x'\nSize changed from '4' to '5'\n"},
	{"8:syscheck:5:33261:0:0:" + hashesA + " /srv/x", 550, 0, "Integrity checksum changed for: '/srv/x'\nPermissions changed from 'rw-r--r--' to 'rwxr-xr-x'\n"},
	{"8:syscheck:-1 /srv/x", 553, 0, "File '/srv/x' was deleted. Unable to retrieve checksum."},
	{sumLine("5", hashesA, "/srv/x"), 554, 0, "File '/srv/x' was re-added."},
	{sumLine("1", hashesA, "/srv/new"), 554, 0, "New file '/srv/new' added to the file system.\nNew sha1sum is : '" + sha1A + "'\nNew md5sum is : '" + md5A + "'"},
	{"8:syscheck-registry:0:0:0:0:" + md5B + ":" + sha1A + " " + hkey, 594, 0, "Integrity checksum changed for: '" + hkey + "'\nOld md5sum was: '" + md5A + "'\n"},
	{"8:syscheck-registry:0:0:0:0:" + md5A + ":" + sha1A + " " + hkey, 595, 0, "Integrity checksum changed for: '" + hkey + "'\n"},
	{"8:syscheck-registry:0:0:0:0:" + md5B + ":" + sha1A + " " + hkey, 596, 0, "Integrity checksum changed for: '" + hkey + "'\n"},
	{"8:syscheck-registry:-1 " + hkey, 597, 0, "File '" + hkey + "' was deleted. Unable to retrieve checksum."},
	{"8:syscheck-registry:0:0:0:0:" + md5B + ":" + sha1A + " " + hkey, 598, 0, "File '" + hkey + "' was re-added."},
}

// TestCounted: over the server's baseline the second and third change have their own rules, a file that comes back is told as that, and the count of
// changes silences neither that, nor a deletion, nor another mode.
func TestCounted(t *testing.T) {
	for name, engine := range engines(t) {
		h, memory := newHome(t), analysis.NewMemory(0)
		db, err := bolt.Open(filepath.Join(t.TempDir(), "server.db"), 0o600, &bolt.Options{NoSync: true})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		tab := tables.New(db)
		keeper := baseline.New(tab, baseline.Options{Now: time.Now})
		for i, c := range counted {
			r := h.readOf(h.message(c.message))
			if r.Event == nil {
				if c.rule >= 0 {
					t.Errorf("%s: %q: no event", name, c.message)
				}
				continue
			}
			r.Event.ID.Epoch, r.Event.ID.Seq = 1, uint64(i+1)
			keeper.Begin(t.Context())
			ev, err := keeper.Judge(r.Event)
			if err != nil {
				t.Fatal(err)
			}
			commit(t, tab, keeper)
			v, err := engine.Analyze(ev, memory)
			if err != nil {
				t.Fatal(err)
			}
			want, got := c.rule, 0
			if c.ossec > 0 && name == "OSSEC" {
				want = c.ossec
			}
			if v.Rule != nil {
				got = v.Rule.ID
			}
			if got != want || !strings.HasPrefix(v.Decoded.FullLog, c.log) {
				t.Errorf("%s: %q: rule %d, want %d:\n%s\nwant\n%s", name, c.message, got, want, v.Decoded.FullLog, c.log)
			}
		}
	}
}

func commit(t *testing.T, tab table.Table, k *baseline.Keeper) {
	t.Helper()
	ops, err := k.Ops()
	if err == nil && len(ops) > 0 {
		err = tab.Commit(t.Context(), ops)
	}
	if err != nil {
		t.Fatal(err)
	}
	k.Committed()
}
