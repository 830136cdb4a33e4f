// Package predecode takes a log line's header off: when, which host, which program.
//
//	Mar  1 10:00:00 web1 sshd[12]: Failed password for root
//	└── header ───┘ host program   └── log ───────────────┘
//
// OSSEC tests a header's separators at fixed places, and seldom its digits; so does this package. Formats, the first that fits counting:
//
//	1  Dec 29 10:00:01                      host and program follow
//	2  2015-04-16 21:51:02,805              "
//	3  2007-06-14T15:48:55-04:00            "  (also .fraction or ,fraction)
//	4  2015 Dec 29 10:00:01                 "
//	5  2019:11:06-00:08:03                  "
//	6  Mon Apr 17 18:27:14 2006 1 …         xferlog
//	7  01/28-09:13:16.240702                snort
//	8  01/28/1979-09:13:16.240702           suricata
//	9  [Fri Feb 11 18:06:35 2004] …         Apache errors
//	10 [Time 2006.12.28 15:53:55 UTC] …     OS X's ASL, with [Sender], [Host] and [Message] groups
//	11 1140804070.368  11623 1.2.3.4 …      squid
//
// Wazuh's rulesets are made for lines that are taken apart a little differently: tabs stay, the space behind "sshd[12]:" may
// be missing, xferlog's log has no space before it, an agent's host is its name, and there is one format more:
//
//	12 2021-04-21T10:16:09.404756-0700      host and program follow
package predecode

import (
	"strings"

	"github.com/yagura-hids/yagura/internal/event"
)

// Split fills d's FullLog, Log, Hostname and Program from its Text and Location. server is this machine's short name, the host of lines
// that name none. wazuh tells that the ruleset is in Wazuh's dialect.
func Split(d *event.Decoded, server string, wazuh bool) {
	d.FullLog = clean(d.Text, wazuh)
	d.Log, d.Hostname, d.Program = d.FullLog, "", ""
	p := d.FullLog
	if len(p) > 2 && p[1:3] == "\xc3\xa4" { // German months, Jän and Mär: the letter counts as one byte, and the first byte never matters here
		p = p[1:]
	}
	n := syslogHeader(p)
	if wazuh && numericZone(p) {
		n = 32
	}
	if n > 0 {
		hostAndProgram(d, strings.TrimPrefix(p[n:], " "), wazuh)
	} else {
		other(d, p, wazuh)
	}
	host(d, server, wazuh)
}

// Bare is Split for a text that has no header, whatever it begins with.
func Bare(d *event.Decoded, server string, wazuh bool) {
	d.FullLog = clean(d.Text, wazuh)
	d.Log, d.Hostname, d.Program = d.FullLog, "", ""
	host(d, server, wazuh)
}

// host is the event's if no header names one, or if an agent's location does.
func host(d *event.Decoded, server string, wazuh bool) {
	switch {
	case strings.HasPrefix(d.Location, "("):
		d.Hostname = d.Location
		if name, _, ok := strings.Cut(d.Location[1:], ")"); ok && name != "" && wazuh {
			d.Hostname = name
		}
	case d.Hostname == "":
		d.Hostname = server
	}
}

// clean deletes control characters, bytes 0x00 to 0x1F and 0x7F. For Wazuh tabs stay, and others but zeros become blanks: Wazuh keeps them, but
// what a stranger writes must not begin a line of its own in alerts.log.
func clean(s string, wazuh bool) string {
	stays := func(c byte) bool { return c >= ' ' && c != 0x7f || wazuh && c == '\t' }
	i := plain(s)
	for i < len(s) && stays(s[i]) {
		i++
	}
	if i == len(s) {
		return s
	}
	b := append(make([]byte, 0, len(s)), s[:i]...)
	for ; i < len(s); i++ {
		if stays(s[i]) {
			b = append(b, s[i])
		} else if wazuh && s[i] != 0 {
			b = append(b, ' ')
		}
	}
	return string(b)
}

