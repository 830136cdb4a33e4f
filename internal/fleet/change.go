package fleet

import (
	"context"
	"fmt"
	"time"

	"github.com/yagura-hids/yagura/internal/table"
	"github.com/yagura-hids/yagura/internal/wire"
)

// Put changes what is known of a key to exactly this, or adds one as it is. A removed one is in force again. Who changes some of what a key
// has uses Change, so that what others change at the same time stays.
func (s *Store) Put(ctx context.Context, k Key) error {
	k.Many = k.Many || many(k.Address)
	if k.Created.IsZero() {
		k.Created = s.opts.Now().UTC()
	}
	return s.change(ctx, func(*state) ([]table.Op, error) {
		old, err := s.keyOf(ctx, k.ID)
		if err != nil {
			return nil, err
		}
		return s.replace(ctx, old, k)
	})
}

// Change changes the key in force that has an id or a name by f, which may be called several times, and returns it as it is then. The id stays.
// An error of f is returned, and nothing changed.
func (s *Store) Change(ctx context.Context, idOrName string, f func(*Key) error) (changed Key, err error) {
	err = s.change(ctx, func(*state) ([]table.Op, error) {
		old, err := s.Key(ctx, idOrName)
		if err != nil {
			return nil, err
		}
		changed = old
		if err := f(&changed); err != nil {
			return nil, err
		}
		changed.ID, changed.Many = old.ID, changed.Many || many(changed.Address)
		return s.replace(ctx, &old, changed)
	})
	if err != nil {
		return Key{}, err
	}
	return changed, nil
}

// replace returns what stores a key in place of the one that its id had, nil for none: nothing, if they are the same.
func (s *Store) replace(ctx context.Context, old *Key, k Key) ([]table.Op, error) {
	if old != nil && *old == k {
		return nil, nil
	}
	name := "" // of the one before, as long as that was in force
	if old != nil && old.Removed.IsZero() {
		name = old.Name
	}
	ops := []table.Op{k.put()}
	if !k.Removed.IsZero() {
		if name != "" {
			ops = append(ops, putName(name, ""))
		}
		return ops, nil
	}
	if err := k.validate(); err != nil || name == k.Name {
		return ops, err
	}
	if err := s.vacant(ctx, []Key{{Key: wire.Key{Name: k.Name}}}); err != nil {
		return nil, err
	}
	if name != "" {
		ops = append(ops, putName(name, ""))
	}
	return append(ops, putName(k.Name, k.ID)), nil
}

// Remove takes the key that has an id or a name out of force, and forgets its secret. Its id is not given again; its name may be.
func (s *Store) Remove(ctx context.Context, idOrName string) error {
	_, err := s.Change(ctx, idOrName, func(k *Key) error {
		k.Secret, k.Previous, k.Until, k.Removed = "", "", time.Time{}, s.opts.Now().UTC()
		return nil
	})
	return err
}

// Rotate gives the key that has an id or a name a new secret. The one before is taken, too, for that long; Used may end that earlier. The one
// before that isn't taken any more.
func (s *Store) Rotate(ctx context.Context, idOrName string, grace time.Duration) (Key, error) {
	if grace < 0 {
		return Key{}, fmt.Errorf("a grace of %v is %w: write 0 or more", grace, ErrInvalid)
	}
	secret, err := wire.NewSecret(s.opts.Random)
	if err != nil {
		return Key{}, err
	}
	return s.Change(ctx, idOrName, func(k *Key) error {
		previous, until := k.Secret, s.opts.Now().Add(grace).UTC()
		if grace == 0 {
			previous, until = "", time.Time{}
		}
		k.Previous, k.Until, k.Secret = previous, until, secret
		return nil
	})
}

// Used tells that a host has used a secret of the key with that id. If it is the new one after a rotation, the one before is not taken any
// more; but the other hosts of a key of many may still need it, until its time is over.
func (s *Store) Used(ctx context.Context, id, secret string) error {
	_, err := s.Change(ctx, id, func(k *Key) error {
		if k.Secret == secret && !k.Many {
			k.Previous, k.Until = "", time.Time{}
		}
		return nil
	})
	return err
}
