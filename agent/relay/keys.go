package relay

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/yagura-hids/yagura/agent/relay/session"
	"github.com/yagura-hids/yagura/internal/fleet"
	"github.com/yagura-hids/yagura/internal/wire"
)

// key is a key of the fleet, ready to open and seal with.
type key struct {
	fleet.Key
	session session.Key
	codec   *wire.Codec
	before  *wire.Codec // with the secret before the last rotation; nil if that is not taken any more
	renewed atomic.Bool // a host has used the new secret
	used    atomic.Bool // since the last look
}

// keyring finds keys. It is replaced as a whole when the fleet's keys have changed.
type keyring struct {
	now     atomic.Pointer[keys]
	version int64     // of the fleet that it is
	asked   time.Time // when a datagram of an unknown key last made the relay look for new ones
}

type keys struct {
	all    []*key
	byID   map[string]*key
	byHost map[netip.Addr]*key // keys of one address
	nets   []*key              // of networks
	files  map[string]files    // what hosts of a group are sent
}

// files are shared files as one merged.mg.
type files struct {
	merged []byte // nil for none
	sum    string
}

func (k *key) group() string { return cmp.Or(k.Group, fleet.DefaultGroup) }

// mostTrials is how many keys of networks are tried for a datagram that names none.
const mostTrials = 8

// find returns the keys that a datagram may be sealed with, at best one: that of the id that it names, or else those of its source.
func (k *keys) find(d wire.Datagram, from netip.Addr, into []*key) (found []*key, named bool) {
	found = into[:0]
	if d.ID != nil {
		if one := k.byID[string(d.ID)]; one != nil {
			found = append(found, one)
		}
		return found, true
	}
	if one := k.byHost[from]; one != nil {
		found = append(found, one)
	}
	for _, one := range k.nets {
		if len(found) < mostTrials && one.Address.Covers(from) {
			found = append(found, one)
		}
	}
	return found, false
}

// loadKeys takes the fleet's keys, keeping what is prepared of those that are the same.
func (r *Relay) loadKeys(ctx context.Context) error {
	version, err := r.opts.Fleet.Version(ctx)
	if err != nil {
		return fmt.Errorf("keys of the fleet: %w", err)
	}
	list, err := r.opts.Fleet.Keys(ctx)
	if err != nil {
		return fmt.Errorf("keys of the fleet: %w", err)
	}
	old := r.keys.now.Load()
	fresh := &keys{byID: map[string]*key{}, byHost: map[netip.Addr]*key{}, files: map[string]files{}}
	for _, k := range list {
		one := prepare(k, old, r.opts.Now())
		fresh.all = append(fresh.all, one)
		fresh.byID[k.ID] = one
		if host, ok := k.Address.Single(); ok {
			if fresh.byHost[host] == nil {
				fresh.byHost[host] = one
			}
		} else if !k.Address.Any() {
			fresh.nets = append(fresh.nets, one)
		}
	}
	if err := r.loadFiles(ctx, fresh); err != nil {
		return err
	}
	r.keys.version = version
	r.keys.now.Store(fresh)
	return nil
}

// loadFiles reads what the groups of the keys are sent.
func (r *Relay) loadFiles(ctx context.Context, k *keys) error {
	for _, one := range k.all {
		group := one.group()
		if _, ok := k.files[group]; ok {
			continue
		}
		merged, err := r.opts.Fleet.Files(ctx, group)
		if err != nil {
			return fmt.Errorf("shared files of group %s: %w", group, err)
		}
		f := files{merged: merged}
		if merged != nil {
			f.sum = md5sum(merged)
		}
		k.files[group] = f
	}
	return nil
}

func prepare(k fleet.Key, old *keys, now time.Time) *key {
	if old != nil {
		if was := old.byID[k.ID]; was != nil && was.Key == k {
			return was
		}
	}
	one := &key{Key: k, codec: wire.NewCodec(k.Key), session: session.Key{ID: k.ID, Name: k.Name, Many: k.Many, MaxHosts: k.MaxHosts}}
	if one.session.MaxHosts == 0 {
		one.session.MaxHosts = fleet.DefaultHosts
	}
	if k.Previous != "" && now.Before(k.Until) {
		before := k.Key
		before.Secret = k.Previous
		one.before = wire.NewCodec(before)
	}
	return one
}

// lookAgain looks for new keys if it wasn't done just now, for a datagram of an unknown one may be the first of a new host.
func (r *Relay) lookAgain(ctx context.Context) {
	now := r.opts.Now()
	if now.Sub(r.keys.asked) < r.opts.Poll {
		return
	}
	r.keys.asked = now
	ctx, cancel := context.WithTimeout(ctx, fleetWait)
	defer cancel()
	r.counters.trouble("fleet", r.refresh(ctx))
}

// refresh takes the fleet's keys if they have changed.
func (r *Relay) refresh(ctx context.Context) error {
	version, err := r.opts.Fleet.Version(ctx)
	if err != nil || version == r.keys.version {
		return err
	}
	return r.loadKeys(ctx)
}
