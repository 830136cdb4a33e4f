package logcollector

import (
	"bytes"
	"encoding/hex"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// addIIS passes over the comments that head each file of IIS.
func addIIS(_ *group, text []byte) part {
	if bytes.HasPrefix(text, []byte{'#'}) {
		return part{role: drops}
	}
	return addWhole(nil, text)
}

// addWhole takes a line by itself. Formats see empty lines, too: those are nothing.
func addWhole(_ *group, text []byte) part {
	if len(text) == 0 {
		return part{role: drops}
	}
	return part{role: alone, text: text}
}

// addSnort joins the first three lines of an alert in snort's full mode, as they stand in one line in its fast mode:
//
//	[**] [1:2003:8] MS-SQL Worm propagation attempt [**]
//	[Classification: Misc Attack] [Priority: 2]             a preprocessor's alert has only the priority
//	11/24-10:00:00.000000 192.0.2.1:1087 -> 192.0.2.2:1434  its date is left out
//	UDP TTL:113 TOS:0x0 …                                   dropped, up to the next alert
func addSnort(g *group, text []byte) part {
	switch {
	case bytes.HasPrefix(text, []byte("[**] [")):
		return part{role: begins, text: text}
	case !g.open:
		return part{role: drops}
	case len(text) == 0:
		return part{role: closes}
	case g.lines == 1 && bytes.HasPrefix(text, []byte("[Priority")):
		return part{role: joins, text: append([]byte("[Classification: Preprocessor] "), text...)}
	case g.lines == 1:
		return part{role: joins, text: text}
	}
	if _, after, ok := bytes.Cut(text, []byte{' '}); ok && snortDate.Match(text) {
		text = after
	}
	return part{role: ends, text: text}
}

var snortDate = regexp.MustCompile(`^\d\d/\d\d(/\d+)?-`)

// addNmap takes the hosts out of what nmap -oG writes.
func addNmap(_ *group, text []byte) part {
	if !bytes.HasPrefix(text, []byte("Host: ")) || !bytes.Contains(text, []byte("\tPorts: ")) {
		return part{role: drops}
	}
	return part{role: alone, text: text}
}

// nmapText is "Host: 192.0.2.1 (web1), open ports: 22(tcp) 53(udp)" for "Host: 192.0.2.1 (web1)\tPorts: 22/open/tcp//ssh///, 53/open/udp…".
func nmapText(_ *file, text string) string {
	host, rest, _ := strings.Cut(text, "\t")
	_, ports, _ := strings.Cut("\t"+rest, "\tPorts: ")
	ports, _, _ = strings.Cut(ports, "\t")
	out := host + ", open ports:"
	for p := range strings.SplitSeq(ports, ",") {
		f := strings.Split(strings.TrimSpace(p), "/")
		if len(f) > 2 && f[1] == "open" {
			out += " " + f[0] + "(" + f[2] + ")"
		}
	}
	return out
}

var mysqlDate = regexp.MustCompile(`^(\d{6} +\d{1,2}:\d\d:\d\d|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S*)\s+`)

// addMySQL gives each line the date of the last line that had one: MySQL writes it only when it changes.
func addMySQL(g *group, text []byte) part {
	if date := mysqlDate.FindSubmatch(text); date != nil {
		g.carry = string(date[1])
		text = text[len(date[0]):]
	} else if g.carry == "" || len(text) == 0 || !bytes.HasPrefix(text, []byte("\t\t")) {
		return addWhole(g, text)
	}
	return part{role: alone, text: []byte("MySQL log: " + g.carry + " " + string(bytes.TrimLeft(text, " \t")))}
}

var isoDate = regexp.MustCompile(`^\[?\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`)

// addPostgres joins a statement of several lines: all but the first begin with a tab.
func addPostgres(_ *group, text []byte) part {
	switch {
	case len(text) == 0:
		return part{role: drops}
	case text[0] == '\t':
		return part{role: joins, text: bytes.TrimLeft(text, "\t")}
	}
	return part{role: begins, text: text}
}

// addMSSQL joins to a line with a date what follows it without one.
func addMSSQL(_ *group, text []byte) part {
	switch {
	case len(text) == 0:
		return part{role: drops}
	case isoDate.Match(text):
		return part{role: begins, text: text}
	}
	return part{role: joins, text: text}
}

// multilogText makes a syslog line of multilog's "@" + 24 hexadecimal digits + " " + text, whose program is the name of the log's folder. A text
// that has a syslog date itself only loses the mark.
func multilogText(f *file, text string) string {
	at, rest, ok := tai64n(text)
	if !ok {
		return text
	}
	if syslogDate.MatchString(rest) {
		return rest
	}
	program := filepath.Base(filepath.Dir(f.source.Location))
	return at.In(f.source.zone).Format(time.Stamp) + " " + f.source.host + " " + program + ": " + rest
}

func multilogTime(_ *file, text string) time.Time {
	at, _, _ := tai64n(text)
	return at
}

var syslogDate = regexp.MustCompile(`^[A-Z][a-z][a-z] [ 0-9]\d \d\d:\d\d:\d\d `)

// tai64n reads multilog's mark: seconds since 1970 plus 2^62 and ten, and nanoseconds.
func tai64n(text string) (at time.Time, rest string, ok bool) {
	if len(text) < 26 || text[0] != '@' || text[25] != ' ' {
		return time.Time{}, "", false
	}
	b, err := hex.DecodeString(text[1:25])
	if err != nil {
		return time.Time{}, "", false
	}
	var sec, nano int64
	for _, x := range b[:8] {
		sec = sec<<8 | int64(x)
	}
	for _, x := range b[8:] {
		nano = nano<<8 | int64(x)
	}
	return time.Unix(sec-1<<62-10, nano), text[26:], true
}

// addAudit joins the records of one event: those with the same msg=audit(TIME:SERIAL).
func addAudit(g *group, text []byte) part {
	if len(text) == 0 {
		return part{role: drops}
	}
	id := auditID(text)
	if g.open && id != "" && id == g.key {
		if bytes.HasPrefix(text, []byte("type=EOE ")) {
			return part{role: ends, text: text}
		}
		return part{role: joins, text: text}
	}
	return part{role: begins, text: text, key: id}
}

func auditID(text []byte) string {
	_, after, ok := bytes.Cut(text[:min(len(text), 512)], []byte("msg=audit("))
	id, _, closed := bytes.Cut(after, []byte{')'})
	if !ok || !closed {
		return ""
	}
	return string(id)
}

var modsecMark = regexp.MustCompile(`^--([0-9A-Za-z]+)-([A-Z])--$`)

// addModsec joins a transaction of ModSecurity: from its --ID-A-- to its --ID-Z--.
func addModsec(g *group, text []byte) part {
	mark := modsecMark.FindSubmatch(text)
	switch {
	case len(text) == 0:
		return part{role: drops}
	case mark == nil:
		return part{role: joins, text: text}
	case string(mark[2]) == "A":
		return part{role: begins, text: text}
	case string(mark[2]) == "Z":
		return part{role: ends, text: text}
	}
	return part{role: joins, text: text}
}

// addIndented joins to a line the indented ones that follow it, their indent kept. An empty line ends the group.
func addIndented(_ *group, text []byte) part {
	switch {
	case len(text) == 0:
		return part{role: closes}
	case text[0] == ' ' || text[0] == '\t':
		return part{role: joins, text: text}
	}
	return part{role: begins, text: text}
}

// countLines joins each n lines.
func countLines(n int) *format {
	return &format{sep: " ", wait: openMost, add: func(g *group, text []byte) part {
		if g.lines+1 >= n {
			return part{role: ends, text: text}
		}
		return part{role: joins, text: text}
	}}
}

// addAlert joins an alert of OSSEC's alerts.log, which an empty line ends.
func addAlert(_ *group, text []byte) part {
	switch {
	case len(text) == 0:
		return part{role: closes}
	case bytes.HasPrefix(text, []byte("** Alert ")):
		return part{role: begins, text: text}
	}
	return part{role: joins, text: text}
}

// alertText is what OSSEC makes of an alert of another server:
//
//	** Alert 1795600000.1: - syslog,                       ossec: Alert Level: 5; Rule: 5710 - comment; Location: web1->/var/log/auth.log;
//	2026 Nov 24 10:00:00 web1->/var/log/auth.log      →     srcip: 192.0.2.1; user: root;  the log
//	Rule: 5710 (level 5) -> 'comment'
//	Src IP: 192.0.2.1
//	User: root
//	the log
func alertText(_ *file, text string) string {
	l := strings.Split(text, "\n")
	if len(l) < 3 || !strings.HasPrefix(l[0], "** Alert ") {
		return text
	}
	rule := alertRule.FindStringSubmatch(l[2])
	place := alertPlace.FindStringSubmatch(l[1])
	if rule == nil || place == nil {
		return text
	}
	out := "ossec: Alert Level: " + rule[2] + "; Rule: " + rule[1] + " - " + rule[3] + "; Location: " + place[1] + ";"
	l = l[3:]
	for len(l) > 0 {
		name, value, _ := strings.Cut(l[0], ": ")
		word, known := alertFields[name]
		if !known {
			break
		}
		if word != "" && value != "(none)" {
			out += " " + word + ": " + value + ";"
		}
		l = l[1:]
	}
	return out + "  " + strings.Join(l, "\n")
}

var (
	alertRule   = regexp.MustCompile(`^Rule: (\d+) \(level (\d+)\) -> '(.*)'$`)
	alertPlace  = regexp.MustCompile(`^\d{4} [A-Z][a-z][a-z] [ 0-9]\d \d\d:\d\d:\d\d (.*)$`)
	alertFields = map[string]string{"Src IP": "srcip", "User": "user", "Src Port": "", "Dst IP": "", "Dst Port": "", "Src Location": ""}
)
