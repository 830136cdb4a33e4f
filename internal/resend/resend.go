// Package resend has hosts tell again what they know of their files, where that isn't what the server's baseline says.
//
//	baseline.Ask ─┬─ instance of EC2 ────► Run Command ─► yagura-agent syscheck --resend 17,200   (package ssm)
//	              └─ OSSEC's agent ──────► fleet: a command ─► the relay tells it again from what it knows
package resend

import (
	"context"
	"errors"
	"fmt"

	"github.com/yagura-hids/yagura/internal/baseline"
	"github.com/yagura-hids/yagura/internal/fleet"
	"github.com/yagura-hids/yagura/internal/syscheck"
)

// Word begins a command that is the relay's to do; which buckets follows, see syscheck.FormatBuckets.
const Word = "resend syscheck "

// ErrUnreachable is returned for an agent that nobody here knows how to ask.
var ErrUnreachable = errors.New("it is no instance of EC2 and no host of a relay; on that host: yagura-agent syscheck --resend")

// Hosts are those that can be asked.
type Hosts struct {
	Instance func(context.Context, baseline.Ask) error // asks an instance's own agent; nil for none
	Fleet    *fleet.Store                              // of those that come through a relay
}

// Ask asks an agent by the way that leads to it, and doesn't wait for what it tells. The error wraps ErrUnreachable if there is no way.
func (h *Hosts) Ask(ctx context.Context, a baseline.Ask) error {
	if h.Instance != nil && a.Agent != nil && a.Agent.Instance == a.AgentID {
		return h.Instance(ctx, a)
	}
	buckets := syscheck.FormatBuckets(a.Buckets)
	_, err := h.Fleet.Host(ctx, a.AgentID)
	if errors.Is(err, fleet.ErrUnknown) {
		return fmt.Errorf("%w %s", ErrUnreachable, buckets)
	}
	if err != nil {
		return err
	}
	_, err = h.Fleet.Send(ctx, fleet.Command{Agent: a.AgentID, Text: Word + buckets})
	return err
}
