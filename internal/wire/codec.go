package wire

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/md5" // the protocol's
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/zlib"
	"golang.org/x/crypto/blowfish" //nolint:staticcheck // deprecated for new systems; OSSEC is an old one
)

var (
	blowfishIV = []byte("\xfe\xdc\xba\x98\x76\x54\x32\x10")
	wazuhIV    = []byte("FEDCBA0987654321")
)

const (
	sumLen    = 32                          // the md5
	headerLen = sumLen + 5 + 10 + 1 + 4 + 1 // with the counters
)

// Codec opens and seals with one key. It may be used by several goroutines. What a cipher prepares of the key, 4 KiB for Blowfish, is made
// when it is used first, and after Forget.
type Codec struct {
	blowfish, aes prepared
}

// prepared is a cipher with its key.
type prepared struct {
	key   string
	make  func(key []byte) cipher.Block
	block atomic.Pointer[cipher.Block]
}

func (p *prepared) get() cipher.Block {
	if b := p.block.Load(); b != nil {
		return *b
	}
	b := p.make([]byte(p.key))
	p.block.Store(&b)
	return b
}

// Forget lets go of what is prepared, for a key that is not used for a while.
func (c *Codec) Forget() {
	c.blowfish.block.Store(nil)
	c.aes.block.Store(nil)
}

// NewCodec prepares a key.
func NewCodec(k Key) *Codec {
	secret := hexMD5(k.Secret)
	who := hexMD5(hexMD5(k.Name) + hexMD5(k.ID))
	return &Codec{
		blowfish: prepared{key: secret + who[:15], make: func(key []byte) cipher.Block { return must(blowfish.NewCipher(key)) }},
		aes:      prepared{key: secret, make: func(key []byte) cipher.Block { return must(aes.NewCipher(key)) }},
	}
}

