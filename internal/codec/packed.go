package codec

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/yagura-hids/yagura/internal/event"
)

// packed is a batch as it is written: docs/protocol.md describes each field.
type packed struct {
	AgentID string       `cbor:"1,keyasint"`
	Epoch   uint64       `cbor:"2,keyasint"`
	Agent   *packedAgent `cbor:"3,keyasint,omitempty"`
	Version string       `cbor:"4,keyasint,omitempty"`
	Config  string       `cbor:"5,keyasint,omitempty"`
	Dropped uint64       `cbor:"6,keyasint,omitempty"`
	Sent    *int64       `cbor:"7,keyasint,omitempty"` // ns since 1970

	Count     uint64   `cbor:"8,keyasint"`
	First     uint64   `cbor:"9,keyasint"`            // the first seq
	Step      uint8    `cbor:"10,keyasint,omitempty"` // stepOne, stepLine
	Seqs      column   `cbor:"11,keyasint,omitempty"` // what the seq is above the one before and the step
	Unit      int64    `cbor:"12,keyasint"`           // ns; of times
	Times     column   `cbor:"13,keyasint,omitempty"` // units since the one before, the first one's since 1970
	Zones     column   `cbor:"14,keyasint,omitempty"` // seconds east of UTC, from the one before
	Places    column   `cbor:"15,keyasint,omitempty"` // indexes of Locations, from the one before
	Kinds     column   `cbor:"16,keyasint,omitempty"` // 2 × kind + cut
	Lengths   column   `cbor:"17,keyasint,omitempty"` // of texts; if left out, a newline stands between texts
	Locations []string `cbor:"18,keyasint"`
	Text      string   `cbor:"19,keyasint"`

	Priorities column `cbor:"20,keyasint,omitempty"` // 0 for none, else 1 + syslog's PRI
}

type packedAgent struct {
	Name      string            `cbor:"1,keyasint,omitempty"`
	Addresses []string          `cbor:"2,keyasint,omitempty"`
	OS        string            `cbor:"3,keyasint,omitempty"`
	Instance  string            `cbor:"4,keyasint,omitempty"`
	Account   string            `cbor:"5,keyasint,omitempty"`
	Profile   string            `cbor:"6,keyasint,omitempty"`
	Labels    map[string]string `cbor:"7,keyasint,omitempty"`
	Image     string            `cbor:"8,keyasint,omitempty"`
}

// How far a seq is expected to be from the one before.
const (
	stepOne  = 0 // 1: an agent's numbers
	stepLine = 1 // the text before and its line end: offsets in a log
)

// pack makes columns of the events. Texts stand by place: like beside like, where a reference to the one before is short.
func pack(b *event.Batch) *packed {
	p := &packed{
		AgentID: b.AgentID, Epoch: b.Epoch, Version: b.Version, Config: b.Config, Dropped: b.Dropped,
		Count: uint64(len(b.Events)), First: b.Events[0].ID.Seq, Unit: unit(b.Events),
	}
	if a := b.Agent; !empty(&a) {
		p.Agent = &packedAgent{a.Name, a.Addresses, a.OS, a.Instance, a.Account, a.Profile, a.Labels, a.Image}
	}
	if !b.Sent.IsZero() {
		sent := b.Sent.UnixNano()
		p.Sent = &sent
	}
	p.packSeqs(b.Events)
	p.packTimes(b.Events)
	places := p.packPlaces(b.Events)
	p.packTexts(b.Events, byPlace(places, len(p.Locations)))
	return p
}

// empty tells whether nothing is known of an agent.
func empty(a *event.Agent) bool {
	return a.Name == "" && a.OS == "" && a.Instance == "" && a.Image == "" && a.Account == "" && a.Profile == "" && len(a.Addresses) == 0 && len(a.Labels) == 0
}

// unit returns the coarsest unit in which all times are whole.
func unit(events []*event.Event) int64 {
	u := int64(time.Second)
	for _, ev := range events {
		for ns := int64(ev.Time.Nanosecond()); ns%u != 0; {
			u /= 1000
		}
	}
	return u
}

