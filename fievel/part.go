package fievel

import (
	"math"
	"net/netip"
	"slices"
	"sync"

	"golang.org/x/sys/cpu"

	"ratadns/packet"
	"ratadns/reduce"
	"ratadns/speedy"
)

// A part is what one worker has of all windows: it finds messages side by side
// with the others. Then Fievel decides, in the order of the capture, to which
// windows they belong, and the parts decode and reduce their own side by side
// again, so that the reports do not depend on how many parts there are.
type part struct {
	f     *Fievel
	index int // of window.parts
	dec   *speedy.Decoder
	event *reduce.Event
	found []item // of this batch
	next  int    // the first of found that is not decided
	jobs  []job
	into  []*window // of all jobs
	item  item

	malformed uint64 // messages
	_         cpu.CacheLinePad
}

// An item is a message whose window is to be decided, or word of one lost.
type item struct {
	time  int64
	place uint64
	part  *part
	lost  bool
	// One of these, decoded or not.
	msg     *speedy.Message
	payload packet.Payload
	// The ends of what was lost.
	source, dest netip.Addr
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
	s := *it.payload.Segment
	c.payload.Segment = &s
	c.payload.Data = slices.Clone(it.payload.Data)
	return &c
}

// A job is a message for so many windows.
type job struct {
	payload packet.Payload
	windows int
}

// Handlers are the parts, for an engine with as many workers. Its flush is
// [Fievel.Flush].
func (f *Fievel) Handlers() []speedy.Handler {
	var list []speedy.Handler
	for _, p := range f.parts {
		list = append(list, p)
	}
	return list
}

// Payload implements [speedy.Handler].
func (p *part) Payload(m *packet.Payload) {
	it := &p.item
	if len(p.f.parts) > 1 {
		p.found = append(p.found, item{})
		it = &p.found[len(p.found)-1]
	}
	it.time, it.place, it.part, it.payload = m.Time, m.Place, p, *m
	if len(p.f.parts) == 1 {
		p.f.take(it)
	}
}

// Lost implements [speedy.Handler].
func (p *part) Lost(source, dest netip.Addr, place uint64) {
	if len(p.f.parts) == 1 {
		p.f.Lost(source, dest)
		return
	}
	p.found = append(p.found, item{place: place, part: p, lost: true, source: source, dest: dest})
}

// Flush takes what the parts have found, and returns the first error of an
// output. No handler may be running.
func (f *Fievel) Flush() error {
	for {
		var first *part
		for _, p := range f.parts {
			if p.next < len(p.found) && (first == nil || p.found[p.next].place < first.found[first.next].place) {
				first = p
			}
		}
		if first == nil {
			break
		}
		it := &first.found[first.next]
		first.next++
		f.countBefore(it.place)
		if it.lost {
			f.Lost(it.source, it.dest)
		} else {
			f.take(it)
		}
	}
	f.countBefore(math.MaxUint64)
	f.seen, f.decided = f.seen[:0], 0
	f.drain()
	for _, p := range f.parts {
		p.found, p.next = p.found[:0], 0
	}
	return f.err
}

// fewJobs are done at once: to wake another worker takes as long.
const fewJobs = 32

// drain lets the parts reduce what has been decided.
func (f *Fievel) drain() {
	jobs := 0
	for _, p := range f.parts {
		jobs += len(p.jobs)
	}
	if jobs <= fewJobs {
		for _, p := range f.parts {
			p.work()
		}
		return
	}
	var wg sync.WaitGroup
	for _, p := range f.parts[1:] {
		if len(p.jobs) > 0 {
			wg.Go(p.work)
		}
	}
	f.parts[0].work()
	wg.Wait()
}

// take reduces a message, at once where there is only one part.
func (p *part) take(it *item, into []*window) {
	switch {
	case it.msg != nil:
		p.reduce(into, it.msg)
	case len(p.f.parts) == 1:
		p.reduce(into, p.dec.Decode(&it.payload))
	default:
		p.jobs = append(p.jobs, job{it.payload, len(into)})
		p.into = append(p.into, into...)
	}
}

func (p *part) work() {
	into := p.into
	for i := range p.jobs {
		j := &p.jobs[i]
		p.reduce(into[:j.windows], p.dec.Decode(&j.payload))
		into = into[j.windows:]
	}
	p.jobs, p.into = p.jobs[:0], p.into[:0]
}

// reduce feeds the part's reducers of some windows.
func (p *part) reduce(into []*window, m *speedy.Message) {
	p.event.Set(m)
	if m.Malformed != 0 {
		p.malformed++
	}
	for i, w := range into {
		if i > 0 {
			p.event.Again()
		}
		mine := w.parts[p.index]
		if mine == nil {
			mine = w.set.fresh(p.index)
			w.parts[p.index] = mine
		}
		mine.Add(p.event)
	}
}
