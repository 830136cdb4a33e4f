package syscheck

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strconv"
	"time"

	"github.com/yagura-hids/yagura/internal/syscheck"
)

// known is what the cache knows of a file. In the cache it is, after a byte for the version,
//
//	check, flags, size, mode (uvarint) │ uid, gid │ mtime: seconds (varint), nanoseconds │ device, inode │ md5 │ sha1 │ sha256 │ length, link
//
// An owner that is a number is twice that number; another one, a SID, is twice its length and one, then its bytes. What isn't compared
// is zero, but for device and inode, by which a moved file is known again. A hash that isn't there has no bytes.
type known struct {
	check  Check // what is compared
	hashed Check // the hashes that are there: fewer than are compared if the file can't be read
	deaf   bool  // it couldn't be read the last time; the hashes are those of before
	size   int64
	mode   uint32 // st_mode
	uid    string
	gid    string
	sec    int64 // mtime
	nsec   uint32
	dev    uint64
	inode  uint64
	md5    [16]byte
	sha1   [20]byte
	sha256 [32]byte
	link   string
}

const knownVersion = 1

// Flags of a record in the cache.
const (
	flagMD5 = 1 << iota
	flagSHA1
	flagSHA256
	flagDeaf
	flagLink
)

const hashes = MD5 | SHA1 | SHA256

var errRecord = errors.New("damaged record")

// bytes returns the record as the cache keeps it.
func (k *known) bytes() []byte {
	flags := uint64(0)
	for _, f := range []struct {
		on  bool
		bit uint64
	}{
		{k.hashed&MD5 != 0, flagMD5}, {k.hashed&SHA1 != 0, flagSHA1}, {k.hashed&SHA256 != 0, flagSHA256}, {k.deaf, flagDeaf}, {k.link != "", flagLink},
	} {
		if f.on {
			flags |= f.bit
		}
	}
	b := append(make([]byte, 0, 128), knownVersion)
	for _, v := range []uint64{uint64(k.check), flags, uint64(k.size), uint64(k.mode)} {
		b = binary.AppendUvarint(b, v)
	}
	b = appendOwner(appendOwner(b, k.uid), k.gid)
	b = binary.AppendVarint(b, k.sec)
	for _, v := range []uint64{uint64(k.nsec), k.dev, k.inode} {
		b = binary.AppendUvarint(b, v)
	}
	if k.hashed&MD5 != 0 {
		b = append(b, k.md5[:]...)
	}
	if k.hashed&SHA1 != 0 {
		b = append(b, k.sha1[:]...)
	}
	if k.hashed&SHA256 != 0 {
		b = append(b, k.sha256[:]...)
	}
	if k.link != "" {
		b = append(binary.AppendUvarint(b, uint64(len(k.link))), k.link...)
	}
	return b
}

func appendOwner(b []byte, owner string) []byte {
	if n, err := strconv.ParseUint(owner, 10, 32); err == nil && strconv.FormatUint(n, 10) == owner {
		return binary.AppendUvarint(b, 2*n)
	}
	return append(binary.AppendUvarint(b, 2*uint64(len(owner))+1), owner...)
}

