package rule

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// network is one entry of a srcip or dstip list: [!] any | address | address/bits.
type network struct {
	negated bool
	any     bool
	prefix  netip.Prefix
}

func parseNetwork(text string) (network, error) {
	text = strings.TrimSpace(text)
	rest, negated := strings.CutPrefix(text, "!")
	n := network{negated: negated}
	if rest == "any" {
		n.any = true
		return n, nil
	}
	addr, bits, hasBits := strings.Cut(rest, "/")
	ip, err := parseAddress(addr)
	if err != nil {
		return n, fmt.Errorf("%q is no address", rest)
	}
	size := ip.BitLen()
	if hasBits {
		if size, err = strconv.Atoi(bits); err != nil || size < 0 || size > ip.BitLen() {
			return n, fmt.Errorf("%q: want /0 to /%d", rest, ip.BitLen())
		}
		n.any = size == 0
	}
	n.prefix = netip.PrefixFrom(ip, size).Masked()
	return n, nil
}

// parseAddress also takes the forms of classic inet rules: 192.168.1 is 192.168.0.1, and 010 is 8. It drops the zone of an IPv6 address.
func parseAddress(text string) (netip.Addr, error) {
	ip, err := netip.ParseAddr(text)
	if err == nil {
		return ip.Unmap().WithZone(""), nil
	}
	parts := strings.Split(text, ".")
	if len(parts) > 4 {
		return netip.Addr{}, err
	}
	var value uint64
	for i, part := range parts {
		n, perr := parseInetNumber(part)
		last := i == len(parts)-1
		switch {
		case perr != nil, !last && n > 255, last && n >= 1<<(8*(5-len(parts))):
			return netip.Addr{}, err
		case last:
			value |= n
		default:
			value |= n << (24 - 8*i)
		}
	}
	return netip.AddrFrom4([4]byte{byte(value >> 24), byte(value >> 16), byte(value >> 8), byte(value)}), nil
}

// parseInetNumber reads a number as inet_aton does: 0x before hexadecimal ones, 0 before octal ones.
func parseInetNumber(text string) (uint64, error) {
	if hex, ok := strings.CutPrefix(strings.ToLower(text), "0x"); ok {
		return strconv.ParseUint(hex, 16, 32)
	}
	if octal, ok := strings.CutPrefix(text, "0"); ok && octal != "" {
		return strconv.ParseUint(octal, 8, 32)
	}
	return strconv.ParseUint(text, 10, 32)
}

// listed tells whether ip is in the list: the first entry that covers it decides; if none does, it is iff the last one is negated.
func listed(list []network, ip netip.Addr) bool {
	if !ip.IsValid() || len(list) == 0 {
		return false
	}
	for _, n := range list {
		if n.any || n.prefix.Contains(ip) {
			return !n.negated
		}
	}
	return list[len(list)-1].negated
}
