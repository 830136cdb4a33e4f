package relay

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"strings"
	"time"
	"unicode"

	"github.com/yagura-hids/yagura/agent/relay/session"
	"github.com/yagura-hids/yagura/internal/codec"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/fleet"
	"github.com/yagura-hids/yagura/internal/wire"
)

// attend asks the fleet for changed keys and for what hosts are to be told, and tells it of them, until ctx ends. While the fleet can't be
// reached all goes on with what is known.
func (r *Relay) attend(ctx context.Context) error {
	poll := time.NewTicker(r.opts.Poll)
	defer poll.Stop()
	for {
		select {
		case <-poll.C:
			r.counters.trouble("fleet", r.tend(ctx))
		case <-r.look:
			r.lookAgain(ctx)
		case <-ctx.Done():
			return nil
		}
		for _, msg := range r.counters.taken() {
			if err := r.Tell(ctx, "ossec: Relay: "+msg); err != nil && ctx.Err() == nil {
				return err
			}
		}
	}
}

// idleKey is how long what is prepared of a key is kept after its last use: 4 KiB, for hosts that mostly say something once in ten minutes.
const idleKey = time.Minute

// forgetKeys lets go of what is prepared of keys that were not used.
func (r *Relay) forgetKeys() {
	for _, k := range r.keys.now.Load().all {
		if !k.used.Swap(false) {
			k.codec.Forget()
			if k.before != nil {
				k.before.Forget()
			}
		}
	}
}

// fleetWait is how long the fleet may take for a round. Then it is told that it can't be reached.
const fleetWait = 30 * time.Second

// tend does one round.
func (r *Relay) tend(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, fleetWait)
	defer cancel()
	now := r.opts.Now()
	if now.Sub(r.looked) >= idleKey {
		r.looked = now
		r.forgetKeys()
		if err := r.loadHosts(ctx); err != nil { // of other relays
			return err
		}
	}
	if err := r.refresh(ctx); err != nil {
		return err
	}
	for _, k := range r.counters.turned() {
		if err := r.opts.Fleet.Used(ctx, k.ID, k.Secret); err != nil {
			return err
		}
	}
	if err := r.save(ctx); err != nil {
		return err
	}
	list, err := r.opts.Fleet.Waiting(ctx)
	if err != nil {
		return err
	}
	absent := map[string]bool{}
	for _, c := range list {
		if absent[c.Agent] {
			continue // a host that comes just now is told in the order of the commands, in the next round
		}
		here, err := r.command(ctx, c)
		if err != nil {
			return err
		}
		absent[c.Agent] = !here
	}
	return nil
}

// leave tells the fleet what it doesn't know yet, at the end: how far each host has counted, too, for the relay that it will go to.
func (r *Relay) leave() {
	for _, h := range r.hosts {
		if h.agent != "" {
			r.show(h)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	r.counters.trouble("fleet", r.save(ctx))
}

// save tells the fleet of hosts.
func (r *Relay) save(ctx context.Context) error {
	r.mu.Lock()
	var list []fleet.Host
	for agent := range r.unsaved {
		list = append(list, r.seen[agent])
	}
	clear(r.unsaved)
	r.mu.Unlock()
	if len(list) == 0 {
		return nil
	}
	err := r.opts.Fleet.PutHosts(ctx, list)
	if err != nil {
		r.mu.Lock()
		for _, h := range list {
			r.unsaved[h.Agent] = true
		}
		r.mu.Unlock()
	}
	return err
}

// command tells a host what it is to be told, if it is here and no other relay has told it.
func (r *Relay) command(ctx context.Context, c fleet.Command) (here bool, err error) {
	var to target
	var last time.Time
	r.run(ctx, func() {
		if h := r.byAgent(c.Agent); h != nil {
			to, last = h.target, h.last
		}
	})
	what, forget := strings.CutPrefix(c.Text, "clear ")
	if to.on == nil || r.balanced() && r.opts.Now().Sub(last) > flowLives {
		return false, nil // it waits
	}
	if h, err := r.opts.Fleet.Host(ctx, c.Agent); err == nil && h.Relay != r.opts.Name && h.Last.After(last) {
		return false, nil // it has gone to another relay
	}
	mine, err := r.opts.Fleet.Told(ctx, c.ID, r.opts.Name)
	if err != nil || !mine {
		return true, err
	}
	if forget {
		r.run(ctx, func() { err = r.known.Clear(c.Agent, what) })
		return true, err
	}
	r.send(to, wire.Control+c.Text)
	return true, nil
}

// flowLives is how long after a host's last datagram a load balancer surely lets one through to it: with AWS's it's two minutes.
const flowLives = time.Minute

// balanced tells whether hosts come through a load balancer, which asks whether this relay is well.
func (r *Relay) balanced() bool { return r.opts.Config.Relay.HealthPort != 0 }

// loadHosts reads what the fleet knows of hosts: what they are called, and how far they have counted elsewhere.
func (r *Relay) loadHosts(ctx context.Context) error {
	list, err := r.opts.Fleet.Hosts(ctx)
	if err != nil {
		return fmt.Errorf("hosts of the fleet: %w", err)
	}
	now := r.opts.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.elsewhere)
	maps.DeleteFunc(r.seen, func(_ string, h fleet.Host) bool { return now.Sub(h.Last) > fleet.KnownFor })
	for _, h := range list {
		if was, ok := r.seen[h.Agent]; ok && was.Last.After(h.Last) {
			continue
		}
		r.seen[h.Agent] = h
		key := r.keys.now.Load().byID[h.Key]
		if at, err := netip.ParseAddrPort(h.Address); err == nil && h.Relay != r.opts.Name && now.Sub(h.Last) < session.Idle && key != nil && h.Mark == fleet.Mark(key.Secret) {
			k := place{h.Key, at.Addr().Unmap()}
			r.elsewhere[k] = max(r.elsewhere[k], h.Seq)
		}
	}
	return nil
}

// place is where hosts of a key are.
type place struct {
	key  string
	addr netip.Addr
}

// floor returns how far a host had counted when another relay heard it last.
func (r *Relay) floor(key string, addr netip.Addr) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.elsewhere[place{key, addr}]
}

// Agent returns what is known of an agent whose events are in the spool.
func (r *Relay) Agent(id string) event.Agent {
	r.mu.Lock()
	h, ok := r.seen[id]
	r.mu.Unlock()
	if !ok {
		return event.Agent{}
	}
	a := event.Agent{Name: clip(h.Node), OS: clip(h.OS)}
	if at, err := netip.ParseAddrPort(h.Address); err == nil {
		a.Addresses = []string{at.Addr().String()}
	}
	if k := r.keys.now.Load().byID[h.Key]; k != nil {
		a.Labels = map[string]string{"key": k.ID, "key_name": k.Name, "group": k.group()}
	}
	return a
}

// clip makes of what a host says something that a batch's head can hold.
func clip(s string) string {
	s = strings.ToValidUTF8(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s), "\uFFFD")
	if len(s) > codec.MaxName {
		s = strings.ToValidUTF8(s[:codec.MaxName], "")
	}
	return s
}
