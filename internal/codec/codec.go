// Package codec is events as bytes: an agent's batch as it travels in one record of a stream, and the other records that a stream may bring.
//
//	"YGR" 2 │ zstd, with a dictionary ( CBOR map )                  one record, at most 1 MiB with its partition key
//
//	 1 agent id      8 count          13 times, deltas ─┐
//	 2 epoch         9 first seq      14 zones, deltas  │  columns: a number of each event, one after another as varints;
//	 3 agent        10 how seq steps  15 locations ─────┤  a column that is left out is all zeros
//	 4 version      11 seqs, deltas   16 kind and cut   │
//	 5 config       12 time's unit    17 lengths ───────┘
//	 6 dropped      18 the locations that 15 counts into: "/var/log/auth.log" …
//	 7 sent         19 all texts in a row, those of a location together
//	                20 priorities, a column
//
// Like stands beside like, which is what makes the batch small; and zstd begins with a dictionary of what logs mostly say, which is what makes
// small batches small. docs/protocol.md says it in full.
//
//	record ─► Events ─┬─ "YGR"  ─► Decode            ids from the agent
//	                  ├─ gzip   ─► CloudWatch Logs ─┐
//	                  └─ {      ─► JSON objects    ─┴─ ids from the record's sequence number, where the sender gave none
//
// All of these are bytes of strangers: what they say of themselves is believed only after it was checked, and no record costs more memory
// than a fixed multiple of MaxRaw.
package codec

import (
	"bytes"
	_ "embed" // the dictionary
	"errors"
	"fmt"
	"sync"

	"github.com/fxamacker/cbor/v2"
	"github.com/klauspost/compress/zstd"

	"github.com/yagura-hids/yagura/internal/event"
)

// The bounds of a batch. Encode and Decode refuse what is beyond them.
const (
	MaxRecord   = 1 << 20             // bytes of a record of a stream, its partition key included
	MaxEncoded  = MaxRecord - MaxName // bytes of an encoded batch
	MaxRaw      = 16 << 20            // bytes of a batch before compression, and of whatever else comes compressed
	MaxEvents   = 100_000
	MaxName     = 256     // bytes of an agent's id, which is the partition key, and of each text that it tells of itself
	MaxLocation = 8 << 10 // bytes of an event's location
	MaxDetails  = 64      // addresses, and labels
)

// Errors that Encode, Decode and Events wrap.
var (
	// ErrUnknown is returned for bytes that are nothing known: no batch, no payload of CloudWatch Logs, no JSON object.
	ErrUnknown = errors.New("unknown kind of record")
	// ErrVersion is returned for a batch of a version that this program doesn't know.
	ErrVersion = errors.New("unknown version")
	// ErrDamaged is returned for bytes that begin like something known and don't go on so.
	ErrDamaged = errors.New("damaged")
	// ErrInvalid is returned for a batch or an event that breaks a promise: numbers that don't rise, an implausible time, text that is no UTF-8.
	ErrInvalid = errors.New("invalid")
	// ErrTooLarge is returned for what is beyond a bound.
	ErrTooLarge = errors.New("too large")
)

const (
	marker  = "YGR"
	version = 2 // of the format. In version 1 there was no dictionary, and the texts stood in the order of the events
)

// dictionary is a part of version 2: no byte of it may change. dictionary_test.go tells what it was made of.
//
//go:embed dictionary.v2
var dictionary []byte

// Encode returns the batch as bytes: the same bytes for the same batch by one build of the program.
func Encode(b *event.Batch) ([]byte, error) { return encode(b, &forWire) }

// EncodeFast is Encode for bytes that stay on the machine: in half the time, and a few percent larger.
func EncodeFast(b *event.Batch) ([]byte, error) { return encode(b, &forDisk) }

// littleRaw is up to how many bytes a batch is compressed fast in any case: to make the better encoder ready takes longer than all else, and what
// it finds in so little is 1 or 2 percent. A relay's batches are mostly of that size, one of each of its agents.
const littleRaw = 8 << 10

