package wire

import (
	"fmt"
	"net/netip"
	"strings"
)

// Address is where a key's agents may be: one address, a network, anywhere, or anywhere but a network.
type Address struct {
	any    bool
	not    bool
	prefix netip.Prefix // as written: with the bits of the host
}

// ParseAddress reads "any", an address, or a network like 10.0.0.0/24, with a leading "!" for all but that. The error wraps ErrKey.
func ParseAddress(text string) (Address, error) {
	if text == "any" {
		return Address{any: true}, nil
	}
	bare, not := strings.CutPrefix(text, "!")
	if !strings.Contains(bare, "/") {
		host, err := netip.ParseAddr(bare)
		if err != nil || host.Zone() != "" {
			return Address{}, badAddress(text)
		}
		host = host.Unmap()
		return Address{not: not, prefix: netip.PrefixFrom(host, host.BitLen())}, nil
	}
	prefix, err := netip.ParsePrefix(bare)
	if err != nil {
		return Address{}, badAddress(text)
	}
	if host := prefix.Addr(); host.Is4In6() && prefix.Bits() >= 96 {
		prefix = netip.PrefixFrom(host.Unmap(), prefix.Bits()-96)
	}
	return Address{not: not, prefix: prefix}, nil
}

func badAddress(text string) error {
	return fmt.Errorf(`%w: address %q: write "any", an address, or a network with its number of bits, like 10.0.0.0/24`, ErrKey, text)
}

// String returns what ParseAddress reads. The zero Address, which covers nothing, is "".
func (a Address) String() string {
	text := ""
	switch {
	case a.any:
		return "any"
	case !a.prefix.IsValid():
		return ""
	case a.prefix.IsSingleIP():
		text = a.prefix.Addr().String()
	default:
		text = a.prefix.String()
	}
	if a.not {
		return "!" + text
	}
	return text
}

// Covers tells whether a host at that address may use the key. IPv4 addresses mapped into IPv6 are those of IPv4.
func (a Address) Covers(host netip.Addr) bool {
	if a.any || !a.prefix.IsValid() {
		return a.any
	}
	return a.prefix.Contains(host.Unmap().WithZone("")) != a.not
}

// Single returns the one address, if it is one. Agents with such a key don't name it in their datagrams.
func (a Address) Single() (netip.Addr, bool) {
	return a.prefix.Addr(), a.prefix.IsSingleIP() && !a.not
}

// Any tells whether it is "any".
func (a Address) Any() bool { return a.any }
