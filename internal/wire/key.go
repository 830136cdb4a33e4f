package wire

import (
	"errors"
	"io"
	"net/netip"
)

// Key is one line of client.keys: what an agent and its server share.
type Key struct {
	ID      string // decimal digits, as written: "001" and "1" are two ids
	Name    string // of the agent, without spaces
	Address Address
	Secret  string // the key's text, which is not decoded
}

// Address is where a key's agents may be: one address, a network, anywhere, or anywhere but a network.
type Address struct {
	any    bool
	not    bool
	prefix netip.Prefix
}

// ErrKey is wrapped by the errors of ParseKey, ParseAddress and Import.
var ErrKey = errors.New("no agent key")

// ParseAddress reads "any", an address, or a network like 10.0.0.0/24, with a leading "!" for all but that.
func ParseAddress(text string) (Address, error) { panic("to come") }

// String returns what ParseAddress reads.
func (a Address) String() string { panic("to come") }

// Covers tells whether a host at that address may use the key. IPv4 addresses mapped into IPv6 are those of IPv4.
func (a Address) Covers(host netip.Addr) bool { panic("to come") }

// Single returns the one address, if it is one.
func (a Address) Single() (netip.Addr, bool) { panic("to come") }

// Any tells whether it is "any".
func (a Address) Any() bool { return a.any }

// ParseKey reads a line of client.keys, without its end.
func ParseKey(line string) (Key, error) { panic("to come") }

// String returns the line of client.keys, without its end.
func (k Key) String() string { panic("to come") }

// Export returns the line as manage_agents shows it to be copied: in base64.
func (k Key) Export() string { panic("to come") }

// Import reads what Export returns.
func Import(text string) (Key, error) { panic("to come") }

// ReadKeys reads a client.keys file. Comments and removed agents are left out. Lines that are none are told, each with its number, and the
// others returned all the same.
func ReadKeys(r io.Reader) ([]Key, error) { panic("to come") }

// NewSecret returns a new key's text, 64 hexadecimal digits of 256 random bits.
func NewSecret(random io.Reader) (string, error) { panic("to come") }
