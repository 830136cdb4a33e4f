// Package analysisd runs the engine over a table that many share, as OSSEC's daemon of that name runs it over its memory.
//
//	events ─► Sort ─► baseline ─► engine ─► alerts ──┐
//	                     ▲ └────────▲ └───► changed ─┴─► one Commit for some events: all of it is stored, or nothing
//	                     └──────────┴─────── items ◄─── table
//
// If somebody else changed an item meanwhile, nothing is stored, and those events are judged again with what the table has now. So each
// verdict that is ever stored was right when it was, a killed run leaves no half of one, and doing a run again changes nothing.
package analysisd

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/yagura-hids/yagura/internal/alertstore"
	"github.com/yagura-hids/yagura/internal/analysis"
	"github.com/yagura-hids/yagura/internal/baseline"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/statestore"
	"github.com/yagura-hids/yagura/internal/table"
)

// Options are what a Daemon needs.
type Options struct {
	Engine *analysis.Engine
	Table  table.Table
	Now    func() time.Time   // when alerts and items are to be deleted is told by this clock
	Keep   time.Duration      // how long alerts, and the history of files, are kept; 0 for ever
	Alert  func(*event.Alert) // is told of each alert that was stored; nil for nobody
	Ask    Ask                // has agents tell again what is in some buckets; nil for nobody
	Report func(msg string)   // tells of trouble by which no event is lost; nil for nothing
	// Wait waits before events are judged again, because of so many conflicts in a row; its error ends that. nil waits up to 5 ms, 10 ms … 3 s.
	Wait func(ctx context.Context, conflicts int) error
}

// Ask has an agent tell again what is in some buckets of its baseline. What it can't do by the end of ctx is done after the agent's next scan,
// which finds the same difference.
type Ask func(ctx context.Context, a baseline.Ask) error

// Daemon judges events and stores what follows. It's not for concurrent use.
type Daemon struct {
	opts  Options
	state *statestore.State
	files *baseline.Keeper
	asks  []baseline.Ask // which follow from what is stored
}

// Result sums up a run.
type Result struct {
	Events    int // dealt with; after an error, those at the front of the sorted events
	Decoded   int
	Alerts    int // stored, and not known before
	Commits   int
	Conflicts int // commits that were done again because somebody else changed an item
}

// New returns a Daemon.
func New(opts Options) *Daemon {
	if opts.Wait == nil {
		opts.Wait = wait
	}
	if opts.Alert == nil {
		opts.Alert = func(*event.Alert) {}
	}
	if opts.Report == nil {
		opts.Report = func(string) {}
	}
	d := &Daemon{opts: opts}
	d.files = baseline.New(opts.Table, baseline.Options{Now: opts.Now, Keep: opts.Keep, Ask: func(a baseline.Ask) { d.asks = append(d.asks, a) }})
	return d
}

// wait waits a random time, so that those who got in each other's way don't do so again.
func wait(ctx context.Context, conflicts int) error {
	most := min(5*time.Millisecond<<min(conflicts-1, 10), 3*time.Second)
	t := time.NewTimer(rand.N(most))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A commit is made when so many operations have come together. One event adds a few; there's room left for one that adds many.
const enough = table.MaxOps / 2

// maxItems bounds the items held, about 2 KiB each. They are read again if they are asked for again.
const maxItems = 20_000

// Run judges events, which it sorts, see analysis.Sort. After an error the effects of the first Result.Events of them are stored, and
// the others are to be run again; it does no harm to run all again.
func (d *Daemon) Run(ctx context.Context, batch []*event.Event) (r Result, err error) {
	analysis.Sort(batch)
	d.state = statestore.New(ctx, d.opts.Table, statestore.Options{Now: d.opts.Now})
	d.files.Begin(ctx)
	defer func() { d.finish(ctx, err) }()
	for len(batch) > 0 {
		n, err := d.step(ctx, batch, &r)
		if err != nil {
			return r, err
		}
		r.Events += n
		batch = batch[n:]
	}
	return r, nil
}

// askWithin is how long a run asks agents at most: events wait meanwhile.
const askWithin = 10 * time.Second

// finish does what follows from what is stored, and is done by a later run as well: it fails nothing.
func (d *Daemon) finish(ctx context.Context, failed error) {
	asks := d.asks
	d.asks = nil
	if d.opts.Ask != nil {
		d.ask(ctx, asks)
	}
	if failed != nil { // because of the table, or the time: no good moment
		return
	}
	if err := d.files.Fold(ctx); err != nil {
		d.opts.Report(fmt.Sprintf("fold the journals of baselines: %v; a later run does it", err))
	}
}

func (d *Daemon) ask(ctx context.Context, asks []baseline.Ask) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	for i, a := range asks {
		if err := d.opts.Ask(ctx, a); err != nil {
			d.opts.Report(fmt.Sprintf("ask agent %s to tell again what is in buckets %v: %v; after its next scan it is asked again", a.AgentID, a.Buckets, err))
		}
		if rest := len(asks) - i - 1; ctx.Err() != nil && rest > 0 {
			d.opts.Report(fmt.Sprintf("%d more agents were to be asked, and there is no time; after their next scans they are", rest))
			return
		}
	}
}

