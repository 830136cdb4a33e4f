package maintenance

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/yagura-hids/yagura/internal/fleet"
	"github.com/yagura-hids/yagura/internal/table"
)

// Store changes windows. It may be used by several goroutines, and by several processes if its table may.
type Store struct {
	table table.Table
	opts  Options
}

// Options are what a store works with.
type Options struct {
	Now    func() time.Time // nil for time.Now
	Random io.Reader        // of ids, for use by several goroutines; nil for crypto/rand's
}

// NewStore returns the store over the table of the fleet.
func NewStore(t table.Table, o Options) *Store {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	return &Store{t, o}
}

// Begin begins a window now, and returns it with its id. The error wraps ErrInvalid if it can't be.
func (s *Store) Begin(ctx context.Context, w Window) (Window, error) {
	w.From, w.Ended, w.EndedBy = s.opts.Now().UTC(), time.Time{}, ""
	if err := w.validate(); err != nil {
		return Window{}, err
	}
	err := s.add(ctx, func(id string) table.Op {
		w.ID = id
		return w.put(0)
	})
	return w, err
}

// Schedule adds a schedule, and returns it with its id. The error wraps ErrInvalid if it can't be.
func (s *Store) Schedule(ctx context.Context, sc Schedule) (Schedule, error) {
	sc.Begun, sc.Removed, sc.RemovedBy = s.opts.Now().UTC(), time.Time{}, ""
	if err := sc.validate(); err != nil {
		return Schedule{}, err
	}
	err := s.add(ctx, func(id string) table.Op {
		sc.ID = id
		return sc.put(0)
	})
	return sc, err
}

// letters are those of ids: none is taken for another.
const letters = "23456789abcdefghjkmnpqrstuvwxyz"

// add stores something under a new id.
func (s *Store) add(ctx context.Context, put func(id string) table.Op) error {
	for {
		id := make([]byte, 4)
		if _, err := io.ReadFull(s.opts.Random, id); err != nil {
			return fmt.Errorf("make an id: %w", err)
		}
		for i := range id {
			id[i] = letters[int(id[i])%len(letters)]
		}
		if err := s.table.Commit(ctx, []table.Op{put(string(id))}); !conflict(err) {
			return err
		}
	}
}

// End ends a window now, and returns it as it is then. Hosts that have to be scanned stay in it until they are; if it waits for nothing else any
// more, they do so no longer. The error wraps ErrUnknown or ErrOver.
func (s *Store) End(ctx context.Context, id, by string) (Window, error) {
	for again := false; ; again = true {
		w, version, err := s.window(ctx, id)
		if err != nil || again && !w.Ended.IsZero() { // somebody else has ended it just now
			return w, err
		}
		now := s.opts.Now().UTC()
		switch {
		case now.Before(w.Until):
			w.Until = now
		case now.Before(w.Last()):
			w.UntilScanned = false
		default:
			return w, fmt.Errorf("window %s %w since %s", id, ErrOver, w.Until.Format(time.RFC3339))
		}
		w.Ended, w.EndedBy = now, by
		if w.run != "" {
			what := map[bool]string{true: End, false: Closed}[w.UntilScanned]
			return w, s.Note(ctx, Sign{Run: w.run, Instance: w.Scope.Value, What: what, Time: now, By: by})
		}
		if err := s.table.Commit(ctx, []table.Op{w.put(version)}); !conflict(err) {
			return w, err
		}
	}
}

// window returns the window of an id, and its item's version: 0 if signs tell of it.
func (s *Store) window(ctx context.Context, id string) (Window, int64, error) {
	item, err := s.get(ctx, windowItem+id)
	if err != nil {
		return Window{}, 0, err
	}
	if item != nil {
		w, err := readWindow(item)
		return w, item.Int(fieldVer), err
	}
	all, err := Load(ctx, s.table)
	if err != nil {
		return Window{}, 0, err
	}
	i := slices.IndexFunc(all.windows, func(w Window) bool { return w.ID == id })
	if i < 0 {
		return Window{}, 0, fmt.Errorf("%w: %q", ErrUnknown, id)
	}
	return all.windows[i], 0, nil
}

// Unschedule removes a schedule; if a window of it is open, that ends. The error wraps ErrUnknown or ErrOver.
func (s *Store) Unschedule(ctx context.Context, id, by string) (Schedule, error) {
	for {
		item, err := s.get(ctx, schedItem+id)
		if err != nil {
			return Schedule{}, err
		}
		if item == nil {
			return Schedule{}, fmt.Errorf("%w, and no schedule: %q", ErrUnknown, id)
		}
		sc, err := readSchedule(item)
		if err != nil {
			return Schedule{}, err
		}
		if !sc.Removed.IsZero() {
			return sc, fmt.Errorf("schedule %s %w since %s", id, ErrOver, sc.Removed.Format(time.RFC3339))
		}
		sc.Removed, sc.RemovedBy = s.opts.Now().UTC(), by
		if err := s.table.Commit(ctx, []table.Op{sc.put(item.Int(fieldVer))}); !conflict(err) {
			return sc, err
		}
	}
}

func (s *Store) get(ctx context.Context, item string) (table.Fields, error) {
	items, err := s.table.Get(ctx, fleet.Schema, []table.Key{{Partition: partition, Sort: item}})
	if err != nil {
		return nil, err
	}
	return items[0], nil
}

// put returns the operation that stores something under its key in place of a version, 0 for none.
func put(key, field, text string, version int64, expires time.Time) table.Op {
	item := table.Fields{fieldAgent: partition, fieldItem: key, field: text, fieldVer: version + 1}
	if !expires.IsZero() {
		item[fieldExpiry] = expires.Unix()
	}
	return table.Op{Table: fleet.Schema, Item: item, If: table.Condition{Field: fieldVer, Equal: version, Missing: version == 0}}
}

func conflict(err error) bool {
	var c *table.ConflictError
	return errors.As(err, &c)
}
