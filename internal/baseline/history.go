package baseline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/syscheck"
	"github.com/yagura-hids/yagura/internal/table"
)

// errEnough ends a walk through a journal.
var errEnough = errors.New("enough")

// maxLookBack is how many items of the journal are searched for what was said of an event: what comes again comes soon.
const maxLookBack = 256

// remembered returns the entry of an event that was folded already, nil if there is none.
func (k *Keeper) remembered(h *host, at place) (found *entry, err error) {
	n := 0
	q := table.Query{Partition: h.own.partition, From: journalKey(0), To: journalKey(h.folded + 1), Descending: true, Limit: 16}
	err = journal(k.ctx, k.table, q, func(i item) error {
		for j := range i.entries {
			e := &i.entries[j]
			if e.Epoch == at.epoch && e.Seq == at.seq && e.Change != nil {
				found = e
				return errEnough
			}
		}
		if n++; n == maxLookBack || passed(i.entries, at) {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	if err != nil {
		return nil, fmt.Errorf("read history of %q: %w", h.agent, err)
	}
	return found, nil
}

// passed tells whether entries are of before an event: what stands before them is so, too.
func passed(entries []entry, at place) bool {
	return slices.ContainsFunc(entries, func(e entry) bool { return e.Epoch == at.epoch && e.Seq < at.seq })
}

// Entry is a change in the history of an agent's files.
type Entry struct {
	Agent  string          `json:"agent"`
	Event  event.ID        `json:"event"` // the zero one if an operator did it
	Time   time.Time       `json:"time"`
	Change syscheck.Change `json:"change"` // with the server's notes
}

// History gives what was told of an agent's files, the newest first, back to since, until yield returns false; if all, also what is no news: files of first
// scans, told again, no longer watched, imported, as of type syscheck.Baseline and syscheck.Unwatched.
func (s *Store) History(ctx context.Context, agent string, since time.Time, all bool, yield func(Entry) bool) error {
	q := table.Query{Partition: partition(agent), From: journalKey(0), To: "journal0", Descending: true}
	err := journal(ctx, s.table, q, func(i item) error {
		if i.made.Before(since.Add(-lag)) && !since.IsZero() {
			return errEnough
		}
		for _, e := range slices.Backward(i.entries) {
			if time.Unix(0, e.Time).Before(since) {
				continue
			}
			for _, c := range e.changes(all) {
				id := event.ID{}
				if e.Epoch != 0 {
					id = event.ID{Agent: agent, Epoch: e.Epoch, Seq: e.Seq}
				}
				if !yield(Entry{Agent: agent, Event: id, Time: time.Unix(0, e.Time).UTC(), Change: c}) {
					return errEnough
				}
			}
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	if err != nil {
		return fmt.Errorf("read history of %q: %w", agent, err)
	}
	return nil
}

// lag is how much later than its events an item may be made: an agent's spool may wait for its network.
const lag = 7 * 24 * time.Hour

// changes returns what an entry tells a reader.
func (e *entry) changes(all bool) []syscheck.Change {
	if e.Change != nil {
		return []syscheck.Change{*e.Change}
	}
	if !all {
		return nil
	}
	var list []syscheck.Change
	for i := range e.Effects {
		c := syscheck.Change{Type: syscheck.Baseline, Path: e.Effects[i].path()}
		for _, side := range []struct {
			w  *row
			to **syscheck.Record
		}{{e.Effects[i].Old, &c.Before}, {e.Effects[i].New, &c.After}} {
			if side.w == nil {
				continue
			}
			if r, err := side.w.unpack(); err == nil {
				*side.to = r.record
			}
		}
		if c.After == nil {
			c.Type = syscheck.Unwatched
		}
		list = append(list, c)
	}
	return list
}
