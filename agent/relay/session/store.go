package session

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"
)

// In the store are
//
//	sessions  key's id, 0, a byte for whether there is a place, place (16), born (8) ─► a session; see record.go
//	heard     number (8) ─► time (8), fingerprints (8 each) that are in no segment
//	segments  number (8) ─► span, as JSON
//
// with all numbers big-endian.
var (
	bucketSessions = []byte("relay-sessions")
	bucketHeard    = []byte("relay-heard")
	bucketSegments = []byte("relay-segments")
)

// Open returns the sessions as they were stored; those that were live then are live again. view opens a transaction on the store that Put is
// given one of; dir is for fingerprints, and is made if it isn't there. A file of these that can't be read is told of and left out.
func Open(view func(func(*bolt.Tx) error) error, dir string, o Options) (*Sessions, error) {
	s := &Sessions{opts: o, view: view, dir: dir, keys: map[string]*keyState{}, notices: map[about]*notice{}}
	s.sources.seed = maphash.MakeSeed()
	if s.opts.Max == 0 {
		s.opts.Max = defaultMax
	}
	if s.opts.MaxBytes == 0 {
		s.opts.MaxBytes = defaultBytes
	}
	if s.opts.Alert == nil {
		s.opts.Alert = func(string) {}
	}
	if s.opts.Report == nil {
		s.opts.Report = func(string) {}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("sessions: %w", err)
	}
	if err := view(s.load); err != nil {
		return nil, errors.Join(fmt.Errorf("sessions: %w", err), s.Close())
	}
	return s, nil
}

// Close closes the files of fingerprints.
func (s *Sessions) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, g := range s.heard.segments {
		errs = append(errs, g.close())
	}
	if s.heard.sealing != nil {
		errs = append(errs, s.heard.sealing.segment.close())
	}
	s.heard.segments = nil
	return errors.Join(errs...)
}

// load reads what Put stored.
func (s *Sessions) load(tx *bolt.Tx) error {
	if err := s.loadHeard(tx); err != nil {
		return err
	}
	b := tx.Bucket(bucketSessions)
	if b == nil {
		return nil
	}
	var all []*Session
	err := b.ForEach(func(k, v []byte) error {
		x, err := readRecord(k, v)
		if err != nil {
			s.opts.Report(fmt.Sprintf("%v; it begins anew", err))
			return nil // one host's counters are no reason to leave all others unheard
		}
		if x.Last.After(s.now) {
			s.now = x.Last
		}
		all = append(all, x)
		return nil
	})
	newestFirst(all)
	for _, x := range all {
		if x.live && s.now.Sub(x.Last) < Idle && s.total < s.opts.Max {
			s.revive(x)
		} else {
			x.live = false
		}
	}
	for _, x := range all {
		if ks := s.keys[x.Key.ID]; !x.live && ks != nil && ks.hosts[x.place] != nil && count(ks.hosts[x.place]) <= former && s.total < s.opts.Max {
			s.link(ks, x)
		}
	}
	return err
}

// revive makes one from the disk live.
func (s *Sessions) revive(x *Session) {
	ks := s.key(x.Key.ID)
	s.link(ks, x)
	x.began = x.First
	ks.live++
	if x.Agent = x.given; x.Agent != "" {
		ks.agents[x.Agent] = x
	}
}

// at returns the first session at a place, from the disk if none is in memory.
func (s *Sessions) at(ks *keyState, a *Arrival, place netip.Addr) *Session {
	if x := ks.hosts[place]; x != nil || s.total >= s.opts.Max {
		return x
	}
	found, err := s.recall(a.Key, place)
	if err != nil {
		s.trouble(a.At, fmt.Sprintf("sessions of %s: %v; they begin anew", a.From.Addr(), err))
	}
	newestFirst(found)
	for _, x := range found[:min(len(found), former)] {
		s.link(ks, x)
	}
	return ks.hosts[place]
}

// recall reads the sessions of a place from the disk, those that can be read.
func (s *Sessions) recall(key *Key, place netip.Addr) (found []*Session, err error) {
	prefix := placeKey(key.ID, place)
	var bad []error
	err = s.view(func(tx *bolt.Tx) error {
		b := tx.Bucket(bucketSessions)
		if b == nil {
			return nil
		}
		c := b.Cursor()
		for k, v := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, v = c.Next() {
			x, err := readRecord(k, v)
			if err != nil {
				bad = append(bad, err)
				continue
			}
			x.Key, x.live = key, false
			found = append(found, x)
		}
		return nil
	})
	return found, errors.Join(append(bad, err)...)
}

// loadHeard reads fingerprints, and deletes the files that no transaction has made known, or one has given up.
func (s *Sessions) loadHeard(tx *bolt.Tx) error {
	listed := map[string]bool{}
	if b := tx.Bucket(bucketSegments); b != nil {
		err := b.ForEach(func(k, v []byte) error {
			g := &segment{}
			if err := json.Unmarshal(v, &g.span); err != nil {
				return fmt.Errorf("segment %x: %w", k, err)
			}
			listed[g.name()] = true
			s.era = max(s.era, g.ID)
			if open, err := openSegment(s.dir, g.span); err == nil {
				g = open
			} else {
				s.opts.Report(fmt.Sprintf("fingerprints: %v; replays of what was heard from %s to %s are not known", err, stamp(g.From), stamp(g.To)))
			}
			s.heard.segments = append(s.heard.segments, g)
			return nil
		})
		if err != nil {
			return err
		}
	}
	if b := tx.Bucket(bucketHeard); b != nil {
		err := b.ForEach(func(k, v []byte) error {
			at, err := s.heard.readChunk(v)
			if err != nil {
				s.opts.Report(fmt.Sprintf("fingerprints: %x: %v; replays of what was in it are not known", k, err))
				return nil
			}
			if at.After(s.now) {
				s.now = at
			}
			s.era = max(s.era, binary.BigEndian.Uint64(k))
			return nil
		})
		if err != nil {
			return err
		}
	}
	return s.sweep(listed)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// sweep deletes the files of fingerprints that aren't listed.
func (s *Sessions) sweep(listed map[string]bool) error {
	files, err := filepath.Glob(filepath.Join(s.dir, "heard-*.fp"))
	for _, f := range files {
		if !listed[filepath.Base(f)] {
			err = errors.Join(err, os.Remove(f))
		}
	}
	return err
}

// trouble tells of what can't be read, once a minute.
func (s *Sessions) trouble(now time.Time, msg string) {
	if now.Sub(s.troubled) >= tellEvery {
		s.troubled = now
		s.opts.Report(msg)
	}
}
