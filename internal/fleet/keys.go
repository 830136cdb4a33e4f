package fleet

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/yagura-hids/yagura/internal/table"
	"github.com/yagura-hids/yagura/internal/wire"
)

// Keys returns all keys in force, by id as a number.
func (s *Store) Keys(ctx context.Context) ([]Key, error) {
	var keys []Key
	for item, err := range s.items(ctx, table.Query{Table: Schema, Partition: partitionKeys}) {
		if err != nil {
			return nil, err
		}
		k, err := readKey(item)
		if err != nil {
			return nil, err
		}
		if k.Removed.IsZero() {
			keys = append(keys, *k)
		}
	}
	return keys, nil
}

// Key returns the key of that id, or of that name if no key in force has it for an id.
func (s *Store) Key(ctx context.Context, idOrName string) (Key, error) {
	unknown := fmt.Errorf("%w: no key in force has the id or the name %q", ErrUnknown, idOrName)
	if id(idOrName) != 0 {
		k, err := s.inForce(ctx, idOrName)
		if !errors.Is(err, ErrUnknown) {
			return k, err
		}
		unknown = err
	}
	if BadName(idOrName) == "" {
		items, err := s.table.Get(ctx, Schema, []table.Key{nameKey(idOrName)})
		if err != nil {
			return Key{}, err
		}
		if id := items[0].String("id"); id != "" {
			return s.inForce(ctx, id)
		}
	}
	return Key{}, unknown
}

// keyOf returns the key that has an id or had it, nil if there is none.
func (s *Store) keyOf(ctx context.Context, id string) (*Key, error) {
	items, err := s.table.Get(ctx, Schema, []table.Key{idKey(id)})
	if err != nil || items[0] == nil {
		return nil, err
	}
	return readKey(items[0])
}

func (s *Store) inForce(ctx context.Context, id string) (Key, error) {
	switch k, err := s.keyOf(ctx, id); {
	case err != nil:
		return Key{}, err
	case k == nil:
		return Key{}, fmt.Errorf("%w: no key has the id %q", ErrUnknown, id)
	case !k.Removed.IsZero():
		return Key{}, fmt.Errorf("%w: the key %s was removed at %s", ErrUnknown, id, formatTime(k.Removed))
	default:
		return *k, nil
	}
}

// Add adds a key. An empty ID is the next free one, at least three digits ("001"); an empty Secret a random one. The error wraps ErrExists if
// the name is taken, or the id, also by a key that was removed.
func (s *Store) Add(ctx context.Context, k Key) (Key, error) {
	keys, err := s.AddAll(ctx, []Key{k})
	if err != nil {
		return Key{}, err
	}
	return keys[0], nil
}

// keysInCommit is how many keys one commit adds: each is two items, and the version is one.
const keysInCommit = (table.MaxOps - 1) / 2

// AddAll adds keys, as Add does, many at a time. If one can't be added, none is; an error that comes later, of the table or by another one who
// adds at the same time, returns those that were added, the first ones.
func (s *Store) AddAll(ctx context.Context, keys []Key) ([]Key, error) {
	keys = slices.Clone(keys)
	taken := map[int64]bool{}
	for i := range keys {
		if err := s.complete(&keys[i]); err != nil {
			return nil, err
		}
		taken[id(keys[i].ID)] = true
	}
	if err := errors.Join(different(keys), s.vacant(ctx, keys)); err != nil {
		return nil, err
	}
	added := 0
	for chunk := range slices.Chunk(keys, keysInCommit) {
		if err := s.add(ctx, chunk, taken); err != nil {
			return keys[:added], fmt.Errorf("%d of %d keys were added: %w", added, len(keys), err)
		}
		added += len(chunk)
	}
	return keys, nil
}

