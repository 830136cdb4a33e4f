package syscheck

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/syscheck"
)

// location returns where a record's event comes from, by its key in the cache.
func location(k []byte) string {
	if len(k) > 0 && k[0] == spaceRegistry {
		return "syscheck-registry"
	}
	return "syscheck"
}

func registryKey(path string) []byte { return append([]byte{spaceRegistry}, path...) }

// coverage stands for what decides which keys an entry makes watched; see [Directory.coverage].
func (r *Registry) coverage(conf *Config) string {
	text, err := json.Marshal([]any{r.Key, r.Bits, conf.RegistryIgnore})
	if err != nil {
		return "" // no value of these types fails
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// registryScan is one look at all watched keys.
type registryScan struct {
	*Syscheck
	ignore registryIgnore
	seen   map[string]bool // keys that are there; all of them are in memory, but there is a registry only where there is much
	hidden []string        // keys below which not all could be seen
}

// scanRegistry looks at the keys of the registry.
func (s *Syscheck) scanRegistry(ctx context.Context) error {
	ignore, err := newRegistryIgnore(s.conf.RegistryIgnore)
	if err != nil {
		return err
	}
	rs := &registryScan{Syscheck: s, ignore: ignore, seen: map[string]bool{}}
	for i := range s.conf.Registry {
		r := &s.conf.Registry[i]
		w := registryWalk{hive: s.hive, ignore: ignore, tell: func(k keySeen) error { return rs.key(ctx, r, k) }}
		if err := w.walk(ctx, r); err != nil {
			return err
		}
	}
	return rs.missing(ctx)
}

// key settles what is to be told of a key.
func (rs *registryScan) key(ctx context.Context, r *Registry, k keySeen) error {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.seen[k.path] {
		return nil
	}
	rs.seen[k.path] = true
	if k.deep != nil {
		rs.hidden = append(rs.hidden, k.path)
		rs.tellTrouble(k.path, k.deep)
	}
	if k.err != nil {
		rs.tellTrouble(k.path, k.err)
		return rs.err
	}
	if err := rs.compareKey(r, k); err != nil {
		return err
	}
	return rs.full(ctx)
}

func (rs *registryScan) compareKey(r *Registry, k keySeen) error {
	at := registryKey(k.path)
	was, err := rs.cached(at)
	if err != nil {
		return err
	}
	now := knownKey(k.text)
	raw := now.bytes()
	if bytes.Equal(raw, was) {
		return nil
	}
	c := syscheck.Change{Type: syscheck.Modified, Path: syscheck.Escape(k.path), After: now.record()}
	old, err := parseKnown(was)
	switch {
	case was != nil && err == nil:
		c.Before = old.record()
	case rs.memory.Roots[r.named(r.Key)] == r.coverage(&rs.conf):
		c.Type = syscheck.Added
	default:
		c.Type = syscheck.Baseline
	}
	if c.Diff, err = rs.diffKey(r, at, k, c.Type); err != nil {
		rs.tellTrouble(k.path, err)
	}
	rs.tellKey(c, at, raw, was)
	return nil
}

func (rs *registryScan) tellKey(c syscheck.Change, at, raw, was []byte) {
	if c.Type != syscheck.Baseline {
		rs.progress.changes.Add(1)
	}
	rs.put(at, raw, was)
	rs.tell(event.Syscheck, location(at), text(c))
}

// diffKey returns which values changed since they were kept.
func (rs *registryScan) diffKey(r *Registry, at []byte, k keySeen, what string) (string, error) {
	was, err := rs.textAt(at)
	if err != nil {
		return "", err
	}
	if !r.ReportChanges || rs.noDiff.match(k.path) {
		if was != nil {
			rs.pending.setText(at, nil)
		}
		if r.ReportChanges && what == syscheck.Modified {
			return diffNoDiff, nil
		}
		return "", nil
	}
	now := &content{}
	_, _ = now.Write(k.text) // never fails
	rs.pending.setText(at, now.packed())
	if what != syscheck.Modified {
		return "", nil
	}
	return now.diff(was)
}

// missing tells of the keys that are known and not there any more, or not watched any more.
func (rs *registryScan) missing(ctx context.Context) error {
	c := &cursor{view: rs.o.Spool.View, span: span{[]byte{spaceRegistry}, []byte{spaceRegistry + 1}}}
	for {
		k, err := c.peek()
		if k == nil || err != nil {
			return err
		}
		if path := string(k[1:]); !rs.seen[path] && !rs.isHidden(path) {
			if err := rs.gone(ctx, path, bytes.Clone(k)); err != nil {
				return err
			}
		}
		c.next()
	}
}

func (rs *registryScan) isHidden(path string) bool {
	for _, h := range rs.hidden {
		if strings.HasPrefix(path, h+`\`) {
			return true
		}
	}
	return false
}

func (rs *registryScan) gone(ctx context.Context, path string, k []byte) error {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	was, err := rs.cached(k)
	if was == nil || err != nil {
		return err
	}
	c := syscheck.Change{Type: syscheck.Deleted, Path: syscheck.Escape(path)}
	if !rs.covered(path) {
		c.Type = syscheck.Unwatched
	}
	old, err := parseKnown(was)
	if err != nil {
		return fmt.Errorf("syscheck: %s in the cache: %w", path, err)
	}
	c.Before = old.record()
	rs.pending.setText(k, nil)
	rs.tellKey(c, k, nil, was)
	return rs.full(ctx)
}

// covered tells whether a key is watched: at or below one of the configuration, and not ignored.
func (rs *registryScan) covered(path string) bool {
	for i := range rs.conf.Registry {
		r := &rs.conf.Registry[i]
		top := r.named(strings.TrimRight(r.Key, `\`))
		if path != top && !strings.HasPrefix(path, top+`\`) {
			continue
		}
		for p := path; len(p) >= len(top); p = p[:max(0, strings.LastIndexByte(p, '\\'))] {
			if rs.ignore.match(strings.TrimPrefix(p, view64)) {
				return false
			}
		}
		return true
	}
	return false
}
