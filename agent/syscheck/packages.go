package syscheck

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/yagura-hids/yagura/agent/packages"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/syscheck"
)

// What the package manager does is seen before its database knows of it. So, while it is at work, a change that isn't its own by what the database
// says now waits until it is, or until it has waited so long.
const (
	waitTime    = 2 * time.Minute
	attendEvery = 5 * time.Second
	attendIdle  = 2 // so many times in a row nothing is going on before a run is taken for ended
)

// bucketPackages is where what is known of packages is, beside the files' records.
var bucketPackages = []byte("packages")

// manager is what there is to know of the host's package manager.
type manager struct {
	index    *packages.Index // nil if nobody asks for it
	waiting  map[string]*awaited
	read     time.Time // when a database was read last
	attended bool      // a goroutine of its own looks after it
	idle     int
}

// awaited is a change that may turn out to be the package manager's. As with held ones, the cache doesn't know of it, and a kill loses nothing.
type awaited struct {
	v    *sight
	what string
}

func (s *Syscheck) openPackages() (err error) {
	s.manager.waiting = map[string]*awaited{}
	if !s.conf.Packages {
		return nil
	}
	s.manager.index, err = packages.New(packages.Options{
		Root: s.o.Root, Report: s.o.Report, Each: s.eachPackage,
		Put: func(key string, value []byte) { s.pending.packages[key] = value },
	})
	return err
}

// eachPackage calls fn for all that is remembered of packages.
func (s *Syscheck) eachPackage(fn func(key string, value []byte) error) error {
	pending := maps.Clone(s.pending.packages) // fn may add to it
	err := s.o.Spool.View(func(tx *bolt.Tx) error {
		top := tx.Bucket(bucketSyscheck)
		if top == nil || top.Bucket(bucketPackages) == nil {
			return nil
		}
		return top.Bucket(bucketPackages).ForEach(func(k, v []byte) error {
			if _, newer := pending[string(k)]; newer {
				return nil
			}
			return fn(string(k), v)
		})
	})
	for k, v := range pending {
		if err == nil && v != nil {
			err = fn(k, v)
		}
	}
	return err
}

// storePackages stores what is to be remembered of packages.
func storePackages(tx *bolt.Tx, puts map[string][]byte) error {
	if len(puts) == 0 {
		return nil
	}
	b, err := tx.CreateBucketIfNotExists(bucketSyscheck)
	if err == nil {
		b, err = b.CreateBucketIfNotExists(bucketPackages)
	}
	for k, v := range puts {
		switch {
		case err != nil:
			return fmt.Errorf("what is known of packages: %w", err)
		case v == nil:
			err = b.Delete([]byte(k))
		default:
			err = b.Put([]byte(k), v)
		}
	}
	return err
}

// readPackages reads the databases if they changed; not all the time while they do. The caller holds mu.
func (s *Syscheck) readPackages(now time.Time) {
	m := &s.manager
	if m.index == nil || !m.index.Stale() || m.index.Busy() && now.Sub(m.read).Abs() < attendEvery {
		return
	}
	m.read = now
	m.index.Refresh(context.Background(), now) // it is bounded, and half of it is nothing
}

// linkable are the changes that packages make.
func linkable(what string) bool {
	return what == syscheck.Added || what == syscheck.Modified || what == syscheck.Deleted
}

// link returns the work of the package manager that made a change, nil if none did. Of owner and permissions its database may say nothing: whoever
// changes them is told. The caller holds mu.
func (s *Syscheck) link(v *sight, what string) *packages.Work {
	if s.manager.index == nil || v.root == nil || !linkable(what) {
		return nil
	}
	s.readPackages(s.o.Now())
	if what == syscheck.Modified && !v.seen.sameRights(v.old) || v.seen != nil && v.seen.deaf {
		return nil
	}
	w, _ := s.manager.index.Link(context.Background(), v.path, v.content())
	return w
}

// sameRights tells whether both have the same owner and permissions, and are of the same type, as far as both compare them.
func (k *known) sameRights(o *known) bool {
	both := k.check & o.check
	a, b := k.only(both), o.only(both)
	if a.isLink() { // its permissions say nothing
		return b.isLink() && a.uid == b.uid && a.gid == b.gid
	}
	return a.mode == b.mode && a.uid == b.uid && a.gid == b.gid
}

// content is what the index of packages is asked about; nil if nothing is there.
func (v *sight) content() *packages.Content {
	k := v.seen
	if k == nil {
		return nil
	}
	c := &packages.Content{Symlink: k.link != "", New: v.old == nil}
	sums := v.looked
	if sums == nil {
		sums = k
	}
	c.Sum = func(a packages.Algorithm) []byte {
		switch {
		case a == packages.MD5 && sums.hashed&MD5 != 0:
			return sums.md5[:]
		case a == packages.SHA1 && sums.hashed&SHA1 != 0:
			return sums.sha1[:]
		case a == packages.SHA256 && sums.hashed&SHA256 != 0:
			return sums.sha256[:]
		}
		return nil
	}
	if c.Symlink && sums.hashed != 0 {
		c.Target, _ = filepath.EvalSymlinks(v.path) // if it is gone, it leads nowhere
	}
	return c
}

// wants returns the hashes without which a change can't be compared with what the packages' database says, though the configuration doesn't ask for
// them: dpkg has MD5 only. The caller holds mu.
func (s *Syscheck) wants(v *sight) (more Check) {
	if s.manager.index == nil || v.root == nil || v.seen == nil || v.seen.deaf || v.old != nil && v.seen.equal(v.old) {
		return 0
	}
	s.readPackages(s.o.Now())
	_, lacks := s.manager.index.Link(context.Background(), v.path, v.content())
	for _, a := range lacks {
		more |= map[packages.Algorithm]Check{packages.MD5: MD5, packages.SHA1: SHA1, packages.SHA256: SHA256}[a]
	}
	return more &^ v.seen.check
}

