package fievel

import (
	"slices"

	"ratadns/capture"
	"ratadns/packet"
	"ratadns/reduce"
	"ratadns/speedy"
)

// Watches reports whether some reducer counts packets.
func (f *Fievel) Watches() bool { return f.watches.Load() }

// watch finds that out.
func (f *Fievel) watch() {
	f.watches.Store(slices.ContainsFunc(f.windowers, func(d *windower) bool { return d.watches }))
}

// countsPackets reports whether one of them is of packets.
func countsPackets(reducers []Reducer) bool {
	for _, r := range reducers {
		if r.Entry.Of&reduce.Packets != 0 {
			return true
		}
	}
	return false
}

// serverOf is the server that a packet belongs to: that of its message, as far as
// the packet tells, and without one that which has one of the addresses.
func (f *Fievel) serverOf(door packet.Door, s *packet.Segment) *server {
	switch {
	case s.Version == 0 || len(f.byAddr) == 0:
		return f.rest
	case door == packet.DNS:
		response := !s.TCP && !s.Short() && s.Payload[2]&0x80 != 0
		if f.cfg.Sides.FromServer(s.Source, s.Dest, s.SourcePort, s.DestPort, response) {
			return f.byAddress(s.Source)
		}
		return f.byAddress(s.Dest)
	case f.byAddr[s.Dest] != nil:
		return f.byAddr[s.Dest]
	}
	return f.byAddress(s.Source)
}

// countUntil counts the packets up to that place, and returns the others. At next
// time goes on, or is.
func (f *Fievel) countUntil(seen []speedy.Seen, place uint64, next int64) []speedy.Seen {
	for len(seen) > 0 && seen[0].Place <= place {
		f.count(&seen[0], next)
		seen = seen[1:]
	}
	return seen
}

// nextTime is the time of a message that is about to be taken, or what time is
// where that does not move it.
func (f *Fievel) nextTime(s *packet.Segment) int64 {
	if !s.Lost && f.clock.set && capture.Near(f.clock.now, s.Time) {
		return s.Time
	}
	return f.clock.now
}

// count puts a packet into the windows of its time. Packets tell no time: those
// that come before the first message, far from the time that messages have, or at
// a server that has none, count where time is.
func (f *Fievel) count(p *speedy.Seen, next int64) {
	srv := f.serverOf(p.Door, &p.Segment)
	kind := reduce.KindOf(p.Door, &p.Segment, srv.own, f.cfg.Sides)
	for _, d := range f.windowers {
		d.at, d.held = nil, d.before.holds(d.born)
		if d.watches && !d.held {
			q := d.sequences[srv.place]
			q.watched = true
			d.at = d.windowAt(q, p.Time, next)
			q.count(d.at, kind, 1)
		}
	}
}

// windowAt is the open window for a packet of that time, or nil. The window of the
// next message is about to be open: after a pause its packets are the first of it.
func (d *windower) windowAt(q *sequence, t, next int64) *window {
	if d.window.Messages > 0 {
		return q.first()
	}
	clock := &d.f.clock
	if !clock.set {
		return nil
	}
	length := d.length()
	seq, now := t/length, clock.now/length
	// What no message is with opens no window that the others would not have.
	if seq < d.closed || seq > now+1 && seq != next/length || q.silent {
		seq = max(now, d.closed)
	}
	return q.at(seq, length)
}
