package fleet

import (
	"context"
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"

	"github.com/yagura-hids/yagura/internal/table"
)

// MaxFiles is how long a merged.mg may be; packed, it must fit into an item of 400 KB.
const MaxFiles = 8 << 20

// The coders are made once: they are for concurrent use. Neither fails with these options.
var (
	packer, _   = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(MaxFiles))
	unpacker, _ = zstd.NewReader(nil, zstd.WithDecoderMaxMemory(2*MaxFiles), zstd.WithDecoderConcurrency(1))
)

func filesKey(group string) (table.Key, error) {
	if group == "" {
		group = DefaultGroup
	}
	if badGroup(group) {
		return table.Key{}, fmt.Errorf("a group %.40q is %w: write letters, digits, full stops, - and _", group, ErrInvalid)
	}
	return table.Key{Partition: "files", Sort: group}, nil
}

// Files returns what hosts of a group are sent: a merged.mg. Nil if nothing is to be sent. "" is DefaultGroup.
func (s *Store) Files(ctx context.Context, group string) ([]byte, error) {
	key, err := filesKey(group)
	if err != nil {
		return nil, err
	}
	items, err := s.table.Get(ctx, Schema, []table.Key{key})
	if err != nil || len(items[0].Bytes("files")) == 0 {
		return nil, err
	}
	merged, err := unpacker.DecodeAll(items[0].Bytes("files"), nil)
	if err != nil {
		return nil, fmt.Errorf("read the files of group %s: %w; not written by this program", key.Sort, err)
	}
	return merged, nil
}

// PutFiles makes a merged.mg what hosts of a group are sent; nil for nothing. It is packed; what doesn't fit into an item is refused with
// table.ErrTooLarge.
func (s *Store) PutFiles(ctx context.Context, group string, merged []byte) error {
	key, err := filesKey(group)
	if err != nil {
		return err
	}
	var packed []byte
	if len(merged) > 0 && len(merged) <= MaxFiles {
		packed = packer.EncodeAll(merged, nil)
	}
	op := table.Op{Table: Schema, Item: with(key, table.Fields{"files": packed, "length": int64(len(merged))})}
	if len(merged) > MaxFiles || errors.Is(table.Validate([]table.Op{op}), table.ErrTooLarge) {
		return fmt.Errorf("the files of group %s are %w: %d bytes, of which %d are left when they are packed; an item has room for %d, and %d before packing",
			key.Sort, table.ErrTooLarge, len(merged), len(packed), table.MaxItem, MaxFiles)
	}
	return s.change(ctx, func(*state) ([]table.Op, error) { return []table.Op{op}, nil })
}
