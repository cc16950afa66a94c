package packet

import (
	"net/netip"
	"slices"
)

// Bounds of what waits for its other fragments. DNS over UDP fits two or three
// fragments; the time is what hosts wait for (RFC 1122 §3.3.2, RFC 8200 §4.5).
const (
	maxDatagrams  = 4096
	maxFragments  = 64 // of one datagram: 64 KiB at the least MTU of IPv6
	fragmentsHeld = 16 << 20
	fragmentsNS   = int64(60e9)
	maxDatagram   = 65535
)

// fragments puts fragmented datagrams together, in any order. Overlaps are
// refused, for IPv4 as for IPv6 (RFC 5722): nobody but an attacker sends them.
type fragments struct {
	waiting map[datagramKey]*datagram
	queue   []*datagram // by first arrival
	held    int         // octets
	packets uint64      // of those that wait
	now     int64       // as the parser's clock says
	place   uint64      // of the last packet
	lost    []Segment   // given up since the parser was asked
}

// datagramKey is what the fragments of a datagram have in common.
type datagramKey struct {
	source, dest netip.Addr
	id           uint32
	proto        uint8 // IPv4 only: in IPv6 just the first fragment tells
}

type datagram struct {
	key     datagramKey
	first   int64 // arrival, by the clock
	pieces  []fragment
	packets uint64
	held    int
	total   int // octets of the whole, -1 before the last fragment
	proto   uint8
	whole   []byte
	refused bool
	other   bool // its ports are not of DNS
	done    bool // no longer waiting
}

// A fragment is a part of a datagram's payload.
type fragment struct {
	off  int
	data []byte
}

// add takes a fragment and returns the datagram when it is the one that was
// missing, with its payload in one piece. other says that the fragment shows a
// datagram without DNS, packets how many have carried it: more than one where it
// was in a tunnel's fragments.
func (f *fragments) add(p *Stats, s *Segment, key datagramKey, proto uint8, off int, more, other bool, data []byte, size int, packets uint64) *datagram {
	f.expire(p, f.now-fragmentsNS)
	d := f.waiting[key]
	if d == nil {
		if len(f.waiting) >= maxDatagrams {
			f.giveUp(p, f.oldest())
		}
		if f.waiting == nil {
			f.waiting = make(map[datagramKey]*datagram)
		}
		d = &datagram{key: key, first: f.now, total: -1}
		f.waiting[key] = d
		f.queue = append(f.queue, d)
	}
	d.packets += packets
	f.packets += packets
	d.other = d.other || other
	if d.refused || !d.put(proto, off, more, data, size) {
		// Its other fragments are refused as they come.
		f.held -= d.held
		d.refused, d.pieces, d.held = true, nil, 0
		return nil
	}
	f.held += d.charge()
	if d.total < 0 || !d.complete() {
		for f.held > fragmentsHeld {
			f.giveUp(p, f.oldest())
		}
		return nil
	}
	d.whole = make([]byte, 0, d.total)
	for i := range d.pieces {
		d.whole = append(d.whole, d.pieces[i].data...)
	}
	f.forget(d)
	return d
}

// put files a fragment; false refuses the datagram.
func (d *datagram) put(proto uint8, off int, more bool, data []byte, size int) bool {
	end := off + size
	switch {
	case len(data) < size, // cut by the capture
		more && size%8 != 0, // RFC 791 §3.2
		size == 0, end > maxDatagram, len(d.pieces) >= maxFragments,
		d.total >= 0 && end > d.total,
		!more && d.total >= 0 && d.total != end:
		return false
	}
	if !more {
		d.total = end
	}
	if off == 0 {
		d.proto = proto
	}
	i, found := slices.BinarySearchFunc(d.pieces, off, func(p fragment, off int) int { return p.off - off })
	if found {
		return len(d.pieces[i].data) == size // the same once more
	}
	if i > 0 && d.pieces[i-1].off+len(d.pieces[i-1].data) > off || i < len(d.pieces) && end > d.pieces[i].off {
		return false
	}
	d.pieces = slices.Insert(d.pieces, i, fragment{off, slices.Clone(data[:size])})
	return true
}

// charge returns how many octets d holds more than it was charged for.
func (d *datagram) charge() int {
	before := d.held
	d.held = 0
	for i := range d.pieces {
		d.held += len(d.pieces[i].data) + 64
	}
	return d.held - before
}

// complete reports whether the pieces join without a hole up to the total.
func (d *datagram) complete() bool {
	next := 0
	for i := range d.pieces {
		if d.pieces[i].off != next {
			return false
		}
		next += len(d.pieces[i].data)
	}
	return next == d.total
}

// oldest is the datagram that has waited longest.
func (f *fragments) oldest() *datagram {
	for f.queue[0].done {
		f.queue = f.queue[1:]
	}
	return f.queue[0]
}

// expire gives up what began before that time.
func (f *fragments) expire(p *Stats, before int64) {
	for len(f.waiting) > 0 {
		if d := f.oldest(); d.first < before {
			f.giveUp(p, d)
			continue
		}
		return
	}
}

// giveUp counts the packets of d as lost, unless they were of other traffic.
func (f *fragments) giveUp(p *Stats, d *datagram) {
	if d.other {
		p.NotDNSPort += d.packets
		f.forget(d)
		return
	}
	p.Fragments += d.packets
	f.lost = append(f.lost, Segment{Lost: true, Place: f.place, Source: d.key.source, Dest: d.key.dest})
	f.forget(d)
}

func (f *fragments) forget(d *datagram) {
	f.held -= d.held
	f.packets -= d.packets
	d.pieces, d.held, d.done = nil, 0, true
	delete(f.waiting, d.key)
	// One that waits must not keep all those behind it that are done.
	if len(f.queue) > 2*len(f.waiting)+64 {
		f.queue = slices.DeleteFunc(f.queue, func(d *datagram) bool { return d.done })
	}
}

// TakeLost returns a segment, with addresses and the place only, for each
// datagram that was given up since it was called last. They are valid until the
// next Parse.
func (p *Parser) TakeLost() []Segment {
	lost := p.fragments.lost
	p.fragments.lost = p.fragments.lost[:0]
	return lost
}

// Close gives up the datagrams that are not complete at the end of the capture.
func (p *Parser) Close() {
	f := &p.fragments
	for len(f.waiting) > 0 {
		f.giveUp(&p.Stats, f.oldest())
	}
}
