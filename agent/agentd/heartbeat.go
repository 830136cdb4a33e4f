package agentd

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/yagura-hids/yagura/agent/sender"
	"github.com/yagura-hids/yagura/agent/spool"
	"github.com/yagura-hids/yagura/internal/event"
)

// Location is where the events stand that an agent tells of itself.
const Location = "yagura-agent"

const defaultHeartbeat = 10 * time.Minute

// Status is how an agent is. As JSON it is a heartbeat's text, and what the socket answers.
type Status struct {
	Type    string         `json:"type"` // "heartbeat"
	Agent   string         `json:"agent"`
	Name    string         `json:"name,omitempty"`
	Version string         `json:"version"`
	Config  string         `json:"config,omitempty"` // hash of the configuration in force
	Started time.Time      `json:"started"`
	Now     time.Time      `json:"now"`
	Lag     float64        `json:"lag_seconds"`  // since when something waits and nothing is sent; 0 if nothing waits
	CPU     float64        `json:"cpu_seconds"`  // that the agent has used
	Memory  int64          `json:"memory_bytes"` // that it has resident; 0 where that can't be told
	Spool   spool.Stats    `json:"spool"`
	Sent    sender.Sent    `json:"sent"`
	Parts   map[string]any `json:"parts,omitempty"` // what the readers tell: logs, syscheck, rootcheck
}

// Status returns how the agent is now.
func (a *Agent) Status() Status {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := Status{
		Type: "heartbeat", Agent: a.opts.Spool.Agent(), Name: a.host.Name, Version: a.opts.Version, Config: a.conf.Hash, Started: a.started,
		Now: a.opts.Now(), Spool: a.opts.Spool.Stats(), Sent: a.sent(), Parts: map[string]any{}, CPU: cpuSeconds(), Memory: resident(),
	}
	if s.Spool.Events > 0 {
		since := a.started
		if s.Sent.Last.After(since) {
			since = s.Sent.Last
		}
		s.Lag = s.Now.Sub(since).Seconds()
	}
	for name, r := range a.readers {
		if r.stats != nil {
			s.Parts[name] = r.stats()
		}
	}
	return s
}

func (a *Agent) every() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if d := a.conf.Client.Heartbeat; d > 0 {
		return d
	}
	return defaultHeartbeat
}

func (a *Agent) setHost(h event.Agent) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.host = fit(h)
}

func (a *Agent) name() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.host.Name != "" {
		return a.host.Name
	}
	return a.opts.Spool.Agent()
}

// heartbeat keeps an event that says how the agent is.
func (a *Agent) heartbeat(ctx context.Context) error {
	text, err := json.Marshal(a.Status())
	if err != nil {
		return fmt.Errorf("heartbeat: %w", err)
	}
	return a.Tell(ctx, string(text))
}

// Tell keeps an event of the agent's own.
func (a *Agent) Tell(ctx context.Context, text string) error {
	ev := &event.Event{Kind: event.AgentState, Location: Location, Time: a.opts.Now(), Text: text}
	return a.opts.Spool.Keep(ctx, []*event.Event{ev}, nil)
}

// resident returns the process's resident memory.
func resident() int64 {
	var pages, rss int64
	b, err := os.ReadFile("/proc/self/statm")
	if err == nil {
		_, err = fmt.Sscan(string(b), &pages, &rss)
	}
	if err != nil {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.Sys - m.HeapReleased)
	}
	return rss * int64(os.Getpagesize())
}
