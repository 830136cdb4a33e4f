package syslog

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"time"

	"github.com/yagura-hids/yagura/internal/event"
)

// keep is how much of a message is kept: a PRI, and as much as an event holds. RFC 5424's header is shortened, never made longer than this.
const keep = event.MaxText + 1024

// frames cuts a connection's bytes into messages. Each may be framed in either way of RFC 6587, and in either way mixed:
//
//	"11 <13>1 - - -"     octet counting: digits, a space, and so many bytes, which begin with "<"
//	"<13>hello\n"        a line, of whatever bytes
//
// It holds one message at most, and of a longer one the beginning.
type frames struct {
	in   *bufio.Reader
	text []byte
	tell func(inside bool) // is told when a frame begins and ends
}

func newFrames(r io.Reader, tell func(inside bool)) *frames {
	return &frames{in: bufio.NewReaderSize(r, 4096), tell: tell}
}

// next returns the next message without its frame, and whether its end is missing. It is good until the next call. The last message of a
// connection may come with the error that ended it.
func (f *frames) next() (text []byte, cut bool, err error) {
	if cap(f.text) > 8192 { // the next one will be short again: a thousand connections may be open
		f.text = nil
	}
	f.text = f.text[:0]
	f.tell(false)
	if _, err := f.in.Peek(1); err != nil {
		return nil, false, err
	}
	f.tell(true)
	if n, ok := f.count(); ok {
		cut, err = f.counted(n)
	} else {
		cut, err = f.line()
	}
	return f.text, cut, err
}

// maxDigits bounds what a count can be: 9999999.
const maxDigits = 7

// count takes a count off the connection, if one stands there. It asks for a byte only when those before it leave the matter open.
func (f *frames) count() (n int, ok bool) {
	for i := 1; i <= maxDigits+2; i++ {
		head, err := f.in.Peek(i)
		if err != nil {
			return 0, false
		}
		switch c := head[i-1]; {
		case c >= '0' && c <= '9' && i <= maxDigits && head[0] != '0':
			n = 10*n + int(c-'0')
		case c == ' ' && i > 1:
			if head, err = f.in.Peek(i + 1); err != nil || head[i] != '<' {
				return 0, false
			}
			_, _ = f.in.Discard(i) // which were peeked at
			return n, true
		default:
			return 0, false
		}
	}
	return 0, false
}

// counted reads n bytes and keeps what may be kept.
func (f *frames) counted(n int) (cut bool, err error) {
	for n > 0 {
		if _, err := f.in.Peek(1); err != nil {
			return true, err
		}
		piece, _ := f.in.Peek(min(n, f.in.Buffered())) // which are there
		cut = f.add(piece) || cut
		n -= len(piece)
		_, _ = f.in.Discard(len(piece))
	}
	return cut, nil
}

// line reads up to a newline and keeps what may be kept. A connection that ends without one ends its last line, but one that breaks cuts it.
func (f *frames) line() (cut bool, err error) {
	for {
		piece, err := f.in.ReadSlice('\n')
		cut = f.add(bytes.TrimSuffix(piece, []byte{'\n'})) || cut
		if err != bufio.ErrBufferFull {
			return cut || err != nil && err != io.EOF, err
		}
	}
}

// add keeps a piece, and tells if not all of it.
func (f *frames) add(piece []byte) (cut bool) {
	n := min(len(piece), keep-len(f.text))
	f.text = append(f.text, piece[:n]...)
	return n < len(piece)
}

// patient is a connection whose reads take no longer than they may.
type patient struct {
	net.Conn
	limits timeouts
	inside bool
	begun  time.Time // the frame; zero before its first read
}

// frame notes whether a frame has begun.
func (p *patient) frame(inside bool) { p.inside, p.begun = inside, time.Time{} }

// Read reads what is there, within what is left of the frame's time, or of the time between frames.
func (p *patient) Read(b []byte) (int, error) {
	now := time.Now()
	end := now.Add(p.limits.idle)
	if p.inside {
		if p.begun.IsZero() {
			p.begun = now
		}
		end = p.begun.Add(p.limits.frame)
	}
	if err := p.SetReadDeadline(end); err != nil {
		return 0, err
	}
	return p.Conn.Read(b)
}
