package session_test

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/yagura-hids/yagura/agent/relay/session"
)

// segments returns the files of fingerprints.
func (r *relay) segments(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(r.dir, "heard", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

var elsewhere = netip.MustParseAddrPort("10.0.1.250:999")

// For a day each hour has a file, and what is in it is refused from elsewhere, before and after a kill.
func TestSegments(t *testing.T) {
	r := newRelay(t, session.Options{})
	h := newAgent(many, "10.0.1.1", 1, "h")
	h.start(r, 1)
	var sent []message
	most := 0
	for hour := range 30 {
		for range 700 {
			m := h.event()
			r.want(session.Accepted, m)
			sent = append(sent, m)
		}
		r.store()
		r.now = r.now.Add(time.Hour)
		if hour%7 == 3 {
			r.kill()
		}
		most = max(most, len(r.segments(t)))
	}
	if st := r.s.Stats(); most < 12 || most > 16 || r.now.Sub(st.Since) < 24*time.Hour || r.now.Sub(st.Since) > 28*time.Hour || st.Bytes == 0 {
		t.Fatalf("%d files, %+v", most, st)
	}
	for _, m := range sent[len(sent)-24*700:] {
		r.want(session.Repeated, m.at(elsewhere))
	}
	for range 10_000 {
		r.want(session.Accepted, h.event())
	}
	if len(r.told) != 1 { // the repeated ones
		t.Fatalf("told: %q", r.told)
	}
}

func TestSegmentsHaveRoom(t *testing.T) {
	r := newRelay(t, session.Options{MaxBytes: 30_000})
	h := newAgent(many, "10.0.1.1", 1, "h")
	h.start(r, 1)
	oldest := h.event()
	r.want(session.Accepted, oldest)
	for range 12 {
		for range 1000 {
			r.want(session.Accepted, h.event())
		}
		r.now = r.now.Add(time.Hour)
		r.store()
	}
	if st := r.s.Stats(); st.Bytes > 40_000 || !st.Since.After(start.Add(7*time.Hour)) {
		t.Fatalf("%+v", st)
	}
	delete(r.stored, oldest.inner)
	r.want(session.Accepted, oldest.at(elsewhere))
}

// A transaction that fails is done again. A file that it left is written again, or goes away at the next start.
func TestPutAgain(t *testing.T) {
	for _, killed := range []bool{false, true} {
		r := newRelay(t, session.Options{})
		h := newAgent(many, "10.0.1.1", 1, "h")
		h.start(r, 1)
		stored := h.event()
		r.want(session.Accepted, stored)
		r.store()
		r.now = r.now.Add(2 * time.Hour)
		lost := h.event()
		r.want(session.Accepted, lost)
		c := r.s.Changes()
		full := errors.New("disk full")
		for range 2 {
			err := r.db.Update(func(tx *bolt.Tx) error { return errors.Join(c.Put(tx), full) })
			if !errors.Is(err, full) {
				t.Fatal(err)
			}
		}
		if n := len(r.segments(t)); n != 1 {
			t.Fatalf("%d files", n)
		}
		if killed {
			r.kill()
			if n := len(r.segments(t)); n != 0 {
				t.Fatalf("%d files that no transaction knows", n)
			}
			r.want(session.Repeated, stored.at(elsewhere))
			r.want(session.Accepted, lost)
			continue
		}
		if err := r.db.Update(c.Put); err != nil {
			t.Fatal(err)
		}
		r.kill()
		r.want(session.Repeated, stored.at(elsewhere))
		r.want(session.Repeated, lost.at(elsewhere))
		if n := len(r.segments(t)); n != 1 {
			t.Fatalf("%d files", n)
		}
	}
}

// What is admitted while changes are on their way to the disk is in the next ones.
func TestAdmitWhilePutting(t *testing.T) {
	r := newRelay(t, session.Options{})
	h := newAgent(many, "10.0.1.1", 1, "h")
	h.start(r, 1)
	r.now = r.now.Add(2 * time.Hour)
	c := r.s.Changes()
	between := h.event()
	r.want(session.Accepted, between)
	r.want(session.Repeated, between.at(elsewhere))
	if err := r.db.Update(c.Put); err != nil {
		t.Fatal(err)
	}
	r.store()
	r.kill()
	r.want(session.Replayed, between)
	r.want(session.Repeated, between.at(elsewhere))
}

func TestFolderCannotBeWritten(t *testing.T) {
	r := newRelay(t, session.Options{})
	h := newAgent(many, "10.0.1.1", 1, "h")
	h.start(r, 1)
	heard := h.event()
	r.want(session.Accepted, heard)
	r.store()
	dir := filepath.Join(r.dir, "heard")
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	r.now = r.now.Add(2 * time.Hour)
	for range 3 {
		r.want(session.Accepted, h.event())
		r.store()
	}
	r.wantTold(1, "until there is room")
	r.want(session.Repeated, heard.at(elsewhere))
	if err := os.Rename(dir+".away", dir); err != nil {
		t.Fatal(err)
	}
	r.now = r.now.Add(time.Minute)
	r.want(session.Accepted, h.event())
	r.store()
	if n := len(r.segments(t)); n != 1 {
		t.Fatalf("%d files", n)
	}
	r.kill()
	r.want(session.Repeated, heard.at(elsewhere))
}

// Files that are damaged or gone are told of, and the relay works on.
func TestDamagedSegments(t *testing.T) {
	for name, damage := range map[string]func(path string) error{
		"gone":    os.Remove,
		"short":   func(path string) error { return os.Truncate(path, 100) },
		"another": func(path string) error { return os.WriteFile(path, make([]byte, 100_000), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRelay(t, session.Options{})
			h := newAgent(many, "10.0.1.1", 1, "h")
			h.start(r, 1)
			r.now = r.now.Add(2 * time.Hour)
			r.want(session.Accepted, h.event())
			r.store()
			if err := damage(r.segments(t)[0]); err != nil {
				t.Fatal(err)
			}
			r.kill()
			r.wantTold(1, "are not known")
			r.want(session.Accepted, h.event())
			r.now = r.now.Add(26 * time.Hour)
			r.want(session.Accepted, h.event())
			r.store()
			r.told = nil
			r.kill()
			r.wantTold(0, "are not known")
		})
	}
}

// Records that can't be read cost their own hosts their counters, nobody else anything.
func TestDamagedRecords(t *testing.T) {
	r := newRelay(t, session.Options{})
	a, b := newAgent(many, "10.0.1.1", 1, "a"), newAgent(many, "10.0.1.2", 1, "b")
	a.start(r, 1)
	b.start(r, 1)
	r.store()
	err := r.db.Update(func(tx *bolt.Tx) error {
		k, v := tx.Bucket([]byte("relay-sessions")).Cursor().First()
		return tx.Bucket([]byte("relay-sessions")).Put(slices.Clone(k), slices.Clone(v[:50]))
	})
	if err != nil {
		t.Fatal(err)
	}
	r.kill()
	r.wantTold(1, "begins anew")
	if list := r.s.List(); len(list) != 1 || list[0].Agent != "web/b" {
		t.Fatalf("%+v", list)
	}
	r.want(session.Accepted, a.alive())
}

func FuzzRecord(f *testing.F) {
	for _, key := range []*session.Key{one, many} {
		r := openRelay(f, f.TempDir(), session.Options{})
		newAgent(key, "10.0.1.1", 1, "a").start(r, 1)
		r.store()
		err := r.db.View(func(tx *bolt.Tx) error {
			k, v := tx.Bucket([]byte("relay-sessions")).Cursor().First()
			f.Add(slices.Clone(k), slices.Clone(v))
			return nil
		})
		if err != nil {
			f.Fatal(err)
		}
		r.close()
	}
	f.Fuzz(func(t *testing.T, k, v []byte) {
		k2, v2, err := session.ReadRecord(k, v)
		if err != nil {
			return
		}
		k3, v3, err := session.ReadRecord(k2, v2)
		if err != nil || string(k3) != string(k2) || string(v3) != string(v2) {
			t.Fatalf("%x %x was written as %x %x, and is read as %x %x, %v", k, v, k2, v2, k3, v3, err)
		}
	})
}

// All methods at once, as the relay's parts call them.
func TestAtOnce(t *testing.T) {
	r := newRelay(t, session.Options{})
	done := make(chan error)
	go func() {
		for range 300 {
			if err := r.db.Update(r.s.Changes().Put); err != nil {
				done <- err
				return
			}
			r.s.List()
			r.s.Stats()
			r.s.Expire(start.Add(time.Hour))
		}
		close(done)
	}()
	h := newAgent(many, "10.0.1.1", 1, "h")
	for n := 0; ; n++ {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			return
		default:
			r.now = r.now.Add(time.Second)
			r.want(session.Accepted, h.event())
			if n%100 == 0 {
				r.want(session.Accepted, h.alive())
			}
		}
	}
}
