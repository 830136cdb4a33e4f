package analysis

import (
	"cmp"
	"slices"

	"github.com/yagura-hids/yagura/internal/event"
)

// Sort puts the events of a batch into the order in which they are to be analysed: each agent's by their numbers, as it read them, and those
// of several agents by time. So a batch that arrives shuffled gives the alerts of one that didn't. An agent whose clock jumped back keeps the
// order of its numbers; its events then stand where the latest time before puts them.
func Sort(batch []*event.Event) {
	slices.SortFunc(batch, func(a, b *event.Event) int {
		return cmp.Or(cmp.Compare(a.ID.Agent, b.ID.Agent), cmp.Compare(a.ID.Epoch, b.ID.Epoch), cmp.Compare(a.ID.Seq, b.ID.Seq))
	})
	latest := make(map[*event.Event]int64, len(batch))
	for i, ev := range batch {
		latest[ev] = ev.Time.UnixNano()
		if i > 0 && batch[i-1].ID.Agent == ev.ID.Agent && batch[i-1].ID.Epoch == ev.ID.Epoch {
			latest[ev] = max(latest[ev], latest[batch[i-1]])
		}
	}
	slices.SortStableFunc(batch, func(a, b *event.Event) int { return cmp.Compare(latest[a], latest[b]) })
}
