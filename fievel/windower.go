package fievel

import (
	"maps"
	"math"
	"slices"
	"time"

	"ratadns/bus"
	"ratadns/reduce"
	"ratadns/report"
)

// maxQuiet is how many empty windows in a row a quiet server reports.
const maxQuiet = 360

// A windower cuts what comes into windows of one length. The reducers that want
// equal windows share it.
type windower struct {
	f         *Fievel
	window    Window
	reducers  []Reducer   // of the windows that begin now
	sequences []*sequence // by server
	closed    int64       // windows of time before this seq are closed
	due       int64       // when the one of this seq is
	begun     bool        // a window has been reported since time began
	watches   bool        // some reducer counts packets
	at        *window     // that the message or packet being decided is of, or nil
	// Where its reducers had other windows, until those are over; and whether
	// the message being decided still is of them.
	before *windower
	held   bool
	born   int // by Fievel.reloads
}

// newWindower makes one for reducers that begin now, or had other windows before.
func (f *Fievel) newWindower(w Window, before *windower) *windower {
	d := &windower{f: f, window: w, before: before, born: f.reloads, due: math.MaxInt64}
	for _, srv := range f.servers {
		// Where servers are told apart, the one for the rest is there from its
		// first message on, and for reducers of packets from its first packet.
		q := &sequence{server: srv, last: -1, jumped: true, silent: srv == f.rest && len(f.cfg.Servers) > 0}
		if len(f.windowers) > 0 {
			q.silent = f.windowers[0].sequences[srv.place].silent
		}
		d.sequences = append(d.sequences, q)
	}
	if f.clock.set && w.Messages == 0 {
		d.closeTo(d.openAt(f.clock.now))
	}
	f.windowers = append(f.windowers, d)
	return d
}

// turnTo gives reducers to the windows that begin from now on.
func (d *windower) turnTo(reducers []Reducer) {
	d.reducers = reducers
	d.watches = d.watches || countsPackets(reducers)
	for i, q := range d.sequences {
		set := d.f.newSet(q.server, reducers)
		switch {
		case q.set != nil:
			set.follow(q.set)
		case d.before != nil:
			from := d.before.sequences[i]
			set.remember(from.set)
			if len(from.open) == 0 {
				q.lost, q.packets = from.lost, maps.Clone(from.packets)
			}
		}
		q.set = set
	}
}

// length and lateness are those of windows of time.
func (d *windower) length() int64   { return int64(d.window.Duration) }
func (d *windower) lateness() int64 { return int64(d.window.Lateness) }

// openAt is the first window of time that stays open at t: its end plus lateness
// is after that.
func (d *windower) openAt(t int64) int64 { return (t - d.lateness()) / d.length() }

// closeTo says that the windows of time before seq are closed.
func (d *windower) closeTo(seq int64) {
	d.closed, d.due = seq, (seq+1)*d.length()+d.lateness()
}

// choose finds the window of a message at t, and returns false where that is
// closed.
func (d *windower) choose(srv *server, t int64) bool {
	d.at = nil
	if d.held = d.before.holds(d.born); d.held {
		return true
	}
	q := d.sequences[srv.place]
	if d.window.Messages > 0 {
		d.at = q.running(t)
		return true
	}
	// The newest is nearly always the one.
	if n := len(q.open); n > 0 && q.open[n-1].start <= t && t < q.open[n-1].end {
		d.at = q.open[n-1]
		return true
	}
	seq := t / d.length()
	if seq < d.closed {
		q.lost++
		return false
	}
	d.at = q.at(seq, d.length())
	return true
}

// holds reports whether what is being decided belongs to a window that began
// before that reload, or to one of those before.
func (d *windower) holds(reload int) bool {
	return d != nil && (d.held || d.at != nil && d.at.set.born < reload)
}

// waits reports whether windows of before, at a server, are to be reported first.
func (d *windower) waits(srv *server) bool {
	return d.before != nil && (d.before.waits(srv) ||
		d.before.isOpen(func(q *sequence, w *window) bool { return q.server == srv && w.set.born < d.born }))
}

// isOpen reports whether such a window is open.
func (d *windower) isOpen(such func(*sequence, *window) bool) bool {
	return slices.ContainsFunc(d.sequences, func(q *sequence) bool {
		return slices.ContainsFunc(q.open, func(w *window) bool { return such(q, w) })
	})
}

// pass reports what is over when a message at t comes.
func (d *windower) pass(t int64, turn turn) {
	if turn == goesOn && t < d.due {
		return
	}
	switch {
	case d.window.Messages > 0:
		// No window of messages lasts over a jump of time.
		d.finish()
		for _, q := range d.sequences {
			q.jumped = true
		}
	case turn == beginsAnew:
		d.finish()
		d.closeTo(d.openAt(t))
	default:
		d.closeUntil(max(d.closed, d.openAt(t)))
	}
}

// closeUntil reports the windows before seq, in the order of time, and in each
// the servers in the order of the configuration.
func (d *windower) closeUntil(seq int64) {
	for s := d.closed; s < seq; s++ {
		if next := d.nextWork(s); next > s {
			s = min(next, seq)
			if s == seq {
				break
			}
		}
		d.closeWindow(s, false)
	}
	d.closeTo(seq)
	d.f.flushNow()
}

// nextWork is the first window from s on that somebody has to report.
func (d *windower) nextWork(s int64) int64 {
	next := int64(1<<63 - 1)
	for _, q := range d.sequences {
		if w := q.first(); w != nil {
			next = min(next, w.seq)
		}
		if d.begun && q.reports() && q.quiet < maxQuiet {
			next = s
		}
	}
	return next
}

