package logcollector

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"io"

	"github.com/klauspost/compress/zstd"
)

// unpacked returns what in holds, unpacked if gzip or zstd packed it. Its first bytes tell, not a name.
func unpacked(in io.Reader) (out io.Reader, done func(), err error) {
	done = func() {}
	r := bufio.NewReaderSize(in, chunk)
	head, _ := r.Peek(4) // an error comes again with the first read
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		out, err = gzip.NewReader(r)
	case bytes.Equal(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		var z *zstd.Decoder
		if z, err = zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(256<<20)); err == nil {
			out, done = z, z.Close
		}
	default:
		return r, done, nil
	}
	return out, done, err
}

// unpacker reads a packed file.
type unpacker struct {
	io.Reader
	done func()
}

// unpackFrom returns what the packed file at in holds from byte off on. The error tells that it holds less, or is damaged before.
func unpackFrom(in io.ReadSeeker, off int64) (*unpacker, error) {
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	out, done, err := unpacked(in)
	if err == nil {
		_, err = io.CopyN(io.Discard, out, off)
	}
	if err != nil {
		done()
		return nil, err
	}
	return &unpacker{out, done}, nil
}
