package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/yagura-hids/yagura/internal/maintenance"
	"github.com/yagura-hids/yagura/internal/table"
)

type maintenanceScheduleCmd struct {
	scopeFlags
	Days         string            `help:"On which days: mon, tue, wed, thu, fri, sat, sun between commas, or daily (default: ${default})." default:"daily" placeholder:"DAYS"`
	At           maintenance.Clock `help:"When clocks there show this." required:"" placeholder:"HH:MM"`
	Zone         string            `help:"The time zone, by IANA's name." required:"" placeholder:"ZONE"`
	For          time.Duration     `help:"How long, at most a week." required:"" placeholder:"TIME"`
	UntilScanned bool              `help:"Beyond that each lasts on each host until a check of its files has ended, at most 26 hours."`
	Reason       string            `help:"What is done then, for others to see." placeholder:"TEXT"`
	JSON         bool              `short:"j" help:"Show the schedule as JSON."`
}

// Help adds what the flags don't say.
func (maintenanceScheduleCmd) Help() string {
	return `Clocks that are put forward over the time: it opens when they have been. Clocks that show it twice: the first time.

  yagura syscheck maintenance schedule --profile web --days sun,wed --at 02:00 --zone Europe/Zurich --for 2h
  yagura syscheck maintenance schedule --all --at 04:30 --zone UTC --for 30m --until-scanned --reason "unattended upgrades"`
}

// Run adds a schedule.
func (c maintenanceScheduleCmd) Run(ctx context.Context, at *syscheckCmd) error {
	scope, err := c.needed()
	if err != nil {
		return err
	}
	s := maintenance.Schedule{Scope: scope, At: c.At, Zone: c.Zone, Minutes: int(c.For / time.Minute), UntilScanned: c.UntilScanned, Reason: c.Reason, By: whoami()}
	if err := s.Days.UnmarshalText([]byte(c.Days)); err != nil {
		return wrong(err)
	}
	return at.windows(ctx, func(t table.Table, store *maintenance.Store) error {
		if s, err = store.Schedule(ctx, s); err != nil {
			return wrong(err)
		}
		l := listSchedule(s, time.Now())
		if c.JSON {
			return jsonTo(os.Stdout)(l)
		}
		opens := "It opens next at " + zoned(l.Next)
		if !l.Open.IsZero() {
			opens = "It is open now, until " + zoned(l.Open)
		}
		fmt.Printf("Schedule %s of maintenance windows for %s: %s.\n%s. %s\nTo remove it: yagura syscheck%s maintenance unschedule %s\n", s.ID, hosts(scope), when(s),
			opens, meaning, at.where(), s.ID)
		return doubt(ctx, t, scope)
	})
}

type maintenanceUnscheduleCmd struct {
	IDs []string `arg:"" name:"id" help:"Ids of schedules." placeholder:"ID"`
}

// Help adds what the flags don't say.
func (maintenanceUnscheduleCmd) Help() string {
	return `If one of its windows is open, that ends, too.`
}

// Run removes schedules.
func (c maintenanceUnscheduleCmd) Run(ctx context.Context, at *syscheckCmd) error {
	return at.windows(ctx, func(_ table.Table, store *maintenance.Store) error {
		var errs []error
		for _, id := range c.IDs {
			switch s, err := store.Unschedule(ctx, id, whoami()); {
			case errors.Is(err, maintenance.ErrUnknown):
				errs = append(errs, fmt.Errorf("no schedule has the id %s; yagura syscheck%s maintenance list shows them, and end ends a window", id, at.where()))
			case err != nil:
				errs = append(errs, err)
			default:
				fmt.Printf("Schedule %s of %s is removed.\n", id, hosts(s.Scope))
			}
		}
		return errors.Join(errs...)
	})
}
