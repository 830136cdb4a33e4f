package rootcheck

import (
	"context"
	"time"
)

// slice is how long work goes on before it rests.
const slice = 20 * time.Millisecond

// throttle keeps work to a share of the time. Waiting for a disk counts as work, so the share of the processor is smaller still.
type throttle struct {
	percent int
	now     func() time.Time
	after   func(d time.Duration) <-chan time.Time
	began   time.Time
}

// rest is called between small pieces of work. It returns ctx's error.
func (t *throttle) rest(ctx context.Context) error {
	if err := ctx.Err(); err != nil || t.percent >= 100 {
		return err
	}
	now := t.now()
	worked := now.Sub(t.began)
	switch {
	case t.began.IsZero():
		t.began = now
		return nil
	case worked < slice:
		return nil
	}
	worked = min(worked, time.Second) // a clock that was set, or a host that slept
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.after(worked * time.Duration(100-t.percent) / time.Duration(t.percent)):
	}
	t.began = t.now()
	return nil
}
