package analysis

import (
	"github.com/yagura-hids/yagura/internal/rule"
)

// Unmet returns the first thing that r asks of the event being analysed and doesn't get; ok is false if it gets all. It's for Options.Trace.
func (e *Engine) Unmet(r *rule.Rule) (c rule.Condition, ok bool) {
	for _, c := range e.set.Rules.Conditions(r) {
		if !c.Holds(&e.subject) {
			return c, true
		}
	}
	return rule.Condition{}, false
}

// Found is what a composite rule finds in the past.
type Found struct {
	Need    int               // earlier events that it needs
	Count   int               // that count
	Late    int               // that lie beyond the timeframe
	Alike   int               // that are alike where a different_* option wants them to differ
	Used    bool              // a composite rule of its level or above has used them up
	Same    map[string]string // what the events have in common, as the same_* options want it
	Lacking string            // a field that is compared, and that the event doesn't have
}

// Found tells what a composite rule finds for the event being analysed. It's for Options.Trace.
func (e *Engine) Found(r *rule.Rule) (Found, error) {
	c := r.Correlation
	f := Found{Need: c.Frequency + 1, Same: map[string]string{}}
	for _, name := range c.Same {
		value, ok := e.value(name)
		if !ok {
			f.Lacking = name
			return f, nil
		}
		f.Same[name] = value
	}
	if c.Location {
		f.Same["location"] = e.place(c)
	}
	key, _ := e.countKey(r)
	item, err := e.state.Item(key)
	if item == nil || err != nil {
		return f, err
	}
	within := *c
	within.Different, within.OtherLocation = nil, false
	for i := range item.Past {
		past := &item.Past[i]
		switch {
		case past.Level >= r.Level:
			f.Used, f.Count = true, 0 // nor do older ones count
		case !e.counts(&within, past):
			f.Late += past.Times
		case !e.counts(c, past):
			f.Alike += past.Times
		default:
			f.Count += past.Times
		}
	}
	if !f.Used && len(item.Past) > 0 {
		f.Used, err = e.usedUp(r, item.Past)
	}
	return f, err
}
