package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/yagura-hids/yagura/internal/maintenance"
	"github.com/yagura-hids/yagura/internal/table"
)

type maintenanceListCmd struct {
	Limit int  `short:"n" default:"20" help:"Of those that have ended at most so many; 0 for all that are kept, five weeks (default: ${default})." placeholder:"N"`
	JSON  bool `short:"j" help:"One JSON object a line, with all that is known: windows, then schedules."`
}

// Help adds what the flags don't say.
func (maintenanceListCmd) Help() string {
	return `  yagura syscheck maintenance list
  yagura syscheck maintenance list --json | jq 'select(.state == "open")'`
}

// The states of windows and schedules.
const (
	stateOpen      = "open"
	stateWaiting   = "waiting" // for hosts to be scanned
	stateEnded     = "ended"
	stateScheduled = "scheduled"
	stateRemoved   = "removed"
)

// listedWindow is a window as --json shows it.
type listedWindow struct {
	State string `json:"state"`
	maintenance.Window
}

// listedSchedule is a schedule as --json shows it.
type listedSchedule struct {
	State string `json:"state"`
	maintenance.Schedule
	Next time.Time `json:"next,omitzero"` // when it opens next
	Open time.Time `json:"open_until,omitzero"`
}

func listWindow(w maintenance.Window, now time.Time) listedWindow {
	switch {
	case now.Before(w.Until):
		return listedWindow{stateOpen, w}
	case now.Before(w.Last()):
		return listedWindow{stateWaiting, w}
	}
	return listedWindow{stateEnded, w}
}

func listSchedule(s maintenance.Schedule, now time.Time) listedSchedule {
	l := listedSchedule{State: stateScheduled, Schedule: s}
	if !s.Removed.IsZero() {
		l.State = stateRemoved
	} else if _, until, ok := s.Open(now); ok {
		l.State, l.Open = stateOpen, until
	}
	l.Next, _ = s.Next(now)
	return l
}

// Run lists windows and schedules.
func (c maintenanceListCmd) Run(ctx context.Context, at *syscheckCmd) error {
	var all *maintenance.Windows
	err := at.windows(ctx, func(t table.Table, _ *maintenance.Store) (err error) {
		all, err = maintenance.Load(ctx, t)
		return err
	})
	if err != nil {
		return err
	}
	for _, fault := range all.Faults() {
		warn(fault.Error())
	}
	windows, schedules, now := []listedWindow{}, []listedSchedule{}, time.Now()
	for _, w := range all.Windows() {
		windows = append(windows, listWindow(w, now))
	}
	slices.Reverse(windows) // the newest first
	for _, s := range all.Schedules() {
		schedules = append(schedules, listSchedule(s, now))
	}
	windows, more := c.limit(windows)
	if c.JSON {
		if err := each(windows, func(w listedWindow) error { return jsonTo(os.Stdout)(w) }); err != nil {
			return err
		}
		return each(schedules, func(s listedSchedule) error { return jsonTo(os.Stdout)(s) })
	}
	if len(windows)+len(schedules) == 0 {
		fmt.Fprintf(os.Stderr, "no maintenance windows; yagura syscheck%s maintenance begin --help tells how to begin one\n", at.where())
		return nil
	}
	return newScreen(os.Stdout).windows(windows, schedules, more)
}

// limit leaves out the oldest of those that have ended, and returns how many.
func (c maintenanceListCmd) limit(all []listedWindow) (wanted []listedWindow, more int) {
	ended := 0
	for _, w := range all {
		if w.State == stateEnded {
			if ended++; c.Limit > 0 && ended > c.Limit {
				more++
				continue
			}
		}
		wanted = append(wanted, w)
	}
	return wanted, more
}

// windows shows windows and schedules as tables.
//
//	OPEN
//	ID    For            Since                    Until                    Begun by   Reason
//	k7fq  agent web1     2026-11-25 02:00:00 CET  2026-11-25 04:00:00 CET  ada@adm1   new kernel
//
//	SCHEDULED
//	ID    For            On                                Next                     By
//	p3mx  profile web    sun,wed 02:00 Europe/Zurich, 2h   2026-11-25 02:00:00 CET  ada@adm1
func (s screen) windows(windows []listedWindow, schedules []listedSchedule, more int) error {
	head := []string{"ID", "For", "Since", "Until", "Begun by", "Reason"}
	open, ended, on := [][]string{head}, [][]string{head}, [][]string{{"ID", "For", "On", "Next", "By", "Reason"}}
	for _, w := range windows {
		switch w.State {
		case stateOpen:
			open = append(open, row(w.ID, w.Scope, zoned(w.From), zoned(w.Until), w.By, w.Reason))
		case stateWaiting:
			open = append(open, row(w.ID, w.Scope, zoned(w.From), "scanned, or "+zoned(w.Last()), w.By, w.Reason))
		default:
			ended = append(ended, row(w.ID, w.Scope, zoned(w.From), zoned(w.Until), w.By, w.Reason))
		}
	}
	for _, l := range schedules {
		if l.State == stateRemoved {
			continue
		}
		if l.State == stateOpen {
			from := l.Open.Add(-time.Duration(l.Minutes) * time.Minute)
			open = append(open, row(l.ID, l.Scope, zoned(from), zoned(l.Open), "schedule", l.Reason))
		}
		on = append(on, row(l.ID, l.Scope, when(l.Schedule), next(l), l.By, l.Reason))
	}
	if err := errors.Join(s.section("OPEN", open), s.section("SCHEDULED", on), s.section("ENDED", ended)); err != nil {
		return err
	}
	note := meaning
	if more > 0 {
		note = fmt.Sprintf("%s that ended before; -n 0 shows them.\n%s", count(more, "more window"), note)
	}
	_, err := fmt.Fprintln(s.out, s.paint(grey, note))
	return err
}

// row makes a row of what may come from outside.
func row(id string, scope maintenance.Scope, from, until, by, reason string) []string {
	return []string{id, shorten(hosts(scope), 40), printable(from), until, shorten(printable(by), 30), shorten(printable(reason), 60)}
}

func next(l listedSchedule) string {
	if l.Next.IsZero() {
		return ""
	}
	return zoned(l.Next)
}

// section writes a table under a title, unless it has only its head.
func (s screen) section(title string, rows [][]string) error {
	if len(rows) == 1 {
		return nil
	}
	if _, err := fmt.Fprintln(s.out, s.paint(yellow, title)); err != nil {
		return err
	}
	if err := s.grid(rows, -1, nil); err != nil {
		return err
	}
	_, err := fmt.Fprintln(s.out)
	return err
}

// when says on which days a schedule opens, when, and for how long: "sun,wed 02:00 Europe/Zurich, 2h0m0s".
func when(s maintenance.Schedule) string {
	text := fmt.Sprintf("%v %v %s, for %v", s.Days, s.At, s.Zone, time.Duration(s.Minutes)*time.Minute)
	if s.UntilScanned {
		text += " and until scanned"
	}
	return text
}
