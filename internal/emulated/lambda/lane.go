package lambda

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"time"
)

// lane delivers the records of some keys of a shard, one batch after the other.
type lane struct {
	shard  *shard
	in     chan []record
	held   []record // taken from in, not yet in a batch
	random *rand.Rand
	again  []repeat
}

// repeat is a part of a batch that is to be delivered once more after so many batches.
type repeat struct {
	records []record
	after   int
}

// batch is what is delivered together, or was before it failed.
type batch struct {
	records  []record
	invoked  int  // how often
	retries  int  // how often of these against the mapping's bound
	repeated bool // it succeeded before
}

func newLane(s *shard, index int) *lane {
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%s %d", s.id, index) // never fails
	return &lane{shard: s, in: make(chan []record, 4), random: rand.New(rand.NewPCG(s.poller.opts.Seed, h.Sum64()))}
}

func (l *lane) run() {
	ctx := l.shard.poller.ctx
	for ctx.Err() == nil {
		records := l.gather()
		if len(records) == 0 {
			return
		}
		l.deliver(batch{records: records})
		l.repeat()
	}
}

// gather waits for records and makes a batch of them: as many as its size and Lambda's bound on bytes allow, and as the window brings. It
// returns none when the shard has ended.
func (l *lane) gather() []record {
	p := l.shard.poller
	if len(l.held) == 0 {
		select {
		case l.held = <-l.in:
		case <-p.ctx.Done():
		}
	}
	if len(l.held) == 0 {
		return nil
	}
	window := time.NewTimer(p.opts.Mapping.Window)
	defer window.Stop()
	for len(l.held) < p.opts.Mapping.BatchSize && bytesOf(l.held) <= MaxPayload && l.more(window.C) {
	}
	return l.cut()
}

// more takes what is there or, until the window ends, comes. It tells whether there was any.
func (l *lane) more(window <-chan time.Time) bool {
	var records []record
	select {
	case records = <-l.in:
	default:
		select {
		case records = <-l.in:
		case <-window:
		case <-l.shard.poller.ctx.Done():
		}
	}
	l.held = append(l.held, records...)
	return len(records) > 0
}

// cut takes a batch from what is held.
func (l *lane) cut() []record {
	n, size := 0, len(`{"Records":[]}`)
	for n < len(l.held) && n < l.shard.poller.opts.Mapping.BatchSize {
		size += len(l.held[n].event) + 1
		if n > 0 && size > MaxPayload {
			break
		}
		n++
	}
	records := l.held[:n:n]
	l.held = l.held[n:]
	return records
}

func bytesOf(records []record) int {
	size := 0
	for _, r := range records {
		size += len(r.event) + 1
	}
	return size
}

// deliver delivers a batch and what becomes of it, in order, until all of its records are done with.
func (l *lane) deliver(b batch) {
	queue := []batch{b}
	for len(queue) > 0 && l.shard.poller.ctx.Err() == nil {
		rest := l.try(queue[0])
		queue = append(rest, queue[1:]...)
	}
}

// try calls the function with a batch once, and returns what is to be delivered next of it.
func (l *lane) try(b batch) []batch {
	p := l.shard.poller
	b = l.expire(b)
	if len(b.records) == 0 {
		return nil
	}
	result, err := p.opts.Invoke(p.ctx, event(b.records))
	if p.ctx.Err() != nil {
		return nil
	}
	b.invoked++
	good := 0
	if err != nil {
		p.opts.Log("mapping %s: shard %s: %v", p.opts.Mapping.Name, l.shard.id, err)
	} else if result.FunctionError == "" {
		good = len(b.records)
		if p.opts.Mapping.ReportItemFailures {
			good = succeeded(result.Payload, b.records)
		}
	}
	l.count(b, good)
	l.done(b, b.records[:good], &p.counts.Delivered)
	if good == len(b.records) {
		l.mayRepeat(b)
		return nil
	}
	return l.afterFailure(b, good, result)
}

// count notes an invocation whose first records, so many, were good.
func (l *lane) count(b batch, good int) {
	p := l.shard.poller
	p.change(func() {
		p.counts.Invocations++
		switch {
		case good == 0:
			p.counts.Failed++
		case good < len(b.records):
			p.counts.Partial++
		}
		if b.repeated {
			p.counts.Repeats++
		}
	})
}

// afterFailure decides what becomes of a batch whose first records, so many, were good. A batch that can be split is split, which doesn't
// count against the bound on retries: at the first bad record if there were good ones before it, else in halves. Else it is tried again as
// it is, or given up.
func (l *lane) afterFailure(b batch, good int, result Result) []batch {
	p := l.shard.poller
	m := p.opts.Mapping
	b.records = b.records[good:]
	if m.Bisect && good > 0 {
		return []batch{{records: b.records, invoked: b.invoked, repeated: b.repeated}}
	}
	if half := len(b.records) / 2; m.Bisect && half > 0 {
		left, right := b, b
		left.records, right.records = b.records[:half:half], b.records[half:]
		return []batch{left, right}
	}
	if m.MaxRetries >= 0 && b.retries >= m.MaxRetries {
		l.giveUp(b, "RetryAttemptsExhausted", &result)
		return nil
	}
	b.retries++
	p.opts.Pause(p.ctx, min(100*time.Millisecond<<min(b.retries-1, 10), time.Minute))
	return []batch{b}
}

// expire gives up the records of a batch that are too old, which are its first ones.
func (l *lane) expire(b batch) batch {
	p := l.shard.poller
	if p.opts.Mapping.MaxAge <= 0 {
		return b
	}
	oldest := p.opts.Now().Add(-p.opts.Mapping.MaxAge)
	n := 0
	for n < len(b.records) && b.records[n].arrived.Before(oldest) {
		n++
	}
	if n > 0 {
		old := b
		old.records, b.records = b.records[:n], b.records[n:]
		l.giveUp(old, "RecordAgeExceeded", nil)
	}
	return b
}

// done takes records off what is under way, and adds them to a count unless they were counted before.
func (l *lane) done(b batch, records []record, count *int) {
	l.shard.poller.change(func() {
		l.shard.pending -= len(records)
		if !b.repeated {
			*count += len(records)
		}
	})
}

// mayRepeat decides whether a part of a batch that succeeded is delivered once more, and when.
func (l *lane) mayRepeat(b batch) {
	if b.repeated || l.random.Float64() >= l.shard.poller.opts.Redeliver {
		return
	}
	from := l.random.IntN(len(b.records))
	part := b.records[from : from+1+l.random.IntN(len(b.records)-from)]
	l.again = append(l.again, repeat{part, l.random.IntN(4)})
	l.shard.poller.change(func() { l.shard.pending += len(part) })
}

// repeat delivers once more what is due, and all of it if nothing else is to be done.
func (l *lane) repeat() {
	idle := len(l.held) == 0 && len(l.in) == 0
	var later []repeat
	for _, r := range l.again {
		if r.after--; r.after >= 0 && !idle {
			later = append(later, r)
			continue
		}
		l.deliver(batch{records: r.records, repeated: true})
	}
	l.again = later
}
