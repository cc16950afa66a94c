package capture

import (
	"io"
	"sync"
)

// A queue holds packets of several goroutines for one that reads them. It never
// makes the former wait: packets over its limit are dropped and counted.
type queue struct {
	mu    sync.Mutex
	more  sync.Cond
	full  []*Batch // and at last the one that is filled
	free  []*Batch
	held  int // what full costs
	limit int
	ended bool
	stats LiveStats
}

func newQueue(limit int) *queue {
	q := &queue{limit: limit}
	q.more.L = &q.mu
	return q
}

// packetCost is what a packet takes beside its octets.
const packetCost = 64

// add copies packets to the end.
func (q *queue) add(packets []Packet) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range packets {
		p := &packets[i]
		cost := len(p.Data) + packetCost
		if q.held+cost > q.limit {
			q.stats.Dropped++
			continue
		}
		q.held += cost
		q.last().Append(p)
	}
	q.more.Signal()
}

// last is the batch that is filled.
func (q *queue) last() *Batch {
	if n := len(q.full); n > 0 && !q.full[n-1].full() {
		return q.full[n-1]
	}
	b := new(Batch)
	if n := len(q.free); n > 0 {
		b, q.free = q.free[n-1], q.free[:n-1]
	}
	q.full = append(q.full, b)
	return b
}

// maxFree is how many empty batches keep their memory: what a burst took is
// given back after it.
const maxFree = 8

// take replaces b's packets by the first batch, or returns io.EOF after the last.
func (q *queue) take(b *Batch) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.full) == 0 && !q.ended {
		q.more.Wait()
	}
	if len(q.full) == 0 {
		b.Reset()
		return io.EOF
	}
	first := q.full[0]
	q.full[0] = nil
	if q.full = q.full[1:]; len(q.full) == 0 {
		q.full = nil
	}
	*b, *first = *first, *b
	for i := range b.Packets {
		q.held -= len(b.Packets[i].Data) + packetCost
	}
	q.stats.Received += uint64(len(b.Packets))
	if len(q.free) < maxFree {
		first.Reset()
		q.free = append(q.free, first)
	}
	return nil
}

// end says that nothing more is added.
func (q *queue) end() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ended = true
	q.more.Broadcast()
}
