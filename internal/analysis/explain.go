package analysis

import (
	"strings"

	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/rule"
)

// Unmet returns the first thing that r asks of the event being analysed and doesn't get, and how many before it hold; ok is false if r gets all.
// It's for Options.Trace.
func (e *Engine) Unmet(r *rule.Rule) (c rule.Condition, before int, ok bool) {
	list, compiled := e.conditions[r]
	if !compiled {
		if e.conditions == nil {
			e.conditions = map[*rule.Rule][]rule.Condition{}
		}
		list = e.set.Rules.Conditions(r)
		e.conditions[r] = list
	}
	for i, c := range list {
		if !c.Holds(&e.subject) {
			return c, i, true
		}
	}
	return rule.Condition{}, 0, false
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

// Looks says what an element of a rule sees in the event being analysed, as an addition to what it asks; ok is false for the log, which is known.
func (e *Engine) Looks(element string) (text string, ok bool) {
	d := &e.decoded
	name := strings.TrimSuffix(element, "_pcre2")
	value, has := "", true
	switch name, field, _ := strings.Cut(name, " "); name {
	case "match", "regex", "pcre2", "maxsize", "compiled_rule", "time", "weekday":
		return "", false
	case "decoded_as":
		value, has = d.Decoder, d.Decoder != ""
	case "program_name":
		value, has = d.Program, d.Program != ""
	case "hostname":
		value = d.Place()
	case "location":
		value = d.Location
	case "user":
		if value, has = d.Get(event.DstUser); !has {
			value, has = d.Get(event.SrcUser)
		}
	case "field", "list":
		value, has = e.value(field)
	default:
		value, has = e.value(name)
	}
	if !has {
		return ", and there is none", true
	}
	return ", and it is '" + shortened(value) + "'", true
}

func shortened(s string) string {
	if len(s) <= 60 {
		return s
	}
	return strings.ToValidUTF8(s[:60], "") + "…"
}
