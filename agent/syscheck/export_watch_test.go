package syscheck

import (
	"context"
	bolt "go.etcd.io/bbolt"

	"github.com/yagura-hids/yagura/agent/spool"
	"github.com/yagura-hids/yagura/internal/syscheck"
	"time"
)

// Noticed is noticed, for tests.
type Noticed struct {
	Path, From string
	Tree       bool
}

func export(list []noticed) (out []Noticed) {
	for _, n := range list {
		out = append(out, Noticed{n.path, n.from, n.tree})
	}
	return out
}

// Watch watches roots until ctx ends. It returns when these are watched; then ended gets run's error.
func Watch(ctx context.Context, roots []string, enter func(string) bool, report func(string), look func([]Noticed)) (ended chan error) {
	w := newWatcher(enter, report, time.Now, time.After)
	ended = make(chan error, 1)
	go func() {
		ended <- w.run(ctx, func(_ context.Context, list []noticed) ([]noticed, error) { look(export(list)); return nil, nil })
	}()
	var rs []target
	for _, r := range roots {
		rs = append(rs, target{path: r, follow: true})
	}
	w.watch(ctx, rs)
	return ended
}

// Pending is pending, for tests.
type Pending struct{ p *lately }

// NewPending returns one whose trees have all the root "/r".
func NewPending() Pending { return Pending{newLately(func(string) string { return "/r" })} }

// Mark is mark.
func (p Pending) Mark(path string, tree bool, now time.Time) { p.p.mark(path, tree, now) }

// Move is move.
func (p Pending) Move(from, to string, tree bool, now time.Time) { p.p.move(from, to, tree, now) }

// Take is take.
func (p Pending) Take(now time.Time) []Noticed { return export(p.p.take(now)) }

// Wait is wait.
func (p Pending) Wait(now time.Time) (time.Duration, bool) { return p.p.wait(now) }

// Unified is unified.
var Unified = unified

// Audit is audit, for tests.
type Audit struct{ a *audit }

// NewAudit reads the log at path, in which the user 1000 is alice.
func NewAudit(path string) Audit {
	return Audit{&audit{path: path, name: func(uid string) string { return map[string]string{"1000": "alice"}[uid] }}}
}

// Add is add.
func (a Audit) Add(line string) { a.a.add(line) }

// Who is who.
func (a Audit) Who(path string, at time.Time) (*syscheck.Who, error) { return a.a.who(path, at) }

// Kept returns how much is remembered.
func (a Audit) Kept() int {
	return len(a.a.actors.young) + len(a.a.actors.old) + len(a.a.deeds.young) + len(a.a.deeds.old)
}

// AuditText is auditText.
var AuditText = auditText

// Value is value, for tests.
type Value struct {
	Name string
	Kind uint32
	Data []byte
}

// Hive is hive, for tests: the subkeys and values of a key.
type Hive func(path string, bits int) (subkeys []string, values []Value, subErr, valueErr, err error)

func (h Hive) open(path string, bits int) (hiveKey, error) {
	k := testKey{}
	subs, values, subErr, valueErr, err := h(path, bits)
	k.subs, k.subErr, k.valueErr = subs, subErr, valueErr
	for _, v := range values {
		k.list = append(k.list, value{v.Name, v.Kind, v.Data})
	}
	return k, err
}

type testKey struct {
	subs             []string
	list             []value
	subErr, valueErr error
}

func (k testKey) subkeys() ([]string, error) { return k.subs, k.subErr }
func (k testKey) values() ([]value, error)   { return k.list, k.valueErr }
func (testKey) close()                       {}

// SetHive has the registry be another one.
func (s *Syscheck) SetHive(h Hive) { s.hive = h }

// ValuesText is valuesText.
func ValuesText(list []Value) string {
	var values []value
	for _, v := range list {
		values = append(values, value{v.Name, v.Kind, v.Data})
	}
	return string(valuesText(values))
}

// Texts returns how many contents are kept, and their size as the bucket counts it and as it is.
func Texts(t interface{ Fatal(...any) }, s *spool.Spool) (n, counted, size int) {
	err := s.View(func(tx *bolt.Tx) error {
		b := textsOf(tx)
		if b == nil {
			return nil
		}
		counted = int(b.Sequence())
		return b.ForEach(func(_, v []byte) error { n, size = n+1, size+len(v); return nil })
	})
	if err != nil {
		t.Fatal(err)
	}
	return n, counted, size
}

// SetMaxContents sets the room for contents, and returns what sets it back.
func SetMaxContents(n uint64) func() {
	old := maxContents
	maxContents = n
	return func() { maxContents = old }
}
