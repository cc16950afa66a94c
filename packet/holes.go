package packet

// Octets that the capture has lost and the receiver has not make a hole that
// nothing will fill. The receiver says so: it acknowledges what is behind it.

// acked takes the acknowledgement of s for the stream of the other direction.
func (t *Streams) acked(s *Segment) {
	st := t.flows[flow{s.Dest, s.Source, s.DestPort, s.SourcePort}]
	if st == nil || len(st.waiting) == 0 || int32(s.Ack-st.waiting[0].seq) <= 0 {
		return
	}
	// What waited is complete now, at the place of s. It is not s that carries
	// it, and may be wanted until Release.
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

// skipHole takes the hole before what waits for lost, and goes on behind it. It
// reports whether the stream ends there.
func (t *Streams) skipHole(s *Segment, st *stream) (fin bool) {
	t.stray(st)
	st.next = st.waiting[0].seq
	return t.readWaiting(s, st)
}
