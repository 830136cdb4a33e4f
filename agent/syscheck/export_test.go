package syscheck

import (
	"context"
	"time"
)

// Check is what the watcher calls for paths of which the kernel told together.
func (s *Syscheck) Check(ctx context.Context, paths ...string) (busy []string, err error) {
	return s.check(ctx, nil, paths...)
}

// ScanTree is what the watcher calls when the kernel's queue has overflowed.
func (s *Syscheck) ScanTree(ctx context.Context, paths ...string) error {
	return s.scanTree(ctx, nil, paths...)
}

// Due is when the next scan begins.
func (c *Schedule) Due(now, started, began, ended time.Time) time.Time {
	return c.due(now, started, began, ended)
}
