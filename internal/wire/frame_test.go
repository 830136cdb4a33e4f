package wire_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/yagura-hids/yagura/internal/wire"
)

func TestFrames(t *testing.T) {
	datagrams := []string{wire.Ping, "!001!:12345678", strings.Repeat("x", wire.MaxWazuh), "y"}
	var stream []byte
	for _, d := range datagrams {
		stream = wire.AppendFrame(stream, []byte(d))
	}
	if !bytes.HasPrefix(stream, []byte("\x05\x00\x00\x00#ping")) {
		t.Errorf("%q", stream[:9])
	}
	r := iotest.OneByteReader(bytes.NewReader(stream))
	var buf []byte
	for _, want := range datagrams {
		var err error
		if buf, err = wire.ReadFrame(r, buf); err != nil || string(buf) != want {
			t.Fatalf("%.20q %v, want %.20q", buf, err, want)
		}
	}
	if _, err := wire.ReadFrame(r, buf); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}

func TestNoFrame(t *testing.T) {
	for stream, want := range map[string]error{
		"\x00\x00\x00\x00":         wire.ErrFormat,
		"\x01\x00\x01\x00":         wire.ErrTooLarge,
		"\xff\xff\xff\xff":         wire.ErrTooLarge,
		"GET / HTTP/1.1\r\n\r\n":   wire.ErrTooLarge,
		"\x05\x00\x00":             io.ErrUnexpectedEOF,
		"\x05\x00\x00\x00":         io.ErrUnexpectedEOF,
		"\x05\x00\x00\x00#pin":     io.ErrUnexpectedEOF,
		"":                         io.EOF,
		"\x01\x00\x00\x80endianly": wire.ErrTooLarge,
	} {
		if frame, err := wire.ReadFrame(strings.NewReader(stream), nil); !errors.Is(err, want) {
			t.Errorf("%q: %q %v, want %v", stream, frame, err, want)
		}
	}
}

// FuzzFrame holds that frames read are frames written, in bounded memory.
func FuzzFrame(f *testing.F) {
	f.Add([]byte("\x05\x00\x00\x00#ping\x01\x00\x00\x00x"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		r := bytes.NewReader(stream)
		var buf, again []byte
		for {
			frame, err := wire.ReadFrame(r, buf)
			if err != nil {
				break
			}
			if again, buf = wire.AppendFrame(again, frame), frame; cap(buf) > wire.MaxWazuh {
				t.Fatalf("%d bytes of memory", cap(buf))
			}
		}
		if !bytes.HasPrefix(stream, again) {
			t.Errorf("%q isn't the begin of %q", again, stream)
		}
	})
}
