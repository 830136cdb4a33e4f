// Package maintenance keeps the windows in which changes of files are expected: begun and ended by people, opened by schedules, or told by the
// signs that AWS Systems Manager gives when it patches an instance.
//
//	agent        item                              fields
//	maintenance  window/k7fq                       window: a Window as JSON; version, expires
//	             schedule/p3mx                     schedule: a Schedule as JSON; version; expires once it is removed
//	             sign/RUN/INSTANCE/TIME/begin      document; expires. Or …/end, …/closed; RUN//TIME/scan and …/install tell of the whole run
//
// They are in the table of the fleet. What is over stays for some weeks, for an event is judged by the time when it was read on its host: one that
// comes late gets the answer that it would have got then. Nobody writes anything for a schedule to open, nor for a window to end by itself.
//
// Signs come in any order and more than once. Each is an item of its own that is only ever written, the same each time; what windows they make is
// found out by who reads them.
package maintenance

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/fleet"
	"github.com/yagura-hids/yagura/internal/table"
)

const (
	partition   = "maintenance"
	windowItem  = "window/"
	schedItem   = "schedule/"
	fieldAgent  = "agent"
	fieldItem   = "item"
	fieldVer    = "version"
	fieldExpiry = "expires"
)

// Windows are those that the table of the fleet holds, at one moment. They may be used by several goroutines.
type Windows struct {
	windows   []Window // by when they began, then by their ids
	schedules []Schedule
	faults    []error
	of        map[Scope]scoped
}

// scoped are the windows and schedules of one scope.
type scoped struct{ windows, schedules []int }

// Load reads the windows, with one query. What can't be read is left out, for a window that stays shut hides nothing; see Faults.
func Load(ctx context.Context, t table.Table) (*Windows, error) {
	w := &Windows{of: map[Scope]scoped{}}
	var signs []Sign
	for q := (table.Query{Table: fleet.Schema, Partition: partition}); ; {
		page, err := t.Query(ctx, q)
		if err != nil {
			return nil, fmt.Errorf("read maintenance windows: %w", err)
		}
		for _, item := range page.Items {
			signs = w.read(item, signs)
		}
		if q.After = page.Next; q.After == "" {
			break
		}
	}
	w.windows = append(w.windows, signed(signs)...)
	w.index()
	return w, nil
}

// read takes in an item; a sign is added to signs.
func (w *Windows) read(item table.Fields, signs []Sign) []Sign {
	key := item.String(fieldItem)
	var err error
	switch {
	case strings.HasPrefix(key, windowItem):
		var win Window
		if win, err = readWindow(item); err == nil {
			w.windows = append(w.windows, win)
		}
	case strings.HasPrefix(key, schedItem):
		var s Schedule
		if s, err = readSchedule(item); err == nil {
			w.schedules = append(w.schedules, s)
		}
	case strings.HasPrefix(key, signItem):
		var s Sign
		if s, err = readSign(item); err == nil {
			signs = append(signs, s)
		}
	}
	if err != nil {
		w.faults = append(w.faults, fmt.Errorf("%s/%s is left out: %w", partition, key, err))
	}
	return signs
}

func (w *Windows) index() {
	slices.SortFunc(w.windows, func(a, b Window) int { return cmp.Or(a.From.Compare(b.From), cmp.Compare(a.ID, b.ID)) })
	for i, win := range w.windows {
		of := w.of[win.Scope]
		of.windows = append(of.windows, i)
		w.of[win.Scope] = of
	}
	for i, s := range w.schedules {
		of := w.of[s.Scope]
		of.schedules = append(of.schedules, i)
		w.of[s.Scope] = of
	}
}

// Open returns the id of the window that is open for a host at a time, "" if none is; of several that which began first. scanned is when the
// host's last scan before that ended, zero if none is known: a window may last until a scan has seen what was done in it. For a change that was
// noticed as it happened, which no scan has still to find, scanned is at.
func (w *Windows) Open(id string, a *event.Agent, at, scanned time.Time) string {
	var first string
	var since time.Time
	earlier := func(id string, from time.Time) {
		if first == "" || from.Before(since) || from.Equal(since) && id < first {
			first, since = id, from
		}
	}
	for _, scope := range scopes(id, a) {
		of := w.of[scope]
		for _, i := range of.windows {
			if win := &w.windows[i]; win.open(at, scanned) {
				earlier(win.ID, win.From)
				break // they are in order
			}
		}
		for _, i := range of.schedules {
			if from, ok := w.schedules[i].open(at, scanned); ok {
				earlier(w.schedules[i].ID, from)
			}
		}
	}
	return first
}

// Windows returns all that were begun, the oldest first: those that are over, too, as long as they are kept.
func (w *Windows) Windows() []Window { return slices.Clone(w.windows) }

// Schedules returns all schedules by their ids: those that were removed, too, as long as they are kept.
func (w *Windows) Schedules() []Schedule { return slices.Clone(w.schedules) }

// Faults tells what could not be read.
func (w *Windows) Faults() []error { return w.faults }
