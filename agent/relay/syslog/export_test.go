package syslog

import (
	"io"
	"net/netip"
	"time"
)

// Parse is parse, for a message that came at a time.
func Parse(data []byte, from netip.Addr, at time.Time) (Message, bool) {
	return parse(data, from, func() time.Time { return at })
}

// Frame is what a connection gave: a message without its frame.
type Frame struct {
	Text string
	Cut  bool
}

// Frames cuts all that r gives into messages.
func Frames(r io.Reader) (list []Frame, err error) {
	f := newFrames(r, func(bool) {})
	for {
		text, cut, err := f.next()
		if len(text) > 0 || err == nil {
			list = append(list, Frame{string(text), cut})
		}
		if err != nil {
			return list, err
		}
	}
}

// Hurry shortens what connections may take.
func (l *Listener) Hurry(idle, frame, shake time.Duration) { l.limits = timeouts{idle, frame, shake} }

// MaxQueued is how many messages are read ahead.
const MaxQueued = maxQueued

// Keep is how much of a message is kept.
const Keep = keep

// Waiting returns how many messages are read and not taken.
func (l *Listener) Waiting() int {
	l.queue.mu.Lock()
	defer l.queue.mu.Unlock()
	return len(l.queue.list)
}
