package syscheck

import (
	"context"
	"time"

	"github.com/yagura-hids/yagura/internal/syscheck"
)

// Check is what the watcher calls for paths of which the kernel told together.
func (s *Syscheck) Check(ctx context.Context, paths ...string) (busy []string, err error) {
	return s.checkAll(ctx, false, paths)
}

// ScanTree is what the watcher calls when the kernel's queue has overflowed.
func (s *Syscheck) ScanTree(ctx context.Context, paths ...string) error {
	_, err := s.checkAll(ctx, true, paths)
	return err
}

func (s *Syscheck) checkAll(ctx context.Context, tree bool, paths []string) (busy []string, err error) {
	var list []noticed
	for _, path := range paths {
		list = append(list, noticed{path: path, tree: tree})
	}
	again, err := s.lookLive(ctx, list)
	for _, n := range again {
		busy = append(busy, n.path)
	}
	return busy, err
}

// Waiting returns how many changes wait for the package manager.
func (s *Syscheck) Waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.manager.waiting)
}

// Due is when the next scan begins.
func (c *Schedule) Due(now, started, began, ended time.Time) time.Time {
	return c.due(now, started, began, ended)
}

// Budget is what a scan may use.
type Budget = budget

// NewBudget returns one of which nothing is used.
func NewBudget(cpu int, rate int64, now time.Time) *Budget {
	return &budget{cpu: cpu, rate: rate, wall: now}
}

// Spend tells how long to wait.
func (b *budget) Spend(now time.Time, used time.Duration, n int64) time.Duration {
	return b.spend(now, used, n)
}

// Reencode reads a record of the cache and writes it again.
func Reencode(b []byte) ([]byte, bool) {
	k, err := parseKnown(b)
	if err != nil {
		return nil, false
	}
	_ = k.record()
	return k.bytes(), true
}

// Encoded returns a record with all that there can be in it.
func Encoded(link string) []byte {
	k := known{check: 1<<9 - 1, hashed: hashes, size: 123456789, mode: 0o100755, uid: "1000", gid: "1000", sec: 1_800_000_000, nsec: 123_456_789,
		dev: 64769, inode: 12345678, link: link}
	return k.bytes()
}

// Key returns a path's key, and the path that it stands for.
func Key(path string) (key_ []byte, back string) { return key(path), pathOf(key(path)) }

// PackagesText is packagesText.
func PackagesText(list []syscheck.Package) string { return packagesText(list, false) }
