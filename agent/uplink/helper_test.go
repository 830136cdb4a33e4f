package uplink_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/internal/codec"
	"github.com/yagura-hids/yagura/internal/event"
)

const epoch = 0x1234567890abcdef

// batch is an agent's events first to first+n-1, as bytes.
func batch(t testing.TB, first uint64, n int) []byte {
	t.Helper()
	b := &event.Batch{AgentID: "web1", Epoch: epoch}
	for i := range n {
		b.Events = append(b.Events, &event.Event{
			ID: event.ID{Agent: "web1", Epoch: epoch, Seq: first + uint64(i)}, Time: time.Unix(1_800_000_000, 0).UTC(), Location: "/var/log/x",
			Text: fmt.Sprintf("line %d %s", first+uint64(i), strings.Repeat("x", i%100)),
		})
	}
	data, err := codec.Encode(b)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// waits is an Options.Wait that writes down how long.
type waits []time.Duration

func (w *waits) wait(ctx context.Context, d time.Duration) error {
	*w = append(*w, d)
	return ctx.Err()
}
