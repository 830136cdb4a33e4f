package analysis

import (
	"maps"
	"slices"

	"github.com/yagura-hids/yagura/internal/event"
)

// State is what the engine remembers between events. Its implementer answers for durability; the engine for what is kept.
// An error from any method fails the event: it must be analysed again later, and nothing of it be stored.
type State interface {
	// History returns the entries remembered under key, oldest first. The slice is the state's own, good until the next Remember.
	History(key string) ([]*Entry, error)
	// Remember keeps e under each of e.Keys. Called again with an entry that it holds already, it takes note of the entry's new Level.
	Remember(e *Entry) error
	// Note returns the note kept under key, and whether there is one.
	Note(key string) (Note, bool, error)
	// SetNote keeps a note under key in place of an earlier one.
	SetNote(key string, n Note) error
}

// Entry is a past alert's event, as far as later composite rules ask about it.
type Entry struct {
	Number   uint64          `json:"number"` // counts up from 1 in the order of remembering; given by the State
	Keys     []string        `json:"keys"`   // the histories it stands in, such as "sid/5716", "group/40111", "events"
	Event    event.ID        `json:"event"`
	Time     int64           `json:"time"`            // the event's, in seconds since 1970
	Level    int             `json:"level,omitempty"` // of the last composite rule that used it; 0 if none has
	Category event.Category  `json:"category"`
	Hostname string          `json:"hostname"`
	Fields   []event.Dynamic `json:"fields,omitempty"` // as in an alert
	Log      string          `json:"log"`
	FullLog  string          `json:"full_log"`
}

// Field returns the entry's decoded field of that name, and whether it has one.
func (e *Entry) Field(name string) (string, bool) {
	for i := range e.Fields {
		if e.Fields[i].Name == name {
			return e.Fields[i].Value, true
		}
	}
	return "", false
}

// Note is a small fact under a key: a first-time-seen mark, an ignore mark, the last output of a command, a counter.
type Note struct {
	Time  int64    `json:"time"`            // of the event that made it, in seconds since 1970
	Event event.ID `json:"event"`           // that made it
	Count int      `json:"count,omitempty"` // for counters
	Text  string   `json:"text,omitempty"`  // for outputs to compare
	Until int64    `json:"until,omitempty"` // when it may be forgotten, in seconds since 1970; 0 for never
}

// Memory is a State in memory. It also tells what has changed, so that its owner can store that and bring it back after a restart.
// Use NewMemory. It is not for concurrent use.
type Memory struct {
	limit   int
	events  []*Entry // all, oldest first
	keys    map[string][]*Entry
	notes   map[string]Note
	changed map[uint64]*Entry
	dropped []uint64
	noted   map[string]bool // keys of notes set or, if they are gone, forgotten
	mortal  int             // notes with an Until since the last sweep
	next    uint64
}

var _ State = (*Memory)(nil)

// DefaultMemory is how many events are remembered unless told otherwise: OSSEC's memory_size.
const DefaultMemory = 8192

// sidHistory is the most events that one key "sid/N" keeps, OSSEC's sid_prev_matched_max.
const sidHistory = 128

// sweepEvery is how many notes that may be forgotten are set between two sweeps.
const sweepEvery = 200

// NewMemory returns an empty state that remembers at most limit events; 0 means DefaultMemory.
func NewMemory(limit int) *Memory {
	if limit == 0 {
		limit = DefaultMemory
	}
	m := &Memory{limit: limit, keys: map[string][]*Entry{}, notes: map[string]Note{}, next: 1}
	m.clear()
	return m
}

func (m *Memory) clear() {
	m.changed, m.noted, m.dropped = map[uint64]*Entry{}, map[string]bool{}, nil
}

// History returns the entries under key, oldest first. It never fails.
func (m *Memory) History(key string) ([]*Entry, error) { return m.keys[key], nil }

// Remember keeps e, and forgets the oldest events beyond the limit. It never fails.
func (m *Memory) Remember(e *Entry) error {
	if e.Number == 0 {
		e.Number = m.next
		m.insert(e)
		m.trim()
	}
	m.changed[e.Number] = e
	return nil
}

func (m *Memory) insert(e *Entry) {
	m.next = e.Number + 1
	m.events = append(m.events, e)
	for _, key := range e.Keys {
		list := append(m.keys[key], e)
		if len(list) > sidHistory && key[0] == 's' {
			list = list[1:]
		}
		m.keys[key] = list
	}
}

// trim forgets the oldest events in runs of ten, as OSSEC does, so that it is seldom done.
func (m *Memory) trim() {
	if len(m.events) <= m.limit {
		return
	}
	for range 10 {
		e := m.events[0]
		m.events = m.events[1:]
		delete(m.changed, e.Number)
		m.dropped = append(m.dropped, e.Number)
		for _, key := range e.Keys {
			m.forget(key, e)
		}
		if len(m.events) == 0 {
			return
		}
	}
}

func (m *Memory) forget(key string, e *Entry) {
	list := m.keys[key]
	if len(list) == 0 || list[0] != e {
		return
	}
	if len(list) == 1 {
		delete(m.keys, key)
		return
	}
	m.keys[key] = list[1:]
}

// Note returns the note under key. It never fails.
func (m *Memory) Note(key string) (Note, bool, error) {
	n, ok := m.notes[key]
	return n, ok, nil
}

// SetNote keeps a note under key, and now and then forgets those whose time is over. It never fails.
func (m *Memory) SetNote(key string, n Note) error {
	m.notes[key] = n
	m.noted[key] = true
	if n.Until == 0 {
		return nil
	}
	if m.mortal++; m.mortal < sweepEvery {
		return nil
	}
	m.mortal = 0
	for key, old := range m.notes {
		if old.Until != 0 && old.Until < n.Time {
			delete(m.notes, key)
			m.noted[key] = true
		}
	}
	return nil
}

// Changes is what became different in a Memory.
type Changes struct {
	Entries   []*Entry        // new, or with another Level, by Number
	Dropped   []uint64        // numbers of entries forgotten
	Notes     map[string]Note // new or replaced
	Forgotten []string        // keys of notes that are gone
}

// Changes returns what has changed since the last call of Saved. Entries are the state's own: store them before the next event.
func (m *Memory) Changes() Changes {
	c := Changes{Dropped: m.dropped, Notes: make(map[string]Note, len(m.noted))}
	for _, e := range m.changed {
		c.Entries = append(c.Entries, e)
	}
	slices.SortFunc(c.Entries, func(a, b *Entry) int { return int(a.Number) - int(b.Number) })
	for key := range m.noted {
		if n, ok := m.notes[key]; ok {
			c.Notes[key] = n
		} else {
			c.Forgotten = append(c.Forgotten, key)
		}
	}
	return c
}

// Saved tells the state that what Changes returned is stored.
func (m *Memory) Saved() { m.clear() }

// Restore puts back entries and notes that were stored, the entries by rising Number. Call it on a new Memory, before any event.
func (m *Memory) Restore(entries []*Entry, notes map[string]Note) {
	for _, e := range entries {
		m.insert(e)
	}
	maps.Copy(m.notes, notes)
	for len(m.events) > m.limit {
		m.trim()
	}
}
