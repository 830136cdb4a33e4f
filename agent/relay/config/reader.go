package config

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/yagura-hids/yagura/internal/osxml"
)

// reader gathers a configuration out of its sections.
type reader struct {
	config *Config
	faults osxml.Faults
	dir    string // where relative paths begin

	authAt, relayAt osxml.Pos // the sections that were read last
}

// of reads the elements of a section, each by the function of its name. Those that are listed as useless have no effect.
func (r *reader) of(e *osxml.Element, useless string, known map[string]func(*osxml.Element)) {
	section := strings.ToLower(e.Name)
	for _, child := range e.Children {
		name := strings.ToLower(child.Name)
		read, ok := known[name]
		switch {
		case ok:
			read(child)
		case slices.Contains(strings.Fields(useless), name):
			r.unused(section + " <" + child.Name + ">")
		default:
			names := make([]string, 0, len(known))
			for n := range known {
				names = append(names, n)
			}
			slices.Sort(names)
			r.faults.Add(child.Pos, "known are "+strings.Join(names, ", "), "%s: unknown element <%s>", section, child.Name)
		}
	}
}

func (r *reader) unused(what string) {
	if !slices.Contains(r.config.Unused, what) {
		r.config.Unused = append(r.config.Unused, what)
	}
}

func text(e *osxml.Element) string { return strings.TrimSpace(e.Content) }

func (r *reader) yes(into *bool) func(*osxml.Element) {
	return func(e *osxml.Element) {
		switch text(e) {
		case "yes":
			*into = true
		case "no":
			*into = false
		default:
			r.faults.Add(e.Pos, "write yes or no", "<%s> is %q", e.Name, text(e))
		}
	}
}

func (r *reader) port(into *uint16) func(*osxml.Element) {
	return func(e *osxml.Element) {
		n, err := strconv.ParseUint(text(e), 10, 16)
		if err != nil || n == 0 {
			r.faults.Add(e.Pos, "write a number from 1 to 65535", "<%s> is %q", e.Name, text(e))
			return
		}
		*into = uint16(n)
	}
}

func (r *reader) path(into *string) func(*osxml.Element) {
	return func(e *osxml.Element) {
		if text(e) == "" {
			r.faults.Add(e.Pos, "name a file, or leave it out", "<%s> is empty", e.Name)
			return
		}
		*into = r.whole(text(e))
	}
}

// whole returns a path from the root on.
func (r *reader) whole(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(r.dir, path)
}

func (r *reader) fitting(form *regexp.Regexp, hint string, into *string) func(*osxml.Element) {
	return func(e *osxml.Element) {
		if !form.MatchString(text(e)) {
			r.faults.Add(e.Pos, hint, "<%s> is %q", e.Name, text(e))
			return
		}
		*into = text(e)
	}
}

// networks adds the networks of a list between commas or spaces. "any" is everybody.
func (r *reader) networks(into *[]netip.Prefix) func(*osxml.Element) {
	return func(e *osxml.Element) {
		parts := strings.FieldsFunc(e.Content, func(c rune) bool { return strings.ContainsRune(", \t\r\n", c) })
		if len(parts) == 0 {
			r.faults.Add(e.Pos, "write an address or a network, as 192.0.2.0/24", "<%s> is empty", e.Name)
		}
		for _, part := range parts {
			list, err := network(part)
			if err != nil {
				r.faults.Add(e.Pos, "write an address or a network, as 192.0.2.0/24", "<%s>: %v", e.Name, err)
			}
			*into = append(*into, list...)
		}
	}
}

// network reads an address, a network (with a length or a mask), or any. Addresses of IPv4 that are mapped into IPv6 are those of IPv4.
func network(s string) ([]netip.Prefix, error) {
	if s == "any" {
		return []netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.PrefixFrom(netip.IPv6Unspecified(), 0)}, nil
	}
	host, rest, cut := strings.Cut(s, "/")
	addr, err := netip.ParseAddr(host)
	if err != nil || addr.Zone() != "" {
		return nil, fmt.Errorf("%q is no address", host)
	}
	addr = addr.Unmap()
	bits := addr.BitLen()
	if cut {
		if bits, err = length(rest, addr.BitLen()); err != nil {
			return nil, err
		}
	}
	return []netip.Prefix{netip.PrefixFrom(addr, bits).Masked()}, nil
}

// length reads how many bits of an address a network has, or a mask like 255.255.255.0.
func length(s string, most int) (int, error) {
	if n, err := strconv.ParseUint(s, 10, 8); err == nil && int(n) <= most {
		return int(n), nil
	}
	if mask, err := netip.ParseAddr(s); err == nil && mask.Is4() && most == 32 {
		b := mask.As4()
		value := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
		for n := range 33 {
			if value == ^uint32(0)<<(32-n) {
				return n, nil
			}
		}
	}
	return 0, fmt.Errorf("/%s is no length of a network", s)
}
