package logcollector

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/yagura-hids/yagura/internal/event"
)

// format says how a file's lines become events. Without add each line is one event, as it is.
//
//	lines ─► add: what is this line to the open group? ─► group ─► text ─► Line
//
// A file's position stays before the open group. So an incomplete one is neither lost nor doubled nor split by a look or a restart.
type format struct {
	wait time.Duration                        // an open group is given out when no line came for so long
	sep  string                               // between the lines of a group
	add  func(g *group, text []byte) part     // what a line is; g tells what is open
	text func(f *file, text string) string    // the event's text, of the joined one; nil for that itself, "" for no event
	time func(f *file, text string) time.Time // when it was written, if the line tells
}

// part is what a line is to the group that is open.
type part struct {
	role role
	text []byte // what of it counts
	key  string // what the group's other lines have, too
}

type role uint8

const (
	joins  role = iota // it goes on; where nothing is open it is a group, too, for nothing is to be lost
	begins             // it is the first of a group
	ends               // it is the last one
	alone              // it is a group
	closes             // it only says that the open group is complete
	drops              // it says nothing
)

const (
	openEnd  = 2 * time.Second // wait of formats whose groups end when the next begins
	openMost = time.Minute     // and of those whose groups say where they end
	groupMax = 4 << 20         // bytes of a file that a group may take, for its position waits
)

// group is the lines that have come together.
type group struct {
	open  bool
	text  []byte
	lines int
	key   string // what its lines have in common
	cut   bool
	start int64     // the file's position before it
	since time.Time // when its last line came
	carry string    // what the format remembers of the groups before
}

// formats are the log formats of files.
var formats = map[string]*format{
	"syslog": nil, "generic": nil, "apache": nil, "squid": nil, "snort-fast": nil, "json": nil, "syslog-pipe": nil,
	"iis":                 {add: addIIS},
	"snort-full":          {add: addSnort, sep: " ", wait: openMost},
	"nmapg":               {add: addNmap, text: nmapText},
	"mysql_log":           {add: addMySQL},
	"postgresql_log":      {add: addPostgres, sep: " ", wait: openEnd},
	"mssql_log":           {add: addMSSQL, sep: " ", wait: openEnd},
	"djb-multilog":        {add: addWhole, text: multilogText, time: multilogTime},
	"ossecalert":          {add: addAlert, sep: "\n", wait: openMost, text: alertText},
	"audit":               {add: addAudit, sep: " ", wait: openEnd},
	"modsec-audit":        {add: addModsec, sep: " ", wait: openMost},
	"multi-line_indented": {add: addIndented, sep: " ", wait: openEnd},
}

// other are the formats whose sources are no files.
var other = []string{"journald", "command", "full_command", "eventlog", "eventchannel"}

// formatOf returns the format of that name; nil for lines as they are.
func formatOf(name string) (*format, error) {
	if f, ok := formats[name]; ok {
		return f, nil
	}
	if digits, ok := strings.CutPrefix(name, "multi-line:"); ok {
		n, err := strconv.Atoi(strings.TrimSpace(digits))
		if err != nil || n < 1 || n > 1000 {
			return nil, fmt.Errorf("log_format %q: want multi-line:N with N from 1 to 1000", name)
		}
		return countLines(n), nil
	}
	return nil, fmt.Errorf("log_format %q is not supported; use one of %s, multi-line:N", name, strings.Join(formatNames(), ", "))
}

func formatNames() []string {
	names := slices.Clone(other)
	for name := range formats {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// give makes an event of f's line, or of the group that it completes.
func (c *Collector) give(f *file, l line, b *batch) {
	if f.format == nil {
		b.line(f, string(l.text), l.cut, max(l.off, 0))
		return
	}
	g := &f.group
	p := f.format.add(g, l.text)
	if p.role == begins || p.role == alone || p.role == closes {
		c.flush(f, b)
	}
	if p.role == closes || p.role == drops {
		return
	}
	if !g.open {
		g.open, g.start, g.key = true, l.off, p.key
	}
	g.join(f.format.sep, p.text, l.cut)
	g.since = c.now
	if p.role == ends || p.role == alone || f.lines.off-g.start > groupMax {
		c.flush(f, b)
	}
}

func (g *group) join(sep string, text []byte, cut bool) {
	if g.lines > 0 {
		g.text = append(g.text, sep...)
	}
	g.lines++
	g.text = append(g.text, text...)
	g.cut = g.cut || cut || len(g.text) > event.MaxText
	g.text = g.text[:min(len(g.text), event.MaxText)]
}

// flush gives out the open group.
func (c *Collector) flush(f *file, b *batch) {
	g := &f.group
	if !g.open {
		return
	}
	text := string(g.text)
	if f.format.text != nil {
		text = f.format.text(f, text)
	}
	if text != "" {
		b.line(f, text, g.cut, max(g.start, 0))
		if f.format.time != nil {
			b.lines[len(b.lines)-1].Time = f.format.time(f, string(g.text))
		}
	}
	c.dirty = true
	f.group = group{carry: g.carry}
	if cap(g.text) < chunk { // not a giant's memory, and not while idle
		f.group.text = g.text[:0]
	}
}

// overdue gives out a group to which nothing was added for long.
func (c *Collector) overdue(f *file, b *batch) {
	if f.group.open && c.now.Sub(f.group.since) >= f.format.wait {
		c.flush(f, b)
		f.group.text = nil
	}
}

// committed is the position that holds after all that was given out.
func (f *file) committed() int64 {
	if f.group.open {
		return f.group.start
	}
	return f.lines.off
}
