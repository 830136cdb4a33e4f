package analysis

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/rule"
)

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

// ignored tells whether r fired less than its ignore time ago, or what fired it is on the ignore list. If not, it notes this firing.
func (e *Engine) ignored(r *rule.Rule) (bool, error) {
	if r.Ignore > 0 {
		if ok, err := e.tooSoon(r); ok || err != nil {
			return ok, err
		}
	}
	if len(r.IgnoredFields) > 0 {
		item, err := e.state.Item("ignored/" + e.fields(r.IgnoredFields))
		if err != nil || item != nil && item.find(e.decoded.ID) < 0 {
			return item != nil, err
		}
	}
	if len(r.IgnoreFields) > 0 {
		_, err := e.first("ignored/" + e.fields(r.IgnoreFields))
		return false, err
	}
	return false, nil
}

// maxPasses is how many firings that were not ignored a rule remembers, for events that come twice.
const maxPasses = 16

// tooSoon tells whether r fired, and was not ignored, less than its ignore time from now, before or after. If not, it notes this firing.
func (e *Engine) tooSoon(r *rule.Rule) (bool, error) {
	key := "ignore/" + strconv.Itoa(r.ID)
	item, err := e.state.Item(key)
	if err != nil {
		return false, err
	}
	if item == nil {
		item = &Item{}
	}
	if item.find(e.entry.Event) >= 0 {
		return false, nil
	}
	for i := range item.Past {
		if apart := e.now - item.Past[i].Time/1e9; max(apart, -apart) < int64(r.Ignore) {
			return true, nil
		}
	}
	item.keep(e.entry, maxPasses)
	item.Until = max(item.Until, e.now+int64(r.Ignore))
	return false, e.state.Put(key, item)
}

// first tells whether nothing was kept under key before this event, and keeps that it was.
func (e *Engine) first(key string) (bool, error) {
	if slices.Contains(e.firsts, key) { // another rule asked it of this event
		return false, nil
	}
	e.firsts = append(e.firsts, key)
	item, err := e.state.Item(key)
	if err != nil || item != nil {
		return err == nil && item.find(e.entry.Event) == 0, err
	}
	return true, e.state.Put(key, &Item{Past: []Entry{e.entry}, Time: e.now})
}

// maxEpochs is how many epochs are remembered in which an agent told a finding.
const maxEpochs = 16

// newFinding tells whether a finding of the rootkit check is news. An agent tells one when it appears: so it's news once, and again if it is told twice in an
// epoch, for then it was gone in between; but not if the agent only begins anew, in an epoch of its own.
func (e *Engine) newFinding() (bool, error) {
	key := "first/rootcheck/" + e.entry.Event.Agent + "\x00" + e.decoded.Log
	item, err := e.state.Item(key)
	if err != nil {
		return false, err
	}
	if item == nil {
		item = &Item{}
	}
	if i := item.find(e.entry.Event); i >= 0 {
		return item.Past[i].Times > 0, nil
	}
	if slices.ContainsFunc(item.Past, func(p Entry) bool { return p.Event.Epoch == e.entry.Event.Epoch }) {
		return true, nil
	}
	told := e.entry
	if len(item.Past) == 0 {
		told.Times = 1
	}
	item.keep(told, maxEpochs)
	return told.Times > 0, e.state.Put(key, item)
}

// firstSeen tells whether the decoder's fts fields are seen for the first time, and remembers them.
func (e *Engine) firstSeen() (bool, error) {
	if e.decoded.Kind == event.Rootcheck {
		return e.newFinding()
	}
	if len(e.decoded.FTS) == 0 {
		return false, nil
	}
	key := e.fields(append([]string{"name"}, e.decoded.FTS...))
	if e.decoded.Category != event.CategoryIDS {
		return e.first("first/" + key)
	}
	if item, err := e.state.Item("first/" + key); item != nil || err != nil {
		return err == nil && item.find(e.entry.Event) == 0, err
	}
	return e.firstAlike(key)
}

// OSSEC's fts_list_size and fts_min_size_for_str, and how many keys must be alike.
const (
	recentKeys = 32
	alikeBytes = 14
	alikeKeys  = 3
)

