package logcollector

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"github.com/yagura-hids/yagura/internal/event"
)

// Reader reads the lines of a finished log from its beginning to its end. It is not a follower: see [Collector] for that.
type Reader struct {
	location string
	lines    lineReader
	file     *os.File
	size     int64
	read     *counter
	done     func()
}

// Open opens a log: a path, or "-" for the standard input. What gzip or zstd packed is unpacked, told by its first bytes and not by its name.
func Open(path string) (*Reader, error) {
	if path == "-" {
		return newReader("stdin", os.Stdin, -1)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	st, err := f.Stat()
	if err == nil && st.IsDir() {
		err = errors.New("is a directory; name the files in it")
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open log %s: %w", path, err), f.Close())
	}
	size := st.Size()
	if !st.Mode().IsRegular() {
		size = -1
	}
	r, err := newReader(path, f, size)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return r, nil
}

func newReader(location string, f *os.File, size int64) (*Reader, error) {
	r := &Reader{location: location, file: f, size: size, read: &counter{r: f}}
	src, done, err := unpacked(r.read)
	if err != nil {
		return nil, fmt.Errorf("unpack %s: %w", location, err)
	}
	r.done = done
	r.lines = newLineReader(src, event.MaxText)
	return r, nil
}

// Next returns the next line, by the rules of [Line]. It returns io.EOF after the last one; any other error, such as that of a damaged
// archive, comes after all lines before the damage.
func (r *Reader) Next() (Line, error) {
	l, err := r.lines.next()
	if err == io.EOF {
		return Line{}, io.EOF
	}
	if err != nil {
		return Line{}, fmt.Errorf("read %s after byte %d: %w", r.location, r.lines.off, err)
	}
	return Line{Location: r.location, Text: string(l.text), Cut: l.cut, Offset: l.off}, nil
}

// Progress returns how many bytes have been read and how many there are, both as stored, so packed ones if it is packed.
// size is -1 if nobody knows: a pipe. It may be called while another goroutine is in Next.
func (r *Reader) Progress() (read, size int64) { return r.read.n.Load(), r.size }

// Close closes the log, but not the standard input.
func (r *Reader) Close() error {
	r.done()
	if r.file == os.Stdin {
		return nil
	}
	return r.file.Close()
}

// counter counts the bytes that pass.
type counter struct {
	r io.Reader
	n atomic.Int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// lineReader reads lines from a stream that ends once.
type lineReader struct {
	lines
	r   io.Reader
	err error // what ended the stream
}

func newLineReader(r io.Reader, limit int) lineReader {
	return lineReader{lines: lines{limit: limit}, r: r}
}

// next returns the next line, waiting for it. The stream's error comes after its last line, and from then on always.
func (r *lineReader) next() (line, error) {
	for {
		if l, ok := r.lines.next(); ok {
			return l, nil
		}
		if r.err != nil {
			if l, ok := r.rest(); ok {
				return l, nil
			}
			return line{}, r.err
		}
		n, err := r.r.Read(r.room())
		r.filled(n)
		r.err = err
	}
}
