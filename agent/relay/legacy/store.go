package legacy

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// The bucket legacy has one for each agent, which holds
//
//	state            a state as JSON
//	files     PATH ─► sum; "-1" of a file that is gone
//	registry  KEY  ─► …
//	findings  TEXT ─► seen first, last: seconds since 1970, each 8 bytes, big-endian
//	hosts     IP   ─► its open ports
var (
	bucketLegacy = []byte("legacy")
	keyState     = []byte("state")
)

const (
	files    = "files"
	registry = "registry"
	findings = "findings"
	hosts    = "hosts"
)

// state is what else is known of an agent.
type state struct {
	Telling  bool  `json:"telling,omitempty"` // it has started and tells all it watches
	Whole    bool  `json:"whole,omitempty"`   // it has told all its files
	Keys     bool  `json:"keys,omitempty"`    // … and its registry's keys
	Files    int   `json:"files,omitempty"`   // entries of files and registry
	Findings int   `json:"findings,omitempty"`
	Hosts    int   `json:"hosts,omitempty"`
	Heard    int64 `json:"heard,omitempty"` // when it started, or a scan of it began or ended: seconds since 1970
}

// place is a bucket of an agent.
type place struct{ agent, bucket string }

// Changes is what was learnt between two calls of Known's Changes. Until it is stored, Read looks there, too.
type Changes struct {
	gone   map[string]bool   // agents of which nothing is known any more, but for what follows
	edits  map[place]*edit   // …
	states map[string]string // agent ─► JSON
	stored atomic.Bool
}

type edit struct {
	cleared bool // nothing is known any more, but for what follows
	puts    map[string]string
}

func newChanges() *Changes {
	return &Changes{gone: map[string]bool{}, edits: map[place]*edit{}, states: map[string]string{}}
}

// maxStates is how many agents' states are held in memory.
const maxStates = 100_000

// Changes returns what was learnt since the last call. Each must be put, in their order; until then it takes memory.
func (k *Known) Changes() *Changes {
	c := k.fresh
	if len(c.gone)+len(c.edits)+len(c.states) == 0 {
		return &Changes{}
	}
	for agent := range c.states {
		text, _ := json.Marshal(k.states[agent]) // no value of its type fails
		c.states[agent] = string(text)
	}
	if len(k.states) > maxStates {
		clear(k.states)
	}
	k.fresh = newChanges()
	k.unstored = append(k.unstored, c)
	return c
}

// Put stores the changes, in the transaction that stores the events of the same messages. If that fails, Put is to be called in the next one.
func (c *Changes) Put(tx *bolt.Tx) error {
	if len(c.gone)+len(c.edits)+len(c.states) == 0 {
		return nil
	}
	root, err := tx.CreateBucketIfNotExists(bucketLegacy)
	if err != nil {
		return err
	}
	for agent := range c.gone {
		if err := drop(root, agent); err != nil {
			return err
		}
	}
	for at, e := range c.edits {
		if err := e.put(root, at); err != nil {
			return fmt.Errorf("what is known of agent %s: %s: %w", at.agent, at.bucket, err)
		}
	}
	for agent, text := range c.states {
		b, err := root.CreateBucketIfNotExists([]byte(agent))
		if err != nil {
			return err
		}
		if err := b.Put(keyState, []byte(text)); err != nil {
			return err
		}
	}
	tx.OnCommit(func() { c.stored.Store(true) })
	return nil
}

func drop(b *bolt.Bucket, name string) error {
	if err := b.DeleteBucket([]byte(name)); !errors.Is(err, berrors.ErrBucketNotFound) {
		return err
	}
	return nil
}

func (e *edit) put(root *bolt.Bucket, at place) error {
	agent, err := root.CreateBucketIfNotExists([]byte(at.agent))
	if err == nil && e.cleared {
		err = drop(agent, at.bucket)
	}
	if err != nil || len(e.puts) == 0 {
		return err
	}
	b, err := agent.CreateBucketIfNotExists([]byte(at.bucket))
	if err != nil {
		return err
	}
	b.FillPercent = 0.9 // a first scan comes nearly in the order of the keys
	for key, value := range e.puts {
		if err := b.Put([]byte(key), []byte(value)); err != nil {
			return err
		}
	}
	return nil
}

// get returns what is known under a key.
func (k *Known) get(at place, key string) (value string, known bool, err error) {
	for c := range k.layers {
		e := c.edits[at]
		if e != nil {
			if value, known = e.puts[key]; known {
				return value, true, nil
			}
		}
		if e != nil && e.cleared || c.gone[at.agent] {
			return "", false, nil
		}
	}
	err = k.view(func(tx *bolt.Tx) error {
		if b := agentOf(tx, at.agent); b != nil {
			if b = b.Bucket([]byte(at.bucket)); b != nil {
				v := b.Get([]byte(key))
				value, known = string(v), v != nil
			}
		}
		return nil
	})
	return value, known, err
}

// layers are the changes that may not be stored, the newest first.
func (k *Known) layers(yield func(*Changes) bool) {
	for len(k.unstored) > 0 && k.unstored[0].stored.Load() {
		k.unstored = k.unstored[1:]
	}
	if !yield(k.fresh) {
		return
	}
	for _, c := range slices.Backward(k.unstored) {
		if !yield(c) {
			return
		}
	}
}

// agentOf returns an agent's bucket, nil if there is none.
func agentOf(tx *bolt.Tx, agent string) *bolt.Bucket {
	if root := tx.Bucket(bucketLegacy); root != nil {
		return root.Bucket([]byte(agent))
	}
	return nil
}

func (k *Known) put(at place, key, value string) {
	e := k.fresh.edits[at]
	if e == nil {
		e = &edit{puts: map[string]string{}}
		k.fresh.edits[at] = e
	}
	e.puts[key] = value
}

// state returns an agent's state; who changes it calls changed.
func (k *Known) state(agent string) (*state, error) {
	if st := k.states[agent]; st != nil {
		return st, nil
	}
	text, err := k.storedState(agent)
	if err != nil {
		return nil, err
	}
	st := new(state)
	if text != "" {
		if err := json.Unmarshal([]byte(text), st); err != nil {
			return nil, fmt.Errorf("what is known of agent %s: %w", agent, err)
		}
	}
	k.states[agent] = st
	return st, nil
}

func (k *Known) storedState(agent string) (text string, err error) {
	for c := range k.layers {
		if text, ok := c.states[agent]; ok {
			return text, nil
		}
		if c.gone[agent] {
			return "", nil
		}
	}
	err = k.view(func(tx *bolt.Tx) error {
		if b := agentOf(tx, agent); b != nil {
			text = string(b.Get(keyState))
		}
		return nil
	})
	return text, err
}

func (k *Known) changed(agent string, st *state) {
	k.states[agent] = st
	k.fresh.states[agent] = "" // Changes fills it
}
