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

	protoEtherIP  = 97  // RFC 3378
	protoMPLS     = 137 // RFC 4023
	protoEthernet = 143 // RFC 8986
)

// UDP ports that carry packets.
const (
	portL2TP   = 1701  // RFC 2661
	portTeredo = 3544  // RFC 4380
	portGTP    = 2152  // of mobile networks (3GPP TS 29.281)
	portVXLAN  = 4789  // RFC 7348
	portGPE    = 4790  // VXLAN of any protocol (draft-ietf-nvo3-vxlan-gpe)
	portGeneve = 6081  // RFC 8926
	portMPLS   = 6635  // RFC 7510
	portFlat   = 8472  // VXLAN by the default of Linux
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
	etherPPP     = 0x880b
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
// four bits say so, or the frame of a pseudowire, with a control word (RFC 4448
// §4.6) or without.
func (p *Parser) mpls(pkt *capture.Packet, b []byte, s *Segment) Door {
	for len(b) >= 4 {
		bottom := b[2]&1 != 0
		b = b[4:]
		if !bottom {
			continue
		}
		switch {
		case len(b) > 4 && b[0]>>4 == 0 && isFrame(b[4:]):
			return p.inside(pkt, etherTEB, b[4:], s)
		case len(b) > 0 && b[0]>>4 != 4 && b[0]>>4 != 6 && isFrame(b):
			return p.inside(pkt, etherTEB, b, s)
		}
		return p.ip(pkt, b, s)
	}
	return NotIP
}

// isFrame reports whether b looks like an Ethernet frame that leads to IP.
func isFrame(b []byte) bool {
	if len(b) < 14 {
		return false
	}
	switch binary.BigEndian.Uint16(b[12:]) {
	case etherIPv4, etherIPv6, etherMPLS, etherMPLSm, etherPPPoE,
		etherVLAN, etherQinQ, etherQinQ91, etherQinQ92, etherQinQ93:
		return true
	}
	return false
}

// pppoe reads a session's frame (RFC 2516).
func (p *Parser) pppoe(pkt *capture.Packet, b []byte, s *Segment) Door {
	if len(b) < 8 || b[0] != 0x11 || b[1] != 0 {
		return NotIP
	}
	return p.ppp(pkt, b[6:], s)
}

// gre reads a GRE header (RFC 2784, RFC 2890) and what it names.
func (p *Parser) gre(pkt *capture.Packet, b []byte, s *Segment) Door {
	if len(b) < 4 || b[1]&7 > 1 {
		return NotDNSPort
	}
	flags, ether := b[0], binary.BigEndian.Uint16(b[2:])
	n := 4
	if b[1]&7 == 1 { // of PPTP (RFC 2637 §4.1): always a key, perhaps acknowledgements
		if ether != etherPPP {
			return NotDNSPort
		}
		if b[1]&0x80 != 0 {
			n += 4
		}
	}
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
		if n += 12; len(b) < n {
			return NotIP
		}
		const packet = 2
		if ether = etherTEB; b[n-2]>>2&31 == packet { // without Ethernet
			ether = etherIPv4 // its version field tells
		}
		if b[n-1]&1 != 0 { // a platform's subheader follows
			n += 8
		}
	}
	if len(b) < n {
		return NotIP
	}
	return p.inside(pkt, ether, b[n:], s)
}

// carriesPackets reports whether an IP protocol does.
func carriesPackets(proto uint8) bool {
	switch proto {
	case protoIPIP, protoIPv6, protoGRE, protoEtherIP, protoMPLS, protoEthernet:
		return true
	}
	return false
}

// isTunnel reports whether a UDP port carries packets.
func isTunnel(port uint16) bool {
	switch port {
	case portL2TP, portTeredo, portGTP, portVXLAN, portGPE, portGeneve, portMPLS, portFlat, portTZSP:
		return true
	}
	return false
}

