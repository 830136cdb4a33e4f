package predecode_test

import (
	"testing"
	"time"

	"github.com/yagura-hids/yagura/internal/predecode"
)

var (
	east = time.FixedZone("east", 2*3600)
	ref  = time.Date(2026, 3, 1, 12, 0, 0, 0, east)
)

// stamps are lines with the time that a clock two hours east of Greenwich must read in them. "" means none.
var stamps = []struct{ line, want string }{
	{"Mar  1 10:00:00 h1 sshd[12]: hi", "2026-03-01T10:00:00+02:00"},
	{"Mar 01 10:00:00 h1 sshd[12]: hi", "2026-03-01T10:00:00+02:00"},
	{"Mar 2 10:00:00 h1 sshd[12]: hi", "2026-03-02T10:00:00+02:00"},
	{"Mar  2 13:00:00 more than a day past the reference", "2025-03-02T13:00:00+02:00"},
	{"Dec 31 23:59:59 h1 sshd[12]: hi", "2025-12-31T23:59:59+02:00"},
	{"Feb 29 10:00:00 h1 sshd[12]: hi", "2024-02-29T10:00:00+02:00"},
	{"M\xc3\xa4r  1 10:00:00 h1 sshd[12]: hi", "2026-03-01T10:00:00+02:00"},
	{"J\xc3\xa4n  1 10:00:00 h1 sshd[12]: hi", "2026-01-01T10:00:00+02:00"},
	{"Mar  1 10:00:00.25 h1 %ASA-4-1: hi", "2026-03-01T10:00:00.25+02:00"},
	{"2015-04-16 21:51:02,805 h p: x", "2015-04-16T21:51:02.805+02:00"},
	{"2015-04-16 21:51:02", "2015-04-16T21:51:02+02:00"},
	{"2015-04-16 21:51:02 +0530 x", "2015-04-16T18:21:02+02:00"},
	{"2007-06-14T15:48:55-04:00 h p: x", "2007-06-14T21:48:55+02:00"},
	{"2009-05-22T09:36:46.214994-07:00 h p[1]: x", "2009-05-22T18:36:46.214994+02:00"},
	{"2024-05-22T09:36:46.2149941234Z h p[1]: hi", "2024-05-22T11:36:46.214994123+02:00"},
	{"2024-05-22T09:36:46-text", "2024-05-22T09:36:46+02:00"},
	{"2015 Dec 29 10:00:01 h p: x", "2015-12-29T10:00:01+02:00"},
	{"2019:11:06-00:08:03 h p: x", "2019-11-06T00:08:03+02:00"},
	{"2006/01/02 15:04:05 [error] 7#7: x", "2006-01-02T15:04:05+02:00"},
	{"Mon Apr 17 18:27:14 2006 1 64.1.2.3 x", "2006-04-17T18:27:14+02:00"},
	{"01/28-09:13:16.240702  [**] x", "2026-01-28T09:13:16.240702+02:00"},
	{"01/28/1979-09:13:16.240702  [**] x", "1979-01-28T09:13:16.240702+02:00"},
	{"[Fri Feb 11 18:06:35 2004] [warn] x", "2004-02-11T18:06:35+02:00"},
	{"[Fri Feb 11 18:06:35.123456 2004] [warn] x", "2004-02-11T18:06:35.123456+02:00"},
	{"[Time 2006.12.28 15:53:55 UTC] [Facility auth] x", "2006-12-28T17:53:55+02:00"},
	{"[2007-08-31 19:17:32.186] x", "2007-08-31T19:17:32.186+02:00"},
	{"1140804070.368  11623 192.0.2.4 TCP_MISS/200 1", "2006-02-24T20:01:10.368+02:00"},
	{"type=X msg=audit(1364481363.243:24287): x", "2013-03-28T16:36:03.243+02:00"},
	{`192.0.2.4 - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.0" 200 1`, "2000-10-10T22:55:36+02:00"},
	{`www.example.org:80 ::1 - [a] [10/Oct/2000:13:55:36 +0000] "GET"`, "2000-10-10T15:55:36+02:00"},
	{"", ""},
	{"[", ""},
	{"no stamp", ""},
	{"Mar", ""},
	{"Mar ", ""},
	{"Mar  x 10:00:00 h", ""},
	{"Mar  1 24:00:00 h", ""},
	{"Mar 32 10:00:00 h", ""},
	{"0000-00-00T00:00:00.", ""},
	{"11408040701.368  11623", ""},
	{"type=X msg=audit(", ""},
	{"a [10/Oct/2000:13:55", ""},
}

