package analysis

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/rule"
)

// prior is what composite rules found in the past, for the alert and for what is remembered of the event.
type prior struct {
	level int      // of the composite that fired last: its event is used up by it
	logs  []string // of the events that it counted, newest first
}

// asked is an item of counted events that this event has to do with.
type asked struct {
	key  string
	item *Item
	rule *rule.Rule
	done bool // the item dealt with the event before
}

// The bounds of what is kept for composite rules.
const (
	maxPrevious  = 11       // earlier events that an alert shows
	maxText      = 4 << 10  // bytes of each
	maxTexts     = 64 << 10 // bytes of all of an item
	slack        = 8        // events kept beyond those that a rule needs, for some that come late
	maxDifferent = 128      // events kept for a rule with different_*, at least: any number of them may be alike
	maxMarks     = 64       // of events used up
	newestFor    = 99_999   // seconds for which an agent's newest events are kept, the longest timeframe
	maxKey       = 255      // bytes of a key that holds what strangers write
)

// correlates tells whether a composite rule holds: whether enough earlier events count. Those that a rule of its level or above has used up
// don't, nor do older ones than those.
func (e *Engine) correlates(r *rule.Rule) (bool, error) {
	key, ok := e.countKey(r)
	if !ok || r.Level == 0 {
		return false, nil
	}
	a, err := e.ask(key, r)
	if err != nil {
		return false, err
	}
	if a.item.fired(e.entry.Event) {
		e.prior = prior{level: r.Level, logs: e.previous(r.Correlation, a.item)}
		e.fires = append(e.fires, r.ID)
		return true, nil
	}
	if a.done {
		return false, nil
	}
	deciding := e.enough(r, a.item)
	if deciding < 0 {
		return false, nil
	}
	used, err := e.usedUp(r, a.item.Past[deciding:])
	if used || err != nil {
		return false, err
	}
	return true, e.fire(r, a, deciding)
}

// countKey returns the key of the events that r counts together with this one. It has none if it lacks a field that is compared.
func (e *Engine) countKey(r *rule.Rule) (string, bool) {
	c := r.Correlation
	b := strconv.AppendInt(append(e.key[:0], "count/"...), int64(r.ID), 10)
	start := len(b)
	if !c.Global {
		b = strconv.AppendQuote(append(b, '/'), e.entry.Event.Agent)
	}
	if c.Location {
		b = strconv.AppendQuote(append(b, '/'), e.place(c))
	}
	if c.Kind == rule.ByRegex {
		b = append(append(b, '/'), e.decoded.Category.String()...)
	}
	for _, name := range c.Same {
		value, ok := e.value(name)
		if !ok {
			return "", false
		}
		b = strconv.AppendQuote(append(b, '/'), value)
	}
	if len(b) > maxKey {
		sum := sha256.Sum256(b)
		b = hex.AppendEncode(append(b[:start], '/'), sum[:])
	}
	e.key = b
	return string(b), true
}

// place is what same_location compares: OSSEC's is the host.
func (e *Engine) place(c *rule.Correlation) string {
	if c.Wazuh {
		return e.decoded.Location
	}
	return e.decoded.Hostname
}

// value returns the event's field of that name, static or dynamic, and whether it has one.
func (e *Engine) value(name string) (string, bool) {
	if name == placeField {
		return e.decoded.Location, true
	}
	if f, static := event.ParseField(name); static && f.String() == name {
		return e.decoded.Get(f)
	}
	return e.decoded.Dynamic(name)
}

// placeField stands for the location among the fields that must differ.
const placeField = "\x00location"

// different returns the names of the fields that must differ.
func different(c *rule.Correlation) []string {
	if c.OtherLocation {
		return append(slices.Clip(c.Different), placeField)
	}
	return c.Different
}

// ask looks up an item once for the event.
func (e *Engine) ask(key string, r *rule.Rule) (*asked, error) {
	for i := range e.asked {
		if e.asked[i].key == key {
			return &e.asked[i], nil
		}
	}
	item, err := e.state.Item(key)
	if err != nil {
		return nil, err
	}
	if item == nil {
		item = &Item{}
	}
	e.asked = append(e.asked, asked{key, item, r, item.has(e.entry.Event)})
	return &e.asked[len(e.asked)-1], nil
}

// enough returns the place of the entry that makes r hold, -1 if none does: counted from the newest, the one behind Frequency others.
func (e *Engine) enough(r *rule.Rule, item *Item) int {
	left := r.Correlation.Frequency
	for i := len(item.Past) - 1; i >= 0; i-- {
		past := &item.Past[i]
		if past.Level >= r.Level {
			return -1
		}
		if !e.counts(r.Correlation, past) {
			continue
		}
		if left -= past.Times; left < 0 {
			return i
		}
	}
	return -1
}

// counts tells whether an earlier event counts for this one: it is near enough in time, on either side, and differs where it has to.
func (e *Engine) counts(c *rule.Correlation, past *Entry) bool {
	if apart := e.now - past.Time/1e9; apart > c.Timeframe || -apart > c.Timeframe {
		return false
	}
	for _, name := range different(c) {
		now, ok := e.value(name)
		then, had := past.field(name)
		if then == now && ok == had || !c.Wazuh && (!ok || !had) {
			return false
		}
	}
	return true
}

