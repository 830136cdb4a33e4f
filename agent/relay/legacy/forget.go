package legacy

import (
	"encoding/json"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"
)

// What Clear forgets.
const (
	Syscheck  = "syscheck"
	Rootcheck = "rootcheck"
	All       = "all" // of a host that is gone
)

// Clear forgets what is known of a host: Syscheck, Rootcheck, or All. Its files are known anew once its agent has started again.
func (k *Known) Clear(agent, what string) error {
	if what == All {
		for at := range k.fresh.edits {
			if at.agent == agent {
				delete(k.fresh.edits, at)
			}
		}
		delete(k.fresh.states, agent)
		delete(k.states, agent)
		k.fresh.gone[agent] = true
		return nil
	}
	st, err := k.state(agent)
	if err != nil {
		return err
	}
	forgotten := []string{findings}
	switch what {
	case Syscheck:
		forgotten = []string{files, registry}
		st.Telling, st.Whole, st.Keys, st.Files = false, false, false, 0
	case Rootcheck:
		st.Findings = 0
	default:
		return fmt.Errorf("clear %q of agent %s: want %s, %s or %s", what, agent, Syscheck, Rootcheck, All)
	}
	for _, name := range forgotten {
		k.fresh.edits[place{agent, name}] = &edit{cleared: true, puts: map[string]string{}}
	}
	k.changed(agent, st)
	return nil
}

// forgetAtOnce is how many hosts one call of Forget forgets: a transaction that deletes much holds up others.
const forgetAtOnce = 20

// Forget forgets the hosts whose agents last started, or began or ended a scan, before a time; so that those of hosts that come and go don't
// fill the disk. It returns how many these were; there may be more.
func (k *Known) Forget(before time.Time) (n int, err error) {
	silent, err := k.silent(before)
	if err != nil {
		return 0, err
	}
	for _, agent := range silent {
		st, err := k.state(agent) // what isn't stored yet is later
		if err != nil {
			return n, err
		}
		if st.Heard >= before.Unix() || st.Heard == 0 {
			continue
		}
		if err := k.Clear(agent, All); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// silent returns agents that according to the disk were not heard since.
func (k *Known) silent(before time.Time) (agents []string, err error) {
	err = k.view(func(tx *bolt.Tx) error {
		root := tx.Bucket(bucketLegacy)
		if root == nil {
			return nil
		}
		c := root.Cursor()
		for agent, _ := c.First(); agent != nil && len(agents) < forgetAtOnce; agent, _ = c.Next() {
			var st state
			text := root.Bucket(agent).Get(keyState)
			if json.Unmarshal(text, &st) == nil && st.Heard > 0 && st.Heard < before.Unix() {
				agents = append(agents, string(agent))
			}
		}
		return nil
	})
	return agents, err
}
