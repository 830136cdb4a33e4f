package prevalence

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/fxamacker/cbor/v2"
)

// Content is CBOR, with hosts and files packed one after another, each of the same length. Hashes can't be packed any further, so it isn't compressed.

// Names of hosts may be no UTF-8, and must come back as they were.
var reader, _ = cbor.DecOptions{UTF8: cbor.UTF8DecodeInvalid}.DecMode()

type hostsContent struct {
	_      struct{} `cbor:",toarray"`
	Hosts  []byte
	States []stateContent
}

type stateContent struct {
	_    struct{} `cbor:",toarray"`
	Slot uint8
	Sum  []byte
	Out  []uint32 // period, hosts, period, hosts …
}

// hostSize is how long a packed host is: id 8, at 5, period 2, slot 1.
const hostSize = 16

func (h *hosts) encode() ([]byte, error) {
	var c hostsContent
	for _, noted := range h.list {
		c.Hosts = binary.BigEndian.AppendUint64(c.Hosts, noted.id)
		c.Hosts = binary.BigEndian.AppendUint64(c.Hosts, noted.at<<24|uint64(noted.period)<<8|uint64(noted.slot))
	}
	for _, s := range h.states {
		sc := stateContent{Slot: s.slot, Sum: s.sum[:]}
		for _, t := range s.out {
			sc.Out = append(sc.Out, uint32(t.period), t.hosts)
		}
		c.States = append(c.States, sc)
	}
	return cbor.Marshal(c)
}

// decode reads content, without hosts that were noted too long before now.
func (h *hosts) decode(text []byte, now time.Time) error {
	var c hostsContent
	if err := reader.Unmarshal(text, &c); err != nil {
		return fmt.Errorf("%w: %w", ErrItem, err)
	}
	oldest := now.Unix()/int64(period/time.Second) - keeps
	for _, sc := range c.States {
		if err := h.decodeState(sc, oldest); err != nil {
			return err
		}
	}
	if len(c.Hosts)%hostSize != 0 || len(c.Hosts) > inProfile*hostSize {
		return fmt.Errorf("%w: %d bytes of hosts", ErrItem, len(c.Hosts))
	}
	for b := range slices.Chunk(c.Hosts, hostSize) {
		rest := binary.BigEndian.Uint64(b[8:])
		noted := host{binary.BigEndian.Uint64(b), rest >> 24, uint16(rest >> 8), uint8(rest)}
		if h.has(noted.id) {
			return fmt.Errorf("%w: a host twice", ErrItem)
		}
		if int64(noted.period) >= oldest {
			h.list = append(h.list, noted)
		}
	}
	return nil
}

func (h *hosts) decodeState(sc stateContent, oldest int64) error {
	s := state{slot: sc.Slot}
	twice := slices.ContainsFunc(h.states, func(other state) bool { return other.slot == s.slot })
	if len(sc.Sum) != len(s.sum) || sc.Slot > maxStates || len(sc.Out)%2 != 0 || twice {
		return fmt.Errorf("%w: a state of slot %d", ErrItem, sc.Slot)
	}
	copy(s.sum[:], sc.Sum)
	for t := range slices.Chunk(sc.Out, 2) {
		if t[0] > 1<<16-1 || t[1] == 0 || t[1] > 1<<24 {
			return fmt.Errorf("%w: %d hosts of period %d", ErrItem, t[1], t[0])
		}
		if int64(t[0]) >= oldest {
			s.out = append(s.out, tally{uint16(t[0]), t[1]})
		}
	}
	h.states = append(h.states, s)
	return nil
}

type filesContent struct {
	_     struct{} `cbor:",toarray"`
	Hosts []string
	Files []byte
}

// fileSize is how long a packed file is: path 8, sum 16, by 3.
const fileSize = 8 + len(sum{}) + witnesses

func (f *files) encode() ([]byte, error) {
	c := filesContent{Hosts: f.hosts}
	for _, t := range f.list {
		c.Files = binary.BigEndian.AppendUint64(c.Files, t.path)
		c.Files = append(append(c.Files, t.sum[:]...), t.by[:]...)
	}
	return cbor.Marshal(c)
}

func (f *files) decode(text []byte) error {
	var c filesContent
	if err := reader.Unmarshal(text, &c); err != nil {
		return fmt.Errorf("%w: %w", ErrItem, err)
	}
	if len(c.Files)%fileSize != 0 || len(c.Files) > maxFiles*fileSize || len(c.Hosts) > maxTellers {
		return fmt.Errorf("%w: %d bytes of files, %d hosts", ErrItem, len(c.Files), len(c.Hosts))
	}
	f.hosts = c.Hosts
	for b := range slices.Chunk(c.Files, fileSize) {
		t := file{path: binary.BigEndian.Uint64(b)}
		copy(t.by[:], b[copy(t.sum[:], b[8:])+8:])
		if t.by[0] == 0 || int(slices.Max(t.by[:])) > len(f.hosts) {
			return fmt.Errorf("%w: a file that hosts %d told, of %d", ErrItem, t.by, len(f.hosts))
		}
		f.list = append(f.list, t)
	}
	return nil
}
