package predecode

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Clock reads the times that log lines tell of themselves, for replays. Year-less stamps get the year that puts them nearest to the line
// before; the first one, the latest year in which it is not past the reference. Use NewClock. It is not for concurrent use.
type Clock struct {
	loc  *time.Location
	ref  time.Time
	last time.Time
}

// NewClock returns a clock for one log. loc is the zone of stamps that name none; ref is when the log ended, such as its file's
// modification time.
func NewClock(loc *time.Location, ref time.Time) *Clock { return &Clock{loc: loc, ref: ref.In(loc)} }

// Time returns the line's own time or, if it tells none, the last line's; before any, the reference.
func (c *Clock) Time(line string) time.Time {
	t, ok := stamp(line, c)
	switch {
	case ok:
		c.last = t.In(c.loc)
	case c.last.IsZero():
		return c.ref
	}
	return c.last
}

// stamp reads a line's time in any of the formats that Split knows, and some more that logs without a syslog header use.
func stamp(line string, c *Clock) (time.Time, bool) {
	if len(line) < 12 {
		return time.Time{}, false
	}
	switch first := line[0]; {
	case first >= 'A' && first <= 'Z':
		if t, ok := c.monthFirst(line); ok {
			return t, true
		}
	case digit(first):
		if t, ok := c.digitFirst(line); ok {
			return t, true
		}
	case first == '[':
		if t, ok := c.bracket(line); ok {
			return t, true
		}
	}
	if _, rest, ok := strings.Cut(line[:min(len(line), 200)], "msg=audit("); ok {
		return epoch(rest)
	}
	return c.commonLog(line)
}

// layout parses the line's first n bytes, if it has them.
func (c *Clock) layout(line, layout string, n int) (time.Time, bool) {
	if len(line) < n {
		return time.Time{}, false
	}
	t, err := time.ParseInLocation(layout, line[:n], c.loc)
	return t, err == nil
}

func (c *Clock) monthFirst(line string) (time.Time, bool) {
	if len(line) > 15 && line[3] == ' ' && line[6] == ' ' {
		if t, ok := c.layout(line, "Jan _2 15:04:05", 15); ok {
			return c.year(t), true
		}
	}
	if len(line) > 24 && line[3] == ' ' && line[7] == ' ' { // xferlog
		return c.layout(line, "Mon Jan _2 15:04:05 2006", 24)
	}
	return time.Time{}, false
}

// digitLayouts are the formats that begin with a digit, told apart by two bytes.
var digitLayouts = []struct {
	layout string
	at     int
	sep    byte
}{
	{"2006 Jan _2 15:04:05", 4, ' '}, {"2006:01:02-15:04:05", 4, ':'}, {"01/02/2006-15:04:05", 5, '/'}, {"2006/01/02 15:04:05", 4, '/'},
}

func (c *Clock) digitFirst(line string) (time.Time, bool) {
	if len(line) > 19 && line[4] == '-' && line[7] == '-' && (line[10] == 'T' || line[10] == ' ') {
		return c.iso(line)
	}
	for _, l := range digitLayouts {
		if len(line) > l.at && line[l.at] == l.sep {
			if t, ok := c.layout(line, l.layout, len(l.layout)); ok {
				return t, true
			}
		}
	}
	if len(line) > 14 && line[2] == '/' && line[5] == '-' { // snort
		if t, ok := c.layout(line, "01/02-15:04:05", 14); ok {
			return c.year(t), true
		}
	}
	if len(line) > 14 && line[10] == '.' {
		return epoch(line)
	}
	return time.Time{}, false
}

// iso reads 2006-01-02T15:04:05 or with a space, with or without fraction and zone.
func (c *Clock) iso(line string) (time.Time, bool) {
	t, ok := c.layout(strings.Replace(line[:19], " ", "T", 1), "2006-01-02T15:04:05", 19)
	if !ok {
		return t, false
	}
	rest := line[19:]
	if rest != "" && (rest[0] == '.' || rest[0] == ',') {
		n := 1
		for n < len(rest) && digit(rest[n]) {
			n++
		}
		fraction, _ := strconv.ParseFloat("0."+rest[1:n], 64)
		t = t.Add(time.Duration(fraction * float64(time.Second)))
		rest = rest[n:]
	}
	if zoned, err := time.Parse("Z07:00", rest[:min(len(rest), 6)]); err == nil {
		_, offset := zoned.Zone()
		return atOffset(t, offset), true
	}
	if strings.HasPrefix(rest, "Z") {
		return atOffset(t, 0), true
	}
	return t, true
}

// atOffset returns the instant at which a clock seconds east of Greenwich shows t's date and time.
func atOffset(t time.Time, seconds int) time.Time {
	zone := time.FixedZone("", seconds)
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), zone)
}

func (c *Clock) bracket(line string) (time.Time, bool) {
	text, _, ok := strings.Cut(line[1:min(len(line), 48)], "]")
	if !ok {
		return time.Time{}, false
	}
	for _, layout := range []string{"Mon Jan _2 15:04:05 2006", "Mon Jan _2 15:04:05.999999 2006"} {
		if t, err := time.ParseInLocation(layout, text, c.loc); err == nil {
			return t, true
		}
	}
	if text, ok := strings.CutPrefix(text, "Time "); ok {
		if t, err := time.ParseInLocation("2006.01.02 15:04:05 MST", text, c.loc); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// commonLog finds an access log's [10/Oct/2000:13:55:36 -0700] near the line's beginning.
func (c *Clock) commonLog(line string) (time.Time, bool) {
	const layout = "02/Jan/2006:15:04:05 -0700"
	head := line[:min(len(line), 400)]
	for {
		_, rest, ok := strings.Cut(head, "[")
		if !ok {
			return time.Time{}, false
		}
		if len(rest) > len(layout) && rest[2] == '/' && rest[6] == '/' {
			t, err := time.Parse(layout, rest[:len(layout)])
			return t, err == nil
		}
		head = rest
	}
}

// epoch reads seconds since 1970 with a fraction.
func epoch(s string) (time.Time, bool) {
	n := 0
	for n < len(s) && (digit(s[n]) || s[n] == '.') {
		n++
	}
	seconds, err := strconv.ParseFloat(s[:n], 64)
	if err != nil || seconds < 1e8 || seconds > 1e10 {
		return time.Time{}, false
	}
	whole, fraction := math.Modf(seconds)
	return time.Unix(int64(whole), int64(fraction*1e9)), true
}

// year gives a year to a time without one.
func (c *Clock) year(t time.Time) time.Time {
	in := func(year int) time.Time {
		return time.Date(year, t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, c.loc)
	}
	if c.last.IsZero() {
		y := c.ref.Year() + 1
		for in(y).After(c.ref.Add(24 * time.Hour)) {
			y--
		}
		return in(y)
	}
	best := in(c.last.Year())
	for _, y := range []int{c.last.Year() - 1, c.last.Year() + 1} {
		if other := in(y); other.Sub(c.last).Abs() < best.Sub(c.last).Abs() {
			best = other
		}
	}
	return best
}
