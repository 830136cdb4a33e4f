package maintenance_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/internal/maintenance"
)

func at(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestScheduleOpens(t *testing.T) {
	for _, c := range []struct {
		name, days, clock, zone string
		minutes                 int
		untilScanned            bool
		open                    []string // begins and ends of what is open, in turn
	}{
		{"winter", "daily", "02:00", "Europe/Zurich", 120, false, []string{"2026-01-14T01:00:00Z", "2026-01-14T03:00:00Z"}},
		{"summer", "daily", "02:00", "Europe/Zurich", 120, false, []string{"2026-07-14T00:00:00Z", "2026-07-14T02:00:00Z"}},
		{"over midnight", "sun", "23:30", "Europe/Zurich", 60, false, []string{"2026-11-22T22:30:00Z", "2026-11-22T23:30:00Z"}},
		{"days of there, not of UTC", "wed", "02:00", "Asia/Tokyo", 60, false, []string{"2026-11-24T17:00:00Z", "2026-11-24T18:00:00Z"}},
		{"a week-end", "sat", "00:00", "UTC", 2880, false, []string{"2026-11-28T00:00:00Z", "2026-11-30T00:00:00Z"}},
		// in spring 02:00 to 03:00 isn't there: what should begin within begins as it is over, and lasts as long
		{"spring, at the gap", "sun", "02:00", "Europe/Zurich", 120, false, []string{"2026-03-29T01:00:00Z", "2026-03-29T03:00:00Z"}},
		{"spring, in the gap", "sun", "02:30", "Europe/Zurich", 120, false, []string{"2026-03-29T01:00:00Z", "2026-03-29T03:00:00Z"}},
		{"spring, over the gap", "sun", "01:30", "Europe/Zurich", 60, false, []string{"2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z"}},
		// in autumn 02:00 to 03:00 comes twice: the first counts
		{"autumn, twice", "sun", "02:30", "Europe/Zurich", 60, false, []string{"2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"}},
		{"autumn, over it", "sun", "01:30", "Europe/Zurich", 120, false, []string{"2026-10-24T23:30:00Z", "2026-10-25T01:30:00Z"}},
		{"half an hour", "sun", "02:15", "Australia/Lord_Howe", 60, false, []string{"2026-10-03T15:30:00Z", "2026-10-03T16:30:00Z"}},
		{"a gap at midnight", "sun", "00:00", "Africa/Cairo", 60, false, nil},
		{"midnight skipped", "fri", "00:00", "Africa/Cairo", 60, false, []string{"2026-04-23T22:00:00Z", "2026-04-23T23:00:00Z"}},
		{"until scanned", "wed", "02:00", "UTC", 60, true, []string{"2026-11-25T02:00:00Z", "2026-11-26T05:00:00Z"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			tab, s, clock := open(t)
			clock.set(at(t, "2025-12-01T00:00:00Z"))
			sc := maintenance.Schedule{Scope: maintenance.Scope{Kind: maintenance.All}, Zone: c.zone, Minutes: c.minutes, UntilScanned: c.untilScanned}
			if err := sc.Days.UnmarshalText([]byte(c.days)); err != nil {
				t.Fatal(err)
			}
			if err := sc.At.UnmarshalText([]byte(c.clock)); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Schedule(t.Context(), sc); err != nil {
				t.Fatal(err)
			}
			w := load(t, tab)
			for i, edge := range c.open {
				before := w.Open("web1", nil, at(t, edge).Add(-time.Nanosecond), time.Time{}) != ""
				then := w.Open("web1", nil, at(t, edge), time.Time{}) != ""
				if begins := i%2 == 0; before == begins || then != begins {
					t.Errorf("at %s: open %v, then %v", edge, before, then)
				}
			}
		})
	}
}

// A time zone that skips a whole day has no window on it.
func TestDaySkipped(t *testing.T) {
	tab, s, clock := open(t)
	clock.set(at(t, "2011-12-01T00:00:00Z"))
	if _, err := s.Schedule(t.Context(), maintenance.Schedule{
		Scope: maintenance.Scope{Kind: maintenance.All}, Days: maintenance.Days{time.Friday}, At: 12 * 60, Zone: "Pacific/Apia", Minutes: 60,
	}); err != nil {
		t.Fatal(err)
	}
	w := load(t, tab)
	for text, want := range map[string]bool{
		"2011-12-23T22:30:00Z": true,  // Friday the 23rd, ten hours behind
		"2011-12-30T22:30:00Z": false, // there was no Friday the 30th
		"2012-01-05T22:30:00Z": true,  // Friday the 6th, fourteen ahead
	} {
		if got := w.Open("web1", nil, at(t, text), time.Time{}) != ""; got != want {
			t.Errorf("%s: open %v", text, got)
		}
	}
}

func TestSchedulesLife(t *testing.T) {
	tab, s, clock := open(t) // at 02:00
	sc, err := s.Schedule(t.Context(), maintenance.Schedule{Scope: maintenance.Scope{Kind: maintenance.All}, At: 60, Zone: "UTC", Minutes: 120, UntilScanned: true})
	if err != nil {
		t.Fatal(err)
	}
	clock.set(after("24h30m"))
	if _, err := s.Unschedule(t.Context(), sc.ID, "ada"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Unschedule(t.Context(), sc.ID, "ada"); err == nil {
		t.Error("it was removed twice")
	}
	w := load(t, tab)
	for text, want := range map[string]bool{"-1m": false, "0m": true, "59m": true, "2h": false, "23h": true, "24h29m": true, "24h30m": false, "25h": false} {
		if got := w.Open("web1", nil, after(text), after(text)) != ""; got != want {
			t.Errorf("after %s: open %v", text, got)
		}
	}
}

// slow finds out whether a schedule is open as slowly and plainly as can be: it walks through all minutes.
func slow(days maintenance.Days, clock maintenance.Clock, place *time.Location, length time.Duration, at time.Time) bool {
	shown := map[string]bool{}
	for t := at.Add(-length - 50*time.Hour).Truncate(time.Minute); !t.After(at); t = t.Add(time.Minute) {
		there := t.In(place)
		day := there.Format(time.DateOnly)
		if shown[day] || len(days) > 0 && !slices.Contains(days, there.Weekday()) || there.Hour()*60+there.Minute() < int(clock) {
			continue
		}
		shown[day] = true // the day's first minute at which clocks show it or later
		if at.Sub(t) < length && t.After(at.Add(-length-25*time.Hour)) {
			return true
		}
	}
	return false
}

func TestScheduleAgreesWithSlowModel(t *testing.T) {
	zones := []string{
		"UTC", "Europe/Zurich", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "America/Santiago", "Asia/Kathmandu", "Pacific/Apia",
		"Pacific/Kiritimati", "Pacific/Niue", "America/St_Johns", "Africa/Casablanca", "America/Havana", "Asia/Beirut", "Antarctica/Troll",
	}
	edges := []string{ // around which clocks change somewhere
		"2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z", "2026-03-08T07:00:00Z", "2026-11-01T06:00:00Z", "2026-04-04T15:00:00Z", "2026-10-03T15:30:00Z",
		"2026-04-23T22:00:00Z", "2026-10-29T21:00:00Z", "2026-04-05T03:00:00Z", "2026-09-06T04:00:00Z", "2026-02-15T02:00:00Z", "2026-03-22T02:00:00Z",
		"2011-12-30T10:00:00Z", "2026-03-28T22:00:00Z",
	}
	tab, s, clock := open(t)
	clock.set(at(t, "2011-01-01T00:00:00Z"))
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 0))
	opened := 0
	for range 60 {
		sc := maintenance.Schedule{Scope: maintenance.Scope{Kind: maintenance.All}, Zone: zones[r.IntN(len(zones))], Minutes: 1 + r.IntN(300)}
		sc.At = maintenance.Clock(r.IntN(24 * 60))
		if r.IntN(2) == 0 {
			sc.At = maintenance.Clock(r.IntN(4*60+1)+23*60) % (24 * 60) // the night
		}
		for day := range time.Weekday(7) {
			if r.IntN(3) > 0 {
				sc.Days = append(sc.Days, day)
			}
		}
		made, err := s.Schedule(t.Context(), sc)
		if err != nil {
			t.Fatal(err)
		}
		place, err := time.LoadLocation(sc.Zone)
		if err != nil {
			t.Fatal(err)
		}
		w := load(t, tab)
		for range 30 {
			when := at(t, edges[r.IntN(len(edges))]).Add(time.Duration(r.IntN(48*60)-24*60)*time.Minute + time.Duration(r.IntN(60))*time.Second)
			want := slow(sc.Days, sc.At, place, time.Duration(sc.Minutes)*time.Minute, when)
			if got := w.Open("web1", nil, when, when) == made.ID; got != want {
				t.Fatalf("seed %d: %v %v %s for %d minutes at %s: open %v, want %v", seed, sc.Days, sc.At, sc.Zone, sc.Minutes, when, got, want)
			}
			if want {
				opened++
			}
		}
		if _, err := s.Unschedule(t.Context(), made.ID, "test"); err != nil {
			t.Fatal(err)
		}
	}
	if opened == 0 {
		t.Error("nothing was open: the test tests nothing")
	}
}

func TestDaysAndClocks(t *testing.T) {
	for text, want := range map[string]string{"sun,wed": "sun,wed", "WED,Sunday,sun": "sun,wed", "daily": "daily", "sunny": "", "": "", "sun,": ""} {
		var d maintenance.Days
		if err := d.UnmarshalText([]byte(text)); (err == nil) != (want != "") || err == nil && d.String() != want {
			t.Errorf("days %q: %v, %v", text, d, err)
		}
	}
	for text, want := range map[string]string{"02:00": "02:00", "2:05": "02:05", "23:59": "23:59", "24:00": "", "2": "", "02:00:00": "", "2pm": ""} {
		var c maintenance.Clock
		if err := c.UnmarshalText([]byte(text)); (err == nil) != (want != "") || err == nil && c.String() != want {
			t.Errorf("clock %q: %v, %v", text, c, err)
		}
	}
}
