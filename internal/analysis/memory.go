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
	mortal  int             // items with an end
}

var _ State = (*Memory)(nil)

// DefaultMemory is how many items with an end are remembered unless told otherwise: OSSEC's memory_size.
const DefaultMemory = 8192

// NewMemory returns an empty state that remembers at most limit items that have an end; 0 means DefaultMemory.
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
	if m.mortal > m.limit {
		m.shrink()
	}
	return nil
}

func (m *Memory) set(key string, i *Item) {
	if _, known := m.items[key]; !known && i.Until != 0 {
		m.mortal++
	}
	m.items[key] = i
}

// shrink forgets the items that are the soonest to end, a tenth of all, so that it is seldom done.
func (m *Memory) shrink() {
	type end struct {
		key   string
		until int64
	}
	ends := make([]end, 0, m.mortal)
	for key, i := range m.items {
		if i.Until != 0 {
			ends = append(ends, end{key, i.Until})
		}
	}
	slices.SortFunc(ends, func(a, b end) int { return cmp.Or(cmp.Compare(a.until, b.until), cmp.Compare(a.key, b.key)) })
	for _, e := range ends[:len(ends)-m.limit*9/10] {
		delete(m.items, e.key)
		m.changed[e.key] = true
		m.mortal--
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
	if m.mortal > m.limit {
		m.shrink()
	}
}
