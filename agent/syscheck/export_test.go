package syscheck

import (
	"context"
	"time"
)

// Check is what the watcher calls for paths of which the kernel told together.
func (s *Syscheck) Check(ctx context.Context, paths ...string) (busy []string, err error) {
	return s.lookAt(ctx, false, paths)
}

// ScanTree is what the watcher calls when the kernel's queue has overflowed.
func (s *Syscheck) ScanTree(ctx context.Context, paths ...string) error {
	_, err := s.lookAt(ctx, true, paths)
	return err
}

func (s *Syscheck) lookAt(ctx context.Context, tree bool, paths []string) (busy []string, err error) {
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

// Due is when the next scan begins.
func (c *Schedule) Due(now, started, began, ended time.Time) time.Time {
	return c.due(now, started, began, ended)
}
