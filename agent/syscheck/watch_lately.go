package syscheck

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"time"
)

// A path is looked at when nothing happened to it for quiet, or, if it never rests, each time that latest has passed: an editor's dance of
// writing, renaming and deleting takes less, and is then one change.
const (
	quiet      = 200 * time.Millisecond
	latest     = 2 * time.Second
	maxPending = 8192 // paths; beyond that the trees are scanned as a whole
)

// noticed is a path at which something happened.
type noticed struct {
	path string
	from string // where what is there now was before, if it was moved
	tree bool   // all below it is meant, too
}

// lately is paths at which something happened lately.
type lately struct {
	items map[string]*waiting
	whole func(path string) string // the root of the tree in which a path lies
}

type waiting struct {
	noticed
	to          string // where what was there is now, if it was moved
	first, last time.Time
}

func newLately(whole func(string) string) *lately {
	return &lately{items: map[string]*waiting{}, whole: whole}
}

// mark remembers that something happened to a path.
func (p *lately) mark(path string, tree bool, now time.Time) *waiting {
	w, ok := p.items[path]
	if !ok {
		if len(p.items) >= maxPending {
			p.collapse(now)
			path, tree = p.whole(path), true
			if w, ok = p.items[path]; ok {
				w.last = now
				return w
			}
		}
		w = &waiting{noticed: noticed{path: path}, first: now}
		p.items[path] = w
	}
	w.last = now
	w.tree = w.tree || tree
	return w
}

// again marks what couldn't be looked at.
func (p *lately) again(list []noticed, now time.Time) {
	for _, n := range list {
		p.mark(n.path, n.tree, now)
	}
}

// move remembers that what was at one path is now at another.
func (p *lately) move(from, to string, tree bool, now time.Time) {
	if tree {
		p.forget(from) // what happened in it is found by looking at all that is in it now
		p.forget(to)
	}
	source, target := p.mark(from, tree, now), p.mark(to, tree, now)
	if source.path != from || target.path != to { // too much is pending: all is looked at
		return
	}
	origin := from
	if source.from != "" {
		origin = source.from
	}
	source.from, source.to = "", to
	p.unlink(target)
	if origin == to {
		return // it came back
	}
	target.from = origin
	if o, ok := p.items[origin]; ok {
		o.to = to
	}
}

// forget drops what lies below a directory.
func (p *lately) forget(dir string) {
	for path := range p.items {
		if path != dir && below(path, dir) {
			delete(p.items, path)
		}
	}
}

// unlink forgets where what was at w came from: something else is there now.
func (p *lately) unlink(w *waiting) {
	if o, ok := p.items[w.from]; ok && o.to == w.path {
		o.to = ""
	}
	w.from = ""
}

// collapse makes all that is pending one item for each tree.
func (p *lately) collapse(now time.Time) {
	old := p.items
	p.items = map[string]*waiting{}
	for path, w := range old {
		root := p.whole(path)
		if r, ok := p.items[root]; ok {
			if w.first.Before(r.first) {
				r.first = w.first
			}
			continue
		}
		p.items[root] = &waiting{noticed: noticed{path: root, tree: true}, first: w.first, last: now}
	}
}

// wait returns how long it is until something is ready, false if nothing is pending.
func (p *lately) wait(now time.Time) (time.Duration, bool) {
	if len(p.items) == 0 {
		return 0, false
	}
	d := latest
	for _, w := range p.items {
		d = min(d, w.ready().Sub(now))
	}
	return max(d, 0), true
}

func (w *waiting) ready() time.Time {
	if end := w.first.Add(latest); w.last.Add(quiet).After(end) {
		return end
	}
	return w.last.Add(quiet)
}

// take returns what is ready, in the order of the cache, and forgets it. The two ends of a move come together; what lies in a tree that is in the list is left out,
// unless it was moved.
func (p *lately) take(now time.Time) []noticed {
	var list []noticed
	var pull func(path string)
	pull = func(path string) {
		w, ok := p.items[path]
		if !ok {
			return
		}
		delete(p.items, path)
		list = append(list, w.noticed)
		pull(w.from)
		pull(w.to)
	}
	for path, w := range p.items {
		if !w.ready().After(now) {
			pull(path)
		}
	}
	slices.SortFunc(list, func(a, b noticed) int { return bytes.Compare(key(a.path), key(b.path)) })
	tree := ""
	return slices.DeleteFunc(list, func(n noticed) bool {
		if tree != "" && below(n.path, tree) && n.from == "" {
			return true
		}
		if n.tree && (tree == "" || !below(n.path, tree)) {
			tree = n.path
		}
		return false
	})
}

// below tells whether path is dir or lies below it.
func below(path, dir string) bool {
	rest, ok := strings.CutPrefix(path, dir)
	return ok && (rest == "" || os.IsPathSeparator(rest[0]) || os.IsPathSeparator(dir[len(dir)-1]))
}
