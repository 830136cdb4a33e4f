package analysis

import (
	"slices"

	"github.com/yagura-hids/yagura/internal/rule"
)

// useUpElsewhere marks, for other rules that count p, what they look at as used up as far as to p.
func (e *Engine) useUpElsewhere(r *rule.Rule, p *Entry) error {
	for _, other := range e.set.Rules.Counters(p.Rule) {
		if other.Correlation.Key == r.Correlation.Key {
			continue
		}
		if err := e.useUp(other.Correlation, *p, r.Level, r.ID); err != nil {
			return err
		}
	}
	return nil
}

// newest returns the newest event of this agent among those that c looks at, nil if there is none. In Wazuh's dialect it doesn't matter.
func (e *Engine) newest(c *rule.Correlation) (*Entry, error) {
	item, err := e.state.Item("newest/" + e.entry.Event.Agent)
	if item == nil || err != nil {
		return nil, err
	}
	var newest *Entry
	for i := range item.Past {
		p := &item.Past[i]
		looksAt := func(other rule.Counter) bool { return other.Correlation.Key == c.Key }
		if slices.ContainsFunc(e.set.Rules.Counters(p.Rule), looksAt) && (newest == nil || newest.before(p)) {
			newest = p
		}
	}
	return newest, nil
}

// keepNewest keeps the event as the newest one of its agent and verdict.
func (e *Engine) keepNewest(verdict *rule.Rule) error {
	key := "newest/" + e.entry.Event.Agent
	item, err := e.state.Item(key)
	if err != nil {
		return err
	}
	if item == nil {
		item = &Item{}
	}
	entry := e.entry
	entry.Rule = verdict.ID
	place := slices.IndexFunc(item.Past, func(p Entry) bool { return p.Rule == verdict.ID })
	switch {
	case place < 0:
		item.Past = append(item.Past, entry)
	case item.Past[place].before(&entry):
		item.Past[place] = entry
	default:
		return nil
	}
	item.Time, item.Until = e.now, max(item.Until, e.now+newestFor)
	return e.state.Put(key, item)
}

// A barrier is one agent's: what happens on one host doesn't hide what happens on another.
func barrierKey(c *rule.Correlation, agent string) string { return "barrier/" + c.Key + "/" + agent }

// usedUp tells whether one of the entries stands at or before a mark of r's level or above that was made before this event, or by a composite
// that fired on it before r was asked.
func (e *Engine) usedUp(r *rule.Rule, entries []Entry) (bool, error) {
	item, err := e.state.Item(barrierKey(r.Correlation, e.entry.Event.Agent))
	if item == nil || err != nil {
		return false, err
	}
	for i := range item.Past {
		mark := &item.Past[i]
		made := mark.By.before(&e.entry) || mark.By.Event == e.entry.Event && slices.Contains(e.fires, mark.By.Rule)
		if mark.Level < r.Level || !made {
			continue
		}
		for k := range entries {
			p := &entries[k]
			if p.Event.Agent == e.entry.Event.Agent && (p.Event == mark.Event || !r.Correlation.Wazuh && p.before(mark)) {
				return true, nil
			}
		}
	}
	return false, nil
}

// useUp marks the events that c looks at as used up at a level, as far as to an entry. maker is the composite that fires, 0 for none.
func (e *Engine) useUp(c *rule.Correlation, to Entry, level, maker int) error {
	key := barrierKey(c, to.Event.Agent)
	item, err := e.state.Item(key)
	if err != nil {
		return err
	}
	if item == nil {
		item = &Item{}
	}
	for i := range item.Past {
		if old := &item.Past[i]; old.Event == to.Event && old.Level >= level {
			return nil
		}
	}
	by := e.entry
	by.Rule = maker
	if item.Past = append(item.Past, Entry{Event: to.Event, Time: to.Time, Level: level, By: &by}); len(item.Past) > maxMarks {
		item.Past = slices.Delete(item.Past, 0, 1)
	}
	item.Time, item.Until = e.now, max(item.Until, e.now+c.Timeframe)
	return e.state.Put(key, item)
}
