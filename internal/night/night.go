// Package night holds a recorded night on which a real machine was patched, and hosts that go through it again.
//
//	debootstrap, apt ─► agent/syscheck ─► testdata/*.jsonl.zst ─► Recording ─► a Host: its events, with what differs from host to host
//	(night/record, by tools/night/record)
//
// A recording is lines of JSON, compressed with zstd: what there was when the night began, a line for each file, and what happened then:
//
//	{"first":{"path":"/etc/adduser.conf","record":{…}}}
//	{"at":12.25,"change":{"type":"modified","path":"/usr/bin/ssh","before":{…},"after":{…}}}
package night

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/yagura-hids/yagura/internal/syscheck"
)

// Recording is a night on one machine.
type Recording struct {
	First   []File   // what there was, in the order in which the agent told it
	Changes []Change // what happened
}

// File is a file that was there.
type File struct {
	Path   string          `json:"path"`
	Record syscheck.Record `json:"record"`
}

// Change is what the agent told, and when.
type Change struct {
	At     time.Duration // since the night began
	Change syscheck.Change
}

// line is a line of a recording.
type line struct {
	First  *File            `json:"first,omitempty"`
	At     float64          `json:"at,omitempty"` // seconds
	Change *syscheck.Change `json:"change,omitempty"`
}

// Write writes the recording.
func (r *Recording) Write(w io.Writer) error {
	z, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithWindowSize(8<<20))
	if err != nil {
		return fmt.Errorf("write a recording: %w", err)
	}
	e := json.NewEncoder(z)
	for i := range r.First {
		if err == nil {
			err = e.Encode(line{First: &r.First[i]})
		}
	}
	for i := range r.Changes {
		if c := &r.Changes[i]; err == nil {
			err = e.Encode(line{At: c.At.Round(time.Millisecond).Seconds(), Change: &c.Change})
		}
	}
	if end := z.Close(); err == nil {
		err = end
	}
	if err != nil {
		return fmt.Errorf("write a recording: %w", err)
	}
	return nil
}

// Read reads what Write wrote.
func Read(from io.Reader) (*Recording, error) {
	z, err := zstd.NewReader(from)
	if err != nil {
		return nil, fmt.Errorf("read a recording: %w", err)
	}
	defer z.Close()
	r := new(Recording)
	d := json.NewDecoder(bufio.NewReader(z))
	for n := 1; ; n++ {
		var l line
		switch err := d.Decode(&l); {
		case err == io.EOF:
			return r, nil
		case err != nil:
			return nil, fmt.Errorf("read a recording: line %d: %w", n, err)
		case l.First != nil:
			r.First = append(r.First, *l.First)
		case l.Change != nil:
			r.Changes = append(r.Changes, Change{At: time.Duration(l.At * float64(time.Second)), Change: *l.Change})
		}
	}
}
