package fleet

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/yagura-hids/yagura/internal/table"
)

// Host is an agent at work: one that came with a key, or one that sends syslog.
type Host struct {
	Agent   string               `json:"agent"`             // its id in events: the key's name, "NAME/NODE" under a key of many, or a syslog source's address
	Key     string               `json:"key,omitempty"`     // the key's id; "" for a syslog source
	Node    string               `json:"node,omitempty"`    // the host's own name, if it told it
	Address string               `json:"address,omitempty"` // where it was heard last, "192.0.2.7:41234"
	OS      string               `json:"os,omitempty"`      // the words of uname, or Windows's
	Version string               `json:"version,omitempty"` // "OSSEC HIDS v4.2.0"
	Cipher  string               `json:"cipher,omitempty"`
	Files   string               `json:"files,omitempty"` // the md5 of the shared files that it has
	First   time.Time            `json:"first,omitzero"`  // heard first
	Last    time.Time            `json:"last,omitzero"`   // heard last: a message of any kind
	Alive   time.Time            `json:"alive,omitzero"`  // told last that it lives: the keep-alive. Zero: it is pending
	Scans   map[string]time.Time `json:"scans,omitempty"` // "syscheck started", "syscheck ended", "rootcheck started", "rootcheck ended"
	Relay   string               `json:"relay,omitempty"` // who heard it last
	Seq     uint64               `json:"seq,omitempty"`   // its highest counter (wire.Message.Seq) then; another relay refuses what is not above it
	Mark    string               `json:"mark,omitempty"`  // Mark of the secret that Seq was counted under: with another one, a host begins anew
}

// Mark returns a few digits of a secret's digest, to tell it from others.
func Mark(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:6])
}

// Status is what agent_control calls a host's state.
type Status string

// The states.
const (
	NeverConnected Status = "Never connected" // a key that no host has used
	Pending        Status = "Pending"         // heard, but it has not yet told who it is
	Active         Status = "Active"
	Disconnected   Status = "Disconnected"
)

const (
	// AliveFor is how long a host is Active after its last keep-alive: three times the agent's default notify_time, and half a minute.
	AliveFor = 1830 * time.Second
	// KnownFor is how long a host is known after it was heard last, if it is one of many, or sends syslog: such hosts come and go.
	KnownFor = 30 * 24 * time.Hour
)

// Status returns the host's state at a time. A syslog source tells nothing but its messages: it is Active after each as after a keep-alive.
func (h *Host) Status(now time.Time) Status {
	alive := h.Alive
	if h.Key == "" {
		alive = h.Last
	}
	since := now.Add(-AliveFor)
	switch {
	case h.Last.IsZero():
		return NeverConnected
	case alive.IsZero() && !h.Last.Before(since):
		return Pending
	case alive.Before(since):
		return Disconnected
	}
	return Active
}

// hostSlots is how many parts of the table hosts are spread over.
const hostSlots = 16

func hostSlot(n uint32) string { return fmt.Sprintf("hosts/%d", n%hostSlots) }

func hostKey(agent string) table.Key {
	h := fnv.New32a()
	_, _ = h.Write([]byte(agent))
	return table.Key{Partition: hostSlot(h.Sum32()), Sort: agent}
}

// Hosts returns all hosts, by their agent ids.
func (s *Store) Hosts(ctx context.Context) ([]Host, error) {
	var hosts []Host
	for slot := range uint32(hostSlots) {
		for item, err := range s.items(ctx, table.Query{Table: Schema, Partition: hostSlot(slot)}) {
			if err != nil {
				return nil, err
			}
			h, err := s.readHost(item)
			if err != nil {
				return nil, err
			}
			if h != nil {
				hosts = append(hosts, *h)
			}
		}
	}
	slices.SortFunc(hosts, func(a, b Host) int { return cmp.Compare(a.Agent, b.Agent) })
	return hosts, nil
}

// Host returns the host of an agent id.
func (s *Store) Host(ctx context.Context, agent string) (Host, error) {
	if badAgent(agent) {
		return Host{}, fmt.Errorf("%w: %q is no host's id", ErrUnknown, agent)
	}
	items, err := s.table.Get(ctx, Schema, []table.Key{hostKey(agent)})
	if err != nil {
		return Host{}, err
	}
	switch h, err := s.readHost(items[0]); {
	case err != nil:
		return Host{}, err
	case h == nil:
		return Host{}, fmt.Errorf("%w: no host %q was heard", ErrUnknown, agent)
	default:
		return *h, nil
	}
}

