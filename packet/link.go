package packet

import (
	"encoding/binary"

	"ratadns/capture"
)

// EtherTypes (IANA IEEE 802 numbers).
const (
	etherIPv4   = 0x0800
	etherIPv6   = 0x86dd
	etherVLAN   = 0x8100
	etherQinQ   = 0x88a8
	etherQinQ91 = 0x9100 // before the standard, as the next two
	etherQinQ92 = 0x9200
	etherQinQ93 = 0x9300
	etherPBB    = 0x88e7 // IEEE 802.1ah
	etherCMD    = 0x8909 // Cisco's security group tags
	etherVNTag  = 0x8926 // which switches of virtual machines leave in mirrored frames
	etherETag   = 0x893f // the same of IEEE 802.1BR
	etherMACsec = 0x88e5
	etherNSH    = 0x894f // service chains (RFC 8300)

	maxEtherLength = 1500 // up to here it is a length (IEEE 802.3)
)

// parse finds the IP packet behind the link layer's header.
func (p *Parser) parse(pkt *capture.Packet, s *Segment) Door {
	if pkt.Link == capture.LinkEthernet {
		if d, ok := p.plain(pkt, s); ok {
			return d
		}
		return p.ether(pkt, etherTEB, pkt.Data, s)
	}
	return p.link(pkt, pkt.Link, pkt.Data, s)
}

// link goes on behind the header of any link type.
func (p *Parser) link(pkt *capture.Packet, link capture.LinkType, b []byte, s *Segment) Door {
	switch link {
	case capture.LinkEthernet:
		return p.ether(pkt, etherTEB, b, s)
	case capture.LinkRaw, capture.LinkRaw12, capture.LinkRaw14, capture.LinkIPv4, capture.LinkIPv6:
		return p.ip(pkt, b, s)
	case capture.LinkNull, capture.LinkLoop:
		// The address family differs between systems; the version field
		// of what follows tells as well.
		return p.ip(pkt, b[min(4, len(b)):], s)
	case capture.LinkEnc:
		return p.ip(pkt, b[min(12, len(b)):], s)
	case capture.LinkSLL:
		if len(b) < 16 {
			return NotIP
		}
		return p.ether(pkt, binary.BigEndian.Uint16(b[14:]), b[16:], s)
	case capture.LinkSLL2:
		if len(b) < 20 {
			return NotIP
		}
		return p.ether(pkt, binary.BigEndian.Uint16(b), b[20:], s)
	case capture.LinkPPP, capture.LinkPPPHDLC, capture.LinkHDLC:
		return p.ppp(pkt, b, s)
	case capture.LinkPPPDir: // sent or received
		return p.ppp(pkt, b[min(1, len(b)):], s)
	case capture.LinkPPPoE:
		return p.pppoe(pkt, b, s)
	case capture.LinkMPLS:
		return p.mpls(pkt, b, s)
	case capture.LinkPflog:
		if len(b) == 0 {
			return NotIP
		}
		return p.ip(pkt, b[min((int(b[0])+3)&^3, len(b)):], s)
	case capture.LinkNflog:
		return p.nflog(pkt, b, s)
	case capture.Link80211:
		return p.wireless(pkt, b, s)
	case capture.LinkRadiotap, capture.LinkPPI:
		if len(b) < 8 {
			return NotIP
		}
		next := capture.Link80211
		if link == capture.LinkPPI {
			next = capture.LinkType(binary.LittleEndian.Uint32(b[4:]))
		}
		if next == capture.LinkPPI {
			return NotIP
		}
		return p.link(pkt, next, b[min(int(binary.LittleEndian.Uint16(b[2:])), len(b)):], s)
	case capture.LinkPktap:
		if len(b) < 12 {
			return NotIP
		}
		n, next := binary.LittleEndian.Uint32(b), capture.LinkType(binary.LittleEndian.Uint32(b[8:]))
		if next == capture.LinkPktap || uint64(n) > uint64(len(b)) {
			return NotIP
		}
		return p.link(pkt, next, b[n:], s)
	case capture.LinkERF:
		return p.erf(pkt, b, s)
	case capture.LinkDnstap:
		return p.dnstap(b, s)
	}
	p.Stats.UnknownLinks++
	p.Stats.UnknownLink = max(p.Stats.UnknownLink, link)
	return NotIP
}

// ppp reads a frame of PPP or of Cisco's HDLC. PPP may leave out the address and
// control, and the first octet of the protocol where it is zero (RFC 1661 §6.5,
// §6.6).
func (p *Parser) ppp(pkt *capture.Packet, b []byte, s *Segment) Door {
	if len(b) < 4 {
		return NotIP
	}
	if b[0] == 0x0f || b[0] == 0x8f { // HDLC: an EtherType
		return p.ether(pkt, binary.BigEndian.Uint16(b[2:]), b[4:], s)
	}
	if b[0] == 0xff && b[1] == 3 {
		b = b[2:]
	}
	if b[0] == 0 {
		b = b[1:]
	}
	switch {
	case b[0] == 0x21 || b[0] == 0x57:
		return p.ip(pkt, b[1:], s)
	case b[0] == 2 && len(b) > 2 && (b[1] == 0x81 || b[1] == 0x83):
		return p.mpls(pkt, b[2:], s)
	}
	return NotIP
}

// nflog reads a packet of Linux's firewall log: behind four octets stand lengths,
// types and values, in the byte order of the writer.
func (p *Parser) nflog(pkt *capture.Packet, b []byte, s *Segment) Door {
	const payload = 9
	if len(b) < 8 {
		return NotIP
	}
	var order binary.ByteOrder = binary.LittleEndian
	if b = b[4:]; int(order.Uint16(b)) > len(b) {
		order = binary.BigEndian
	}
	for len(b) >= 4 {
		n := int(order.Uint16(b))
		if n < 4 || n > len(b) {
			break
		}
		if order.Uint16(b[2:])&0x7fff == payload {
			return p.ip(pkt, b[4:n], s)
		}
		b = b[min((n+3)&^3, len(b)):]
	}
	return NotIP
}

