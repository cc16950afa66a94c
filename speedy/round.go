package speedy

import (
	"encoding/binary"
	"net/netip"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sys/cpu"

	"ratadns/capture"
	"ratadns/packet"
)

// A round is some loads that the workers share. What they hold should stay in
// the processor's caches until it is flushed, and a round should be so long
// that waiting for the others at its end does not count.
type round struct {
	size  int // how many loads it may have
	_     cpu.CacheLinePad
	mu    sync.Mutex // of the two that follow, in the first half
	loads []*load    // in the order of the capture
	whole bool       // it has all its loads
	place uint64     // of the next packet that is read
	_     cpu.CacheLinePad
}

const roundLoads, maxRound = 8, 64 // loads of a worker, and of all

// reset begins a new round.
func (r *round) reset() { r.loads, r.whole = r.loads[:0], false }

// divided are the segments of a load for one worker, of which so many have been
// given to it.
type divided struct {
	list  []packet.Segment
	given int
}

// seen is a packet for the watcher.
type seen struct {
	door    packet.Door
	segment packet.Segment
}

// A load is a batch of packets. The worker that took it parses it.
type load struct {
	owner     *shelf // of the worker whose memory it is, or nil
	batch     capture.Batch
	place     uint64         // of the first packet
	segment   packet.Segment // the one being parsed
	segments  []divided      // by worker
	fragments []int          // which packets are
	joined    int            // how many of those have been put together
	watched   bool
	seen      []seen // of each packet, where they are watched
	// Segments that the order of the capture makes, for some worker.
	made []packet.Segment
	// Of a pipeline.
	stage stage
	list  []packet.Segment // of DNS ports
	found []packet.Payload
	arena []byte // of what is found
	json  []byte
	_     cpu.CacheLinePad
}

func (l *load) reset() {
	l.joined, l.fragments, l.made = 0, l.fragments[:0], l.made[:0]
	l.seen = l.seen[:0]
	for i := range l.segments {
		l.segments[i].list, l.segments[i].given = l.segments[i].list[:0], 0
	}
}

// A worker parses packets and has the state of its flows.
type worker struct {
	parser *packet.Parser
	spare  shelf
	_      cpu.CacheLinePad
	flows  lane
}

// A lane hands out the messages of its segments in their order.
type lane struct {
	streams *packet.Streams
	todo    [][]packet.Segment // of the round
}

// work goes through a round.
func (e *Engine) work() {
	var wg sync.WaitGroup
	for _, w := range e.workers[1:] {
		wg.Go(func() { e.parseLoads(w) })
	}
	e.parseLoads(e.workers[0])
	wg.Wait()
	for _, l := range e.loads {
		e.divide(l)
	}
	e.finish()
	e.count(e.parser.Snapshot())
}

// parseLoads is a worker's first half of a round.
func (e *Engine) parseLoads(w *worker) {
	for l := e.take(w); l != nil; l = e.take(w) {
		e.parseLoad(w, l)
	}
}

// take reads the next load of the round, or returns nil where it has them all.
func (e *Engine) take(w *worker) *load {
	e.lock()
	defer e.mu.Unlock()
	if e.whole {
		return nil
	}
	var l *load
	if len(e.loads) < e.size {
		l = e.src.next(&w.spare)
	}
	if l == nil {
		e.whole = true
		return nil
	}
	l.reset()
	l.place, l.watched = e.place, e.watched()
	e.place += uint64(len(l.batch.Packets))
	e.loads = append(e.loads, l)
	return l
}

// lock takes mu, which another worker holds for some 20 µs while it reads: to
// sleep and be woken would take longer.
func (e *Engine) lock() {
	for range 500 {
		if e.mu.TryLock() {
			return
		}
		runtime.Gosched()
	}
	e.mu.Lock()
}

