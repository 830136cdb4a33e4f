package syscheck

import (
	"bytes"
	"context"
	"crypto/md5"  //nolint:gosec // OSSEC's
	"crypto/sha1" //nolint:gosec // OSSEC's
	"crypto/sha256"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
	bolt "go.etcd.io/bbolt"

	"github.com/yagura-hids/yagura/internal/syscheck"
)

// What files with report_changes hold is kept beside their records, in a bucket of the same file:
//
//	syscheck/contents   a file's key in the cache ─► zstd of its content; nothing, if that is too large or no text
//
// A content and the record that it belongs to are stored in one transaction with the event that tells of it, so that none of them is ever ahead of the
// others: whenever the agent is killed, the next difference is the one from what was told last. The bucket's sequence counts its bytes.
var bucketContents = []byte("contents")

const maxContent = 1 << 20 // of a file

// maxContents is how much is kept of all, packed. Tests have less.
var maxContents uint64 = 64 << 20

// What stands in place of a difference.
const (
	diffNoDiff = "<Diff truncated because nodiff option>"
	diffLarge  = "<No diff: the file is larger than 1 MiB>"
	diffBinary = "<No diff: the file is not text>"
)

// diffFull tells that there is no room for more.
const diffFull = "syscheck: report_changes: what is kept of files to tell differences has reached 64 MiB: of further ones it isn't told what changed; " +
	"have report_changes for fewer"

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

// isText tells whether it is text, in whatever encoding that knows no zeros.
func (c *content) isText() bool {
	return !c.large && !bytes.Contains(c.buf.Bytes(), []byte{0})
}

// packed returns what is to be kept of it.
func (c *content) packed() []byte {
	if !c.isText() {
		return []byte{}
	}
	z := packers.Get().(*zstd.Encoder)
	defer packers.Put(z)
	return z.EncodeAll(c.buf.Bytes(), []byte{})
}

