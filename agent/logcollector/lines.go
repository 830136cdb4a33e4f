package logcollector

import (
	"bytes"
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"
)

const chunk = 64 << 10 // bytes asked for in one read

// width is how a stream writes a character: as a byte or more (ASCII, UTF-8 and what is like them), or in two or four (UTF-16).
type width string

const (
	narrow width = ""
	wideLE width = "le"
	wideBE width = "be"
)

// sniff tells the width from the mark that Windows programs set at a file's beginning.
func sniff(head []byte) width {
	switch {
	case bytes.HasPrefix(head, []byte{0xff, 0xfe}):
		return wideLE
	case bytes.HasPrefix(head, []byte{0xfe, 0xff}):
		return wideBE
	}
	return narrow
}

// lines cuts a stream of bytes into lines. It never holds more than one line and one chunk, however long a line is:
//
//	"text\n" or "text\r\n"   → text
//	more than limit bytes    → the first limit bytes, marked cut, as soon as they are there; the rest is skipped up to the newline
//	"\n" or "\r\n"           → nothing, or an empty line where blank is set
//	NULs before a line       → passed over: a hole that a program leaves that goes on writing where it was in a file truncated meanwhile
//
// UTF-16 comes out as UTF-8, without the mark at its beginning. What comes out does not depend on how the bytes were dealt into reads.
type lines struct {
	limit int
	blank bool  // give empty lines, too
	skip  bool  // inside the rest of a cut line
	off   int64 // of buf[0] in the stream; below 0 as long as buf begins with what an older file of the log ended with
	buf   []byte
	mem   []byte // where buf lies, or will lie
	width width
}

// line is one line as it lies in the buffer: valid until the next fill.
type line struct {
	text []byte
	off  int64 // of its first byte
	cut  bool
}

// next returns the next complete line; false means that it takes more bytes to tell.
func (l *lines) next() (line, bool) {
	for {
		l.passHole()
		skipping := l.skip
		text, cut, used := l.split()
		if used == 0 {
			return line{}, false
		}
		at := l.off
		l.advance(used)
		if skipping {
			continue
		}
		if out := l.decode(text, at, cut); len(out.text) > 0 || l.blank {
			return out, true
		}
	}
}

// passHole drops the NULs at the beginning of a line.
func (l *lines) passHole() {
	if l.skip || len(l.buf) == 0 || l.buf[0] != 0 {
		return
	}
	n := len(l.buf) - len(bytes.TrimLeft(l.buf, "\x00"))
	if l.width == wideBE && n < len(l.buf) { // the upper half of a character
		n--
	}
	l.advance(n / l.unit() * l.unit())
}

// split looks at the line that buf begins with and says how many bytes to drop with it; 0 if its end is not there yet.
func (l *lines) split() (text []byte, cut bool, used int) {
	u := l.unit()
	if l.skip {
		i := l.newline(l.buf)
		if i < 0 {
			return nil, false, len(l.buf) / u * u
		}
		l.skip = false
		return nil, false, i + u
	}
	// Up to two characters beyond the limit decide: a line of limit bytes may still be followed by "\r\n".
	most := l.limit + 2*u
	i := l.newline(l.buf[:min(len(l.buf), most)])
	switch {
	case i >= 0:
		text, cut = l.trim(l.buf[:i])
		return text, cut, i + u
	case len(l.buf) < most:
		return nil, false, 0
	}
	l.skip = true
	return l.buf[:l.limit], true, most
}

func (l *lines) unit() int {
	if l.width == narrow {
		return 1
	}
	return 2
}

// newline returns where in b, which begins with a whole character, the first newline is; -1 if nowhere.
func (l *lines) newline(b []byte) int {
	if l.width == narrow {
		return bytes.IndexByte(b, '\n')
	}
	for at := 0; ; {
		i := bytes.IndexByte(b[at:], '\n')
		if i < 0 {
			return -1
		}
		i += at
		at = i + 1
		if i &^= 1; i+1 < len(b) && l.char(b[i:]) == '\n' {
			return i
		}
	}
}

// char returns the 16 bits that b begins with.
func (l *lines) char(b []byte) uint16 {
	if l.width == wideBE {
		return binary.BigEndian.Uint16(b)
	}
	return binary.LittleEndian.Uint16(b)
}

// rest gives out what is left as the last line: the stream has ended without a newline.
func (l *lines) rest() (line, bool) {
	text, cut := l.trim(l.buf)
	if l.skip {
		text = nil
	}
	at := l.off
	l.advance(len(l.buf))
	out := l.decode(text, at, cut)
	return out, len(out.text) > 0
}

func (l *lines) trim(text []byte) ([]byte, bool) {
	if l.width == narrow {
		text = bytes.TrimSuffix(text, []byte{'\r'})
	} else if n := len(text) - 2; n >= 0 && n%2 == 0 && l.char(text[n:]) == '\r' {
		text = text[:n]
	}
	if len(text) > l.limit {
		return text[:l.limit], true
	}
	return text, false
}

// decode makes a line of what was read as one at off.
func (l *lines) decode(text []byte, off int64, cut bool) line {
	if l.width != narrow {
		var more bool
		text, more = l.narrowed(text)
		cut = cut || more
	}
	if off == 0 {
		text = bytes.TrimPrefix(text, []byte("\ufeff"))
	}
	return line{text, off, cut}
}

// narrowed returns the UTF-8 of text, and whether it had to be cut.
func (l *lines) narrowed(text []byte) ([]byte, bool) {
	out := make([]byte, 0, len(text))
	for len(text) >= 2 {
		r := rune(l.char(text))
		text = text[2:]
		if utf16.IsSurrogate(r) && len(text) >= 2 {
			if pair := utf16.DecodeRune(r, rune(l.char(text))); pair != utf8.RuneError {
				r, text = pair, text[2:]
			}
		}
		whole := len(out)
		if out = utf8.AppendRune(out, r); len(out) > l.limit {
			return out[:whole], true
		}
	}
	return out, false
}

func (l *lines) advance(n int) {
	l.off += int64(n)
	l.buf = l.buf[n:]
}

// room returns free space behind the bytes held; filled takes the first n bytes of it in.
func (l *lines) room() []byte {
	n := len(l.buf)
	if cap(l.buf)-n < chunk {
		to := l.mem
		if cap(to) < n+chunk {
			to = make([]byte, n+2*chunk)
		}
		copy(to[:n], l.buf)
		l.mem, l.buf = to, to[:n]
	}
	return l.buf[n : n+chunk]
}

func (l *lines) filled(n int) { l.buf = l.buf[:len(l.buf)+n] }

// reset forgets what is held and begins anew at off.
func (l *lines) reset(off int64, skip bool) { l.buf, l.off, l.skip = nil, off, skip }
