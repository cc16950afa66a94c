package packet

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"golang.org/x/sys/cpu"
)

// Config bounds the memory of TCP flows.
type Config struct {
	MaxFlows   int   // directions of TCP connections held at once
	MaxWaiting int   // octets of one direction that wait for a hole to fill: more than the longest message
	MaxHeld    int   // octets of all directions that wait or are of messages not complete
	IdleNS     int64 // a direction silent for so long, in capture time, is given up
}

// DefaultConfig holds flows in at most some 75 MiB, and usually a hundredth: 400
// octets for each flow, and what is not complete.
func DefaultConfig() Config {
	return Config{MaxFlows: 100_000, MaxWaiting: 80 << 10, MaxHeld: 32 << 20, IdleNS: 60e9}
}

// Streams finds DNS messages in segments: a UDP payload is one; in TCP each
// has its length before it (RFC 7766 §8). One worker owns it.
type Streams struct {
	Stats StreamStats
	// Lost is told of packets or messages that are known to be missing, when that
	// becomes known: with the place of the packet that tells. It may be nil.
	Lost  func(n uint64, source, dest netip.Addr, place uint64)
	place uint64
	cfg   Config
	flows map[flow]*stream
	// The flows in the order of their last segments, so that the quietest goes first.
	oldest, newest *stream
	unused         *stream // linked by newer
	unusedLen      int
	held           int    // octets of all streams
	arena          []byte // messages put together from several segments
	passed         int64  // since the capture began, as the last sweep told
	emit           func(*Segment)
	out            Segment // a message that TCP has carried
	// What a worker writes for each packet stands apart from what another may
	// have behind it in memory: else their processors would take the line of
	// the cache from each other all the time.
	_ cpu.CacheLinePad
}

// NewStreams returns Streams that hand each message to emit, as the payload of a
// segment: of UDP the one that is added, of TCP the one that completed it, in
// memory that serves for the next message too. Payloads alias the packets, or the
// Streams' own memory until Exchange.
func NewStreams(cfg Config, emit func(*Segment)) *Streams {
	return &Streams{cfg: cfg, flows: make(map[flow]*stream), emit: emit}
}

// flow is one direction of a connection.
type flow struct {
	source, dest         netip.Addr
	sourcePort, destPort uint16
}

// A stream is one direction of a TCP connection, read in order.
type stream struct {
	key          flow
	older, newer *stream
	first        uint32 // sequence number of the first octet
	next         uint32 // and of the octet wanted next
	closed       bool   // it had its FIN; what comes now was sent again
	astray       bool   // where the next message begins is not known
	unsure       bool   // or not for sure
	buf          []byte // a length and the beginning of its message
	gone         int    // octets of that message behind buf that the capture cut off
	waiting      []piece
	tail         *Segment // the last that had to wait, without its payload
	wait         int      // octets in waiting
	held         int      // octets as counted in Streams.held
	last         int64    // time of its last segment
	passed       int64    // and what Streams.passed was then
}

// A piece waits for the hole before it to be filled.
type piece struct {
	seq  uint32
	data []byte
	cut  int // octets that the capture cut off
	fin  bool
}

// cost is what a piece takes, its bookkeeping included.
func (p *piece) cost() int { return len(p.data) + 64 }

// longMessage is handed on in the memory it was put together in: a batch of
// packets may complete very many, of which the arena would keep as many octets.
const longMessage = 1024

// minMessage is the shortest DNS message: its header.
const minMessage = 12

// Add takes one segment.
func (t *Streams) Add(s *Segment) {
	t.place = s.Place
	if s.Sweep {
		t.sweep(s.Time)
		return
	}
	if s.Lost {
		t.tell(1, s.Source, s.Dest)
		return
	}
	if s.Whole() {
		t.AddWhole(1, s.Place)
		t.emit(s)
		return
	}
	t.Stats.Segments++
	if s.TCP {
		t.tcp(s)
		return
	}
	t.Stats.NotDNS++
}

