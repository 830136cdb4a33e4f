package syscheck

import (
	"context"
	"errors"
	"slices"

	"github.com/yagura-hids/yagura/internal/syscheck"
)

func (r *root) isLive() bool { return r.Realtime || r.WhoData }

// newLive returns what watches the Realtime directories, nil if there are none.
func (s *Syscheck) newLive() *watcher {
	for _, d := range s.conf.Directories {
		if d.Realtime || d.WhoData {
			return newWatcher(func(dir string) bool { return s.tree.Load().entersLive(dir) }, s.o.Report, s.o.Now, s.o.After)
		}
	}
	return nil
}

// watch tells of changes below Realtime directories as they happen, until ctx ends.
func (s *Syscheck) watch(ctx context.Context) error {
	w := s.live.Load()
	if w == nil {
		return nil
	}
	go s.placeLive(ctx) // a scan does so, too, but it may be hours away
	err := w.run(ctx, s.lookLive)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.audit.close()
	return err
}

// placeLive has the Realtime directories watched that there are now. When it returns, what happens to a file is noticed.
func (s *Syscheck) placeLive(ctx context.Context) {
	w := s.live.Load()
	if w == nil {
		return
	}
	t := s.tree.Load()
	var list []target
	for _, path := range t.sorted {
		if r := t.roots[path]; r.isLive() && !t.ignore.match(path) {
			list = append(list, target{path: path, follow: r.FollowLinks})
		}
	}
	w.watch(ctx, list)
}

// entersLive tells whether the files in a directory below a root are watched as it happens.
func (t *tree) entersLive(dir string) bool {
	r, depth := t.rootOf(dir)
	if r == nil || !r.isLive() || !r.reaches(depth+1) || t.skips(r, dir) {
		return false
	}
	for p := dir; p != r.path; p, _ = within(p) {
		if t.ignore.match(p) {
			return false
		}
	}
	return !t.ignore.match(r.path)
}

// lookLive looks at what was noticed. One that is gone and one that is new may be one that was moved. Those at which somebody else looks right now,
// who may have begun before it happened, are returned: they must be looked at again a little later. A root as a whole, of which more happened than the
// kernel could tell, takes no more of the machine than a scan.
func (s *Syscheck) lookLive(ctx context.Context, list []noticed) (busy []noticed, err error) {
	t := s.tree.Load()
	if !slices.ContainsFunc(list, func(n noticed) bool { return n.tree && t.roots[n.path] != nil }) {
		return s.lookAt(ctx, t, list, true)
	}
	done := make(chan struct{})
	go func() { // on a thread of its own, as a scan
		defer close(done)
		background()
		busy, err = s.lookAt(ctx, t, list, false)
	}()
	<-done
	return busy, err
}

func (s *Syscheck) lookAt(ctx context.Context, t *tree, list []noticed, fast bool) (busy []noticed, err error) {
	in := &round{live: true, look: newLooker(s.conf.Prefilter, false, s.stepper(fast))}
	visit := func(path string, r *root) error {
		b, err := s.visit(ctx, in, path, r)
		if b {
			busy = append(busy, noticed{path: path})
		}
		return err
	}
	for _, n := range list {
		if n.tree {
			err = s.join(ctx, n.path, visit)
		} else {
			err = visit(n.path, t.directoryOf(n.path))
		}
		if err != nil {
			break
		}
	}
	return busy, errors.Join(err, s.end(ctx, in))
}

// who returns who changed a path, or moved what is there. The caller holds mu.
func (s *Syscheck) who(root, from, path string) *syscheck.Who {
	now := s.o.Now()
	who, err := s.audit.who(path, now)
	if who == nil && from != "" {
		who, err = s.audit.who(from, now)
	}
	if who == nil && !s.told[root+" who"] {
		s.told[root+" who"] = true
		advice := auditAdvice(root)
		if err != nil {
			advice = err.Error() + ": " + advice
		}
		s.o.Report(advice)
	}
	return who
}