// closeWindow reports the window of that seq at every server that has one, or
// is known and has not been quiet for too long.
func (d *windower) closeWindow(seq int64, final bool) {
	length := d.length()
	first := !d.begun
	d.begun = true
	for _, q := range d.sequences {
		w := q.first()
		if w != nil && w.seq == seq {
			q.open = slices.Delete(q.open, 0, 1)
			q.quiet = 0
			if q.silent && w.messages > 0 {
				q.silent, q.last = false, -1
			}
		} else {
			// The last report tells what is left, also of one long quiet.
			if !q.reports() || q.quiet >= maxQuiet && !final {
				continue
			}
			q.quiet++
			w = q.window()
			w.place(seq, length)
		}
		w.partial = first || final
		if q.last >= 0 && seq > q.last+1 {
			w.gap = (seq - q.last - 1) * length
		}
		if w.onlyPackets = q.silent; !q.silent {
			w.lost, q.lost = q.lost, 0
		}
		q.last = seq
		d.send(q, w, final)
	}
}

// finish reports all open windows: the input ends here, or its time begins
// anew. The last is partial.
func (d *windower) finish() {
	if d.window.Messages > 0 {
		for _, q := range d.sequences {
			w := q.first()
			if w == nil && d.f.closing && q.waits() { // the last one was full
				w = q.window()
				w.seq, w.start, w.end = q.seq, q.end, q.end
			}
			if w != nil {
				d.cut(q, w, true)
			} else if d.f.closing && d.f.clock.set && len(q.packets) > 0 { // and no message after the last window
				w = q.window()
				end := q.end
				if q.jumped { // nor since time began
					end = d.f.clock.now
				}
				w.seq, w.start, w.end = q.seq, end, end
				w.partial, w.onlyPackets = true, true
				d.send(q, w, true)
			}
		}
		return
	}
	last := int64(-1)
	for _, q := range d.sequences {
		if n := len(q.open); n > 0 {
			last = max(last, q.open[n-1].seq)
		}
		if d.f.closing && d.begun && q.waits() { // all may have been closed by the clock
			last = max(last, d.closed)
		}
	}
	if last >= 0 {
		d.closeUntil(last)
		d.closeWindow(last, true)
	}
	for _, q := range d.sequences {
		q.last, q.quiet = -1, 0
	}
	d.begun = false
}

// cut reports a window of messages.
func (d *windower) cut(q *sequence, w *window, final bool) {
	q.open = q.open[:0]
	q.end = w.end
	q.seq++
	w.partial = final
	w.lost, q.lost = q.lost, 0
	d.send(q, w, final)
}

// send has a window reported that is over: at once where there is only one part,
// else when all have done what they are to do for it.
func (d *windower) send(q *sequence, w *window, final bool) {
	f := d.f
	f.over = f.unsettled
	w.server, w.final = q.server, final
	if w.set.watches {
		for kind, n := range q.packets {
			q.count(w, kind, n)
		}
	}
	clear(q.packets)
	if len(f.parts) == 1 {
		f.parts[0].close(w)
		f.tell(w)
		return
	}
	for i := range f.batch.shares {
		s := &f.batch.shares[i]
		s.jobs = append(s.jobs, job{over: w})
	}
	f.batch.over = append(f.batch.over, w)
}

// tell makes a report of each reducer of w, of what all parts have, and passes it
// on.
func (f *Fievel) tell(w *window) {
	all := f.parts[0].of(w)
	for _, o := range w.parts[1:] {
		if o != nil {
			all.Merge(o)
		}
	}
	all.Failures(func(where string, n uint64, first error) {
		f.cfg.Log.Warn("where failed, messages not selected", "server", w.server.name, "window", time.Unix(0, w.start).UTC(), "where", where, "count", n, "err", first)
	})
	if w.set.watches {
		all.AddPackets(w.packets, f.cfg.Interfaces)
	}
	w.malformed = all.Malformed
	if f.cfg.Windows != nil {
		f.cfg.Windows(all, w.header())
	} else {
		f.report(w, all)
	}
	all.Reset()
	w.set.recycle(w)
}

// report sends the reports of what all parts have.
func (f *Fievel) report(w *window, all *reduce.Window) {
	if n := len(f.unflushed); n == 0 || f.unflushed[n-1] != w.set {
		f.unflushed = append(f.unflushed, w.set)
	}
	for i := range w.set.reducers {
		c := &w.set.reducers[i]
		if w.onlyPackets && c.Entry.Of&reduce.Packets == 0 {
			continue
		}
		rep := report.Report{Type: c.Type, ServerID: w.server.name, Window: w.header()}
		all.Report(i, &rep)
		if c.Seed {
			f.line, f.told = rep.AppendSeedParts(f.line[:0], f.told[:0])
		} else {
			f.line, f.told = rep.AppendParts(f.line[:0], f.told[:0])
		}
		f.Stats.Reports++
		if t, ok := c.Output.(bus.Timed); ok {
			t.At(w.time())
		}
		if err := c.Output.Send(f.line...); err != nil && f.err == nil {
			f.err = err
		}
	}
}

// flushNow flushes what send has reported at once.
func (f *Fievel) flushNow() {
	if len(f.parts) == 1 {
		f.flush()
	}
}

func (f *Fievel) flush() {
	for _, s := range f.unflushed {
		for i := range s.reducers {
			if err := s.reducers[i].Output.Flush(); err != nil && f.err == nil {
				f.err = err
			}
		}
	}
	f.unflushed = f.unflushed[:0]
}
