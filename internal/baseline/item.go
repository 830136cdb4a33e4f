package baseline

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fxamacker/cbor/v2"
	"github.com/klauspost/compress/zstd"

	"github.com/yagura-hids/yagura/internal/syscheck"
)

// ErrItem is returned when what the table holds is no baseline of ours.
var ErrItem = errors.New("not an item of this program's")

// row is a record under its path, as items hold it. Hashes are bytes; where a hash isn't plain hexadecimal, Odd has all three as they are.
type row struct {
	_       struct{} `cbor:",toarray"`
	Path    string
	Gone    int64 // when the file was deleted, in seconds since 1970; 0 if it is there
	Changes int
	Size    int64
	Mode    uint32
	UID     string
	GID     string
	User    string
	Group   string
	MTime   []int64 // seconds and nanoseconds; none if it isn't known
	Inode   uint64
	MD5     []byte
	SHA1    []byte
	SHA256  []byte
	Odd     []string
	Link    string
}

// known is what is known of a path.
type known struct {
	record  *syscheck.Record // nil: the file was deleted
	gone    int64            // when, in seconds since 1970
	changes int              // how often it changed since it was accepted
}

// file returns the record of a file that is there, else nil.
func (k *known) file() *syscheck.Record {
	if k == nil {
		return nil
	}
	return k.record
}

// count returns how often the file changed.
func (k *known) count() int {
	if k == nil {
		return 0
	}
	return k.changes
}

// same tells whether two say the same of a path; nil says nothing.
func (k *known) same(o *known) bool {
	if k == nil || o == nil {
		return k == o
	}
	return k.changes == o.changes && k.gone == o.gone && (k.record == nil) == (o.record == nil) && (k.record == nil || *k.record == *o.record)
}

func pack(path string, k *known) row {
	w := row{Path: path, Gone: k.gone, Changes: k.changes}
	r := k.record
	if r == nil {
		w.Gone = max(w.Gone, 1)
		return w
	}
	w.Size, w.Mode, w.UID, w.GID, w.User, w.Group, w.Inode, w.Link = r.Size, r.Mode, r.UID, r.GID, r.User, r.Group, r.Inode, r.Link
	if !r.MTime.IsZero() {
		w.MTime = []int64{r.MTime.Unix(), int64(r.MTime.Nanosecond())}
	}
	for _, h := range []struct {
		text string
		to   *[]byte
	}{{r.MD5, &w.MD5}, {r.SHA1, &w.SHA1}, {r.SHA256, &w.SHA256}} {
		raw, err := hex.DecodeString(h.text)
		if err != nil || strings.ToLower(h.text) != h.text {
			w.MD5, w.SHA1, w.SHA256, w.Odd = nil, nil, nil, []string{r.MD5, r.SHA1, r.SHA256}
			break
		}
		*h.to = raw
	}
	return w
}

func (w *row) unpack() (*known, error) {
	if w.Gone != 0 {
		return &known{gone: w.Gone, changes: w.Changes}, nil
	}
	r := &syscheck.Record{
		Size: w.Size, Mode: w.Mode, UID: w.UID, GID: w.GID, User: w.User, Group: w.Group, Inode: w.Inode, Link: w.Link,
		MD5: hex.EncodeToString(w.MD5), SHA1: hex.EncodeToString(w.SHA1), SHA256: hex.EncodeToString(w.SHA256),
	}
	switch len(w.MTime) {
	case 0:
	case 2:
		r.MTime = time.Unix(w.MTime[0], w.MTime[1]).UTC()
	default:
		return nil, fmt.Errorf("%w: a time of %d parts", ErrItem, len(w.MTime))
	}
	switch len(w.Odd) {
	case 0:
	case 3:
		r.MD5, r.SHA1, r.SHA256 = w.Odd[0], w.Odd[1], w.Odd[2]
	default:
		return nil, fmt.Errorf("%w: %d odd hashes", ErrItem, len(w.Odd))
	}
	return &known{record: r, changes: w.Changes}, nil
}

