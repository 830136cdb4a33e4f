package legacy_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/yagura-hids/yagura/agent/relay/legacy"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/syscheck"
)

// host is a host and its agent, which is killed and started again, repeats itself, and tells some of its sums without a SHA-256.
type host struct {
	rnd     *rand.Rand
	agent   string
	content map[string]int // path ─► what is there; 0: nothing
	told    map[string]int // … what the relay heard last
}

func (h *host) message(text string) legacy.Message {
	return legacy.Message{Agent: h.agent, Host: "(" + h.agent + ") 192.0.2.1", Queue: '8', Location: "syscheck", Text: text, At: start}
}

// act changes a file, or nothing, and tells it, or repeats what it told.
func (h *host) act() legacy.Message {
	path := fmt.Sprintf("/etc/f%d", h.rnd.IntN(20))
	switch h.rnd.IntN(8) {
	case 0:
		return legacy.Message{Agent: h.agent, Queue: '1', Location: "ossec", Text: "ossec: Agent started: 'x->any'.", At: start}
	case 1:
		return h.message("syscheck-db-completed")
	case 2, 3:
		h.content[path] = h.rnd.IntN(6)
	case 4: // it can't be read for a while
		if n := h.content[path]; n > 0 && h.told[path] == n {
			return h.message(fmt.Sprintf("%d:33188:0:0:xxx:xxx:xxx %s", n%3, path))
		}
	}
	h.told[path] = h.content[path]
	return h.message(h.sum(path) + " " + path)
}

// sum is of contents that differ in their size, or in their hashes only.
func (h *host) sum(path string) string {
	n := h.content[path]
	if n == 0 {
		return "-1"
	}
	s := fmt.Sprintf("%d:33188:0:0:%032x:%040x:%064x", n%3, n, n, n)
	if h.rnd.IntN(4) == 0 {
		s = s[:strings.LastIndexByte(s, ':')]
	}
	return s
}

// follow applies what the server is told of a file.
func follow(t *testing.T, records map[string]*syscheck.Record, ev *event.Event) {
	t.Helper()
	c, err := syscheck.Parse(ev.Text)
	if err != nil {
		t.Fatal(err)
	}
	key := ev.ID.Agent + c.Path
	was := records[key]
	if c.Before != nil && (was == nil || *was != *c.Before) {
		t.Errorf("%s %s: before it was %+v, the server knows %+v", c.Type, c.Path, c.Before, was)
	}
	if (c.Type == syscheck.Added && was != nil) || (c.Type == syscheck.Modified && (was == nil || *was == *c.After)) || (c.Type == syscheck.Deleted && c.After != nil) {
		t.Errorf("%s: the server knows %+v", ev.Text, was)
	}
	records[key] = c.After
}

