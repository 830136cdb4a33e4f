package rootcheck

import (
	"context"
	"encoding/binary"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// link is a network interface as the kernel tells it by netlink.
type link struct {
	name    string
	flags   uint32
	promisc uint32 // how many want all packets
	master  bool   // part of a bridge or the like, which wants all packets of its parts
}

// interfaces tells of network interfaces that take packets meant for others.
func interfaces(ctx context.Context, s *scan) error {
	list, err := netlinkLinks()
	if err != nil {
		return err
	}
	for _, l := range list {
		switch asked := l.flags&unix.IFF_PROMISC != 0; {
		case !asked && (l.promisc == 0 || l.master):
		case asked && !toolShowsPromisc(ctx, l.name):
			s.found("Interface '%s' in promiscuous mode, but ifconfig is not showing it(probably trojaned).", l.name)
		default: // tools don't show it if a program asked for it on its own socket
			s.found("Interface '%s' in promiscuous mode.", l.name)
		}
	}
	return nil
}

// toolShowsPromisc tells whether ifconfig, or ip where that isn't installed, shows what the kernel says; without both nothing is trojaned.
func toolShowsPromisc(ctx context.Context, name string) bool {
	for _, tool := range [][]string{{"ifconfig", name}, {"ip", "link", "show", "dev", name}} {
		if out, err := output(ctx, tool[0], tool[1:]...); err == nil {
			return strings.Contains(string(out), "PROMISC")
		}
	}
	return true
}

func netlinkLinks() ([]link, error) {
	data, err := syscall.NetlinkRIB(unix.RTM_GETLINK, unix.AF_UNSPEC)
	if err != nil {
		return nil, err
	}
	messages, err := syscall.ParseNetlinkMessage(data)
	if err != nil {
		return nil, err
	}
	var list []link
	for i := range messages {
		m := &messages[i]
		if m.Header.Type != unix.RTM_NEWLINK || len(m.Data) < unix.SizeofIfInfomsg {
			continue
		}
		attrs, err := syscall.ParseNetlinkRouteAttr(m)
		if err != nil {
			return nil, err
		}
		l := link{flags: (*unix.IfInfomsg)(unsafe.Pointer(&m.Data[0])).Flags}
		for _, a := range attrs {
			switch a.Attr.Type {
			case unix.IFLA_IFNAME:
				l.name = strings.TrimRight(string(a.Value), "\x00")
			case unix.IFLA_MASTER:
				l.master = true
			case unix.IFLA_PROMISCUITY:
				if len(a.Value) >= 4 {
					l.promisc = binary.NativeEndian.Uint32(a.Value)
				}
			}
		}
		list = append(list, l)
	}
	return list, nil
}
