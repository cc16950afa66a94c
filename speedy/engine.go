package speedy

import (
	"context"
	"encoding/binary"
	"io"
	"iter"
	"net/netip"
	"sync"
	"time"

	"ratadns/capture"
	"ratadns/packet"
)

// A Handler takes the DNS messages of one worker's flows in the order of the
// capture, as they were on the wire.
type Handler interface {
	// Payload takes a message. p and its segment are the engine's again when
	// Payload returns, or where there are several handlers when the batch has
	// been flushed; the octets of the message always stay until then.
	Payload(p *packet.Payload)
	// Lost is told of a packet or message that is known to be missing, with
	// the place of the packet that made it known.
	Lost(source, dest netip.Addr, place uint64)
}

// A Pauser is a Handler that does not take more than it can hold: where it is
// full, its worker waits for flushes, as many as it takes, before it goes on.
type Pauser interface {
	Full() bool
}

// Config says what the engine reads and how.
type Config struct {
	Ports   []uint16
	Streams packet.Config
	// Grace is how long reading goes on after the context is done, for a pipe
	// whose writer got the same Ctrl-C and still flushes.
	Grace time.Duration
	// Tick, where it is set, is called some times a second while no handler is
	// running, with the time up to which a live source has nothing more.
	Tick func(now time.Time)
}

// DefaultConfig reads port 53.
func DefaultConfig() Config {
	return Config{Ports: []uint16{53}, Streams: packet.DefaultConfig()}
}

// Stats tell what became of every packet: Received is the sum of NotIP,
// NotDNSPort, Joined, Fragments and Streams.Segments, which Streams divides
// further.
type Stats struct {
	packet.Stats
	Streams   packet.StreamStats
	Malformed uint64 // messages, which those who decode them count
}

// An Engine takes packets apart with several workers. Each owns the flows that
// hash to it.
type Engine struct {
	cfg     Config
	parser  *packet.Parser
	parsed  packet.Stats // of the loads that have been worked
	workers []*worker
}

type worker struct {
	streams *packet.Streams
	pauser  Pauser           // or nil
	todo    []packet.Segment // of the load
}

// NewEngine returns an engine with a worker for each handler.
func NewEngine(cfg Config, handlers ...Handler) *Engine {
	e := &Engine{cfg: cfg, parser: packet.NewParser(cfg.Ports...)}
	for _, h := range handlers {
		w := &worker{streams: packet.NewStreams(cfg.Streams.Share(len(handlers)), h.Payload)}
		w.streams.Lost = h.Lost
		w.pauser, _ = h.(Pauser)
		e.workers = append(e.workers, w)
	}
	return e
}

// A load is a batch of packets divided among the workers.
type load struct {
	batch    capture.Batch
	segment  packet.Segment     // the one being parsed
	next     int                // of batch, for the only worker
	segments [][]packet.Segment // by worker
	parsed   packet.Stats       // up to this load
}

// Run reads src to its end, or until ctx is done. After each batch, and once at
// the end, it calls flush, while no handler is running. The error is that of
// src or flush; the end of the capture and of ctx are none.
func (e *Engine) Run(ctx context.Context, src capture.Source, flush func() error) error {
	// Reading, dividing and working go on side by side, three loads in turn.
	const depth = 3
	free, filled, divided := make(chan *load, depth), make(chan *load, depth), make(chan *load, depth)
	for range depth {
		free <- &load{segments: make([][]packet.Segment, len(e.workers))}
	}
	done := make(chan struct{})
	defer close(done)
	var readErr error
	go func() {
		defer close(filled)
		for {
			select {
			case l := <-free:
				if readErr = src.Read(&l.batch); readErr != nil {
					return
				}
				select {
				case filled <- l:
				case <-done:
					return
				}
			case <-done:
				return
			}
		}
	}()
	go e.divide(ctx, filled, divided, done)
	for l := range e.ticking(divided) {
		l.next = 0
		for i, w := range e.workers {
			w.todo = l.segments[i]
		}
		var err error
		for full := true; full; {
			full = e.work(l)
			if ferr := flush(); err == nil { // what follows an error is only counted
				err = ferr
			}
		}
		for _, w := range e.workers {
			w.streams.Release()
		}
		if err != nil {
			e.closeStreams()
			return err
		}
		free <- l
	}
	e.close()
	if err := flush(); err != nil {
		return err
	}
	if ctx.Err() != nil || readErr == io.EOF {
		return nil
	}
	return readErr
}

// tick is how often Tick is called, and liveDelay how long a packet takes from
// the network to a worker that has nothing else to do.
const tick, liveDelay = 250 * time.Millisecond, 500 * time.Millisecond

