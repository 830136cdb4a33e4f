package lambda

import (
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"sync"
	"time"
)

const (
	trimHorizon = "TRIM_HORIZON"
	latest      = "LATEST"
)

// The states of a shard: it waits for its parents, is read, or has been read to its end with everything delivered.
const (
	waiting = iota
	open
	ended
)

// shard is a part of a stream that is read in order. What isn't said otherwise is guarded by Poller.mu.
type shard struct {
	shardInfo
	poller  *Poller
	state   int
	tip     int // the read, by Poller.clock, that last found nothing new
	pending int // records read, or to be repeated, and not done with

	after    string // the last sequence number read; only its reader uses it
	iterator string // where to read on; only its reader uses it
	lanes    []*lane
}

// discover lists the shards and starts to read those whose parents are done with. New ones begin at position.
func (p *Poller) discover(ctx context.Context, position string) error {
	listed, err := p.source.shards(ctx)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx.Err() != nil {
		return p.ctx.Err()
	}
	for _, info := range listed {
		if p.shards[info.id] == nil {
			s := &shard{shardInfo: info, poller: p}
			if position == latest && info.closed {
				s.state = ended
			}
			p.shards[info.id] = s
		}
	}
	for _, s := range p.shards {
		if s.state != waiting || slices.ContainsFunc(s.parents, p.unfinished) {
			continue
		}
		if s.iterator, err = p.source.iterator(ctx, s.id, "", position); err != nil {
			return err
		}
		s.state = open
		p.work.Go(s.run)
	}
	p.signal()
	return nil
}

// unfinished tells whether a parent still has records. One that isn't listed any more has none. p.mu is held.
func (p *Poller) unfinished(parent string) bool {
	s := p.shards[parent]
	return s != nil && s.state != ended
}

// run reads the shard to its end, waits until all is delivered, and lets its children begin.
func (s *shard) run() {
	p := s.poller
	var lanes sync.WaitGroup
	for i := range p.opts.Mapping.ParallelizationFactor {
		l := newLane(s, i)
		s.lanes = append(s.lanes, l)
		lanes.Go(l.run)
	}
	for s.read() {
	}
	for _, l := range s.lanes {
		close(l.in)
	}
	lanes.Wait()
	if p.ctx.Err() != nil {
		return
	}
	p.change(func() { s.state = ended })
	for p.ctx.Err() == nil {
		err := p.discover(p.ctx, trimHorizon)
		if err == nil {
			return
		}
		p.opts.Log("mapping %s: shard %s: look for its children: %v", p.opts.Mapping.Name, s.id, err)
		sleep(p.ctx, p.opts.Idle)
	}
}

// read reads once and gives what it found to the lanes. It tells whether there may be more.
func (s *shard) read() bool {
	p := s.poller
	var now int
	p.change(func() { p.clock++; now = p.clock })
	records, next, tip, err := p.source.read(p.ctx, s.id, s.iterator)
	switch {
	case p.ctx.Err() != nil:
		return false
	case err != nil:
		p.opts.Log("mapping %s: shard %s: read: %v", p.opts.Mapping.Name, s.id, err)
		sleep(p.ctx, p.opts.Idle)
		s.reopen()
		return true
	}
	if len(records) > 0 {
		s.spread(records)
	}
	if next == "" {
		return false
	}
	s.iterator = next
	if tip {
		p.change(func() { s.tip = now })
		s.rest(now)
	}
	return p.ctx.Err() == nil
}

// reopen gets a new iterator where reading failed: the old one may have expired.
func (s *shard) reopen() {
	p := s.poller
	if s.after == "" {
		return // nothing was read, so the old one is as good; LATEST must not become later
	}
	if it, err := p.source.iterator(p.ctx, s.id, s.after, ""); err == nil {
		s.iterator = it
	}
}

// rest waits before the shard is read again, unless somebody waits for a read after this one.
func (s *shard) rest(now int) {
	p := s.poller
	timer := time.NewTimer(p.opts.Idle)
	defer timer.Stop()
	for {
		p.mu.Lock()
		wanted, changed := p.wanted >= now, p.changed
		p.mu.Unlock()
		if wanted {
			return
		}
		select {
		case <-changed:
		case <-timer.C:
			return
		case <-p.ctx.Done():
			return
		}
	}
}

// spread leaves out what the filters don't want and gives the others to the lane of their key.
func (s *shard) spread(records []record) {
	p := s.poller
	parts := make([][]record, len(s.lanes))
	kept := 0
	for _, r := range records {
		if !p.filter.passes(r.tree) {
			continue
		}
		kept++
		r.tree = nil
		h := fnv.New32a()
		_, _ = h.Write([]byte(r.key)) // never fails
		i := int(h.Sum32() % uint32(len(parts)))
		parts[i] = append(parts[i], r)
	}
	p.change(func() {
		p.counts.Read += len(records)
		p.counts.Filtered += len(records) - kept
		s.pending += kept
	})
	for i, part := range parts {
		if len(part) == 0 {
			continue
		}
		select {
		case s.lanes[i].in <- part:
		case <-p.ctx.Done():
		}
	}
	s.after = records[len(records)-1].sequence
}

// event is what the function is called with.
func event(records []record) []byte {
	size := len(`{"Records":[]}`)
	for _, r := range records {
		size += len(r.event) + 1
	}
	text := append(make([]byte, 0, size), `{"Records":[`...)
	for i, r := range records {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(text, r.event...)
	}
	return append(text, `]}`...)
}

// errNoClient tells that a Poller was given no client for its source.
func errNoClient(name string) error {
	return fmt.Errorf("no %s client in PollerOptions", name)
}