// state is what is known of a host beside its files.
type state struct {
	First   bool     `cbor:"first,omitempty"`   // its first scan has not been agreed upon
	Scans   int      `cbor:"scans,omitempty"`   // how many digests it told
	Scanned int64    `cbor:"scanned,omitempty"` // when it told the last ones, in nanoseconds since 1970
	Epoch   uint64   `cbor:"epoch,omitempty"`   // of the spool that told them
	Image   string   `cbor:"image,omitempty"`   // that the host was made from
	Asked   []int    `cbor:"asked,omitempty"`   // buckets that the agent was asked to tell again
	Differ  []string `cbor:"differ,omitempty"`  // files that aren't as in the image, as far as they are named; while First
	Differs int      `cbor:"differs,omitempty"` // … how many
	Agent   *whose   `cbor:"agent,omitempty"`   // whose host it is
}

// whose is what is kept of an agent, to ask it and to show it.
type whose struct {
	Name     string `cbor:"name,omitempty"`
	Instance string `cbor:"instance,omitempty"`
	Profile  string `cbor:"profile,omitempty"`
}

// mark tells how far an epoch's events were judged.
type mark struct {
	_     struct{} `cbor:",toarray"`
	Epoch uint64
	Seq   uint64
}

// entry is what one event did, or an operator.
type entry struct {
	Epoch   uint64           `cbor:"e,omitempty"` // of the event; no epoch is 0
	Seq     uint64           `cbor:"s,omitempty"`
	Time    int64            `cbor:"t,omitempty"` // in nanoseconds since 1970
	Change  *syscheck.Change `cbor:"c,omitempty"` // as it went to the rules; nil for what is no news. In items its records stand beside it
	Before  *row             `cbor:"b,omitempty"`
	After   *row             `cbor:"a,omitempty"`
	Effects []effect         `cbor:"f,omitempty"`
	Heard   string           `cbor:"h,omitempty"` // a path that was told again as it is known
	Differs bool             `cbor:"d,omitempty"` // the file isn't as in the image, and is no news
	State   *state           `cbor:"x,omitempty"` // what it is from here on
	Founder bool             `cbor:"n,omitempty"` // the host's first entry: its image has no baseline yet, and this host's becomes it
	Clear   bool             `cbor:"k,omitempty"` // what the buckets hold is void, until they are folded
}

// packed returns the entry as items hold it.
func (e entry) packed() entry {
	if c := e.Change; c != nil {
		bare := *c
		bare.Before, bare.After = nil, nil
		e.Change, e.Before, e.After = &bare, packRecord(c.Before), packRecord(c.After)
	}
	return e
}

// complete undoes packed.
func (e *entry) complete() error {
	for _, side := range []struct {
		w  *row
		to func(*syscheck.Record)
	}{{e.Before, func(r *syscheck.Record) { e.Change.Before = r }}, {e.After, func(r *syscheck.Record) { e.Change.After = r }}} {
		if side.w == nil || e.Change == nil {
			continue
		}
		k, err := side.w.unpack()
		if err != nil {
			return err
		}
		side.to(k.record)
	}
	e.Before, e.After = nil, nil
	return nil
}

func packRecord(r *syscheck.Record) *row {
	if r == nil {
		return nil
	}
	w := pack("", &known{record: r})
	return &w
}

// effect is a change of what is known of a path.
type effect struct {
	_   struct{} `cbor:",toarray"`
	Old *row     // what was known; nil for nothing
	New *row     // what is known; nil for nothing any more. One of the two tells the path
}

func (f *effect) path() string {
	if f.New != nil {
		return f.New.Path
	}
	if f.Old != nil {
		return f.Old.Path
	}
	return ""
}

// head is what a host's journal is folded into, beside the buckets.
type head struct {
	Folded  uint64 `cbor:"folded"`
	State   state  `cbor:"state"`
	Applied []mark `cbor:"applied,omitempty"`
	Founder bool   `cbor:"founder,omitempty"` // see entry
	Newest  int64  `cbor:"newest,omitempty"`  // when the last item that is folded was made, in seconds since 1970
}

