package fleet

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/yagura-hids/yagura/internal/table"
	"github.com/yagura-hids/yagura/internal/wire"
)

// Request is a host's wish for a key of its own.
type Request struct {
	Name      string     // that it wants
	From      netip.Addr // where it asks from
	UseSource bool       // the key's address is From, not any
	Group     string     // of its shared files; "" for DefaultGroup
}

// maxSame is how many agents may want the same name: web, web2 … web256.
const maxSame = 256

// Enrol adds a key for a host, with an id from 1024 on. If the name is taken, it gets 2, 3 … appended. But if the key that has the name was
// enrolled from the same address, and its host isn't Active, the host that asks is the same one, installed anew: it gets that key again, with a
// new secret, so it keeps its id, its name and all that is remembered of it. The error wraps ErrInvalid for a name that isn't one, and
// ErrExists if all are taken.
func (s *Store) Enrol(ctx context.Context, r Request) (Key, error) {
	k, err := s.asked(r)
	if err != nil {
		return Key{}, err
	}
	var given Key
	err = s.change(ctx, func(st *state) ([]table.Op, error) {
		given = k
		name, back, err := s.place(ctx, k)
		if err != nil {
			return nil, err
		}
		if back != nil {
			given.ID, given.Name, given.Created, given.MaxHosts = back.ID, back.Name, back.Created, back.MaxHosts
			if given.Group == "" {
				given.Group = back.Group
			}
			return s.replace(ctx, back, given)
		}
		keys := []Key{given}
		keys[0].Name = name
		err = s.number(ctx, keys, &st.enrol, nil)
		given = keys[0]
		return []table.Op{given.put(), putName(given.Name, given.ID)}, err
	})
	if err != nil {
		return Key{}, fmt.Errorf("enrol %q from %s: %w", r.Name, k.From, err)
	}
	return given, nil
}

// asked returns the key that is wished, without an id.
func (s *Store) asked(r Request) (Key, error) {
	k := Key{Key: wire.Key{Name: r.Name}, Group: r.Group, From: r.From.Unmap().WithZone("")}
	text := "any"
	if r.UseSource {
		text = k.From.String()
	}
	var err error
	if k.Address, err = wire.ParseAddress(text); err != nil {
		return Key{}, err
	}
	err = s.complete(&k)
	return k, err
}

// together is how many names place looks at with one request.
const together = 16

// place returns the first of the names that a new key may have which is free, or the key that the host had before.
func (s *Store) place(ctx context.Context, k Key) (name string, back *Key, err error) {
	for n := 1; n <= maxSame; n += together {
		var names []string
		for i := n; i < n+together && BadName(numbered(k.Name, i)) == ""; i++ {
			names = append(names, numbered(k.Name, i))
		}
		keys, err := s.named(ctx, names)
		if err != nil {
			return "", nil, err
		}
		for i, name := range names {
			if keys[i] == nil {
				return name, nil, nil
			}
			if mine, err := s.cameBack(ctx, keys[i], k.From); mine || err != nil {
				return "", keys[i], err
			}
		}
	}
	return "", nil, fmt.Errorf("the name and those with a number behind it: %w", ErrExists)
}

func numbered(name string, n int) string {
	if n == 1 {
		return name
	}
	return fmt.Sprint(name, n)
}

// named returns the keys in force that have names, nil for a name that none has.
func (s *Store) named(ctx context.Context, names []string) ([]*Key, error) {
	var where, ids []table.Key
	for _, name := range names {
		where = append(where, nameKey(name))
	}
	items, err := s.table.Get(ctx, Schema, where)
	if err != nil {
		return nil, err
	}
	for _, item := range items {
		if id := item.String("id"); id != "" {
			ids = append(ids, idKey(id))
		}
	}
	found, err := s.table.Get(ctx, Schema, ids)
	keys := make([]*Key, len(names))
	for i, item := range items {
		if item.String("id") != "" && err == nil {
			keys[i], err = readKey(found[0])
			found = found[1:]
		}
	}
	return keys, err
}

// cameBack tells whether who asks from an address is the host that the key was made for.
func (s *Store) cameBack(ctx context.Context, k *Key, from netip.Addr) (bool, error) {
	if k.Many || !from.IsValid() || k.From != from {
		return false, nil
	}
	h, err := s.Host(ctx, k.Name)
	if errors.Is(err, ErrUnknown) {
		return true, nil
	}
	return err == nil && h.Status(s.opts.Now()) != Active, err
}
