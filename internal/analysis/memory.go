package analysis

import (
	"cmp"
	"slices"
)

// Memory is a State in memory. It also tells what has changed, so that its owner can store that and bring it back after a restart.
// What it forgets depends on what it holds only, so that a restart changes nothing. Use NewMemory. It is not for concurrent use.
type Memory struct {
	limit   int
	items   map[string]*Item
	changed map[string]bool // keys of items put or, if they are gone, forgotten
	ending  int             // items with an end
}

var _ State = (*Memory)(nil)

// DefaultMemory is how many items with an end are remembered unless told otherwise: OSSEC's memory_size.
const DefaultMemory = 8192

// endless is how many items without an end are remembered for each of those with one. They are small, and strangers can cause them, too.
const endless = 16

// NewMemory returns an empty state that remembers at most limit items that have an end, and 16 times as many others; 0 means DefaultMemory.
func NewMemory(limit int) *Memory {
	if limit == 0 {
		limit = DefaultMemory
	}
	return &Memory{limit: limit, items: map[string]*Item{}, changed: map[string]bool{}}
}

// Item returns the item under key. It never fails.
func (m *Memory) Item(key string) (*Item, error) { return m.items[key], nil }

// Put keeps an item, and forgets others if there are too many. It never fails.
func (m *Memory) Put(key string, i *Item) error {
	m.set(key, i)
	m.changed[key] = true
	m.shrink()
	return nil
}

func (m *Memory) set(key string, i *Item) {
	if _, known := m.items[key]; !known && i.Until != 0 {
		m.ending++
	}
	m.items[key] = i
}

// shrink forgets items if there are too many: those that are the soonest to end, or of the others those that changed the longest ago.
func (m *Memory) shrink() {
	if m.ending > m.limit {
		m.forget(m.limit*9/10, func(i *Item) (int64, bool) { return i.Until, i.Until != 0 })
	}
	if len(m.items)-m.ending > m.limit*endless {
		m.forget(m.limit*endless*9/10, func(i *Item) (int64, bool) { return i.Time, i.Until == 0 })
	}
}

// forget leaves that many of the items that by chooses, a tenth less than there may be, so that it is seldom done.
func (m *Memory) forget(left int, by func(*Item) (order int64, chosen bool)) {
	type candidate struct {
		key   string
		order int64
	}
	var list []candidate
	for key, i := range m.items {
		if order, chosen := by(i); chosen {
			list = append(list, candidate{key, order})
		}
	}
	slices.SortFunc(list, func(a, b candidate) int { return cmp.Or(cmp.Compare(a.order, b.order), cmp.Compare(a.key, b.key)) })
	for _, c := range list[:len(list)-left] {
		if m.items[c.key].Until != 0 {
			m.ending--
		}
		delete(m.items, c.key)
		m.changed[c.key] = true
	}
}

// Changes is what became different in a Memory.
type Changes struct {
	Items     map[string]*Item // new or changed, by key
	Forgotten []string         // keys of items that are gone
}

// Changes returns what has changed since the last call of Saved. Items are the state's own: store them before the next event.
func (m *Memory) Changes() Changes {
	c := Changes{Items: make(map[string]*Item, len(m.changed))}
	for key := range m.changed {
		if i, ok := m.items[key]; ok {
			c.Items[key] = i
		} else {
			c.Forgotten = append(c.Forgotten, key)
		}
	}
	return c
}

// Saved tells the state that what Changes returned is stored.
func (m *Memory) Saved() { clear(m.changed) }

// Restore puts back items that were stored. Call it on a new Memory, before any event.
func (m *Memory) Restore(items map[string]*Item) {
	for key, i := range items {
		m.set(key, i)
	}
	m.shrink()
}
