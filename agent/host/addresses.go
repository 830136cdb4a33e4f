package host

import (
	"net"
	"slices"
)

// maxAddresses is how many are told: a host of containers may have hundreds.
const maxAddresses = 8

// addresses returns this host's, those of the default routes first. Nothing is sent for it.
func addresses() []string {
	var list []string
	add := func(ip net.IP) {
		if s := ip.String(); ip.IsGlobalUnicast() && !slices.Contains(list, s) && len(list) < maxAddresses {
			list = append(list, s)
		}
	}
	for _, far := range []string{"192.0.2.1:9", "[2001:db8::1]:9"} { // addresses for documentation: only the route matters
		c, err := net.Dial("udp", far)
		if err != nil {
			continue
		}
		if local, ok := c.LocalAddr().(*net.UDPAddr); ok {
			add(local.IP)
		}
		_ = c.Close() // nothing was sent
	}
	found, err := net.InterfaceAddrs()
	if err != nil {
		return list
	}
	for _, a := range found {
		if n, ok := a.(*net.IPNet); ok {
			add(n.IP)
		}
	}
	return list
}
