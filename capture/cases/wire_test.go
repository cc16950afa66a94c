package cases

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strings"
)

var be, le = binary.BigEndian, binary.LittleEndian

func cat(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func u16(values ...uint16) (b []byte) {
	for _, v := range values {
		b = be.AppendUint16(b, v)
	}
	return b
}

func u32(values ...uint32) (b []byte) {
	for _, v := range values {
		b = be.AppendUint32(b, v)
	}
	return b
}

// The ends of the packets: a client, another one, and a name server.
var (
	client, other, server    = netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("192.0.2.8"), netip.MustParseAddr("198.51.100.53")
	client6, other6, server6 = netip.MustParseAddr("2001:db8::7"), netip.MustParseAddr("2001:db8::8"), netip.MustParseAddr("2001:db8:1::53")
	// The ends of tunnels.
	near, far   = netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("203.0.113.2")
	near6, far6 = netip.MustParseAddr("2001:db8:2::1"), netip.MustParseAddr("2001:db8:2::2")
)

// Protocol numbers and EtherTypes.
const (
	hopByHop, ipip, tcpProto, udpProto, ipv6Proto, routing, fragment, gre, destOpts = 0, 4, 6, 17, 41, 43, 44, 47, 60

	typeIPv4, typeVLAN, typeIPv6, typeQinQ, typeQinQOld = 0x0800, 0x8100, 0x86dd, 0x88a8, 0x9100
	typeMPLS, typePPPoE, typePPP, typeTEB               = 0x8847, 0x8864, 0x880b, 0x6558
)

// sum is the Internet checksum (RFC 1071).
func sum(b ...[]byte) uint16 {
	s := uint32(0)
	for _, b := range b {
		for i, c := range b {
			s += uint32(c) << (8 * (1 - i%2))
		}
	}
	for s>>16 != 0 {
		s = s&0xffff + s>>16
	}
	return ^uint16(s)
}

// ip is an IPv4 or IPv6 packet.
func ip(source, dest netip.Addr, proto uint8, payload []byte) []byte {
	if source.Is6() {
		h := cat(u32(6<<28), u16(uint16(len(payload))), []byte{proto, 64}, source.AsSlice(), dest.AsSlice())
		return cat(h, payload)
	}
	h := cat([]byte{0x45, 0}, u16(uint16(20+len(payload)), 0, 0), []byte{64, proto, 0, 0}, source.AsSlice(), dest.AsSlice())
	be.PutUint16(h[10:], sum(h))
	return cat(h, payload)
}

// checksum fills in that of UDP or TCP, where it belongs in segment.
func checksum(source, dest netip.Addr, proto uint8, segment []byte, at int) []byte {
	be.PutUint16(segment[at:], sum(source.AsSlice(), dest.AsSlice(), u16(uint16(proto), uint16(len(segment))), segment))
	return segment
}

// udp is a datagram of those ports without its IP header.
func udp(source, dest netip.Addr, sport, dport uint16, payload []byte) []byte {
	b := cat(u16(sport, dport, uint16(8+len(payload)), 0), payload)
	return checksum(source, dest, udpProto, b, 6)
}

// ask is a packet with a query from a client to the server of its family.
func ask(source netip.Addr, payload []byte) []byte { return askFrom(source, 4000, payload) }

func askFrom(source netip.Addr, port uint16, payload []byte) []byte {
	dest := serverOf(source)
	return ip(source, dest, udpProto, udp(source, dest, port, 53, payload))
}

// tell is a packet with the server's response.
func tell(dest netip.Addr, payload []byte) []byte {
	source := serverOf(dest)
	return ip(source, dest, udpProto, udp(source, dest, 53, 4000, payload))
}

func serverOf(a netip.Addr) netip.Addr {
	if a.Is6() {
		return server6
	}
	return server
}

// ext is an IPv6 extension header of n octets with padding as options.
func ext(next uint8, n int, payload []byte) []byte {
	h := make([]byte, n)
	h[0], h[1], h[2], h[3] = next, uint8(n/8-1), 1, uint8(n-4) // PadN
	return cat(h, payload)
}

// ether is a frame with that EtherType.
func ether(kind uint16, payload []byte) []byte {
	return cat([]byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}, u16(kind), payload)
}

// tag is what follows the EtherType of a VLAN tag.
func tag(vlan, kind uint16, payload []byte) []byte { return cat(u16(vlan, kind), payload) }

// dnsName is a name on the wire, without escapes.
func dnsName(text string) (b []byte) {
	for label := range strings.SplitSeq(strings.TrimSuffix(text, "."), ".") {
		if label != "" {
			b = append(append(b, byte(len(label))), label...)
		}
	}
	return append(b, 0)
}

// pointer is a compressed name.
func pointer(off uint16) []byte { return u16(0xc000 | off) }

// Types of records, flags and opcodes.
const (
	tA, tNS, tSOA, tMX, tTXT, tAAAA, tOPT, tIXFR, tAXFR, tANY = 1, 2, 6, 15, 16, 28, 41, 251, 252, 255

	fQR, fAA, fTC, fRD, fRA = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080
)

// dns is a message of those sections, each a list of questions or records.
func dns(id, flags uint16, questions, answers, authorities, additionals [][]byte) []byte {
	b := u16(id, flags, uint16(len(questions)), uint16(len(answers)), uint16(len(authorities)), uint16(len(additionals)))
	return cat(b, cat(questions...), cat(answers...), cat(authorities...), cat(additionals...))
}

type list = [][]byte

func question(name []byte, qtype, qclass uint16) []byte { return cat(name, u16(qtype, qclass)) }

func record(name []byte, kind, class uint16, ttl uint32, rdata []byte) []byte {
	return cat(name, u16(kind, class), u32(ttl), u16(uint16(len(rdata))), rdata)
}

// q asks for the address of a name; a gives it, by a pointer to the question.
func q(id uint16, name string) []byte {
	return dns(id, fRD, list{question(dnsName(name), tA, 1)}, nil, nil, nil)
}

func a(id uint16, name string) []byte {
	return dns(id, fQR|fAA|fRD, list{question(dnsName(name), tA, 1)}, list{record(pointer(12), tA, 1, 3600, []byte{192, 0, 2, 80})}, nil, nil)
}

// long is a response of more than n octets.
func long(id uint16, name string, n int) []byte {
	var answers list
	for i := 0; 270*len(answers) < n; i++ {
		answers = append(answers, record(pointer(12), tTXT, 1, 60, cat([]byte{255}, bytes.Repeat([]byte{byte('a' + i%26)}, 255))))
	}
	return dns(id, fQR|fAA, list{question(dnsName(name), tTXT, 1)}, answers, nil, nil)
}

// opt is an OPT record; upper is the extended RCODE, the version and the flags.
func opt(upper uint32, options ...[]byte) []byte {
	return record([]byte{0}, tOPT, 1232, upper, cat(options...))
}

func option(code uint16, data string) []byte {
	return cat(u16(code, uint16(len(data))), []byte(data))
}