// diff returns what changed since a content that was kept; was is empty if none was.
func (c *content) diff(was []byte) (string, error) {
	switch {
	case c.large:
		return diffLarge, nil
	case !c.isText():
		return diffBinary, nil
	case len(was) == 0:
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

// textsOf returns the bucket of contents, nil if there is none.
func textsOf(tx *bolt.Tx) *bolt.Bucket {
	if b := tx.Bucket(bucketSyscheck); b != nil {
		return b.Bucket(bucketContents)
	}
	return nil
}

// keep stores contents under their keys; nil: none any more. One for which there is no room is not stored, nor is the one of before left.
func keep(tx *bolt.Tx, texts map[string][]byte) (full bool, err error) {
	if len(texts) == 0 {
		return false, nil
	}
	b, err := tx.CreateBucketIfNotExists(bucketSyscheck)
	if err == nil {
		b, err = b.CreateBucketIfNotExists(bucketContents)
	}
	if err != nil {
		return false, err
	}
	size := b.Sequence()
	for k, v := range texts {
		size -= uint64(len(b.Get([]byte(k))))
		if size+uint64(len(v)) > maxContents {
			v, full = nil, true
		}
		size += uint64(len(v))
		if v == nil {
			err = b.Delete([]byte(k))
		} else {
			err = b.Put([]byte(k), v)
		}
		if err != nil {
			return false, fmt.Errorf("content of %q: %w", k, err)
		}
	}
	return full, b.SetSequence(size)
}

// showsText tells whether what changes in a file is told.
func (s *Syscheck) showsText(r *root, path string) bool {
	return r != nil && r.ReportChanges && !s.noDiff.match(path)
}

// diff returns what changed in a file, and makes it pending that its content is kept, if its directory asks for that. The caller holds mu.
func (s *Syscheck) diff(v *sight, what, from string) string {
	was, err := s.textBefore(v, from)
	if err != nil {
		s.tellTrouble(v.path, err)
	}
	if from != "" {
		s.pending.setText(key(from), nil)
	}
	if !s.showsText(v.root, v.path) || v.seen == nil || !v.seen.isRegular() {
		if was != nil {
			s.pending.setText(v.key, nil)
		}
		if what == syscheck.Modified && v.root.ReportChanges && v.seen.isRegular() && !v.seen.sameContent(v.old) {
			return diffNoDiff
		}
		return ""
	}
	now := &content{}
	if !v.read(now) {
		return "" // it is another one by now: the next look finds that, and the difference will be the one from what is kept
	}
	s.pending.setText(v.key, now.packed())
	if what != syscheck.Modified || v.seen.sameContent(v.old) {
		return ""
	}
	text, err := now.diff(was)
	if err != nil {
		s.tellTrouble(v.path, err)
	}
	return text
}

// firstText keeps the content of a file that hasn't changed, if none was kept yet: report_changes is new for it. The caller holds mu.
func (s *Syscheck) firstText(v *sight) {
	if !s.showsText(v.root, v.path) || !v.seen.isRegular() {
		return
	}
	now := &content{}
	if was, err := s.textBefore(v, ""); err == nil && was == nil && v.read(now) {
		s.pending.setText(v.key, now.packed())
	}
}

// textBefore returns what is kept of what was at the path, or where it was moved from; nil if nothing was.
func (s *Syscheck) textBefore(v *sight, from string) (was []byte, err error) {
	k := v.key
	if from != "" && v.was == nil {
		k = key(from)
	}
	return s.textAt(k)
}

func (s *Syscheck) textAt(k []byte) (was []byte, err error) {
	if was, ok := s.pending.texts[string(k)]; ok {
		return was, nil
	}
	err = s.o.Spool.View(func(tx *bolt.Tx) error {
		if b := textsOf(tx); b != nil {
			was = bytes.Clone(b.Get(k))
		}
		return nil
	})
	return was, err
}

// read reads the file, and tells whether it is the one that was seen.
func (v *sight) read(c *content) bool {
	f, st, err := openFile(v.path, v.root.follows(v.path))
	if err != nil {
		return false
	}
	defer f.Close()
	if st.size > maxContent {
		c.large = true
		return true
	}
	if _, err := io.Copy(c, io.LimitReader(f, maxContent+1)); err != nil {
		return false
	}
	text := c.buf.Bytes()
	switch {
	case v.seen.hashed&SHA256 != 0:
		return sha256.Sum256(text) == v.seen.sha256
	case v.seen.hashed&SHA1 != 0:
		return sha1.Sum(text) == v.seen.sha1 //nolint:gosec // OSSEC's
	case v.seen.hashed&MD5 != 0:
		return md5.Sum(text) == v.seen.md5 //nolint:gosec // OSSEC's
	}
	return st.sec == v.seen.sec && st.nsec == v.seen.nsec && st.size == v.seen.size
}

// dropTexts has the contents of files forgotten of which the configuration doesn't speak any more. The caller holds mu.
func (s *Syscheck) dropTexts(ctx context.Context) error {
	t := s.tree.Load()
	for next := []byte{spaceFile}; next != nil; {
		err := s.o.Spool.View(func(tx *bolt.Tx) error {
			next = s.strays(textsOf(tx), next, func(path string) bool { return s.showsText(t.directoryOf(path), path) })
			return nil
		})
		if err != nil {
			return err
		}
		if err := s.flush(ctx); err != nil {
			return err
		}
	}
	return nil
}

// strays makes it pending that contents are forgotten that are not wanted, from a key on, and returns where to go on, nil for nowhere.
func (s *Syscheck) strays(b *bolt.Bucket, from []byte, wanted func(path string) bool) []byte {
	if b == nil {
		return nil
	}
	c := b.Cursor()
	for k, _ := c.Seek(from); k != nil && k[0] == spaceFile; k, _ = c.Next() {
		if len(s.pending.texts) >= pageKeys {
			return bytes.Clone(k)
		}
		if !wanted(pathOf(k)) {
			s.pending.setText(k, nil)
		}
	}
	return nil
}

// setText makes it pending that a content is kept; nil: none any more.
func (p *pending) setText(k, text []byte) {
	p.texts[string(k)] = text
	p.textSize += len(text)
}
