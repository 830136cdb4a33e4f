package session

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"
)

// purgeEvery is how often what is too old is looked for on disk.
const purgeEvery = time.Hour

// Changes is a part of what is known, as it was at one moment.
type Changes struct {
	s        *Sessions
	era      uint64
	now      time.Time
	sessions []pair
	before   time.Time // sessions that were not heard since are deleted; zero for none
	chunk    []byte    // of fingerprints, with their time; nil for none
	seal     *seal     // nil for none
	old      []*segment
}

type pair struct{ key, value []byte }

// Changes returns what is to be stored with the events admitted since the last call. Each is to be put before the next one is; one that can't be
// put must end the process, or the next Open knows less than it should.
func (s *Sessions) Changes() *Changes {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.era++
	c := &Changes{s: s, era: s.era, now: s.now, chunk: s.heard.chunk(s.now)}
	for _, x := range s.changed {
		x.dirty, x.era = false, s.era
		c.sessions = append(c.sessions, pair{x.storeKey(), x.record()})
	}
	clear(s.changed)
	s.changed = s.changed[:0]
	if s.now.Sub(s.purged) >= purgeEvery {
		s.purged = s.now
		c.before = s.now.Add(-Remembered)
	}
	c.seal = s.heard.startSeal(s.now, s.era)
	c.old = s.heard.outdated(s.now, s.opts.MaxBytes)
	return c
}

// Put stores them. If the transaction fails it may be called again in another one.
func (c *Changes) Put(tx *bolt.Tx) error {
	if err := c.putSessions(tx); err != nil {
		return fmt.Errorf("sessions: %w", err)
	}
	if err := c.putHeard(tx); err != nil {
		return fmt.Errorf("fingerprints: %w", err)
	}
	sealed, err := c.putSegments(tx)
	if err != nil {
		return fmt.Errorf("fingerprints: %w", err)
	}
	tx.OnCommit(func() { c.s.stored(c, sealed) })
	return nil
}

func (c *Changes) putSessions(tx *bolt.Tx) error {
	b, err := tx.CreateBucketIfNotExists(bucketSessions)
	if err != nil {
		return err
	}
	if !c.before.IsZero() {
		err = deleteIf(b, func(_, v []byte) bool { return lastOf(v).Before(c.before) })
	}
	if err != nil {
		return err
	}
	for _, p := range c.sessions {
		if err := b.Put(p.key, p.value); err != nil {
			return err
		}
	}
	return nil
}

func (c *Changes) putHeard(tx *bolt.Tx) error {
	b, err := tx.CreateBucketIfNotExists(bucketHeard)
	if err != nil || c.chunk == nil {
		return err
	}
	return b.Put(binary.BigEndian.AppendUint64(nil, c.era), c.chunk)
}

// deleteIf deletes what is to go. Deleting while iterating would leave some out.
func deleteIf(b *bolt.Bucket, gone func(k, v []byte) bool) error {
	var keys [][]byte
	err := b.ForEach(func(k, v []byte) error {
		if gone(k, v) {
			keys = append(keys, bytes.Clone(k))
		}
		return nil
	})
	for _, k := range keys {
		if err := b.Delete(k); err != nil {
			return err
		}
	}
	return err
}

// putSegments makes a segment of the chunks it is time for, and takes those out that are outdated. A segment that can't be written, on a full
// disk, is tried again later: its chunks are as good.
func (c *Changes) putSegments(tx *bolt.Tx) (sealed bool, err error) {
	b, err := tx.CreateBucketIfNotExists(bucketSegments)
	if err != nil {
		return false, err
	}
	for _, g := range c.old {
		if err := b.Delete(binary.BigEndian.AppendUint64(nil, g.ID)); err != nil {
			return false, err
		}
	}
	if c.seal == nil || !c.seal.write(c.s.dir, c.now, c.s.opts.Report) {
		return false, nil
	}
	text, err := json.Marshal(c.seal.span)
	if err != nil {
		return false, err
	}
	done := func(k, _ []byte) bool { return binary.BigEndian.Uint64(k) <= c.seal.ID }
	if err := deleteIf(tx.Bucket(bucketHeard), done); err != nil {
		return false, err
	}
	return true, b.Put(binary.BigEndian.AppendUint64(nil, c.seal.ID), text)
}

// stored notes that changes are on disk.
func (s *Sessions) stored(c *Changes, sealed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.safe = c.era
	if sealed {
		s.heard.endSeal(c.seal)
	}
	for _, g := range c.old {
		if err := s.heard.drop(g, s.dir); err != nil {
			s.opts.Report(fmt.Sprintf("fingerprints: %v; the next start deletes it", err))
		}
	}
}
