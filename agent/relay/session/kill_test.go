package session_test

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/yagura-hids/yagura/agent/relay/session"
)

const killedDir = "YAGURA_TEST_KILLED_DIR"

var bucketEvents = []byte("events")

// TestKilled kills a process that admits and stores, with SIGKILL and anywhere: what is stored is refused after that, what isn't is let in. Hours
// pass quickly there, so that fingerprints are sealed all the time.
func TestKilled(t *testing.T) {
	if dir := os.Getenv(killedDir); dir != "" {
		admitForEver(t, dir)
	}
	dir := t.TempDir()
	sealed := 0
	for run := range 12 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$")
		cmd.Env = append(os.Environ(), killedDir+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 5 + 7*run; n > 0 && lines.Scan(); n-- {
			continue // so that it is killed in the middle of what comes next
		}
		cmd.Process.Kill()
		cmd.Wait()
		sealed = max(sealed, checkKilled(t, dir))
	}
	if sealed < 3 {
		t.Fatalf("%d files of fingerprints: they were not sealed", sealed)
	}
}

// killedMessage returns message n, its time and its host: one of three, of which the last has a key of its own.
func killedMessage(n uint64) session.Arrival {
	h := newAgent([]*session.Key{many, many, one}[n%3], fmt.Sprintf("10.0.1.%d", n%3), 1, "h")
	h.seq = n / 3
	m := h.startup()
	return session.Arrival{Key: m.key, From: m.from, Seq: m.seq, Inner: fmt.Append(nil, n), Control: true, At: start.Add(time.Duration(n) * 20 * time.Second)}
}

// admitForEver goes on where the store is, and says how far it has come.
func admitForEver(t *testing.T, dir string) {
	r := openRelay(t, dir, session.Options{})
	r.db.NoSync = false
	n := storedIn(t, r.db)
	for {
		first := n
		for range 50 {
			if x, v := r.s.Admit(killedMessage(n)); v != session.Accepted {
				t.Fatalf("message %d: %s, %+v", n, v, x)
			}
			n++
		}
		c := r.s.Changes()
		err := r.db.Update(func(tx *bolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists(bucketEvents)
			for i := first; i < n && err == nil; i++ {
				err = b.Put(binary.BigEndian.AppendUint64(nil, i), nil)
			}
			if err != nil {
				return err
			}
			return c.Put(tx)
		})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println(n)
	}
}

// storedIn returns how many messages are stored.
func storedIn(t *testing.T, db *bolt.DB) (n uint64) {
	t.Helper()
	err := db.View(func(tx *bolt.Tx) error {
		if b := tx.Bucket(bucketEvents); b != nil {
			if k, _ := b.Cursor().Last(); k != nil {
				n = binary.BigEndian.Uint64(k) + 1
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// checkKilled opens what a killed process left, and returns how many files of fingerprints there are.
func checkKilled(t *testing.T, dir string) int {
	t.Helper()
	r := openRelay(t, dir, session.Options{})
	defer r.close()
	n := storedIn(t, r.db)
	now := killedMessage(n).At
	for i := n - min(n, 4000); i < n; i++ {
		a := killedMessage(i)
		if a.Key.Many { // from elsewhere: only its fingerprint tells
			a.From = elsewhere
		}
		a.At = now
		if _, v := r.s.Admit(a); v != session.Repeated && v != session.Replayed {
			t.Fatalf("message %d of %d is stored: %s", i, n, v)
		}
	}
	for i := n; i < n+200; i++ {
		if _, v := r.s.Admit(killedMessage(i)); v != session.Accepted {
			t.Fatalf("message %d of %d is not stored: %s", i, n, v)
		}
	}
	if len(r.told) > 2 {
		t.Fatalf("told: %q", r.told)
	}
	files, err := filepath.Glob(filepath.Join(dir, "heard", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}
