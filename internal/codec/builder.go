package codec

import (
	"errors"
	"fmt"
	"time"

	"github.com/yagura-hids/yagura/internal/event"
)

// maxGathered is how many bytes of events a Builder gathers: logs of that size mostly pack into a record.
const maxGathered = 8 << 20

// perEvent is what an event takes beside its text, at most nearly.
const perEvent = 32

// Builder gathers one agent's events into batches as large as a record may be.
type Builder struct {
	Head event.Batch // of all batches; the builder sets Epoch, Sent and Events

	now    func() time.Time
	events []*event.Event
	size   int
}

// NewBuilder returns a builder of batches with that head. now tells when they are made; nil leaves that out.
func NewBuilder(head event.Batch, now func() time.Time) (*Builder, error) {
	return &Builder{Head: head, now: now}, checkHead(&head)
}

// Encoded is a batch as bytes.
type Encoded struct {
	Agent  string // whose events: the record's partition key
	Data   []byte
	Events int
	Text   int64 // bytes of the events' texts, each with a line end
}

// Add takes the next event and returns the batches that are complete now, mostly none. An event of another epoch begins a new batch.
// An event that no batch can hold is refused with an error that wraps ErrInvalid or ErrTooLarge; the builder is as it was before.
func (b *Builder) Add(ev *event.Event) ([]Encoded, error) {
	err := checkEvent(ev)
	same := len(b.events) > 0 && ev.ID.Epoch == b.Head.Epoch
	switch {
	case err != nil:
	case ev.ID.Agent != b.Head.AgentID:
		err = fmt.Errorf("%w: it is of another agent than %s", ErrInvalid, b.Head.AgentID)
	case same && ev.ID.Seq <= b.events[len(b.events)-1].ID.Seq:
		err = fmt.Errorf("%w: it comes after number %d", ErrInvalid, b.events[len(b.events)-1].ID.Seq)
	}
	if err != nil {
		return nil, fmt.Errorf("event %s: %w", ev.ID, err)
	}
	var done []Encoded
	size := len(ev.Text) + len(ev.Location) + perEvent
	if !same || b.size+size > maxGathered || len(b.events) == MaxEvents {
		if done, err = b.Flush(); err != nil {
			return nil, err
		}
	}
	b.Head.Epoch = ev.ID.Epoch
	b.events = append(b.events, ev)
	b.size += size
	return done, nil
}

// Flush returns what has been gathered: no batch, one, or several where the events don't pack well. With an error, nothing is forgotten.
func (b *Builder) Flush() ([]Encoded, error) {
	if len(b.events) == 0 {
		return nil, nil
	}
	if b.now != nil {
		b.Head.Sent = b.now()
	}
	done, err := b.encode(b.events)
	if err != nil {
		return nil, err
	}
	b.events, b.size = nil, 0
	return done, nil
}

// encode makes one batch of the events or, if that is too large, several.
func (b *Builder) encode(events []*event.Event) ([]Encoded, error) {
	batch := b.Head
	batch.Events = events
	data, err := Encode(&batch)
	if err == nil {
		e := Encoded{Agent: batch.AgentID, Data: data, Events: len(events)}
		for _, ev := range events {
			e.Text += int64(len(ev.Text)) + 1
		}
		return []Encoded{e}, nil
	}
	if !errors.Is(err, ErrTooLarge) || len(events) == 1 {
		return nil, err
	}
	half := len(events) / 2
	first, err := b.encode(events[:half])
	if err != nil {
		return nil, err
	}
	second, err := b.encode(events[half:])
	return append(first, second...), err
}
