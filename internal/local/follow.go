package local

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/yagura-hids/yagura/agent/logcollector"
	"github.com/yagura-hids/yagura/internal/event"
)

const (
	followName  = "local"
	followLines = 1000 // lines of a batch
)

// followed is what the live source keeps: how far everything is read, and the last sequence number given.
type followed struct {
	Seq       uint64                 `json:"seq"`
	Positions logcollector.Positions `json:"positions"`
}

type follower struct {
	collector *logcollector.Collector
	agent     string
	epoch     uint64
	seq       uint64
	now       func() time.Time
}

// Follow returns a source that follows the logs from where the store says that it stopped. agent is the host's name in the events' ids.
func Follow(s *Store, agent string, sources []logcollector.Source, opts logcollector.Options) (Source, error) {
	var saved followed
	if err := s.position(followName, &saved); err != nil {
		return nil, err
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	c, err := logcollector.New(sources, saved.Positions, opts)
	if err != nil {
		return nil, err
	}
	return &follower{c, agent, s.epoch, saved.Seq, opts.Now}, nil
}

func (f *follower) Name() string { return followName }

func (f *follower) Close() error { return f.collector.Close() }

// Next gives each line its number. The numbers are stored with the positions: lines that come again after a crash get the same ones, or
// other lines get them; either way nothing was stored under them.
func (f *follower) Next(ctx context.Context) (Batch, error) {
	lines, err := f.collector.Next(ctx, followLines)
	if err != nil {
		return Batch{}, err
	}
	var b Batch
	now := f.now()
	for _, l := range lines.Lines {
		f.seq++
		ev := newEvent(event.ID{Agent: f.agent, Epoch: f.epoch, Seq: f.seq}, l)
		ev.Time = now
		if event.Plausible(l.Time) { // the zero time is not
			ev.Time = l.Time.In(now.Location())
		}
		b.Events = append(b.Events, ev)
		b.Bytes += int64(len(l.Text)) + 1
	}
	text, err := json.Marshal(followed{f.seq, lines.Positions})
	if err != nil {
		return Batch{}, fmt.Errorf("encode positions: %w", err)
	}
	b.Positions = map[string]json.RawMessage{followName: text}
	return b, nil
}

// newEvent makes an event of a line.
func newEvent(id event.ID, l logcollector.Line) *event.Event {
	text, cut := event.Clip(l.Text)
	return &event.Event{ID: id, Location: strings.ToValidUTF8(l.Location, "\uFFFD"), Text: text, Cut: l.Cut || cut}
}
