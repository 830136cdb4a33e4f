package wire

import (
	"bytes"
	stdzlib "compress/zlib"
	"testing"
)

func BenchmarkInflate(b *testing.B) {
	ev := []byte("bf3094258a851e5c971dc83c53a01156543210000000003:0042:1:/var/log/auth.log:Nov 25 10:00:00 web1 sshd[24811]: Failed password for invalid user admin from 203.0.113.77 port 51122 ssh2 and so on")
	var z bytes.Buffer
	w, _ := stdzlib.NewWriterLevel(&z, 9)
	w.Write(ev)
	w.Close()
	var f inflater
	out := make([]byte, 6144)
	b.ReportAllocs()
	for b.Loop() {
		if n, err := f.zlib(out, z.Bytes()); err != nil || !bytes.Equal(out[:n], ev) {
			b.Fatal(n, err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	k := Key{ID: "1026", Name: "web-asg", Secret: "9f3c1d5ab2e8476089d4c7f1a6b05e320c7be9154fd2a8361e5d90b7ac42f683"}
	c := NewCodec(k)
	for _, ci := range []Cipher{Blowfish, AES, WazuhAES} {
		b.Run(ci.String(), func(b *testing.B) {
			d, err := c.Seal(nil, "1026", Message{Cipher: ci, Random: 1, Global: 2, Local: 3, Text: []byte("1:/var/log/auth.log:Nov 25 10:00:00 web1 sshd[24811]: Failed password for invalid user admin from 203.0.113.77 port 51122 ssh2 and so on")})
			if err != nil {
				b.Fatal(err)
			}
			var s Scratch
			b.ReportAllocs()
			for b.Loop() {
				dg, _ := Split(d)
				if _, err := c.Open(dg, MaxMessage, &s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
