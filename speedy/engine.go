package speedy

import (
	"context"
	"iter"
	"net/netip"
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
	// What a handler writes for each message should share no line of the cache
	// with another's.
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

// A Watcher is told of every packet in the order of the capture, before the
// messages that it completes are flushed.
type Watcher interface {
	// Watches reports whether Packet is wanted. It is asked from time to time.
	Watches() bool
	// Packet tells of a packet; s has the time, the place and the interface, and
	// what was read of it up to the door.
	Packet(door packet.Door, s *packet.Segment)
}

// Config says what the engine reads and how.
type Config struct {
	Ports   []uint16
	Streams packet.Config
	// Grace is how long reading goes on after the context is done, for a pipe
	// whose writer got the same Ctrl-C and still flushes.
	Grace time.Duration
	// Steady says that the source never waits for packets ([capture.Steady]), so
	// that to read ahead wins nothing: each worker reads what it works, and the
	// packets stay in its processor's cache.
	Steady  bool
	Watcher Watcher // or nil
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

// An Engine takes packets apart with several workers, in rounds. In the first
// half of a round the workers take batches in turn and parse them side by side;
// what depends on the order of the capture, which is little, is then decided for
// all; in the second half each worker takes what belongs to its flows, and what
// has been handed out is flushed.
type Engine struct {
	cfg     Config
	parser  *packet.Parser // of the fragments, and of all packets of an only worker
	workers []*worker
	spread  bool // datagrams are not of a flow
	src     *reader
	counted packet.Stats // up to the last round
	round
}

// NewEngine returns an engine with a worker for each handler. Each gets all of
// the flows that hash to it.
func NewEngine(cfg Config, handlers ...Handler) *Engine {
	e := &Engine{cfg: cfg, parser: packet.NewParser(cfg.Ports...)}
	for _, h := range handlers {
		e.workers = append(e.workers, &worker{parser: e.parser.Fork(), flows: newLane(cfg.Streams.Share(len(handlers)), h)})
	}
	e.size = min(roundLoads*len(handlers), maxRound)
	return e
}

// NewSpreadEngine returns an engine with a worker for each of flows. Only TCP
// goes there by flow: a datagram goes to the handler in datagrams of the worker
// that parses it, which is less work where the order in a flow does not matter.
func NewSpreadEngine(cfg Config, flows, datagrams []Handler) *Engine {
	e := NewEngine(cfg, flows...)
	e.spread = true
	for i, h := range datagrams {
		e.workers[i].datagrams = newLane(cfg.Streams, h)
	}
	return e
}

func newLane(cfg packet.Config, h Handler) lane {
	l := lane{streams: packet.NewStreams(cfg, h.Payload)}
	l.streams.Lost = h.Lost
	l.pauser, _ = h.(Pauser)
	return l
}

// Run reads src to its end, or until ctx is done. After each round, and once at
// the end, it calls flush, while no handler is running. The error is that of
// src or flush; the end of the capture and of ctx are none.
func (e *Engine) Run(ctx context.Context, src capture.Source, flush func() error) error {
	e.src = newReader(ctx, src, e.cfg, e.size+2, len(e.workers))
	defer e.src.close()
	for e.src.wait() {
		var err error
		for more := true; more; {
			if len(e.workers) == 1 {
				more = e.alone()
			} else {
				more = e.work()
			}
			if ferr := flush(); err == nil { // what follows an error is only counted
				err = ferr
			}
		}
		for l := range e.lanes() {
			l.streams.Release()
		}
		e.src.release(e.loads)
		e.reset()
		if err != nil {
			e.closeStreams()
			return err
		}
	}
	e.close()
	if err := flush(); err != nil {
		return err
	}
	return e.src.err()
}

// lanes are those of all workers.
func (e *Engine) lanes() iter.Seq[*lane] {
	return func(yield func(*lane) bool) {
		for _, w := range e.workers {
			if !yield(&w.flows) || e.spread && !yield(&w.datagrams) {
				return
			}
		}
	}
}

// alone parses a load and lets the only worker take its segments at once. It
// reports whether there is more because the worker is full.
func (e *Engine) alone() (more bool) {
	w := e.workers[0]
	if len(e.loads) == 0 {
		l := e.src.next(w)
		if l == nil {
			return false
		}
		l.reset()
		e.loads = append(e.loads, l)
	}
	l, flows := e.loads[0], &w.flows
	s, streams := &l.segment, flows.streams
	watched := e.watched()
	for l.parsed < len(l.batch.Packets) && !flows.full() {
		door := e.parser.Parse(&l.batch.Packets[l.parsed], s)
		l.parsed++
		if watched {
			e.cfg.Watcher.Packet(door, s)
		}
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
	e.counted = e.parser.Snapshot()
	return flows.full()
}

// watched reports whether the watcher is to be told of packets.
func (e *Engine) watched() bool { return e.cfg.Watcher != nil && e.cfg.Watcher.Watches() }

// close gives up what is not complete at the end.
func (e *Engine) close() {
	e.parser.Close()
	e.count(e.parser.Stats)
	e.closeStreams()
	for _, lost := range e.parser.TakeLost() { // at the last place, so behind what the streams still had
		e.workers[0].flows.streams.Add(&lost)
	}
}

func (e *Engine) closeStreams() {
	for l := range e.lanes() {
		l.streams.Close()
	}
}

// count adds up what all parsers have counted, the common one that.
func (e *Engine) count(common packet.Stats) {
	e.counted = common
	for _, w := range e.workers {
		e.counted.Add(w.parser.Stats)
	}
}

// Stats adds up the counters. It is for the end of Run, or for flush.
func (e *Engine) Stats() Stats {
	s := Stats{Stats: e.counted}
	for l := range e.lanes() {
		s.Streams.Add(l.streams.Stats)
	}
	return s
}