// AddWhole is Add for n segments that are messages by themselves, which it does not
// hand on. The last segment of all that have been added is that of place.
func (t *Streams) AddWhole(n int, place uint64) {
	t.place = place
	t.Stats.Segments += uint64(n)
	t.Stats.Used += uint64(n)
	t.Stats.Messages += uint64(n)
}

// Exchange gives t other memory for messages of several segments, and returns
// that which the payloads handed out until now may use.
func (t *Streams) Exchange(arena []byte) []byte {
	used := t.arena
	t.arena = arena[:0]
	return used
}

func (t *Streams) tcp(s *Segment) {
	key := flow{s.Source, s.Dest, s.SourcePort, s.DestPort}
	syn, fin, seq := s.Flags&flagSYN != 0, s.Flags&flagFIN != 0, s.Seq
	if syn {
		seq++
	}
	if t.held > 0 && s.Flags&flagACK != 0 {
		t.acked(s)
	}
	st := t.flows[key]
	if st != nil && (s.Time-st.last > t.cfg.IdleNS || st.reused(s, seq)) {
		t.settle(st, s.Place)
		t.drop(st)
		st = nil
	}
	switch {
	case st != nil && st.closed:
		t.Stats.Used++ // sent again
		return
	case s.Flags&flagRST != 0:
		if st != nil {
			t.settle(st, s.Place)
			t.drop(st)
		}
		t.Stats.Used++
		return
	case s.Size == 0 && !syn && !fin, // an acknowledgement
		s.Size <= 1 && !syn && st == nil: // or a keep-alive's octet (RFC 1122 §4.2.3.6)
		t.Stats.Used++
		return
	case st == nil:
		off, sure := 0, true
		if !syn { // the capture begins inside the connection
			off, sure = findMessage(s.Payload, s.Size)
		}
		if off < 0 {
			t.Stats.Lost++
			t.tell(1, s.Source, s.Dest)
			return
		}
		st = t.open(key, seq)
		st.next, st.unsure = seq+uint32(off), !sure
	}
	st.last, st.passed = s.Time, t.passed
	t.unlink(st)
	t.link(st)
	p := piece{seq: seq, data: s.Payload, cut: s.Size - len(s.Payload), fin: fin}
	if int32(seq-st.next) > 0 {
		fin = t.wait(s, st, p)
	} else {
		fin = t.read(s, st, p)
		fin = t.readWaiting(s, st) || fin
	}
	t.end(st, fin)
}

// end is the end of what a segment does to a stream, which has had its FIN or not.
func (t *Streams) end(st *stream, fin bool) {
	if fin {
		t.giveUp(st)
		st.closed = true
		st.next++ // the FIN has a number too
	}
	t.account(st)
}

// maxAway is how far from the octet wanted next a segment may be. Windows of
// several MiB are for other traffic than DNS; what is farther away is of a
// connection whose beginning the capture has not.
const maxAway = 16 << 20

// reused reports whether s belongs to another connection than st, with the
// same addresses and ports. seq is the number of its first octet.
func (st *stream) reused(s *Segment, seq uint32) bool {
	if s.Flags&flagSYN != 0 {
		// With the number that st began with, it was sent again or came late.
		return st.closed || seq != st.first
	}
	if d := int32(seq - st.next); d > maxAway || d < -maxAway {
		return true
	}
	return st.closed && int32(seq+uint32(s.Size)-st.next) > 0
}

// account brings held up to date, and keeps it below its limit.
func (t *Streams) account(st *stream) {
	n := st.wait + cap(st.buf)
	t.held += n - st.held
	st.held = n
	for t.held > t.cfg.MaxHeld && t.oldest != nil {
		t.drop(t.oldest)
	}
}

func (t *Streams) tell(n uint64, source, dest netip.Addr) {
	if t.Lost != nil && n > 0 {
		t.Lost(n, source, dest, t.place)
	}
}

