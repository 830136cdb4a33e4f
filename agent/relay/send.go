package relay

import (
	"context"
	"crypto/md5" // #nosec G501 -- OSSEC's agents compare files by it
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"github.com/yagura-hids/yagura/internal/wire"
)

// target is how a host is reached: the way that its last control message came.
type target struct {
	order  *sync.Mutex // the host refuses what comes in another order than it was numbered in
	on     replier
	from   netip.AddrPort
	via    []byte // how an answer leaves
	codec  *wire.Codec
	cipher wire.Cipher
}

// send seals a message and sends it. What goes wrong is counted and said: the host asks again by itself.
func (r *Relay) send(to target, text string) {
	to.order.Lock()
	defer to.order.Unlock()
	m := wire.Message{Cipher: to.cipher, Random: rand.Uint32N(1 << 16), Text: []byte(text)}
	m.Global, m.Local = r.counter.Next(r.opts.Now())
	data, err := to.codec.Seal(nil, "", m) // a server names no key
	if err == nil {
		err = to.on.reply(data, to.from, to.via)
	}
	if err != nil {
		r.counters.unsent.Add(1)
	}
	r.counters.trouble("answer", err)
}

// A push's pace: agents read from a socket's buffer that is small.
const (
	pushAgain = 30 * time.Second // to one host
	pushBurst = 30               // messages
	pushPause = time.Second
	mostPush  = 32 // hosts at a time
)

// nonceFile is a file among those that are pushed in strict freshness. Only who gets it can tell the right sum afterwards.
const nonceFile = "yagura.nonce"

// wanted returns the shared files that a host is to have, nil for none, and their md5.
func (r *Relay) wanted(h *host) (merged []byte, sum string) {
	f := r.keys.now.Load().files[h.key.group()]
	if h.nonce == "" {
		return f.merged, f.sum
	}
	merged = fmt.Appendf(f.merged[:len(f.merged):len(f.merged)], "!%d %s\n%s", len(h.nonce), nonceFile, h.nonce)
	return merged, md5sum(merged)
}

func md5sum(b []byte) string {
	sum := md5.Sum(b) // #nosec G401 -- see above
	return hex.EncodeToString(sum[:])
}

// offer pushes the shared files to a host that has others.
func (r *Relay) offer(h *host) {
	files, sum := r.wanted(h)
	if files == nil {
		return
	}
	if h.files == sum {
		h.fresh = true
		return
	}
	if !h.busy && (h.pushed.IsZero() || h.alive.Sub(h.pushed) >= pushAgain) {
		h.busy, h.pushed = true, h.alive
		select {
		case r.pushes <- push{h, h.target, files}:
		default: // so many at a time: the next keep-alive asks again
			h.busy = false
		}
	}
}

// push is shared files on their way to a host.
type push struct {
	host  *host
	to    target
	files []byte
}

// pushAll pushes what is to be pushed until ctx ends, to several hosts at a time.
func (r *Relay) pushAll(ctx context.Context) error {
	slots := make(chan struct{}, mostPush)
	for {
		select {
		case p := <-r.pushes:
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				return nil
			}
			go func() {
				defer func() { <-slots }()
				r.push(ctx, p)
			}()
		case <-ctx.Done():
			return nil
		}
	}
}

// push sends files in pieces. Nobody acknowledges them: a host that has lost one says so in its next keep-alive, and gets all of them again.
func (r *Relay) push(ctx context.Context, p push) {
	messages, err := wire.Push(wire.Merged, p.files)
	r.counters.trouble("shared files", err)
	for i, m := range messages {
		if i > 0 && i%pushBurst == 0 {
			select {
			case <-time.After(pushPause):
			case <-ctx.Done():
				return
			}
		}
		r.send(p.to, string(m))
	}
	r.run(ctx, func() { p.host.busy = false })
}
