package packet

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// A Payload is one DNS message on the wire, with the segment that completed it.
// Data alias the packet, or the Streams' own memory until Release.
type Payload struct {
	*Segment
	Data []byte
	Size int // octets of the message on the wire
}

// Config bounds the memory of TCP flows.
type Config struct {
	MaxFlows   int   // directions of TCP connections held at once
	MaxWaiting int   // octets of one direction that wait for a hole to fill
	IdleNS     int64 // a direction silent for so long, in capture time, is given up
}

// DefaultConfig holds flows in at most some 100 MiB, and usually a hundredth.
func DefaultConfig() Config {
	return Config{MaxFlows: 100_000, MaxWaiting: 64 << 10, IdleNS: 60e9}
}

// StreamStats counts what Streams got: Segments is the sum of Used, NotDNS and
// Lost. Messages are those found; Incomplete those that were begun and never
// completed.
type StreamStats struct {
	Segments, Used, NotDNS, Lost uint64
	Messages, Incomplete         uint64
}

// Streams finds DNS messages in segments: a UDP payload is one; in TCP each
// has its length before it (RFC 7766 §8). One worker owns it.
type Streams struct {
	Stats StreamStats
	// Lost is told of each packet or message that is known to be missing, when
	// that becomes known. It may be nil.
	Lost  func(source, dest netip.Addr)
	cfg   Config
	flows map[flow]*stream
	arena []byte // messages put together from several segments
	now   int64
	swept int64
	emit  func(*Payload)
	out   Payload
}

// NewStreams returns Streams that hand each message to emit, which must not
// keep the payload beyond Release.
func NewStreams(cfg Config, emit func(*Payload)) *Streams {
	return &Streams{cfg: cfg, flows: make(map[flow]*stream), emit: emit}
}

// flow is one direction of a connection.
type flow struct {
	source, dest         netip.Addr
	sourcePort, destPort uint16
}

// A stream is one direction of a TCP connection, read in order.
type stream struct {
	next    uint32 // sequence number of the octet wanted next
	buf     []byte // a length and a message, not complete yet
	waiting []piece
	held    int // octets in waiting
	last    int64
}

// A piece waits for the hole before it to be filled.
type piece struct {
	seq  uint32
	data []byte
	cut  int // octets that the capture cut off
	fin  bool
}

// minMessage is the shortest DNS message: its header.
const minMessage = 12

// Add takes one segment.
func (t *Streams) Add(s *Segment) {
	if s.Lost {
		t.tell(1, s.Source, s.Dest)
		return
	}
	t.Stats.Segments++
	if s.TCP {
		t.tcp(s)
		return
	}
	if len(s.Payload) < minMessage {
		t.Stats.NotDNS++
		return
	}
	t.Stats.Used++
	t.message(s, s.Payload, s.Size)
}

func (t *Streams) message(s *Segment, data []byte, size int) {
	t.Stats.Messages++
	t.out = Payload{Segment: s, Data: data, Size: size}
	t.emit(&t.out)
}

// Release says that no payload handed out is used any more.
func (t *Streams) Release() { t.arena = t.arena[:0] }

func (t *Streams) tcp(s *Segment) {
	t.now = max(t.now, s.Time)
	// Whether a stream is too old is decided by its own packets, below, so that
	// it does not depend on what else this worker sees; sweeping, which frees
	// memory, waits long enough never to decide it earlier.
	if t.now-t.swept > t.cfg.IdleNS {
		t.sweep(t.now - 2*t.cfg.IdleNS)
	}
	key := flow{s.Source, s.Dest, s.SourcePort, s.DestPort}
	st := t.flows[key]
	if st != nil && s.Time-st.last > t.cfg.IdleNS {
		t.drop(key, st)
		st = nil
	}
	seq := s.Seq
	switch {
	case s.Flags&flagSYN != 0:
		if st != nil {
			t.drop(key, st) // the port is used again
		}
		seq++
		st = t.open(key, seq)
	case s.Flags&flagRST != 0:
		if st != nil {
			t.drop(key, st)
		}
		t.Stats.Used++
		return
	case len(s.Payload) == 0 && s.Flags&flagFIN == 0 || st == nil && len(s.Payload) == 0:
		t.Stats.Used++ // an acknowledgement
		return
	case st == nil:
		// The capture begins inside the connection. Messages mostly begin
		// with a segment, so this one is tried as the beginning of one.
		if !plausible(s.Payload) {
			t.Stats.Lost++
			t.tell(1, s.Source, s.Dest)
			return
		}
		st = t.open(key, seq)
	}
	st.last = s.Time
	p := piece{seq: seq, data: s.Payload, cut: s.Size - len(s.Payload), fin: s.Flags&flagFIN != 0}
	if int32(seq-st.next) > 0 {
		t.wait(s, key, st, p)
		return
	}
	t.Stats.Used++
	if t.read(s, st, p) || t.readWaiting(s, st) {
		t.drop(key, st)
	}
}

func (t *Streams) tell(n uint64, source, dest netip.Addr) {
	if t.Lost == nil {
		return
	}
	for range n {
		t.Lost(source, dest)
	}
}

// plausible reports whether b may begin with a message's length and header.
func plausible(b []byte) bool {
	if len(b) < 2 {
		return false
	}
	n := int(binary.BigEndian.Uint16(b))
	// A header's counts beyond this do not occur in messages that fit.
	return n >= minMessage && (len(b) < 6+2 || binary.BigEndian.Uint16(b[6:]) <= 1)
}