// chunk is what some events come to.
type chunk struct {
	events  int
	decoded int
	alerts  []*event.Alert
}

// tries is how often events are judged again because of conflicts, about a minute in all.
const tries = 40

// step judges the first events until there is enough to commit, commits it, and returns how many they were.
func (d *Daemon) step(ctx context.Context, batch []*event.Event, r *Result) (int, error) {
	for try := 1; ; try++ {
		c, err := d.judge(ctx, batch)
		var conflict *table.ConflictError
		if err == nil {
			err = d.commit(ctx, &c, r)
		}
		switch {
		case err == nil:
			r.Decoded += c.decoded
			if d.state.Len() > maxItems {
				d.state.Forget()
			}
			return c.events, nil
		case !errors.As(err, &conflict) || try == tries:
			return 0, err
		}
		r.Conflicts++
		d.state.Forget()
		d.files.Forget()
		if err := d.opts.Wait(ctx, try); err != nil {
			return 0, err
		}
		if try > 2 { // the fewer events, the sooner they are through
			batch = batch[:max(1, c.events/2)]
		}
	}
}

// judge judges events until what they change is enough for a commit.
func (d *Daemon) judge(ctx context.Context, batch []*event.Event) (c chunk, err error) {
	for _, ev := range batch {
		if err := ctx.Err(); err != nil {
			return c, fmt.Errorf("analyse event %s: %w", ev.ID, err)
		}
		judged, err := d.files.Judge(ev)
		if err != nil {
			return c, fmt.Errorf("compare event %s with the baseline: %w", ev.ID, err)
		}
		v, err := d.opts.Engine.Analyze(judged, d.state)
		if err != nil {
			return c, fmt.Errorf("analyse event %s: %w", ev.ID, err)
		}
		c.events++
		if v.Decoded.Decoder != "" {
			c.decoded++
		}
		if v.Alert != nil {
			c.alerts = append(c.alerts, v.Alert)
		}
		if len(c.alerts)+d.state.Changed()+d.files.Changed() >= enough || d.files.Full() {
			break
		}
	}
	return c, nil
}

// commit stores what a chunk came to: alerts, state, baselines, in this order if it takes several commits. So what is judged again since a run was
// cut off between them finds the baseline as it was. Alerts that are stored already are left as they are.
func (d *Daemon) commit(ctx context.Context, c *chunk, r *Result) error {
	items, err := d.state.Ops()
	if err != nil {
		return err
	}
	files, err := d.files.Ops()
	if err != nil {
		return err
	}
	items = append(items, files...)
	alerts := slices.Clone(c.alerts)
	ops := make([]table.Op, len(alerts), len(alerts)+len(items))
	for i, a := range alerts {
		if ops[i], err = alertstore.Put(a, d.expires()); err != nil {
			return err
		}
	}
	ops = append(ops, items...)
	for len(ops) > 0 {
		n := fitting(ops)
		err := d.opts.Table.Commit(ctx, ops[:n])
		var conflict *table.ConflictError
		if errors.As(err, &conflict) && onlyAlerts(conflict.Ops, len(alerts)) {
			for _, i := range slices.Backward(slices.Sorted(slices.Values(conflict.Ops))) {
				ops, alerts = slices.Delete(ops, i, i+1), slices.Delete(alerts, i, i+1)
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("store %d alerts and %d items: %w", len(alerts), len(items), err)
		}
		r.Commits++
		stored := min(n, len(alerts))
		d.stored(alerts[:stored], r)
		ops, alerts = ops[n:], alerts[stored:]
	}
	d.state.Committed()
	d.files.Committed()
	return nil
}

func (d *Daemon) expires() time.Time {
	if d.opts.Keep == 0 {
		return time.Time{}
	}
	return d.opts.Now().Add(d.opts.Keep)
}

func (d *Daemon) stored(alerts []*event.Alert, r *Result) {
	r.Alerts += len(alerts)
	for _, a := range alerts {
		d.opts.Alert(a)
	}
}

// onlyAlerts tells whether all operations that conflict put alerts, which come first.
func onlyAlerts(ops []int, alerts int) bool {
	return len(ops) > 0 && !slices.ContainsFunc(ops, func(i int) bool { return i >= alerts })
}

// fitting returns how many of the operations fit into one commit. Nearly always that's all of them; if one event changes very much, the order
// of the operations is one in which a run may be cut off between two commits, and be done again.
func fitting(ops []table.Op) int {
	size := 0
	for i, op := range ops {
		if size += table.Size(op.Item); i == table.MaxOps || size > table.MaxBytes && i > 0 {
			return i
		}
	}
	return len(ops)
}

// Add adds the figures of another run.
func (r *Result) Add(other Result) {
	r.Events += other.Events
	r.Decoded += other.Decoded
	r.Alerts += other.Alerts
	r.Commits += other.Commits
	r.Conflicts += other.Conflicts
}
