// Package packet takes captured packets apart down to the payload of UDP and
// TCP, and puts the DNS messages of TCP streams together again. A dnstap frame
// counts as a packet that has one message whole.
//
// It has two halves so that work can be spread: [Parser] has no state but its
// counters and the fragments that wait, which several leave to one of them;
// [Streams] holds the state of TCP flows and sees only the flows of its worker.
// Every packet leaves Parser by one counted door, see [Stats]. Start at
// [Parser.Parse].
package packet

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/cpu"

	"ratadns/capture"
)

// A Segment is the payload of one UDP datagram or TCP segment, or the message of
// one dnstap frame, with its flow; from [Streams] it is a message, whatever has
// carried it.
// Payload aliases the packet.
type Segment struct {
	Time       int64  // of capture, nanoseconds since 1970
	Place      uint64 // ordinal of the packet in the capture
	Source     netip.Addr
	Dest       netip.Addr
	SourcePort uint16
	DestPort   uint16
	Lost       bool // stands for a datagram that was never complete: only the addresses count
	Sweep      bool // stands for time that has passed: Time is how long since the capture began
	Transport  Transport
	Interface  uint8  // of a live source
	Version    uint8  // of IP, 0 where the packet is not IP
	Protocol   uint8  // of IP
	TCP        bool   // Payload is a part of a stream; otherwise it is one message
	Flags      uint8  // TCP
	Seq, Ack   uint32 // TCP
	Size       int    // octets of the payload on the wire, of which Payload may be a part
	Payload    []byte
}

// Whole reports whether the segment is a message by itself.
func (s *Segment) Whole() bool { return !s.TCP && len(s.Payload) >= minMessage }

// Short reports whether the segment is too short for the message that it is.
func (s *Segment) Short() bool { return !s.TCP && len(s.Payload) < minMessage }

// A Transport is what carried a message. Beyond UDP and TCP only dnstap can tell.
type Transport uint8

// The transports, in the order of their words in [Transports].
const (
	UnknownTransport Transport = iota
	UDP
	TCP
	DoT
	DoH
	DoQ
	DNSCrypt
)

// Transports are the words for transports in messages and reports.
var Transports = [...]string{"", "udp", "tcp", "dot", "doh", "doq", "dnscrypt"}

func (t Transport) String() string { return Transports[t] }

// TCP flags (RFC 9293 §3.1).
const (
	flagFIN = 1 << iota
	flagSYN
	flagRST
	flagPSH
	flagACK
)

// A Door is how a packet leaves the parser.
type Door uint8

const (
	DNS        Door = iota // UDP or TCP of a DNS port: it goes on
	NotIP                  // not IP, or its headers cannot be read, or a dnstap frame without a message
	NotDNSPort             // other protocols, ports without DNS
	Fragment               // part of a fragmented datagram: it waits for the others, see also [Parser.Fork]
)

// A Parser reads link, IP, UDP and TCP headers. Checksums are not verified:
// network cards fill them in after the capture.
type Parser struct {
	Stats     Stats
	ports     [65536 / 64]uint64
	place     uint64 // how many packets have passed
	clock     clock
	fork      bool
	swept     int64 // time that had passed when TakeSweep told it last
	fragments fragments
	depth     int    // of tunnels around what is being read
	joins     int    // of datagrams around it that were put together
	before    uint64 // packets of those, but for the one that completed them
	tap       capture.Dnstap
	_         cpu.CacheLinePad
}

// NewParser returns a parser that takes those ports for DNS.
func NewParser(ports ...uint16) *Parser {
	p := new(Parser)
	for _, n := range ports {
		p.ports[n/64] |= 1 << (n % 64)
	}
	return p
}

func (p *Parser) isDNS(port uint16) bool { return p.ports[port/64]>>(port%64)&1 != 0 }