func hexMD5(text string) string {
	sum := md5.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

// must returns a cipher whose key has a length that never fails.
func must[T cipher.Block](block T, err error) cipher.Block {
	if err != nil {
		panic("wire: internal error: " + err.Error())
	}
	return block
}

// Scratch is memory that Open uses again: one for each goroutine. The zero value is ready.
type Scratch struct {
	packed, inner []byte
	inflater      inflater
}

// Open decrypts, unpacks and checks. limit is MaxMessage or MaxWazuh. The message lies in the scratch, and is valid until that is used again.
// An error is ErrFormat, ErrChecksum or ErrTooLarge.
func (c *Codec) Open(d Datagram, limit int, s *Scratch) (Message, error) {
	if !d.whole() {
		return Message{}, ErrFormat
	}
	if cap(s.packed) < len(d.Body) {
		s.packed = make([]byte, len(d.Body))
	}
	packed := s.packed[:len(d.Body)]
	if !d.AES {
		return s.openBlowfish(c.blowfish.get(), packed, d.Body, limit)
	}
	return s.openAES(c.aes.get(), packed, d.Body, limit)
}

func (s *Scratch) openBlowfish(block cipher.Block, packed, body []byte, limit int) (Message, error) {
	const first = blowfish.BlockSize
	decrypt(block, blowfishIV, packed[:first], body)
	if packed[0] != '!' {
		return Message{}, ErrChecksum // a wrong key costs no more than a block
	}
	decrypt(block, body[:first], packed[first:], body[first:])
	return s.open(Blowfish, packed, limit)
}

// openAES tries both ways. The IV is what the first block is combined with, and nothing else: so what is decrypted with Wazuh's is right for Wazuh, and
// without the first block for OSSEC.
func (s *Scratch) openAES(block cipher.Block, packed, body []byte, limit int) (Message, error) {
	const first = 2 * aes.BlockSize
	if len(body) < first {
		return Message{}, ErrChecksum
	}
	decrypt(block, wazuhIV, packed[:first], body)
	if packed[0] != '!' && packed[aes.BlockSize] != '!' {
		return Message{}, ErrChecksum
	}
	decrypt(block, body[first-aes.BlockSize:first], packed[first:], body[first:])
	packed, ok := unpad(packed)
	if !ok || len(packed) <= aes.BlockSize {
		return Message{}, ErrChecksum
	}
	m, err := s.open(AES, packed[aes.BlockSize:], limit)
	if err == nil {
		return m, nil
	}
	m, wazuhErr := s.open(WazuhAES, packed, limit)
	if wazuhErr == ErrChecksum {
		return Message{}, err
	}
	return m, wazuhErr
}

// decrypt fills dst from src, which may be longer. It is CBC; cipher.NewCBCDecrypter would do the same with an allocation for each datagram.
func decrypt(block cipher.Block, iv, dst, src []byte) {
	size := len(iv)
	for i := 0; i < len(dst); i += size {
		to := dst[i : i+size]
		block.Decrypt(to, src[i:i+size])
		for j := 0; j < size; j += 8 {
			binary.LittleEndian.PutUint64(to[j:], binary.LittleEndian.Uint64(to[j:])^binary.LittleEndian.Uint64(iv[j:]))
		}
		iv = src[i : i+size]
	}
}

// unpad takes off what PKCS #7 puts behind.
func unpad(text []byte) ([]byte, bool) {
	n := int(text[len(text)-1])
	if n == 0 || n > aes.BlockSize || n > len(text) {
		return nil, false
	}
	for _, b := range text[len(text)-n:] {
		if int(b) != n {
			return nil, false
		}
	}
	return text[:len(text)-n], true
}

// open unpacks and checks what has been decrypted.
func (s *Scratch) open(c Cipher, packed []byte, limit int) (Message, error) {
	if len(packed) == 0 || packed[0] != '!' {
		return Message{}, ErrChecksum
	}
	stream := bytes.TrimLeft(packed, "!")
	if cap(s.inner) < limit {
		s.inner = make([]byte, limit)
	}
	n, err := s.inflater.zlib(s.inner[:limit], stream)
	if err != nil {
		return Message{}, err
	}
	return parseInner(c, s.inner[:n])
}

func parseInner(c Cipher, inner []byte) (Message, error) {
	if len(inner) < headerLen {
		return Message{}, ErrChecksum
	}
	var want [sumLen]byte
	sum := md5.Sum(inner[sumLen:])
	hex.Encode(want[:], sum[:])
	if !bytes.Equal(want[:], inner[:sumLen]) {
		return Message{}, ErrChecksum
	}
	random, ok1 := number(inner[32:37])
	global, ok2 := number(inner[37:47])
	local, ok3 := number(inner[48:52])
	if !ok1 || !ok2 || !ok3 || inner[47] != ':' || inner[52] != ':' || local == 0 {
		return Message{}, ErrFormat
	}
	return Message{Cipher: c, Random: random, Global: global, Local: local, Inner: inner, Text: inner[headerLen:]}, nil
}

// number reads decimal digits, 10 at most.
func number(text []byte) (uint32, bool) {
	var n uint64
	for _, b := range text {
		if b < '0' || b > '9' {
			return 0, false
		}
		n = n*10 + uint64(b-'0')
	}
	return uint32(n), n <= 1<<32-1
}

// Seal appends a datagram to dst: the opposite of Split and Open. id is the prefix, "" for none (a server sends none). It returns ErrTooLarge for
// a text that no receiver takes, and ErrFormat for counters that the header has no room for. That an OSSEC agent takes MaxToAgent bytes
// at most is for the caller to see to.
func (c *Codec) Seal(dst []byte, id string, m Message) ([]byte, error) {
	inner, err := m.inner()
	if err != nil {
		return nil, err
	}
	if id != "" {
		dst = append(append(append(dst, '!'), id...), '!')
	}
	packed := pack(inner)
	if m.Cipher == Blowfish {
		return encrypt(append(dst, blowfishMarker...), c.blowfish.get(), blowfishIV, packed), nil
	}
	dst = append(dst, aesMarker...)
	n := aes.BlockSize - len(packed)%aes.BlockSize
	packed = append(packed, bytes.Repeat([]byte{byte(n)}, n)...)
	if m.Cipher == WazuhAES {
		return encrypt(dst, c.aes.get(), wazuhIV, packed), nil
	}
	iv := make([]byte, aes.BlockSize)
	_, _ = rand.Read(iv) // never fails
	return encrypt(append(dst, iv...), c.aes.get(), iv, packed), nil
}

// inner returns what the checksum covers, with the checksum in front.
func (m *Message) inner() ([]byte, error) {
	limit := MaxMessage
	if m.Cipher == WazuhAES {
		limit = MaxWazuh
	}
	if headerLen+len(m.Text) > limit {
		return nil, fmt.Errorf("seal a message of %d bytes: %w", len(m.Text), ErrTooLarge)
	}
	if m.Random > 99999 || m.Local == 0 || m.Local > 9999 || m.Cipher > WazuhAES {
		return nil, fmt.Errorf("seal random %d, local %d, %v: %w", m.Random, m.Local, m.Cipher, ErrFormat)
	}
	inner := make([]byte, sumLen, headerLen+len(m.Text))
	inner = fmt.Appendf(inner, "%05d%010d:%04d:", m.Random, m.Global, m.Local)
	inner = append(inner, m.Text...)
	sum := md5.Sum(inner[sumLen:])
	hex.Encode(inner, sum[:])
	return inner, nil
}

// packers are writers of zlib. Each has a megabyte.
var packers = sync.Pool{New: func() any { return zlib.NewWriter(nil) }}

// pack compresses, and puts as many "!" in front as make whole blocks of Blowfish.
func pack(inner []byte) []byte {
	var b bytes.Buffer
	w := packers.Get().(*zlib.Writer)
	defer packers.Put(w)
	w.Reset(&b)
	_, err := w.Write(inner)
	if err = errors.Join(err, w.Close()); err != nil {
		panic("wire: internal error: " + err.Error()) // a buffer takes all
	}
	n := 8 - b.Len()%8
	return append(bytes.Repeat([]byte{'!'}, n), b.Bytes()...)
}

func encrypt(dst []byte, block cipher.Block, iv, text []byte) []byte {
	start := len(dst)
	dst = append(dst, text...)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(dst[start:], dst[start:])
	return dst
}
