package packet

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ratadns/capture"
)

// The ends of the test packets.
var (
	client4, server4 = netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("198.51.100.53")
	client6, server6 = netip.MustParseAddr("2001:db8::7"), netip.MustParseAddr("2001:db8:1::53")
)

// query is a DNS message: www.example.org. A.
var query = []byte("\x2e\x13\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03www\x07example\x03org\x00\x00\x01\x00\x01")

var be, le = binary.BigEndian, binary.LittleEndian

func cat(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// ipv4 is a packet from client4 to server4; options must fill words.
func ipv4(proto uint8, options, payload []byte) []byte {
	h := make([]byte, 20, 20+len(options)+len(payload))
	h[0], h[8], h[9] = 0x40|uint8(5+len(options)/4), 64, proto
	be.PutUint16(h[2:], uint16(20+len(options)+len(payload)))
	copy(h[12:], client4.AsSlice())
	copy(h[16:], server4.AsSlice())
	return cat(h, options, payload)
}

// ipv6 is a packet from client6 to server6.
func ipv6(next uint8, payload []byte) []byte {
	h := make([]byte, 40)
	h[0], h[6], h[7] = 0x60, next, 64
	be.PutUint16(h[4:], uint16(len(payload)))
	copy(h[8:], client6.AsSlice())
	copy(h[24:], server6.AsSlice())
	return cat(h, payload)
}

// ext is an IPv6 extension header of n octets whose length counts units of
// eight octets beyond the first eight.
func ext(next uint8, n int, payload []byte) []byte {
	h := make([]byte, n)
	h[0], h[1] = next, uint8(n/8-1)
	return cat(h, payload)
}

// frag is an IPv6 fragment header; offset counts units of eight octets.
func frag(next uint8, offset uint16, more bool, payload []byte) []byte {
	h := make([]byte, 8)
	h[0] = next
	be.PutUint16(h[2:], offset<<3)
	if more {
		h[3] |= 1
	}
	return cat(h, payload)
}

func udp(sport, dport uint16, payload []byte) []byte {
	h := make([]byte, 8)
	be.PutUint16(h, sport)
	be.PutUint16(h[2:], dport)
	be.PutUint16(h[4:], uint16(8+len(payload)))
	return cat(h, payload)
}

// tcp is a segment with its options, which must fill words.
func tcp(sport, dport uint16, seq uint32, flags uint8, options, payload []byte) []byte {
	h := make([]byte, 20)
	be.PutUint16(h, sport)
	be.PutUint16(h[2:], dport)
	be.PutUint32(h[4:], seq)
	h[12], h[13] = uint8(5+len(options)/4)<<4, flags
	return cat(h, options, payload)
}

func ether(kind uint16, payload []byte) []byte {
	return cat(make([]byte, 12), be.AppendUint16(nil, kind), payload)
}

// tag is what follows the EtherType of a VLAN tag.
func tag(kind uint16, payload []byte) []byte {
	return cat([]byte{0, 42}, be.AppendUint16(nil, kind), payload)
}

// put writes 16 bits at an offset of a copy of b.
func put(b []byte, off int, v uint16) []byte {
	b = bytes.Clone(b)
	be.PutUint16(b[off:], v)
	return b
}

// A parsed packet as the tables say it.
type parsed struct {
	Door         Door
	Source, Dest netip.Addr
	Ports        [2]uint16
	TCP          bool
	Flags        uint8
	Seq          uint32
	Size         int
	Payload      string
}

// parse parses one packet, of wire octets if that is not 0, and checks that
// exactly one door counts it.
func parse(t *testing.T, link capture.LinkType, b []byte, wire int) parsed {
	t.Helper()
	p := NewParser(53)
	s := Segment{Lost: true, Place: 99}
	d := p.Parse(&capture.Packet{Time: 5, Data: b, Wire: max(wire, len(b)), Link: link}, &s)
	p.Close() // a lone fragment is lost then
	lost := p.TakeLost()
	want := Stats{Received: 1}
	switch d {
	case NotIP:
		want.NotIP = 1
	case NotDNSPort:
		want.NotDNSPort = 1
	case Fragment:
		want.Fragments = 1
	}
	if d == NotIP && wire > len(b) || d == DNS && len(s.Payload) < s.Size {
		want.Cut = 1
	}
	want.UnknownTypes, want.UnknownType = p.Stats.UnknownTypes, p.Stats.UnknownType
	if link == 147 { // left to users
		want.UnknownLinks, want.UnknownLink = 1, link
	}
	if p.Stats != want || len(lost) != int(want.Fragments) {
		t.Errorf("door %d, stats %+v, lost %+v", d, p.Stats, lost)
	}
	if s.Time != 5 || s.Place != 0 || s.Lost {
		t.Errorf("door %d, segment %+v", d, s)
	}
	switch d {
	case DNS:
		return parsed{d, s.Source, s.Dest, [2]uint16{s.SourcePort, s.DestPort}, s.TCP, s.Flags, s.Seq, s.Size, string(s.Payload)}
	case Fragment:
		return parsed{Door: d, Source: lost[0].Source, Dest: lost[0].Dest}
	}
	return parsed{Door: d}
}

// What the packets of the tables come to.
var (
	query4    = parsed{Source: client4, Dest: server4, Ports: [2]uint16{4000, 53}, Size: len(query), Payload: string(query)}
	query6    = parsed{Source: client6, Dest: server6, Ports: [2]uint16{4000, 53}, Size: len(query), Payload: string(query)}
	notIP     = parsed{Door: NotIP}
	otherPort = parsed{Door: NotDNSPort}
	fragment4 = parsed{Door: Fragment, Source: client4, Dest: server4}
	fragment6 = parsed{Door: Fragment, Source: client6, Dest: server6}
)

func wantParsed(t *testing.T, name string, got, want parsed) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func TestLinks(t *testing.T) {
	u := udp(4000, 53, query)
	v4, v6 := ipv4(protoUDP, nil, u), ipv6(protoUDP, u)
	llc := []byte{0xaa, 0xaa, 3, 0, 0, 0, 8, 0}
	sll := func(kind uint16, b []byte) []byte { return cat(make([]byte, 14), be.AppendUint16(nil, kind), b) }
	sll2 := func(kind uint16, b []byte) []byte { return cat(be.AppendUint16(nil, kind), make([]byte, 18), b) }
	for _, c := range []struct {
		name string
		link capture.LinkType
		b    []byte
		want parsed
	}{
		{"Ethernet IPv4", 1, ether(0x0800, v4), query4},
		{"Ethernet IPv6", 1, ether(0x86dd, v6), query6},
		{"Ethernet ARP", 1, ether(0x0806, v4), notIP},
		{"Ethernet, a length for type", 1, ether(46, v4), notIP},
		{"Ethernet, cut in its header", 1, ether(0x0800, nil)[:13], notIP},
		{"Ethernet, nothing behind it", 1, ether(0x0800, nil), notIP},
		{"empty", 1, nil, notIP},
		{"VLAN 8100", 1, ether(0x8100, tag(0x0800, v4)), query4},
		{"VLAN 88a8", 1, ether(0x88a8, tag(0x86dd, v6)), query6},
		{"VLAN 9100", 1, ether(0x9100, tag(0x0800, v4)), query4},
		{"VLAN 88a8 and 8100", 1, ether(0x88a8, tag(0x8100, tag(0x0800, v4))), query4},
		{"VLAN 9100 and 8100", 1, ether(0x9100, tag(0x8100, tag(0x86dd, v6))), query6},
		{"VLAN of ARP", 1, ether(0x8100, tag(0x0806, v4)), notIP},
		{"VLAN, cut in its tag", 1, ether(0x8100, tag(0x0800, nil)[:3]), notIP},
		{"second VLAN, cut in its tag", 1, ether(0x88a8, tag(0x8100, []byte{0, 1, 8})), notIP},
		{"SLL IPv4", 113, sll(0x0800, v4), query4},
		{"SLL IPv6", 113, sll(0x86dd, v6), query6},
		{"SLL VLAN", 113, sll(0x8100, tag(0x0800, v4)), query4},
		{"SLL ARP", 113, sll(0x0806, v4), notIP},
		{"SLL, cut in its header", 113, sll(0x0800, nil)[:15], notIP},
		{"SLL2 IPv4", 276, sll2(0x0800, v4), query4},
		{"SLL2 IPv6", 276, sll2(0x86dd, v6), query6},
		{"SLL2 ARP", 276, sll2(0x0806, v4), notIP},
		{"SLL2, cut in its header", 276, sll2(0x0800, nil)[:19], notIP},
		{"NULL, little-endian", 0, cat([]byte{2, 0, 0, 0}, v4), query4},
		{"NULL, big-endian", 0, cat([]byte{0, 0, 0, 2}, v4), query4},
		{"NULL, IPv6 of NetBSD", 0, cat([]byte{24, 0, 0, 0}, v6), query6},
		{"NULL, IPv6 of FreeBSD", 0, cat([]byte{0, 0, 0, 28}, v6), query6},
		{"NULL, IPv6 of macOS", 0, cat([]byte{30, 0, 0, 0}, v6), query6},
		{"NULL, cut in its header", 0, []byte{2, 0, 0}, notIP},
		{"LOOP IPv4", 108, cat([]byte{0, 0, 0, 2}, v4), query4},
		{"LOOP IPv6", 108, cat([]byte{0, 0, 0, 24}, v6), query6},
		{"RAW 12", 12, v4, query4},
		{"RAW 14", 14, v6, query6},
		{"RAW 101", 101, v4, query4},
		{"RAW 101", 101, v6, query6},
		{"RAW, IPv4 only", 228, v4, query4},
		{"RAW, IPv6 only", 229, v6, query6},
		{"PPP cut", 9, []byte{0xff, 3, 0}, notIP},
		{"PPP of no IP", 9, []byte{0xff, 3, 0xc0, 0x21, 1, 1, 0, 4}, notIP},
		{"PPP of MPLS", 9, cat([]byte{2, 0x81, 0, 1, 1, 64}, v4), query4},
		{"PPP behind a direction", 204, cat([]byte{0, 0xff, 3, 0, 0x57}, v6), query6},
		{"PPP over Ethernet, without it", 51, cat([]byte{0x11, 0, 0, 1, 0, 99, 0, 0x21}, v4), query4},
		{"MPLS", 219, cat([]byte{0, 1, 1, 64}, v4), query4},
		{"OpenBSD's IPsec", 109, cat(make([]byte, 12), v4), query4},
		{"OpenBSD's firewall", 117, cat([]byte{61}, make([]byte, 63), v4), query4},
		{"OpenBSD's firewall, cut", 117, []byte{61, 2}, notIP},
		{"Linux's firewall", 239, cat([]byte{2, 0, 0, 0, 8, 0, 1, 0, 0, 0, 0, 0}, le.AppendUint16(nil, uint16(4+len(v4))), []byte{9, 0}, v4), query4},
		{"Linux's firewall, big-endian", 239, cat([]byte{2, 0, 0, 0, 0, 6, 0, 1, 0, 0, 0, 0}, be.AppendUint16(nil, uint16(4+len(v4))), []byte{0, 9}, v4), query4},
		{"Linux's firewall, without a packet", 239, []byte{2, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0}, notIP},
		{"wireless", 105, cat([]byte{8, 1}, make([]byte, 22), llc, v4), query4},
		{"wireless, of four addresses, QoS and HT", 105, cat([]byte{0x88, 0x83}, make([]byte, 36-2), llc, v4), query4},
		{"wireless, encrypted", 105, cat([]byte{8, 0x41}, make([]byte, 22), llc, v4), notIP},
		{"wireless, a beacon", 105, cat([]byte{0x80, 0}, make([]byte, 60)), notIP},
		{"wireless, no data", 105, cat([]byte{0x48, 1}, make([]byte, 22)), notIP},
		{"wireless, several frames in one", 105, cat([]byte{0x88, 1}, make([]byte, 22), []byte{0x80, 0}, llc, v4), notIP},
		{"radiotap", 127, cat([]byte{0, 0, 10, 0}, make([]byte, 6), []byte{8, 1}, make([]byte, 22), llc, v4), query4},
		{"radiotap, longer than its packet", 127, cat([]byte{0, 0, 0xff, 0xff}, make([]byte, 20)), notIP},
		{"PPI", 192, cat([]byte{0, 0, 8, 0, 1, 0, 0, 0}, ether(0x0800, v4)), query4},
		{"PPI of itself", 192, bytes.Repeat([]byte{0, 0, 8, 0, 192, 0, 0, 0}, 100), notIP},
		{"another link type", 147, v4, notIP},
	} {
		wantParsed(t, c.name, parse(t, c.link, c.b, 0), c.want)
	}
}

func TestIPv4(t *testing.T) {
	u := udp(4000, 53, query)
	whole := ipv4(protoUDP, nil, u)
	cut := query4
	cut.Payload = string(query[:20])
	f := func(name string, b []byte, wire int, want parsed) {
		t.Helper()
		wantParsed(t, name, parse(t, capture.LinkRaw, b, wire), want)
	}
	f("options", ipv4(protoUDP, make([]byte, 40), u), 0, query4)
	f("padding", cat(whole, make([]byte, 18)), 0, query4)
	f("cut in the message", whole[:20+8+20], len(whole), cut)
	f("cut in UDP", whole[:20+7], len(whole), notIP)
	f("cut behind UDP", whole[:20+8], len(whole), parsed{Source: client4, Dest: server4, Ports: query4.Ports, Size: len(query)})
	f("cut in IP", whole[:19], len(whole), notIP)
	f("cut in the options", ipv4(protoUDP, make([]byte, 40), u)[:59], 0, notIP)
	f("total length 0", put(whole, 2, 0), 0, query4)
	f("total length 0, cut", put(whole, 2, 0)[:20+8+20], len(whole), cut)
	f("total length below the header's", put(whole, 2, 19), 0, notIP)
	f("total length inside UDP", put(whole, 2, 27), 0, notIP)
	f("header length 4", cat([]byte{0x44}, whole[1:]), 0, notIP)
	f("header length beyond the end", cat([]byte{0x4f}, ipv4(protoUDP, nil, make([]byte, 8))[1:]), 0, notIP)
	f("version 5", cat([]byte{0x55}, whole[1:]), 0, notIP)
	f("first fragment", put(whole, 6, 0x2000), 0, fragment4)
	f("later fragment", put(whole, 6, 0x2001), 0, fragment4)
	f("last fragment", put(whole, 6, 185), 0, fragment4)
	f("don't fragment", put(whole, 6, 0x4000), 0, query4)
	f("GRE of nothing known", ipv4(47, nil, u), 0, notIP)
	f("OSPF", ipv4(89, nil, u), 0, otherPort)
}

func TestIPv6(t *testing.T) {
	u := udp(4000, 53, query)
	whole := ipv6(protoUDP, u)
	ah := cat([]byte{protoUDP, 4}, make([]byte, 22)) // 24 octets: units of four, less two
	cut := query6
	cut.Payload = string(query[:20])
	f := func(name string, b []byte, wire int, want parsed) {
		t.Helper()
		wantParsed(t, name, parse(t, capture.LinkRaw, b, wire), want)
	}
	f("hop-by-hop", ipv6(protoHopByHop, ext(protoUDP, 8, u)), 0, query6)
	f("routing", ipv6(protoRouting, ext(protoUDP, 24, u)), 0, query6)
	f("destination options", ipv6(protoDestOpts, ext(protoUDP, 16, u)), 0, query6)
	f("mobility", ipv6(protoMobility, ext(protoUDP, 8, u)), 0, query6)
	f("AH", ipv6(protoAH, cat(ah, u)), 0, query6)
	f("all of them", ipv6(protoHopByHop, ext(protoRouting, 8, ext(protoDestOpts, 24, ext(protoAH, 8, cat(ah, u))))), 0, query6)
	f("atomic fragment", ipv6(protoFragment, frag(protoUDP, 0, false, u)), 0, query6)
	f("first fragment", ipv6(protoFragment, frag(protoUDP, 0, true, u)), 0, fragment6)
	f("last fragment", ipv6(protoFragment, frag(protoUDP, 181, false, u)), 0, fragment6)
	f("fragment behind options", ipv6(protoDestOpts, ext(protoFragment, 8, frag(protoUDP, 1, true, u))), 0, fragment6)
	f("padding", cat(whole, make([]byte, 6)), 0, query6)
	f("cut in the message", whole[:40+8+20], len(whole), cut)
	f("cut in IPv6", whole[:39], len(whole), notIP)
	f("cut in an extension", ipv6(protoHopByHop, ext(protoUDP, 8, nil)[:7]), 0, notIP)
	f("cut in AH", ipv6(protoAH, ah[:7]), 0, notIP)
	f("cut in a fragment header", ipv6(protoFragment, frag(protoUDP, 0, false, nil)[:7]), 0, notIP)
	f("extension beyond the end", ipv6(protoDestOpts, cat([]byte{protoUDP, 200}, make([]byte, 30))), 0, notIP)
	f("AH beyond the end", ipv6(protoAH, cat([]byte{protoUDP, 200}, make([]byte, 30))), 0, notIP)
	f("chain that runs off", ipv6(protoHopByHop, ext(protoDestOpts, 8, ext(protoRouting, 8, nil))), 0, notIP)
	f("extension as long as the packet says, more captured", cat(ipv6(protoDestOpts, ext(protoUDP, 8, nil)), u), 0, notIP)
	f("no next header", ipv6(59, nil), 0, otherPort)
	f("payload length 0", put(whole, 4, 0), 0, query6)
	f("payload length 0, cut", put(whole, 4, 0)[:40+8+20], len(whole), cut)
}

func TestUDP(t *testing.T) {
	f := func(name string, u []byte, want parsed) {
		t.Helper()
		wantParsed(t, name, parse(t, capture.LinkRaw, ipv4(protoUDP, nil, u), 0), want)
	}
	with := func(sport, dport uint16, size int) parsed {
		p := query4
		p.Ports, p.Size, p.Payload = [2]uint16{sport, dport}, size, string(query[:size])
		return p
	}
	u := udp(4000, 53, query)
	f("to 53", u, query4)
	f("from 53", udp(53, 4000, query), with(53, 4000, len(query)))
	f("both 53", udp(53, 53, query), with(53, 53, len(query)))
	f("mDNS", udp(5353, 5353, query), otherPort)
	f("53 in the other octet", udp(53<<8, 53+64, query), otherPort)
	f("length shorter", put(u, 4, 8+20), with(4000, 53, 20))
	f("length of the header", put(u, 4, 8), with(4000, 53, 0))
	f("length below the header's", put(u, 4, 7), query4)
	f("length 0", put(u, 4, 0), query4)
	f("length longer", put(u, 4, 1000), query4)
	f("empty", udp(4000, 53, nil), with(4000, 53, 0))
	p := NewParser(53, 5300, 65535)
	for port, want := range map[uint16]Door{53: DNS, 5300: DNS, 65535: DNS, 0: NotDNSPort, 54: NotDNSPort, 5353: NotDNSPort} {
		pkt := capture.Packet{Data: ipv4(protoUDP, nil, udp(4000, port, query)), Link: capture.LinkRaw}
		if d := p.Parse(&pkt, new(Segment)); d != want {
			t.Errorf("port %d: door %d, want %d", port, d, want)
		}
	}
}

func TestTCPHeader(t *testing.T) {
	framed := cat(be.AppendUint16(nil, uint16(len(query))), query)
	want := query4
	want.TCP, want.Flags, want.Seq, want.Size, want.Payload = true, 0x18, 0x01020304, len(framed), string(framed)
	cut := want
	cut.Payload = ""
	f := func(name string, seg []byte, n int, want parsed) {
		t.Helper()
		b := ipv4(protoTCP, nil, seg)
		wantParsed(t, name, parse(t, capture.LinkRaw, b[:min(n, len(b))], len(b)), want)
	}
	seg := tcp(4000, 53, 0x01020304, 0x18, nil, framed)
	f("plain", seg, 999, want)
	f("options", tcp(4000, 53, 0x01020304, 0x18, make([]byte, 40), framed), 999, want)
	f("other port", tcp(4000, 853, 1, 0x18, nil, framed), 999, otherPort)
	f("cut behind the header", seg, 40, cut)
	f("cut in the header", seg, 39, notIP)
	f("cut in the options", tcp(4000, 53, 1, 0x18, make([]byte, 12), nil), 51, notIP)
	f("header length 4", put(seg, 12, 0x4018), 999, notIP)
	f("header length beyond the end", put(tcp(4000, 53, 1, 2, nil, nil), 12, 0xf002), 999, notIP)
}

// An ICMP error quotes the packet it is about; what it quotes is no message.
func TestICMPErrors(t *testing.T) {
	u := udp(4000, 53, query)
	unreachable4 := cat([]byte{3, 3, 0, 0, 0, 0, 0, 0}, ipv4(protoUDP, nil, u))
	unreachable6 := cat([]byte{1, 4, 0, 0, 0, 0, 0, 0}, ipv6(protoUDP, u))
	wantParsed(t, "ICMP", parse(t, capture.LinkRaw, ipv4(1, nil, unreachable4), 0), otherPort)
	wantParsed(t, "ICMPv6", parse(t, capture.LinkRaw, ipv6(58, unreachable6), 0), otherPort)
	wantParsed(t, "ICMPv6 behind options", parse(t, capture.LinkRaw, ipv6(protoDestOpts, ext(58, 8, unreachable6)), 0), otherPort)
}

// Received is the sum of the doors, and a packet's place counts all of them.
func TestDoors(t *testing.T) {
	u := udp(4000, 53, query)
	p := NewParser(53)
	var s Segment
	var doors [4]uint64
	for i := range 100 {
		b := [][]byte{
			ipv4(protoUDP, nil, u), nil, ipv4(1, nil, u), put(ipv4(protoUDP, nil, u), 6, 0x2000), ipv6(protoUDP, u),
		}[i*i%5]
		doors[p.Parse(&capture.Packet{Data: b, Wire: len(b), Link: capture.LinkRaw}, &s)]++
		if s.Place != uint64(i) {
			t.Fatalf("packet %d has place %d", i, s.Place)
		}
	}
	p.Close()
	want := Stats{Received: 100, NotIP: doors[NotIP], NotDNSPort: doors[NotDNSPort], Fragments: doors[Fragment]}
	if p.Stats != want || doors[DNS]+want.NotIP+want.NotDNSPort+want.Fragments != 100 {
		t.Errorf("%+v, counted %v", p.Stats, doors)
	}
}

func TestParseAllocates(t *testing.T) {
	packets := []capture.Packet{
		{Data: ether(0x0800, ipv4(protoUDP, nil, udp(4000, 53, query))), Link: 1},
		{Data: ether(0x86dd, ipv6(protoHopByHop, ext(protoUDP, 8, udp(4000, 53, query)))), Link: 1},
		{Data: ether(0x0806, nil), Link: 1},
	}
	messages := 0
	p, streams := NewParser(53), NewStreams(DefaultConfig(), func(*Segment) { messages++ })
	var s Segment
	n := testing.AllocsPerRun(100, func() {
		for i := range packets {
			if p.Parse(&packets[i], &s) == DNS {
				streams.Add(&s)
			}
		}
	})
	if n != 0 || messages != 2*101 {
		t.Errorf("%v allocations, %d messages", n, messages)
	}
}

func FuzzParse(f *testing.F) {
	u := udp(4000, 53, query)
	for _, b := range [][]byte{
		ipv4(protoUDP, make([]byte, 4), u), ipv6(protoUDP, u), put(ipv4(protoUDP, nil, u), 6, 0x2000),
		ipv6(protoHopByHop, ext(protoFragment, 8, frag(protoAH, 0, false, cat([]byte{protoTCP, 4}, make([]byte, 22),
			tcp(4000, 53, 1, 2, make([]byte, 8), query))))),
	} {
		f.Add(uint16(101), 0, b)
		f.Add(uint16(1), 9000, ether(0x88a8, tag(0x8100, tag(0x0800, b))))
		f.Add(uint16(276), 0, cat([]byte{0x86, 0xdd}, make([]byte, 18), b))
		f.Add(uint16(258), 0, cat([]byte{12, 0, 0, 0, 1, 0, 0, 0, 101, 0, 0, 0}, b))
		f.Add(uint16(197), 0, cat(make([]byte, 8), []byte{22 | 0x80}, make([]byte, 15), b))
	}
	f.Fuzz(func(t *testing.T, link uint16, wire int, b []byte) {
		p := NewParser(53)
		var s Segment
		pkt := capture.Packet{Data: b, Wire: max(min(wire, 1<<24), len(b)), Link: capture.LinkType(link)}
		wantPlain(t, &pkt)
		d := p.Parse(&pkt, &s)
		next := uint64(0)
		if d == DNS {
			next = 1
			if s.SourcePort != 53 && s.DestPort != 53 {
				t.Errorf("ports %d, %d", s.SourcePort, s.DestPort)
			}
			if len(s.Payload) > s.Size || s.Size > pkt.Wire+1<<17 || !s.Source.IsValid() || s.Source.Is4() != s.Dest.Is4() {
				t.Errorf("%+v of %d octets", s, pkt.Wire)
			}
			NewStreams(DefaultConfig(), func(*Segment) {}).Add(&s)
		}
		p.Close()
		if got := p.Stats; got.Received != 1 || got.NotIP+got.NotDNSPort+got.Fragments+next != 1 {
			t.Errorf("door %d, %+v", d, got)
		}
	})
}

// TestUnknownTypes: what is neither read nor known to carry no IP is told.
func TestUnknownTypes(t *testing.T) {
	p := NewParser(53)
	var s Segment
	for _, ether := range []uint16{0x0806, 0x88cc, 0x22f3, 0x88e5} {
		b := append(make([]byte, 12), byte(ether>>8), byte(ether), 0x2c, 0)
		p.Parse(&capture.Packet{Data: append(b, make([]byte, 40)...), Wire: 56, Link: capture.LinkEthernet}, &s)
	}
	if p.Stats.NotIP != 4 || p.Stats.UnknownTypes != 2 || p.Stats.UnknownType != 0x88e5 {
		t.Errorf("%+v", p.Stats)
	}
}
