package maintenance

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // Lambda has no zones of its own

	"github.com/yagura-hids/yagura/internal/table"
)

// MaxScheduled is how long a schedule's windows may be.
const MaxScheduled = 7 * 24 * time.Hour

// Schedule is windows that open by themselves, each on its days at the first moment at which the clocks there show At or later. So a time that the
// clocks skip in spring is when they have skipped it, and of one that comes twice in autumn it is the first. They last for Minutes that pass,
// whatever clocks show.
type Schedule struct {
	ID           string    `json:"id"` // given by Schedule
	Scope        Scope     `json:"scope"`
	Days         Days      `json:"days"`
	At           Clock     `json:"at"`
	Zone         string    `json:"zone"` // of IANA: "Europe/Zurich"
	Minutes      int       `json:"minutes"`
	UntilScanned bool      `json:"until_scanned,omitempty"`
	Reason       string    `json:"reason,omitempty"`
	By           string    `json:"by,omitempty"`
	Begun        time.Time `json:"begun"`            // given by Schedule; nothing was open before
	Removed      time.Time `json:"removed,omitzero"` // nothing is open from then on
	RemovedBy    string    `json:"removed_by,omitempty"`

	place *time.Location
}

// Days are days of the week, in their order; none means daily. As text they are "sun,wed", or "daily".
type Days []time.Weekday

// String returns the days as text.
func (d Days) String() string {
	if len(d) == 0 {
		return "daily"
	}
	names := make([]string, len(d))
	for i, day := range d {
		names[i] = strings.ToLower(day.String()[:3])
	}
	return strings.Join(names, ",")
}

// MarshalText returns String's form.
func (d Days) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads names of days, short or whole, between commas; or daily.
func (d *Days) UnmarshalText(text []byte) error {
	*d = nil
	if strings.EqualFold(string(text), "daily") {
		return nil
	}
	for name := range strings.SplitSeq(strings.ToLower(string(text)), ",") {
		day := slices.IndexFunc([]time.Weekday{0, 1, 2, 3, 4, 5, 6}, func(day time.Weekday) bool {
			whole := strings.ToLower(day.String())
			return name == whole || name == whole[:3]
		})
		if day < 0 {
			return fmt.Errorf("the day %q is %w: write mon, tue, wed, thu, fri, sat, sun between commas, or daily", name, ErrInvalid)
		}
		*d = append(*d, time.Weekday(day))
	}
	slices.Sort(*d)
	*d = slices.Compact(*d)
	return nil
}

// Clock is a time of day in minutes. As text it is "02:00".
type Clock int

// String returns the time as text.
func (c Clock) String() string { return fmt.Sprintf("%02d:%02d", c/60, c%60) }

// MarshalText returns String's form.
func (c Clock) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads String's form.
func (c *Clock) UnmarshalText(text []byte) error {
	t, err := time.Parse("15:04", string(text))
	if err != nil {
		return fmt.Errorf("the time of day %q is %w: write it as 02:00 or 14:30", text, ErrInvalid)
	}
	*c = Clock(t.Hour()*60 + t.Minute())
	return nil
}

func (s *Schedule) length() time.Duration { return time.Duration(s.Minutes) * time.Minute }

// locate finds the zone.
func (s *Schedule) locate() (err error) {
	if s.Zone == "" || s.Zone == "Local" { // which is another one on each machine
		return fmt.Errorf("the time zone %q is %w: write one of IANA's names, such as Europe/Zurich or UTC", s.Zone, ErrInvalid)
	}
	if s.place, err = time.LoadLocation(s.Zone); err != nil {
		return fmt.Errorf("the time zone %q is %w: write one of IANA's names, such as Europe/Zurich or UTC", s.Zone, ErrInvalid)
	}
	return nil
}

