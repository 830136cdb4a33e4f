// Package relaytest is what a relay is tried with: hosts of OSSEC that are no more than a key, counters and a socket.
//
//	Host  Startup, Keepalive, Log ─► Next: sealed with the next counters ─► Raw: from its own 127.x.y.z ─► relay
//	        ▲ acks, merged.mg, commands are seen ◄───────────────────────────────────────────────────────────┘
//	Load  events of many hosts, sealed ahead, sent at a rate
//
// What goes wrong on the way is made of the same two halves: a duplicate is Raw twice, a reordered datagram Raw later, a replay another
// host's Raw.
package relaytest

import (
	"context"
	"crypto/md5" //nolint:gosec // what agents name their shared files by
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"

	"github.com/yagura-hids/yagura/internal/wire"
)

// Host is one host with an OSSEC agent. Its methods may be used by several goroutines.
type Host struct {
	Key    wire.Key
	From   netip.Addr  // the address it sends from, of 127.0.0.0/8
	Node   string      // what it says its name is
	Cipher wire.Cipher // what it seals with; to be set before it sends

	conn   *net.UDPConn
	codec  *wire.Codec
	prefix string

	mu            sync.Mutex
	random        *rand.Rand
	global, local uint32
	seen          Seen
	file          *file
	changed       chan struct{} // closed when seen has changed
}

// Seen is what a host has been sent.
type Seen struct {
	Acks    int
	Files   int      // merged.mg's taken whole
	Merged  []byte   // the last of them
	Told    []string // other messages, "#!-" with them
	Damaged int      // datagrams that didn't open
	Longest int      // bytes of the longest datagram: an agent reads 1024
	Seq     uint64   // the last counters, Message.Seq; Stale counts those that did not rise
	Stale   int
}

type file struct {
	name, sum string
	data      []byte
}

// Dial returns a host that speaks to a relay. Close it.
func Dial(key wire.Key, from netip.Addr, node string, relay netip.AddrPort) (*Host, error) {
	conn, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), net.UDPAddrFromAddrPort(relay))
	if err != nil {
		return nil, fmt.Errorf("host %s at %s: %w", node, from, err)
	}
	h := &Host{Key: key, From: from, Node: node, conn: conn, codec: wire.NewCodec(key), changed: make(chan struct{})}
	seed := md5.Sum([]byte(node + from.String())) //nolint:gosec // no secret
	h.random = rand.New(rand.NewPCG(uint64(seed[0])<<8|uint64(seed[1]), uint64(seed[2])<<8|uint64(seed[3])))
	if _, single := key.Address.Single(); !single {
		h.prefix = key.ID
	}
	go h.read()
	return h, nil
}

// Close ends it.
func (h *Host) Close() error { return h.conn.Close() }

// Local returns where it is heard: its address and a port.
func (h *Host) Local() netip.AddrPort { return h.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

// Startup sends what an agent says first, until it is acked.
func (h *Host) Startup() error { return h.Send(wire.Startup) }

// Keepalive sends what an agent says of itself and of the files it was sent.
func (h *Host) Keepalive() error {
	h.mu.Lock()
	sum, tail := "x", h.random.Uint64()
	if h.seen.Merged != nil {
		sum = digest(h.seen.Merged)
	}
	h.mu.Unlock()
	return h.Send(fmt.Sprintf("#!-Linux %s 6.1.0 #1 SMP x86_64 - OSSEC HIDS v3.8.0\n%s merged.mg\n\n%x", h.Node, sum, tail))
}

// Log sends a line of a log file.
func (h *Host) Log(path, line string) error { return h.Send("1:" + path + ":" + line) }

// Send seals a message and sends it.
func (h *Host) Send(text string) error {
	datagram, err := h.Next(text)
	if err != nil {
		return err
	}
	return h.Raw(datagram)
}

// Next seals a message with the next counters.
func (h *Host) Next(text string) ([]byte, error) { return h.next(nil, text) }

func (h *Host) next(dst []byte, text string) ([]byte, error) {
	h.mu.Lock()
	if h.local >= 9997 {
		h.local, h.global = 0, h.global+1
	}
	h.local++
	m := wire.Message{Cipher: h.Cipher, Random: h.random.Uint32N(1 << 16), Global: h.global, Local: h.local, Text: []byte(text)}
	h.mu.Unlock()
	return h.codec.Seal(dst, h.prefix, m)
}

// Count sets the counters: what is sent next has the one after. Zeroes are those of an agent whose rids were deleted.
func (h *Host) Count(global, local uint32) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.global, h.local = global, local
}

// Raw sends bytes as they are.
func (h *Host) Raw(datagram []byte) error {
	_, err := h.conn.Write(datagram)
	return err
}

// Seen returns what it has been sent until now.
func (h *Host) Seen() Seen {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.seen
}

// Await waits until what it has been sent is enough.
func (h *Host) Await(ctx context.Context, enough func(Seen) bool) error {
	for {
		h.mu.Lock()
		seen, changed := h.seen, h.changed
		h.mu.Unlock()
		if enough(seen) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("host %s at %s has seen %+v: %w", h.Node, h.From, seen, ctx.Err())
		}
	}
}

func (h *Host) read() {
	buf, scratch := make([]byte, 64<<10), &wire.Scratch{}
	for {
		n, err := h.conn.Read(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // nobody listens there just now
		}
		h.see(buf[:n], scratch)
	}
}

func (h *Host) see(datagram []byte, scratch *wire.Scratch) {
	h.mu.Lock()
	defer h.mu.Unlock()
	defer func() {
		close(h.changed)
		h.changed = make(chan struct{})
	}()
	h.seen.Longest = max(h.seen.Longest, len(datagram))
	d, err := wire.Split(datagram)
	if err != nil {
		h.seen.Damaged++
		return
	}
	m, err := h.codec.Open(d, wire.MaxMessage, scratch)
	if err != nil {
		h.seen.Damaged++
		return
	}
	if m.Seq() <= h.seen.Seq {
		h.seen.Stale++
		return
	}
	h.seen.Seq = m.Seq()
	h.take(string(m.Text))
}

// take does what an agent does with a message.
func (h *Host) take(text string) {
	switch {
	case text == wire.Ack:
		h.seen.Acks++
	case strings.HasPrefix(text, "#!-up file "):
		sum, name, _ := strings.Cut(strings.TrimSuffix(text[len("#!-up file "):], "\n"), " ")
		h.file = &file{name: name, sum: sum}
	case text == "#!-close file " && h.file != nil:
		if f := h.file; f.sum == digest(f.data) && f.name == wire.Merged {
			h.seen.Merged = f.data
			h.seen.Files++
		}
		h.file = nil
	case strings.HasPrefix(text, wire.Control) || h.file == nil:
		h.seen.Told = append(h.seen.Told, text)
	default:
		h.file.data = append(h.file.data, text...)
	}
}

func digest(data []byte) string {
	sum := md5.Sum(data) //nolint:gosec // as agents do
	return hex.EncodeToString(sum[:])
}
