package decoder

import (
	"strings"

	"github.com/yagura-hids/yagura/internal/event"
)

// plugin takes fields out of formats that patterns can't describe well.
type plugin func(*event.Decoded)

var plugins = map[string]plugin{
	"PF_Decoder":         decodePF,
	"SymantecWS_Decoder": decodeSymantecWS,
	"SonicWall_Decoder":  decodeSonicWall,
	"OSSECAlert_Decoder": decodeOSSECAlert,
}

// decodePF reads OpenBSD's packet filter log:
//
//	… rule 2/0(match) pass in on xl0: 192.0.2.1.1025 > 198.51.100.7.53: udp 40
func decodePF(d *event.Decoded) {
	_, rest, ok := strings.Cut(d.Log, ")")
	if !ok || !strings.HasPrefix(rest, " ") || len(rest) < 2 {
		return
	}
	switch rest[1] {
	case 'p':
		d.Set(event.Action, "pass")
	case 'b':
		d.Set(event.Action, "block")
	default:
		return
	}
	if _, rest, ok = strings.Cut(rest, ": "); !ok {
		return
	}
	src, rest, ok := strings.Cut(rest, " ")
	if !ok {
		return
	}
	setAddress(d, src, event.SrcIP, event.SrcPort)
	if rest, ok = strings.CutPrefix(rest, "> "); !ok {
		return
	}
	dst, rest, ok := strings.Cut(rest, ":")
	if !ok {
		return
	}
	setAddress(d, dst, event.DstIP, event.DstPort)
	switch rest = strings.TrimLeft(rest, " "); {
	case rest == "":
	case rest[0] == 'u':
		d.Set(event.Protocol, "UDP")
	case rest[0] == 'i':
		d.Set(event.Protocol, "ICMP")
	default:
		d.Set(event.Protocol, "TCP")
	}
}

// setAddress splits a.b.c.d.port at its fourth dot.
func setAddress(d *event.Decoded, token string, ip, port event.Field) {
	dots := 0
	for i := range len(token) {
		if token[i] != '.' {
			continue
		}
		if dots++; dots == 4 {
			d.Set(ip, token[:i])
			d.Set(port, token[i+1:])
			return
		}
	}
	d.Set(ip, token)
}

// decodeSymantecWS reads Symantec Web Security's comma-separated k=v list, which begins behind the first comma:
//
//	…,3=1,2=1,10=joe,11=192.0.2.1,60=http://example.net/
//
// The id keeps OSSEC's form: up to nine bytes from the item's own start.
func decodeSymantecWS(d *event.Decoded) {
	_, list, ok := strings.Cut(d.Log, ",")
	if !ok {
		return
	}
	set := func(f event.Field, value string, limit int) {
		if _, twice := d.Get(f); !twice {
			d.Set(f, value[:min(len(value), limit)])
		}
	}
	for rest := list; rest != ""; {
		item, next, _ := strings.Cut(rest, ",")
		key, value, _ := strings.Cut(item, "=")
		switch key {
		case "10":
			set(event.DstUser, value, 128)
		case "11":
			set(event.SrcIP, value, 128)
		case "60":
			set(event.URL, value, 1024)
		case "3", "2":
			set(event.FieldID, rest, 9)
		}
		rest = next
	}
}
