//go:build unix && !linux

package rootcheck

import (
	"context"
	"strings"
)

// interfaces tells of network interfaces that take packets meant for others, as far as ifconfig shows them:
//
//	en0: flags=8963<UP,BROADCAST,SMART,RUNNING,PROMISC,SIMPLEX,MULTICAST> mtu 1500
func interfaces(ctx context.Context, s *scan) error {
	out, err := output(ctx, "ifconfig", "-a")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(out)) {
		name, rest, ok := strings.Cut(line, ": flags=")
		if _, flags, _ := strings.Cut(rest, "<"); ok && strings.Contains(flags, "PROMISC") {
			s.found("Interface '%s' in promiscuous mode.", name)
		}
	}
	return nil
}
