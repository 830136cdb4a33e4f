package analysis

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/rule"
)

// prior is what a composite rule found in the past, for its alert.
type prior struct {
	level int      // the composite's, with which its own event is marked
	logs  []string // of the events that it counted, newest first
}

// maxPrevious is how many earlier events an alert shows.
const maxPrevious = 11

// remembers tells whether the conditions of r hold that need more than the event.
func (e *Engine) remembers(r *rule.Rule) (bool, error) {
	if r.CheckDiff {
		if ok, err := e.differs(r); !ok || err != nil {
			return false, err
		}
	}
	if r.FirstSeen {
		if ok, err := e.firstSeen(); !ok || err != nil {
			return false, err
		}
	}
	if r.Correlation == nil {
		return true, nil
	}
	return e.correlates(r)
}

// correlates looks back through a composite rule's history, newest first. An entry that a rule of this level or higher has used already
// ends the look, as does one beyond the timeframe. Frequency entries are counted; one more makes the rule hold.
func (e *Engine) correlates(r *rule.Rule) (bool, error) {
	c := r.Correlation
	history, err := e.state.History(c.Key)
	if err != nil || len(history) <= c.Frequency {
		return false, err
	}
	now := e.decoded.Time.Unix()
	count := 0
	for i := len(history) - 1; i >= 0; i-- {
		past := history[i]
		if now-past.Time > c.Timeframe || past.Level >= r.Level {
			return false, nil
		}
		if past.Time-now > c.Timeframe || !e.comparable(c, past) { // a later log was replayed before this one
			continue
		}
		if count < c.Frequency {
			count++
			continue
		}
		return true, e.fire(r, history, i)
	}
	return false, nil
}

// fire marks the newest entry and the deciding one as used by the rule, and gathers what the alert will show.
func (e *Engine) fire(r *rule.Rule, history []*Entry, deciding int) error {
	e.prior = prior{level: r.Level, logs: e.previous(r.Correlation, history, deciding)}
	newest, oldest := history[len(history)-1], history[deciding]
	newest.Level, oldest.Level = r.Level, r.Level
	if err := e.state.Remember(newest); err != nil {
		return err
	}
	return e.state.Remember(oldest)
}

// previous returns the texts of the entries counted, newest first; for a rule id's history with the deciding one.
func (e *Engine) previous(c *rule.Correlation, history []*Entry, deciding int) []string {
	last := deciding
	if c.Kind != rule.BySID {
		last++
	}
	var logs []string
	for i := len(history) - 1; i >= last && len(logs) < maxPrevious; i-- {
		if e.comparable(c, history[i]) {
			logs = append(logs, history[i].FullLog)
		}
	}
	return logs
}

// comparable tells whether an earlier event counts for a composite rule and this event. Both must have what is compared.
func (e *Engine) comparable(c *rule.Correlation, past *Entry) bool {
	d := &e.decoded
	if c.Kind == rule.ByRegex && past.Category != d.Category {
		return false
	}
	if c.Location && past.Hostname != d.Hostname {
		return false
	}
	for _, name := range c.Same {
		if then, now, ok := e.both(name, past); !ok || then != now {
			return false
		}
	}
	for _, name := range c.Different {
		if then, now, ok := e.both(name, past); !ok || then == now {
			return false
		}
	}
	return c.MatchesLog(past.Log, &e.past)
}

func (e *Engine) both(name string, past *Entry) (then, now string, ok bool) {
	if f, static := event.ParseField(name); static && f.String() == name {
		now, ok = e.decoded.Get(f)
	} else {
		now, ok = e.decoded.Dynamic(name)
	}
	if !ok {
		return "", "", false
	}
	then, ok = past.Field(name)
	return then, now, ok
}

// ignored tells whether r fired less than its ignore time ago, or what fired it is on the ignore list. If not, it notes this firing.
func (e *Engine) ignored(r *rule.Rule, now int64) (bool, error) {
	if r.Ignore > 0 {
		key := "ignore/" + strconv.Itoa(r.ID)
		n, ok, err := e.state.Note(key)
		if err != nil || ok && max(now-n.Time, n.Time-now) < int64(r.Ignore) {
			return ok, err
		}
		if err := e.state.SetNote(key, Note{Time: now, Event: e.decoded.ID}); err != nil {
			return false, err
		}
	}
	if len(r.IgnoredFields) > 0 {
		if _, ok, err := e.state.Note("ignored/" + e.key(r.IgnoredFields)); ok || err != nil {
			return ok, err
		}
	}
	if len(r.IgnoreFields) > 0 {
		return false, e.state.SetNote("ignored/"+e.key(r.IgnoreFields), Note{Time: now, Event: e.decoded.ID})
	}
	return false, nil
}

