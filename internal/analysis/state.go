package analysis

import (
	"cmp"
	"slices"
	"strings"

	"github.com/yagura-hids/yagura/internal/event"
)

// State is what the engine remembers between events: items under keys. It's a table and no more, so that it can be one; what an item means,
// and how long it grows, is the engine's to know. The keys begin with their kind:
//
//	barrier/EVENTS/AGENT how far an agent's events were used up by composite rules; EVENTS is rule.Correlation's Key
//	count/RULE/VALUES    the events that a composite rule counts, one item for each set of values that its same_* options compare
//	ignore/RULE          when a rule with an ignore time fired
//	ignored/FIELDS       what an <ignore> put on the list
//	newest/AGENT         the newest event of each rule that composites count
//	first/FIELDS         what if_fts has seen; of an agent's rootkit check, in which epochs it told a finding
//	recent/ids           the last of these, of intrusion detection systems
//	hours/AGENT          how many events an agent has in which hour of the day
//	last/LOCATION        the last messages of a log
//	diff/HOST/RULE       outputs that check_diff compares
//	shared/HOST …        fields that events of one id share
//
// Each item knows the events that changed it, so that an event which comes twice gets its verdict again and changes nothing. Items may be
// stored one after another, and that may be cut off anywhere, as long as those of "barrier/" go first and those of "newest/" last: an item that
// dealt with an event doesn't look at its barriers again. The alerts of an event are to be stored before any item that it changed.
//
// An error from a method fails the event, which is then to be analysed again. Items that were put before that do no harm; an item that was
// read, and not put, is to be read anew.
type State interface {
	// Item returns what is kept under key, nil if nothing is. The engine may change it, and then puts it.
	Item(key string) (*Item, error)
	// Put keeps an item under key in place of an earlier one.
	Put(key string, i *Item) error
}

// CompareKeys orders keys so that items may be stored one after another: see [State].
func CompareKeys(a, b string) int { return cmp.Or(cmp.Compare(turn(a), turn(b)), cmp.Compare(a, b)) }

func turn(key string) int {
	switch {
	case strings.HasPrefix(key, "barrier/"):
		return 0
	case strings.HasPrefix(key, "newest/"):
		return 2
	}
	return 1
}

// MustHold tells whether an item that was read, or found missing, must still be the same when others are stored that were changed after it. If
// several engines share a state and each checks this, and that nobody else changed what it puts, their verdicts are those of one engine which got
// all events in some order. What the other kinds say stays true, or is changed by those who read it.
func MustHold(key string) bool { return strings.HasPrefix(key, "barrier/") }

// Item is what is kept under one key.
type Item struct {
	Past  []Entry `json:"past,omitempty"`  // events, in the order of their coming, as many as are of use
	Seen  []Seen  `json:"seen,omitempty"`  // whose events were dealt with
	Hours []int   `json:"hours,omitempty"` // how many events there are in which hour: see excess
	Time  int64   `json:"time"`            // of the event that changed it last, in seconds since 1970
	Until int64   `json:"until,omitempty"` // when it may be forgotten, likewise; 0 for never
}

// Entry is an earlier event, as far as later ones ask about it. Most kinds of item need only some of its fields.
type Entry struct {
	Event  event.ID        `json:"event"`
	Time   int64           `json:"time"`            // in nanoseconds since 1970
	Rule   int             `json:"rule,omitempty"`  // its verdict
	Times  int             `json:"times,omitempty"` // how often it counts
	Level  int             `json:"level,omitempty"` // of the last composite rule that used it; 0 if none has
	Fields []event.Dynamic `json:"fields,omitempty"`
	Text   string          `json:"text,omitempty"`
	By     *Entry          `json:"by,omitempty"` // what made this entry, if not its event: its Event and Time
}

// Seen tells that an agent's events of one epoch were dealt with, up to a number: an agent's events come in their order.
type Seen struct {
	Agent string   `json:"agent"`
	Epoch uint64   `json:"epoch"`
	Seq   uint64   `json:"seq"`             // of the last one
	Fired []uint64 `json:"fired,omitempty"` // those on which the composite rule fired, the newest ones last
	Time  int64    `json:"time"`            // of the last one, in seconds since 1970
}

// seen returns what the item knows of the event's agent and epoch, nil if it knows neither.
func (i *Item) seen(id event.ID) *Seen {
	for k := range i.Seen {
		if s := &i.Seen[k]; s.Epoch == id.Epoch && s.Agent == id.Agent {
			return s
		}
	}
	return nil
}

// has tells whether the item dealt with the event before.
func (i *Item) has(id event.ID) bool {
	s := i.seen(id)
	return s != nil && id.Seq <= s.Seq
}

// fired tells whether the composite rule fired on the event.
func (i *Item) fired(id event.ID) bool {
	s := i.seen(id)
	return s != nil && slices.Contains(s.Fired, id.Seq)
}

// The bounds of what an item knows of events that may come twice.
const (
	maxSeen  = 256           // agents
	maxFired = 1024          // of an agent: more than those of nearly any batch
	allFired = 16 * maxFired // of all agents, about
	minFired = 64            // of an agent, however many there are: an item must fit into a table
)

// see notes that the item deals with the event, and whether the composite rule fires.
func (i *Item) see(id event.ID, now int64, fires bool) {
	s := i.seen(id)
	if s == nil {
		i.Seen = append(i.Seen, Seen{Agent: id.Agent, Epoch: id.Epoch})
		s = &i.Seen[len(i.Seen)-1]
	}
	i.Time, s.Time = now, max(s.Time, now)
	s.Seq = max(s.Seq, id.Seq)
	if fires {
		s.Fired = append(s.Fired, id.Seq)
		most := max(min(maxFired, allFired/len(i.Seen)), minFired)
		s.Fired = s.Fired[max(len(s.Fired)-most, 0):]
	}
	if len(i.Seen) > maxSeen {
		oldest := slices.MinFunc(i.Seen, func(a, b Seen) int { return cmp.Compare(a.Time, b.Time) })
		i.Seen = slices.DeleteFunc(i.Seen, func(s Seen) bool { return s.Time == oldest.Time && s.Agent == oldest.Agent && s.Epoch == oldest.Epoch })
	}
}

// keep adds an entry, and forgets the oldest beyond most.
func (i *Item) keep(e Entry, most int) {
	i.Past = append(i.Past, e)
	i.Past = i.Past[max(len(i.Past)-most, 0):]
	i.Time = max(i.Time, e.Time/1e9)
}

// find returns the place of the event's entry, -1 if it has none.
func (i *Item) find(id event.ID) int {
	return slices.IndexFunc(i.Past, func(e Entry) bool { return e.Event == id })
}

// before tells whether e comes before other, in the order that Sort gives: an agent's own events have their numbers; between agents, time
// must do.
func (e *Entry) before(other *Entry) bool {
	a, b := e.Event, other.Event
	if a.Agent == b.Agent && a.Epoch == b.Epoch {
		return a.Seq < b.Seq
	}
	return cmp.Or(cmp.Compare(e.Time, other.Time), cmp.Compare(a.Agent, b.Agent), cmp.Compare(a.Epoch, b.Epoch)) < 0
}

// field returns the value of the entry's field of that name, and whether it has one.
func (e *Entry) field(name string) (string, bool) {
	for i := range e.Fields {
		if e.Fields[i].Name == name {
			return e.Fields[i].Value, true
		}
	}
	return "", false
}
