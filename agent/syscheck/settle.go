package syscheck

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/yagura-hids/yagura/agent/packages"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/syscheck"
)

// round is one scan, or one look at what the kernel told of: what is held in it is released at its end.
type round struct {
	live bool
	look *looker
}

// sight is what was seen at a path.
type sight struct {
	key  []byte
	path string
	root *root  // nil if the path is not watched
	seen *known // nil if nothing is there
	raw  []byte // seen, as the cache keeps it
	old  *known // what the cache knows, if that is another thing
	was  []byte // … as the cache keeps it
	in   *round
	at   time.Time
	done bool // no longer held

	who    *syscheck.Who
	looked *known    // seen, with hashes for which the configuration doesn't ask
	since  time.Time // when a change was seen that waits for the package manager
}

// visit looks at a path and settles what is to be told of it. It is busy, and nothing was done, if somebody else looks at the path right now.
func (s *Syscheck) visit(ctx context.Context, in *round, path string, r *root) (busy bool, err error) {
	k := key(path)
	if !s.claim(k) {
		return true, nil
	}
	defer s.yield(k)
	more, since := Check(0), time.Time{}
	for {
		v := &sight{key: k, path: path, root: r, in: in, at: s.o.Now(), since: since}
		check := Size
		follow := false
		if r != nil {
			check, follow = r.Check|more, r.follows(path)
		}
		var trouble error
		v.seen, trouble, err = in.look.look(ctx, path, check, follow)
		if err != nil {
			return false, s.trouble(ctx, path, err)
		}
		lacks, err := s.settle(ctx, v, trouble)
		if lacks == 0 || err != nil {
			return false, err
		}
		more, since = more|lacks, v.since
	}
}

// claim makes the caller the only one that looks at a path, so that of two looks the later one is settled later.
func (s *Syscheck) claim(k []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.looking[string(k)] {
		return false
	}
	s.looking[string(k)] = true
	return true
}

func (s *Syscheck) yield(k []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.looking, string(k))
}

// trouble tells once that a path can't be looked at; what is known of it stays. Errors of ctx are returned.
func (s *Syscheck) trouble(ctx context.Context, path string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tellTrouble(path, err)
	return s.err
}

// maxTold is how many paths in trouble are told apart.
const maxTold = 1000

func (s *Syscheck) tellTrouble(path string, err error) {
	if s.told[path] || len(s.told) > maxTold {
		return
	}
	s.told[path] = true
	if len(s.told) > maxTold {
		s.o.Report("syscheck: more than 1000 files can't be read; further ones are not named")
		return
	}
	s.o.Report(fmt.Sprintf("syscheck: %s; what is known of it stays as it was, and it is looked at again by each scan", describe(path, err)))
}

func describe(path string, err error) string {
	if text := err.Error(); bytes.Contains([]byte(text), []byte(path)) {
		return text
	}
	return fmt.Sprintf("%s: %v", path, err)
}

// settle compares what was seen with what is known, and makes the difference pending or holds it. If more isn't 0, the path must be looked at
// again, with these hashes, too: the configuration asks for others than it did, and only the old ones tell whether the file changed.
func (s *Syscheck) settle(ctx context.Context, v *sight, trouble error) (more Check, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held.drop(v.key) // this look is the later one
	s.unwait(v)
	if v.was, err = s.cached(v.key); err != nil {
		return 0, err
	}
	if v.was != nil {
		if v.old, err = parseKnown(v.was); err != nil { // not ours to repair: it is as if the file were new
			s.o.Report(fmt.Sprintf("syscheck: %s: %v in the cache; it is told as new", v.path, err))
			s.put(v.key, nil, v.was)
			v.old, v.was = nil, nil
		}
	}
	if trouble != nil && (v.old == nil || !v.old.deaf) {
		s.tellTrouble(v.path, trouble)
	}
	v.looked = v.seen
	if more = v.lacks() | s.wants(v); more == 0 {
		s.judge(v)
		if err = s.releaseAged(ctx, v.at); err == nil {
			err = s.full(ctx)
		}
	}
	return more, err
}

// lacks returns the hashes without which the two can't be compared.
func (v *sight) lacks() Check {
	if v.old == nil || v.seen == nil || v.root == nil || v.seen.deaf || v.seen.check&v.old.hashed == v.old.hashed {
		return 0
	}
	return v.old.hashed
}

// judge says what happened. The caller holds mu.
func (s *Syscheck) judge(v *sight) {
	switch {
	case v.seen == nil:
		if v.old != nil {
			s.hold(v)
		}
	case v.root == nil:
		if v.old != nil {
			s.emit(v, syscheck.Unwatched, "")
		}
	case v.old == nil:
		v.seen = v.seen.only(v.root.Check)
		if s.memory.Roots[v.root.Path] != v.root.coverage(&s.conf) {
			s.emit(v, syscheck.Baseline, "")
			return
		}
		s.hold(v)
	default:
		s.compare(v)
	}
}

func (s *Syscheck) compare(v *sight) {
	if v.seen.deaf {
		v.seen.keepHashes(v.old)
	}
	same := v.seen.equal(v.old)
	v.seen = v.seen.only(v.root.Check)
	v.raw = v.seen.bytes()
	switch {
	case bytes.Equal(v.raw, v.was):
		s.firstText(v)
	case !same && v.seen.id() != v.old.id() && !v.seen.sameContent(v.old):
		s.hold(v) // another file may have been moved here
	case !same:
		s.emit(v, syscheck.Modified, "")
	case v.seen.sameTold(v.old):
		s.put(v.key, v.raw, v.was) // nothing but where it lies
	default:
		s.emit(v, syscheck.Baseline, "") // more or less is known of it, that's all
	}
}

// emit makes a change pending, unless it waits for the package manager. The caller holds mu.
func (s *Syscheck) emit(v *sight, what, from string) {
	if v.in.live && v.root != nil && v.root.WhoData {
		v.who = s.who(v.root.path, from, v.path)
	}
	work := s.link(v, what)
	if work != nil || from != "" || !s.await(v, what) {
		s.emitAs(v, what, from, work)
	}
}

// emitAs makes a change pending that a package manager's work made, if it isn't nil. The caller holds mu.
func (s *Syscheck) emitAs(v *sight, what, from string, work *packages.Work) {
	c := syscheck.Change{Type: what, Path: syscheck.Escape(v.path), From: syscheck.Escape(from), Live: v.in.live}
	if v.old != nil && what != syscheck.Baseline {
		c.Before = s.named(v.old)
	}
	if v.seen != nil && what != syscheck.Unwatched {
		c.After = s.named(v.seen)
		v.raw = v.seen.bytes()
	} else {
		v.raw = nil
	}
	c.Who = v.who
	if work != nil {
		p := work.Package
		c.Package = &p
		s.manager.index.Count(work, v.in.live)
		s.manager.idle = 0
	}
	c.Diff = s.diff(v, what, from)
	if what != syscheck.Baseline {
		s.progress.changes.Add(1)
	}
	s.put(v.key, v.raw, v.was)
	s.tell(event.Syscheck, "syscheck", text(c))
}

// named is the record with the names of its owners.
func (s *Syscheck) named(k *known) *syscheck.Record {
	r := k.record()
	r.User, r.Group = s.userName(r.UID), s.groupName(r.GID)
	return r
}

// end releases what a round holds.
func (s *Syscheck) end(ctx context.Context, in *round) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.release(ctx, in); err != nil {
		return err
	}
	return s.full(ctx)
}
