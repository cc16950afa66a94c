package speedy

import (
	"context"
	"io"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/cpu"

	"ratadns/capture"
	"ratadns/packet"
)

// A pipeline turns packets into JSON with several workers. Each load of packets
// goes through five stages:
//
//	read, parse, order, encode, write
//
// Loads are parsed and encoded side by side. The other stages have one load at a
// time, in the order of the capture: order is where fragments and TCP segments
// are put together, which is little work for a packet. A worker looks for the
// stage that is nearest to the end, so that few loads are under way and what it
// works on is mostly still in its processor's cache.
type pipeline struct {
	src     *reader
	w       io.Writer
	parser  *packet.Parser  // of the fragments
	streams *packet.Streams // of all flows
	found   *[]packet.Payload
	most    int // loads under way
	limit   int // octets of JSON of one that wait
	_       cpu.CacheLinePad

	mu                         sync.Mutex
	changes                    atomic.Uint64 // of what follows
	changed                    sync.Cond     // and word of one
	loads                      []*load       // under way, in the order of the capture
	reading, ordering, writing bool
	ended                      bool   // nothing more is read
	place                      uint64 // of the next packet
	err                        error  // the first of w
}

// newPipeline returns a pipeline for n workers.
func newPipeline(ctx context.Context, src capture.Source, w io.Writer, cfg Config, n int) *pipeline {
	p := &pipeline{w: w, parser: packet.NewParser(cfg.Ports...), most: 2*n + 1}
	p.limit = max(maxOutput/p.most, minOutput)
	p.changed.L = &p.mu
	p.src = newReader(ctx, src, cfg, p.most+2, 0)
	p.streams = packet.NewStreams(cfg.Streams, func(m *packet.Payload) { *p.found = append(*p.found, *m) })
	return p
}

// A stage says what is done to a load, or has been done.
type stage uint8

const (
	parsing stage = iota
	parsed
	ordered
	encoding
	encoded
)

// An encodingWorker is one of a pipeline's.
type encodingWorker struct {
	parser *packet.Parser
	dec    *Decoder
	enc    *Encoder
	spare  shelf
	_      cpu.CacheLinePad
}

// run works until the source has ended and all is written.
func (p *pipeline) run(w *encodingWorker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for !p.ended || len(p.loads) > 0 {
		if p.write() || p.encode(w) || p.order() || p.read(w) {
			p.change()
		} else {
			p.wait()
		}
	}
}

// change says that something has changed.
func (p *pipeline) change() {
	p.changes.Add(1)
	p.changed.Broadcast()
}

// wait waits for a change: at first awake, since most come sooner than a
// goroutine sleeps and is woken.
func (p *pipeline) wait() {
	before := p.changes.Load()
	p.mu.Unlock()
	for range spins {
		if p.changes.Load() != before {
			break
		}
		runtime.Gosched()
	}
	p.mu.Lock()
	if p.changes.Load() == before {
		p.changed.Wait()
	}
}

// spins take some 50 µs.
const spins = 500

// Each of the stages is called with mu held, which it gives up while it works. It
// reports whether it had anything to do.

func (p *pipeline) read(w *encodingWorker) bool {
	if p.reading || p.ended || len(p.loads) == p.most {
		return false
	}
	p.reading = true
	p.mu.Unlock()
	var l *load
	if p.src.wait() {
		l = p.src.next(&w.spare)
	}
	p.mu.Lock()
	p.reading = false
	if l == nil {
		p.ended = true
		return true
	}
	l.stage, l.place = parsing, p.place
	p.place += uint64(len(l.batch.Packets))
	p.loads = append(p.loads, l)
	p.change() // another may read
	p.mu.Unlock()
	l.parse(w.parser)
	p.mu.Lock()
	l.stage = parsed
	return true
}

func (p *pipeline) order() bool {
	l := p.first(parsed)
	if l == nil || p.ordering {
		return false
	}
	p.ordering = true
	p.mu.Unlock()
	p.join(l)
	p.mu.Lock()
	p.ordering = false
	l.stage = ordered
	return true
}

