package predecode

import "time"

// stamp is a date and a time as a line writes them.
type stamp struct {
	year                     int // 0 if not written
	month, day               int
	hour, minute, sec, nanos int
	offset                   int // seconds east of Greenwich
	zoned                    bool
}

func (s *stamp) in(loc *time.Location) time.Time {
	return time.Date(s.year, time.Month(s.month), s.day, s.hour, s.minute, s.sec, s.nanos, loc)
}

// scan reads the stamp at line's beginning. In layout, y m d h i s are year, month, day, hour, minute and second with an optional fraction;
// b is a month's name, w any three bytes (a weekday), z an optional zone, T the letter or a space; all else stands for itself.
// time.Parse would do, but is slower and allocates an error for each layout that does not fit.
func scan(line, layout string) (s stamp, ok bool) {
	for i := range len(layout) {
		n := s.part(line, layout[i])
		if n < 0 {
			return s, false
		}
		line = line[n:]
	}
	return s, s.month >= 1 && s.month <= 12 && s.day >= 1 && s.day <= 31 && s.hour <= 23 && s.minute <= 59 && s.sec <= 60
}

// part reads one part of a layout and returns its length in line, -1 if it isn't there.
func (s *stamp) part(line string, what byte) (n int) {
	switch what {
	case 'y':
		return number(line, 4, &s.year)
	case 'm':
		return number(line, 2, &s.month)
	case 'd':
		return dayNumber(line, &s.day)
	case 'h':
		return number(line, 2, &s.hour)
	case 'i':
		return number(line, 2, &s.minute)
	case 's':
		if number(line, 2, &s.sec) < 0 {
			return -1
		}
		s.nanos, n = fraction(line[2:]) // none is fine
		return 2 + n
	case 'b':
		return monthName(line, &s.month)
	case 'w':
		return min(len(line), 4) - 1 // a short line fails at the part that follows
	case 'z':
		return s.zone(line)
	}
	if line == "" || line[0] != what && (what != 'T' || line[0] != ' ') {
		return -1
	}
	return 1
}

// number reads exactly width digits.
func number(s string, width int, into *int) int {
	if len(s) < width {
		return -1
	}
	v := 0
	for i := range width {
		if !digit(s[i]) {
			return -1
		}
		v = v*10 + int(s[i]-'0')
	}
	*into = v
	return width
}

// dayNumber reads a day of one digit, of two, or padded with a space.
func dayNumber(s string, into *int) int {
	if len(s) > 1 && s[0] == ' ' {
		return 1 + number(s[1:], 1, into) // 0 means none; the day stays 0 and scan refuses it
	}
	if n := number(s, 2, into); n > 0 {
		return n
	}
	return number(s, 1, into)
}

// fraction reads ".123" or ",123" as nanoseconds; digits past the ninth don't count.
func fraction(s string) (nanos, n int) {
	if len(s) < 2 || s[0] != '.' && s[0] != ',' || !digit(s[1]) {
		return 0, 0
	}
	unit := 100_000_000
	for n = 1; n < len(s) && digit(s[n]); n++ {
		nanos += int(s[n]-'0') * unit
		unit /= 10
	}
	return nanos, n
}

// monthName reads an English month's three letters, in any case. Jän and Mär, the German ones in UTF-8, pass as Jan and Mar.
func monthName(s string, into *int) int {
	n := 3
	if len(s) > 3 && s[1:3] == "\xc3\xa4" {
		n = 4
	}
	if len(s) < n {
		return -1
	}
	middle := s[1] | 0x20
	if n == 4 {
		middle = 'a'
	}
	switch string([]byte{s[0] | 0x20, middle, s[n-1] | 0x20}) {
	case "jan":
		*into = 1
	case "feb":
		*into = 2
	case "mar":
		*into = 3
	case "apr":
		*into = 4
	case "may":
		*into = 5
	case "jun":
		*into = 6
	case "jul":
		*into = 7
	case "aug":
		*into = 8
	case "sep":
		*into = 9
	case "oct":
		*into = 10
	case "nov":
		*into = 11
	case "dec":
		*into = 12
	default:
		return -1
	}
	return n
}

// zone reads Z, UTC, +01:00 or +0100, with or without a space before it. Whatever else follows is no zone and takes no room.
func (s *stamp) zone(line string) int {
	n := 0
	if line != "" && line[0] == ' ' {
		n = 1
	}
	rest := line[n:]
	switch {
	case rest == "":
		return 0
	case rest[0] == 'Z' && n == 0:
		s.zoned = true
		return 1
	case len(rest) > 2 && rest[:3] == "UTC":
		s.zoned = true
		return n + 3
	case rest[0] != '+' && rest[0] != '-':
		return 0
	}
	var hours, minutes int
	colon := 0
	if len(rest) > 3 && rest[3] == ':' {
		colon = 1
	}
	if number(rest[1:], 2, &hours) < 0 || number(rest[3+colon:], 2, &minutes) < 0 {
		return 0
	}
	s.offset = hours*3600 + minutes*60
	if rest[0] == '-' {
		s.offset = -s.offset
	}
	s.zoned = true
	return n + 5 + colon
}
