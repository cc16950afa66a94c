package fievel

import (
	"math"
	"slices"

	"golang.org/x/sys/cpu"

	"ratadns/packet"
	"ratadns/reduce"
	"ratadns/speedy"
)

// A part is one worker's share of all windows. Fievel decides, in the order of
// the capture, to which windows messages belong, and the parts decode and reduce
// their own side by side, so that the reports do not depend on how many parts
// there are.
type part struct {
	f     *Fievel
	index int // of window.parts
	lots  []*lot
	next  int // lot that gives way to another server's

	malformed uint64 // messages
	_         cpu.CacheLinePad
}

// A lot is messages of one server and of the same windows which the part has yet
// to give to its reducers. Where a capture has several servers, their messages
// come by turns.
type lot struct {
	server  *server
	windows []*window
	batch   *reduce.Batch
}

// maxLots is how many servers have one.
const maxLots = 8

func (f *Fievel) newPart(index int, anon *speedy.Anonymizer) *part {
	batch := reduce.NewBatch(anon, func() *speedy.Decoder { return speedy.NewDecoder(f.cfg.Sides, false) })
	if f.facts != nil {
		batch.Facts = f.facts
	}
	return &part{f: f, index: index, lots: []*lot{{batch: batch}}}
}

// single is an event for what is given to the reducers alone.
func (p *part) single() *reduce.Event { return p.lots[0].batch.Single() }

// setFacts is for when no message is waiting.
func (p *part) setFacts(facts *reduce.Facts) { p.lots[0].batch.Facts = facts }

// An item is a message whose windows are to be decided.
type item struct {
	time int64
	part *part
	// One of these, decoded or not.
	msg     *speedy.Message
	segment *packet.Segment
}

// clone copies an item and all it aliases.
func (it *item) clone() *item {
	c := *it
	if it.msg != nil {
		m := *it.msg
		m.Wire = slices.Clone(m.Wire)
		m.Questions = slices.Clone(m.Questions)
		m.Records = slices.Clone(m.Records)
		c.msg = &m
		return &c
	}
	s := *it.segment
	s.Payload = slices.Clone(s.Payload)
	c.segment = &s
	return &c
}

// A batch is what has been decided of a load where there are several parts, and
// what they are to do.
type batch struct {
	facts  *reduce.Facts
	shares []batchShare // of the parts
	over   []*window
}

type batchShare struct {
	jobs []job
	into []*window // of all jobs
	_    cpu.CacheLinePad
}

// A job is a message for so many windows, or a window that is over.
type job struct {
	segment *packet.Segment
	server  *server
	windows int
	over    *window
}

// NewEngine returns an engine that gives f what cfg says.
func (f *Fievel) NewEngine(cfg speedy.Config) *speedy.Engine {
	cfg.Workers = len(f.parts)
	cfg.ByFlow, cfg.Ahead, cfg.Losses, cfg.Watches = true, ahead, true, f.Watches
	cfg.Full = func() bool { return f.ending.Load() >= maxEnding }
	return speedy.NewEngine(cfg, f)
}

// ahead is how many loads of some 300 packets there may be for each worker, while
// the reports of windows are made, which may take some 10 ms.
const ahead = 16

// maxEnding is in how many loads windows may have ended that are not reported.
// Where they are short for what comes, each load ends many, and each of those has
// all reducers.
const maxEnding = 2

// Order implements [speedy.Handler]: it decides.
func (f *Fievel) Order(l *speedy.Load) {
	b, ok := l.Data.(*batch)
	if !ok {
		b = f.newBatch()
		l.Data = b
	}
	f.begin(b)
	seen := l.Seen
	for _, s := range l.Found {
		seen = f.countUntil(seen, s.Place, f.nextTime(s))
		if s.Lost {
			f.Lost(s.Source, s.Dest, uint64(s.Size))
			continue
		}
		f.item = item{time: s.Time, part: f.parts[speedy.Owner(s, len(f.parts))], segment: s}
		f.take(&f.item)
	}
	f.countUntil(seen, math.MaxUint64, f.clock.now)
	if !l.Tick.IsZero() {
		f.Tick(l.Tick)
	}
	if len(f.parts) == 1 {
		f.parts[0].reduce() // the load's octets are used again
	}
	if len(b.over) > 0 {
		f.ending.Add(1)
	}
}

