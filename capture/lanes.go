package capture

import (
	"math"
	"sync/atomic"
	"time"
)

// A lane carries the packets of one ring, in their order, to where lanes are
// merged.
type lane struct {
	full, free chan *Batch
	// quiet is a time of capture: what was captured before has been put into
	// full. Without it a silent lane would hold up the others for ever.
	quiet atomic.Int64
	news  chan<- struct{} // told of each batch and of quiet; nil when nobody merges
}

// laneDepth is how many batches a lane has: one is filled and one read, and the
// others carry it over the pauses of the reader.
const laneDepth = 4

// newLane makes a lane with its batches.
func newLane(news chan<- struct{}) *lane {
	l := &lane{full: make(chan *Batch, laneDepth), free: make(chan *Batch, laneDepth), news: news}
	for range laneDepth {
		l.free <- new(Batch)
	}
	l.quiet.Store(math.MinInt64)
	return l
}

// put hands a batch on.
func (l *lane) put(b *Batch) {
	l.full <- b
	l.tell()
}

// promise says that everything captured before t has been put.
func (l *lane) promise(t int64) {
	l.quiet.Store(t)
	l.tell()
}

// done says that there is nothing to come.
func (l *lane) done() { l.promise(math.MaxInt64) }

func (l *lane) tell() {
	select {
	case l.news <- struct{}{}:
	default: // it has been told and has not looked yet
	}
}

// A head is the batch of a lane that is being merged, or none.
type head struct {
	*lane
	batch *Batch
	i     int
}

func (h *head) time() int64 { return h.batch.Packets[h.i].Time }

// look takes the lane's next batch. Without one it returns up to when the lane
// is empty for sure.
func (h *head) look() int64 {
	// In this order: what was put before the promise is in full now.
	quiet := h.quiet.Load()
	select {
	case h.batch = <-h.full:
		h.i = 0
		return math.MaxInt64
	default:
		return quiet
	}
}

// laneStall is the longest that a packet waits for lanes that promise nothing:
// somebody has set the clock back.
const laneStall = time.Second

// mergeLanes moves what comes in the lanes from free to full batches, by time
// of capture, until all are done.
func mergeLanes(lanes []*lane, news <-chan struct{}, free <-chan *Batch, full chan<- *Batch) {
	heads := make([]head, len(lanes))
	for i, l := range lanes {
		heads[i].lane = l
	}
	out := <-free
	out.Reset()
	var stuck time.Time // since when packets have been waiting for promises
	for {
		limit, waiting, live := int64(math.MaxInt64), false, false
		for i := range heads {
			h := &heads[i]
			if h.batch == nil {
				quiet := h.look()
				limit = min(limit, quiet)
				live = live || h.batch == nil && quiet != math.MaxInt64
			}
			waiting = waiting || h.batch != nil
		}
		if !waiting && !live {
			break
		}
		h, bound := earliest(heads, limit)
		if h == nil && waiting {
			if stuck.IsZero() {
				stuck = time.Now()
			} else if time.Since(stuck) > laneStall {
				h, bound = earliest(heads, math.MaxInt64)
			}
		}
		if h != nil {
			out = h.move(bound, out, free, full)
			stuck = time.Time{}
			continue
		}
		if len(out.Packets) > 0 {
			full <- out
			out = <-free
			out.Reset()
		}
		<-news
	}
	if len(out.Packets) > 0 {
		full <- out
	}
}

// earliest returns the head with the first packet, if that is not after limit,
// and up to when its packets are the first ones.
func earliest(heads []head, limit int64) (first *head, bound int64) {
	bound = limit
	for i := range heads {
		h := &heads[i]
		switch {
		case h.batch == nil:
		case first == nil:
			first = h
		case h.time() < first.time():
			bound = min(bound, first.time())
			first = h
		default:
			bound = min(bound, h.time())
		}
	}
	if first != nil && first.time() > limit {
		return nil, 0
	}
	return first, bound
}

// move moves packets up to bound, at least one, and returns the batch to go on
// with. A batch that is wholly before those of the other lanes is not copied.
func (h *head) move(bound int64, out *Batch, free <-chan *Batch, full chan<- *Batch) *Batch {
	packets := h.batch.Packets
	if h.i == 0 && len(out.Packets) == 0 && packets[len(packets)-1].Time <= bound {
		*out, *h.batch = *h.batch, *out
		h.free <- h.batch
		h.batch = nil
		full <- out
		out = <-free
		out.Reset()
		return out
	}
	for {
		out.Append(&packets[h.i])
		if h.i++; h.i == len(packets) {
			h.free <- h.batch
			h.batch = nil
			break
		}
		if out.full() {
			break
		}
		if h.time() > bound {
			return out
		}
	}
	if out.full() {
		full <- out
		out = <-free
		out.Reset()
	}
	return out
}
