package speedy

import (
	"context"
	"encoding/binary"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/cpu"

	"ratadns/capture"
	"ratadns/packet"
)

// A Handler takes the messages of a source, load by load.
type Handler interface {
	// Order looks at a load that comes next in the capture.
	Order(l *Load)
	// Work does one share of a load: what is most of the work, side by side with
	// others. Each has the loads in the order of the capture.
	Work(l *Load, share int)
	// Flush is for a load that has been worked, and comes next in the capture.
	// After its first error the source is left.
	Flush(l *Load) error
}

// Config says what an engine reads and how.
type Config struct {
	Ports   []uint16
	Streams packet.Config
	// Grace is how long reading goes on after the context is done, for a pipe
	// whose writer got the same Ctrl-C and still flushes, or a live source that
	// comes to its end.
	Grace time.Duration
	// Steady says that the source never waits for packets ([capture.Steady]), so
	// that to read ahead wins nothing: each worker reads what it works, and the
	// packets stay in its processor's cache.
	Steady  bool
	Workers int // 0 is one
	// ByFlow divides each load into as many shares as there are workers, and
	// messages among them by their flows; see [Owner]. Otherwise a load has one
	// share, which is that of the worker that has taken it.
	ByFlow bool
	// Ahead is how many loads may be under way for each worker, so that the others
	// go on while one takes long to flush; 0 is two.
	Ahead int
	// Full reports whether the handler holds so much of loads that are not flushed
	// that no other should be ordered; nil is never. Flush ends it.
	Full func() bool
	// Losses says that the handler wants to know of them.
	Losses bool
	// Before, where it is set, is called before a load is ordered.
	Before func(l *Load)
	// Watches reports whether the handler looks at all packets, and may change its
	// mind in Before; nil is never.
	Watches func() bool
	// Ticks says that a live source that is silent gives loads without packets,
	// some times a second, to tell the time.
	Ticks bool
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

// An Engine takes packets apart with several workers. Each load of packets goes
// through five stages:
//
//	read, parse, order, work, flush
//
// Loads are parsed and worked side by side. The other stages have one load at a
// time, in the order of the capture: order is where fragments and TCP segments
// are put together, which is little for most packets. A worker looks for the
// stage that is nearest to the end, so that few loads are under way, and what it
// works on is mostly still in its processor's cache.
type Engine struct {
	cfg     Config
	handler Handler
	src     *reader
	parser  *packet.Parser  // of the fragments
	streams *packet.Streams // of all flows
	joined  *Load           // what is found goes there
	workers []*worker
	most    int // loads under way
	_       cpu.CacheLinePad

	mu                          sync.Mutex
	changes                     atomic.Uint64 // of what follows
	changed                     sync.Cond     // and word of one
	loads                       []*Load       // under way, in the order of the capture
	flushed                     int           // loads before those
	reading, ordering, flushing bool
	left                        bool   // the source, after an error of the handler
	ended                       bool   // nothing more is read
	place                       uint64 // of the next packet
	shares                      []share
	err                         error // the first of handler
}

// A share is where one share of all loads stands. Whoever is free works it; a
// worker prefers its own.
type share struct {
	next int // load, of all
	busy bool
}

// A worker parses packets.
type worker struct {
	index  int
	parser *packet.Parser
	spare  shelf
	_      cpu.CacheLinePad
}

// NewEngine returns an engine.
func NewEngine(cfg Config, h Handler) *Engine {
	n := max(cfg.Workers, 1)
	e := &Engine{cfg: cfg, handler: h, parser: packet.NewParser(cfg.Ports...), most: max(cfg.Ahead, 2)*n + 1}
	if n == 1 {
		e.most = 1
	}
	e.changed.L = &e.mu
	e.streams = packet.NewStreams(cfg.Streams, func(m *packet.Segment) { e.joined.find(m) })
	if cfg.Losses {
		e.streams.Lost = func(n uint64, source, dest netip.Addr, place uint64) { e.joined.lose(n, source, dest, place) }
	}
	for i := range n {
		e.workers = append(e.workers, &worker{index: i, parser: e.parser.Fork()})
	}
	if cfg.ByFlow {
		e.shares = make([]share, n)
	}
	return e
}

// Run reads src to its end, or until ctx is done, or the handler fails. The error
// is that of src or the handler; the end of the capture and of ctx are none.
func (e *Engine) Run(ctx context.Context, src capture.Source) error {
	e.src = newReader(ctx, src, e.cfg, e.most+2)
	defer e.src.close()
	var wg sync.WaitGroup
	for _, w := range e.workers[1:] {
		wg.Go(func() { e.run(w) })
	}
	e.run(e.workers[0])
	wg.Wait()
	if e.err != nil {
		return e.err
	}
	return e.src.err()
}

// Stats adds up the counters, when Run has returned.
func (e *Engine) Stats() Stats {
	s := Stats{Stats: e.parser.Stats, Streams: e.streams.Stats}
	for _, w := range e.workers {
		s.Stats.Add(w.parser.Stats)
	}
	return s
}

// run works until the source has ended and all is flushed.
func (e *Engine) run(w *worker) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for !e.ended || len(e.loads) > 0 {
		if e.flush() || e.work(w) || e.order() || e.read(w) {
			e.change()
		} else {
			e.wait()
		}
	}
}