// reader takes a record apart. After the first thing that isn't there, bad is set and all else is zero.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) uvarint(limit uint64) uint64 {
	v, n := binary.Uvarint(r.rest)
	if r.bad = r.bad || n <= 0 || v > limit; r.bad {
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.rest)
	if r.bad = r.bad || n <= 0; r.bad {
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *reader) bytes(n uint64) []byte {
	if r.bad = r.bad || n > uint64(len(r.rest)); r.bad {
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) owner() string {
	v := r.uvarint(1 << 33)
	if v&1 == 0 {
		return strconv.FormatUint(v/2, 10)
	}
	return string(r.bytes(v / 2))
}

const any64 = 1<<64 - 1

// parseKnown reads what bytes wrote.
func parseKnown(b []byte) (*known, error) {
	r := reader{rest: b}
	if v := r.bytes(1); r.bad || v[0] != knownVersion {
		return nil, errRecord
	}
	k := new(known)
	k.check = Check(r.uvarint(1<<16 - 1))
	flags := r.uvarint(1<<5 - 1)
	k.size, k.mode = int64(r.uvarint(1<<63-1)), uint32(r.uvarint(1<<32-1))
	k.uid, k.gid = r.owner(), r.owner()
	k.sec, k.nsec = r.varint(), uint32(r.uvarint(1e9-1))
	k.dev, k.inode = r.uvarint(any64), r.uvarint(any64)
	if flags&flagMD5 != 0 {
		k.hashed |= MD5
		copy(k.md5[:], r.bytes(uint64(len(k.md5))))
	}
	if flags&flagSHA1 != 0 {
		k.hashed |= SHA1
		copy(k.sha1[:], r.bytes(uint64(len(k.sha1))))
	}
	if flags&flagSHA256 != 0 {
		k.hashed |= SHA256
		copy(k.sha256[:], r.bytes(uint64(len(k.sha256))))
	}
	k.deaf = flags&flagDeaf != 0
	if flags&flagLink != 0 {
		k.link = string(r.bytes(r.uvarint(any64)))
	}
	if r.bad || len(r.rest) > 0 {
		return nil, errRecord
	}
	return k, nil
}

// only returns the record with no more than what check compares.
func (k known) only(check Check) *known {
	k.check = check
	k.hashed &= check
	if check&Size == 0 {
		k.size = 0
	}
	if check&Permissions == 0 {
		k.mode = 0
	}
	if check&Owner == 0 {
		k.uid = ""
	}
	if check&Group == 0 {
		k.gid = ""
	}
	if check&MTime == 0 {
		k.sec, k.nsec = 0, 0
	}
	return &k
}

// equal tells whether both are the same in all that both compare. Of a file that couldn't be read, a hash that is missing says nothing.
func (k *known) equal(o *known) bool {
	check := k.check & o.check
	a, b := k.only(check), o.only(check)
	return a.size == b.size && a.mode == b.mode && a.uid == b.uid && a.gid == b.gid && a.sec == b.sec && a.nsec == b.nsec &&
		a.link == b.link && (check&Inode == 0 || a.inode == b.inode) && (a.hashed == b.hashed || a.deaf || b.deaf) && a.sameHashes(b)
}

func (k *known) sameHashes(o *known) bool {
	both := k.hashed & o.hashed
	return (both&MD5 == 0 || k.md5 == o.md5) && (both&SHA1 == 0 || k.sha1 == o.sha1) && (both&SHA256 == 0 || k.sha256 == o.sha256)
}

// sameContent tells whether both have the same content for sure.
func (k *known) sameContent(o *known) bool {
	return k.link == o.link && (k.link != "" || k.hashed&o.hashed != 0) && k.sameHashes(o)
}

// keepHashes takes from before the hashes of a file that can't be read now.
func (k *known) keepHashes(before *known) {
	k.hashed, k.md5, k.sha1, k.sha256 = before.hashed, before.md5, before.sha1, before.sha256
}

// id is by what a file is known again under another name.
type id struct{ dev, inode uint64 }

func (k *known) id() id { return id{k.dev, k.inode} }

// record returns what a message tells of it, without the names of the owners.
func (k *known) record() *syscheck.Record {
	r := &syscheck.Record{Size: k.size, Mode: k.mode, UID: k.uid, GID: k.gid, Link: syscheck.Escape(k.link)}
	if k.check&MTime != 0 {
		r.MTime = time.Unix(k.sec, int64(k.nsec)).UTC()
	}
	if k.check&Inode != 0 {
		r.Inode = k.inode
	}
	if k.hashed&MD5 != 0 {
		r.MD5 = hex.EncodeToString(k.md5[:])
	}
	if k.hashed&SHA1 != 0 {
		r.SHA1 = hex.EncodeToString(k.sha1[:])
	}
	if k.hashed&SHA256 != 0 {
		r.SHA256 = hex.EncodeToString(k.sha256[:])
	}
	return r
}

// sameTold tells whether a message would tell the same of both.
func (k *known) sameTold(o *known) bool {
	return bytes.Equal(k.record().AppendCanonical(nil, ""), o.record().AppendCanonical(nil, ""))
}
