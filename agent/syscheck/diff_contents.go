package syscheck

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"
	bolt "go.etcd.io/bbolt"
)

// What files with report_changes hold is kept beside their records, in a bucket of the same file:
//
//	syscheck/contents   a file's key in the cache ─► zstd of its content
//
// A content and the record that it belongs to are stored in one transaction with the event that tells of it, so that none of them is ever ahead of the
// others: whenever the agent is killed, the next difference is the one from what was told last. The bucket's sequence counts its bytes.
var bucketContents = []byte("contents")

const (
	maxContent  = 1 << 20  // of a file
	maxContents = 64 << 20 // of all, as kept
)

// What stands in place of a difference.
const (
	diffNoDiff = "<Diff truncated because nodiff option>"
	diffLarge  = "<No diff: the file is larger than 1 MiB>"
	diffBinary = "<No diff: the file is not text>"
)

// content gathers what a file holds while it is hashed, as far as it's needed for differences.
type content struct {
	buf   bytes.Buffer
	large bool
}

// Write never fails.
func (c *content) Write(p []byte) (int, error) {
	if c.large = c.large || c.buf.Len()+len(p) > maxContent; c.large {
		c.buf = bytes.Buffer{}
	} else {
		c.buf.Write(p)
	}
	return len(p), nil
}

func (c *content) text() bool {
	return !c.large && !bytes.Contains(c.buf.Bytes(), []byte{0}) && utf8.Valid(c.buf.Bytes())
}

// packed returns what is to be kept of it, nil for nothing.
func (c *content) packed() []byte {
	if !c.text() {
		return nil
	}
	z := packers.Get().(*zstd.Encoder)
	defer packers.Put(z)
	return z.EncodeAll(c.buf.Bytes(), []byte{})
}

// diff returns what changed since a content that was kept; was is nil if none was.
func (c *content) diff(was []byte) (string, error) {
	switch {
	case c.large:
		return diffLarge, nil
	case !c.text():
		return diffBinary, nil
	case was == nil:
		return "", nil
	}
	old, err := unpack(was)
	if err != nil {
		return "", err
	}
	return unified(old, c.buf.Bytes()), nil
}

// packers lets go of its encoders, which are large, when there is nothing to pack.
var packers = sync.Pool{New: func() any {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(maxContent), zstd.WithLowerEncoderMem(true))
	if err != nil {
		panic(err) // the options are constants
	}
	return z
}}

func unpack(b []byte) ([]byte, error) {
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(maxContent))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	text, err := z.DecodeAll(b, nil)
	if err != nil {
		return nil, fmt.Errorf("content kept for differences: %w", err)
	}
	return text, nil
}

// kept returns the content kept under a key, nil if there is none.
func kept(tx *bolt.Tx, k []byte) []byte {
	if b := tx.Bucket(bucketSyscheck); b != nil {
		if b = b.Bucket(bucketContents); b != nil {
			return bytes.Clone(b.Get(k))
		}
	}
	return nil
}

// errContents tells that there is no room for all contents.
var errContents = errors.New("no room for the content of all files with report_changes")

// keep stores contents under their keys; nil: none any more. Those for which there is no room are not stored, nor is one of before left, and so many are returned.
func keep(tx *bolt.Tx, contents map[string][]byte) (full int, err error) {
	b, err := tx.CreateBucketIfNotExists(bucketSyscheck)
	if err == nil {
		b, err = b.CreateBucketIfNotExists(bucketContents)
	}
	if err != nil {
		return 0, err
	}
	size := b.Sequence()
	for k, v := range contents {
		size -= uint64(len(b.Get([]byte(k))))
		if size+uint64(len(v)) > maxContents {
			v = nil
			full++
		}
		size += uint64(len(v))
		if v == nil {
			err = b.Delete([]byte(k))
		} else {
			err = b.Put([]byte(k), v)
		}
		if err != nil {
			return 0, fmt.Errorf("content of %q: %w", k, err)
		}
	}
	return full, b.SetSequence(size)
}

// strays returns the keys, after one and at most so many, whose contents are not wanted.
func strays(tx *bolt.Tx, after []byte, most int, wanted func(k []byte) bool) (list [][]byte) {
	b := tx.Bucket(bucketSyscheck)
	if b != nil {
		b = b.Bucket(bucketContents)
	}
	if b == nil {
		return nil
	}
	c := b.Cursor()
	for k, _ := c.Seek(after); k != nil && len(list) < most; k, _ = c.Next() {
		if !wanted(k) {
			list = append(list, slices.Clone(k))
		}
	}
	return list
}
