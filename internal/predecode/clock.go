package predecode

import (
	"strings"
	"time"

	"github.com/yagura-hids/yagura/internal/event"
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

// Time returns the line's own time or, if it tells none, the last line's; before any, the reference. It may be earlier than the last
// line's: logs with several writers are not quite in order. The location is the clock's. A time that is not plausible counts as none.
func (c *Clock) Time(line string) time.Time {
	if t, ok := c.read(line); ok && event.Plausible(t) {
		c.last = t.In(c.loc)
	} else if c.last.IsZero() {
		return c.ref
	}
	return c.last
}

// The layouts of stamps, by a line's first byte, in the language of scan.
var (
	afterLetter  = []string{"b d h:i:s", "w b d h:i:s y"}
	afterDigit   = []string{"y-m-dTh:i:sz", "y b d h:i:s", "y:m:d-h:i:s", "y/m/d h:i:s", "m/d/y-h:i:s", "m/d-h:i:s"}
	afterBracket = []string{"[w b d h:i:s y]", "[y-m-dTh:i:sz", "[we y.m.d h:i:sz"} // the last is "[Time "
)

func (c *Clock) read(line string) (time.Time, bool) {
	if line == "" {
		return time.Time{}, false
	}
	layouts := afterLetter
	switch {
	case digit(line[0]):
		layouts = afterDigit
	case line[0] == '[':
		layouts = afterBracket
	}
	for _, layout := range layouts {
		if s, ok := scan(line, layout); ok {
			return c.instant(s), true
		}
	}
	if layouts[0] == afterDigit[0] { // squid
		if t, ok := epoch(line); ok {
			return t, true
		}
	}
	if _, rest, ok := strings.Cut(line[:min(len(line), 200)], "msg=audit("); ok {
		return epoch(rest)
	}
	return c.commonLog(line[:min(len(line), 400)])
}

// commonLog finds an access log's [10/Oct/2000:13:55:36 -0700] in head, whatever stands before it.
func (c *Clock) commonLog(head string) (time.Time, bool) {
	for {
		_, rest, ok := strings.Cut(head, "[")
		if !ok {
			return time.Time{}, false
		}
		if s, ok := scan(rest, "d/b/y:h:i:sz"); ok {
			return c.instant(s), true
		}
		head = rest
	}
}

// epoch reads seconds since 1970 with a fraction, as squid and the audit system write them.
func epoch(s string) (time.Time, bool) {
	n := 0
	var seconds int64
	for n < len(s) && n < 11 && digit(s[n]) {
		seconds = seconds*10 + int64(s[n]-'0')
		n++
	}
	if n < 9 || n > 10 || n == len(s) || s[n] != '.' {
		return time.Time{}, false
	}
	nanos, _ := fraction(s[n:])
	return time.Unix(seconds, int64(nanos)), true
}

// instant returns the moment that s means.
func (c *Clock) instant(s stamp) time.Time {
	switch {
	case s.zoned:
		return s.in(time.UTC).Add(-time.Duration(s.offset) * time.Second)
	case s.year > 0:
		return s.in(c.loc)
	case c.last.IsZero():
		return c.firstYear(s)
	}
	s.year = c.last.Year()
	t := s.in(c.loc)
	const half = 182 * 24 * time.Hour
	if away := t.Sub(c.last); away > half {
		s.year--
	} else if away < -half {
		s.year++
	}
	if other := s.in(c.loc); other.Sub(c.last).Abs() < t.Sub(c.last).Abs() {
		return other
	}
	return t
}

// firstYear places a stamp without a year: as late as the reference and a day allow, in a year that has this day (29 February).
func (c *Clock) firstYear(s stamp) time.Time {
	limit := c.ref.AddDate(0, 0, 1)
	s.year = limit.Year()
	latest := s.in(c.loc)
	if latest.After(limit) {
		s.year--
		latest = s.in(c.loc)
	}
	for t, n := latest, 0; n < 8; n++ { // leap years are at most 8 apart
		if t.Day() == s.day {
			return t
		}
		s.year--
		t = s.in(c.loc)
	}
	return latest
}