// fire notes that r fires. All that r looks at is used up. So are, for other rules that count them, the deciding entry, the newest that r could
// count, and the newest of all that r looks at, each with what comes before it.
func (e *Engine) fire(r *rule.Rule, a *asked, deciding int) error {
	c := r.Correlation
	e.prior = prior{level: r.Level, logs: e.previous(c, a.item)}
	e.fires = append(e.fires, r.ID)
	newest, err := e.newest(c)
	if err != nil {
		return err
	}
	if newest == nil {
		newest = &e.entry
	}
	if err := e.useUp(c, *newest, r.Level, r.ID); err != nil {
		return err
	}
	places := []int{len(a.item.Past) - 1, deciding}
	if c.Wazuh {
		places = places[:min(c.Frequency, 1)]
	}
	for _, place := range places {
		p := &a.item.Past[place]
		p.Level = r.Level
		if err := e.useUpElsewhere(r, p); err != nil {
			return err
		}
	}
	a.item.see(e.entry.Event, e.now, true)
	return e.useUpElsewhere(r, newest)
}

// previous returns the texts of the events counted, newest first; for a rule id's events with the deciding one.
func (e *Engine) previous(c *rule.Correlation, item *Item) []string {
	left := c.Frequency
	if c.Kind == rule.BySID {
		left++
	}
	var logs []string
	for i := len(item.Past) - 1; i >= 0; i-- {
		past := &item.Past[i]
		if past.Text == "" || e.comesLater(past) || !e.counts(c, past) {
			continue
		}
		for range past.Times {
			if left == 0 || len(logs) == maxPrevious {
				return logs
			}
			logs = append(logs, past.Text)
			left--
		}
	}
	return logs
}

// comesLater tells whether the entry is this event's own, or of a later one of the same agent: then this event has come before.
func (e *Engine) comesLater(past *Entry) bool {
	return past.Event.Agent == e.entry.Event.Agent && past.Event.Epoch == e.entry.Event.Epoch && past.Event.Seq >= e.entry.Event.Seq
}

// remember puts the event where rules count it, if it has a verdict, and notes that the items asked dealt with it.
func (e *Engine) remember(verdict *rule.Rule) error {
	if verdict != nil {
		if err := e.countOn(verdict); err != nil {
			return err
		}
	}
	for i := range e.asked {
		a := &e.asked[i]
		if a.done {
			continue
		}
		a.item.see(e.entry.Event, e.now, false)
		a.item.Until = max(a.item.Until, e.now+a.rule.Correlation.Timeframe)
		if err := e.state.Put(a.key, a.item); err != nil {
			return err
		}
	}
	return nil
}

// countOn puts the event where the composites find it that count its verdict.
func (e *Engine) countOn(verdict *rule.Rule) error {
	counters := e.set.Rules.Counters(verdict.ID)
	if len(counters) > 0 && !e.set.Wazuh {
		if err := e.keepNewest(verdict); err != nil {
			return err
		}
	}
	for _, c := range counters {
		if e.prior.level > 0 {
			if err := e.useUp(c.Correlation, e.entry, e.prior.level, 0); err != nil {
				return err
			}
		}
		if err := e.counted(c, verdict); err != nil {
			return err
		}
	}
	return nil
}

// counted adds the event to those that a composite counts.
func (e *Engine) counted(c rule.Counter, verdict *rule.Rule) error {
	d := &e.decoded
	key, ok := e.countKey(c.Rule)
	if !ok || !c.Correlation.MatchesLog(d.Log, &e.past) {
		return nil
	}
	a, err := e.ask(key, c.Rule)
	if err != nil || a.done {
		return err
	}
	entry := e.entry
	entry.Rule, entry.Times, entry.Level, entry.Text = verdict.ID, c.Times, e.prior.level, shorten(d.FullLog)
	for _, name := range different(c.Correlation) {
		if value, ok := e.value(name); ok {
			entry.Fields = append(entry.Fields, event.Dynamic{Name: name, Value: value})
		}
	}
	a.item.Past = append(a.item.Past, entry)
	trim(a.item, c.Correlation)
	return nil
}

// shorten cuts a text to maxText, not in the middle of a character.
func shorten(text string) string {
	if len(text) <= maxText {
		return text
	}
	end := maxText
	for end > maxText-utf8.UTFMax && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}

// trim forgets the oldest entries beyond those that the rule can use, and the oldest texts beyond maxTexts.
func trim(item *Item, c *rule.Correlation) {
	need := c.Frequency + 1 + slack
	if len(different(c)) > 0 {
		need = max(need, maxDifferent)
	}
	texts, first := 0, 0
	for i := len(item.Past) - 1; i >= 0; i-- {
		if need <= 0 {
			first = i + 1
			break
		}
		past := &item.Past[i]
		need -= past.Times
		if texts += len(past.Text); texts > maxTexts {
			past.Text = ""
		}
	}
	if first > 0 {
		item.Past = slices.Delete(item.Past, 0, first)
	}
}
