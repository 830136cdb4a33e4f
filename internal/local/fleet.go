package local

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/yagura-hids/yagura/internal/table"
)

// Tables returns the tables in the store's file, for the process that has it open.
func (s *Store) Tables() table.Table { return guarded{s} }

// guarded is a store's tables, which tell of a damaged file as the store does.
type guarded struct{ *Store }

func (g guarded) Get(ctx context.Context, s *table.Schema, keys []table.Key) (items []table.Fields, err error) {
	err = g.guard(func() (err error) {
		items, err = g.tables.Get(ctx, s, keys)
		return err
	})
	return items, g.placed(err)
}

func (g guarded) Query(ctx context.Context, q table.Query) (page table.Page, err error) {
	err = g.guard(func() (err error) {
		page, err = g.tables.Query(ctx, q)
		return err
	})
	return page, g.placed(err)
}

func (g guarded) Commit(ctx context.Context, ops []table.Op) error {
	return g.placed(g.guard(func() error { return g.tables.Commit(ctx, ops) }))
}

func (g guarded) placed(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", g.path, err)
}

// fleetWait is how long Fleet waits for a process that has the file and doesn't answer: another one that changes the fleet, or a yagura that
// is starting.
const fleetWait = 5 * time.Second

// Fleet returns the table of the fleet in a data directory, whether a yagura runs there or not: it opens the file, and makes it if need be, if
// nobody has it open, and asks the one who has. The function lets go of it; until then no yagura can start there.
func Fleet(ctx context.Context, dir string) (table.Table, func() error, error) {
	var err error
	for _, wait := range []time.Duration{time.Nanosecond, fleetWait} {
		var s *Store
		if s, err = openWithin(dir, wait); err == nil {
			return s.Tables(), s.Close, nil
		}
		if !errors.Is(err, ErrLocked) {
			return nil, nil, err
		}
		there := remote{dir}
		if _, err := there.call(ctx, call{}); !errors.Is(err, ErrNotRunning) {
			return there, func() error { return nil }, err
		}
	}
	return nil, nil, err
}
