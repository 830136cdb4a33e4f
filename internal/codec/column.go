package codec

import (
	"encoding/binary"
	"fmt"
)

// column is a number of each event, one after another: signed varints, zigzag as in Protocol Buffers (0, -1, 1, -2 are 0, 1, 2, 3, then seven
// bits a byte, the lowest first, the eighth bit telling that more follow). An empty column is all zeros.
type column []byte

func (c *column) add(n int64) { *c = binary.AppendVarint(*c, n) }

// packed returns the column as it is written: without a byte if it is all zeros.
func (c column) packed() column {
	for _, b := range c {
		if b != 0 {
			return c
		}
	}
	return nil
}

// each gives the n numbers to take, with their indexes. There must be exactly so many.
func (c column) each(name string, n int, take func(i int, value int64) error) error {
	rest := c
	for i := range n {
		value, used := int64(0), 0
		if len(c) > 0 {
			if value, used = binary.Varint(rest); used <= 0 {
				return fmt.Errorf("%s: %d numbers where %d events need one: %w", name, i, n, ErrDamaged)
			}
			rest = rest[used:]
		}
		if err := take(i, value); err != nil {
			return err
		}
	}
	if len(rest) > 0 {
		return fmt.Errorf("%s: %d bytes behind the last number: %w", name, len(rest), ErrDamaged)
	}
	return nil
}
