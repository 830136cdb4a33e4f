package syscheck

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/bits"
)

// Buckets is how many buckets the records of an agent are spread over.
const Buckets = 256

// Bucket returns the bucket of a path, as it stands in [Change]: the first byte of its SHA-256.
func Bucket(path string) int {
	sum := sha256.Sum256([]byte(path))
	return int(sum[0])
}

// AppendCanonical appends the bytes that stand for the record under that path in a [Digest]:
//
//	1 │ path │ size │ mode │ uid │ gid │ mtime: seconds, nanoseconds │ inode │ md5 │ sha1 │ sha256 │ link
//
// The leading 1 is one byte; a number is an unsigned LEB128 (Go's uvarint), the seconds since 1970 in zigzag form (Go's varint); a text is
// its length in bytes as such a number, then its bytes, as in the record's JSON. The names of owner and group are left out: they are not
// the file's. A time that isn't known is two zeros.
func (r *Record) AppendCanonical(b []byte, path string) []byte {
	b = appendText(append(b, 1), path)
	b = binary.AppendUvarint(b, uint64(r.Size))
	b = binary.AppendUvarint(b, uint64(r.Mode))
	b = appendText(appendText(b, r.UID), r.GID)
	if r.MTime.IsZero() {
		b = append(b, 0, 0)
	} else {
		b = binary.AppendVarint(b, r.MTime.Unix())
		b = binary.AppendUvarint(b, uint64(r.MTime.Nanosecond()))
	}
	b = binary.AppendUvarint(b, r.Inode)
	return appendText(appendText(appendText(appendText(b, r.MD5), r.SHA1), r.SHA256), r.Link)
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// Digest stands for a set of records: how many there are, and the sum, modulo 2^256, of the SHA-256 of their canonical bytes, each taken as a
// big-endian number. It doesn't depend on their order. The zero value is that of no record.
type Digest struct {
	Files int
	Sum   [32]byte
}

// Add adds a record.
func (d *Digest) Add(path string, r *Record) {
	var carry uint64
	h := sha256.Sum256(r.AppendCanonical(nil, path))
	for i := 24; i >= 0; i -= 8 {
		var sum uint64
		sum, carry = bits.Add64(binary.BigEndian.Uint64(d.Sum[i:]), binary.BigEndian.Uint64(h[i:]), carry)
		binary.BigEndian.PutUint64(d.Sum[i:], sum)
	}
	d.Files++
}

// Remove takes a record away that was added.
func (d *Digest) Remove(path string, r *Record) {
	var borrow uint64
	h := sha256.Sum256(r.AppendCanonical(nil, path))
	for i := 24; i >= 0; i -= 8 {
		var diff uint64
		diff, borrow = bits.Sub64(binary.BigEndian.Uint64(d.Sum[i:]), binary.BigEndian.Uint64(h[i:]), borrow)
		binary.BigEndian.PutUint64(d.Sum[i:], diff)
	}
	d.Files--
}

// Plus returns what stands for two sets together: of two that have no record in common, or of one and what Add and Remove made of an empty one since.
func (d Digest) Plus(o Digest) Digest {
	var carry uint64
	for i := 24; i >= 0; i -= 8 {
		var sum uint64
		sum, carry = bits.Add64(binary.BigEndian.Uint64(d.Sum[i:]), binary.BigEndian.Uint64(o.Sum[i:]), carry)
		binary.BigEndian.PutUint64(d.Sum[i:], sum)
	}
	d.Files += o.Files
	return d
}

// DigestsType is the type of an event's text that [Digests] writes.
const DigestsType = "digests"

// Digests is what an agent knows of all its files, so that the server can compare. It speaks of the state after all its earlier events.
type Digests [Buckets]Digest

// digestsJSON is its layout: two arrays of 256; the sum of an empty bucket is "".
type digestsJSON struct {
	Type  string   `json:"type"`
	Files []int    `json:"files"`
	Sums  []string `json:"sums"` // hexadecimal
}

// Add adds a record to its bucket.
func (d *Digests) Add(path string, r *Record) { d[Bucket(path)].Add(path, r) }

// Remove takes a record away from its bucket.
func (d *Digests) Remove(path string, r *Record) { d[Bucket(path)].Remove(path, r) }

// Files returns how many records there are.
func (d *Digests) Files() (n int) {
	for i := range d {
		n += d[i].Files
	}
	return n
}

// String returns the text of an event of kind Syscheck.
func (d *Digests) String() string {
	j := digestsJSON{Type: DigestsType}
	for _, b := range d {
		sum := ""
		if b.Files > 0 {
			sum = hex.EncodeToString(b.Sum[:])
		}
		j.Files, j.Sums = append(j.Files, b.Files), append(j.Sums, sum)
	}
	text, err := json.Marshal(j)
	if err != nil {
		return "" // no value of these types fails
	}
	return string(text)
}

// ParseDigests reads what String wrote. Such a text is known by its type, which [Parse] returns, too.
func ParseDigests(text string) (*Digests, error) {
	var j digestsJSON
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return nil, fmt.Errorf("integrity digests: %w", err)
	}
	if j.Type != DigestsType || len(j.Files) != Buckets || len(j.Sums) != Buckets {
		return nil, fmt.Errorf("integrity digests: type %q with %d counts and %d sums; want %q with %d", j.Type, len(j.Files), len(j.Sums), DigestsType, Buckets)
	}
	d := new(Digests)
	for i, sum := range j.Sums {
		raw, err := hex.DecodeString(sum)
		if err != nil || len(raw) != 32 && (len(raw) != 0 || j.Files[i] != 0) || j.Files[i] < 0 {
			return nil, fmt.Errorf("integrity digests: bucket %d: %d files with sum %q", i, j.Files[i], sum)
		}
		d[i].Files = j.Files[i]
		copy(d[i].Sum[:], raw)
	}
	return d, nil
}