func encode(b *event.Batch, encoders *sync.Pool) ([]byte, error) {
	if err := check(b); err != nil {
		return nil, fmt.Errorf("encode batch: %w", err)
	}
	raw, err := modes().enc.Marshal(pack(b))
	if err != nil {
		return nil, fmt.Errorf("encode batch: %w", err)
	}
	if len(raw) > MaxRaw {
		return nil, fmt.Errorf("encode batch: %d bytes before compression, %d are allowed: %w", len(raw), MaxRaw, ErrTooLarge)
	}
	if len(raw) <= littleRaw {
		encoders = &forDisk
	}
	zip := encoders.Get().(*zstd.Encoder)
	data := zip.EncodeAll(raw, append(make([]byte, 0, len(raw)/8+64), marker+string(rune(version))...))
	encoders.Put(zip)
	if len(data) > MaxEncoded {
		return nil, fmt.Errorf("encode batch: %d bytes, %d are allowed: %w", len(data), MaxEncoded, ErrTooLarge)
	}
	return data, nil
}

// Decode returns the batch that Encode made bytes of, its times in zones without a name. The events' texts share one string.
// The error wraps one of those above, and says what is wrong and where.
func Decode(data []byte) (*event.Batch, error) {
	b, err := decode(data)
	if err != nil {
		return nil, fmt.Errorf("decode batch: %w", err)
	}
	return b, nil
}

func decode(data []byte) (*event.Batch, error) {
	body, ours := bytes.CutPrefix(data, []byte(marker))
	switch {
	case !ours:
		return nil, fmt.Errorf("it doesn't begin with %q: %w", marker, ErrUnknown)
	case len(body) == 0:
		return nil, fmt.Errorf("it ends after %q: %w", marker, ErrDamaged)
	case body[0] == 0 || body[0] > version:
		return nil, fmt.Errorf("%w %d, this program knows 1 to %d: update it", ErrVersion, body[0], version)
	case len(data) > MaxEncoded:
		return nil, fmt.Errorf("%d bytes, %d are allowed: %w", len(data), MaxEncoded, ErrTooLarge)
	}
	raw, err := unzip().DecodeAll(body[1:], nil)
	switch {
	case errors.Is(err, zstd.ErrDecoderSizeExceeded), errors.Is(err, zstd.ErrWindowSizeExceeded):
		return nil, fmt.Errorf("unpacked it is more than %d bytes: %w", MaxRaw, ErrTooLarge)
	case err != nil:
		return nil, fmt.Errorf("unpack: %w: %w", err, ErrDamaged)
	}
	var p packed
	if err := modes().dec.Unmarshal(raw, &p); err != nil {
		return nil, fmt.Errorf("its CBOR: %w: %w", err, ErrDamaged)
	}
	b, err := p.unpack(body[0])
	if err == nil {
		err = check(b)
	}
	if err != nil {
		return nil, err
	}
	return b, nil
}

// These are made when first needed, since they cost time at a function's start and memory in an agent, and used by all goroutines.
var (
	// An encoder takes 3.5 MB for the wire, 1.4 MB for the disk, and a quiet agent lets it go. SpeedBetterCompression would take 9.3 MB and make
	// batches 6 % smaller.
	forWire = sync.Pool{New: func() any { return encoder(zstd.SpeedDefault) }}
	forDisk = sync.Pool{New: func() any { return encoder(zstd.SpeedFastest) }}

	unzip = sync.OnceValue(func() *zstd.Decoder {
		return must(zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(MaxRaw), zstd.WithDecoderMaxWindow(MaxRaw),
			zstd.WithDecoderDicts(dictionary)))
	})

	modes = sync.OnceValue(func() (m struct {
		enc cbor.EncMode
		dec cbor.DecMode
	},
	) {
		m.enc = must(cbor.CoreDetEncOptions().EncMode())
		m.dec = must(cbor.DecOptions{
			DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden, IntDec: cbor.IntDecConvertNone,
			MaxNestedLevels: 4, MaxArrayElements: MaxEvents, MaxMapPairs: 1000,
		}.DecMode())
		return m
	})
)

// encoder returns an encoder with a window that is enough for batches as agents send them: one of 2 MiB would make them 2 % smaller.
func encoder(level zstd.EncoderLevel) *zstd.Encoder {
	return must(zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(level), zstd.WithEncoderDict(dictionary),
		zstd.WithWindowSize(512<<10), zstd.WithLowerEncoderMem(true)))
}

// must returns what can't fail: the options are constants.
func must[T any](v T, err error) T {
	if err != nil {
		panic("codec: internal error: " + err.Error())
	}
	return v
}