// plain returns where s has its first control character. It looks at eight bytes at a time.
func plain(s string) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(s); i += 8 {
		p := s[i : i+8]
		w := uint64(p[0]) | uint64(p[1])<<8 | uint64(p[2])<<16 | uint64(p[3])<<24 |
			uint64(p[4])<<32 | uint64(p[5])<<40 | uint64(p[6])<<48 | uint64(p[7])<<56
		del := w ^ ones*0x7f
		if ((w-ones*' ')&^w|(del-ones)&^del)&highs != 0 { // a byte is less than a space, or 0x7F
			break
		}
	}
	for i < len(s) && s[i] >= ' ' && s[i] != 0x7f {
		i++
	}
	return i
}

// at tells whether p has each byte of want at the place of the same index. The places must lie in p.
func at(p, want string, places ...int) bool {
	for i, place := range places {
		if p[place] != want[i] {
			return false
		}
	}
	return true
}

// syslogHeader returns the length of a header of the formats 1 to 5, 0 if p begins with none.
func syslogHeader(p string) int {
	switch n := len(p); {
	case n > 16 && at(p, "  :: ", 3, 6, 9, 12, 15):
		return 16
	case n > 23 && at(p, "-- ::,", 4, 7, 10, 13, 16, 19):
		return 23
	case n > 32 && at(p, "--T::", 4, 7, 10, 13, 16):
		return isoHeader(p)
	case n > 20 && digit(p[0]) && at(p, "   :: ", 4, 8, 11, 14, 17, 20):
		return 21
	case n > 19 && digit(p[0]) && at(p, "::-::", 4, 7, 10, 13, 16):
		return 20
	}
	return 0
}

// isoHeader is syslogHeader for format 3, on 33 bytes or more. A zone must follow, and be hours and minutes; without it, it is no header.
func isoHeader(p string) int {
	if at(p, ": ", 22, 25) {
		return 26
	}
	if p[19] != '.' && p[19] != ',' {
		return 0
	}
	for k := 24; k <= 29; k++ {
		if p[k] == ':' {
			return k + 3
		}
	}
	return 0
}

