package speedy

import (
	"context"
	"io"
	"sync"
	"time"

	"ratadns/capture"
)

// A reader gives the loads of a source: from the source itself where that is
// steady, otherwise from a goroutine that reads ahead.
type reader struct {
	ctx      context.Context
	src      capture.Source
	grace    time.Duration
	tick     func(time.Time)
	ticker   *time.Ticker // nil where tick is
	segments int          // lists of a load
	over     <-chan time.Time
	free     chan *load
	filled   chan *load // nil where src is steady
	first    *load      // what wait waited for
	done     chan struct{}
	failed   error // of src
}

func newReader(ctx context.Context, src capture.Source, cfg Config, loads, workers int) *reader {
	r := &reader{ctx: ctx, src: src, grace: cfg.Grace, tick: cfg.Tick, segments: workers, done: make(chan struct{})}
	if cfg.Steady {
		return r
	}
	if cfg.Tick != nil {
		r.ticker = time.NewTicker(tick)
	}
	r.free, r.filled = make(chan *load, loads), make(chan *load, loads)
	for range loads {
		r.free <- r.newLoad()
	}
	go r.ahead()
	return r
}

func (r *reader) newLoad() *load { return &load{segments: make([]divided, r.segments)} }

func (r *reader) ahead() {
	defer close(r.filled)
	for {
		select {
		case l := <-r.free:
			if r.failed = r.src.Read(&l.batch); r.failed != nil {
				return
			}
			r.filled <- l // there is room for all
		case <-r.done:
			return
		}
	}
}

// close ends reading ahead.
func (r *reader) close() {
	close(r.done)
	if r.ticker != nil {
		r.ticker.Stop()
	}
}

// tick is how often Tick is called, and liveDelay how long a packet takes from
// the network to a worker that has nothing else to do.
const tick, liveDelay = 250 * time.Millisecond, 500 * time.Millisecond

// wait waits until next may have a load, and returns false when there will be
// none. While none comes it ticks.
func (r *reader) wait() bool {
	if r.filled == nil {
		return r.failed == nil && r.ctx.Err() == nil
	}
	if r.ctx.Err() != nil && r.grace == 0 {
		return false
	}
	var ticks <-chan time.Time
	if r.ticker != nil {
		ticks = r.ticker.C
	}
	for {
		cancelled := r.ctx.Done()
		if r.over != nil {
			cancelled = nil // and that was seen
		}
		select {
		case <-cancelled:
			if r.grace == 0 {
				return false
			}
			r.over = time.After(r.grace)
		case <-r.over:
			return false
		case l, ok := <-r.filled:
			r.first = l
			return ok
		case now := <-ticks:
			// What has been read already comes first.
			if len(r.filled) == 0 {
				r.tick(now.Add(-liveDelay))
			}
		}
	}
}

// next returns the next load without waiting for its packets, or nil. A steady
// source is read into a load of spare, which its worker's processor knows.
func (r *reader) next(spare *shelf) *load {
	if r.filled == nil {
		return r.read(spare)
	}
	if l := r.first; l != nil {
		r.first = nil
		return l
	}
	select {
	case l := <-r.filled:
		return l // nil when filled is closed
	default:
		return nil
	}
}

func (r *reader) read(spare *shelf) *load {
	if r.failed != nil {
		return nil
	}
	l := spare.take()
	if l == nil {
		l = r.newLoad()
		l.owner = spare
	}
	if r.failed = r.src.Read(&l.batch); r.failed != nil {
		return nil
	}
	return l
}

// release gives a load back.
func (r *reader) release(l *load) {
	if l.owner != nil {
		l.owner.put(l)
	} else {
		r.free <- l
	}
}

// A shelf has the loads of a worker that are not under way, the one used last
// first.
type shelf struct {
	mu    sync.Mutex
	loads []*load
}

func (s *shelf) put(l *load) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loads = append(s.loads, l)
}

func (s *shelf) take() (l *load) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.loads) - 1; n >= 0 {
		l, s.loads = s.loads[n], s.loads[:n]
	}
	return l
}

// err is why wait returned false. The ends of the capture and of ctx are no
// errors.
func (r *reader) err() error {
	if r.ctx.Err() != nil || r.failed == io.EOF {
		return nil
	}
	return r.failed
}
