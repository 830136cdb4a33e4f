package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	berrors "go.etcd.io/bbolt/errors"

	"github.com/yagura-hids/yagura/internal/alertstore"
	"github.com/yagura-hids/yagura/internal/analysis"
	"github.com/yagura-hids/yagura/internal/baseline"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/table"
)

// Source gives the loop its events. [Follow] and [Replay] return one.
type Source interface {
	// Name is "local" or "replay": each has a memory of its own in the store.
	Name() string
	// Next waits for the next events. Its error is io.EOF when there will be none, or ctx's.
	Next(ctx context.Context) (Batch, error)
	// Close lets go of the files.
	Close() error
}

// Batch is some events, and what its source wants to find again at the next start if exactly these have been dealt with.
type Batch struct {
	Events    []*event.Event
	Bytes     int64 // of log read for them
	Positions map[string]json.RawMessage
}

// Options are what Run works with. Store may be nil: then nothing is kept, and no file is written.
type Options struct {
	Store      *Store
	Source     Source
	Analyze    func(*event.Event, analysis.State) (analysis.Verdict, error) // [analysis.Engine.Analyze]
	MemorySize int                                                          // events remembered; 0 for the default
	JSON       bool                                                         // write alerts.json, too
	Alert      func(*event.Alert)                                           // shows an alert, after it was stored; nil for nothing
	Health     func() []string                                              // what is wrong with the rules as they run; nil for nothing
	Ask        func(baseline.Ask)                                           // has an agent tell again what is in some buckets; it doesn't wait. nil for nobody
	Judge      Judge                                                        // instead of Analyze and Store: judges and stores elsewhere; nil for not
	Report     func(msg string)                                             // tells the user of trouble, once per change; nil for nothing
	Retry      func(failures int) <-chan time.Time                          // when to try a failed commit again; nil for 1 s, 2 s … 1 min
	Now        func() time.Time                                             // for Stats.Elapsed; nil for time.Now
}

// Judge judges events, and stores what follows in a place of its own. It returns the alerts stored and how many events a decoder knew.
type Judge func(ctx context.Context, events []*event.Event) (alerts []*event.Alert, decoded int, err error)

// Run takes events from the source, analyses them, stores what they changed, writes the alerts to their files and shows them, until the
// source ends or ctx does. Meanwhile it answers queries on the socket. It doesn't close the source nor the store. The figures are good also
// with an error; that ctx ended is none.
//
// While a commit fails nothing more is read and nothing is lost: Run reports it once and tries the same one again and again.
func Run(ctx context.Context, o Options) (*Stats, error) {
	r := &runner{Options: o, memory: analysis.NewMemory(o.MemorySize), fired: fired{}, stats: newStats(), told: map[string]bool{}}
	r.defaults()
	start := r.Now()
	err := r.serveAndRun(ctx)
	r.stats.Elapsed = r.Now().Sub(start)
	return r.stats, err
}

type runner struct {
	Options
	memory  *analysis.Memory
	files   *baseline.Keeper // nil for a replay, and if nothing is kept: logs of old say nothing of files
	fired   fired
	writers []*writer
	outputs []string
	stats   *Stats
	told    map[string]bool // of what Health says
}

func (r *runner) defaults() {
	if r.Report == nil {
		r.Report = func(string) {}
	}
	if r.Health == nil {
		r.Health = func() []string { return nil }
	}
	if r.Alert == nil {
		r.Alert = func(*event.Alert) {}
	}
	if r.Retry == nil {
		r.Retry = retry
	}
	if r.Now == nil {
		r.Now = time.Now
	}
	if r.Store != nil {
		r.writers = newWriters(r.Store, r.JSON)
	}
	for _, w := range r.writers {
		r.outputs = append(r.outputs, w.name)
	}
}

// retry waits for 1 s, 2 s … 1 min.
func retry(failures int) <-chan time.Time {
	return time.After(min(time.Second<<min(failures-1, 6), time.Minute))
}

func (r *runner) serveAndRun(ctx context.Context) error {
	if r.Store == nil {
		return r.run(ctx)
	}
	var err error
	if r.fired, err = r.Store.restore(r.Source.Name(), r.memory); err != nil {
		return err
	}
	if r.Source.Name() == followName {
		r.files = baseline.New(r.Store.Tables(), baseline.Options{Now: r.Now, Ask: r.Ask})
	}
	stop, err := serve(r.Store)
	if err != nil {
		r.Report(err.Error() + "; yagura alerts will not work while this runs")
		stop = func() error { return nil }
	}
	r.catchUp()
	return errors.Join(r.run(ctx), stop())
}

func (r *runner) run(ctx context.Context) error {
	for {
		b, err := r.Source.Next(ctx)
		switch {
		case err == io.EOF || ended(ctx, err):
			return r.finish()
		case err != nil:
			return errors.Join(err, r.finish())
		}
		if r.Judge != nil {
			err = r.elsewhere(ctx, b)
		} else {
			err = r.batch(ctx, b)
		}
		switch {
		case ended(ctx, err):
			return nil
		case err != nil:
			return err
		}
		r.reportHealth()
	}
}

// elsewhere has a batch judged, and its alerts stored, by Judge.
func (r *runner) elsewhere(ctx context.Context, b Batch) error {
	alerts, decoded, err := r.Judge(ctx, b.Events)
	r.stats.judged(b, decoded, alerts)
	if err == nil {
		r.show(alerts)
	}
	return err
}

func (r *runner) show(alerts []*event.Alert) {
	for _, a := range alerts {
		r.Alert(a)
	}
}

// batch judges and keeps a batch, in one commit unless it changes very much of what is known of files.
func (r *runner) batch(ctx context.Context, b Batch) error {
	r.stats.Bytes += b.Bytes
	for first := true; first || len(b.Events) > 0; first = false {
		c, err := r.part(ctx, b)
		if err != nil {
			return err
		}
		r.show(c.alerts)
		b.Events = b.Events[c.lines:]
	}
	return nil
}