// await has a change wait if it may turn out to be the package manager's. The caller holds mu.
func (s *Syscheck) await(v *sight, what string) bool {
	m := &s.manager
	if m.index == nil || v.root == nil || !linkable(what) || s.o.Now().Sub(v.since) >= waitTime || !m.index.Busy() && !m.index.Stale() {
		return false
	}
	m.waiting[string(v.key)] = &awaited{v, what}
	return true
}

// unwait forgets the change that waits at a path, which is looked at again; but not since when. The caller holds mu.
func (s *Syscheck) unwait(v *sight) {
	if v.since.IsZero() {
		v.since = v.at
	}
	if w := s.manager.waiting[string(v.key)]; w != nil {
		v.since = w.v.since
		delete(s.manager.waiting, string(v.key))
	}
}

// busyWithPackages tells whether somebody must look after them. The caller holds mu.
func (m *manager) busyWithPackages() bool {
	return m.index != nil && (len(m.waiting) > 0 || m.index.Pending(true) || m.index.Loaded())
}

// attend looks after what waits, until there is nothing more to do.
func (s *Syscheck) attend(ctx context.Context) {
	for more := true; more; {
		select {
		case <-ctx.Done(): // who ended it finishes
		case <-s.o.After(attendEvery):
		}
		again := s.attendOnce(ctx, &more)
		for _, v := range again {
			s.lookAgain(ctx, v)
		}
	}
}

// attendOnce tells of what need not wait any more. It returns what must be looked at again, to be compared with what the database says now.
func (s *Syscheck) attendOnce(ctx context.Context, more *bool) (again []*sight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := &s.manager
	if ctx.Err() != nil || s.err != nil {
		m.attended, *more = false, false
		return nil
	}
	again = s.tellWaiting(ctx, false)
	if m.idle++; len(m.waiting) > 0 || m.index.Busy() || m.index.Stale() || s.progress.running.Load() {
		m.idle = 0
	}
	if m.idle >= attendIdle {
		s.tellPackages(true)
		m.index.Release()
		m.attended, *more = false, false
	}
	_ = s.full(ctx) // whoever comes next is told
	return again
}

// tellWaiting tells of the changes that are the manager's after all, and of those that have waited long enough, of all if ended is set. The caller holds mu.
func (s *Syscheck) tellWaiting(ctx context.Context, ended bool) (again []*sight) {
	m := &s.manager
	s.readPackages(s.o.Now())
	atWork := m.index.Busy() || m.index.Stale()
	for _, key := range slices.Sorted(maps.Keys(m.waiting)) {
		w := m.waiting[key]
		work := s.link(w.v, w.what)
		if work == nil && !ended && s.o.Now().Sub(w.v.since) < waitTime {
			if s.wants(w.v) != 0 {
				again = append(again, w.v)
				continue
			}
			if atWork {
				continue
			}
		}
		delete(m.waiting, key)
		s.emitAs(w.v, w.what, "", work)
		if s.full(ctx) != nil {
			return nil
		}
	}
	return again
}

// lookAgain looks at a path that waits.
func (s *Syscheck) lookAgain(ctx context.Context, v *sight) {
	in := &round{live: v.in.live, look: newLooker(s.conf.Prefilter, false, s.stepper(true))}
	if _, err := s.visit(ctx, in, v.path, v.root); err == nil { // else it waits on, or all is over
		_ = s.end(ctx, in)
	}
}

// awaitPackages waits until nothing waits that a scan has found, and tells what the package manager did to what it found.
func (s *Syscheck) awaitPackages(ctx context.Context) error {
	for s.manager.index != nil {
		s.mu.Lock()
		again := s.tellWaiting(ctx, false)
		found := func(w *awaited) bool { return !w.v.in.live }
		if !slices.ContainsFunc(slices.Collect(maps.Values(s.manager.waiting)), found) {
			s.tellPackages(false)
			s.manager.index.Forget(s.memory.Began)
			s.mu.Unlock()
			break
		}
		s.mu.Unlock()
		for _, v := range again {
			s.lookAgain(ctx, v)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.o.After(attendEvery):
		}
	}
	return nil
}

// finishPackages tells of all that waits, when there is no time left.
func (s *Syscheck) finishPackages(ctx context.Context) {
	if s.manager.index == nil {
		return
	}
	s.mu.Lock()
	again := s.tellWaiting(ctx, false)
	s.mu.Unlock()
	for _, v := range again {
		s.lookAgain(ctx, v)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tellWaiting(ctx, true)
	if !s.manager.index.Busy() {
		s.tellPackages(true)
	}
}

// tellPackages tells what the package manager did, an event for each of its runs. The caller holds mu.
func (s *Syscheck) tellPackages(live bool) {
	runs := map[[2]string][]syscheck.Package{}
	for _, p := range s.manager.index.Take(live) {
		run := [2]string{p.Manager, p.Transaction}
		runs[run] = append(runs[run], p)
	}
	for _, run := range slices.SortedFunc(maps.Keys(runs), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		list := runs[run]
		slices.SortFunc(list, func(a, b syscheck.Package) int {
			return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Arch, b.Arch))
		})
		s.tell(event.Syscheck, "syscheck", packagesText(list, live))
	}
}

// packagesText names as many packages as an event has room for.
func packagesText(list []syscheck.Package, live bool) string {
	for n := len(list); ; {
		text := syscheck.Change{Type: syscheck.Packages, Packages: list[:n], More: len(list) - n, Live: live}.String()
		if len(text) <= event.MaxText || n == 0 {
			return text
		}
		n = min(n-1, n*event.MaxText/len(text))
	}
}
