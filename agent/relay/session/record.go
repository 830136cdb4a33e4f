package session

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// A session on disk is, after a byte for the version,
//
//	heard last (8) │ flags (1) │ first, alive, reset │ from, heard: length, address and port │ id, node: length, text │ high (8) │ window (128)
//
// where times are nanoseconds since 1970, 0 for none, as are those in 8 bytes.
const recordVersion = 1

const (
	flagProven = 1 << iota
	flagLive
)

var errRecord = errors.New("damaged record of a session")

// placeKey returns what the keys of a place's sessions begin with.
func placeKey(keyID string, place netip.Addr) []byte {
	k := append(append(make([]byte, 0, len(keyID)+26), keyID...), 0)
	if !place.IsValid() {
		return append(k, 0)
	}
	ip := place.As16()
	return append(append(k, 1), ip[:]...)
}

func (x *Session) storeKey() []byte {
	return binary.BigEndian.AppendUint64(placeKey(x.Key.ID, x.place), uint64(x.born))
}

func (x *Session) record() []byte {
	b := make([]byte, 0, 320)
	b = binary.BigEndian.AppendUint64(append(b, recordVersion), uint64(nano(x.Last)))
	flags := byte(0)
	if x.Proven {
		flags |= flagProven
	}
	if x.live {
		flags |= flagLive
	}
	b = append(b, flags)
	for _, t := range []time.Time{x.First, x.Alive, x.reset} {
		b = binary.AppendVarint(b, nano(t))
	}
	for _, a := range []netip.AddrPort{x.From, x.heard} {
		text, _ := a.MarshalBinary() // it has no errors
		b = appendBytes(b, text)
	}
	b = appendBytes(appendBytes(b, []byte(x.given)), []byte(x.Node))
	b = binary.BigEndian.AppendUint64(b, x.high)
	for _, word := range x.bits {
		b = binary.BigEndian.AppendUint64(b, word)
	}
	return b
}

func appendBytes(b, text []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

func nano(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func fromNano(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

// lastOf returns when a stored session was heard last. One that is no record is as old as can be.
func lastOf(record []byte) time.Time {
	if len(record) < 9 {
		return time.Time{}
	}
	return fromNano(int64(binary.BigEndian.Uint64(record[1:])))
}

// readRecord reads what record wrote under storeKey. Of the key it knows the id only.
func readRecord(k, v []byte) (*Session, error) {
	x := new(Session)
	if err := x.readKey(k); err != nil {
		return nil, err
	}
	r := reader{rest: v}
	if version := r.bytes(1); !r.bad && version[0] != recordVersion {
		return nil, fmt.Errorf("session of key %s: format %d, this program knows %d: update it", x.Key.ID, version[0], recordVersion)
	}
	x.Last = fromNano(int64(r.uint64()))
	if flags := r.bytes(1); !r.bad {
		x.Proven, x.live = flags[0]&flagProven != 0, flags[0]&flagLive != 0
	}
	for _, t := range []*time.Time{&x.First, &x.Alive, &x.reset} {
		*t = fromNano(r.varint())
	}
	for _, a := range []*netip.AddrPort{&x.From, &x.heard} {
		if err := a.UnmarshalBinary(r.text()); err != nil {
			r.bad = true
		}
	}
	x.given, x.Node = string(r.text()), string(r.text())
	x.high = r.uint64()
	for i := range x.bits {
		x.bits[i] = r.uint64()
	}
	if r.bad || len(r.rest) > 0 {
		return nil, fmt.Errorf("session of key %s: %w", x.Key.ID, errRecord)
	}
	return x, nil
}

func (x *Session) readKey(k []byte) error {
	r := reader{rest: k}
	for i, c := range k {
		if c == 0 {
			x.Key = &Key{ID: string(r.bytes(i))}
			break
		}
	}
	if marks := r.bytes(2); !r.bad && marks[1] == 1 {
		if ip := r.bytes(16); !r.bad {
			x.place = netip.AddrFrom16([16]byte(ip)).Unmap()
		}
	}
	x.born = int64(r.uint64())
	if r.bad || len(r.rest) > 0 || x.Key == nil {
		return fmt.Errorf("key %x: %w", k, errRecord)
	}
	x.Key.Many = x.place.IsValid()
	return nil
}

// reader takes a record apart. After the first thing that isn't there, bad is set and all else is zero.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) bytes(n int) []byte {
	if r.bad = r.bad || n > len(r.rest) || n < 0; r.bad {
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) uint64() uint64 {
	if b := r.bytes(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.rest)
	r.bad = r.bad || n <= 0
	r.bytes(n)
	return v
}

func (r *reader) text() []byte {
	n, m := binary.Uvarint(r.rest)
	r.bad = r.bad || m <= 0 || n > uint64(len(r.rest))
	r.bytes(m)
	return r.bytes(int(n))
}