// tries is how often events are judged again because somebody else changed what is known of files.
const tries = 40

// part judges and keeps the first events of a batch, mostly all of them. If somebody changed what is known of files while they were judged, they
// are judged again.
func (r *runner) part(ctx context.Context, b Batch) (*commit, error) {
	for try := 1; ; try++ {
		if r.files != nil {
			r.files.Begin(ctx)
		}
		c, err := r.analyze(b, try == 1)
		if err != nil {
			return nil, err
		}
		err = r.keep(ctx, c)
		var conflict *table.ConflictError
		if !errors.As(err, &conflict) || try == tries {
			return c, err
		}
	}
}

// reportHealth passes on what is newly wrong with the rules.
func (r *runner) reportHealth() {
	for _, msg := range r.Health() {
		if !r.told[msg] {
			r.told[msg] = true
			r.Report(msg)
		}
	}
}

// ended tells whether err is only that ctx ended.
func ended(ctx context.Context, err error) bool { return ctx.Err() != nil && errors.Is(err, ctx.Err()) }

// analyze judges the events of a batch and gathers what they change, until that is as much as fits into a commit. first tells that they aren't
// judged again.
func (r *runner) analyze(b Batch, first bool) (*commit, error) {
	c := &commit{memory: r.Source.Name(), outputs: r.outputs}
	for _, ev := range b.Events {
		v, err := r.judge(ev)
		if err != nil {
			return nil, err
		}
		c.lines++
		if first {
			r.stats.add(v)
		}
		for _, a := range [...]*event.Alert{v.Excess, v.Alert} {
			if a != nil {
				if first {
					r.fired.count(a)
				}
				c.alerts = append(c.alerts, alertstore.Fit(a)) // so that the files show what is stored
			}
		}
		if r.files != nil && r.files.Full() {
			break
		}
	}
	if c.lines == len(b.Events) { // else the events behind come again, should this be the last commit
		c.positions = b.Positions
	}
	c.changes, c.fired = r.memory.Changes(), r.fired
	if r.files == nil {
		return c, nil
	}
	var err error
	c.files, err = r.files.Ops()
	return c, err
}

func (r *runner) judge(ev *event.Event) (v analysis.Verdict, err error) {
	judged := ev
	if r.files != nil {
		if judged, err = r.files.Judge(ev); err != nil {
			return v, fmt.Errorf("compare event %s with the baseline: %w", ev.ID, err)
		}
	}
	if v, err = r.Analyze(judged, r.memory); err != nil {
		return v, fmt.Errorf("analyse event %s: %w", ev.ID, err)
	}
	return v, nil
}

// keep commits, however often it takes, and then writes the files. Its error is that ctx ended before it worked, or that it can't ever.
func (r *runner) keep(ctx context.Context, c *commit) error {
	if r.Store == nil {
		r.memory.Saved()
		return nil
	}
	for failures := 0; ; {
		err := r.commit(c)
		if err == nil {
			if failures > 0 {
				r.Report(fmt.Sprintf("store in %s: works again, nothing was lost", r.Store.path))
			}
			r.catchUp()
			r.fold(ctx, c)
			return nil
		}
		if lasting(err) {
			return fmt.Errorf("store in %s: %w", r.Store.path, err)
		}
		if failures++; failures == 1 {
			r.Report(fmt.Sprintf("store in %s: %v; make room in %s; reading waits until then, nothing is lost: the logs wait in their files",
				r.Store.path, err, filepath.Dir(r.Store.path)))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("stopped before the last %d lines were stored: %w; the next start reads them again", c.lines, err)
		case <-r.Retry(failures):
		}
	}
}

// fold folds the journals of files if they have become long. What fails is done after a later commit.
func (r *runner) fold(ctx context.Context, c *commit) {
	if len(c.files) == 0 {
		return
	}
	if err := r.files.Fold(ctx); err != nil && ctx.Err() == nil {
		r.Report(fmt.Sprintf("fold the journals of baselines: %v; trying again later, nothing is lost", err))
	}
}

// lasting tells whether a commit failed for a reason that no waiting mends.
func lasting(err error) bool {
	var noJSON *json.MarshalerError
	var conflict *table.ConflictError
	return errors.As(err, &conflict) || errors.Is(err, ErrDamaged) || errors.As(err, &noJSON) || errors.Is(err, table.ErrInvalid) || errors.Is(err, table.ErrTooLarge) ||
		errors.Is(err, berrors.ErrKeyTooLarge) || errors.Is(err, berrors.ErrValueTooLarge)
}

// commit stores c together with what the writers have done since the last commit.
func (r *runner) commit(c *commit) error {
	c.written = map[string]progress{}
	for _, w := range r.writers {
		c.written[w.name] = w.progress()
	}
	fresh, err := r.Store.commit(c)
	if err != nil {
		return err
	}
	r.memory.Saved()
	if r.files != nil {
		r.files.Committed()
	}
	for _, w := range r.writers {
		w.committed(fresh)
	}
	return nil
}

// catchUp writes the waiting alerts to their files. Trouble there stops nothing else.
func (r *runner) catchUp() {
	for _, w := range r.writers {
		if msg := w.trouble(w.catchUp()); msg != "" {
			r.Report(msg)
		}
	}
}

// finish records what the writers did since the last commit. It would be found out at the next start as well.
func (r *runner) finish() error {
	if r.Store == nil {
		return nil
	}
	if err := r.commit(&commit{memory: r.Source.Name()}); err != nil {
		return fmt.Errorf("store in %s: %w", r.Store.path, err)
	}
	return nil
}
