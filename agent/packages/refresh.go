package packages

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/yagura-hids/yagura/internal/syscheck"
)

// refresh is one look at a database that changed.
type refresh struct {
	*Index
	m   manager
	now time.Time

	before map[string]state
	after  map[string]state
	owned  map[string][]uint64 // by packages that changed: their paths of now
	gone   map[string][]uint64 // … those of before that nobody has now
}

func (r *refresh) all(ctx context.Context) error {
	r.paths = newAliases(r.o.Root)
	after, halfway, err := r.m.states(ctx)
	if err != nil {
		return err
	}
	r.after, r.before = after, map[string]state{}
	if err := r.eachBefore(func(key string, s state, _ []byte) { r.before[key] = s }); err != nil {
		return err
	}
	changed := map[string]bool{}
	for key := range r.both() {
		if !halfway[key] && !r.before[key].same(r.after[key]) {
			changed[key] = true
		}
	}
	if err := r.read(ctx, changed); err != nil {
		return err
	}
	if !r.first[r.m.name()] {
		if err := r.lost(changed); err != nil {
			return err
		}
		r.done(changed)
	}
	if err := r.settle(changed); err != nil {
		return err
	}
	for key := range changed {
		r.put(key)
	}
	r.files = nil
	return nil
}

// both goes over the packages of before and of now.
func (r *refresh) both() map[string]state {
	all := maps.Clone(r.before)
	maps.Copy(all, r.after)
	return all
}

// eachBefore calls fn for each package of before. A damaged record is as good as none.
func (r *refresh) eachBefore(fn func(key string, s state, paths []byte)) error {
	return r.o.Each(func(key string, value []byte) error {
		if name, ok := ofManager(key, spaceBefore, r.m.name()); ok {
			if s, paths, err := parseBefore(value); err == nil {
				fn(name, s, paths)
			}
		}
		return nil
	})
}

// read gets the paths of the packages that changed.
func (r *refresh) read(ctx context.Context, changed map[string]bool) error {
	r.owned = map[string][]uint64{}
	present := maps.Clone(changed)
	maps.DeleteFunc(present, func(key string, _ bool) bool { _, ok := r.after[key]; return !ok })
	err := r.m.files(ctx, present, false, func(key, path string, _ digest) {
		r.owned[key] = append(r.owned[key], hashOf(r.paths.real(path)))
	})
	for _, list := range r.owned {
		slices.Sort(list)
	}
	return err
}

// lost finds which paths of packages that changed nobody has any more.
func (r *refresh) lost(changed map[string]bool) error {
	r.gone = map[string][]uint64{}
	lost := map[uint64]bool{}
	for key := range changed {
		if w := r.work[r.full(key)]; w != nil {
			r.gone[key] = slices.Clone(w.gone)
		}
	}
	err := r.eachBefore(func(key string, _ state, paths []byte) {
		if changed[key] {
			for h := range hashes(paths) {
				if _, still := slices.BinarySearch(r.owned[key], h); !still {
					r.gone[key] = append(r.gone[key], h)
				}
			}
		}
	})
	for _, list := range r.gone {
		for _, h := range list {
			lost[h] = true
		}
	}
	if err != nil || len(lost) == 0 {
		return err
	}
	for _, list := range r.owned {
		for _, h := range list {
			delete(lost, h)
		}
	}
	err = r.eachBefore(func(key string, _ state, paths []byte) {
		if !changed[key] {
			for h := range hashes(paths) {
				delete(lost, h)
			}
		}
	})
	for key, list := range r.gone {
		list = slices.DeleteFunc(list, func(h uint64) bool { return !lost[h] })
		slices.Sort(list)
		r.gone[key] = slices.Compact(list)
	}
	return err
}

func (r *refresh) full(key string) string { return r.m.name() + "/" + key }

// done makes work of what changed.
func (r *refresh) done(changed map[string]bool) {
	states := map[string]state{}
	for key := range changed {
		states[key] = r.after[key]
	}
	times := r.m.times(states)
	for _, key := range slices.Sorted(maps.Keys(states)) {
		w := r.change(key, r.before[key], r.after[key], times[key])
		if w.Package.From == "" && w.Package.To == "" { // it came and went
			delete(r.work, w.key)
			r.o.Put(spaceWork+w.key, nil)
			continue
		}
		r.work[w.key] = w
		r.keep(w)
	}
}

func (r *refresh) change(key string, before, after state, d deed) *Work {
	w := &Work{key: r.full(key), Seen: r.now, gone: r.gone[key]}
	p := &w.Package
	*p = syscheck.Package{Manager: r.m.name(), Name: nameOf(key), Arch: archOf(key), Time: d.at, Transaction: cmp.Or(d.run, after.run)}
	if before.installed || !after.installed {
		p.From = before.version
	}
	if after.installed {
		p.To = after.version
	}
	if was := r.work[w.key]; was != nil {
		w.Live, w.Found = was.Live, was.Found
		if !was.Told { // it is one step for whoever looks only now
			p.From = was.Package.From
		}
	}
	if p.Time.IsZero() {
		p.Time = r.now
	}
	p.Time = p.Time.UTC()
	if p.Transaction == "" {
		p.Transaction = r.run(p.Time)
	}
	return w
}

// runGap is how long a manager may pause in one run.
const runGap = 5 * time.Minute

// run returns the name of the run at that time, where the manager tells none.
func (r *refresh) run(at time.Time) string {
	for _, w := range r.work {
		if p := &w.Package; p.Manager == r.m.name() && p.Time.Sub(at).Abs() < runGap {
			return p.Transaction
		}
	}
	return runName(at)
}

// runName names a run by the time of its beginning.
func runName(at time.Time) string { return at.UTC().Format(time.RFC3339) }

// settle remembers of which packages that didn't change the manager is done by now, or is at work again.
func (r *refresh) settle(changed map[string]bool) error {
	return r.eachBefore(func(key string, s state, paths []byte) {
		after, ok := r.after[key]
		if changed[key] || !ok || after.settled == s.settled {
			return
		}
		s.settled = after.settled
		r.o.Put(spaceBefore+r.full(key), appendBefore(s, slices.Collect(hashes(paths))))
		if w := r.work[r.full(key)]; w != nil {
			w.Seen = r.now
			r.keep(w)
		}
	})
}

// put remembers a package as it is now.
func (r *refresh) put(key string) {
	s, ok := r.after[key]
	if !ok {
		r.o.Put(spaceBefore+r.full(key), nil)
		return
	}
	r.o.Put(spaceBefore+r.full(key), appendBefore(s, r.owned[key]))
}
