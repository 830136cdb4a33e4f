package syscheck_test

import (
	"bytes"
	"testing"

	"github.com/yagura-hids/yagura/agent/syscheck"
)

// A record with all three hashes is short, since there are a hundred thousand of them.
func TestRecordSize(t *testing.T) {
	if n := len(syscheck.Encoded("")); n > 110 {
		t.Errorf("%d bytes", n)
	}
}

// A record that can be read is written as it was.
func FuzzRecord(f *testing.F) {
	f.Add(syscheck.Encoded(""))
	f.Add(syscheck.Encoded("../target"))
	f.Add([]byte{1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0})
	f.Add([]byte{1, 0, 16, 0, 0, 1, 1, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		again, ok := syscheck.Reencode(b)
		if !ok {
			return
		}
		more, ok := syscheck.Reencode(again)
		if !ok || !bytes.Equal(again, more) || len(again) > len(b) {
			t.Errorf("%x became %x, and then %x", b, again, more)
		}
	})
}