// change says that something has changed.
func (e *Engine) change() {
	e.changes.Add(1)
	e.changed.Broadcast()
}

// spins take some 50 µs.
const spins = 500

// wait waits for a change: at first awake, since most come sooner than a
// goroutine sleeps and is woken.
func (e *Engine) wait() {
	before := e.changes.Load()
	e.mu.Unlock()
	for range spins {
		if e.changes.Load() != before {
			break
		}
		runtime.Gosched()
	}
	e.mu.Lock()
	if e.changes.Load() == before {
		e.changed.Wait()
	}
}

// Each of the stages is called with mu held, which it gives up while it works. It
// reports whether it had anything to do.

// read reads a load, and parses it.
func (e *Engine) read(w *worker) bool {
	if e.reading || e.ended || len(e.loads) >= e.most {
		return false
	}
	e.reading = true
	left := e.left
	e.mu.Unlock()
	var l *Load
	if !left {
		l = e.src.next(&w.spare)
	}
	e.mu.Lock()
	e.reading = false
	if l == nil {
		e.ended = true
		l = &Load{last: true}
	}
	l.stage, l.place, l.shares = parsing, e.place, len(e.shares)
	l.watched = e.watches()
	e.place += uint64(len(l.batch.Packets))
	e.loads = append(e.loads, l)
	e.change() // another may read
	e.mu.Unlock()
	l.parse(w.parser)
	e.mu.Lock()
	l.stage = parsed
	return true
}

func (e *Engine) watches() bool { return e.cfg.Watches != nil && e.cfg.Watches() }

func (e *Engine) order() bool {
	l := e.first(parsed)
	if l == nil || e.ordering || e.cfg.Full != nil && e.cfg.Full() {
		return false
	}
	e.ordering = true
	e.mu.Unlock()
	if e.cfg.Before != nil {
		e.cfg.Before(l)
	}
	if !l.watched && e.watches() {
		l.watched = true
		l.parse(e.parser.Fork()) // once more, and it is not counted
	}
	e.join(l)
	e.handler.Order(l)
	e.mu.Lock()
	e.ordering = false
	l.stage = ordered
	return true
}

func (e *Engine) work(w *worker) bool {
	for i := range e.shares {
		index := (w.index + i) % len(e.shares)
		s := &e.shares[index]
		at := s.next - e.flushed
		if s.busy || at >= len(e.loads) || e.loads[at].stage != ordered {
			continue
		}
		l := e.loads[at]
		s.busy = true
		e.mu.Unlock()
		e.handler.Work(l, index)
		e.mu.Lock()
		s.busy = false
		s.next++
		if l.shares--; l.shares == 0 {
			l.stage = worked
		}
		return true
	}
	if e.cfg.ByFlow {
		return false
	}
	l := e.first(ordered)
	if l == nil {
		return false
	}
	l.stage = working
	e.mu.Unlock()
	e.handler.Work(l, w.index)
	e.mu.Lock()
	l.stage = worked
	return true
}

// flush flushes the first load, where it has been worked.
func (e *Engine) flush() bool {
	if len(e.loads) == 0 || e.loads[0].stage != worked || e.flushing {
		return false
	}
	l := e.loads[0]
	e.flushNow(l)
	e.loads = slices.Delete(e.loads, 0, 1)
	e.flushed++
	e.src.release(l)
	return true
}

func (e *Engine) flushNow(l *Load) {
	e.flushing = true
	e.mu.Unlock()
	err := e.handler.Flush(l)
	e.mu.Lock()
	e.flushing = false
	if err != nil && e.err == nil {
		e.err, e.left = err, true
	}
}

// flushPart flushes what has been made of a load by Work, which calls it before
// it has ended: once all loads before are flushed.
func (e *Engine) flushPart(l *Load) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for e.loads[0] != l {
		if e.flush() {
			e.change()
		} else {
			e.wait()
		}
	}
	e.flushNow(l)
}

// first is the first load in that stage that all before have passed, or nil.
func (e *Engine) first(s stage) *Load {
	for _, l := range e.loads {
		if l.stage <= s {
			if l.stage == s {
				return l
			}
			break
		}
	}
	return nil
}

// Owner is which of n workers has the flow of s, both directions of it.
func Owner(s *packet.Segment, n int) int {
	if n == 1 {
		return 0
	}
	h := endHash(s.Source, s.SourcePort) + endHash(s.Dest, s.DestPort)
	return int(uint32(h>>32) % uint32(n))
}

func endHash(a netip.Addr, port uint16) uint64 {
	b := a.As16()
	h := binary.LittleEndian.Uint64(b[:]) ^ binary.LittleEndian.Uint64(b[8:])*0xff51afd7ed558ccd
	return (h ^ uint64(port)<<17) * 0x9e3779b97f4a7c15
}