// Fork returns a parser that can be used side by side with p. It takes packets
// by [Parser.ParseAt], has counters of its own, and neither keeps nor counts
// fragments: those are for p.
func (p *Parser) Fork() *Parser { return &Parser{ports: p.ports, fork: true} }

// Parse reads pkt, the next of the capture, into s and counts it. s is complete
// only when the result is DNS.
func (p *Parser) Parse(pkt *capture.Packet, s *Segment) Door {
	p.Pass(pkt.Time)
	return p.ParseAt(pkt, p.place-1, s)
}

// Pass tells p of the next packet of the capture, which may be parsed by a fork,
// so that p knows the time.
func (p *Parser) Pass(t int64) {
	p.fragments.now, p.fragments.place = p.clock.take(t), p.place
	p.place++
}

// PassAll is Pass for the next n packets at once, none of them a fragment, of times
// between those. Where p would have something to tell of one of them it does
// nothing and returns false: they pass one by one.
func (p *Parser) PassAll(n int, earliest, latest int64) bool {
	c := p.clock
	if len(p.fragments.lost) > 0 || !c.takeAll(earliest, latest) || c.passed-p.swept >= sweepNS {
		return false
	}
	p.clock = c
	p.place += uint64(n)
	p.fragments.now, p.fragments.place = c.passed, p.place-1
	return true
}

// ParseAt is Parse for a packet that has passed, with its place.
func (p *Parser) ParseAt(pkt *capture.Packet, place uint64, s *Segment) Door {
	s.Time, s.Place, s.Lost, s.Sweep = pkt.Time, place, false, false
	s.Interface, s.Version = pkt.Interface, 0
	d := p.parse(pkt, s)
	switch d {
	case DNS:
		if len(s.Payload) < s.Size {
			p.Stats.Cut++
		}
	case NotIP:
		p.Stats.NotIP++
		if len(pkt.Data) < pkt.Wire {
			p.Stats.Cut++
		}
	case NotDNSPort:
		p.Stats.NotDNSPort++
	case Fragment:
		if p.fork {
			return d
		}
	}
	p.Stats.Received++
	return d
}

// IP protocol numbers (IANA protocol numbers).
const (
	protoHopByHop = 0
	protoTCP      = 6
	protoUDP      = 17
	protoRouting  = 43
	protoFragment = 44
	protoAH       = 51
	protoDestOpts = 60
	protoMobility = 135
	protoHIP      = 139
	protoShim6    = 140
)

// ip reads an IP packet. More octets than the header tells are padding; fewer
// mean that the capture was cut.
func (p *Parser) ip(pkt *capture.Packet, b []byte, s *Segment) Door {
	if len(b) == 0 {
		return NotIP
	}
	switch b[0] >> 4 {
	case 4:
		hlen := int(b[0]&15) * 4
		if len(b) < 20 || hlen < 20 || len(b) < hlen {
			return NotIP
		}
		size := int(binary.BigEndian.Uint16(b[2:]))
		if size == 0 {
			// Segmentation left to the network card leaves the field empty.
			size = pkt.Wire - (len(pkt.Data) - len(b))
		}
		if size < hlen {
			return NotIP
		}
		s.fromIPv4(b)
		if f := binary.BigEndian.Uint16(b[6:]); f&0x3fff != 0 { // offset, or more to come
			if !mayCarryDNS(b[9]) {
				return NotDNSPort
			}
			key := datagramKey{s.Source, s.Dest, uint32(binary.BigEndian.Uint16(b[4:])), b[9]}
			return p.fragment(pkt, s, key, b[9], f&0x1fff, f&0x2000 != 0, b[hlen:min(size, len(b))], size-hlen)
		}
		if b[9] == protoAH {
			return p.ipv6(pkt, b[9], b[hlen:min(size, len(b))], size-hlen, s)
		}
		return p.transport(pkt, b[9], b[hlen:min(size, len(b))], size-hlen, s)
	case 6:
		if len(b) < 40 {
			return NotIP
		}
		size := int(binary.BigEndian.Uint16(b[4:]))
		if size == 0 { // as above, or a jumbogram (RFC 2675)
			size = pkt.Wire - (len(pkt.Data) - len(b)) - 40
		}
		s.fromIPv6(b)
		return p.ipv6(pkt, b[6], b[40:min(40+max(size, 0), len(b))], size, s)
	}
	return NotIP
}

