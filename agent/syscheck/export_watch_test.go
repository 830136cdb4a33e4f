package syscheck

import (
	"context"
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
		ended <- w.run(ctx, func(_ context.Context, list []noticed) error { look(export(list)); return nil })
	}()
	var rs []root
	for _, r := range roots {
		rs = append(rs, root{path: r, follow: true})
	}
	w.watch(ctx, rs)
	return ended
}

// Pending is pending, for tests.
type Pending struct{ p *pending }

// NewPending returns one whose trees have all the root "/r".
func NewPending() Pending { return Pending{newPending(func(string) string { return "/r" })} }

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