func (p *pipeline) encode(w *encodingWorker) bool {
	l := p.first(ordered)
	if l == nil {
		return false
	}
	l.stage = encoding
	p.mu.Unlock()
	l.json = l.json[:0]
	for i := range l.found {
		l.json = w.enc.AppendFramed(l.json, w.dec.Decode(&l.found[i]))
		if len(l.json) >= p.limit {
			p.mu.Lock()
			p.writePart(l)
			p.mu.Unlock()
		}
	}
	p.mu.Lock()
	l.stage = encoded
	return true
}

// write writes what is encoded of the first load.
func (p *pipeline) write() bool {
	if len(p.loads) == 0 || p.loads[0].stage != encoded || p.writing {
		return false
	}
	l := p.loads[0]
	p.writeJSON(l)
	p.loads = slices.Delete(p.loads, 0, 1)
	p.src.release(l)
	return true
}

// writePart writes what a load has already, when all before it is written.
func (p *pipeline) writePart(l *load) {
	for p.loads[0] != l {
		if p.write() {
			p.change()
		} else {
			p.wait()
		}
	}
	p.writeJSON(l)
	l.json = l.json[:0]
}

// writeJSON writes. After an error the source is left, and what has been read of
// it is only counted.
func (p *pipeline) writeJSON(l *load) {
	if len(l.json) == 0 || p.err != nil {
		return
	}
	p.writing = true
	p.mu.Unlock()
	_, err := p.w.Write(l.json)
	p.mu.Lock()
	p.writing = false
	if p.err = err; err != nil {
		p.ended = true
	}
}

// first is the first load in that stage that all before have passed, or nil.
func (p *pipeline) first(s stage) *load {
	for _, l := range p.loads {
		if l.stage <= s {
			if l.stage == s {
				return l
			}
			break
		}
	}
	return nil
}

// parse reads the headers of all packets.
func (l *load) parse(parser *packet.Parser) {
	packets := l.batch.Packets
	list := slices.Grow(l.list[:0], len(packets)+1)[:len(packets)+1]
	l.fragments = l.fragments[:0]
	n := 0
	for i := range packets {
		switch parser.ParseAt(&packets[i], l.place+uint64(i), &list[n]) {
		case packet.DNS:
			n++
		case packet.Fragment:
			l.fragments = append(l.fragments, i)
		}
	}
	l.list = list[:n]
}

// join does what needs the order of the capture: it tells the time, and puts
// fragments and segments together. It finds the messages.
func (p *pipeline) join(l *load) {
	packets, fragments, segments := l.batch.Packets, l.fragments, l.list
	l.made = slices.Grow(l.made[:0], len(fragments)) // what is found points there
	l.found = l.found[:0]
	p.found = &l.found
	p.streams.Exchange(l.arena)
	for i := range packets {
		place := l.place + uint64(i)
		p.parser.Pass(packets[i].Time)
		var s *packet.Segment
		switch {
		case len(segments) > 0 && segments[0].Place == place:
			s, segments = &segments[0], segments[1:]
		case len(fragments) > 0 && fragments[0] == i:
			fragments = fragments[1:]
			l.made = append(l.made, packet.Segment{})
			whole := &l.made[len(l.made)-1]
			if p.parser.ParseAt(&packets[i], place, whole) == packet.DNS {
				s = whole
			}
		}
		if p.parser.Pending() {
			p.tell()
		}
		if s != nil {
			p.streams.Add(s)
		}
	}
	l.arena = p.streams.Exchange(nil)
}

// tell tells the streams of the time and of fragments that are lost.
func (p *pipeline) tell() {
	if sweep, ok := p.parser.TakeSweep(); ok {
		p.streams.Add(&sweep)
	}
	for _, lost := range p.parser.TakeLost() {
		p.streams.Add(&lost)
	}
}

// close gives up what is not complete at the end, and counts.
func (p *pipeline) close() Stats {
	p.parser.Close()
	p.tell()
	p.streams.Close()
	return Stats{Stats: p.parser.Stats, Streams: p.streams.Stats}
}
