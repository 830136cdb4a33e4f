package codec

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/yagura-hids/yagura/internal/event"
)

// unnamed is the agent, and the location, of what names none.
const unnamed = "kinesis"

// jsonEvents makes an event of each object in the record.
func jsonEvents(r Record) ([]*event.Event, error) {
	num, err := number(r)
	if err != nil {
		return nil, err
	}
	var list []*event.Event
	dec := json.NewDecoder(bytes.NewReader(r.Data))
	for i := 0; ; i++ {
		var object json.RawMessage
		err := dec.Decode(&object)
		if err == io.EOF {
			return list, nil
		}
		if err != nil {
			return nil, fmt.Errorf("object %d: %w: %w", i, err, ErrDamaged)
		}
		if err := checkNumber(i + 1); err != nil {
			return nil, err
		}
		ev, err := jsonEvent(r, num.id(r.agent(), i), object)
		if err == nil {
			ev, err = checked(ev)
		}
		if err != nil {
			return nil, fmt.Errorf("object %d: %w", i, err)
		}
		list = append(list, ev)
	}
}

// agent returns the id of who sent the record, as far as its partition key tells.
func (r Record) agent() string {
	if CheckAgent(r.PartitionKey) != nil {
		return unnamed
	}
	return r.PartitionKey
}

// jsonEvent makes an event of an object. id is what it is called if it doesn't say so itself.
func jsonEvent(r Record, id event.ID, object json.RawMessage) (*event.Event, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(object, &fields); err != nil {
		return nil, fmt.Errorf("%.40q: want an object: %w", object, ErrDamaged)
	}
	if !ours(fields) {
		return foreignEvent(r, id, object, fields), nil
	}
	var w struct {
		Agent      *string
		Epoch, Seq *uint64
		Time       *time.Time
		Location   string
		Text       string
		Priority   *int // as in syslog's "<34>"
	}
	if err := json.Unmarshal(object, &w); err != nil {
		return nil, fmt.Errorf("%w: %w", err, ErrInvalid)
	}
	if w.Agent != nil {
		id.Agent = *w.Agent
	}
	switch {
	case w.Seq != nil && w.Epoch != nil && w.Agent != nil:
		id.Epoch, id.Seq = *w.Epoch, *w.Seq
	case w.Seq != nil || w.Epoch != nil:
		return nil, fmt.Errorf("%w: write agent, epoch and seq, or let epoch and seq both be", ErrInvalid)
	}
	ev := &event.Event{ID: id, Time: r.Arrived.UTC(), Location: w.Location}
	if w.Time != nil {
		ev.Time = *w.Time
	}
	if ev.Location == "" {
		ev.Location = unnamed
	}
	if w.Priority != nil {
		if ev.Priority = *w.Priority + 1; ev.Priority < 1 || ev.Priority > event.MaxPriority {
			return nil, fmt.Errorf("%w: priority %d: want 0 to %d", ErrInvalid, *w.Priority, event.MaxPriority-1)
		}
	}
	ev.Text, ev.Cut = event.Clip(strings.TrimRight(w.Text, "\r\n"))
	return ev, nil
}

// ours tells whether an object is an event in our words: it has a text, and no other fields than these.
func ours(fields map[string]json.RawMessage) bool {
	for name := range fields {
		switch name {
		case "agent", "epoch", "seq", "time", "location", "priority", "text":
		default:
			return false
		}
	}
	return fields["text"] != nil
}

// foreignEvent makes an event of any other object: its text is the object on one line, for the JSON decoder. Envelopes of EventBridge say
// where they come from, and when.
func foreignEvent(r Record, id event.ID, object json.RawMessage, fields map[string]json.RawMessage) *event.Event {
	var line bytes.Buffer
	_ = json.Compact(&line, object) // it has just been read as JSON
	ev := &event.Event{ID: id, Time: r.Arrived.UTC()}
	ev.Text, ev.Cut = event.Clip(line.String())
	var from []string
	for _, name := range []string{"source", "detail-type"} {
		if s, err := word(fields[name]); err == nil {
			from = append(from, s)
		}
	}
	if ev.Location = strings.Join(from, ":"); ev.Location == "" {
		ev.Location = unnamed
	}
	var at time.Time
	if json.Unmarshal(fields["time"], &at) == nil && event.Plausible(at) {
		ev.Time = at
	}
	return ev
}

// word reads a string that names something.
func word(text json.RawMessage) (s string, err error) {
	if err := json.Unmarshal(text, &s); err != nil {
		return "", err
	}
	if s == "" {
		return "", errors.New("empty")
	}
	return s, checkText(s)
}
