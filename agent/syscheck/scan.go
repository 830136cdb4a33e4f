package syscheck

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"

	bolt "go.etcd.io/bbolt"

	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/syscheck"
)

// Scan looks at all files once, in the background as the configuration says or, if fast is set, as quickly as the machine can. It waits for a
// scan that runs already.
func (s *Syscheck) Scan(ctx context.Context, fast bool) (Stats, error) {
	s.scanning.Lock()
	defer s.scanning.Unlock()
	err := s.scan(ctx, fast)
	if err != nil {
		err = errors.Join(err, s.finish(ctx))
	}
	s.o.Spool.Release()
	debug.FreeOSMemory() // there is no need for it until the next one
	return s.Stats(), err
}

func (s *Syscheck) scan(ctx context.Context, fast bool) error {
	t, err := newTree(&s.conf)
	if err != nil {
		return err
	}
	s.tree.Store(t)
	s.placeLive(ctx)
	s.progress.looked.Store(0)
	s.progress.bytes.Store(0)
	s.progress.running.Store(true)
	defer s.progress.running.Store(false)
	if err := s.starting(ctx); err != nil {
		return err
	}
	failed := make(chan error, 1)
	go func() {
		if !fast {
			background()
		}
		failed <- s.walkAll(ctx, fast)
	}()
	if err := <-failed; err != nil {
		return err
	}
	if err := s.scanRegistry(ctx); err != nil {
		return err
	}
	if err := s.awaitPackages(ctx); err != nil {
		return err
	}
	return s.ending(ctx)
}

func (s *Syscheck) starting(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.names)
	now := s.o.Now()
	s.readPackages(now)
	s.memory.Began = now
	s.progress.began.Store(&now)
	s.pending.memory = true
	s.tell(event.Rootcheck, "rootcheck", "Starting syscheck scan.")
	return s.flush(ctx)
}

// releaseEvery is after how many files the memory is given back in which the cache was read.
const releaseEvery = 10_000

// walkAll does the work of a scan, on a goroutine of its own.
func (s *Syscheck) walkAll(ctx context.Context, fast bool) error {
	in := &round{look: newLooker(s.conf.Prefilter, fast, s.stepper(fast))}
	err := s.join(ctx, "", func(path string, r *root) error {
		if s.progress.looked.Add(1)%releaseEvery == 0 {
			s.o.Spool.Release()
		}
		_, err := s.visit(ctx, in, path, r) // whoever is busy with it tells
		if err != nil {
			return err
		}
		return in.look.step(ctx, 0)
	})
	return errors.Join(err, s.end(ctx, in))
}

// ending remembers that the scan has come to its end, and tells the digests of what is known now.
func (s *Syscheck) ending(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Now()
	s.memory.Ended = now
	s.progress.ended.Store(&now)
	s.memory.Roots = map[string]string{}
	for i := range s.conf.Directories {
		d := &s.conf.Directories[i]
		if s.memory.Roots[d.Path] == "" {
			s.memory.Roots[d.Path] = d.coverage(&s.conf)
		}
	}
	for i := range s.conf.Registry {
		r := &s.conf.Registry[i]
		s.memory.Roots[r.named(r.Key)] = r.coverage(&s.conf)
	}
	s.pending.memory = true
	s.tell(event.Rootcheck, "rootcheck", "Ending syscheck scan.")
	if err := s.dropTexts(ctx); err != nil {
		return err
	}
	return s.tellDigests(ctx)
}

// coverage stands for what decides which files a directory's entry makes watched. Where it changes, what is found for the first time is no news.
func (d *Directory) coverage(conf *Config) string {
	text, err := json.Marshal([]any{d.Path, d.Restrict, d.Recursion, d.FollowLinks, conf.Ignore, conf.SkipNFS})
	if err != nil {
		return "" // no value of these types fails
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// tellDigests keeps what is pending and, behind it, the digests of all records, which are counted anew: so they show it if somebody edited the
// cache. The caller holds mu.
func (s *Syscheck) tellDigests(ctx context.Context) error {
	if err := s.flush(ctx); err != nil {
		return err
	}
	var d syscheck.Digests
	err := s.o.Spool.View(func(tx *bolt.Tx) error {
		files := filesOf(tx)
		if files == nil {
			return nil
		}
		return files.ForEach(func(k, v []byte) error {
			r, err := parseKnown(v)
			if err != nil {
				return nil //nolint:nilerr // the next scan tells; until then the digest shows it
			}
			d.Add(syscheck.Escape(pathOf(k)), r.record())
			return nil
		})
	})
	if err != nil {
		return fmt.Errorf("syscheck: %w", err)
	}
	s.progress.files.Store(int64(d.Files()))
	s.tell(event.Syscheck, "syscheck", d.String())
	return s.flush(ctx)
}
