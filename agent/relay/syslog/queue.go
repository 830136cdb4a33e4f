package syslog

import "sync"

// What a queue holds at most: many short messages, or few long ones.
const (
	maxQueued      = 4096
	maxQueuedBytes = 4 << 20
)

// queue holds what was read and not yet taken. Readers wait while it is full.
type queue struct {
	mu     sync.Mutex
	some   sync.Cond // there is something, or it is closed
	room   sync.Cond // there is room, or it is closed
	list   []Message
	spare  []Message // the batch before, whose memory the next one gets
	bytes  int
	closed bool
}

func newQueue() *queue {
	q := new(queue)
	q.some.L, q.room.L = &q.mu, &q.mu
	return q
}

// push adds a message when there is room. A closed queue has room for all, for then each reader has one more at most.
func (q *queue) push(m Message) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for !q.closed && (len(q.list) >= maxQueued || q.bytes >= maxQueuedBytes) {
		q.room.Wait()
	}
	q.list = append(q.list, m)
	q.bytes += len(m.Text)
	q.some.Signal()
}

// next returns all there is, and waits for it; nothing if the queue is empty and closed. It is good until the call after the next.
func (q *queue) next() []Message {
	q.mu.Lock()
	defer q.mu.Unlock()
	for !q.closed && len(q.list) == 0 {
		q.some.Wait()
	}
	batch := q.list
	clear(q.spare)
	q.list, q.spare, q.bytes = q.spare[:0], batch, 0
	q.room.Broadcast()
	return batch
}

// putBack returns a batch to the queue, before all others.
func (q *queue) putBack(batch []Message) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.list, q.spare = append(batch[:len(batch):len(batch)], q.list...), nil
}

// close ends all waiting.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.some.Broadcast()
	q.room.Broadcast()
}
