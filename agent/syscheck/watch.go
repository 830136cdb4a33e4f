package syscheck

import (
	"context"
	"sync"
	"time"
)

// watcher notices what happens below directories while it happens:
//
//	kernel ─► notifier ─► lately (until it's quiet at a path) ─► look (is it as the cache has it?)
//
// Where the kernel tells nothing, or no more, the scheduled scans remain; that is reported once.
type watcher struct {
	enter  func(dir string) bool // tells whether a directory below a root is watched, too
	report func(msg string)
	now    func() time.Time
	after  func(d time.Duration) <-chan time.Time

	asked chan placing
	ended chan struct{}
}

// target is a directory or a file that is watched, though it may not be there yet.
type target struct {
	path   string
	follow bool // it may be a symbolic link to a directory
}

type placing struct {
	roots []target
	done  chan struct{}
}

func newWatcher(enter func(string) bool, report func(string), now func() time.Time, after func(time.Duration) <-chan time.Time) *watcher {
	return &watcher{enter: enter, report: report, now: now, after: after, asked: make(chan placing), ended: make(chan struct{})}
}

// watch has these roots watched and no others. When it returns, what happens from now on is noticed: so a scan that begins then misses nothing.
func (w *watcher) watch(ctx context.Context, roots []target) {
	p := placing{roots, make(chan struct{})}
	select {
	case w.asked <- p:
		<-p.done
	case <-w.ended:
	case <-ctx.Done():
	}
}

// lookFunc looks at what was noticed. What it returns it couldn't look at yet: that comes again.
type lookFunc func(ctx context.Context, list []noticed) (again []noticed, err error)

// run gives look what was noticed, some paths at a time, until ctx ends or look fails. While look is at work, more is gathered.
func (w *watcher) run(ctx context.Context, look lookFunc) error {
	defer close(w.ended)
	ctx, cancel := context.WithCancel(ctx)
	n, err := newNotifier(w)
	if err != nil {
		w.report("realtime: " + err.Error() + "; the directories are looked at by the scheduled scans only")
		cancel()
		return nil
	}
	happened, work, failed := make(chan func(now time.Time)), make(chan []noticed), make(chan error, 2)
	var both sync.WaitGroup
	both.Go(func() { failed <- n.read(ctx, happened) })
	both.Go(func() { failed <- lookAtAll(ctx, n, work, happened, look) })
	err = w.loop(ctx, n, happened, work, failed)
	cancel()
	both.Wait()
	n.close()
	return err
}

func lookAtAll(ctx context.Context, n *notifier, work <-chan []noticed, happened chan<- func(time.Time), look lookFunc) error {
	for {
		select {
		case list := <-work:
			again, err := look(ctx, list)
			if err != nil {
				return err
			}
			if len(again) == 0 {
				continue
			}
			select {
			case happened <- func(now time.Time) { n.pending.again(again, now) }:
			case <-ctx.Done():
				return ctx.Err()
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// loop returns the first error of one of the two others.
func (w *watcher) loop(ctx context.Context, n *notifier, happened <-chan func(time.Time), work chan<- []noticed, failed <-chan error) error {
	var list []noticed
	for {
		now := w.now()
		if len(list) == 0 {
			n.expire(now)
			list = n.pending.take(now)
		}
		var offer chan<- []noticed
		var timer <-chan time.Time
		if len(list) > 0 {
			offer = work
		} else if d, ok := n.pending.wait(now); ok {
			timer = w.after(d)
		}
		select {
		case handle := <-happened:
			handle(w.now())
		case <-timer:
		case offer <- list:
			list = nil
		case p := <-w.asked:
			n.place(p.roots, w.now())
			close(p.done)
		case err := <-failed:
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return err
		}
	}
}
