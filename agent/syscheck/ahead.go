package syscheck

import "io"

// A file of this size is read by one goroutine while another one hashes: reading takes an eighth of the time that hashing does.
const (
	aheadSize   = 1 << 20
	aheadBuffer = 256 << 10
)

// chunk is what was read, and what ended the reading.
type chunk struct {
	buf []byte
	n   int
	err error
}

// ahead reads r in a goroutine of its own, two chunks at most before they are asked for; see chunks.
func ahead(r io.Reader) (next func() ([]byte, error), stop func()) {
	free, filled, ended := make(chan []byte, 2), make(chan chunk), make(chan struct{})
	go func() {
		defer close(filled)
		for buf := range free {
			n, err := r.Read(buf)
			select {
			case filled <- chunk{buf, n, err}:
			case <-ended:
				return
			}
			if err != nil {
				return
			}
		}
	}()
	free <- make([]byte, aheadBuffer)
	free <- make([]byte, aheadBuffer)
	var last []byte
	next = func() ([]byte, error) {
		if last != nil {
			free <- last
		}
		c := <-filled
		last = c.buf
		return c.buf[:c.n], c.err
	}
	stop = func() { // and the reader is no longer at the file, which is closed now
		close(ended)
		close(free)
		for range filled {
		}
	}
	return next, stop
}
