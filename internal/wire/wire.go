package wire

import (
	"errors"

	"golang.org/x/crypto/blowfish"
)

// Cipher is how a datagram's body is encrypted.
type Cipher uint8

// The ciphers.
const (
	Blowfish Cipher = iota // OSSEC's, of all versions
	AES                    // OSSEC 4's: the IV stands before the text
	WazuhAES               // Wazuh's: always the same IV
)

// Bounds, in bytes.
const (
	MaxMessage   = 6144     // of OSSEC, with the header in it
	MaxWazuh     = 64 << 10 // of Wazuh
	MaxToAgent   = 1024     // of a datagram that an OSSEC agent reads whole
	MaxPushChunk = 900      // of a pushed file's part
)

// Errors of Split and Open.
var (
	ErrFormat   = errors.New("not of this protocol")
	ErrChecksum = errors.New("wrong key, or damaged")
	ErrTooLarge = errors.New("too large")
)

// Message is an opened datagram.
type Message struct {
	Cipher Cipher
	Random uint32 // 5 digits
	Global uint32
	Local  uint32
	Inner  []byte // all that the checksum covers and the checksum itself: what a fingerprint is made of
	Text   []byte // the end of Inner
}

// Seq returns the counters as one number that rises from message to message.
func (m *Message) Seq() uint64 { return uint64(m.Global)*10000 + uint64(m.Local) }

// Datagram is a datagram before it is opened.
type Datagram struct {
	ID   []byte // what stands between ! and !; nil if there is no prefix
	AES  bool
	Body []byte
}

// Split takes a datagram apart. The slices are the datagram's.
func Split(datagram []byte) (Datagram, error) { panic("to come") }

// Codec opens and seals with one key. It may be used by several goroutines.
type Codec struct{ blowfish *blowfish.Cipher }

// NewCodec prepares a key.
func NewCodec(k Key) *Codec { panic("to come") }

// Scratch is memory that Open uses again. What Open returned last is valid until then.
type Scratch struct{}

// Open decrypts, unpacks and checks. limit is MaxMessage or MaxWazuh.
func (c *Codec) Open(d Datagram, limit int, s *Scratch) (Message, error) { panic("to come") }

// Seal appends a datagram to dst: the opposite of Split and Open. id is the prefix, "" for none (a server sends none).
func (c *Codec) Seal(dst []byte, id string, m Message) ([]byte, error) { panic("to come") }