// TestBaselineIsTheTruth: whatever hosts do, and whenever the relay is killed, the events that were kept tell what is known, and that is what the
// host has told last of those messages that were kept.
func TestBaselineIsTheTruth(t *testing.T) {
	for seed := range uint64(30) {
		rnd := rand.New(rand.NewPCG(seed, 6))
		h := newHome(t)
		records := map[string]*syscheck.Record{} // as a server knows them
		var hosts []*host
		for i := range 3 {
			hosts = append(hosts, &host{rnd: rnd, agent: fmt.Sprint("web/", i), content: map[string]int{}, told: map[string]int{}})
		}
		var pending []*event.Event
		heard, truth := map[string]string{}, map[string]string{}
		for range 600 {
			m := hosts[rnd.IntN(3)].act()
			if r := h.readOf(m); r.Event != nil && m.Queue == '8' {
				pending = append(pending, r.Event)
			}
			if sum, path, ok := strings.Cut(m.Text, " "); ok && m.Queue == '8' && !strings.Contains(sum, "xxx") {
				heard[m.Agent+path] = sum
			}
			switch rnd.IntN(20) {
			case 0:
				h.keep()
				for _, ev := range pending {
					follow(t, records, ev)
				}
				for at, sum := range heard {
					truth[at] = sum
				}
				pending = nil
			case 1: // killed: the agents don't tell it again, but the next time they start
				h.reopen()
				pending = nil
				clear(heard)
				for _, host := range hosts {
					clear(host.told)
				}
			}
			if len(pending) == 0 && len(heard) == 0 {
				compare(t, h, records, truth)
			}
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func compare(t *testing.T, h *home, records map[string]*syscheck.Record, truth map[string]string) {
	t.Helper()
	for at, sum := range truth {
		agent, path := at[:len("web/0")], at[len("web/0"):]
		known, err := h.known.Sum(agent, path)
		if err != nil || !strings.HasPrefix(known, sum) {
			t.Errorf("%s is known as %q, its host told %q (%v)", at, known, sum, err)
		}
		r := records[at]
		if (r == nil) != (sum == "-1") || r != nil && fmt.Sprintf("%d:%d:0:0:%s:%s", r.Size, r.Mode, r.MD5, r.SHA1) != strings.Join(strings.Split(sum, ":")[:6], ":") {
			t.Errorf("%s: the server knows %+v, its host told %q", at, r, sum)
		}
	}
}

// TestKilled kills a process that keeps what it learns, for real: afterwards what is known and what was kept of the events are of one moment.
func TestKilled(t *testing.T) {
	h := newHome(t)
	if err := h.db.Close(); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKeeper$", "-test.timeout=60s")
		cmd.Env = append(os.Environ(), "LEGACY_KEEPER="+h.path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for line, buf := 0, make([]byte, 1); line < 40; { // so many transactions
			if _, err := out.Read(buf); err != nil {
				t.Fatal(err)
			}
			line += bytes.Count(buf, []byte{'\n'})
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		h.open()
		kept := map[string]*syscheck.Record{}
		err = h.db.View(func(tx *bolt.Tx) error {
			return tx.Bucket([]byte("events")).ForEach(func(_, text []byte) error {
				follow(t, kept, &event.Event{Text: string(text)})
				return nil
			})
		})
		if err != nil {
			t.Fatal(err)
		}
		for path, r := range kept {
			if sum, err := h.known.Sum("web/a", path); err != nil || !strings.HasPrefix(sum, fmt.Sprint(r.Size, ":")) {
				t.Errorf("%s: known is %q, told %+v (%v)", path, sum, r, err)
			}
		}
		if err := h.db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestKeeper is the process that TestKilled kills.
func TestKeeper(t *testing.T) {
	path := os.Getenv("LEGACY_KEEPER")
	if path == "" {
		return
	}
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	h := &home{tb: t, db: db, known: legacy.Open(db.View, legacy.Options{})}
	for i := 0; ; i++ {
		var events []*event.Event
		for range 10 {
			if r := h.read(fmt.Sprintf("8:syscheck:%d:33188:0:0:xxx:xxx /etc/f%d", rand.IntN(1000), rand.IntN(50))); r.Event != nil {
				events = append(events, r.Event)
			}
		}
		learnt := h.known.Changes()
		err := db.Update(func(tx *bolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists([]byte("events"))
			if err != nil {
				return err
			}
			for _, ev := range events {
				seq, _ := b.NextSequence()
				if err := b.Put([]byte(fmt.Sprintf("%09d", seq)), []byte(ev.Text)); err != nil {
					return err
				}
			}
			return learnt.Put(tx)
		})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println(i)
	}
}

// FuzzRead: nothing panics; what is told fits into an event and can be read; told again it's no news; and what is learnt can be stored.
func FuzzRead(f *testing.F) {
	for _, c := range history {
		f.Add(c.message[0], c.message[2:6], c.message[7:])
		location, text, _ := strings.Cut(c.message[2:], ":")
		f.Add(c.message[0], location, text)
	}
	f.Add(byte('8'), "syscheck", "CreateFile=5 C:\\x")
	f.Add(byte('8'), "syscheck", `{"type":"event"}`)
	db, err := bolt.Open(f.TempDir()+"/relay.db", 0o600, &bolt.Options{NoSync: true})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, queue byte, location, text string) {
		known := legacy.Open(db.View, legacy.Options{Report: func(msg string) {
			if len(msg) > 2000 {
				t.Fatalf("report of %d bytes", len(msg))
			}
		}})
		if err := known.Clear("x", legacy.All); err != nil {
			t.Fatal(err)
		}
		m := legacy.Message{Agent: "x", Host: "(x) 192.0.2.1", Queue: queue, Location: location, Text: text, At: start}
		first, err := known.Read(m)
		if err != nil {
			t.Fatal(err)
		}
		again, err := known.Read(m)
		if err != nil {
			t.Fatal(err)
		}
		if ev := first.Event; ev != nil && ev.Kind == event.Syscheck {
			if c, err := syscheck.Parse(ev.Text); err != nil || c.Path == "" || len(ev.Text) > event.MaxText {
				t.Fatalf("%+v, %v", c, err)
			}
			if again.Event != nil {
				t.Fatalf("told again: %s", again.Event.Text)
			}
		}
		err = db.Update(func(tx *bolt.Tx) error {
			if err := known.Changes().Put(tx); err != nil {
				t.Fatal(err)
			}
			if known.Unstored() > 1 {
				t.Fatal("held twice")
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}
