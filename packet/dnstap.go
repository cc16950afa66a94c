package packet

import (
	"net/netip"

	"ratadns/capture"
)

// dnstapTransports by the socket protocols of dnstap.proto.
var dnstapTransports = [...]Transport{
	capture.DnstapUDP:         UDP,
	capture.DnstapTCP:         TCP,
	capture.DnstapDOT:         DoT,
	capture.DnstapDOH:         DoH,
	capture.DnstapDNSCryptUDP: DNSCrypt,
	capture.DnstapDNSCryptTCP: DNSCrypt,
	capture.DnstapDOQ:         DoQ,
}

// dnstap reads a dnstap frame. Its message is whole whatever carried it, and is
// DNS whatever its ports.
func (p *Parser) dnstap(frame []byte, s *Segment) Door {
	d := &p.tap
	if !d.Unpack(frame) {
		return NotIP
	}
	from, to := d.Ends()
	if len(from.Message) == 0 {
		return NotIP // the sender leaves messages out, as CoreDNS does without `full`
	}
	s.Source, s.Dest = dnstapAddr(d, from, to), dnstapAddr(d, to, from)
	s.SourcePort, s.DestPort = dnstapPort(from.Port), dnstapPort(to.Port)
	s.Transport, s.TCP = dnstapTransports[d.Protocol], false
	s.Payload, s.Size = from.Message, len(from.Message)
	return DNS
}

// dnstapAddr is the address of one end. Where the frame has none it is the
// unspecified one, of the family that the frame or its other end tells. A
// sender with one socket for both families has IPv4 addresses as IPv6
// (RFC 4291 §2.5.5.2); the packets that it tells of were IPv4.
func dnstapAddr(d *capture.Dnstap, e, other *capture.DnstapEnd) netip.Addr {
	if a, ok := netip.AddrFromSlice(e.Address); ok {
		return a.Unmap()
	}
	six := d.Family == capture.DnstapINET6
	if a, ok := netip.AddrFromSlice(other.Address); ok {
		six = !a.Unmap().Is4()
	}
	if six {
		return netip.IPv6Unspecified()
	}
	return netip.IPv4Unspecified()
}

// dnstapPort is 0 for what is no port.
func dnstapPort(n uint32) uint16 {
	if n > 65535 {
		return 0
	}
	return uint16(n)
}
