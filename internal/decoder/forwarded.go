package decoder

import (
	"strconv"
	"strings"

	"github.com/yagura-hids/yagura/internal/event"
)

// decodeOSSECAlert reads an alert that another OSSEC server forwarded:
//
//	ossec: Alert Level: 5; Rule: 5716 - Text; Location: (web1) 10.0.0.5->/var/log/auth.log; srcip: 192.0.2.1; user: joe;  the log
//
// The event becomes the forwarded log, already judged by that rule. A text of another form is left as it is.
func decodeOSSECAlert(d *event.Decoded) {
	rest := strings.TrimPrefix(d.Log, "ossec: ")
	if !strings.HasPrefix(rest, "Alert Level:") {
		return
	}
	d.Category = event.CategoryOSSECAlert
	_, rest, _ = strings.Cut(rest, "; Rule: ")
	id, rest, _ := strings.Cut(rest, " ")
	rule, err := strconv.Atoi(id)
	_, rest, found := strings.Cut(rest, "; Location: ")
	location, rest, ended := strings.Cut(rest, ";")
	if err != nil || !found || !ended {
		return
	}
	for !strings.HasPrefix(rest, "  ") {
		item, next, ok := strings.Cut(rest, ";")
		if !ok {
			break
		}
		switch key, value, _ := strings.Cut(strings.TrimLeft(item, " "), ": "); key {
		case "srcip":
			d.Set(event.SrcIP, value)
		case "user":
			d.Set(event.DstUser, value)
		}
		rest = next
	}
	d.Forwarded = rule
	d.Location += "|" + location
	d.Location = d.Location[:min(len(d.Location), 254)]
	d.Hostname = d.Location
	d.Log = strings.TrimPrefix(rest, "  ")
	d.FullLog = d.Log
}
