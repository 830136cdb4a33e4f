package baseline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/yagura-hids/yagura/internal/fleet"
	"github.com/yagura-hids/yagura/internal/syscheck"
	"github.com/yagura-hids/yagura/internal/table"
)

// ErrUnknown is returned for an agent that has no baseline.
var ErrUnknown = errors.New("no baseline")

// Store reads baselines, and changes them by hand. It may be used by several goroutines.
type Store struct {
	table table.Table
	opts  Options
}

// NewStore returns a store over the table of the fleet.
func NewStore(t table.Table, o Options) *Store { return &Store{table: t, opts: o} }

// Record is what is known of a file.
type Record struct {
	Path    string          `json:"path"`
	Record  syscheck.Record `json:"record"`
	Changes int             `json:"changes,omitempty"` // how often it changed since it was accepted
}

// Summary is a baseline in short.
type Summary struct {
	Agent    string    `json:"agent"`
	Name     string    `json:"name,omitempty"` // of the host, if it isn't the agent's id
	Profile  string    `json:"profile,omitempty"`
	Instance string    `json:"instance,omitempty"`
	Image    string    `json:"image,omitempty"` // the image that it builds on
	Files    int       `json:"files"`
	Changed  time.Time `json:"changed,omitzero"` // when the newest entry was made
	Scanned  time.Time `json:"scanned,omitzero"` // when the agent last told its digests
	First    bool      `json:"first,omitempty"`  // the first scan has not ended yet
	Asked    []int     `json:"asked,omitempty"`  // buckets that the agent was asked to tell again
}

// Agents returns the ids of all agents that have a baseline, sorted.
func (s *Store) Agents(ctx context.Context) ([]string, error) {
	var ids []string
	q := table.Query{Table: fleet.Schema, Partition: partitionAgents}
	for {
		page, err := s.table.Query(ctx, q)
		if err != nil {
			return nil, fmt.Errorf("list baselines: %w", err)
		}
		for _, item := range page.Items {
			ids = append(ids, string(item.Bytes("id")))
		}
		if q.After = page.Next; q.After == "" {
			slices.Sort(ids)
			return ids, nil
		}
	}
}

// view returns a view of an agent's baseline. The error wraps ErrUnknown if it has none.
func (s *Store) view(ctx context.Context, agent string) (*Keeper, *host, error) {
	k := New(s.table, s.opts)
	k.Begin(ctx)
	h, err := k.load(agent)
	if err == nil && h.last == 0 {
		err = fmt.Errorf("%w of agent %q", ErrUnknown, agent)
	}
	k.hosts[agent] = h
	return k, h, err
}

// Summary returns an agent's baseline in short. The error wraps ErrUnknown if it has none.
func (s *Store) Summary(ctx context.Context, agent string) (Summary, error) {
	k, h, err := s.view(ctx, agent)
	if err != nil {
		return Summary{}, err
	}
	sums, err := k.digests(h)
	if err != nil {
		return Summary{}, err
	}
	sum := Summary{
		Agent: agent, Image: h.state.Image, Files: sums.Files(), Changed: h.newest, Scanned: stamp(h.state.Scanned),
		First: h.state.First, Asked: h.state.Asked,
	}
	if a := h.state.Agent; a != nil {
		sum.Name, sum.Profile, sum.Instance = a.Name, a.Profile, a.Instance
	}
	return sum, nil
}

// Records returns what is known of all files of an agent, by path. The error wraps ErrUnknown if it has no baseline.
func (s *Store) Records(ctx context.Context, agent string) ([]Record, error) {
	k, h, err := s.view(ctx, agent)
	if err != nil {
		return nil, err
	}
	all, err := k.all(h)
	if err != nil {
		return nil, err
	}
	var list []Record
	for _, path := range sorted(all) {
		if r := all[path]; r.record != nil {
			list = append(list, Record{Path: path, Record: *r.record, Changes: r.changes})
		}
	}
	return list, nil
}

