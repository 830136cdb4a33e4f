package legacy

import (
	"encoding/binary"
	"time"
)

// Limit sets how much is known of an agent at most.
func (k *Known) Limit(files, findings, hosts int) { k.most = limits{files, findings, hosts} }

// Unstored returns how many changes are held in memory.
func (k *Known) Unstored() int {
	for range k.layers {
		break
	}
	return len(k.unstored)
}

// Sum returns what is known of a file, "" if nothing is.
func (k *Known) Sum(agent, path string) (string, error) {
	sum, _, err := k.get(place{agent, files}, path)
	return sum, err
}

// Seen returns when a finding was seen first and last.
func (k *Known) Seen(agent, finding string) (first, last time.Time, err error) {
	was, _, err := k.get(place{agent, findings}, finding)
	if len(was) != 16 {
		return first, last, err
	}
	at := func(s string) time.Time { return time.Unix(int64(binary.BigEndian.Uint64([]byte(s))), 0).UTC() }
	return at(was[:8]), at(was[8:]), err
}
