package speedy

import (
	"math"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/cpu"

	"ratadns/capture"
	"ratadns/packet"
)

// A Load is a batch of packets, and what was found in them. It is its handler's
// until Flush has returned.
type Load struct {
	// Found are the messages in the order of the capture, each as the payload of
	// the segment that completes it. Where Lost is set there is no message: so many
	// as Size says are missing between the addresses.
	Found []*packet.Segment
	Seen  []Seen    // all packets, where they are watched
	Tick  time.Time // where there are no packets: a live source has nothing more before
	Data  any       // the handler's

	owner     *shelf // of the worker whose memory it is, or nil
	last      bool   // the end of the source, without packets
	stage     stage
	shares    int // that are not worked
	batch     capture.Batch
	place     uint64 // of the first packet
	watched   bool
	segments  []packet.Segment // of DNS ports
	fragments []int            // which packets are
	earliest  int64            // times of packets
	latest    int64
	made      []packet.Segment // of fragments that have been put together
	carried   []packet.Segment // by TCP: the messages
	arena     []byte           // of what is found
	json      []byte
	_         cpu.CacheLinePad
}

// Seen is a packet: what was read of it up to the door.
type Seen struct {
	Door packet.Door
	packet.Segment
}

// A stage says what is done to a load, or has been done.
type stage uint8

const (
	parsing stage = iota
	parsed
	ordered
	working
	worked
)

// Packets is how many there are of the capture up to here.
func (l *Load) Packets() uint64 { return l.place + uint64(len(l.batch.Packets)) }

// parse reads the headers of all packets.
func (l *Load) parse(parser *packet.Parser) {
	packets := l.batch.Packets
	list := slices.Grow(l.segments[:0], len(packets)+1)[:len(packets)+1]
	l.fragments, l.Seen = l.fragments[:0], l.Seen[:0]
	l.earliest, l.latest = math.MaxInt64, math.MinInt64
	n := 0
	for i := range packets {
		s := &list[n]
		l.earliest, l.latest = min(l.earliest, packets[i].Time), max(l.latest, packets[i].Time)
		door := parser.ParseAt(&packets[i], l.place+uint64(i), s)
		if l.watched {
			l.Seen = append(l.Seen, Seen{door, *s})
		}
		switch door {
		case packet.DNS:
			n++
		case packet.Fragment:
			l.fragments = append(l.fragments, i)
		}
	}
	l.segments = list[:n]
}

// join does what needs the order of the capture: it tells the time, puts
// fragments and segments together, and finds the messages.
func (e *Engine) join(l *Load) {
	packets, fragments, segments := l.batch.Packets, l.fragments, l.segments
	l.made = slices.Grow(l.made[:0], len(fragments)) // what is found points there
	l.Found, l.carried = l.Found[:0], l.carried[:0]
	e.joined = l
	e.streams.Exchange(l.arena)
	if len(fragments) == 0 && e.parser.PassAll(len(packets), l.earliest, l.latest) {
		e.joinAll(l)
		packets = nil
	}
	for i := range packets {
		place := l.place + uint64(i)
		e.parser.Pass(packets[i].Time)
		var s *packet.Segment
		switch {
		case len(segments) > 0 && segments[0].Place == place:
			s, segments = &segments[0], segments[1:]
		case len(fragments) > 0 && fragments[0] == i:
			fragments = fragments[1:]
			l.made = append(l.made, packet.Segment{})
			whole := &l.made[len(l.made)-1]
			door := e.parser.ParseAt(&packets[i], place, whole)
			if door == packet.DNS {
				s = whole
			}
			if l.watched {
				l.Seen[i] = Seen{door, *whole}
			}
		}
		if e.parser.Pending() {
			e.tell()
		}
		if s != nil {
			e.streams.Add(s)
		}
	}
	if l.last { // what is not complete is given up
		e.parser.Close()
		e.streams.Close()
		e.tell()
	}
	l.arena = e.streams.Exchange(nil)
}

// joinAll is join for a load of which only segments of TCP have anything to be put
// together.
func (e *Engine) joinAll(l *Load) {
	whole := 0
	for i := range l.segments {
		if s := &l.segments[i]; s.Whole() {
			l.Found = append(l.Found, s)
			whole++
		} else {
			e.streams.Add(s)
		}
	}
	if n := len(l.segments); n > 0 {
		e.streams.AddWhole(whole, l.segments[n-1].Place)
	}
}

// tell tells the streams of the time and of fragments that are lost.
func (e *Engine) tell() {
	if sweep, ok := e.parser.TakeSweep(); ok {
		e.streams.Add(&sweep)
	}
	for _, lost := range e.parser.TakeLost() {
		e.streams.Add(&lost)
	}
}

// find puts m among what is found.
func (l *Load) find(m *packet.Segment) {
	if m.TCP {
		n := len(l.carried)
		if n == cap(l.carried) { // what is found already stays where it is
			l.carried, n = make([]packet.Segment, 0, max(16, 2*n)), 0
		}
		l.carried = append(l.carried, *m)
		m = &l.carried[n]
	}
	l.Found = append(l.Found, m)
}

// lose puts word of what is missing among what is found.
func (l *Load) lose(n uint64, source, dest netip.Addr, place uint64) {
	l.Found = append(l.Found, &packet.Segment{Lost: true, Source: source, Dest: dest, Place: place, Size: int(n)})
}
