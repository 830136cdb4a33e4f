// Package analysis turns events into alerts: it pre-decodes, decodes, and asks the rules.
//
//	event ─► predecode ─► decoders ─► rules ─┬─► verdict: the rule that holds, if any
//	                                   ▲     └─► alert, if the rule's level and options say so
//	                         State ◄───┘  earlier events, first-time-seen and ignore marks, last outputs
//
// It reads no clock and no file. An event's time is the event's own, so the same events give the same alerts whenever they are analysed.
package analysis

import (
	"strconv"
	"time"

	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/pattern"
	"github.com/yagura-hids/yagura/internal/predecode"
	"github.com/yagura-hids/yagura/internal/rule"
	"github.com/yagura-hids/yagura/internal/ruleset"
)

// Options are what an engine needs to know beside its rules.
type Options struct {
	Server    string // this machine's short name: the host of lines that name none
	LogLevel  int    // alerts are recorded from this level on
	MailLevel int    // and marked for mail from this one on

	// Trace, if not nil, is told of every step with every rule, as it is taken.
	Trace func(r *rule.Rule, step Step)
}

// Step is what happened to a rule, for Options.Trace.
type Step uint8

// The steps that logtest shows.
const (
	Trying Step = iota
	Matched
	TryingChildren
)

// Engine analyses events one after another. It keeps scratch memory, so each goroutine needs its own; the ruleset they may share.
type Engine struct {
	set     *ruleset.Set
	opts    Options
	decoded event.Decoded
	text    pattern.Text
	past    pattern.Text // an earlier event's log
	hits    pattern.Hits
	subject rule.Subject
	state   State
	prior   prior
	path    []int
}

// New returns an engine for a ruleset.
func New(set *ruleset.Set, opts Options) *Engine { return &Engine{set: set, opts: opts} }

// Verdict is what an event came to. What it points to is the engine's, good until the next Analyze, but for Alert, which is the caller's.
type Verdict struct {
	Decoded *event.Decoded
	Rule    *rule.Rule   // the rule that holds, nil if none does
	Matched []int        // the rules that held on the way to it, from the top, itself the last
	Ignored bool         // the rule fired while its ignore time ran
	Alert   *event.Alert // nil if nothing is to be recorded
}

// Analyze judges an event. Its only errors are the state's: the event must then be analysed again, and no change of it be stored.
func (e *Engine) Analyze(ev *event.Event, state State) (Verdict, error) {
	d := &e.decoded
	d.Reset(ev)
	predecode.Split(d, e.opts.Server)
	e.text.Reset(d.Log)
	e.set.Index.Scan(&e.text, &e.hits)
	e.set.Decoders.Decode(d, &e.text, &e.hits)
	e.state, e.prior, e.path = state, prior{}, e.path[:0]
	if d.Accumulate {
		if err := e.accumulate(); err != nil {
			return Verdict{}, err
		}
	}
	v := Verdict{Decoded: d}
	r, err := e.judge()
	if err != nil || r == nil {
		return v, err
	}
	v.Rule, v.Matched = r, e.path
	if r.Level == 0 {
		return v, nil
	}
	return v, e.outcome(r, &v)
}

// judge finds the rule that holds.
func (e *Engine) judge() (*rule.Rule, error) {
	d := &e.decoded
	if d.Category == event.CategoryOSSECAlert {
		return e.set.Rules.Rule(d.Forwarded), nil
	}
	top := e.set.Rules.Top(d.Category)
	if top == nil {
		return nil, nil
	}
	e.subject.Reset(d, &e.text, &e.hits)
	return e.check(top)
}

// check returns r, or the first of its descendants that holds, or nil if r does not hold.
func (e *Engine) check(r *rule.Rule) (*rule.Rule, error) {
	e.trace(r, Trying)
	if !r.Matches(&e.subject) {
		return nil, nil
	}
	earlier := e.prior.logs // of its parents; it may hold without being the verdict
	if ok, err := e.remembers(r); !ok || err != nil {
		e.prior.logs = earlier
		return nil, err
	}
	e.trace(r, Matched)
	e.path = append(e.path, r.ID)
	children := r.Children(e.decoded.DecoderID)
	if len(children) > 0 {
		e.trace(r, TryingChildren)
	}
	for i := range children {
		child := &children[i]
		if e.opts.Trace == nil && !child.Possible(&e.subject) {
			continue
		}
		if found, err := e.check(child.Rule); found != nil || err != nil {
			return found, err
		}
	}
	if r.NoAlert {
		e.path, e.prior.logs = e.path[:len(e.path)-1], earlier
		return nil, nil
	}
	return r, nil
}

func (e *Engine) trace(r *rule.Rule, step Step) {
	if e.opts.Trace != nil {
		e.opts.Trace(r, step)
	}
}

// outcome does what follows from a rule of level 1 or more: ignoring, remembering, alerting.
func (e *Engine) outcome(r *rule.Rule, v *Verdict) error {
	d := &e.decoded
	now := d.Time.Unix()
	fired, err := e.count(r, now)
	if err != nil {
		return err
	}
	if v.Ignored, err = e.ignored(r, now); v.Ignored || err != nil {
		return err
	}
	alert := event.NewAlert(d, r.Alert(e.opts.MailLevel))
	if keys := e.set.Rules.Histories(r); len(keys) > 0 {
		err = e.state.Remember(&Entry{
			Keys: keys, Event: d.ID, Time: now, Level: e.prior.level, Category: d.Category, Hostname: d.Hostname,
			Fields: alert.Fields, Log: d.Log, FullLog: d.FullLog,
		})
		if err != nil {
			return err
		}
	}
	if r.Recorded(e.opts.LogLevel) {
		alert.Previous, alert.Fired, alert.Ruleset = e.prior.logs, fired, e.set.Hash
		v.Alert = alert
	}
	return nil
}

// count notes that a rule fired and returns how often it has since the last full hour.
func (e *Engine) count(r *rule.Rule, now int64) (int, error) {
	key := "fired/" + strconv.Itoa(r.ID)
	n, _, err := e.state.Note(key)
	if err != nil {
		return 0, err
	}
	if hour := now / int64(time.Hour/time.Second); n.Time != hour {
		n = Note{Time: hour}
	}
	n.Count++
	n.Event = e.decoded.ID
	return n.Count, e.state.SetNote(key, n)
}