// firstAlike is first for the events of intrusion detection systems: if several of the last keys begin alike, all that begin so count as one.
func (e *Engine) firstAlike(key string) (bool, error) {
	recent, err := e.state.Item("recent/ids")
	if err != nil {
		return false, err
	}
	if recent == nil {
		recent = &Item{}
	}
	alike := 0
	for i := range recent.Past {
		if past := &recent.Past[i]; len(key) > alikeBytes && strings.HasPrefix(past.Text, key[:alikeBytes+1]) && past.before(&e.entry) {
			alike++
		}
	}
	if alike >= alikeKeys {
		key = key[:alikeBytes]
	}
	first, err := e.first("first/" + key)
	if err != nil || recent.find(e.entry.Event) >= 0 {
		return first, err
	}
	recent.keep(Entry{Event: e.entry.Event, Time: e.entry.Time, Text: key}, recentKeys)
	return first, e.state.Put("recent/ids", recent)
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

// isKeyField tells whether a word selects one of OSSEC's. Wazuh's data is a field of its own.
func isKeyField(word string) bool {
	return word == "name" || word == "location" || word != "data" && slices.ContainsFunc(keyFields, func(f struct {
		field event.Field
		words []string
	}) bool {
		return slices.Contains(f.words, word)
	})
}

// fields joins the selected fields of the event to one text, maxKey bytes at most.
func (e *Engine) fields(selected []string) string {
	d := &e.decoded
	parts := make([]string, 0, len(keyFields)+2)
	has := func(word string) bool { return slices.Contains(selected, word) }
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
	parts = append(parts, location)
	for _, word := range selected {
		if e.set.Wazuh && !isKeyField(word) { // which may name any field
			value, _ := e.value(word)
			parts = append(parts, value)
		}
	}
	key := strings.Join(parts, " ")
	return key[:min(len(key), maxKey)]
}

// What check_diff keeps of a host and rule: so many outputs, for events that come twice or late, so much of each, in bytes, and so long.
const (
	maxOutputs = 4
	maxOutput  = 8 << 10
	outputDays = 90 * 24 * 3600
)

// output returns what is kept of a log: the end of a long one becomes its hash.
func output(log string) string {
	if len(log) <= maxOutput {
		return log
	}
	sum := sha256.Sum256([]byte(log))
	return strings.ToValidUTF8(log[:maxOutput], "") + fmt.Sprintf("... (%d bytes, SHA-256 %x)", len(log), sum)
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
	item, err := e.state.Item(key)
	if err != nil {
		return false, err
	}
	if item == nil {
		item = &Item{}
	}
	place := len(item.Past) // of this output among the others
	for place > 0 && !item.Past[place-1].before(&e.entry) {
		place--
	}
	again := place < len(item.Past) && item.Past[place].Event == d.ID
	text := output(d.Log)
	switch {
	case place > 0 && item.Past[place-1].Text != text:
		e.prior.logs = []string{"Previous output:", item.Past[place-1].Text}
	case place > 0 || again:
		return false, nil
	}
	if again {
		return true, nil
	}
	item.Past = slices.Insert(item.Past, place, Entry{Event: d.ID, Time: e.entry.Time, Text: text})
	item.Past = item.Past[max(len(item.Past)-maxOutputs, 0):]
	item.Time, item.Until = max(item.Time, e.now), max(item.Until, e.now+outputDays)
	return place > 0, e.state.Put(key, item)
}

// sharedFields are the fields that events of one id share.
var sharedFields = []event.Field{event.DstUser, event.SrcUser, event.DstIP, event.SrcIP, event.DstPort, event.SrcPort, event.Data}

// How long, in seconds, and how much, in bytes, is shared.
const (
	shareFor  = 120
	shareMost = 80
)

// share fills the fields that the event lacks from earlier events of its host, decoder and id, and keeps its own for later ones, as a decoder
// with accumulate wants it.
func (e *Engine) share() error {
	d := &e.decoded
	id, ok := d.Get(event.FieldID)
	key := "shared/" + d.Hostname + " " + d.Decoder + " " + id
	if !ok || id == "" || len(key) > maxKey+len("shared/") {
		return nil
	}
	item, err := e.state.Item(key)
	if err != nil {
		return err
	}
	if item == nil {
		item = &Item{}
	}
	earlier := item.Past[:len(item.Past):len(item.Past)]
	for len(earlier) > 0 && !earlier[len(earlier)-1].before(&e.entry) {
		earlier = earlier[:len(earlier)-1]
	}
	late := len(earlier) < len(item.Past)
	if len(earlier) > 0 && e.now-earlier[len(earlier)-1].Time/1e9 > shareFor {
		earlier = nil
	}
	mine := e.fill(earlier)
	if late {
		return nil
	}
	item.Past = append(withoutTouch(earlier), Entry{Event: d.ID, Time: e.entry.Time, Fields: mine})
	item.Time, item.Until = max(item.Time, e.now), max(item.Until, e.now+shareFor)
	return e.state.Put(key, item)
}

// fill gives the event the fields that it lacks, and returns those that only it has.
func (e *Engine) fill(earlier []Entry) []event.Dynamic {
	d := &e.decoded
	var mine []event.Dynamic
	for _, f := range sharedFields {
		value, _ := d.Get(f)
		theirs := ""
		for i := range earlier {
			if v, ok := earlier[i].field(f.String()); ok {
				theirs = v
				break
			}
		}
		switch {
		case value == "" && theirs != "":
			d.Set(f, theirs)
			d.Rewritten = true
		case value != "" && theirs == "" && len(value) <= shareMost:
			mine = append(mine, event.Dynamic{Name: f.String(), Value: value})
		}
	}
	return mine
}

// withoutTouch drops the last entry if it shares nothing: it was kept for its time only.
func withoutTouch(entries []Entry) []Entry {
	if n := len(entries); n > 0 && len(entries[n-1].Fields) == 0 {
		return entries[:n-1]
	}
	return entries
}
