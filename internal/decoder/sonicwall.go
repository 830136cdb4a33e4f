package decoder

import (
	"strings"

	"github.com/yagura-hids/yagura/internal/event"
)

// sonicActions are the message ids by which a SonicWall tells what it did with a connection.
var sonicActions = map[string]string{
	"98": "pass", "597": "pass", "598": "pass",
	"36": "drop", "37": "drop", "38": "drop", "173": "drop", "174": "drop",
	"537": "close",
}

// decodeSonicWall reads SonicWall's key=value log:
//
//	… pri=6 c=1024 m=537 … src=192.0.2.1:1025:X0 dst=198.51.100.7:80:X1 proto=tcp/http …
//
// The category c and the message id m choose the event's type, which else is syslog.
func decodeSonicWall(d *event.Decoded) {
	d.Category = event.CategorySyslog
	pri, rest, ok := between(d.Log, "pri=", " ")
	if !ok || len(pri) != 1 || !digits(pri) {
		return
	}
	category, rest, ok := prefixed(rest, "c=")
	if !ok {
		return
	}
	id, rest, ok := prefixed(rest, "m=")
	if !ok {
		return
	}
	d.Set(event.Status, pri)
	d.Set(event.FieldID, id)
	sonicAddresses(d, rest)
	switch {
	case category == "32":
		d.Category = event.CategoryIDS
	case sonicActions[id] != "":
		d.Category = event.CategoryFirewall
		d.Set(event.Action, sonicActions[id])
	case id == "97":
		d.Category = event.CategorySquid
		sonicSite(d, rest)
	}
}

func sonicAddresses(d *event.Decoded, text string) {
	src, rest, ok := between(text, "src=", " ")
	if !ok || !strings.HasPrefix(rest, "dst=") {
		return
	}
	dst, rest, _ := strings.Cut(rest[len("dst="):], " ")
	from, to := strings.SplitN(src, ":", 3), strings.SplitN(dst, ":", 3)
	if len(from) < 3 || len(to) < 3 {
		return
	}
	d.Set(event.SrcIP, from[0])
	d.Set(event.SrcPort, from[1])
	d.Set(event.DstIP, to[0])
	d.Set(event.DstPort, to[1])
	if proto, ok := strings.CutPrefix(rest, "proto="); ok {
		proto, _, _ = strings.Cut(proto, "/")
		d.Set(event.Protocol, proto[:min(len(proto), 6)])
	}
}

func sonicSite(d *event.Decoded, text string) {
	result, rest, ok := between(text, "result=", " ")
	name, rest2, ok2 := prefixedAny(rest, "dstname=")
	arg, isArg := strings.CutPrefix(rest2, "arg=")
	if ok && ok2 && isArg && digits(result) && !strings.Contains(arg, " ") {
		d.Set(event.FieldID, result)
		d.Set(event.URL, name+arg)
	}
}

// between returns what stands in text behind start up to end, and the rest behind end.
func between(text, start, end string) (value, rest string, ok bool) {
	_, text, ok = strings.Cut(text, start)
	if !ok {
		return "", "", false
	}
	return strings.Cut(text, end)
}

// prefixed reads "key<digits> " at the text's beginning.
func prefixed(text, key string) (value, rest string, ok bool) {
	value, rest, ok = prefixedAny(text, key)
	return value, rest, ok && digits(value)
}

func prefixedAny(text, key string) (value, rest string, ok bool) {
	if text, ok = strings.CutPrefix(text, key); !ok {
		return "", "", false
	}
	return strings.Cut(text, " ")
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