// ticking passes the loads on, and calls Tick when none has come for a while.
func (e *Engine) ticking(divided <-chan *load) iter.Seq[*load] {
	return func(yield func(*load) bool) {
		var ticks <-chan time.Time
		if e.cfg.Tick != nil {
			t := time.NewTicker(tick)
			defer t.Stop()
			ticks = t.C
		}
		for {
			select {
			case l, ok := <-divided:
				if !ok || !yield(l) {
					return
				}
			case now := <-ticks:
				// What has been read already comes first.
				if len(divided) == 0 {
					e.cfg.Tick(now.Add(-liveDelay))
				}
			}
		}
	}
}

// close gives up what is not complete at the end.
func (e *Engine) close() {
	e.parser.Close()
	e.parsed = e.parser.Stats
	for _, lost := range e.parser.TakeLost() {
		e.workers[0].streams.Add(&lost)
	}
	e.closeStreams()
}

func (e *Engine) closeStreams() {
	for _, w := range e.workers {
		w.streams.Close()
	}
}

// divide parses packets and gives each flow to its worker. It closes divided
// at the end of the capture, and when ctx is done and the grace is over.
func (e *Engine) divide(ctx context.Context, filled <-chan *load, divided chan<- *load, done <-chan struct{}) {
	defer close(divided)
	cancelled := ctx.Done()
	var over <-chan time.Time
	for {
		select {
		case <-cancelled:
			if e.cfg.Grace == 0 {
				return
			}
			over, cancelled = time.After(e.cfg.Grace), nil
		case <-over:
			return
		case <-done:
			return
		case l, ok := <-filled:
			if !ok {
				return
			}
			if len(e.workers) > 1 {
				e.parse(l)
			}
			select {
			case divided <- l:
			case <-done:
				return
			}
		}
	}
}

// alone parses packets and lets the only worker take them at once, without
// dividing.
func (e *Engine) alone(l *load) {
	w, s := e.workers[0], &l.segment
	streams := w.streams
	for l.next < len(l.batch.Packets) && !w.full() {
		door := e.parser.Parse(&l.batch.Packets[l.next], s)
		l.next++
		if e.parser.Pending() {
			if sweep, ok := e.parser.TakeSweep(); ok {
				streams.Add(&sweep)
			}
			for _, lost := range e.parser.TakeLost() {
				streams.Add(&lost)
			}
		}
		if door == packet.DNS {
			streams.Add(s)
		}
	}
	e.parsed = e.parser.Snapshot()
}

// parse parses packets and divides them.
func (e *Engine) parse(l *load) {
	l.reset()
	s := &l.segment
	for i := range l.batch.Packets {
		door := e.parser.Parse(&l.batch.Packets[i], s)
		if e.parser.Pending() {
			if sweep, ok := e.parser.TakeSweep(); ok {
				for w := range l.segments {
					l.segments[w] = append(l.segments[w], sweep)
				}
			}
			for _, lost := range e.parser.TakeLost() {
				l.add(&lost)
			}
		}
		if door == packet.DNS {
			l.add(s)
		}
	}
	l.parsed = e.parser.Snapshot()
}

func (l *load) reset() {
	for i := range l.segments {
		l.segments[i] = l.segments[i][:0]
	}
}

// add gives a segment to the worker of its flow.
func (l *load) add(s *packet.Segment) {
	w := uint32(0)
	if n := uint32(len(l.segments)); n > 1 {
		w = flowHash(s) % n
	}
	l.segments[w] = append(l.segments[w], *s)
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

// work lets each worker take its segments. It reports whether a worker is full.
func (e *Engine) work(l *load) (full bool) {
	if len(e.workers) == 1 {
		e.alone(l)
		return e.workers[0].full()
	}
	var wg sync.WaitGroup
	for _, w := range e.workers[1:] {
		if len(w.todo) > 0 {
			wg.Go(w.work)
		}
	}
	e.workers[0].work()
	wg.Wait()
	e.parsed = l.parsed
	for _, w := range e.workers {
		full = full || w.full()
	}
	return full
}

func (w *worker) full() bool { return w.pauser != nil && w.pauser.Full() }

func (w *worker) work() {
	for i := range w.todo {
		if w.full() {
			w.todo = w.todo[i:]
			return
		}
		w.streams.Add(&w.todo[i])
	}
	w.todo = nil
}

// Stats adds up the counters. It is for the end of Run, or for flush.
func (e *Engine) Stats() Stats {
	s := Stats{Stats: e.parsed}
	for _, w := range e.workers {
		s.Streams.Add(w.streams.Stats)
	}
	return s
}