// erf reads a record of the extensible record format: a header of 16 octets, more
// of eight, each of which tells whether another follows, and what was captured.
func (p *Parser) erf(pkt *capture.Packet, b []byte, s *Segment) Door {
	const eth, colorETH, dsmColorETH, colorHashETH, ipv4, ipv6 = 2, 11, 16, 20, 22, 23
	const more = 0x80
	n := 16
	if len(b) < n {
		return NotIP
	}
	for last := b[8]; last&more != 0; n += 8 {
		if len(b) < n+8 {
			return NotIP
		}
		last = b[n]
	}
	switch b[8] &^ more {
	case eth, colorETH, dsmColorETH, colorHashETH: // behind two octets of padding
		return p.ether(pkt, etherTEB, b[min(n+2, len(b)):], s)
	case ipv4, ipv6:
		return p.ip(pkt, b[n:], s)
	}
	return NotIP
}

// wireless reads a frame of IEEE 802.11 with data that are not encrypted.
func (p *Parser) wireless(pkt *capture.Packet, b []byte, s *Segment) Door {
	const data, noData, qos = 2, 4, 8
	if len(b) < 24 || b[0]>>2&3 != data || b[0]>>4&noData != 0 || b[1]&0x40 != 0 {
		return NotIP
	}
	n := 24
	if b[1]&3 == 3 { // between access points: a fourth address
		n += 6
	}
	if b[0]>>4&qos != 0 {
		if len(b) < n+2 || b[n]&0x80 != 0 { // several frames in one
			return NotIP
		}
		if n += 2; b[1]&0x80 != 0 { // HT control
			n += 4
		}
	}
	return p.ether(pkt, 0, b[min(n, len(b)):], s)
}

// ether goes on behind an EtherType.
func (p *Parser) ether(pkt *capture.Packet, ether uint16, b []byte, s *Segment) Door {
	for {
		switch ether {
		case etherIPv4, etherIPv6:
			return p.ip(pkt, b, s)
		case etherVLAN, etherQinQ, etherQinQ91, etherQinQ92, etherQinQ93:
			if len(b) < 4 {
				return NotIP
			}
			ether, b = binary.BigEndian.Uint16(b[2:]), b[4:]
		case etherTEB:
			if len(b) < 14 {
				return NotIP
			}
			ether, b = binary.BigEndian.Uint16(b[12:]), b[14:]
			if ether == etherTEB {
				return NotIP // a frame is not in a frame without a tunnel
			}
		case etherPBB: // a frame behind the tag
			if len(b) < 4 {
				return NotIP
			}
			ether, b = etherTEB, b[4:]
		case etherCMD:
			if len(b) < 8 {
				return NotIP
			}
			ether, b = binary.BigEndian.Uint16(b[6:]), b[8:]
		case etherPPP:
			return p.ppp(pkt, b, s)
		case etherMPLS, etherMPLSm:
			return p.mpls(pkt, b, s)
		case etherPPPoE:
			return p.pppoe(pkt, b, s)
		case etherVNTag:
			if len(b) < 6 {
				return NotIP
			}
			ether, b = binary.BigEndian.Uint16(b[4:]), b[6:]
		case etherETag:
			if len(b) < 8 {
				return NotIP
			}
			ether, b = binary.BigEndian.Uint16(b[6:]), b[8:]
		case etherNSH:
			n := 8
			if len(b) >= n {
				n = max(n, int(b[1]&0x3f)*4)
			}
			if len(b) < n {
				return NotIP
			}
			next := b[3]
			switch b = b[n:]; next {
			case 1, 2:
				ether = etherIPv4 // its version field tells
			case 3:
				return p.inside(pkt, etherTEB, b, s)
			case 5:
				ether = etherMPLS
			default:
				return NotIP
			}
		case etherMACsec:
			// IEEE 802.1AE: what is not encrypted goes on behind the tag and
			// perhaps the sender's identifier.
			n := 6
			if len(b) > 0 && b[0]&0x20 != 0 {
				n = 14
			}
			if len(b) < n+2 {
				return NotIP
			}
			if b[0]&0x0c != 0 {
				p.Stats.unknownType(ether)
				return NotIP
			}
			ether, b = binary.BigEndian.Uint16(b[n:]), b[n+2:]
		default:
			// A length in place of the type, or what Linux writes for such a
			// frame: the type may follow (RFC 1042).
			if ether > maxEtherLength {
				p.Stats.unknownType(ether)
				return NotIP
			}
			if len(b) >= 3 && string(b[:3]) == "\x06\x06\x03" { // IP by LLC alone
				return p.ip(pkt, b[3:], s)
			}
			if len(b) < 8 || string(b[:6]) != "\xaa\xaa\x03\x00\x00\x00" {
				return NotIP
			}
			if ether, b = binary.BigEndian.Uint16(b[6:]), b[8:]; ether <= maxEtherLength {
				return NotIP
			}
		}
	}
}

// unknownType counts an EtherType that is not read, but for those that are in
// every network and never carry IP.
func (s *Stats) unknownType(ether uint16) {
	switch ether {
	case 0x0806, 0x8035, // ARP, RARP
		0x8808, 0x8809, 0x888e, 0x88cc, 0x88f7, 0x8902, // pause, LACP, 802.1X, LLDP, PTP, CFM
		0x9000: // loopback test
		return
	}
	s.UnknownTypes++
	s.UnknownType = max(s.UnknownType, ether)
}
