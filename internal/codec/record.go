package codec

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"
	"time"

	"github.com/yagura-hids/yagura/internal/event"
)

// Record is one record of a stream, as Kinesis delivers it.
type Record struct {
	Data         []byte
	PartitionKey string
	Sequence     string    // the sequence number, decimal
	Shard        string    // like shardId-000000000003
	Arrived      time.Time // when Kinesis took it
}

// Events returns the events of a record in their order. What the record is, its first bytes tell:
//
//	"YGR"       a batch (see Decode)
//	1f 8b       gzip: what a subscription of CloudWatch Logs sends; one event for each of its log events, none for a control message
//	{           JSON objects, one after another; each is an event
//
// Events of a batch bear the agent's ids; Event.Agent is nil if the batch tells nothing of the agent but its id. Where a sender doesn't
// number its events, their ids are made of the record's place in its shard, so that they begin at Kinesis: a record that is delivered
// again gives the same ids, and one that its producer sent twice is two.
//
// The error wraps one of this package's; then there are no events, and there never will be: the same record gives the same error.
func Events(r Record) ([]*event.Event, error) {
	trimmed := bytes.TrimLeft(r.Data, " \t\r\n")
	switch {
	case len(r.Data) > MaxRecord:
		return nil, fmt.Errorf("record of %d bytes, %d are allowed: %w", len(r.Data), MaxRecord, ErrTooLarge)
	case bytes.HasPrefix(r.Data, []byte(marker)):
		return batchEvents(r.Data)
	case bytes.HasPrefix(r.Data, []byte{0x1f, 0x8b}):
		return within("payload of CloudWatch Logs", func() ([]*event.Event, error) { return cloudWatchEvents(r) })
	case bytes.HasPrefix(trimmed, []byte("{")):
		return within("JSON", func() ([]*event.Event, error) { return jsonEvents(r) })
	}
	return nil, fmt.Errorf("%w: it begins with %.8q: want a batch (%q), gzip, or a JSON object", ErrUnknown, r.Data, marker)
}

func within(what string, read func() ([]*event.Event, error)) ([]*event.Event, error) {
	events, err := read()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return events, nil
}

func batchEvents(data []byte) ([]*event.Event, error) {
	b, err := Decode(data)
	if err != nil {
		return nil, err
	}
	agent := b.Agent
	if agent.Name == b.AgentID {
		agent.Name = ""
	}
	if !empty(&agent) {
		for _, ev := range b.Events {
			ev.Agent = &agent
		}
	}
	return b.Events, nil
}

// gunzip unpacks at most MaxRaw bytes.
func gunzip(data []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("unpack: %w: %w", err, ErrDamaged)
	}
	raw, err := io.ReadAll(io.LimitReader(z, MaxRaw+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("unpack: %w: %w", err, ErrDamaged)
	case len(raw) > MaxRaw:
		return nil, fmt.Errorf("unpacked it is more than %d bytes: %w", MaxRaw, ErrTooLarge)
	}
	return raw, nil
}

// A sequence number has 186 bits. Bits 80 to 143 count within the shard, what is above tells the shard's life, what is below the machine.
const (
	counterLow  = 80
	counterHigh = 144
	counterBits = 50 // that are used at most
	indexBits   = 14
	maxNumbered = 1 << indexBits // events of a record that Kinesis numbers
)

// numbering gives ids to the events of a record whose sender gave none.
type numbering struct {
	epoch, base uint64
}

// number makes ids of the place of a record: the epoch of shard and upper part of the sequence number, the seq of its counter and the event's
// index in the record. The counter rises within a shard, and so does the seq.
func number(r Record) (numbering, error) {
	n, ok := new(big.Int), len(r.Sequence) <= 128
	if ok {
		n, ok = n.SetString(r.Sequence, 10)
	}
	if !ok || n.Sign() < 0 {
		return numbering{}, fmt.Errorf("%w: sequence number %.140q of the record: want decimal digits", ErrInvalid, r.Sequence)
	}
	high := new(big.Int).Rsh(n, counterHigh)
	counter := n.Rsh(n, counterLow)
	counter.Sub(counter, new(big.Int).Lsh(high, counterHigh-counterLow))
	if counter.BitLen() > counterBits {
		return numbering{}, fmt.Errorf("%w: sequence number %s of the record: its counter is %s: want less than 2^%d", ErrInvalid, r.Sequence, counter, counterBits)
	}
	sum := sha256.Sum256([]byte(r.Shard + "\x00" + high.String()))
	return numbering{binary.BigEndian.Uint64(sum[:]), counter.Uint64() << indexBits}, nil
}

// id returns the id of the record's event with that index.
func (n numbering) id(agent string, index int) event.ID {
	return event.ID{Agent: agent, Epoch: n.epoch, Seq: n.base | uint64(index)}
}

// checkNumber tells whether a record may have so many events that Kinesis numbers.
func checkNumber(events int) error {
	if events > maxNumbered {
		return fmt.Errorf("more than %d events in a record: %w", maxNumbered, ErrTooLarge)
	}
	return nil
}

// checked holds an event to what is promised of one.
func checked(ev *event.Event) (*event.Event, error) {
	return ev, errors.Join(CheckAgent(ev.ID.Agent), checkEvent(ev))
}
