package syscheck

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"
)

// The cache is a bucket of the spool's file:
//
//	syscheck/files   'f', path with its separators as zero bytes ─► a file's record, see known
//	syscheck/files   'r', …                                      ─► a registry key's
//	syscheck/meta    "state" ─► JSON, see memory
//
// With the zero bytes the order of the keys is that in which a walk meets the files: a directory's before its next neighbour's, as "a/b" before "a-b".
var (
	bucketSyscheck = []byte("syscheck")
	bucketFiles    = []byte("files")
	bucketMeta     = []byte("meta")
	keyState       = []byte("state")
)

// Spaces of keys in the cache.
const (
	spaceFile     = 'f'
	spaceRegistry = 'r'
)

// memory is what else is remembered between runs.
type memory struct {
	Epoch  uint64            `json:"epoch"`            // of the spool that was told of all files
	Roots  map[string]string `json:"roots,omitempty"`  // directories as configured that were scanned to their end ─► what then decided which files are watched
	Began  time.Time         `json:"began,omitzero"`   // the last scan
	Ended  time.Time         `json:"ended,omitzero"`   // the last one that came to its end
	Resend *resend           `json:"resend,omitempty"` // what is being told again
}

// key returns the key of a file's record.
func key(path string) []byte {
	k := make([]byte, 0, 1+len(path))
	k = append(append(k, spaceFile), path...)
	for i, c := range k[1:] {
		if c == filepath.Separator {
			k[1+i] = 0
		}
	}
	return k
}

// pathOf returns the path that key made a key of.
func pathOf(k []byte) string {
	return strings.ReplaceAll(string(k[1:]), "\x00", string(filepath.Separator))
}

// span is the keys from a first one up to before another.
type span struct{ from, to []byte }

// allFiles is the span of all files.
var allFiles = span{[]byte{spaceFile}, []byte{spaceFile + 1}}

// treeSpan returns the spans of a path and of all below it.
func treeSpan(path string) span {
	k := key(path)
	return span{k, append(bytes.TrimSuffix(bytes.Clone(k), []byte{0}), 1)}
}

// holds tells whether a key lies in it.
func (s span) holds(k []byte) bool {
	return bytes.Compare(k, s.from) >= 0 && bytes.Compare(k, s.to) < 0
}

// pageKeys is how many keys a cursor reads in one transaction.
const pageKeys = 512

// cursor goes over the cache's keys in their order, a page in each transaction, so that writers are not held up.
type cursor struct {
	view func(func(tx *bolt.Tx) error) error
	span span
	page [][]byte
	last bool // the page is the last one
}

// peek returns the present key, nil at the end.
func (c *cursor) peek() ([]byte, error) {
	if len(c.page) == 0 && !c.last {
		if err := c.fill(); err != nil {
			return nil, err
		}
	}
	if len(c.page) == 0 {
		return nil, nil
	}
	return c.page[0], nil
}

// next goes on to the key after the present one.
func (c *cursor) next() {
	c.span.from = append(c.page[0], 0) // the least key behind it
	c.page = c.page[1:]
}

func (c *cursor) fill() error {
	return c.view(func(tx *bolt.Tx) error {
		c.last = true
		files := filesOf(tx)
		if files == nil {
			return nil
		}
		cur := files.Cursor()
		for k, _ := cur.Seek(c.span.from); k != nil && c.span.holds(k); k, _ = cur.Next() {
			if len(c.page) == pageKeys {
				c.last = false
				break
			}
			c.page = append(c.page, bytes.Clone(k))
		}
		return nil
	})
}

func filesOf(tx *bolt.Tx) *bolt.Bucket {
	if b := tx.Bucket(bucketSyscheck); b != nil {
		return b.Bucket(bucketFiles)
	}
	return nil
}

// readMemory returns what is remembered; nothing is no error.
func readMemory(tx *bolt.Tx) (m memory, err error) {
	if b := tx.Bucket(bucketSyscheck); b != nil {
		if meta := b.Bucket(bucketMeta); meta != nil {
			if text := meta.Get(keyState); text != nil {
				err = json.Unmarshal(text, &m)
			}
		}
	}
	if m.Roots == nil {
		m.Roots = map[string]string{}
	}
	return m, err
}

// store puts records (nil: none any more) and, if it isn't nil, the memory into the cache.
func store(tx *bolt.Tx, puts map[string][]byte, m *memory) error {
	b, err := tx.CreateBucketIfNotExists(bucketSyscheck)
	if err != nil {
		return err
	}
	files, err := b.CreateBucketIfNotExists(bucketFiles)
	if err != nil {
		return err
	}
	files.FillPercent = 0.9 // a first scan comes in the order of the keys
	for k, v := range puts {
		if v == nil {
			err = files.Delete([]byte(k))
		} else {
			err = files.Put([]byte(k), v)
		}
		if err != nil {
			return fmt.Errorf("integrity record of %q: %w", pathOf([]byte(k)), err)
		}
	}
	if m == nil {
		return nil
	}
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	meta, err := b.CreateBucketIfNotExists(bucketMeta)
	if err != nil {
		return err
	}
	return meta.Put(keyState, text)
}
