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
	ctx    context.Context
	src    capture.Source
	grace  time.Duration
	ticker *time.Ticker // or nil
	over   <-chan time.Time
	free   chan *Load
	filled chan *Load // nil where src is steady
	done   chan struct{}
	stop   func() // closes done: nothing more is read
	ended  bool   // the grace is over
	failed error  // of src
}

func newReader(ctx context.Context, src capture.Source, cfg Config, loads int) *reader {
	r := &reader{ctx: ctx, src: src, grace: cfg.Grace, done: make(chan struct{})}
	r.stop = sync.OnceFunc(func() { close(r.done) })
	if cfg.Steady {
		return r
	}
	if cfg.Ticks {
		r.ticker = time.NewTicker(tick)
	}
	r.free, r.filled = make(chan *Load, loads), make(chan *Load, loads)
	for range loads {
		r.free <- new(Load)
	}
	go r.ahead()
	return r
}

func (r *reader) ahead() {
	defer close(r.filled)
	for {
		select {
		case <-r.done: // above all
			return
		default:
		}
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
	r.stop()
	if r.ticker != nil {
		r.ticker.Stop()
	}
}

// tick is how often a silent source ticks, and liveDelay how long a packet takes
// from the network to a worker that has nothing else to do.
const tick, liveDelay = 250 * time.Millisecond, 500 * time.Millisecond

// next waits for the next load, and returns nil where there will be none. A
// steady source is read into a load of spare, which its worker's processor knows.
func (r *reader) next(spare *shelf) *Load {
	if r.ctx.Err() != nil && r.grace == 0 {
		return nil
	}
	if r.filled == nil {
		return r.read(spare)
	}
	var ticks <-chan time.Time
	if r.ticker != nil {
		ticks = r.ticker.C
	}
	for !r.ended {
		cancelled := r.ctx.Done()
		if r.over != nil {
			cancelled = nil // and that was seen
		}
		select {
		case <-cancelled:
			if r.grace == 0 {
				return nil
			}
			r.over = time.After(r.grace)
		case <-r.over:
			r.ended = true
			r.stop()
		case l := <-r.filled:
			return l // nil when filled is closed
		case now := <-ticks:
			// What has been read already comes first.
			if len(r.filled) == 0 {
				return &Load{Tick: now.Add(-liveDelay)}
			}
		}
	}
	select { // what has been read is not thrown away
	case l := <-r.filled:
		return l
	default:
		return nil
	}
}

func (r *reader) read(spare *shelf) *Load {
	if r.failed != nil {
		return nil
	}
	l := spare.take()
	if l == nil {
		l = &Load{owner: spare}
	}
	if r.failed = r.src.Read(&l.batch); r.failed != nil {
		return nil
	}
	return l
}

// release gives a load back.
func (r *reader) release(l *Load) {
	switch {
	case l.last || !l.Tick.IsZero():
	case l.owner != nil:
		l.owner.put(l)
	default:
		r.free <- l
	}
}

// A shelf has the loads of a worker that are not under way, the one used last
// first.
type shelf struct {
	mu    sync.Mutex
	loads []*Load
}

func (s *shelf) put(l *Load) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loads = append(s.loads, l)
}

func (s *shelf) take() (l *Load) {
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
