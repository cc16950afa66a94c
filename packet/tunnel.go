package packet

import (
	"encoding/binary"

	"ratadns/capture"
)

// Mirror ports and overlays wrap packets in others. What is inside counts; the
// wrapping does not.

// maxNesting bounds how deep packets are unwrapped: a mirrored packet of an
// overlay network with a tunnel in it.
const maxNesting = 4

// IP protocols that carry packets.
const (
	protoIPIP = 4
	protoIPv6 = 41 // 6in4 (RFC 4213)
	protoGRE  = 47
)

// UDP ports that carry packets.
const (
	portVXLAN  = 4789  // RFC 7348
	portGeneve = 6081  // RFC 8926
	portTZSP   = 37008 // TaZmen Sniffer Protocol, as mirroring routers send it
)

// EtherTypes that GRE and Geneve name.
const (
	etherTEB     = 0x6558 // an Ethernet frame
	etherERSPAN2 = 0x88be // types I and II
	etherERSPAN3 = 0x22eb
	etherMPLS    = 0x8847
	etherMPLSm   = 0x8848
	etherPPPoE   = 0x8864
)

// inside reads what a tunnel carries, one level deeper.
func (p *Parser) inside(pkt *capture.Packet, ether uint16, b []byte, s *Segment) Door {
	if p.depth == maxNesting {
		return NotIP
	}
	p.depth++
	d := p.ether(pkt, ether, b, s)
	p.depth--
	return d
}

// mpls drops the label stack (RFC 3032). What follows is IP where its first
// four bits say so.
func (p *Parser) mpls(pkt *capture.Packet, b []byte, s *Segment) Door {
	for len(b) >= 4 {
		bottom := b[2]&1 != 0
		b = b[4:]
		if bottom {
			return p.ip(pkt, b, s)
		}
	}
	return NotIP
}

// pppoe reads a session's frame (RFC 2516) with IP in it.
func (p *Parser) pppoe(pkt *capture.Packet, b []byte, s *Segment) Door {
	if len(b) < 8 || b[0] != 0x11 || b[1] != 0 {
		return NotIP
	}
	if proto := binary.BigEndian.Uint16(b[6:]); proto != 0x0021 && proto != 0x0057 {
		return NotIP
	}
	return p.ip(pkt, b[8:], s)
}

// gre reads a GRE header (RFC 2784, RFC 2890) and what it names.
func (p *Parser) gre(pkt *capture.Packet, b []byte, s *Segment) Door {
	if len(b) < 4 || b[1]&7 != 0 { // version 0
		return NotDNSPort
	}
	flags, ether := b[0], binary.BigEndian.Uint16(b[2:])
	n := 4
	for _, optional := range []byte{0x80, 0x20, 0x10} { // checksum, key, sequence number
		if flags&optional != 0 {
			n += 4
		}
	}
	switch ether {
	case etherERSPAN2:
		// Type II has a header of its own, and a sequence number; type I neither.
		if flags&0x10 != 0 {
			n += 8
		}
		ether = etherTEB
	case etherERSPAN3:
		n += 12
		if len(b) >= n && b[n-1]&1 != 0 { // a platform's subheader follows
			n += 8
		}
		ether = etherTEB
	}
	if len(b) < n {
		return NotIP
	}
	return p.inside(pkt, ether, b[n:], s)
}

// carriesPackets reports whether an IP protocol does.
func carriesPackets(proto uint8) bool {
	return proto == protoIPIP || proto == protoIPv6 || proto == protoGRE
}

// isTunnel reports whether a UDP port carries packets.
func isTunnel(port uint16) bool {
	return port == portVXLAN || port == portGeneve || port == portTZSP
}

// udpTunnel reads the payload of a UDP port without DNS: it may carry packets.
func (p *Parser) udpTunnel(pkt *capture.Packet, port uint16, b []byte, s *Segment) Door {
	switch {
	case port == portVXLAN && len(b) >= 8 && b[0]&0x08 != 0:
		return p.inside(pkt, etherTEB, b[8:], s)
	case port == portGeneve && len(b) >= 8 && b[0]>>6 == 0:
		if n := 8 + int(b[0]&0x3f)*4; len(b) >= n {
			return p.inside(pkt, binary.BigEndian.Uint16(b[2:]), b[n:], s)
		}
	case port == portTZSP && len(b) >= 4 && b[0] == 1 && b[1] <= 1 && binary.BigEndian.Uint16(b[2:]) == 1:
		// Tags of type, length, value up to the end tag; padding has no length.
		for b = b[4:]; len(b) > 0; {
			switch {
			case b[0] == 1:
				return p.inside(pkt, etherTEB, b[1:], s)
			case b[0] == 0:
				b = b[1:]
			case len(b) >= 2 && len(b) >= 2+int(b[1]):
				b = b[2+int(b[1]):]
			default:
				return NotIP
			}
		}
		return NotIP
	}
	return NotDNSPort
}
