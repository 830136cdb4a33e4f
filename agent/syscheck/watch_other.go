//go:build !linux && !windows

package syscheck

import (
	"context"
	"errors"
	"time"
)

// notifier is what this system has none of.
type notifier struct{ pending *lately }

func newNotifier(*watcher) (*notifier, error) {
	return nil, errors.New("not available on this system")
}

func (*notifier) read(context.Context, chan<- func(time.Time)) error { return nil }
func (*notifier) place([]target, time.Time)                          {}
func (*notifier) expire(time.Time)                                   {}
func (*notifier) close()                                             {}
