// Package analysis turns events into alerts: it pre-decodes, decodes, and asks the rules.
//
//	log, command ─► predecode ─► decoders ─┬► rules ─┬─► verdict: the rule that holds, if any
//	syscheck ─► what changed, OSSEC's text ┤    ▲    └─► alert, if the rule's level and options say so
//	rootcheck ─────────────────────────────┘    │
//	                                 State ◄────┘  earlier events, first-time-seen and ignore marks, last outputs
//
// It reads no clock and no file. An event's time is the event's own, so the same events give the same alerts whenever they are analysed.
package analysis

import (
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/pattern"
	"github.com/yagura-hids/yagura/internal/rule"
	"github.com/yagura-hids/yagura/internal/ruleset"
)

// Options are what an engine needs to know beside its rules.
type Options struct {
	Server    string // this machine's short name: the host of lines that name none; "" for the name of the agent that read them
	LogLevel  int    // alerts are recorded from this level on
	MailLevel int    // and marked for mail from this one on

	// What OSSEC's daemon does, and its logtest doesn't:
	NameActions bool // a firewall's word for an action becomes DROP, CLOSED, ALLOW or UNKNOWN
	DropRepeats bool // a message that is one of the last three of its log is not judged
	StatsLevel  int  // the level of alerts about hours with far more events than usual; 0 for none

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
	Mismatched   // the event doesn't hold what the rule asks
	Unremembered // the past doesn't
	Silent       // the rule holds, but neither does a child nor may it alert itself
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
	entry   Entry // the event's id and time, as remembered
	now     int64 // its time in seconds since 1970
	prior   prior
	asked   []asked
	fires   []int    // the composite rules that fired on the event
	firsts  []string // keys of what it was the first of, or not
	key     []byte   // scratch
	path    []int

	conditions map[*rule.Rule][]rule.Condition // for Unmet
}

// New returns an engine for a ruleset.
func New(set *ruleset.Set, opts Options) *Engine { return &Engine{set: set, opts: opts} }

// Verdict is what an event came to. What it points to is the engine's, good until the next Analyze, but for the alerts, which
// are the caller's.
type Verdict struct {
	Decoded *event.Decoded
	Rule    *rule.Rule   // the rule that holds, nil if none does
	Matched []int        // the rules that held on the way to it, from the top, itself the last
	Ignored bool         // the rule fired while its ignore time ran
	Alert   *event.Alert // nil if nothing is to be recorded
	Excess  *event.Alert // about the number of events, beside the verdict; nil for nearly all events
}

// Analyze judges an event. Its only errors are the state's: the event must then be analysed again, see [State].
func (e *Engine) Analyze(ev *event.Event, state State) (Verdict, error) {
	d := &e.decoded
	d.Reset(ev)
	if !e.read() {
		return Verdict{Decoded: d}, nil
	}
	e.state, e.prior, e.path = state, prior{}, e.path[:0]
	e.asked, e.fires, e.firsts = e.asked[:0], e.fires[:0], e.firsts[:0]
	e.entry, e.now = Entry{Event: ev.ID, Time: ev.Time.UnixNano()}, ev.Time.Unix()
	v := Verdict{Decoded: d}
	if dropped, err := e.asDaemon(&v); dropped || err != nil {
		return v, err
	}
	r, err := e.judge()
	if err != nil {
		return Verdict{}, err
	}
	if r != nil {
		v.Rule, v.Matched = r, e.path
	}
	return e.outcome(v)
}

// server returns the host of an event that doesn't name one: who read it. Of this server's own events that is the server.
func (e *Engine) server(ev *event.Event) string {
	switch {
	case ev.Agent != nil && ev.Agent.Name != "":
		return ev.Agent.Name
	case ev.Agent == nil && e.opts.Server != "":
		return e.opts.Server
	}
	return ev.ID.Agent
}

// asDaemon does what comes between decoding and rules. It tells whether the event ends there.
func (e *Engine) asDaemon(v *Verdict) (dropped bool, err error) {
	if e.opts.NameActions && e.decoded.Category == event.CategoryFirewall {
		nameAction(&e.decoded)
	}
	if e.opts.DropRepeats && e.decoded.Category == event.CategorySyslog {
		if dropped, err = e.repeats(); dropped || err != nil {
			return dropped, err
		}
	}
	if e.decoded.Accumulate {
		if err := e.share(); err != nil {
			return false, err
		}
	}
	if e.opts.StatsLevel > 0 {
		v.Excess, err = e.excess()
	}
	return false, err
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
		e.trace(r, Mismatched)
		return nil, nil
	}
	earlier := e.prior.logs // of its parents; it may hold without being the verdict
	if ok, err := e.remembers(r); !ok || err != nil {
		e.trace(r, Unremembered)
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
		e.trace(r, Silent)
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

// outcome does what follows from a verdict: of level 1 or more it is remembered and recorded, unless it is ignored.
func (e *Engine) outcome(v Verdict) (Verdict, error) {
	r := v.Rule
	if r == nil || r.Level == 0 {
		return v, e.remember(nil)
	}
	var err error
	if v.Ignored, err = e.ignored(r); err != nil {
		return Verdict{}, err
	}
	if v.Ignored {
		return v, e.remember(nil)
	}
	if err := e.remember(r); err != nil {
		return Verdict{}, err
	}
	if r.Recorded(e.opts.LogLevel) {
		v.Alert = event.NewAlert(&e.decoded, r.Alert(&e.decoded, e.opts.MailLevel))
		v.Alert.Previous, v.Alert.Ruleset = e.prior.logs, e.set.Hash
	}
	return v, nil
}
