package wire_test

import (
	"bytes"
	"compress/zlib"
	"crypto/aes"
	"crypto/cipher"
	"crypto/md5"
	"fmt"
	"testing"

	"golang.org/x/crypto/blowfish" //nolint:staticcheck // deprecated for new systems; OSSEC is an old one

	"github.com/yagura-hids/yagura/internal/wire"
)

var key = wire.Key{ID: "1026", Name: "web-asg", Secret: "9f3c1d5ab2e8476089d4c7f1a6b05e320c7be9154fd2a8361e5d90b7ac42f683"}

// This is the protocol written down once more, as simply as can be: what agents do.

// inner puts the checksum in front.
func inner(rest []byte) []byte { return fmt.Appendf(nil, "%x%s", md5.Sum(rest), rest) }

// pack compresses as agents do, with the best level, and pads.
func pack(t testing.TB, inner []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := zlib.NewWriterLevel(&b, zlib.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(inner); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return append(bytes.Repeat([]byte("!"), 8-b.Len()%8), b.Bytes()...)
}

// encrypt makes a datagram of what is packed.
func encrypt(t testing.TB, k wire.Key, c wire.Cipher, packed []byte) []byte {
	t.Helper()
	md5Hex := func(s string) string { return fmt.Sprintf("%x", md5.Sum([]byte(s))) }
	secret := md5Hex(k.Secret) + md5Hex(md5Hex(k.Name) + md5Hex(k.ID))[:15]
	marker, iv := []byte(":"), []byte("\xfe\xdc\xba\x98\x76\x54\x32\x10")
	var block cipher.Block
	var err error
	if c == wire.Blowfish {
		block, err = blowfish.NewCipher([]byte(secret))
	} else {
		block, err = aes.NewCipher([]byte(secret[:32]))
		n := 16 - len(packed)%16
		packed = append(bytes.Clone(packed), bytes.Repeat([]byte{byte(n)}, n)...)
		iv, marker = []byte("FEDCBA0987654321"), []byte("#AES:")
	}
	if err != nil {
		t.Fatal(err)
	}
	if c == wire.AES {
		iv = []byte("0123456789abcdef")
		marker = append(marker, iv...)
	}
	body := make([]byte, len(packed))
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(body, packed)
	return append(marker, body...)
}