func TestClockReads(t *testing.T) {
	for _, s := range stamps {
		got := predecode.NewClock(east, ref).Time(s.line)
		want := s.want
		if want == "" {
			want = ref.Format(time.RFC3339Nano)
		}
		if got.Format(time.RFC3339Nano) != want {
			t.Errorf("%q: %s, want %s", s.line, got.Format(time.RFC3339Nano), want)
		}
	}
}

func TestClockReadsCutLines(t *testing.T) {
	for _, s := range stamps {
		for i := range s.line {
			predecode.NewClock(east, ref).Time(s.line[:i])
		}
	}
}

// A log without years runs through several of them, forth and a little back.
func TestClockFollowsTheYears(t *testing.T) {
	c := predecode.NewClock(time.UTC, time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC))
	for _, step := range []struct{ line, want string }{
		{"Dec 31 23:59:58 x", "2025-12-31T23:59:58Z"},
		{"Jan  1 00:00:01 x", "2026-01-01T00:00:01Z"},
		{"Dec 31 23:59:59 late x", "2025-12-31T23:59:59Z"},
		{"a line without a stamp", "2025-12-31T23:59:59Z"},
		{"Jan  1 00:00:02 x", "2026-01-01T00:00:02Z"},
		{"May 20 00:00:00 x", "2026-05-20T00:00:00Z"},
		{"Oct  1 00:00:00 x", "2026-10-01T00:00:00Z"},
		{"Feb 28 00:00:00 x", "2027-02-28T00:00:00Z"},
		{"2030-06-01T00:00:00Z x", "2030-06-01T00:00:00Z"},
		{"Jun  2 00:00:00 x", "2030-06-02T00:00:00Z"},
	} {
		if got := c.Time(step.line).Format(time.RFC3339); got != step.want {
			t.Errorf("%q: %s, want %s", step.line, got, step.want)
		}
	}
}

func TestClockAllocatesNothing(t *testing.T) {
	c := predecode.NewClock(east, ref)
	for _, s := range stamps {
		if n := testing.AllocsPerRun(10, func() { c.Time(s.line) }); n != 0 {
			t.Errorf("%q: %v allocations", s.line, n)
		}
	}
}

// FuzzClock: nothing panics, a line reads the same twice, and a line without a stamp repeats the last time.
func FuzzClock(f *testing.F) {
	for _, s := range stamps {
		f.Add(s.line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		c := predecode.NewClock(east, ref)
		first := c.Time(line)
		if got := c.Time("no stamp"); !got.Equal(first) {
			t.Errorf("%q: %s, then %s", line, first, got)
		}
		if got := c.Time(line); !got.Equal(first) {
			t.Errorf("%q: %s, then %s", line, first, got)
		}
	})
}

func BenchmarkClock(b *testing.B) {
	for name, line := range map[string]string{
		"syslog": "Dec 10 06:55:46 LabSZ sshd[24200]: Invalid user webmaster from 192.0.2.36",
		"access": "192.0.2.1 - - [27/Jun/2004:04:16:09 -0400] \"GET / HTTP/1.0\" 200 2890",
		"iso":    "2009-05-22T09:36:46.214994-07:00 h p[1]: x",
		"none":   "Group <a> User <b> IP <192.0.2.1> AnyConnect session lost connection. Waiting to resume.",
	} {
		b.Run(name, func(b *testing.B) {
			c := predecode.NewClock(time.UTC, ref)
			b.ReportAllocs()
			for b.Loop() {
				c.Time(line)
			}
		})
	}
}

// A stranger's impossible year counts as no stamp: the line gets the last one's time.
func TestClockTakesPlausibleTimesOnly(t *testing.T) {
	c := predecode.NewClock(time.UTC, time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC))
	want := c.Time("2026-11-22T10:00:00+00:00 web1 a: b")
	for _, line := range []string{
		"9999-12-31T23:59:59-12:00 web1 a: b", "0000-01-01T00:00:00+12:00 web1 a: b", "1969-12-31T23:59:59+00:00 web1 a: b", "2200-01-01T00:00:00+00:00 web1 a: b",
	} {
		if got := c.Time(line); !got.Equal(want) {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
	if got := c.Time("2199-12-31T23:59:59+00:00 web1 a: b"); got.Year() != 2199 {
		t.Errorf("the last plausible second: %s", got)
	}
}
