package session

import (
	"fmt"
	"hash/maphash"
	"net/netip"
	"time"
)

// New sessions come at most in such bursts, and then at such rates a second.
const (
	keyBurst, keyRate       = 256, 5
	sourceBurst, sourceRate = 64, 1
)

// bucket is tokens that come back with time. The zero bucket is full.
type bucket struct {
	spent float64
	at    time.Time
}

// refill gives back what has come since the last time.
func (b *bucket) refill(now time.Time, rate float64) {
	if d := now.Sub(b.at); d > 0 {
		b.spent, b.at = max(0, b.spent-d.Seconds()*rate), now
	}
}

// sources are the buckets of addresses. There are so many however many addresses come; some share one.
type sources struct {
	seed    maphash.Seed
	buckets [4096]bucket
}

func (s *sources) of(host netip.Addr) *bucket {
	return &s.buckets[maphash.Comparable(s.seed, host)%uint64(len(s.buckets))]
}

// spend takes a token of the key and one of the source, or none.
func spend(key, source *bucket, now time.Time) bool {
	key.refill(now, keyRate)
	source.refill(now, sourceRate)
	if key.spent+1 > keyBurst || source.spent+1 > sourceBurst {
		return false
	}
	key.spent++
	source.spent++
	return true
}

// notice is something that is told when it first happens, and then once in a while with how often it did.
type notice struct {
	key   *Key
	from  netip.AddrPort // the newest
	times int            // not yet told
	plays int            // … of these, that may well be replays
	told  time.Time
}

// about is what a notice is of.
type about struct {
	verdict Verdict
	key     string
}

// alertPlays is how many replays in a minute are worth an alert. Hosts of one image that start together may say the same: their counters are
// alike, the words are, and of random numbers there are 65536. So among 200 of them, one is refused its first words now and then; if that was a
// control message, it says it again with another number.
const alertPlays = 3

// note remembers what happened, and tells it if it wasn't told lately.
func (s *Sessions) note(v Verdict, a *Arrival) {
	id := about{v, a.Key.ID}
	n := s.notices[id]
	if n == nil {
		n = new(notice)
		s.notices[id] = n
	}
	n.key, n.from = a.Key, a.From
	n.times++
	if !a.Control {
		n.plays++
	}
	s.tell(v, n, a.At)
}

// tell tells a notice if it is time to.
func (s *Sessions) tell(v Verdict, n *notice, now time.Time) {
	if n.times == 0 || now.Sub(n.told) < tellEvery {
		return
	}
	times := ""
	if n.times > 1 {
		times = fmt.Sprintf(", %d times since it was told last", n.times)
	}
	tell := s.opts.Alert
	if v == Replayed || v == Old || v == Repeated && n.plays < alertPlays {
		tell = s.opts.Report
	}
	tell(fmt.Sprintf("key %s (%s): %s: from %s%s%s", n.key.ID, n.key.Name, v, n.from, times, advice[v]))
	n.times, n.plays, n.told = 0, 0, now
}

var advice = [verdicts]string{
	Replayed:     "; refused. Networks do that now and then, and whoever sends again what was sent before",
	Reset:        "; a host that was set up anew, restored or copied does that; one that wasn't is being imitated",
	Repeated:     "; refused. Somebody sends again what was sent before, a host sends from two addresses, or two of one image began with the same words",
	Old:          "; refused. After a host lost its counters its next start-up or keep-alive is let in; messages that were sent again never are",
	TooManyHosts: "; refused. If they are yours: yagura agents change ID --max-hosts N",
	TooFast:      "; refused until later; agents try again by themselves",
}
