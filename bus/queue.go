package bus

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"syscall"
	"time"
)

// A Queue stands before the output of a live source, which waits for nobody:
// reports wait here for an output that is slow, in so many octets as for Redis,
// and the oldest are dropped and counted when there are more. So they are when
// the output fails; it is tried again with the next.
type Queue struct {
	out  Output
	name string
	log  *slog.Logger
	done chan struct{} // closed when the writer has returned

	maxBytes, maxReports int

	mu       sync.Mutex
	changed  sync.Cond
	lines    []queued
	bytes    int
	writing  int // reports taken from lines, not flushed yet
	at       int64
	closed   bool
	end      error // nobody will ever read
	failure  error // the latest of out
	sent     uint64
	dropped  uint64
	untold   uint64
	lastTold time.Time
}

type queued struct {
	line []byte
	at   int64
}

// QueueStats are of one output. What was sent to it is the sum, once it is closed.
type QueueStats struct{ Sent, Dropped uint64 }

// NewQueue starts a queue before out, which the log calls name.
func NewQueue(out Output, name string, log *slog.Logger) *Queue {
	return newQueue(out, name, log, maxBacklog, maxBacklogReports)
}

func newQueue(out Output, name string, log *slog.Logger, maxBytes, maxReports int) *Queue {
	q := &Queue{
		out: out, name: name, log: log, done: make(chan struct{}), maxBytes: maxBytes, maxReports: maxReports,
	}
	q.changed.L = &q.mu
	go q.run()
	return q
}

// At implements [Timed].
func (q *Queue) At(t int64) { q.at = t }

// Send implements [Output]. It never blocks; its error is that nobody reads.
func (q *Queue) Send(line ...[]byte) error {
	whole := slices.Concat(line...)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.lines = append(q.lines, queued{whole, q.at})
	q.bytes += len(whole)
	for len(q.lines) > 1 && (q.bytes > q.maxBytes || len(q.lines) > q.maxReports) {
		q.bytes -= len(q.lines[0].line)
		q.lines[0] = queued{}
		q.lines = q.lines[1:]
		q.drop(1)
	}
	q.changed.Signal()
	return q.end
}

// drop counts n reports, and tells of them now and then.
func (q *Queue) drop(n int) {
	q.dropped += uint64(n)
	q.untold += uint64(n)
	if q.untold > 0 && time.Since(q.lastTold) >= dropLogInterval {
		q.log.Warn("reports dropped: the output is slow or broken", "output", q.name, "count", q.untold, "err", q.failure)
		q.untold, q.lastTold = 0, time.Now()
	}
}

// Flush implements [Output]: what waits is written without being asked.
func (q *Queue) Flush() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.end
}

// run writes until Close. It alone uses out.
func (q *Queue) run() {
	defer close(q.done)
	for {
		q.mu.Lock()
		for len(q.lines) == 0 && !q.closed {
			q.changed.Wait()
		}
		batch := q.lines
		q.lines, q.bytes, q.writing = nil, 0, len(batch)
		q.mu.Unlock()
		if len(batch) == 0 {
			return
		}
		err := q.write(batch)
		q.mu.Lock()
		q.writing, q.failure = 0, err
		if err == nil {
			q.sent += uint64(len(batch))
		} else {
			q.drop(len(batch))
		}
		if errors.Is(err, syscall.EPIPE) {
			q.end = err
		}
		q.mu.Unlock()
	}
}

// write writes all of a batch, or fails.
func (q *Queue) write(batch []queued) error {
	var failed error
	for _, l := range batch {
		if t, ok := q.out.(Timed); ok {
			t.At(l.at)
		}
		if err := q.out.Send(l.line); err != nil {
			failed = err
		}
	}
	if err := q.out.Flush(); err != nil {
		failed = err
	}
	if r, ok := q.out.(interface{ Retry() }); ok && failed != nil {
		r.Retry()
	}
	return failed
}

// Stats is safe to call at any time.
func (q *Queue) Stats() QueueStats {
	q.mu.Lock()
	defer q.mu.Unlock()
	return QueueStats{q.sent, q.dropped}
}

// Close implements [Output]: it writes what waits, for as long as queueGrace,
// and closes out. Its error tells how many reports were dropped.
func (q *Queue) Close() error {
	q.mu.Lock()
	q.closed = true
	q.changed.Signal()
	q.mu.Unlock()
	timer := time.NewTimer(queueGrace)
	defer timer.Stop()
	var err error
	select {
	case <-q.done:
		err = q.out.Close()
	case <-timer.C: // who writes there is stuck, and stays so
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.dropped += uint64(len(q.lines) + q.writing)
	q.lines, q.writing = nil, 0
	switch {
	case q.end != nil:
		return q.end
	case q.dropped > 0:
		return fmt.Errorf("%s: %d reports dropped", q.name, q.dropped)
	}
	return err
}

// queueGrace is how long the end waits for an output that is stuck.
const queueGrace = 5 * time.Second