// packSeqs chooses the step that foretells more of the numbers.
func (p *packed) packSeqs(events []*event.Event) {
	var columns [2]column
	for step := range columns {
		for i := 1; i < len(events); i++ {
			columns[step].add(int64(events[i].ID.Seq - follows(events[i-1], uint8(step))))
		}
	}
	if len(columns[stepLine]) < len(columns[stepOne]) {
		p.Step = stepLine
	}
	p.Seqs = columns[p.Step].packed()
}

// follows returns the seq that is expected after an event.
func follows(ev *event.Event, step uint8) uint64 {
	if step == stepLine {
		return ev.ID.Seq + uint64(len(ev.Text)) + 1
	}
	return ev.ID.Seq + 1
}

func (p *packed) packTimes(events []*event.Event) {
	var last int64
	var lastZone int
	for _, ev := range events {
		t := ev.Time.UnixNano() / p.Unit
		_, zone := ev.Time.Zone()
		p.Times.add(t - last)
		p.Zones.add(int64(zone - lastZone))
		last, lastZone = t, zone
	}
	p.Times, p.Zones = p.Times.packed(), p.Zones.packed()
}

// packPlaces returns where in p.Locations each event's is.
func (p *packed) packPlaces(events []*event.Event) []int {
	index := map[string]int{}
	places := make([]int, 0, len(events))
	last := 0
	for _, ev := range events {
		i, known := index[ev.Location]
		if !known {
			i = len(index)
			index[ev.Location] = i
			p.Locations = append(p.Locations, ev.Location)
		}
		p.Places.add(int64(i - last))
		last = i
		places = append(places, i)
		kind := int64(ev.Kind) << 1
		if ev.Cut {
			kind |= 1
		}
		p.Kinds.add(kind)
		p.Priorities.add(int64(ev.Priority))
	}
	p.Places, p.Kinds, p.Priorities = p.Places.packed(), p.Kinds.packed(), p.Priorities.packed()
	return places
}

// byPlace returns the indexes of the events in the order of their texts: those of the first place in their order, those of the second, and so
// on.
func byPlace(places []int, n int) []int {
	starts := make([]int, n+1)
	for _, p := range places {
		starts[p+1]++
	}
	for p := range n {
		starts[p+1] += starts[p]
	}
	order := make([]int, len(places))
	for i, p := range places {
		order[starts[p]] = i
		starts[p]++
	}
	return order
}

func (p *packed) packTexts(events []*event.Event, order []int) {
	size, newlines := 0, false
	for _, ev := range events {
		size += len(ev.Text) + 1
		newlines = newlines || strings.IndexByte(ev.Text, '\n') >= 0
	}
	var text strings.Builder
	text.Grow(size)
	for n, i := range order {
		ev := events[i]
		switch {
		case newlines:
			p.Lengths.add(int64(len(ev.Text)))
		case n > 0:
			text.WriteByte('\n')
		}
		text.WriteString(ev.Text)
	}
	p.Text = text.String()
}