// readHost reads a host's item, nil if there is none, or its time is over.
func (s *Store) readHost(item table.Fields) (*Host, error) {
	if item == nil || expired(item, s.opts.Now()) {
		return nil, nil
	}
	var h Host
	if err := json.Unmarshal([]byte(item.String("host")), &h); err != nil {
		return nil, fmt.Errorf("read host %q: %w; not written by this program", item.String(fieldItem), err)
	}
	return &h, nil
}

// expired tells whether an item's time is over: a table may keep it for days after that, or for ever.
func expired(item table.Fields, now time.Time) bool {
	at, ok := item[fieldExpires].(int64)
	return ok && at <= now.Unix()
}

// maxText bounds what a host says of itself, in bytes.
const maxText = 512

func badAgent(agent string) bool {
	return agent == "" || len(agent) > maxText || !utf8.ValidString(agent)
}

// PutHosts stores what is known of hosts now, each whole. A host that another relay has heard later is left as that one wrote it; First stays the
// earliest, and scans that h doesn't have stay. Hosts without a proper agent id are refused with ErrInvalid, and the others stored.
func (s *Store) PutHosts(ctx context.Context, hosts []Host) error {
	var errs []error
	newest := map[string]Host{}
	for _, h := range hosts {
		if badAgent(h.Agent) {
			errs = append(errs, fmt.Errorf("a host's agent id %.40q is %w: write 1 to %d bytes of UTF-8", h.Agent, ErrInvalid, maxText))
		} else if old, ok := newest[h.Agent]; !ok || !h.Last.Before(old.Last) {
			newest[h.Agent] = h
		}
	}
	for chunk := range slices.Chunk(slices.Sorted(maps.Keys(newest)), table.MaxOps) {
		if err := s.putHosts(ctx, chunk, newest); err != nil {
			return errors.Join(append(errs, err)...)
		}
	}
	return errors.Join(errs...)
}

// putHosts stores the hosts of some agents in one commit, which is planned anew if another relay stores some of them meanwhile.
func (s *Store) putHosts(ctx context.Context, agents []string, hosts map[string]Host) error {
	var keys []table.Key
	for _, agent := range agents {
		keys = append(keys, hostKey(agent))
	}
	for {
		items, err := s.table.Get(ctx, Schema, keys)
		if err != nil {
			return err
		}
		var ops []table.Op
		for i, agent := range agents {
			old, err := s.readHost(items[i])
			if err != nil {
				return err
			}
			if old != nil && old.Last.After(hosts[agent].Last) {
				continue
			}
			op, err := putHost(hosts[agent].after(old), items[i].Int(fieldVersion))
			if err != nil {
				return err
			}
			ops = append(ops, op)
		}
		if err = s.table.Commit(ctx, ops); !conflict(err) {
			return err
		}
	}
}

// after returns the host with what was known of it before, nil for nothing.
func (h Host) after(old *Host) Host {
	for _, text := range []*string{&h.Key, &h.Node, &h.Address, &h.OS, &h.Version, &h.Cipher, &h.Files, &h.Relay, &h.Mark} {
		*text = strings.ToValidUTF8((*text)[:min(len(*text), maxText)], "?")
	}
	if old == nil {
		return h
	}
	if !old.First.IsZero() && (h.First.IsZero() || old.First.Before(h.First)) {
		h.First = old.First
	}
	scans := maps.Clone(old.Scans)
	if scans == nil {
		scans = map[string]time.Time{}
	}
	maps.Copy(scans, h.Scans)
	h.Scans = scans
	return h
}

func putHost(h Host, version int64) (table.Op, error) {
	text, err := json.Marshal(h)
	if err != nil {
		return table.Op{}, fmt.Errorf("encode host %q: %w", h.Agent, err)
	}
	item := table.Fields{"host": string(text), fieldVersion: version + 1}
	if h.Key == "" || strings.Contains(h.Agent, "/") {
		item[fieldExpires] = h.Last.Add(KnownFor).Unix()
	}
	return table.Op{Table: Schema, Item: with(hostKey(h.Agent), item), If: unchanged(version)}, nil
}