// open tells whether a window of the schedule is open for a host of its scope, and when that began.
func (s *Schedule) open(at, scanned time.Time) (from time.Time, ok bool) {
	if at.Before(s.Begun) || !s.Removed.IsZero() && !at.Before(s.Removed) {
		return time.Time{}, false
	}
	back := s.length()
	if s.UntilScanned {
		back += ScannedWithin
	}
	for _, from := range s.starts(at.Add(-back), at) {
		if open(from.Add(s.length()), s.UntilScanned, at, scanned) {
			return from, true
		}
	}
	return time.Time{}, false
}

// Next returns the next time that a window of the schedule begins after a time, false if that isn't within two weeks.
func (s *Schedule) Next(after time.Time) (time.Time, bool) {
	for _, from := range s.starts(after, after.AddDate(0, 0, 15)) {
		if from.After(after) && (s.Removed.IsZero() || from.Before(s.Removed)) {
			return from, true
		}
	}
	return time.Time{}, false
}

// Open tells whether a window of the schedule is open at a time, since when, and until when it is without waiting for scans.
func (s *Schedule) Open(at time.Time) (from, until time.Time, ok bool) {
	from, ok = s.open(at, at)
	return from, from.Add(s.length()), ok
}

// starts returns when the windows begin up to a time, the earliest first: all from another time on, and perhaps one before.
func (s *Schedule) starts(first, last time.Time) (list []time.Time) {
	y, m, d := first.In(s.place).Date()
	for day := time.Date(y, m, d, 0, 0, 0, 0, time.UTC); !day.After(last.Add(24 * time.Hour)); day = day.AddDate(0, 0, 1) {
		if len(s.Days) > 0 && !slices.Contains(s.Days, day.Weekday()) {
			continue
		}
		if from, ok := s.start(day); ok && !from.After(last) {
			list = append(list, from)
		}
	}
	return list
}

// start returns the first moment of a day (at 0:00 UTC) at which the clocks show At or later: false if a zone skips that day, or its rest.
func (s *Schedule) start(day time.Time) (time.Time, bool) {
	shown, midnight := day.Add(time.Duration(s.At)*time.Minute), day.Add(24*time.Hour)
	for t := day.Add(-24 * time.Hour).In(s.place); t.Before(day.Add(48 * time.Hour)); { // no clock is further from UTC
		since, until := t.ZoneBounds()
		_, seconds := t.Zone()
		ahead := time.Duration(seconds) * time.Second
		from := shown.Add(-ahead)
		if !since.IsZero() && from.Before(since) {
			from = since
		}
		if from.Before(midnight.Add(-ahead)) && (until.IsZero() || from.Before(until)) {
			return from.UTC(), true
		}
		if until.IsZero() {
			break
		}
		t = until
	}
	return time.Time{}, false
}

func (s *Schedule) validate() error {
	switch {
	case s.Minutes < 1 || s.length() > MaxScheduled:
		return fmt.Errorf("a scheduled window of %v is %w: write a minute to %d days", s.length(), ErrInvalid, MaxScheduled/(24*time.Hour))
	case s.At < 0 || s.At >= 24*60:
		return fmt.Errorf("the time of day %v is %w: write 00:00 to 23:59", s.At, ErrInvalid)
	}
	if err := validText(s.Reason, s.By); err != nil {
		return err
	}
	if err := s.locate(); err != nil {
		return err
	}
	return s.Scope.validate()
}

// put returns the operation that stores the schedule in place of a version, 0 for none.
func (s *Schedule) put(version int64) table.Op {
	text, _ := json.Marshal(s) // no value of these types fails
	var expires time.Time
	if !s.Removed.IsZero() {
		expires = s.Removed.Add(Kept)
	}
	return put(schedItem+s.ID, "schedule", string(text), version, expires)
}

func readSchedule(item table.Fields) (Schedule, error) {
	var s Schedule
	if err := json.Unmarshal([]byte(item.String("schedule")), &s); err != nil {
		return Schedule{}, err
	}
	return s, s.validate()
}
