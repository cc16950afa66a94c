package fievel

import (
	"slices"

	"ratadns/packet"
	"ratadns/reduce"
)

// A seenPacket is a packet whose window is to be decided.
type seenPacket struct {
	time   int64
	place  uint64
	server *server
	kind   reduce.PacketKind
}

// Watches implements [speedy.Watcher]: some reducer counts packets.
func (f *Fievel) Watches() bool {
	return slices.ContainsFunc(f.windowers, func(d *windower) bool { return d.watches })
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

// Packet implements [speedy.Watcher].
func (f *Fievel) Packet(door packet.Door, s *packet.Segment) {
	srv := f.serverOf(door, s)
	p := seenPacket{s.Time, s.Place, srv, reduce.KindOf(door, s, srv.own, f.cfg.Sides)}
	if len(f.parts) > 1 {
		f.seen = append(f.seen, p)
		return
	}
	f.count(&p)
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

// countBefore counts the packets up to that place.
func (f *Fievel) countBefore(place uint64) {
	for f.decided < len(f.seen) && f.seen[f.decided].place <= place {
		f.count(&f.seen[f.decided])
		f.decided++
	}
}

// count puts a packet into the windows of its time. Packets tell no time: those
// that come before the first message, or far from the time that messages have,
// count where time is.
func (f *Fievel) count(p *seenPacket) {
	for _, d := range f.windowers {
		d.at, d.held = nil, d.before.holds(d.born)
		if d.watches && !d.held {
			q := d.sequences[p.server.place]
			d.at = d.windowAt(q, p.time)
			q.count(d.at, p.kind, 1)
		}
	}
}

// windowAt is the open window for a packet of that time, or nil.
func (d *windower) windowAt(q *sequence, t int64) *window {
	if d.window.Messages > 0 {
		return q.first()
	}
	clock := &d.f.clock
	if !clock.set || q.silent {
		return nil
	}
	length := d.length()
	seq, now := t/length, clock.now/length
	if seq < d.closed || seq > now+1 {
		seq = max(now, d.closed)
	}
	return q.at(seq, length)
}