func (t *Streams) open(key flow, next uint32) *stream {
	if len(t.flows) >= t.cfg.MaxFlows {
		t.evict()
	}
	st := &stream{next: next}
	t.flows[key] = st
	return st
}

// wait keeps a piece until the hole before it is filled. When too much waits,
// the hole is taken for lost and reading goes on behind it.
func (t *Streams) wait(s *Segment, key flow, st *stream, p piece) {
	p.data = slices.Clone(p.data)
	i, _ := slices.BinarySearchFunc(st.waiting, p, func(a, b piece) int { return int(int32(a.seq - b.seq)) })
	st.waiting = slices.Insert(st.waiting, i, p)
	// A piece costs its bookkeeping as well.
	if st.held += len(p.data) + 64; st.held <= t.cfg.MaxWaiting {
		return
	}
	t.Stats.Incomplete++
	t.tell(1, s.Source, s.Dest)
	st.buf = st.buf[:0]
	for len(st.waiting) > 0 && !plausible(st.waiting[0].data) {
		st.held -= len(st.waiting[0].data) + 64
		st.waiting = st.waiting[1:]
		t.Stats.Lost++
		t.tell(1, s.Source, s.Dest)
	}
	if len(st.waiting) > 0 {
		st.next = st.waiting[0].seq
		if t.readWaiting(s, st) {
			t.drop(key, st)
		}
	}
}

// readWaiting reads the pieces that have become next.
func (t *Streams) readWaiting(s *Segment, st *stream) (fin bool) {
	for len(st.waiting) > 0 && int32(st.waiting[0].seq-st.next) <= 0 {
		p := st.waiting[0]
		st.waiting = st.waiting[1:]
		st.held -= len(p.data) + 64
		t.Stats.Used++
		if t.read(s, st, p) {
			return true
		}
	}
	return false
}

// read takes the octets of p that are new, in order, and emits the messages
// they complete. It reports whether the stream ends here.
func (t *Streams) read(s *Segment, st *stream, p piece) (fin bool) {
	if old := int(int32(st.next - p.seq)); old > 0 { // sent again
		if old > len(p.data)+p.cut {
			return false
		}
		k := min(old, len(p.data))
		p.data, p.cut = p.data[k:], p.cut-(old-k)
	}
	st.next += uint32(len(p.data) + p.cut)
	b := p.data
	for len(b) > 0 {
		if len(st.buf) == 0 && len(b) >= 2 {
			// The usual case: whole messages in one segment.
			n := int(binary.BigEndian.Uint16(b))
			if n+2 <= len(b) {
				t.framed(s, b[2:2+n], n)
				b = b[2+n:]
				continue
			}
			if n+2 <= len(b)+p.cut {
				t.framed(s, b[2:], n)
				break
			}
		}
		want := 2
		if len(st.buf) >= 2 {
			want = 2 + int(binary.BigEndian.Uint16(st.buf))
		}
		k := min(want-len(st.buf), len(b))
		st.buf = append(st.buf, b[:k]...)
		b = b[k:]
		if want > 2 && len(st.buf) == want {
			t.framed(s, t.keep(st.buf[2:]), want-2)
			st.buf = st.buf[:0]
		} else if want == 2 && len(st.buf) == 2 && binary.BigEndian.Uint16(st.buf) == 0 {
			st.buf = st.buf[:0]
		}
	}
	if p.cut > 0 && len(st.buf) > 0 {
		t.Stats.Incomplete++
		t.tell(1, s.Source, s.Dest)
		st.buf = st.buf[:0]
	}
	return p.fin
}

// framed takes what stood behind a length; shorter than a header is not DNS.
func (t *Streams) framed(s *Segment, data []byte, size int) {
	if len(data) >= minMessage {
		t.message(s, data, size)
	}
}

// keep copies b to where it stays until Release.
func (t *Streams) keep(b []byte) []byte {
	n := len(t.arena)
	t.arena = append(t.arena, b...)
	return t.arena[n:len(t.arena):len(t.arena)]
}

// drop forgets a stream and counts what it still held.
func (t *Streams) drop(key flow, st *stream) {
	lost := uint64(len(st.waiting))
	t.Stats.Lost += lost
	if len(st.buf) > 0 {
		t.Stats.Incomplete++
		lost++
	}
	t.tell(lost, key.source, key.dest)
	delete(t.flows, key)
}

// sweep drops the streams that were silent since before.
func (t *Streams) sweep(before int64) {
	t.swept = t.now
	for k, st := range t.flows {
		if st.last < before {
			t.drop(k, st)
		}
	}
}

// evict makes room when the table is full: the quietest of a few streams goes.
func (t *Streams) evict() {
	var key flow
	var oldest *stream
	n := 0
	for k, st := range t.flows {
		if oldest == nil || st.last < oldest.last {
			key, oldest = k, st
		}
		// Eight at random come near the oldest eighth of the table.
		if n++; n == 8 {
			break
		}
	}
	if oldest != nil {
		t.drop(key, oldest)
	}
}

// Close gives up what is not complete at the end of the capture.
func (t *Streams) Close() {
	for k, st := range t.flows {
		t.drop(k, st)
	}
}

// Add adds up the counters of several Streams.
func (s *StreamStats) Add(o StreamStats) {
	s.Segments += o.Segments
	s.Used += o.Used
	s.NotDNS += o.NotDNS
	s.Lost += o.Lost
	s.Messages += o.Messages
	s.Incomplete += o.Incomplete
}
