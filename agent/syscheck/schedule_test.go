package syscheck_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/agent/syscheck"
	"github.com/yagura-hids/yagura/internal/event"
)

func moment(t *testing.T, text string) time.Time {
	t.Helper()
	if text == "" {
		return time.Time{}
	}
	when, err := time.Parse("2006-01-02 15:04", text)
	if err != nil {
		t.Fatal(err)
	}
	return when
}

// When a scan is due. 2027-02-01 is a Monday.
func TestDue(t *testing.T) {
	hours := func(n time.Duration) syscheck.Schedule {
		return syscheck.Schedule{Every: n * time.Hour, At: -1, OnStart: true}
	}
	quiet := syscheck.Schedule{Every: 6 * time.Hour, At: -1}
	night := syscheck.Schedule{Every: time.Hour, At: 21*time.Hour + 30*time.Minute, OnStart: true}
	quietNight := syscheck.Schedule{At: 21 * time.Hour}
	weekend := syscheck.Schedule{At: 3 * time.Hour, Days: [7]bool{0: true, 6: true}}
	sunday := syscheck.Schedule{At: -1, Days: [7]bool{0: true}}
	for _, c := range []struct {
		name                       string
		s                          syscheck.Schedule
		now, started, began, ended string
		want                       string
	}{
		{"never scanned", hours(6), "2027-02-01 10:00", "2027-02-01 09:00", "", "", "2027-02-01 09:00"},
		{"never scanned, not at the start", quiet, "2027-02-01 10:00", "2027-02-01 09:00", "", "", "2027-02-01 15:00"},
		{"from the end on", hours(6), "2027-02-01 10:00", "2027-02-01 09:00", "2027-02-01 05:00", "2027-02-01 08:00", "2027-02-01 14:00"},
		{"by default", syscheck.Schedule{At: -1}, "2027-02-01 10:00", "2027-02-01 09:00", "2027-02-01 05:00", "2027-02-01 08:00", "2027-02-01 20:00"},
		{"overdue", hours(6), "2027-02-01 10:00", "2027-02-01 09:00", "2027-01-01 05:00", "2027-01-01 08:00", "2027-01-01 14:00"},
		{"cut off", quiet, "2027-02-01 10:00", "2027-02-01 09:00", "2027-02-01 05:00", "2027-01-31 08:00", "2027-02-01 09:00"},
		{"when the clock was wrong", hours(6), "2027-02-01 10:00", "2027-02-01 09:00", "2031-01-01 05:00", "2031-01-01 08:00", "2027-02-01 09:00"},
		{"at night, never scanned", night, "2027-02-01 10:00", "2027-02-01 09:00", "", "", "2027-02-01 09:00"},
		{"at night, today", night, "2027-02-01 10:00", "2027-02-01 09:00", "2027-01-31 21:30", "2027-01-31 22:00", "2027-02-01 21:30"},
		{"at night, done today", night, "2027-02-01 22:00", "2027-02-01 09:00", "2027-02-01 21:31", "2027-02-01 22:00", "2027-02-02 21:30"},
		{"at night, missed yesterday", night, "2027-02-01 10:00", "2027-02-01 09:00", "2027-01-30 21:30", "2027-01-30 22:00", "2027-02-01 21:30"},
		{"at night, late", night, "2027-02-01 23:00", "2027-02-01 22:59", "2027-01-31 21:30", "2027-01-31 22:00", "2027-02-01 21:30"},
		{"at night, cut off", night, "2027-02-01 22:00", "2027-02-01 21:59", "2027-02-01 21:30", "2027-01-31 22:00", "2027-02-01 21:30"},
		{"at night, not at the start", quietNight, "2027-02-01 22:00", "2027-02-01 22:00", "", "", "2027-02-02 21:00"},
		{"on the weekend", weekend, "2027-02-01 22:00", "2027-02-01 22:00", "2027-01-31 03:00", "2027-01-31 04:00", "2027-02-06 03:00"},
		{"on Sunday", sunday, "2027-02-01 22:00", "2027-02-01 22:00", "2027-01-31 03:00", "2027-01-31 04:00", "2027-02-07 00:00"},
	} {
		got := c.s.Due(moment(t, c.now), moment(t, c.started), moment(t, c.began), moment(t, c.ended))
		if !got.Equal(moment(t, c.want)) {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// A scan is made when it is due, a restart makes none, and each is told of as OSSEC does.
func TestRunOnSchedule(t *testing.T) {
	h := newHost(t)
	h.write("a", "1")
	h.conf.Schedule = syscheck.Schedule{Every: 6 * time.Hour, At: -1, OnStart: true}
	start := time.Date(2027, 2, 1, 10, 0, 0, 0, time.UTC)
	run := func(now time.Time, until time.Duration) (marks string) {
		t.Helper()
		ctx, cancel := context.WithCancel(context.Background())
		first := now
		s, err := syscheck.New(h.conf, syscheck.Options{
			Spool: h.spool,
			Now:   func() time.Time { return now },
			After: func(d time.Duration) <-chan time.Time {
				if d <= time.Second { // keeping what is pending
					return nil
				}
				if now = now.Add(d); now.Sub(first) > until {
					cancel()
					return nil
				}
				fired := make(chan time.Time, 1)
				fired <- now
				return fired
			},
		})
		h.must(err)
		h.must(s.Run(ctx))
		for _, ev := range h.take() {
			if ev.Kind == event.Rootcheck && ev.Location == "rootcheck" {
				marks += strings.ToLower(ev.Text[:1]) + ev.Time.Format("15")
			}
		}
		return marks
	}
	if got := run(start, 13*time.Hour); got != "s10e10s16e16s22e22" {
		t.Errorf("scans: %s", got)
	}
	if got := run(start.Add(13*time.Hour), 4*time.Hour); got != "" {
		t.Errorf("a restart scans: %s", got)
	}
	if got := run(start.Add(20*time.Hour), time.Hour); got != "s06e06" {
		t.Errorf("one that is overdue: %s", got)
	}
}

// While memory is short a scan waits, says why, and goes on afterwards.
func TestMemoryPressure(t *testing.T) {
	for _, c := range []struct{ name, short, enough, why string }{
		{"pressure/memory", "some avg10=34.20 avg60=1.00 avg300=0.10 total=1\nfull avg10=0.00\n", "some avg10=0.20 avg60=9.00\n", "34 %"},
		{"meminfo", "MemTotal: 1000000 kB\nMemAvailable: 20000 kB\n", "MemTotal: 1000000 kB\nMemAvailable: 200000 kB\n", "19 MB of 976 MB"},
	} {
		h := newHost(t)
		h.write("a", "1")
		proc := t.TempDir()
		write := func(text string) {
			h.must(os.MkdirAll(filepath.Join(proc, "pressure"), 0o755))
			h.must(os.WriteFile(filepath.Join(proc, c.name), []byte(text), 0o600))
		}
		write(c.short)
		var s *syscheck.Syscheck
		waits, why := 0, ""
		s, err := syscheck.New(h.conf, syscheck.Options{Spool: h.spool, Proc: proc, After: func(d time.Duration) <-chan time.Time {
			if d <= time.Second {
				return nil
			}
			if waits++; waits == 3 {
				why = s.Stats().Paused
				write(c.enough)
			}
			fired := make(chan time.Time, 1)
			fired <- time.Time{}
			return fired
		}})
		h.must(err)
		st, err := s.Scan(context.Background(), false)
		h.must(err)
		if waits != 3 || !strings.Contains(why, c.why) || st.Paused != "" || st.Files != 1 {
			t.Errorf("%s: %d waits, because %q; then %+v", c.name, waits, why, st)
		}
	}
}

// A scan in the background waits until what it used is within its share.
func TestBudget(t *testing.T) {
	start := time.Unix(1_800_000_000, 0)
	b := syscheck.NewBudget(10, 1<<20, start)
	for _, c := range []struct {
		name   string
		passed time.Duration // since the start
		used   time.Duration
		bytes  int64
		want   time.Duration
	}{
		{"nothing", 0, 0, 0, 0},
		{"1 ms of processor is 10 ms", time.Millisecond, time.Millisecond, 0, 9 * time.Millisecond},
		{"… and adds up", 2 * time.Millisecond, 2 * time.Millisecond, 0, 18 * time.Millisecond},
		{"… and is paid by waiting", 20 * time.Millisecond, 2 * time.Millisecond, 0, 0},
		{"what isn't used isn't saved up", time.Hour, 3 * time.Millisecond, 0, 0},
		{"1 MiB is a second", time.Hour, 3 * time.Millisecond, 1 << 20, time.Second},
		{"the longer wait counts", time.Hour, 203 * time.Millisecond, 0, 2 * time.Second},
	} {
		if got := b.Spend(start.Add(c.passed), c.used, c.bytes); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