// numericZone tells whether p begins with format 12, which has 32 bytes.
func numericZone(p string) bool {
	return len(p) > 32 && digit(p[0]) && at(p, "--T::. ", 4, 7, 10, 13, 16, 19, 31) && (p[26] == '-' || p[26] == '+')
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

func alnum(c byte) bool { return digit(c) || c|0x20 >= 'a' && c|0x20 <= 'z' }

// nameRun returns how many bytes at s's beginning may stand in a host's or program's name.
func nameRun(s string) int {
	i := 0
	for i < len(s) && nameByte(s[i]) {
		i++
	}
	return i
}

func nameByte(c byte) bool {
	switch c {
	case '(', ')', '-', '.', '/', '@', '_':
		return true
	}
	return alnum(c)
}

// hostAndProgram reads "host program[pid]: log", or Solaris's "program: log".
func hostAndProgram(d *event.Decoded, s string, wazuh bool) {
	d.Log = s
	n := nameRun(s)
	switch {
	case strings.HasPrefix(s[n:], ": "):
		d.Program, d.Log = s[:n], s[n+2:]
	case n < len(s) && s[n] == ' ':
		d.Hostname = s[:n]
		d.Log = s[n+1:]
		program(d, d.Log, wazuh)
	default:
		return
	}
	if d.Program != "" && strings.HasPrefix(d.Log, "[ID ") { // Solaris's message id
		if _, rest, ok := strings.Cut(d.Log, "] "); ok {
			d.Log = rest
		}
	}
}

// program reads "program: ", "program[pid]: " or "program[pid] " off s.
func program(d *event.Decoded, s string, wazuh bool) {
	n := nameRun(s)
	rest := s[n:]
	log, ok := afterColon(rest, wazuh)
	switch {
	case ok:
		d.Program, d.Log = s[:n], log
	case len(rest) > 1 && rest[0] == '[' && digit(rest[1]):
		if log, ok := afterPID(rest, wazuh); ok {
			d.Program, d.Log = s[:n], log
		}
	case len(rest) > 1 && rest[0] == '|' && rest[1] >= 'a' && rest[1] <= 'z':
		aix(d, rest[1:])
	}
}

// afterColon returns what follows ": ", for Wazuh also ":".
func afterColon(s string, wazuh bool) (log string, ok bool) {
	if log, ok = strings.CutPrefix(s, ": "); !ok && wazuh {
		log, ok = strings.CutPrefix(s, ":")
	}
	return log, ok
}

// afterPID returns what follows "[123]: " or "[123] ".
func afterPID(s string, wazuh bool) (log string, ok bool) {
	k := 1
	for k < len(s) && digit(s[k]) {
		k++
	}
	rest, closed := strings.CutPrefix(s[k:], "]")
	if log, ok = afterColon(rest, wazuh); !ok {
		log, ok = strings.CutPrefix(rest, " ")
	}
	return log, ok && closed
}

// aix reads AIX's "auth|security:info program[pid]: log", from behind the bar. OSSEC makes a program of half the line where no ": "
// follows; here such a line just has none.
func aix(d *event.Decoded, s string) {
	i := 0
	for i < len(s) && alnum(s[i]) {
		i++
	}
	if i == len(s) || s[i] != ':' {
		return
	}
	for i++; i < len(s) && alnum(s[i]); i++ {
	}
	if i == len(s) || s[i] != ' ' {
		return
	}
	s = s[i+1:]
	n := nameRun(s)
	if log, ok := strings.CutPrefix(s[n:], ": "); ok {
		d.Program, d.Log = s[:n], log
	} else if len(s) > n+1 && s[n] == '[' && digit(s[n+1]) {
		if log, ok := afterPID(s[n:], false); ok {
			d.Program, d.Log = s[:n], log
		}
	}
}

// other strips the headers of the formats 6 to 11.
func other(d *event.Decoded, p string, wazuh bool) {
	switch n := len(p); {
	case n > 27 && at(p, "   ::   ", 3, 7, 10, 13, 16, 19, 24, 26):
		d.Log = p[24:]
		if wazuh {
			d.Log = p[25:]
		}
	case n > 23 && at(p, "/-::. ", 2, 5, 8, 11, 14, 21):
		d.Log = p[23:]
	case n > 26 && at(p, "//-::. ", 2, 5, 10, 13, 16, 19, 26):
		d.Log = p[min(28, n):]
	case n > 26 && p[0] == '[' && at(p, "   :: ]", 4, 8, 11, 14, 17, 20, 25):
		d.Log = p[27:]
	case n > 25 && p[0] == '[' && p[1] == 'T' && at(p, " .. :", 5, 10, 13, 16, 19):
		d.Log = p[25:]
		asl(d, p[25:])
	case n > 31 && p[0] == '1' && digit(p[1]) && digit(p[2]) && digit(p[3]) && p[10] == '.' && digit(p[13]) && p[14] == ' ' &&
		(p[21] == ' ' || p[22] == ' '):
		d.Log = strings.TrimLeft(p[14:], " ")
	}
}

// asl reads OS X's groups. The first Sender and Message count, a Host ends the reading, as does a group that isn't closed.
func asl(d *event.Decoded, s string) {
	for message := false; ; {
		_, rest, ok := strings.Cut(s, "[")
		if !ok {
			return
		}
		group, after, closed := strings.Cut(rest, "]")
		if !closed {
			return
		}
		key, value, _ := strings.Cut(group, " ")
		switch {
		case key == "Host":
			d.Hostname = value
			return
		case key == "Sender" && d.Program == "":
			d.Program = value
		case key == "Message" && !message:
			d.Log, message = value, true
		}
		s = after
	}
}
