// Package wire is what OSSEC's and Wazuh's agents and their servers say to each other: keys, datagrams, messages. It opens no sockets.
//
// A datagram is
//
//	["!" id "!"] marker body        an agent names its key's id if its address in client.keys isn't a single one; a server never does
//
//	marker    body
//	":"       Blowfish in CBC, the IV is fedcba9876543210
//	"#AES:"   16 bytes of IV, then AES-256 in CBC, padded as PKCS #7 says (OSSEC 4)
//	"#AES:"   the same without the IV in front: it is always "FEDCBA0987654321" (Wazuh)
//
// and decrypted it is
//
//	"!" … "!"  zlib stream          1 to 8 of them, which fill the blocks of Blowfish
//
//	the stream:  md5 of the rest, in hex   random   global    ":" local ":"  text
//	             32                        5 digits 10 digits     4 digits
//
// Random is nothing but that. Global and local count the sender's messages, all that it sends to anybody. On TCP, which only Wazuh has, the length
// stands before each datagram: 4 bytes, the lowest first.
//
// Text that begins with "#!-" is a control message. All other text of an agent is an event, and of a server, a part of the file that it is sending:
//
//	agent                                        server
//	"#!-agent startup "                       ►
//	                                          ◄  "#!-agent ack "               to each control message
//	"1:/var/log/auth.log:Nov 25 10:00:00 …"   ►                                nothing to an event
//	"#!-Linux web1 … - OSSEC HIDS v4.2.0\n    ►
//	 md5 merged.mg\n\n…"                      ◄  "#!-agent ack "
//	                                          ◄  "#!-up file md5 merged.mg\n"  if the agent's isn't the server's
//	                                          ◄  "!1210 agent.conf\n<agent…"   900 bytes at most
//	                                          ◄  "#!-close file "
//	                                          ◄  "#!-syscheck restart"
//
// A key is in client.keys on both sides. Nothing else proves who sends: the md5 is a checksum, and whoever has a key can say anything under it.
package wire

import (
	"bytes"
	"errors"
	"fmt"
)

// Cipher is how a datagram's body is encrypted.
type Cipher uint8

// The ciphers.
const (
	Blowfish Cipher = iota // OSSEC's, of all versions
	AES                    // OSSEC 4's: the IV stands before the text
	WazuhAES               // Wazuh's: always the same IV
)

// String returns "blowfish", "aes" or "wazuh-aes".
func (c Cipher) String() string {
	switch c {
	case Blowfish:
		return "blowfish"
	case AES:
		return "aes"
	case WazuhAES:
		return "wazuh-aes"
	}
	return fmt.Sprintf("cipher %d", uint8(c))
}

// Bounds, in bytes.
const (
	MaxMessage   = 6144     // of OSSEC, with the header in it
	MaxWazuh     = 64 << 10 // of Wazuh
	MaxToAgent   = 1024     // of a datagram that an OSSEC agent reads whole
	MaxPushChunk = 900      // of a pushed file's part
	maxID        = 8        // of a key's id: with it, prefix and marker fill the 16 bytes that agents have for them
)

// Errors of Split, Open, Seal and the parsers of messages.
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
	Local  uint32 // 1 to 9999; senders stop at 9997
	Inner  []byte // all that the checksum covers and the checksum itself: what a fingerprint is made of. Seal doesn't look at it
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

var (
	blowfishMarker = []byte(":")
	aesMarker      = []byte("#AES:")
)

// Split takes a datagram apart. The slices are the datagram's. An error is ErrFormat, and no key could open such a datagram.
func Split(datagram []byte) (Datagram, error) {
	var d Datagram
	rest := datagram
	if len(rest) > 0 && rest[0] == '!' {
		end := bytes.IndexByte(rest[1:], '!') + 1
		if end < 2 || end-1 > maxID || !digits(rest[1:end]) {
			return Datagram{}, ErrFormat
		}
		d.ID, rest = rest[1:end], rest[end+1:]
	}
	if body, ok := bytes.CutPrefix(rest, aesMarker); ok {
		d.AES, d.Body = true, body
	} else if body, ok = bytes.CutPrefix(rest, blowfishMarker); ok {
		d.Body = body
	}
	if !d.whole() {
		return Datagram{}, ErrFormat
	}
	return d, nil
}

// whole tells whether the body is there, and of whole blocks.
func (d *Datagram) whole() bool {
	block := 8
	if d.AES {
		block = 16
	}
	return len(d.Body) > 0 && len(d.Body)%block == 0
}

func digits[T string | []byte](text T) bool {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return len(text) > 0
}
