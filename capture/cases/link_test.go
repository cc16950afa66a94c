package cases

import (
	"bytes"
	"encoding/binary"
)

// loop is a packet of the BSD loopback with its address family before it.
func loop(order binary.AppendByteOrder, family uint32, packet []byte) []byte {
	return cat(order.AppendUint32(nil, family), packet)
}

// sll is a Linux cooked packet, sll2 one of the second version.
func sll(kind uint16, packet []byte) []byte {
	return cat(u16(0, 1, 6), []byte{2, 0, 0, 0, 0, 1, 0, 0}, u16(kind), packet)
}

func sll2(kind uint16, packet []byte) []byte {
	return cat(u16(kind, 0), u32(2), u16(1), []byte{0, 6, 2, 0, 0, 0, 0, 1, 0, 0}, packet)
}

// snap is a packet behind LLC and SNAP (RFC 1042).
func snap(kind uint16, packet []byte) []byte {
	return cat([]byte{0xaa, 0xaa, 3, 0, 0, 0}, u16(kind), packet)
}

// label is an entry of an MPLS label stack.
func label(n uint32, bottom bool, payload []byte) []byte {
	v := n<<12 | 64
	if bottom {
		v |= 1 << 8
	}
	return cat(u32(v), payload)
}

// nflog is a packet of Linux's firewall log.
func nflog(order binary.AppendByteOrder, family byte, packet []byte) []byte {
	field := func(kind uint16, value []byte) []byte {
		b := order.AppendUint16(order.AppendUint16(nil, uint16(4+len(value))), kind)
		return append(append(b, value...), make([]byte, -len(value)&3)...)
	}
	return cat([]byte{family, 0, 0, 0}, field(1, []byte{8, 0, 1, 0}), field(10, []byte("dns\x00")), field(9, packet))
}

// pktap is a packet behind the header of macOS's kernel, of 108 octets.
func pktap(link uint32, packet []byte) []byte {
	head := le.AppendUint32(le.AppendUint32(le.AppendUint32(nil, 108), 1), link)
	return cat(head, []byte("en0"), make([]byte, 108-len(head)-3), packet)
}

// erf is the i-th record of Endace's cards, with so many headers more.
func erf(i int64, kind byte, more int, captured []byte) []byte {
	if more > 0 {
		kind |= 0x80
	}
	at, n := moment+i*step, 16+8*more+len(captured)
	fraction := (uint64(at%1e9)<<32 + 5e8) / 1e9 // of a second
	b := cat(le.AppendUint64(nil, uint64(at/1e9)<<32|fraction), []byte{kind, 4}, u16(uint16(n), 0, uint16(len(captured))))
	for ; more > 0; more-- {
		head := make([]byte, 8)
		if head[0] = 3; more > 1 {
			head[0] |= 0x80
		}
		b = append(b, head...)
	}
	return append(b, captured...)
}

// pppoe is a session's frame.
func pppoe(proto uint16, packet []byte) []byte {
	return cat([]byte{0x11, 0}, u16(7, uint16(2+len(packet)), proto), packet)
}

// ppp is a frame of PPP with IPv4.
func ppp(packet []byte) []byte { return cat([]byte{0xff, 3, 0, 0x21}, packet) }

// wireless is a frame of data of IEEE 802.11.
func wireless(kind byte, flags byte, head int, kindOf uint16, packet []byte) []byte {
	return cat([]byte{kind, flags}, make([]byte, 2), bytes.Repeat([]byte{2}, 18), make([]byte, head-22), snap(kindOf, packet))
}

