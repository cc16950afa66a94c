package capture

import (
	"encoding/binary"
	"fmt"
)

// A format takes records off a block. It appends the packets it finds to b and
// returns how many octets it used; more than len(block) means that the rest of
// an uninteresting block is to be skipped. It stops before an incomplete record.
type format interface {
	parse(block []byte, b *Batch) (used int, err error)
}

// maxRecord bounds one record. Capture programs stop at 262,144 octets; a file
// that claims a longer snap length is believed up to here.
const maxRecord = 16 << 20

const pcapHeaderLen, pcapRecordLen = 24, 16

// pcap is the classic format (draft-ietf-opsawg-pcap).
type pcap struct {
	order  binary.ByteOrder
	little bool
	unit   int64 // nanoseconds per unit of the fraction
	link   LinkType
	limit  uint32 // longest record
	head   int    // octets before the packet of a record
	swaps  swaps
}

// swaps tells where the lengths of a record, of what was captured and of what
// was on the wire, stand the other way round.
type swaps uint8

const (
	never     swaps = iota
	sometimes       // where more would have been captured than there was: some programs of version 2.3
	always          // before version 2.3
)

// newPcap reads the file header. ok is false when magic is not pcap's.
func newPcap(h []byte) (p *pcap, ok bool) {
	p = &pcap{order: binary.LittleEndian, little: true, unit: 1000, head: pcapRecordLen}
	if h[0] == 0xa1 {
		p.order, p.little = binary.BigEndian, false
	}
	switch p.order.Uint32(h) {
	case 0xa1b2c3d4:
	case 0xa1b23c4d:
		p.unit = 1
	case 0xa1b2cd34:
		// Kuznetsov's, of old Linux distributions: interface, protocol and
		// direction stand behind the lengths.
		p.head += 8
	default:
		return nil, false
	}
	switch minor := p.order.Uint16(h[6:]); {
	case p.order.Uint16(h[4:]) != 2:
	case minor == 3:
		p.swaps = sometimes
	case minor < 3:
		p.swaps = always
	}
	p.limit = min(max(p.order.Uint32(h[16:]), 262144), maxRecord)
	// The upper bits tell of a frame check sequence.
	p.link = LinkType(p.order.Uint32(h[20:]))
	return p, true
}

// fit finds out where the packet of a record begins, from the first of them.
// Programs of around 2000 had more in the header than the file says: libpcap of
// Nokia's firewalls four octets, that of Red Hat 6.1 eight, and that of SuSE 6.3
// four more than Kuznetsov's. The first of these counts, of none at first, is right
// that leads to a second record.
func (p *pcap) fit(block []byte) {
	if p.unit == 1 || len(block) < p.head {
		return // none of them had nanoseconds
	}
	first, _, length, _ := p.header(block)
	if first < 1<<29 { // 1987: where a fraction or a length may look like a time
		return
	}
	for _, more := range [...]int{0, 4, 8} {
		at := p.head + more + int(length)
		if length > p.limit || len(block)-at < p.head+more {
			return // there is no second
		}
		const day = 86400
		if sec, _, n, wire := p.header(block[at:]); n <= p.limit && n <= wire && sec-first+day <= 2*day {
			p.head += more
			return
		}
	}
}

// header reads that of a record.
func (p *pcap) header(h []byte) (sec, frac, n, wire uint32) {
	h = h[:pcapRecordLen]
	if p.little {
		sec, frac = binary.LittleEndian.Uint32(h), binary.LittleEndian.Uint32(h[4:])
		n, wire = binary.LittleEndian.Uint32(h[8:]), binary.LittleEndian.Uint32(h[12:])
	} else {
		sec, frac = binary.BigEndian.Uint32(h), binary.BigEndian.Uint32(h[4:])
		n, wire = binary.BigEndian.Uint32(h[8:]), binary.BigEndian.Uint32(h[12:])
	}
	if p.swaps == always || p.swaps == sometimes && n > wire {
		n, wire = wire, n
	}
	return sec, frac, n, wire
}

func (p *pcap) parse(block []byte, b *Batch) (used int, err error) {
	for len(block)-used >= p.head {
		sec, frac, n, wire := p.header(block[used:])
		if n > p.limit {
			return used, fmt.Errorf("record of %d octets, more than the capture's limit of %d", n, p.limit)
		}
		end := used + p.head + int(n)
		if end > len(block) {
			break
		}
		// Filled in place: what is written field by field and then moved whole
		// makes the processor wait for the writes.
		b.Packets = append(b.Packets, Packet{})
		pkt := &b.Packets[len(b.Packets)-1]
		pkt.Time = int64(sec)*1e9 + int64(frac)*p.unit
		pkt.Data = block[used+p.head : end : end]
		pkt.Wire = int(max(wire, n))
		pkt.Link = p.link
		used = end
	}
	return used, nil
}
