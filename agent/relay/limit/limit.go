// Package limit bounds what strangers may cost: connections, attempts, and lines about them.
//
//	Conns   so many at a time, so many of them from one source
//	Rate    so many a minute from one source
//	Lines   a line a minute, and how many more there would have been
//	Accept  the loop of those who listen
//
// A source is an address of IPv4, or a /64 network of IPv6, of which one host has all addresses.
package limit

import (
	"fmt"
	"net/netip"
	"sync"
	"time"
)

func source(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if !a.Is6() {
		return a
	}
	return netip.PrefixFrom(a, 64).Masked().Addr()
}

// Conns counts what is open. The zero value admits nothing. It may be used by several goroutines.
type Conns struct {
	Most      int // in all
	PerSource int

	mu     sync.Mutex
	all    int
	source map[netip.Addr]int
}

// Enter tells whether one more may be open, and counts it if so. Leave must follow.
func (c *Conns) Enter(from netip.Addr) bool {
	from = source(from)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all >= c.Most || c.source[from] >= c.PerSource {
		return false
	}
	if c.source == nil {
		c.source = map[netip.Addr]int{}
	}
	c.all++
	c.source[from]++
	return true
}

// Leave counts one less.
func (c *Conns) Leave(from netip.Addr) {
	from = source(from)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all--
	if c.source[from]--; c.source[from] <= 0 {
		delete(c.source, from)
	}
}

// Open returns how many are open.
func (c *Conns) Open() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all
}

// maxSources is how many sources a Rate keeps count of; beyond them all count as one.
const maxSources = 1 << 16

// Rate counts attempts by source and minute. It may be used by several goroutines.
type Rate struct {
	PerMinute int

	mu     sync.Mutex
	minute int64
	counts map[netip.Addr]int
}

// Count counts an attempt, and tells whether it is within the limit.
func (r *Rate) Count(from netip.Addr, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	from = r.place(from, now)
	r.counts[from]++
	return r.counts[from] <= r.PerMinute
}

// Spent tells whether one more attempt would be beyond the limit, and counts none.
func (r *Rate) Spent(from netip.Addr, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.counts[r.place(from, now)] >= r.PerMinute
}

// place returns what an attempt is counted under. The zero address stands for all sources that there is no room for.
func (r *Rate) place(from netip.Addr, now time.Time) netip.Addr {
	if minute := now.Unix() / 60; minute != r.minute || r.counts == nil {
		r.minute, r.counts = minute, map[netip.Addr]int{}
	}
	from = source(from)
	if _, known := r.counts[from]; !known && len(r.counts) >= maxSources {
		return netip.Addr{}
	}
	return from
}

// Lines holds back lines of one kind, all but one a minute. The zero value is ready. It may be used by several goroutines.
type Lines struct {
	mu   sync.Mutex
	next time.Time
	held int
}

// Tell gives the line to report, or counts it: the next one tells how many were held back.
func (l *Lines) Tell(now time.Time, report func(string), format string, args ...any) {
	l.mu.Lock()
	if now.Before(l.next) {
		l.held++
		l.mu.Unlock()
		return
	}
	held := l.held
	l.held, l.next = 0, now.Add(time.Minute)
	l.mu.Unlock()
	line := fmt.Sprintf(format, args...)
	if held > 0 {
		line += fmt.Sprintf(" (and %d like it in the time before)", held)
	}
	report(line)
}