func (t *Streams) open(key flow, first uint32) *stream {
	if len(t.flows) >= t.cfg.MaxFlows && t.oldest != nil {
		t.drop(t.oldest)
	}
	st := t.unused
	if st == nil {
		st = new(stream)
	} else {
		t.unused, t.unusedLen = st.newer, t.unusedLen-1
	}
	*st = stream{key: key, first: first, next: first}
	t.flows[key] = st
	t.link(st)
	return st
}

// link puts st behind all others.
func (t *Streams) link(st *stream) {
	if st.older, st.newer = t.newest, nil; st.older != nil {
		st.older.newer = st
	} else {
		t.oldest = st
	}
	t.newest = st
}

func (t *Streams) unlink(st *stream) {
	if st.older != nil {
		st.older.newer = st.newer
	} else {
		t.oldest = st.newer
	}
	if st.newer != nil {
		st.newer.older = st.older
	} else {
		t.newest = st.older
	}
}

// wait keeps a piece until the hole before it is filled. When too much waits,
// the hole is taken for lost and reading goes on behind it. It reports whether
// the stream ends here.
func (t *Streams) wait(s *Segment, st *stream, p piece) (fin bool) {
	p.data = slices.Clone(p.data)
	if st.tail == nil {
		st.tail = new(Segment)
	}
	*st.tail = *s
	st.tail.Payload = nil
	i, _ := slices.BinarySearchFunc(st.waiting, p, func(a, b piece) int { return int(int32(a.seq - b.seq)) })
	st.waiting = slices.Insert(st.waiting, i, p)
	if st.wait += p.cost(); st.wait <= t.cfg.MaxWaiting {
		return false
	}
	return t.skipHole(s, st)
}

// stray says that octets of the stream will never come, a length among them.
func (t *Streams) stray(st *stream) {
	t.Stats.Incomplete++
	t.tell(1, st.key.source, st.key.dest)
	st.buf, st.gone, st.astray = st.buf[:0], 0, true
}

// readWaiting reads the pieces that have become next. It reports whether the
// stream ends here.
func (t *Streams) readWaiting(s *Segment, st *stream) (fin bool) {
	n := 0
	for n < len(st.waiting) && int32(st.waiting[n].seq-st.next) <= 0 {
		p := st.waiting[n]
		n++
		st.wait -= p.cost()
		fin = t.read(s, st, p) || fin
	}
	// What a thousand small pieces took is not kept for the next hole.
	if st.waiting = slices.Delete(st.waiting, 0, n); len(st.waiting) == 0 {
		st.waiting, st.tail = nil, nil
	}
	return fin
}

// read takes the octets of p that are new, in order, and emits the messages
// they complete. It reports whether the stream ends here.
func (t *Streams) read(s *Segment, st *stream, p piece) (fin bool) {
	if old := int(int32(st.next - p.seq)); old > 0 { // sent again
		if old > len(p.data)+p.cut {
			t.Stats.Used++
			return false
		}
		k := min(old, len(p.data))
		p.data, p.cut = p.data[k:], p.cut-(old-k)
	}
	st.next += uint32(len(p.data) + p.cut)
	if st.astray && len(p.data)+p.cut > 0 {
		off, sure := findMessage(p.data, len(p.data)+p.cut)
		if off < 0 {
			t.Stats.Lost++
			t.tell(1, s.Source, s.Dest)
			return p.fin
		}
		p.data = p.data[off:]
		st.astray, st.unsure = false, !sure
	}
	t.Stats.Used++
	t.readOctets(s, st, p.data)
	t.readCut(s, st, p.cut)
	return p.fin
}