// unpack makes events of the columns. It checks what it takes to do so; the rest is for check.
func (p *packed) unpack(version byte) (*event.Batch, error) {
	texts, err := p.texts()
	if err != nil {
		return nil, err
	}
	events := make([]event.Event, len(texts))
	places, err := p.unpackPlaces(events)
	if err != nil {
		return nil, err
	}
	if version == 1 { // there the texts stand in the order of the events
		clear(places)
	}
	for n, i := range byPlace(places, len(p.Locations)) {
		events[i].Text = texts[n]
	}
	b := &event.Batch{AgentID: p.AgentID, Epoch: p.Epoch, Version: p.Version, Config: p.Config, Dropped: p.Dropped}
	if a := p.Agent; a != nil {
		b.Agent = event.Agent{
			Name: a.Name, Addresses: a.Addresses, OS: a.OS, Instance: a.Instance, Account: a.Account, Profile: a.Profile, Labels: a.Labels,
			Image: a.Image,
		}
	}
	if p.Sent != nil {
		b.Sent = time.Unix(0, *p.Sent).UTC()
	}
	b.Events = make([]*event.Event, len(events))
	for i := range events {
		b.Events[i] = &events[i]
	}
	for _, fill := range []func([]event.Event) error{p.unpackSeqs, p.unpackTimes, p.unpackKinds, p.unpackPriorities} {
		if err := fill(events); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// texts cuts the text into those of the events. Their number must be what the batch says, and nothing is made before that is known.
func (p *packed) texts() ([]string, error) {
	switch {
	case p.Count > MaxEvents:
		return nil, fmt.Errorf("%d events, %d are allowed: %w", p.Count, MaxEvents, ErrTooLarge)
	case p.Count == 0:
		return nil, fmt.Errorf("%w: no events in it", ErrInvalid)
	case len(p.Lengths) > 0:
		return p.byLengths()
	}
	if n := strings.Count(p.Text, "\n") + 1; uint64(n) != p.Count {
		return nil, fmt.Errorf("texts: %d, but %d events: %w", n, p.Count, ErrDamaged)
	}
	return strings.Split(p.Text, "\n"), nil
}

func (p *packed) byLengths() ([]string, error) {
	var list []string
	rest := p.Text
	err := p.Lengths.each("lengths", int(p.Count), func(i int, n int64) error {
		if n < 0 || n > int64(len(rest)) || n < int64(len(rest)) && !utf8.RuneStart(rest[n]) {
			return fmt.Errorf("text %d is said to be %d bytes, %d are left: %w", i, n, len(rest), ErrDamaged)
		}
		list = append(list, rest[:n])
		rest = rest[n:]
		return nil
	})
	if err == nil && rest != "" {
		err = fmt.Errorf("%d bytes behind the last text: %w", len(rest), ErrDamaged)
	}
	return list, err
}

func (p *packed) unpackSeqs(events []event.Event) error {
	if p.Step > stepLine {
		return fmt.Errorf("%w: step %d: want 0 or 1", ErrInvalid, p.Step)
	}
	events[0].ID = event.ID{Agent: p.AgentID, Epoch: p.Epoch, Seq: p.First}
	return p.Seqs.each("seqs", len(events)-1, func(i int, d int64) error {
		seq := follows(&events[i], p.Step) + uint64(d)
		events[i+1].ID = event.ID{Agent: p.AgentID, Epoch: p.Epoch, Seq: seq}
		return nil
	})
}

func (p *packed) unpackTimes(events []event.Event) error {
	if p.Unit < 1 || int64(time.Second)%p.Unit != 0 {
		return fmt.Errorf("%w: times in units of %d ns: want a part of a second", ErrInvalid, p.Unit)
	}
	units := int64(time.Second) / p.Unit
	var t int64
	err := p.Times.each("times", len(events), func(i int, d int64) error {
		t += d
		events[i].Time = time.Unix(t/units, t%units*p.Unit).UTC()
		return nil
	})
	if err != nil {
		return err
	}
	zone, place := 0, time.UTC
	return p.Zones.each("zones", len(events), func(i int, d int64) error {
		if d != 0 {
			if zone += int(d); zone <= -maxZone || zone >= maxZone {
				return fmt.Errorf("%w: event %d: a zone %d s from UTC: want less than a day", ErrInvalid, i, zone)
			}
			place = time.FixedZone("", zone)
		}
		events[i].Time = events[i].Time.In(place)
		return nil
	})
}

// unpackPlaces returns where in p.Locations each event's is.
func (p *packed) unpackPlaces(events []event.Event) ([]int, error) {
	places := make([]int, len(events))
	var at int64
	return places, p.Places.each("locations", len(events), func(i int, d int64) error {
		if at += d; at < 0 || at >= int64(len(p.Locations)) {
			return fmt.Errorf("event %d: location %d of %d: %w", i, at, len(p.Locations), ErrDamaged)
		}
		events[i].Location = p.Locations[at]
		places[i] = int(at)
		return nil
	})
}

func (p *packed) unpackKinds(events []event.Event) error {
	return p.Kinds.each("kinds", len(events), func(i int, n int64) error {
		if n < 0 || n>>1 > int64(event.AgentState) {
			return fmt.Errorf("%w: event %d: kind %d: want 0 to %d", ErrInvalid, i, n>>1, event.AgentState)
		}
		events[i].Kind, events[i].Cut = event.Kind(n>>1), n&1 == 1
		return nil
	})
}

func (p *packed) unpackPriorities(events []event.Event) error {
	return p.Priorities.each("priorities", len(events), func(i int, n int64) error {
		if n < 0 || n > event.MaxPriority {
			return fmt.Errorf("%w: event %d: priority %d: want 0 to %d", ErrInvalid, i, n, event.MaxPriority)
		}
		events[i].Priority = int(n)
		return nil
	})
}