// add adds keys in one commit, and fills in their ids.
func (s *Store) add(ctx context.Context, keys []Key, taken map[int64]bool) error {
	var numbered []Key
	err := s.change(ctx, func(st *state) ([]table.Op, error) {
		numbered = slices.Clone(keys)
		if err := s.vacant(ctx, numbered); err != nil {
			return nil, err
		}
		if err := s.number(ctx, numbered, &st.next, taken); err != nil {
			return nil, err
		}
		var ops []table.Op
		for i := range numbered {
			ops = append(ops, numbered[i].put(), putName(numbered[i].Name, numbered[i].ID))
		}
		return ops, nil
	})
	if err == nil {
		copy(keys, numbered)
	}
	return err
}

// complete fills in what a new key doesn't say, but for its id, and validates it.
func (s *Store) complete(k *Key) (err error) {
	if k.Secret == "" {
		if k.Secret, err = wire.NewSecret(s.opts.Random); err != nil {
			return err
		}
	}
	k.Many = k.Many || many(k.Address)
	if k.Created.IsZero() {
		k.Created = s.opts.Now().UTC()
	}
	k.Removed = time.Time{}
	numbered := *k
	if k.ID == "" {
		numbered.ID = "001"
	}
	return numbered.validate()
}

// different tells which keys of a list have the same id or name.
func different(keys []Key) error {
	var errs []error
	ids, names := map[string]bool{}, map[string]bool{}
	for _, k := range keys {
		if k.ID != "" && ids[k.ID] {
			errs = append(errs, fmt.Errorf("the id %s %w in the list", k.ID, ErrExists))
		}
		if names[k.Name] {
			errs = append(errs, fmt.Errorf("the name %s %w in the list", k.Name, ErrExists))
		}
		ids[k.ID], names[k.Name] = true, true
	}
	return errors.Join(errs...)
}

// vacant tells which names and ids of new keys are taken.
func (s *Store) vacant(ctx context.Context, keys []Key) error {
	var where []table.Key
	for _, k := range keys {
		where = append(where, nameKey(k.Name))
		if k.ID != "" {
			where = append(where, idKey(k.ID))
		}
	}
	items, err := s.table.Get(ctx, Schema, where)
	if err != nil {
		return err
	}
	var errs []error
	for i, item := range items {
		switch {
		case where[i].Partition == partitionNames && item.String("id") != "":
			errs = append(errs, fmt.Errorf("the name %s %w: the agent %s has it", where[i].Sort, ErrExists, item.String("id")))
		case where[i].Partition == partitionNames || item == nil:
		case item.String("removed") != "":
			errs = append(errs, fmt.Errorf("the id %s %w: %s had it until %s", item.String("id"), ErrExists, item.String("name"), item.String("removed")))
		default:
			errs = append(errs, fmt.Errorf("the id %s %w: %s has it", item.String("id"), ErrExists, item.String("name")))
		}
	}
	return errors.Join(errs...)
}

// number gives ids to the keys that have none: the lowest numbers, from *next on, that no key has or had, and that aren't in taken.
func (s *Store) number(ctx context.Context, keys []Key, next *int64, taken map[int64]bool) error {
	need := 0
	for _, k := range keys {
		if k.ID == "" {
			need++
		}
	}
	if need == 0 {
		return nil
	}
	free, err := s.free(ctx, *next, need, taken)
	if err != nil {
		return err
	}
	for i := range keys {
		if keys[i].ID == "" {
			keys[i].ID = fmt.Sprintf("%03d", free[0])
			*next, free = free[0]+1, free[1:]
		}
	}
	return nil
}

// free returns the n lowest numbers, from one on, that are no id's.
func (s *Store) free(ctx context.Context, from int64, n int, taken map[int64]bool) ([]int64, error) {
	var list []int64
	upTo := func(end int64) {
		for ; from < end && len(list) < n; from++ {
			if !taken[from] {
				list = append(list, from)
			}
		}
	}
	for item, err := range s.items(ctx, table.Query{Table: Schema, Partition: partitionKeys, From: padded(from), Limit: n + 99}) {
		if err != nil {
			return nil, err
		}
		number := id(item.String("id"))
		if upTo(number); len(list) == n {
			return list, nil
		}
		from = max(from, number+1)
	}
	upTo(math.MaxInt64)
	return list, nil
}
