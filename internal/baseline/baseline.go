// Package baseline keeps what the server knows of every host's files, and says what a change means.
//
//	event of kind Syscheck ─► Judge ─► event for the rules, with the server's Notes
//	                            │
//	           baseline/AGENT   ├── head        what is folded into the buckets
//	           (table fleet)    ├── digests     of the buckets
//	                            ├── bucket/7f   path ─► record, zstd: what is folded
//	                            └── journal/42  what came since, a commit's changes in one item: history, too
//
// A commit appends one item to the journal, which nobody else has appended meanwhile, or fails. So whoever judges an agent's events at the same
// time, one of them does it again and finds them done. What has come to much is folded into the buckets.
package baseline

import (
	"context"
	"time"

	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/syscheck"
	"github.com/yagura-hids/yagura/internal/table"
)

// Options are a Keeper's surroundings.
type Options struct {
	Now  func() time.Time
	Keep time.Duration // how long history is kept; 0 for ever
	Ask  func(Ask)     // is told after a commit which agents should tell buckets again; nil for nobody
}

// Ask asks an agent to tell again what is in some buckets.
type Ask struct {
	AgentID string
	Agent   *event.Agent // who that is, as its events say; nil for nothing
	Buckets []int
}

// Keeper is one run's view of the baselines, as statestore.State is of the engine's memory. It's not for concurrent use.
type Keeper struct{}

// New returns a view of the baselines in the table of the fleet. ctx ends its reading.
func New(ctx context.Context, t table.Table, o Options) *Keeper { return &Keeper{} }

// Judge compares an integrity event with the baseline, which it changes, and returns the event for the rules: ev itself if it's of another kind. It
// repeats what it said of an event before.
func (k *Keeper) Judge(ev *event.Event) (*event.Event, error) { return ev, nil }

// Changed returns how many operations Ops returns; Full tells that they are as large as they should get.
func (k *Keeper) Changed() int { return 0 }

// Full tells that what is to be committed is as large as it should get.
func (k *Keeper) Full() bool { return false }

// Ops returns what is to be committed since the last Committed.
func (k *Keeper) Ops() ([]table.Op, error) { return nil, nil }

// Committed tells that what Ops returned is stored.
func (k *Keeper) Committed() {}

// Forget drops everything read and judged that isn't committed, so that it is read anew.
func (k *Keeper) Forget() {}

// Fold folds long journals of the agents that were judged into their buckets.
func (k *Keeper) Fold(ctx context.Context) error { return nil }

// Record is what is known of a file.
type Record struct {
	Path    string          `json:"path"`
	Record  syscheck.Record `json:"record"`
	Changes int             `json:"changes,omitempty"` // how often it changed since it was accepted
}

// Entry is a change in the history of an agent's files.
type Entry struct {
	Agent  string          `json:"agent"`
	Event  event.ID        `json:"event"`
	Time   time.Time       `json:"time"`
	Change syscheck.Change `json:"change"` // with the server's notes
}

// Store reads baselines, and changes them by hand. It may be used by several goroutines.
type Store struct{}

// NewStore returns a store over the table of the fleet.
func NewStore(t table.Table, o Options) *Store { return &Store{} }

// Summary is a baseline in short.
type Summary struct {
	Agent   string    `json:"agent"`
	Image   string    `json:"image,omitempty"` // the image that it builds on
	Files   int       `json:"files"`
	Changed time.Time `json:"changed,omitzero"` // the newest entry
	Scanned time.Time `json:"scanned,omitzero"` // the last scan's end
	First   bool      `json:"first,omitempty"`  // the first scan has not ended yet
	Asked   []int     `json:"asked,omitempty"`  // buckets that the agent was asked to tell again
}

// Agents returns the ids of all agents that have a baseline, sorted.
func (s *Store) Agents(ctx context.Context) ([]string, error) { return nil, nil }

// Summary returns an agent's baseline in short. The error wraps ErrUnknown if it has none.
func (s *Store) Summary(ctx context.Context, agent string) (Summary, error) { return Summary{}, nil }

// History gives an agent's changes, the newest first, back to since; those of first scans and told again only if all.
func (s *Store) History(ctx context.Context, agent string, since time.Time, all bool, yield func(Entry) bool) error {
	return nil
}

// Records returns all records of an agent by path.
func (s *Store) Records(ctx context.Context, agent string) ([]Record, error) { return nil, nil }

// Record returns what is known of one path; false if nothing is.
func (s *Store) Record(ctx context.Context, agent, path string) (Record, bool, error) {
	return Record{}, false, nil
}

// Import makes these the agent's baseline: what its files should be. Differences from it are told when the agent next tells its digests.
func (s *Store) Import(ctx context.Context, agent string, records []Record) error { return nil }

// Accept sets the counts of changes of some paths to zero, of all if there are none, and returns of how many.
func (s *Store) Accept(ctx context.Context, agent string, paths []string) (int, error) { return 0, nil }

// Clear forgets the baseline and its history; the agent's next message begins a new one.
func (s *Store) Clear(ctx context.Context, agent string) error { return nil }
