package packet

import (
	"cmp"
	"slices"
)

// Octets that the capture has lost and the receiver has not make a hole that
// nothing will fill. The receiver says so: it acknowledges what is behind it.

// acked takes the acknowledgement of s for the stream of the other direction.
func (t *Streams) acked(s *Segment) {
	st := t.flows[flow{s.Dest, s.Source, s.DestPort, s.SourcePort}]
	if st == nil || len(st.waiting) == 0 || int32(s.Ack-st.waiting[0].seq) <= 0 {
		return
	}
	// What waited is complete now, at the place of s. It is not s that carries
	// it, and may be wanted until Exchange.
	other := new(Segment)
	*other = *s
	other.Source, other.Dest = s.Dest, s.Source
	other.SourcePort, other.DestPort = s.DestPort, s.SourcePort
	fin := false
	for !fin && len(st.waiting) > 0 && int32(s.Ack-st.waiting[0].seq) > 0 {
		fin = t.skipHole(other, st)
	}
	t.end(st, fin)
}

// settle reads what waits behind holes in a stream that ends, as if its last
// segment came at that place.
func (t *Streams) settle(st *stream, place uint64) {
	if st.tail == nil {
		return
	}
	s := st.tail
	s.Place, t.place = place, place
	for fin := false; !fin && len(st.waiting) > 0; {
		fin = t.skipHole(s, st)
	}
}

// Close ends all streams, as the capture does. What waits is read in the order of
// the capture, each stream at the place of its last segment, as far as its
// messages may be handed out all at once.
func (t *Streams) Close() {
	var holes []*stream
	for st := t.oldest; st != nil; st = st.newer {
		if len(st.waiting) > 0 {
			holes = append(holes, st)
		}
	}
	slices.SortFunc(holes, func(a, b *stream) int { return cmp.Compare(a.tail.Place, b.tail.Place) })
	room, last := t.cfg.MaxHeld/32, t.place
	for _, st := range holes {
		if room -= st.wait; room < 0 {
			break
		}
		t.settle(st, st.tail.Place)
	}
	t.place = last
	for t.oldest != nil {
		t.drop(t.oldest)
	}
}

// skipHole takes the hole before what waits for lost, and goes on behind it. It
// reports whether the stream ends there.
func (t *Streams) skipHole(s *Segment, st *stream) (fin bool) {
	t.stray(st)
	st.next = st.waiting[0].seq
	return t.readWaiting(s, st)
}