// Work implements [speedy.Handler]: it does what has been decided for a part.
func (f *Fievel) Work(l *speedy.Load, share int) { f.parts[share].work(l.Data.(*batch)) }

// Flush implements [speedy.Handler]: it reports the windows that are over, and
// returns the first error of an output.
func (f *Fievel) Flush(l *speedy.Load) error {
	b := l.Data.(*batch)
	if len(b.over) > 0 {
		defer f.ending.Add(-1)
	}
	f.end(b)
	return f.err
}

func (f *Fievel) newBatch() *batch { return &batch{shares: make([]batchShare, len(f.parts))} }

// begin lets what is decided go to b.
func (f *Fievel) begin(b *batch) { b.facts, f.batch = f.facts, b }

// end reports the windows that are over since begin.
func (f *Fievel) end(b *batch) {
	f.reporting.Lock()
	defer f.reporting.Unlock()
	for i, w := range b.over {
		f.tell(w)
		b.over[i] = nil
	}
	b.over = b.over[:0]
	if len(f.parts) > 1 {
		f.flush()
	}
}

// alone decides what is not of a load, and does it.
func (f *Fievel) alone(decide func()) {
	b := f.newBatch()
	f.begin(b)
	decide()
	for _, p := range f.parts {
		p.work(b)
	}
	f.end(b)
}

// take reduces a message, soon where there is only one part.
func (p *part) take(it *item, srv *server, into []*window) {
	switch {
	case it.msg != nil:
		e := p.single()
		e.Set(it.msg)
		p.count(e)
		for _, w := range into {
			p.of(w).Add(e)
		}
	case len(p.f.parts) == 1:
		p.add(it.segment, srv, into)
	default:
		s := &p.f.batch.shares[p.index]
		s.jobs = append(s.jobs, job{segment: it.segment, server: srv, windows: len(into)})
		s.into = append(s.into, into...)
	}
}

// work does the part's jobs.
func (p *part) work(b *batch) {
	if b.facts != nil {
		p.setFacts(b.facts)
	}
	s := &b.shares[p.index]
	into := s.into
	for i := range s.jobs {
		j := &s.jobs[i]
		if j.over != nil {
			p.close(j.over)
			continue
		}
		p.add(j.segment, j.server, into[:j.windows])
		into = into[j.windows:]
	}
	p.reduce()
	clear(s.jobs)
	clear(s.into)
	s.jobs, s.into = s.jobs[:0], s.into[:0]
}

// add puts a message into the lot of its server.
func (p *part) add(s *packet.Segment, srv *server, into []*window) {
	l := p.lotOf(srv)
	if l.batch.Full() || !slices.Equal(l.windows, into) {
		p.reduceLot(l)
		l.windows = append(l.windows[:0], into...)
	}
	p.count(l.batch.Take(s))
}

// lotOf is the lot of a server, which may have been another's.
func (p *part) lotOf(srv *server) *lot {
	for _, l := range p.lots {
		if l.server == srv {
			return l
		}
	}
	if len(p.lots) < maxLots {
		p.lots = append(p.lots, &lot{server: srv, batch: p.lots[0].batch.Fork()})
		return p.lots[len(p.lots)-1]
	}
	l := p.lots[p.next]
	p.next = (p.next + 1) % maxLots
	p.reduceLot(l)
	l.server = srv
	return l
}

func (p *part) count(e *reduce.Event) {
	if e.Malformed != 0 {
		p.malformed++
	}
}

// reduce gives all lots to the part's reducers of their windows.
func (p *part) reduce() {
	for _, l := range p.lots {
		p.reduceLot(l)
	}
}

func (p *part) reduceLot(l *lot) {
	if l.batch.Len() > 0 {
		for _, w := range l.windows {
			p.of(w).AddBatch(l.batch)
		}
	}
	l.batch.Clear()
}

// close ends the part's share of a window. Where it has nothing there may still be
// queries whose time is over.
func (p *part) close(w *window) {
	p.reduce()
	if w.parts[p.index] != nil || w.set.groups[p.index].Overdue(w.end, w.final) {
		p.of(w).Close(p.single(), w.end, w.final)
	}
}

// of is the part's share of a window.
func (p *part) of(w *window) *reduce.Window {
	mine := w.parts[p.index]
	if mine == nil {
		mine = w.set.fresh(p.index)
		w.parts[p.index] = mine
	}
	return mine
}
