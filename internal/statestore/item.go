package statestore

import (
	"fmt"

	"github.com/fxamacker/cbor/v2"
	"github.com/klauspost/compress/zstd"

	"github.com/yagura-hids/yagura/internal/analysis"
)

// maxItem bounds what an item may unpack to. What the engine keeps in one is far below.
const maxItem = 8 << 20

// The coders are made once: they are for concurrent use. Neither fails with these options.
var (
	packer, _   = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderConcurrency(1))
	unpacker, _ = zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxItem), zstd.WithDecoderConcurrency(1))
	// Logs may hold bytes that are no UTF-8, and must come back as they were.
	reader, _ = cbor.DecOptions{UTF8: cbor.UTF8DecodeInvalid}.DecMode()
)

func encode(i *analysis.Item) ([]byte, error) {
	b, err := cbor.Marshal(i)
	if err != nil {
		return nil, err
	}
	return packer.EncodeAll(b, nil), nil
}

func decode(text []byte) (*analysis.Item, error) {
	b, err := unpacker.DecodeAll(text, nil)
	i := &analysis.Item{}
	if err == nil {
		err = reader.Unmarshal(b, i)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrItem, err)
	}
	return i, nil
}
