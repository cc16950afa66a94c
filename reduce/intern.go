package reduce

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"slices"
	"unsafe"

	"github.com/cespare/xxhash/v2"
)

// An interner gives octets a number, the same for equal ones, so that twenty
// tables by name hold one copy of each name. It belongs to one window of one
// worker. Names that no table holds any more are forgotten when there are many.
type interner struct {
	// A hash table with linear probing. A slot has the upper half of a hash, and
	// in its lower half one more than a number; zero is free.
	slots  []uint64
	texts  []string // in pages
	fields []uint16 // whose names they are: a bit for each lane
	// For sketches, one more than the hash of a text, or zero where nobody has asked.
	hashes  []uint64
	refs    []int32 // tables' rows that hold it
	lanes   [lanes]lane
	free    []uint32
	count   int // names
	limit   int // sweep when there are so many
	longest int // octets of a text
	pages   [][]byte
	page    int // that is filled now
	// What follows from a QNAME alone, so many values for each number: two more
	// than the value, one where there is none, or zero where nobody has asked.
	width   int
	derived []uint32
	sweeps  int         // that have changed what numbers stand for
	addrs   []knownAddr // that came lately
	known   translation
	// The names in order, when so many had been added.
	added, ordered uint64
	order          textOrder
	ranks          []uint32        // of those in order, by number
	byField        [lanes][]uint32 // those in order, by lane
	members        members         // of those in order
}

// A lane has numbers for new names of one field, so that those of a table stand
// together, and its counts with them, as long as nothing was swept or merged. It
// takes more in a row each time, up to as many as a page of counts has.
type lane struct{ next, end, size uint32 }

const (
	lanes    = 16
	minLane  = 4
	laneSize = 256
)

// minInterned is how many names are kept at least before a sweep.
const minInterned = 1 << 15

// Pages of the memory of names, and how many a window leaves to the next one. A
// text that would waste much of a page is not in any.
const (
	pageSize  = 1 << 16
	keptPages = 64
	longText  = pageSize / 16
)

var internSeed = maphash.MakeSeed()

func newInterner() *interner {
	return &interner{slots: make([]uint64, minSlots), limit: minInterned}
}

const lowerHalf = 1<<32 - 1

// id returns the number of b. It is good until the next sweep, or as long as it
// is held.
func (in *interner) id(b []byte) uint32 { return in.idIn(0, b) }

// idIn is id; the number of a new name comes from that lane.
func (in *interner) idIn(lane int, b []byte) uint32 {
	hash := maphash.Bytes(internSeed, b) &^ lowerHalf
	for i := int(hash >> 32); ; i++ {
		s := in.slots[i&(len(in.slots)-1)]
		if s == 0 {
			return in.add(lane, b, hash)
		}
		if n := uint32(s) - 1; s&^lowerHalf == hash && in.texts[n] == string(b) {
			return n
		}
	}
}

func (in *interner) add(lane int, b []byte, hash uint64) uint32 {
	n := in.number(lane)
	in.count++
	in.texts[n], in.fields[n], in.refs[n] = in.text(b), 0, 0
	if int(n) < len(in.hashes) {
		in.hashes[n] = 0
	}
	if 4*in.count > 3*len(in.slots) {
		in.grow()
	}
	in.put(hash | uint64(n+1))
	in.added++
	in.longest = max(in.longest, len(b))
	return n
}

// number is one that is free.
func (in *interner) number(lane int) uint32 {
	if last := len(in.free) - 1; last >= 0 {
		n := in.free[last]
		in.free = in.free[:last]
		return n
	}
	l := &in.lanes[lane%lanes]
	if l.next == l.end {
		l.size = min(max(2*l.size, minLane), laneSize)
		l.next = uint32(len(in.texts))
		l.end = l.next + l.size
		in.texts = append(in.texts, make([]string, l.size)...)
		in.fields = append(in.fields, make([]uint16, l.size)...)
		in.refs = append(in.refs, make([]int32, l.size)...)
	}
	l.next++
	return l.next - 1
}

func (in *interner) put(slot uint64) {
	i := int(slot >> 32)
	for in.slots[i&(len(in.slots)-1)] != 0 {
		i++
	}
	in.slots[i&(len(in.slots)-1)] = slot
}

func (in *interner) grow() {
	old := in.slots
	in.slots = make([]uint64, 2*len(old))
	for _, s := range old {
		if s != 0 {
			in.put(s)
		}
	}
}

// text is a copy of b in a page. The octets stay as they are until reset.
func (in *interner) text(b []byte) string {
	if len(b) > longText {
		return string(b)
	}
	if len(b) == 0 {
		return ""
	}
	if in.page < len(in.pages) && len(in.pages[in.page])+len(b) > pageSize {
		in.page++
	}
	if in.page == len(in.pages) {
		in.pages = append(in.pages, make([]byte, 0, pageSize))
	}
	at := len(in.pages[in.page])
	page := append(in.pages[in.page], b...)
	in.pages[in.page] = page
	return unsafe.String(&page[at], len(b))
}