// links are the link layers.
func links() []capt {
	v4, v6 := ask(client, q(4, "four.example.org.")), ask(client6, q(6, "six.example.org."))
	r4, r6 := tell(client, a(4, "four.example.org.")), tell(client6, a(6, "six.example.org."))
	eth := func(packets ...[]byte) []byte { return on(linkEthernet, packets...) }
	trailer := []byte("\x00\x00\x00\x00\x00\x00\x00\x00\x0ea trailer")
	c := newConn(client)
	c.syn()
	c.from(frame(q(1, "tcp.example.org.")))
	var padded [][]byte
	for _, p := range c.packets {
		padded = append(padded, cat(ether(typeIPv4, p), make([]byte, 10)))
	}
	padded = append(padded, cat(ether(typeIPv4, v4), make([]byte, 6)), cat(ether(typeIPv6, v6), trailer), cat(ether(typeIPv4, r4), trailer))
	arp := ether(0x0806, cat(u16(1, typeIPv4), []byte{6, 4}, u16(1), make([]byte, 20)))
	return []capt{
		{"ethernet.pcap", "IPv4, IPv6, and ARP between them", eth(ether(typeIPv4, v4), arp, ether(typeIPv6, v6), ether(typeIPv4, r4), ether(typeIPv6, r6))},
		{"ethernet-trailer.pcap", "padding and trailers behind UDP and TCP", eth(padded...)},
		{"ethernet-802.3.pcap", "a frame with a length in place of an EtherType, then a query", eth(ether(46, cat([]byte{0xaa, 0xaa, 3, 0, 0, 0}, make([]byte, 40))), ether(typeIPv4, v4))},
		{"ethernet-snap.pcap", "IPv4 and IPv6 behind LLC and SNAP, also behind a VLAN tag; LLC alone", eth(
			ether(uint16(8+len(v4)), snap(typeIPv4, v4)), ether(uint16(8+len(v6)), snap(typeIPv6, v6)),
			ether(typeVLAN, tag(42, uint16(8+len(r4)), snap(typeIPv4, r4))), ether(40, cat([]byte{0x42, 0x42, 3}, make([]byte, 43))))},
		{"ethernet-llc.pcap", "IPv4 behind LLC without SNAP", eth(ether(uint16(3+len(v4)), cat([]byte{6, 6, 3}, v4)))},
		{"service-chain.pcap", "service chains (NSH) of IPv4, IPv6, Ethernet and MPLS", eth(
			ether(0x894f, nsh(1, 6, v4)), ether(0x894f, nsh(2, 2, v6)), ether(0x894f, nsh(3, 2, ether(typeIPv4, r4))), ether(0x894f, nsh(5, 6, label(16, true, r6))))},
		{"vn-tag.pcap", "VN-Tag, and a VLAN tag behind it", eth(
			ether(0x8926, cat(u16(1, 2, typeIPv4), v4)), ether(0x8926, cat(u16(1, 2, typeVLAN), tag(42, typeIPv6, r6))))},
		{"e-tag.pcap", "E-Tag of 802.1BR, and a VLAN tag behind it", eth(
			ether(0x893f, cat(u16(1, 2, 3, typeIPv4), v4)), ether(0x893f, cat(u16(1, 2, 3, typeVLAN), tag(42, typeIPv6, r6))))},
		{"macsec.pcap", "MACsec without encryption, with and without the sender's identifier; with encryption", eth(
			ether(0x88e5, cat([]byte{0, 0}, u32(7), u16(typeIPv4), v4, make([]byte, 16))),
			ether(0x88e5, cat([]byte{0x20, 0}, u32(8), make([]byte, 8), u16(typeIPv6), r6, make([]byte, 16))),
			ether(0x88e5, cat([]byte{0x2c, 0}, u32(9), make([]byte, 8), v4, make([]byte, 16))))},
		{"vlan.pcap", "802.1Q, IPv4 and IPv6, with priority bits", eth(ether(typeVLAN, tag(42, typeIPv4, v4)), ether(typeVLAN, tag(0xe02a, typeIPv6, v6)))},
		{"vlan-qinq.pcap", "802.1ad: two tags; the type before the standard; four tags", eth(
			ether(typeQinQ, tag(1, typeVLAN, tag(42, typeIPv4, v4))), ether(typeQinQOld, tag(1, typeVLAN, tag(42, typeIPv6, v6))),
			ether(typeQinQ, tag(1, typeQinQ, tag(2, typeVLAN, tag(3, typeVLAN, tag(4, typeIPv4, r4))))))},
		{"mpls.pcap", "stacks of one and three labels, IPv4 and IPv6, and behind a VLAN tag", eth(
			ether(typeMPLS, label(16, true, v4)), ether(typeMPLS, label(16, false, label(17, false, label(18, true, v6)))),
			ether(typeVLAN, tag(42, typeMPLS, label(19, true, r4))), ether(0x8848, label(20, true, r6)))},
		{"pppoe.pcap", "sessions with IPv4, IPv6 and LCP, and behind a VLAN tag", eth(
			ether(typePPPoE, pppoe(0x21, v4)), ether(typePPPoE, pppoe(0x57, v6)), ether(typePPPoE, pppoe(0xc021, []byte{9, 1, 0, 8, 0, 0, 0, 0})),
			ether(typeVLAN, tag(42, typePPPoE, pppoe(0x21, r4))))},
		{"sll.pcap", "Linux cooked", on(linkSLL, sll(typeIPv4, v4), sll(typeIPv6, v6), sll(typeVLAN, tag(42, typeIPv4, r4)))},
		{"sll2.pcap", "Linux cooked, version 2", on(linkSLL2, sll2(typeIPv4, v4), sll2(typeIPv6, v6), sll2(typeVLAN, tag(42, typeIPv4, r4)))},
		{"null-little.pcap", "BSD loopback; families of IPv6 differ between systems", on(linkNull, loop(le, 2, v4), loop(le, 24, v6), loop(le, 28, v6), loop(le, 30, v6))},
		{"null-big.pcap", "the same, big-endian", pcapOf(be, 1, 65535, linkNull, loop(be, 2, v4), loop(be, 24, v6), loop(be, 28, v6), loop(be, 30, v6))},
		{"loop.pcap", "OpenBSD loopback", on(linkLoop, loop(be, 2, v4), loop(be, 24, v6))},
		{"raw-12.pcap", "raw IP, link type 12", on(linkRaw12, v4, v6)},
		{"raw-14.pcap", "raw IP, link type 14", on(linkRaw14, v4, v6)},
		{"raw-101.pcap", "raw IP, link type 101", on(linkRaw, v4, v6)},
		{"ipv4-228.pcap", "IPv4 only, link type 228", on(linkIPv4, v4, r4)},
		{"ipv6-229.pcap", "IPv6 only, link type 229", on(linkIPv6, v6, r6)},
		{"ppp.pcap", "PPP, with and without address and control, with protocols of one octet and two", on(linkPPP,
			ppp(v4), cat(u16(0x57), v6), cat([]byte{0x21}, r4), cat([]byte{0xff, 3, 0x57}, r6), cat(u16(0xc021), []byte{9, 1, 0, 8, 0, 0, 0, 0}))},
		{"ppp-hdlc.pcap", "PPP in HDLC, and Cisco's HDLC on the same link type", on(linkPPPHDLC, ppp(v4), cat(u16(0x0f00, typeIPv6), v6))},
		{"ppp-direction.pcap", "PPP behind an octet for the direction", on(linkPPPDir, cat([]byte{0}, ppp(v4)), cat([]byte{1}, ppp(r4)))},
		{"cisco-hdlc.pcap", "Cisco's HDLC: IPv4, IPv6, and a keep-alive", on(linkHDLC, cat(u16(0x0f00, typeIPv4), v4), cat(u16(0x0f00, typeIPv6), v6), cat(u16(0x8f00, 0x8035), make([]byte, 18)))},
		{"wireless.pcap", "IEEE 802.11 data, with QoS, encrypted, and a beacon", on(linkWireless,
			wireless(0x08, 1, 24, typeIPv4, v4), wireless(0x88, 2, 26, typeIPv6, r6), wireless(0x08, 0x41, 24, typeIPv4, v4), cat([]byte{0x80, 0}, make([]byte, 40)))},
		{"radiotap.pcap", "the same behind the receiver's header", on(linkRadiotap, cat([]byte{0, 0, 8, 0, 0, 0, 0, 0}, wireless(0x08, 1, 24, typeIPv4, v4)))},
		{"nflog.pcap", "Linux's firewall log: a packet behind other fields", on(linkNflog, nflog(le, 2, v4), nflog(le, 10, v6))},
		{"pflog.pcap", "OpenBSD's firewall log", on(linkPflog, cat([]byte{61, 2}, make([]byte, 62), v4), cat([]byte{61, 24}, make([]byte, 62), v6))},
		{"pktap.pcap", "macOS's packet tap of several link types", on(linkPktap,
			pktap(linkEthernet, ether(typeIPv4, v4)), pktap(linkNull, loop(le, 30, v6)), pktap(linkRaw12, r4), pktap(linkERF, make([]byte, 3)))},
		{"erf.pcap", "records of Endace's cards, with no, one and three headers more; IP alone; another kind", on(linkERF,
			erf(0, 2, 0, cat([]byte{0, 0}, ether(typeIPv4, v4))), erf(1, 2, 1, cat([]byte{0, 0}, ether(typeIPv6, v6))), erf(2, 2, 3, cat([]byte{0, 0}, ether(typeIPv4, r4))),
			erf(3, 23, 0, r6), erf(4, 27, 0, make([]byte, 20)))},
		{"vlan-qinq-9200.pcap", "other types of two tags before the standard", eth(
			ether(0x9200, tag(1, typeVLAN, tag(42, typeIPv4, v4))), ether(0x9300, tag(1, typeIPv6, v6)))},
		{"pseudowire.pcap", "Ethernet behind MPLS labels, with and without a control word", eth(
			ether(typeMPLS, label(16, true, cat(u32(9), ether(typeIPv4, v4)))), ether(typeMPLS, label(16, true, ether(typeIPv6, v6))))},
		{"backbone.pcap", "provider backbone bridges (802.1ah), and a security group's tag", eth(
			ether(0x88e7, cat(u32(42), ether(typeIPv4, v4))), ether(0x8909, cat(u16(0x0101, 1, 9, typeIPv6), v6)))},
		{"link-unknown.pcap", "a link type that is left to users", on(linkUser, v4, v6)},
	}
}