// firstSeen tells whether the decoder's fts fields are seen for the first time, and remembers them.
func (e *Engine) firstSeen() (bool, error) {
	if len(e.decoded.FTS) == 0 {
		return false, nil
	}
	key := "fts/" + e.key(append([]string{"name"}, e.decoded.FTS...))
	_, known, err := e.state.Note(key)
	if known || err != nil {
		return false, err
	}
	return true, e.state.SetNote(key, Note{Time: e.decoded.Time.Unix(), Event: e.decoded.ID})
}

// keyFields are the fields of OSSEC's fts and ignore lines, in their order, each with the words that select it.
var keyFields = []struct {
	field event.Field
	words []string
}{
	{event.FieldID, []string{"id"}}, {event.DstUser, []string{"dstuser", "user"}}, {event.SrcUser, []string{"srcuser"}},
	{event.SrcIP, []string{"srcip"}}, {event.DstIP, []string{"dstip"}}, {event.Data, []string{"data"}},
	{event.SystemName, []string{"system_name"}},
}

// maxKey is how much of what strangers write a key holds, in bytes.
const maxKey = 255

// key joins the selected fields of the event to one text, maxKey bytes at most.
func (e *Engine) key(fields []string) string {
	d := &e.decoded
	parts := make([]string, 0, len(keyFields)+2)
	has := func(word string) bool { return slices.Contains(fields, word) }
	name := ""
	if has("name") {
		name = d.Decoder
	}
	parts = append(parts, name)
	for _, f := range keyFields {
		value := ""
		if slices.ContainsFunc(f.words, has) {
			value, _ = d.Get(f.field)
		}
		parts = append(parts, value)
	}
	location := ""
	if has("location") {
		location = d.Location
	}
	key := strings.Join(append(parts, location), " ")
	return key[:min(len(key), maxKey)]
}

// differs tells whether the log differs from the last one that this rule saw of this host. The first one never does.
func (e *Engine) differs(r *rule.Rule) (bool, error) {
	d := &e.decoded
	host := d.Hostname
	if name, ok := strings.CutPrefix(host, "("); ok {
		host, _, _ = strings.Cut(name, ")")
	}
	host = host[:min(len(host), maxKey)] // strangers write hosts' names
	key := "diff/" + host + "/" + strconv.Itoa(r.ID)
	last, known, err := e.state.Note(key)
	if err != nil || known && last.Text == d.Log {
		return false, err
	}
	if known {
		e.prior.logs = []string{"Previous output:", last.Text}
	}
	return known, e.state.SetNote(key, Note{Time: d.Time.Unix(), Event: d.ID, Text: d.Log})
}

// accumulated are the fields that events of one id share.
var accumulated = []event.Field{event.DstUser, event.SrcUser, event.DstIP, event.SrcIP, event.DstPort, event.SrcPort, event.Data}

// How long, in seconds, and how much, in bytes, is shared, and under how long a key.
const (
	accumulateFor  = 120
	accumulateMost = 80
	accumulateKey  = maxKey + len("accumulate/")
)

// accumulate fills the fields that the event lacks from earlier events of its host, decoder and id, and keeps its own for later ones.
func (e *Engine) accumulate() error {
	d := &e.decoded
	id, ok := d.Get(event.FieldID)
	if !ok || id == "" {
		return nil
	}
	key := "accumulate/" + d.Hostname + " " + d.Decoder + " " + id
	if len(key) > accumulateKey {
		return nil
	}
	n, known, err := e.state.Note(key)
	if err != nil {
		return err
	}
	shared := map[string]string{}
	now := d.Time.Unix()
	if known && now-n.Time <= accumulateFor {
		if err := json.Unmarshal([]byte(n.Text), &shared); err != nil {
			return err
		}
	}
	for _, f := range accumulated {
		mine, _ := d.Get(f)
		theirs := shared[f.String()]
		switch {
		case mine == "" && theirs != "":
			d.Set(f, theirs)
			d.Rewritten = true
		case mine != "" && theirs == "" && len(mine) <= accumulateMost:
			shared[f.String()] = mine
		}
	}
	text, err := json.Marshal(shared)
	if err != nil {
		return err
	}
	return e.state.SetNote(key, Note{Time: now, Event: d.ID, Text: string(text), Until: now + accumulateFor})
}
