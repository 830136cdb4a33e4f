package rule

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var timePattern = regexp.MustCompile(`(?i)^\s*(!?)\s*(\d{1,2})(?::(\d{2}))?\s*(am|pm)?\s*-\s*(\d{1,2})(?::(\d{2}))?\s*(am|pm)?\s*$`)

// parseTime reads "[!] H[:MM] [am|pm] - H[:MM] [am|pm]" as a test of an event's time of day. Both ends are in the range; a range that
// wraps past midnight leaves its ends out, as in OSSEC. Unlike OSSEC, 12 am is midnight and "!" also turns a wrapping range.
func parseTime(text string) (func(time.Time) bool, error) {
	m := timePattern.FindStringSubmatch(text)
	if m == nil {
		return nil, fmt.Errorf("%q is no time range: write it like 6 pm - 8:30 am", text)
	}
	from, err := minutes(m[2], m[3], m[4])
	if err != nil {
		return nil, err
	}
	to, err := minutes(m[5], m[6], m[7])
	if err != nil {
		return nil, err
	}
	negated := m[1] == "!"
	return func(t time.Time) bool {
		now := t.Hour()*60 + t.Minute()
		inside := now >= from && now <= to
		if from > to {
			inside = now > from || now < to
		}
		return inside != negated
	}, nil
}

func minutes(hour, minute, half string) (int, error) {
	h, _ := strconv.Atoi(hour)
	m, _ := strconv.Atoi("0" + minute)
	switch strings.ToLower(half) {
	case "pm":
		if h < 12 {
			h += 12
		}
	case "am":
		if h == 12 {
			h = 0
		}
	}
	if h > 24 || m > 59 || h == 24 && m > 0 {
		return 0, fmt.Errorf("%s is no time of day", strings.TrimSuffix(hour+":"+minute, ":"))
	}
	return h*60 + m, nil
}

// parseWeekday reads weekday names, "weekdays" and "weekends", separated by spaces or commas; a leading "!" turns the whole.
func parseWeekday(text string) (func(time.Time) bool, error) {
	text, negated := strings.CutPrefix(strings.TrimSpace(strings.ToLower(text)), "!")
	var days [7]bool
	words := strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' || r == '\n' || r == '\t' })
	for _, word := range words {
		if !markDays(&days, word) {
			return nil, fmt.Errorf("%q is no weekday: write monday, mon, weekdays or weekends", word)
		}
	}
	if len(words) == 0 {
		return nil, fmt.Errorf("no weekday is named")
	}
	return func(t time.Time) bool { return days[t.Weekday()] != negated }, nil
}

func markDays(days *[7]bool, word string) bool {
	known := false
	for d := time.Sunday; d <= time.Saturday; d++ {
		name := strings.ToLower(d.String())
		weekend := d == time.Sunday || d == time.Saturday
		if word == name || word == name[:3] || word == "weekends" && weekend || word == "weekdays" && !weekend {
			days[d] = true
			known = true
		}
	}
	return known
}
