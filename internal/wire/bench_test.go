package wire_test

import (
	"testing"

	"github.com/yagura-hids/yagura/internal/wire"
)

var ciphers = []wire.Cipher{wire.Blowfish, wire.AES, wire.WazuhAES}

// BenchmarkOpen opens what agents send for a line of 128 bytes.
func BenchmarkOpen(b *testing.B) {
	codec := wire.NewCodec(key)
	for _, c := range ciphers {
		b.Run(c.String(), func(b *testing.B) {
			datagram := append([]byte("!1026!"), encrypt(b, key, c, pack(b, inner([]byte("543210000000003:0042:"+line))))...)
			var s wire.Scratch
			b.SetBytes(int64(len(datagram)))
			b.ReportAllocs()
			for b.Loop() {
				d, err := wire.Split(datagram)
				if err != nil {
					b.Fatal(err)
				}
				if _, err = codec.Open(d, wire.MaxMessage, &s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkWrongKey is what a stranger's datagram costs.
func BenchmarkWrongKey(b *testing.B) {
	other := key
	other.Secret += "x"
	codec := wire.NewCodec(other)
	for _, c := range ciphers {
		b.Run(c.String(), func(b *testing.B) {
			d, err := wire.Split(encrypt(b, key, c, pack(b, inner([]byte("543210000000003:0042:"+line)))))
			if err != nil {
				b.Fatal(err)
			}
			var s wire.Scratch
			b.ReportAllocs()
			for b.Loop() {
				if _, err := codec.Open(d, wire.MaxMessage, &s); err == nil {
					b.Fatal("opened")
				}
			}
		})
	}
}

func BenchmarkSeal(b *testing.B) {
	codec := wire.NewCodec(key)
	for _, c := range ciphers {
		b.Run(c.String(), func(b *testing.B) {
			var dst []byte
			b.ReportAllocs()
			for b.Loop() {
				var err error
				if dst, err = codec.Seal(dst[:0], "", wire.Message{Cipher: c, Random: 1, Global: 2, Local: 3, Text: []byte(wire.Ack)}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkNewKey(b *testing.B) {
	d, err := wire.Split(encrypt(b, key, wire.Blowfish, pack(b, inner([]byte("543210000000003:0042:"+line)))))
	if err != nil {
		b.Fatal(err)
	}
	var s wire.Scratch
	b.ReportAllocs()
	for b.Loop() {
		if _, err := wire.NewCodec(key).Open(d, wire.MaxMessage, &s); err != nil {
			b.Fatal(err)
		}
	}
}
