package logcollector

import "bytes"

const chunk = 64 << 10 // bytes asked for in one read

// lines cuts a stream of bytes into lines. It never holds more than one line and one chunk, however long a line is:
//
//	"text\n" or "text\r\n"   → text
//	more than limit bytes    → the first limit bytes, marked cut, as soon as they are there; the rest is skipped up to the newline
//	"\n" or "\r\n"           → nothing
//
// What comes out does not depend on how the bytes were dealt into reads.
type lines struct {
	limit int
	skip  bool   // inside the rest of a cut line
	off   int64  // of buf[0] in the stream
	buf   []byte // read, and not yet given out
}

// line is one line as it lies in the buffer: valid until the next fill.
type line struct {
	text []byte
	off  int64 // of its first byte
	cut  bool
}

// next returns the next complete line that is not empty; false means that it takes more bytes to tell.
func (l *lines) next() (line, bool) {
	for {
		text, cut, used := l.split()
		if used == 0 {
			return line{}, false
		}
		at := l.off
		l.advance(used)
		if len(text) > 0 {
			return line{text, at, cut}, true
		}
	}
}

// split looks at the line that buf begins with and says how many bytes to drop with it; 0 if its end is not there yet.
func (l *lines) split() (text []byte, cut bool, used int) {
	if l.skip {
		i := bytes.IndexByte(l.buf, '\n')
		if i < 0 {
			return nil, false, len(l.buf)
		}
		l.skip = false
		return nil, false, i + 1
	}
	// Up to limit+2 bytes decide: a line of limit bytes may still be followed by "\r\n".
	i := bytes.IndexByte(l.buf[:min(len(l.buf), l.limit+2)], '\n')
	switch {
	case i >= 0:
		text, cut = l.trim(l.buf[:i])
		return text, cut, i + 1
	case len(l.buf) < l.limit+2:
		return nil, false, 0
	}
	l.skip = true
	return l.buf[:l.limit], true, l.limit + 2
}

// rest gives out what is left as the last line: the stream has ended without a newline.
func (l *lines) rest() (line, bool) {
	text, cut := l.trim(l.buf)
	if l.skip {
		text = nil
	}
	at := l.off
	l.advance(len(l.buf))
	return line{text, at, cut}, len(text) > 0
}

func (l *lines) trim(text []byte) ([]byte, bool) {
	text = bytes.TrimSuffix(text, []byte{'\r'})
	if len(text) > l.limit {
		return text[:l.limit], true
	}
	return text, false
}

func (l *lines) advance(n int) {
	l.off += int64(n)
	l.buf = l.buf[n:]
}

// room returns free space behind the bytes held; filled takes the first n bytes of it in.
func (l *lines) room() []byte {
	if cap(l.buf)-len(l.buf) < chunk {
		grown := make([]byte, len(l.buf), len(l.buf)+2*chunk)
		copy(grown, l.buf)
		l.buf = grown
	}
	return l.buf[len(l.buf) : len(l.buf)+chunk]
}

func (l *lines) filled(n int) { l.buf = l.buf[:len(l.buf)+n] }

// reset forgets what is held and begins anew at off.
func (l *lines) reset(off int64, skip bool) { l.buf, l.off, l.skip = nil, off, skip }
