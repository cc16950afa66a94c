package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
)

// Block types of pcapng (draft-ietf-opsawg-pcapng §11.1).
const (
	ngSection   = 0x0a0d0d0a
	ngInterface = 1
	ngPacket    = 2 // obsolete, still found
	ngSimple    = 3
	ngEnhanced  = 6
)

// Interface options.
const (
	ngTsresol  = 9
	ngTsoffset = 14
)

// maxInterfaces bounds the interfaces of a section: a capture of all
// interfaces of a large router has hundreds.
const maxInterfaces = 1 << 16

// pcapng is the second capture format (draft-ietf-opsawg-pcapng).
type pcapng struct {
	order  binary.ByteOrder
	ifaces []ngIface
	last   int64 // time of the last packet: simple packets have none of their own
}

type ngIface struct {
	link   LinkType
	snap   uint32
	resol  uint8 // if_tsresol as written: power of ten, or of two with the top bit
	offset int64 // seconds
}

var errBlockLength = errors.New("block's length does not fit its type")

func (p *pcapng) parse(block []byte, b *Batch) (used int, err error) {
	for len(block)-used >= 12 {
		h := block[used:]
		// The section header's type reads the same in both orders; its
		// byte-order magic tells how all that follows is to be read.
		if binary.LittleEndian.Uint32(h) == ngSection {
			switch binary.LittleEndian.Uint32(h[8:]) {
			case 0x1a2b3c4d:
				p.order = binary.LittleEndian
			case 0x4d3c2b1a:
				p.order = binary.BigEndian
			default:
				return used, errors.New("section header without a byte-order magic")
			}
			p.ifaces = p.ifaces[:0]
		}
		kind, n := p.order.Uint32(h), p.order.Uint32(h[4:])
		if n < 12 || n%4 != 0 {
			return used, fmt.Errorf("block of %d octets", n)
		}
		switch kind {
		case ngInterface, ngPacket, ngSimple, ngEnhanced:
			if n > maxRecord {
				return used, fmt.Errorf("block of %d octets, more than the limit of %d", n, maxRecord)
			}
		default: // skipped, even where it is longer than what is here
			if used += int(n); used >= len(block) {
				return used, nil
			}
			continue
		}
		if int(n) > len(h) {
			break
		}
		if end := p.order.Uint32(h[n-4:]); end != n {
			return used, fmt.Errorf("block of %d octets, of %d by its end", n, end)
		}
		if err := p.block(kind, h[8:n-4:n-4], b); err != nil {
			return used, err
		}
		used += int(n)
	}
	return used, nil
}

// block reads the body of one block.
func (p *pcapng) block(kind uint32, body []byte, b *Batch) error {
	switch kind {
	case ngInterface:
		if len(body) < 8 {
			return errBlockLength
		}
		if len(p.ifaces) == maxInterfaces {
			return fmt.Errorf("more than %d interfaces", maxInterfaces)
		}
		p.ifaces = append(p.ifaces, p.iface(body))
	case ngSimple:
		if len(body) < 4 {
			return errBlockLength
		}
		if len(p.ifaces) == 0 {
			return errors.New("packet without an interface")
		}
		wire := p.order.Uint32(body)
		n := min(wire, uint32(len(body)-4))
		if snap := p.ifaces[0].snap; snap > 0 {
			n = min(n, snap)
		}
		b.Packets = append(b.Packets, Packet{
			Time: p.last, Data: body[4 : 4+n : 4+n], Wire: int(wire), Link: p.ifaces[0].link,
		})
	case ngEnhanced, ngPacket:
		if len(body) < 20 {
			return errBlockLength
		}
		id := p.order.Uint32(body)
		if kind == ngPacket { // interface and drop count share the word
			id = uint32(p.order.Uint16(body))
		}
		if id >= uint32(len(p.ifaces)) {
			return fmt.Errorf("packet of interface %d, which is not described", id)
		}
		n, wire := p.order.Uint32(body[12:]), p.order.Uint32(body[16:])
		if n > uint32(len(body)-20) {
			return errBlockLength
		}
		ts := uint64(p.order.Uint32(body[4:]))<<32 | uint64(p.order.Uint32(body[8:]))
		p.last = p.ifaces[id].nanoseconds(ts)
		b.Packets = append(b.Packets, Packet{
			Time: p.last, Data: body[20 : 20+n : 20+n], Wire: int(max(wire, n)), Link: p.ifaces[id].link,
		})
	}
	return nil
}

func (p *pcapng) iface(body []byte) ngIface {
	i := ngIface{link: LinkType(p.order.Uint16(body)), snap: p.order.Uint32(body[4:]), resol: 6}
	for opts := body[8:]; len(opts) >= 4; {
		code, n := p.order.Uint16(opts), int(p.order.Uint16(opts[2:]))
		if code == 0 || 4+n > len(opts) {
			break
		}
		switch v := opts[4 : 4+n]; {
		case code == ngTsresol && n >= 1:
			i.resol = v[0]
		case code == ngTsoffset && n >= 8:
			i.offset = int64(p.order.Uint64(v))
		}
		opts = opts[min(4+(n+3)&^3, len(opts)):]
	}
	return i
}

// maxSeconds keeps absurd times inside what nanoseconds in an int64 can say
// (until the year 2242).
const maxSeconds = 1 << 33

// nanoseconds turns a timestamp of the interface into ours.
func (i *ngIface) nanoseconds(ts uint64) int64 {
	var sec, ns uint64
	switch n := i.resol & 0x7f; {
	case i.resol&0x80 != 0 && n < 64: // units of 2^-n s
		sec = ts >> n
		hi, lo := bits.Mul64(ts&(1<<n-1), 1e9)
		if ns = lo >> n; n > 0 {
			ns |= hi << (64 - n)
		}
	case i.resol&0x80 == 0 && n <= 19:
		unit := pow10(n)
		sec, ns = ts/unit, ts%unit
		if n <= 9 {
			ns *= pow10(9 - n)
		} else {
			ns /= pow10(n - 9)
		}
	}
	s := min(int64(min(sec, maxSeconds))+max(min(i.offset, maxSeconds), -maxSeconds), maxSeconds)
	return s*1e9 + int64(ns)
}

func pow10(n uint8) uint64 {
	p := uint64(1)
	for range n {
		p *= 10
	}
	return p
}
