package local

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/yagura-hids/yagura/internal/alertstore"
	"github.com/yagura-hids/yagura/internal/analysis"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/table"
	tables "github.com/yagura-hids/yagura/internal/table/bolt"
)

// commit is everything that some events changed.
type commit struct {
	alerts    []*event.Alert
	memory    string // the name of the memory that changes belong to
	changes   analysis.Changes
	files     []table.Op // of what is known of files
	fired     fired
	positions map[string]json.RawMessage
	lines     int                 // judged for it
	outputs   []string            // the outputs that want the alerts
	written   map[string]progress // by output: what it has written since the last commit
}

// progress is how far an output has got: it has written the alerts up to number Upto, and its files are that long.
type progress struct {
	Upto  uint64
	Files map[string]mark
}

// mark is a length of a file that a given inode had.
type mark struct {
	Size  int64  `json:"size"`
	Inode uint64 `json:"inode"`
}

// stored is an alert with its number.
type stored struct {
	n     uint64
	alert *event.Alert
}

// commit stores c in one transaction and returns its alerts with their numbers, without those that were stored before. After an error
// nothing has changed, and the same commit can be tried again, unless it is a *table.ConflictError: somebody else has changed what is known of files.
func (s *Store) commit(c *commit) ([]stored, error) {
	var fresh []stored
	err := s.update(func(tx *bolt.Tx) error {
		fresh = fresh[:0]
		last, err := lastAlert(tx)
		if err != nil {
			return err
		}
		for _, a := range c.alerts {
			added, err := putAlert(tx, a, last+1, c.outputs)
			if err != nil {
				return err
			}
			if added {
				last++
				fresh = append(fresh, stored{last, a})
			}
		}
		if err := put(tx.Bucket(bucketMeta), keyLast, last); err != nil {
			return err
		}
		return c.putRest(tx)
	})
	return fresh, err
}

func (c *commit) putRest(tx *bolt.Tx) error {
	for ops := range slices.Chunk(c.files, table.MaxOps) {
		if err := tables.Commit(tx, ops); err != nil {
			return fmt.Errorf("what is known of files: %w", err)
		}
	}
	if err := putMemory(tx, c.memory, c.changes); err != nil {
		return err
	}
	if len(c.alerts) > 0 {
		if err := put(tx.Bucket(bucketMeta), firedKey(c.memory), c.fired); err != nil {
			return err
		}
	}
	for name, text := range c.positions {
		if err := tx.Bucket(bucketSources).Put([]byte(name), text); err != nil {
			return err
		}
	}
	for name, p := range c.written {
		if err := putProgress(tx, name, p); err != nil {
			return err
		}
	}
	return nil
}

// putAlert stores an alert as number n, unless it is stored already, and notes for each output that it is to be written.
func putAlert(tx *bolt.Tx, a *event.Alert, n uint64, outputs []string) (bool, error) {
	op, err := alertstore.PutIn(alertstore.InFile, a, time.Time{})
	if err != nil {
		return false, err
	}
	var stored *table.ConflictError
	switch err := tables.Commit(tx, []table.Op{op}); {
	case errors.As(err, &stored):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("alert %s: %w", a.ID, err)
	}
	key := alertKey(op.Table.Key(op.Item))
	for _, name := range outputs {
		waiting, _, err := output(tx, name)
		if err != nil {
			return false, err
		}
		if err := waiting.Put(number(n), key); err != nil {
			return false, err
		}
	}
	return true, nil
}

// alertKey writes the key of an alert in its table as text: the moment, which has no zero in it, a zero, the agent.
func alertKey(key table.Key) []byte { return []byte(key.Sort + "\x00" + key.Partition) }

// readAlert returns the alert with the key that alertKey wrote.
func readAlert(tx *bolt.Tx, key []byte) (*event.Alert, error) {
	at, agent, _ := strings.Cut(string(key), "\x00")
	item, err := tables.Get(tx, alertstore.InFile, table.Key{Partition: agent, Sort: at})
	if err != nil {
		return nil, err
	}
	return alertstore.Read(item)
}

func putMemory(tx *bolt.Tx, name string, c analysis.Changes) error {
	b, err := tx.Bucket(bucketMemory).CreateBucketIfNotExists([]byte(name))
	if err != nil {
		return err
	}
	for key, item := range c.Items {
		if err := put(b, []byte(key), item); err != nil {
			return err
		}
	}
	for _, key := range c.Forgotten {
		if err := b.Delete([]byte(key)); err != nil {
			return err
		}
	}
	return nil
}

// output returns an output's buckets: the alerts that it has not written yet, and the marks of its files.
func output(tx *bolt.Tx, name string) (waiting, files *bolt.Bucket, err error) {
	b, err := tx.Bucket(bucketOutputs).CreateBucketIfNotExists([]byte(name))
	if err != nil {
		return nil, nil, err
	}
	if waiting, err = b.CreateBucketIfNotExists([]byte("waiting")); err != nil {
		return nil, nil, err
	}
	files, err = b.CreateBucketIfNotExists([]byte("files"))
	return waiting, files, err
}

func putProgress(tx *bolt.Tx, name string, p progress) error {
	waiting, files, err := output(tx, name)
	if err != nil {
		return err
	}
	c := waiting.Cursor()
	for k, _ := c.First(); k != nil && binary.BigEndian.Uint64(k) <= p.Upto; k, _ = c.First() {
		if err := c.Delete(); err != nil {
			return err
		}
	}
	for file, m := range p.Files {
		if err := put(files, []byte(file), m); err != nil {
			return err
		}
	}
	return nil
}

// waiting returns the alerts that an output has yet to write, from the one after number on, at most max of them.
func (s *Store) waiting(name string, after uint64, max int) ([]stored, error) {
	var list []stored
	err := s.outputs(name, func(tx *bolt.Tx, waiting, _ *bolt.Bucket) error {
		c := waiting.Cursor()
		for k, key := c.Seek(number(after + 1)); k != nil && len(list) < max; k, key = c.Next() {
			a, err := readAlert(tx, key)
			if err != nil {
				return err
			}
			list = append(list, stored{binary.BigEndian.Uint64(k), a})
		}
		return nil
	})
	return list, err
}

// mark returns the mark of an output's file, and whether there is one.
func (s *Store) mark(name, file string) (m mark, ok bool, err error) {
	err = s.outputs(name, func(_ *bolt.Tx, _, files *bolt.Bucket) error {
		ok = files.Get([]byte(file)) != nil
		return get(files, []byte(file), &m)
	})
	return m, ok, err
}

// outputs looks at the buckets of an output, if it has some yet.
func (s *Store) outputs(name string, fn func(tx *bolt.Tx, waiting, files *bolt.Bucket) error) error {
	return s.view(func(tx *bolt.Tx) error {
		b := tx.Bucket(bucketOutputs).Bucket([]byte(name))
		if b == nil {
			return nil
		}
		return fn(tx, b.Bucket([]byte("waiting")), b.Bucket([]byte("files")))
	})
}

// setMark stores a mark by itself.
func (s *Store) setMark(name, file string, m mark) error {
	return s.update(func(tx *bolt.Tx) error { return putProgress(tx, name, progress{Files: map[string]mark{file: m}}) })
}