// parseLoad parses packets and divides their segments among the workers.
func (e *Engine) parseLoad(w *worker, l *load) {
	s := &l.segment
	for i := range l.batch.Packets {
		door := w.parser.ParseAt(&l.batch.Packets[i], l.place+uint64(i), s)
		if l.watched {
			l.seen = append(l.seen, seen{door, *s})
		}
		switch door {
		case packet.DNS:
			d := &l.segments[flowHash(s)%uint32(len(l.segments))]
			d.list = append(d.list, *s)
		case packet.Fragment:
			l.fragments = append(l.fragments, i)
		}
	}
}

// divide does what needs the order of the capture: it tells the time, puts
// fragments together, and gives all segments to the lanes of their flows.
func (e *Engine) divide(l *load) {
	for i := range l.batch.Packets {
		e.parser.Pass(l.batch.Packets[i].Time)
		joins := packet.Fragment
		if l.joined < len(l.fragments) && l.fragments[l.joined] == i {
			l.joined++
			joins = e.parser.ParseAt(&l.batch.Packets[i], l.place+uint64(i), &l.segment)
			if l.watched {
				l.seen[i] = seen{joins, l.segment}
			}
		}
		if l.watched {
			e.cfg.Watcher.Packet(l.seen[i].door, &l.seen[i].segment)
		}
		if e.parser.Pending() {
			if sweep, ok := e.parser.TakeSweep(); ok {
				for i := range e.workers {
					e.insert(l, i, &sweep)
				}
			}
			for _, lost := range e.parser.TakeLost() {
				e.insert(l, e.owner(&lost), &lost)
			}
		}
		if joins == packet.DNS {
			e.insert(l, e.owner(&l.segment), &l.segment)
		}
	}
	for i, w := range e.workers {
		d := &l.segments[i]
		w.flows.give(d.list[d.given:])
		d.given = len(d.list)
	}
}

// owner is the worker of a segment's flow.
func (e *Engine) owner(s *packet.Segment) int { return int(flowHash(s) % uint32(len(e.workers))) }

// insert gives s to a worker, and before it what stands before it.
func (e *Engine) insert(l *load, worker int, s *packet.Segment) {
	d := &l.segments[worker]
	list := d.list[d.given:]
	n, _ := slices.BinarySearchFunc(list, s.Place, func(s packet.Segment, place uint64) int {
		if s.Place < place {
			return -1
		}
		return 1
	})
	l.made = append(l.made, *s)
	flows := &e.workers[worker].flows
	flows.give(list[:n])
	flows.give(l.made[len(l.made)-1:])
	d.given += n
}

// fewSegments are worked at once: to wake another worker takes as long.
const fewSegments = 64

// finish is the second half of a round: each worker takes what belongs to its
// flows.
func (e *Engine) finish() {
	n := 0
	for _, w := range e.workers {
		n += w.flows.count()
	}
	var wg sync.WaitGroup
	for i, w := range e.workers {
		if i == 0 || n < fewSegments {
			continue
		}
		wg.Go(w.flows.work)
	}
	for i, w := range e.workers {
		if i == 0 || n < fewSegments {
			w.flows.work()
		}
	}
	wg.Wait()
}

// give adds to what the lane has to do.
func (l *lane) give(s []packet.Segment) {
	if len(s) > 0 {
		l.todo = append(l.todo, s)
	}
}

// count is how many segments that is.
func (l *lane) count() (n int) {
	for _, s := range l.todo {
		n += len(s)
	}
	return n
}

// work hands out what there is.
func (l *lane) work() {
	for _, list := range l.todo {
		for i := range list {
			l.streams.Add(&list[i])
		}
	}
	l.todo = l.todo[:0]
}

// flowHash is the same for both directions of a flow.
func flowHash(s *packet.Segment) uint32 {
	h := endHash(s.Source, s.SourcePort) + endHash(s.Dest, s.DestPort)
	return uint32(h >> 32)
}

func endHash(a netip.Addr, port uint16) uint64 {
	b := a.As16()
	h := binary.LittleEndian.Uint64(b[:]) ^ binary.LittleEndian.Uint64(b[8:])*0xff51afd7ed558ccd
	return (h ^ uint64(port)<<17) * 0x9e3779b97f4a7c15
}