// fromIPv4 fills in what an IPv4 header has.
func (s *Segment) fromIPv4(b []byte) {
	s.Version, s.Protocol = 4, b[9]
	s.Source = netip.AddrFrom4([4]byte(b[12:16]))
	s.Dest = netip.AddrFrom4([4]byte(b[16:20]))
}

// fromIPv6 fills in what an IPv6 header has.
func (s *Segment) fromIPv6(b []byte) {
	s.Version, s.Protocol = 6, b[6]
	s.Source = netip.AddrFrom16([16]byte(b[8:24]))
	s.Dest = netip.AddrFrom16([16]byte(b[24:40]))
}

// plain reads what most packets are: a frame of UDP in IP, whole, with nothing
// between the headers. What ip and transport would look for besides it has not.
// It returns false, and nothing else, of other packets.
func (p *Parser) plain(pkt *capture.Packet, s *Segment) (d Door, ok bool) {
	b := pkt.Data
	if len(b) < 14+20+8 {
		return 0, false
	}
	ether := binary.BigEndian.Uint16(b[12:])
	b = b[14:]
	switch {
	case ether == etherIPv4 && b[0] == 0x45 && b[9] == protoUDP && binary.BigEndian.Uint16(b[6:])&0x3fff == 0:
		size := int(binary.BigEndian.Uint16(b[2:]))
		if size < 20+8 {
			return 0, false
		}
		s.fromIPv4(b)
		return p.udp(pkt, b[20:min(size, len(b))], size-20, s), true
	case ether == etherIPv6 && b[0]>>4 == 6 && b[6] == protoUDP && len(b) >= 40+8:
		size := int(binary.BigEndian.Uint16(b[4:]))
		if size < 8 {
			return 0, false
		}
		s.fromIPv6(b)
		return p.udp(pkt, b[40:min(40+size, len(b))], size, s), true
	}
	return 0, false
}

// mayCarryDNS reports whether the payload of an IPv4 packet may lead to DNS.
func mayCarryDNS(proto uint8) bool {
	return proto == protoUDP || proto == protoTCP || proto == protoAH || carriesPackets(proto)
}

// isExtension reports whether a header of IPv6 is one that others follow.
func isExtension(next uint8) bool {
	switch next {
	case protoHopByHop, protoRouting, protoDestOpts, protoMobility, protoHIP, protoShim6, protoFragment:
		return true
	}
	return false
}

// ipv6 walks extension headers (RFC 8200 §4), each at least eight octets of b.
func (p *Parser) ipv6(pkt *capture.Packet, next uint8, b []byte, size int, s *Segment) Door {
	for {
		var n int
		switch next {
		case protoHopByHop, protoRouting, protoDestOpts, protoMobility, protoHIP, protoShim6:
			if len(b) < 8 {
				return NotIP
			}
			n = int(b[1])*8 + 8
		case protoAH:
			if len(b) < 8 {
				return NotIP
			}
			n = int(b[1])*4 + 8
		case protoFragment:
			if len(b) < 8 {
				return NotIP
			}
			s.Protocol = b[0]
			if f := binary.BigEndian.Uint16(b[2:]); f&0xfff9 != 0 {
				key := datagramKey{s.Source, s.Dest, binary.BigEndian.Uint32(b[4:]), 0}
				return p.fragment(pkt, s, key, b[0], f>>3, f&1 != 0, b[8:], size-8)
			}
			n = 8 // an atomic fragment is whole (RFC 6946)
		default:
			s.Protocol = next
			return p.transport(pkt, next, b, size, s)
		}
		if n > len(b) {
			return NotIP
		}
		next, b, size = b[0], b[n:], size-n
	}
}