// udpTunnel reads the payload of a UDP port without DNS: it may carry packets.
func (p *Parser) udpTunnel(pkt *capture.Packet, port uint16, b []byte, s *Segment) Door {
	switch {
	case (port == portVXLAN || port == portFlat) && len(b) >= 8 && b[0]&0x08 != 0:
		return p.inside(pkt, etherTEB, b[8:], s)
	case port == portGPE && len(b) >= 8 && b[0]&0x0c == 0x0c:
		switch b[3] {
		case 1, 2:
			return p.inside(pkt, etherIPv4, b[8:], s) // its version field tells
		case 3:
			return p.inside(pkt, etherTEB, b[8:], s)
		case 4:
			return p.inside(pkt, etherNSH, b[8:], s)
		}
	case port == portMPLS:
		return p.inside(pkt, etherMPLS, b, s)
	case port == portTeredo || s.SourcePort == portTeredo:
		return p.teredo(pkt, b, s)
	case port == portGTP:
		return p.gtp(pkt, b, s)
	case port == portL2TP || s.SourcePort == portL2TP:
		return p.l2tp(pkt, b, s)
	case port == portGeneve && len(b) >= 8 && b[0]>>6 == 0:
		if n := 8 + int(b[0]&0x3f)*4; len(b) >= n {
			return p.inside(pkt, binary.BigEndian.Uint16(b[2:]), b[n:], s)
		}
	case port == portTZSP && len(b) >= 4 && b[0] == 1 && b[1] <= 1:
		const ethernet, wireless = 1, 18
		frame := binary.BigEndian.Uint16(b[2:])
		if frame != ethernet && frame != wireless {
			return NotDNSPort
		}
		// Tags of type, length, value up to the end tag; padding has no length.
		for b = b[4:]; len(b) > 0; {
			switch {
			case b[0] == 1 && frame == wireless:
				return p.wireless(pkt, b[1:], s)
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

// teredo reads IPv6 behind what a Teredo server adds (RFC 4380 §5.1.1).
func (p *Parser) teredo(pkt *capture.Packet, b []byte, s *Segment) Door {
	if len(b) >= 4 && b[0] == 0 && b[1] == 1 { // authentication
		n := 4 + int(b[2]) + int(b[3]) + 9
		b = b[min(n, len(b)):]
	}
	if len(b) >= 8 && b[0] == 0 && b[1] == 0 { // origin
		b = b[8:]
	}
	if len(b) == 0 || b[0]>>4 != 6 {
		return NotDNSPort
	}
	return p.inside(pkt, etherIPv6, b, s)
}

// gtp reads a packet of a user of a mobile network (3GPP TS 29.281 §5.1).
func (p *Parser) gtp(pkt *capture.Packet, b []byte, s *Segment) Door {
	const version1, user, optional, extended = 0x30, 255, 0x07, 0x04
	if len(b) < 8 || b[0]&0xf0 != version1 || b[1] != user {
		return NotDNSPort
	}
	n := 8
	if b[0]&optional != 0 {
		n += 4
	}
	if b[0]&extended != 0 { // headers of four octets or more, the last of which is that of the next
		for len(b) > n && b[n-1] != 0 {
			if b[n] == 0 {
				return NotIP
			}
			n += 4 * int(b[n])
		}
	}
	if len(b) < n {
		return NotIP
	}
	return p.inside(pkt, etherIPv4, b[n:], s) // its version field tells
}

// l2tp reads a session's frame of PPP (RFC 2661 §3.1).
func (p *Parser) l2tp(pkt *capture.Packet, b []byte, s *Segment) Door {
	if len(b) < 6 || b[0]&0x80 != 0 || b[1]&15 != 2 { // of control, another version
		return NotDNSPort
	}
	n := 6
	if b[0]&0x40 != 0 { // length
		n += 2
	}
	if b[0]&0x08 != 0 { // sequence numbers
		n += 4
	}
	if b[0]&0x02 != 0 && len(b) >= n+2 { // offset
		n += 2 + int(binary.BigEndian.Uint16(b[n:]))
	}
	if len(b) < n {
		return NotIP
	}
	return p.inside(pkt, etherPPP, b[n:], s)
}