func (k *Keeper) all(h *host) (map[string]*known, error) {
	all := map[string]*known{}
	for b := range syscheck.Buckets {
		part, err := k.records(h, b)
		if err != nil {
			return nil, err
		}
		maps.Copy(all, part)
	}
	return all, nil
}

// Record returns what is known of one path; false if nothing is. The error wraps ErrUnknown if the agent has no baseline.
func (s *Store) Record(ctx context.Context, agent, path string) (Record, bool, error) {
	k, h, err := s.view(ctx, agent)
	if err != nil {
		return Record{}, false, err
	}
	r, err := k.known(h, path)
	if err != nil || r.file() == nil {
		return Record{}, false, err
	}
	return Record{Path: path, Record: *r.record, Changes: r.changes}, true, nil
}

// Import makes records the agent's baseline: what its files should be. Differences from it are told when the agent next tells its digests. The error wraps
// ErrUnknown if the agent has no baseline yet.
func (s *Store) Import(ctx context.Context, agent string, records []Record) error {
	wanted := make(map[string]*known, len(records))
	for _, r := range records {
		record := r.Record
		normal(&record)
		wanted[r.Path] = &known{record: &record, changes: r.Changes}
	}
	_, err := s.edit(ctx, agent, func(path string, now *known) *known {
		switch w := wanted[path]; {
		case w != nil:
			return w
		case now.file() == nil:
			return now
		}
		return &known{gone: s.opts.Now().Unix()}
	}, slices.Collect(maps.Keys(wanted)))
	return err
}

// Accept sets the counts of changes of some paths to zero, of all if there are none, and returns of how many. The error wraps ErrUnknown if the agent has no
// baseline.
func (s *Store) Accept(ctx context.Context, agent string, paths []string) (int, error) {
	only := map[string]bool{}
	for _, path := range paths {
		only[path] = true
	}
	return s.edit(ctx, agent, func(path string, now *known) *known {
		if now.count() == 0 || len(only) > 0 && !only[path] {
			return now
		}
		return &known{record: now.record, gone: now.gone}
	}, nil)
}

// Clear forgets what is known of an agent's files; its next message begins a new baseline. The history stays. The error wraps ErrUnknown if the agent has no
// baseline.
func (s *Store) Clear(ctx context.Context, agent string) error {
	return s.commit(ctx, agent, func(k *Keeper, h *host) error {
		return h.add(entry{Time: s.opts.Now().UnixNano(), State: &state{First: true, Agent: h.state.Agent}, Clear: true})
	})
}

// commit appends what do adds to an agent's journal, and does it again if somebody else appended meanwhile.
func (s *Store) commit(ctx context.Context, agent string, do func(*Keeper, *host) error) error {
	for {
		k, h, err := s.view(ctx, agent)
		if err == nil {
			err = do(k, h)
		}
		if err == nil {
			err = k.flush()
		}
		var conflict *table.ConflictError
		if !errors.As(err, &conflict) {
			return err
		}
	}
}

// flush commits what is pending.
func (k *Keeper) flush() error {
	ops, err := k.Ops()
	if err != nil || len(ops) == 0 {
		return err
	}
	if err := k.table.Commit(k.ctx, ops); err != nil {
		return err
	}
	k.Committed()
	return nil
}

// edit changes what is known of all paths, and of more ones, as change says, and returns of how many. It is done again if somebody else changes them meanwhile,
// and may be cut off between: then a part of it is done.
func (s *Store) edit(ctx context.Context, agent string, change func(path string, now *known) *known, more []string) (n int, err error) {
	err = s.commit(ctx, agent, func(k *Keeper, h *host) error {
		all, err := k.all(h)
		if err != nil {
			return err
		}
		for _, path := range more {
			if _, ok := all[path]; !ok {
				all[path] = nil
			}
		}
		n = 0
		for _, path := range sorted(all) {
			now := all[path]
			next := change(path, now)
			if next.same(now) {
				continue
			}
			n++
			if err := h.add(entry{Time: s.opts.Now().UnixNano(), Effects: []effect{between(path, now, next)}}); err != nil {
				return err
			}
			if k.Full() {
				if err := k.flush(); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return n, err
}