// maxUnpacked bounds what an item may unpack to.
const maxUnpacked = 64 << 20

// The coders are made once: they are for concurrent use. Neither fails with these options.
var (
	packer, _   = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderConcurrency(1))
	unpacker, _ = zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxUnpacked), zstd.WithDecoderConcurrency(1))
	writer, _   = cbor.EncOptions{Time: cbor.TimeRFC3339Nano, TimeTag: cbor.EncTagRequired}.EncMode()
	reader, _   = cbor.DecOptions{UTF8: cbor.UTF8DecodeInvalid, MaxArrayElements: 1 << 22, MaxMapPairs: 1 << 12, MaxNestedLevels: 16}.DecMode()
)

func encode(v any) ([]byte, error) {
	b, err := writer.Marshal(v)
	if err != nil {
		return nil, err
	}
	return packer.EncodeAll(b, nil), nil
}

func decode(text []byte, v any) error {
	b, err := unpacker.DecodeAll(text, nil)
	if err == nil {
		err = reader.Unmarshal(b, v)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrItem, err)
	}
	return nil
}

// encodeRecords writes what a bucket holds, by path.
func encodeRecords(m map[string]*known) ([]byte, error) {
	rows := make([]row, 0, len(m))
	for path, k := range m {
		rows = append(rows, pack(path, k))
	}
	slices.SortFunc(rows, func(a, b row) int { return cmp.Compare(a.Path, b.Path) })
	return encode(rows)
}

func decodeRecords(text []byte) (map[string]*known, error) {
	var rows []row
	if err := decode(text, &rows); err != nil {
		return nil, err
	}
	m := make(map[string]*known, len(rows))
	for i := range rows {
		k, err := rows[i].unpack()
		if err != nil {
			return nil, err
		}
		m[rows[i].Path] = k
	}
	return m, nil
}

// digestsSize is the length of what encodeDigests returns.
const digestsSize = syscheck.Buckets * (8 + 32)

func encodeDigests(d *syscheck.Digests) []byte {
	var b bytes.Buffer
	for i := range d {
		fmt.Fprintf(&b, "%08x", uint32(d[i].Files))
		b.Write(d[i].Sum[:])
	}
	return b.Bytes()
}

func decodeDigests(text []byte) (*syscheck.Digests, error) {
	d := new(syscheck.Digests)
	if len(text) != digestsSize {
		return nil, fmt.Errorf("%w: digests of %d bytes, want %d", ErrItem, len(text), digestsSize)
	}
	for i := range d {
		part := text[i*40 : (i+1)*40]
		if _, err := fmt.Sscanf(string(part[:8]), "%08x", &d[i].Files); err != nil {
			return nil, fmt.Errorf("%w: digests: %w", ErrItem, err)
		}
		copy(d[i].Sum[:], part[8:])
	}
	return d, nil
}

// maxAgent is how long an agent's id may be in a key.
const maxAgent = 512

// partition returns where a host's baseline is kept.
func partition(agent string) string { return "baseline/" + keyOf(agent) }

func keyOf(agent string) string {
	if agent != "" && len(agent) <= maxAgent && utf8.ValidString(agent) && !strings.HasPrefix(agent, "%") {
		return agent
	}
	sum := sha256.Sum256([]byte(agent))
	return "%" + hex.EncodeToString(sum[:])
}

// imagePartition returns where an image's baseline is kept. No host has such an id: it would be hashed.
func imagePartition(image string) string { return "baseline/%image/" + keyOf(image) }

func bucketKey(b, part int) string {
	if part == 0 {
		return fmt.Sprintf("bucket/%02x", b)
	}
	return fmt.Sprintf("bucket/%02x/%d", b, part)
}

func journalKey(n uint64) string { return fmt.Sprintf("journal/%016x", n) }
