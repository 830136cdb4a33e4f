package local

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/yagura-hids/yagura/internal/alertstore"
	"github.com/yagura-hids/yagura/internal/analysis"
	tables "github.com/yagura-hids/yagura/internal/table/bolt"
)

// Errors of opening a store.
var (
	// ErrLocked is returned when another process has the data directory open.
	ErrLocked = errors.New("in use by another yagura")
	// ErrDamaged is returned when the file is no database of ours, or not a whole one.
	ErrDamaged = errors.New("damaged")
	// ErrNoStore is returned when there is nothing to read in a data directory.
	ErrNoStore = errors.New("nothing stored yet")
)

// FileName is the name of the store's file in the data directory.
const FileName = "yagura.db"

// The buckets; the package comment draws what they hold.
var (
	bucketMeta    = []byte("meta")
	bucketSources = []byte("sources")
	bucketMemory  = []byte("memory")
	bucketOutputs = []byte("outputs")

	buckets = [][]byte{bucketMeta, bucketSources, bucketMemory, bucketOutputs} // tables alerts and fleet add their own

	keyFormat = []byte("format")
	keyLast   = []byte("last")
)

const format = "yagura 2" // of the file; another one is refused

// Store is the one file that holds all that must survive. It may be used by several goroutines, but only one may Run on it.
type Store struct {
	db     *bolt.DB
	tables *tables.Table // in db
	path   string
}

// Open opens the store in a data directory, making both if they do not exist.
// The error wraps ErrLocked or ErrDamaged where that is the cause, and says what to do.
func Open(dir string) (*Store, error) {
	// A query, or a change of the fleet, holds the file for a moment only; wait for that.
	return openWithin(dir, time.Second)
}

// openWithin is Open, which waits so long for another process.
func openWithin(dir string, wait time.Duration) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data directory: %w; choose one that you may write to", err)
	}
	s, err := openFile(filepath.Join(dir, FileName), &bolt.Options{Timeout: wait})
	if err != nil {
		return nil, err
	}
	if err := s.update(s.prepare); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", s.path, err), s.Close())
	}
	return s, nil
}

// openToRead opens a store that nobody has open for writing.
func openToRead(dir string, wait time.Duration) (*Store, error) {
	path := filepath.Join(dir, FileName)
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("read %s: %w; run yagura local, or yagura replay, with this data directory first", path, ErrNoStore)
	}
	s, err := openFile(path, &bolt.Options{ReadOnly: true, Timeout: wait})
	if err != nil {
		return nil, err
	}
	if err := s.view(s.recognise); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), s.Close())
	}
	return s, nil
}

func openFile(path string, opts *bolt.Options) (*Store, error) {
	s := &Store{path: path}
	var file *os.File
	opts.OpenFile = func(name string, flag int, mode os.FileMode) (f *os.File, err error) {
		file, err = os.OpenFile(name, flag, mode)
		return file, err
	}
	err := s.guard(func() (err error) {
		s.db, err = bolt.Open(path, 0o600, opts)
		return err
	})
	if err == nil {
		s.tables = tables.New(s.db)
		return s, nil
	}
	if file != nil { // closed already, unless opening ended in a panic; then the mapping would keep the lock
		_ = syscall.Flock(int(file.Fd()), syscall.LOCK_UN)
		_ = file.Close()
	}
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return nil, fmt.Errorf("open %s: %w; stop that one (yagura local or yagura replay), or choose another data directory", path, ErrLocked)
	case errors.Is(err, ErrDamaged):
		return nil, fmt.Errorf("open %s: %w", path, err)
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrVersionMismatch), errors.Is(err, berrors.ErrChecksum),
		errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return nil, fmt.Errorf("open %s: %w", path, damaged(err))
	}
	return nil, fmt.Errorf("open %s: %w; see that you own it and that the disk has room", path, err)
}

// damaged says what can be done about a file that can't be read.
func damaged(cause any) error {
	return fmt.Errorf("%w: %v; move the file away and start again: alerts so far remain in alerts/*.log and *.json, logs are followed from now on",
		ErrDamaged, cause)
}

// guard turns what a damaged file does to bbolt, panics and reads beyond the end of the mapping, into an error, and says what can be done.
func (s *Store) guard(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = damaged(r)
		}
	}()
	if err = fn(); errors.Is(err, tables.ErrDamaged) || errors.Is(err, alertstore.ErrAlert) {
		return damaged(err)
	}
	return err
}

func (s *Store) update(fn func(*bolt.Tx) error) error {
	return s.guard(func() error { return s.db.Update(fn) })
}

func (s *Store) view(fn func(*bolt.Tx) error) error {
	return s.guard(func() error { return s.db.View(fn) })
}

// prepare makes the buckets of a new store, or recognises an old one.
func (s *Store) prepare(tx *bolt.Tx) error {
	if k, _ := tx.Cursor().First(); k != nil {
		return s.recognise(tx)
	}
	for _, name := range buckets {
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	return tx.Bucket(bucketMeta).Put(keyFormat, []byte(format))
}

func (s *Store) recognise(tx *bolt.Tx) error {
	if st, err := os.Stat(s.path); err != nil || st.Size() < tx.Size() {
		return damaged("the file is shorter than it says")
	}
	for _, name := range buckets {
		if tx.Bucket(name) == nil {
			return damaged(fmt.Sprintf("no %s in it", name))
		}
	}
	if got := string(tx.Bucket(bucketMeta).Get(keyFormat)); got != format {
		return fmt.Errorf("its format is %q, this program knows %q; use the yagura that wrote it, or move the file away", got, format)
	}
	return nil
}

// Close closes the file.
func (s *Store) Close() error {
	if s.db == nil {
		return nil
	}
	if err := s.guard(s.db.Close); err != nil {
		return fmt.Errorf("close %s: %w", s.path, err)
	}
	return nil
}

// lastAlert returns the number of the alert stored last, 0 before any.
func lastAlert(tx *bolt.Tx) (n uint64, err error) { return n, get(tx.Bucket(bucketMeta), keyLast, &n) }

// position reads what a source saved under a name into v, and leaves v alone if it has saved nothing.
func (s *Store) position(name string, v any) error {
	err := s.view(func(tx *bolt.Tx) error { return get(tx.Bucket(bucketSources), []byte(name), v) })
	if err != nil {
		return fmt.Errorf("read position %s from %s: %w", name, s.path, err)
	}
	return nil
}

// restore fills a new memory with what was stored under its name, and tells how often rules fired.
func (s *Store) restore(name string, m *analysis.Memory) (fired, error) {
	items, counts := map[string]*analysis.Item{}, fired{}
	err := s.view(func(tx *bolt.Tx) error {
		b := tx.Bucket(bucketMemory).Bucket([]byte(name))
		if b == nil {
			return nil
		}
		return errors.Join(get(tx.Bucket(bucketMeta), firedKey(name), &counts), b.ForEach(func(k, v []byte) error {
			item := &analysis.Item{}
			items[string(k)] = item
			return json.Unmarshal(v, item)
		}))
	})
	if err != nil {
		return nil, fmt.Errorf("read the memory of %s from %s: %w", name, s.path, err)
	}
	m.Restore(items)
	return counts, nil
}

func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// put stores v as JSON, get reads it back.
func put(b *bolt.Bucket, key []byte, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s: %w", key, err)
	}
	return b.Put(key, text)
}

func get(b *bolt.Bucket, key []byte, v any) error {
	text := b.Get(key)
	if text == nil {
		return nil
	}
	return json.Unmarshal(text, v)
}