// fragment keeps a fragment, or goes on with the datagram that it completes.
// off is in units of eight octets.
func (p *Parser) fragment(pkt *capture.Packet, s *Segment, key datagramKey, proto uint8, off uint16, more bool, data []byte, size int) Door {
	if p.fork {
		return Fragment
	}
	if p.joins == maxNesting {
		return NotIP
	}
	other := false
	switch {
	case off != 0: // the first one tells
	case !mayCarryDNS(proto) && !isExtension(proto):
		other = true
	case (proto == protoUDP || proto == protoTCP) && len(data) >= 4:
		dest := binary.BigEndian.Uint16(data[2:])
		other = !p.isDNS(binary.BigEndian.Uint16(data)) && !p.isDNS(dest) && !isTunnel(dest)
	}
	packets := p.before + 1
	p.before = 0
	d := p.fragments.add(&p.Stats, s, key, proto, int(off)*8, more, other, data, size, packets)
	if d == nil {
		return Fragment
	}
	p.joins++
	p.before = d.packets - 1
	door := NotDNSPort
	if s.Source.Is4() && d.proto != protoAH {
		door = p.transport(pkt, d.proto, d.whole, len(d.whole), s)
	} else {
		door = p.ipv6(pkt, d.proto, d.whole, len(d.whole), s)
	}
	p.joins--
	// The fragments before this one leave by the same door, unless they wait as
	// a part of the fragment that they made.
	n := p.before
	p.before = 0
	switch door {
	case DNS:
		p.Stats.Joined += n
	case NotDNSPort:
		p.Stats.NotDNSPort += n
	default:
		p.Stats.NotIP += n
	}
	return door
}

// udp reads UDP; size is as for transport.
func (p *Parser) udp(pkt *capture.Packet, b []byte, size int, s *Segment) Door {
	if len(b) < 8 {
		return NotIP
	}
	s.SourcePort, s.DestPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	if !p.isDNS(s.SourcePort) && !p.isDNS(s.DestPort) {
		return p.udpTunnel(pkt, s.DestPort, b[8:], s)
	}
	// UDP's own length can only make it shorter; 0 is a jumbogram's.
	if n := int(binary.BigEndian.Uint16(b[4:])); n >= 8 && n < size {
		size = n
	}
	s.Transport, s.TCP = UDP, false
	s.Size = size - 8
	s.Payload = b[8:max(8, min(size, len(b)))]
	return DNS
}

// transport reads UDP and TCP. size is the length on the wire of what b begins.
func (p *Parser) transport(pkt *capture.Packet, proto uint8, b []byte, size int, s *Segment) Door {
	switch proto {
	case protoUDP:
		return p.udp(pkt, b, size, s)
	case protoTCP:
		if len(b) < 20 {
			return NotIP
		}
		s.SourcePort, s.DestPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
		if !p.isDNS(s.SourcePort) && !p.isDNS(s.DestPort) {
			return NotDNSPort
		}
		hlen := int(b[12]>>4) * 4
		if hlen < 20 || hlen > len(b) || hlen > size {
			return NotIP
		}
		s.Transport, s.TCP = TCP, true
		s.Flags, s.Seq, s.Ack = b[13], binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
		s.Size = size - hlen
		s.Payload = b[hlen:]
		return DNS
	case protoIPIP, protoIPv6:
		return p.inside(pkt, etherIPv4, b, s) // its version field tells
	case protoGRE:
		return p.gre(pkt, b, s)
	case protoEtherIP:
		return p.inside(pkt, etherTEB, b[min(2, len(b)):], s)
	case protoMPLS:
		return p.inside(pkt, etherMPLS, b, s)
	case protoEthernet:
		return p.inside(pkt, etherTEB, b, s)
	}
	return NotDNSPort
}