// hash is that of a text for sketches.
func (in *interner) hash(n uint32) uint64 {
	for int(n) >= len(in.hashes) {
		in.hashes = append(in.hashes, 0)
	}
	if in.hashes[n] == 0 {
		in.hashes[n] = xxhash.Sum64String(in.texts[n]) + 1
	}
	return in.hashes[n] - 1
}

// octetsOf are those of a text, for who does not change them.
func octetsOf(text string) []byte { return unsafe.Slice(unsafe.StringData(text), len(text)) }

// A translation has the numbers here of the names of another interner: one more
// than the number, or zero where nobody has asked, since so many sweeps there and
// here.
type translation struct {
	from         *interner
	sweeps, mine int
	numbers      []uint32
}

// idOf returns the number of the name that has number n in o, whose names stay as
// they are as long as it is merged.
func (in *interner) idOf(o *interner, n uint32) uint32 {
	m := &in.known
	if m.from != o || m.sweeps != o.sweeps || m.mine != in.sweeps {
		m.from, m.sweeps, m.mine = o, o.sweeps, in.sweeps
		m.numbers = append(m.numbers[:0], make([]uint32, len(o.texts))...)
	}
	if m.numbers[n] == 0 {
		m.numbers[n] = in.id(octetsOf(o.texts[n])) + 1
		in.fields[m.numbers[n]-1] |= o.fields[n]
	}
	return m.numbers[n] - 1
}

// A knownAddr is an address or subnet that has a number.
type knownAddr struct {
	high, low uint64
	as        uint32 // length, version and kind, or zero
	n         uint32
}

// For how many of them there is room at most, and at least.
const maxKnownAddrs, minKnownAddrs = 1 << 11, 1 << 4

// addr returns the number of an address or subnet as a key, which text makes of
// those that have not come lately.
func (in *interner) addr(lane int, p netip.Prefix, kind Kind, text func() []byte) uint32 {
	if len(in.addrs) < min(in.count, maxKnownAddrs) || in.addrs == nil {
		in.addrs = make([]knownAddr, max(2*len(in.addrs), minKnownAddrs))
	}
	b := p.Addr().As16()
	a := knownAddr{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:]), uint32(p.Bits())<<16 | bit(p.Addr().Is4())<<8 | uint32(kind), 0}
	const odd = 0x9e3779b97f4a7c15
	known := &in.addrs[((a.high*odd+a.low)*odd+uint64(a.as))*odd>>32&uint64(len(in.addrs)-1)]
	if a.n = known.n; *known != a {
		a.n = in.idIn(lane, text())
		*known = a
	}
	return a.n
}

// derive returns the value at a place of what follows from a QNAME, which find
// finds when it is asked for first.
func (in *interner) derive(name uint32, place int, find func() (uint32, bool)) (uint32, bool) {
	at := int(name)*in.width + place
	if at < len(in.derived) {
		switch known := in.derived[at]; known {
		case 0:
		case 1:
			return 0, false
		default:
			return known - 2, true
		}
	}
	n, ok := find()
	if at >= len(in.derived) { // as long as for all names, so that it seldom grows
		in.derived = append(in.derived, make([]uint32, len(in.texts)*in.width-len(in.derived))...)
	}
	in.derived[at] = 1
	if ok {
		in.derived[at] = n + 2
	}
	return n, ok
}

// sweep forgets what nobody holds when there is much. It is for the time between
// two batches.
func (in *interner) sweep() {
	if in.count >= in.limit {
		in.forget()
	}
}

func (in *interner) forget() {
	old := in.slots
	in.slots = make([]uint64, len(old))
	in.pages, in.page = nil, 0
	for _, s := range old {
		switch n := uint32(s) - 1; {
		case s == 0:
		case in.refs[n] == 0:
			in.texts[n] = ""
			in.free = append(in.free, n)
			in.count--
		default:
			in.texts[n] = in.text(octetsOf(in.texts[n]))
			in.put(s)
		}
	}
	in.derived = in.derived[:0]
	clear(in.addrs)
	in.sweeps++
	// A name more costs five looks here. Counts by number grow with the names, for
	// each worker.
	in.limit = max(minInterned, in.count+in.count/4)
}

func (in *interner) reset() {
	if len(in.texts) > 4*minInterned { // a flood's memory is not kept
		*in = interner{slots: make([]uint64, minSlots), limit: minInterned, width: in.width, added: in.added, sweeps: in.sweeps + 1}
		return
	}
	clear(in.slots)
	if len(in.pages) > keptPages {
		in.pages = slices.Clone(in.pages[:keptPages])
		clear(in.texts) // which are in the others too
	}
	for i := range in.pages {
		in.pages[i] = in.pages[i][:0]
	}
	in.texts, in.fields, in.refs, in.free, in.limit = in.texts[:0], in.fields[:0], in.refs[:0], in.free[:0], minInterned
	in.page, in.longest, in.count = 0, 0, 0
	in.lanes = [lanes]lane{}
	in.derived, in.hashes = in.derived[:0], in.hashes[:0]
	clear(in.addrs)
	in.sweeps++
	in.order.numbers = in.order.numbers[:0]
}
