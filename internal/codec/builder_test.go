package codec_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/internal/codec"
	"github.com/yagura-hids/yagura/internal/event"
)

// builder gathers and decodes, as a sender and its receiver.
type builder struct {
	*codec.Builder
	t       *testing.T
	batches []*event.Batch
}

func newBuilder(t *testing.T) *builder {
	t.Helper()
	b, err := codec.NewBuilder(event.Batch{AgentID: "web1", Version: "1.0.0"}, func() time.Time { return noon })
	if err != nil {
		t.Fatal(err)
	}
	return &builder{Builder: b, t: t}
}

func (b *builder) take(list []codec.Encoded, err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
	for _, e := range list {
		got, err := codec.Decode(e.Data)
		if err != nil {
			b.t.Fatal(err)
		}
		if len(got.Events) != e.Events {
			b.t.Errorf("%d events in it, %d are said", len(got.Events), e.Events)
		}
		b.batches = append(b.batches, got)
	}
}

// all gives the builder events and returns how many there are in each batch. Together they must be the events.
func (b *builder) all(events []*event.Event) (sizes []int) {
	b.t.Helper()
	for _, ev := range events {
		b.take(b.Add(ev))
	}
	b.take(b.Flush())
	b.take(b.Flush())
	var got []*event.Event
	for _, batch := range b.batches {
		if batch.Version != "1.0.0" || !batch.Sent.Equal(noon) {
			b.t.Errorf("head %q, %s", batch.Version, batch.Sent)
		}
		sizes = append(sizes, len(batch.Events))
		got = append(got, batch.Events...)
	}
	if len(got) != len(events) {
		b.t.Fatalf("%d events in batches, want %d", len(got), len(events))
	}
	for i, ev := range got { // go-cmp would take its time
		if want := events[i]; ev.ID != want.ID || ev.Text != want.Text || ev.Location != want.Location || !ev.Time.Equal(want.Time) {
			mustEqual(b.t, ev, want)
		}
	}
	return sizes
}

func TestBuilder(t *testing.T) {
	lines := logLines(51_000).Events
	for _, ev := range lines[50_000:] { // another epoch, other numbers
		ev.ID.Epoch++
		ev.ID.Seq -= 50_000
	}
	sizes := newBuilder(t).all(lines)
	if len(sizes) != 3 || sizes[0] < 40_000 || sizes[0]+sizes[1] != 50_000 {
		t.Errorf("batches of %d events, want two of the first epoch, the first one full", sizes)
	}

	head := &event.Batch{AgentID: "web1"}
	noise := newBuilder(t).all(long(head, 40, "")) // 2.5 MiB that zstd makes half as long
	if len(noise) != 2 {
		t.Errorf("noise in batches of %d", noise)
	}

	var short []*event.Event
	for i := range codec.MaxEvents + 1 {
		short = append(short, &event.Event{ID: event.ID{Agent: "web1", Seq: uint64(i)}, Time: noon})
	}
	if sizes := newBuilder(t).all(short); len(sizes) != 2 || sizes[1] != 1 {
		t.Errorf("short ones in batches of %d", sizes)
	}
}

func TestBuilderRefuses(t *testing.T) {
	b := newBuilder(t)
	good := logLines(3).Events
	b.take(b.Add(good[1]))
	for text, ev := range map[string]*event.Event{
		"another agent":       {ID: event.ID{Agent: "web2", Epoch: 7, Seq: 9}, Time: noon},
		"comes after":         {ID: good[1].ID, Time: noon},
		"from 1970 to 2200":   {ID: event.ID{Agent: "web1", Epoch: 7, Seq: 9}},
		"text of 65537 bytes": {ID: event.ID{Agent: "web1", Epoch: 7, Seq: 9}, Time: noon, Text: strings.Repeat("x", event.MaxText+1)},
	} {
		_, err := b.Add(ev)
		if err == nil || !strings.Contains(err.Error(), text) || !strings.Contains(err.Error(), ev.ID.String()) {
			t.Errorf("%v, want %q", err, text)
		}
	}
	b.take(b.Add(good[2]))
	b.take(b.Flush())
	if len(b.batches) != 1 || len(b.batches[0].Events) != 2 {
		t.Errorf("after that %d batches, want one of two events", len(b.batches))
	}
	if _, err := codec.NewBuilder(event.Batch{AgentID: "web\n"}, nil); !errors.Is(err, codec.ErrInvalid) {
		t.Errorf("%v, want %v", err, codec.ErrInvalid)
	}
}