func (t *Streams) readOctets(s *Segment, st *stream, b []byte) {
	for len(b) > 0 {
		if st.astray { // what was taken for a message was none
			off, sure := findMessage(b, len(b))
			if off < 0 {
				return
			}
			b = b[off:]
			st.astray, st.unsure = false, !sure
		}
		if len(st.buf) == 0 && len(b) >= 2 {
			// The usual case: whole messages in one segment.
			if n := 2 + int(binary.BigEndian.Uint16(b)); n <= len(b) {
				t.framed(s, st, b[2:n], n-2)
				b = b[n:]
				continue
			}
		}
		k := min(st.wanted(), len(b))
		if st.gone > 0 {
			st.gone += k // of no use behind a gap
		} else {
			st.buf = append(st.buf, b[:k]...)
			if st.unsure && len(st.buf) > k && look(st.buf) == unlike {
				t.stray(st) // and all of b is looked at again
				continue
			}
		}
		b = b[k:]
		t.complete(s, st)
	}
}

// readCut goes on over n octets that the capture cut off.
func (t *Streams) readCut(s *Segment, st *stream, n int) {
	for n > 0 && len(st.buf) >= 2 && !st.astray {
		k := min(st.wanted(), n)
		st.gone += k
		n -= k
		t.complete(s, st)
	}
	if n > 0 && !st.astray {
		t.stray(st)
	}
}

// wanted is how many octets the length wants, or the message behind it.
func (st *stream) wanted() int {
	if len(st.buf) < 2 {
		return 2 - len(st.buf)
	}
	return 2 + int(binary.BigEndian.Uint16(st.buf)) - len(st.buf) - st.gone
}

// complete emits the message in buf when no octet of it is wanted any more.
func (t *Streams) complete(s *Segment, st *stream) {
	if len(st.buf) < 2 || st.wanted() > 0 {
		return
	}
	data, size := st.buf[2:], len(st.buf)-2+st.gone
	if st.gone = 0; len(data) <= longMessage {
		data, st.buf = t.keep(data), st.buf[:0]
	} else {
		st.buf = nil // it goes with the message
	}
	t.framed(s, st, data, size)
}

// framed takes what stood behind a length; shorter than a header is not DNS.
func (t *Streams) framed(s *Segment, st *stream, data []byte, size int) {
	if st.unsure && lookAt(data, size, size) == unlike {
		t.stray(st)
		return
	}
	st.unsure = false
	switch {
	case len(data) >= minMessage:
		t.Stats.Messages++
		t.out = *s
		t.out.Payload, t.out.Size = data, size
		t.emit(&t.out)
	case size >= minMessage: // the capture has too little of it
		t.Stats.Incomplete++
		t.tell(1, s.Source, s.Dest)
	}
}

// keep copies b to where it stays until Exchange.
func (t *Streams) keep(b []byte) []byte {
	n := len(t.arena)
	t.arena = append(t.arena, b...)
	return t.arena[n:len(t.arena):len(t.arena)]
}

// giveUp counts what a stream still holds, and empties it.
func (t *Streams) giveUp(st *stream) {
	lost := uint64(len(st.waiting))
	t.Stats.Lost += lost
	if len(st.buf) > 0 {
		t.Stats.Incomplete++
		// Without a hole before it, its sender never sent the rest, or the
		// capture ends here.
		if st.gone > 0 {
			lost++
		}
	}
	t.tell(lost, st.key.source, st.key.dest)
	st.buf, st.gone, st.waiting, st.tail, st.wait = nil, 0, nil, nil, 0
}

// sweep frees the memory of streams that have been silent for long. Whether one
// is too old for its next segment is decided by that segment's time; sweeping
// waits so much longer that it never decides otherwise.
func (t *Streams) sweep(passed int64) {
	t.passed = passed
	for t.oldest != nil && t.oldest.passed < passed-2*t.cfg.IdleNS {
		t.drop(t.oldest)
	}
}

// drop forgets a stream.
func (t *Streams) drop(st *stream) {
	t.giveUp(st)
	t.held -= st.held
	t.unlink(st)
	delete(t.flows, st.key)
	if t.unusedLen < maxUnused {
		st.newer, t.unused, t.unusedLen = t.unused, st, t.unusedLen+1
	}
}

// maxUnused is how many streams that have ended serve for others: what a flood
// took is given back after it.
const maxUnused = 1024
