package cases

// greOf is GRE with those flags, the optional words that they announce, and
// what comes behind them.
func greOf(flags, proto uint16, payload []byte) []byte {
	b := u16(flags, proto)
	if flags&0x8000 != 0 {
		b = cat(b, u16(0, 0)) // filled in below
	}
	if flags&0x2000 != 0 {
		b = cat(b, u32(42))
	}
	if flags&0x1000 != 0 {
		b = cat(b, u32(7))
	}
	b = cat(b, payload)
	if flags&0x8000 != 0 {
		be.PutUint16(b[4:], sum(b))
	}
	return ip(near, far, gre, b)
}

// over carries a payload in UDP between the ends of a tunnel.
func over(port uint16, payload []byte) []byte {
	return ip(near, far, udpProto, udp(near, far, 50000, port, payload))
}

func vxlan(frame []byte) []byte { return over(4789, cat(u32(8<<24, 7<<8), frame)) }

// geneve has options of that many octets.
func geneve(proto uint16, options int, payload []byte) []byte {
	var o []byte
	if options > 0 {
		o = cat(u16(0x0102), []byte{1, byte(options/4 - 1)}, make([]byte, options-4))
	}
	return over(6081, cat([]byte{byte(options / 4), 0}, u16(proto), u32(7<<8), o, payload))
}

func tzsp(tags string, frame []byte) []byte {
	return over(37008, cat([]byte{1, 0, 0, 1}, []byte(tags), frame))
}

// tunnels are the wrappings of mirror ports and overlays.
func tunnels() []capt {
	v4, v6 := ask(client, q(4, "four.example.org.")), ask(client6, q(6, "six.example.org."))
	r4 := tell(client, a(4, "four.example.org."))
	f4, f6 := ether(typeIPv4, v4), ether(typeIPv6, v6)
	erspan2 := cat(u16(1<<12|42, 7), u32(0))
	erspan3 := func(sub bool) []byte { // subtype 0 is Ethernet, O tells of a platform's subheader
		if sub {
			return cat(u16(2<<12|42, 7), u32(1000), u16(0, 1), u32(5<<26, 0))
		}
		return cat(u16(2<<12|42, 7), u32(1000), u16(0, 0))
	}
	nest := func(n int) []byte {
		b := v4
		for range n {
			b = ip(near, far, ipip, b)
		}
		return b
	}
	c := newConn(client)
	c.exchange(q(1, "tcp.example.org."), a(1, "tcp.example.org."))
	var mirrored [][]byte
	for _, p := range c.packets {
		mirrored = append(mirrored, greOf(0x1000, 0x88be, cat(erspan2, ether(typeIPv4, p))))
	}
	return []capt{
		{"gre.pcap", "GRE plain, with checksum, key, sequence number, with all three, of IPv6, of Ethernet", raw(
			greOf(0, typeIPv4, v4), greOf(0x8000, typeIPv4, v4), greOf(0x2000, typeIPv4, v4), greOf(0x1000, typeIPv4, v4),
			greOf(0xb000, typeIPv4, v4), greOf(0, typeIPv6, v6), greOf(0x2000, typeTEB, f4), ip(near6, far6, gre, cat(u16(0, typeIPv4), r4)))},
		{"erspan-1.pcap", "ERSPAN type I", raw(greOf(0, 0x88be, f4), greOf(0, 0x88be, f6))},
		{"erspan-2.pcap", "ERSPAN type II, of a VLAN too", raw(greOf(0x1000, 0x88be, cat(erspan2, f4)), greOf(0x1000, 0x88be, cat(erspan2, ether(typeVLAN, tag(42, typeIPv6, v6)))))},
		{"erspan-2-tcp.pcap", "a TCP connection mirrored by ERSPAN type II", raw(mirrored...)},
		{"erspan-3.pcap", "ERSPAN type III, without and with a platform's subheader", raw(greOf(0x1000, 0x22eb, cat(erspan3(false), f4)), greOf(0x1000, 0x22eb, cat(erspan3(true), f6)))},
		{"ipip.pcap", "IP in IP, 4 in 6", raw(nest(1), ip(near6, far6, ipip, v4))},
		{"6in4.pcap", "6in4, 6 in 6 behind an extension header", raw(ip(near, far, ipv6Proto, v6), ip(near6, far6, destOpts, ext(ipv6Proto, 8, v6)))},
		{"vxlan.pcap", "VXLAN, and its port without the flag", raw(vxlan(f4), vxlan(f6), over(4789, cat(u32(0, 7<<8), f4)))},
		{"geneve.pcap", "Geneve of Ethernet and IP, with options", raw(geneve(typeTEB, 0, f4), geneve(typeTEB, 12, f6), geneve(typeIPv4, 8, v4), geneve(typeIPv6, 4, v6))},
		{"tzsp.pcap", "TZSP with and without tags and padding", raw(tzsp("\x01", f4), tzsp("\x0a\x01\x05\x00\x0d\x01\x02\x01", f6))},
		{"vxlan-gpe.pcap", "VXLAN-GPE of IPv4, IPv6 and Ethernet", raw(
			over(4790, cat(u32(0x0c000001, 7<<8), v4)), over(4790, cat(u32(0x0c000002, 7<<8), v6)), over(4790, cat(u32(0x0c000003, 7<<8), ether(typeIPv4, r4))))},
		{"vxlan-gpe-nsh.pcap", "VXLAN-GPE of service chains (NSH) of IPv4 and Ethernet", raw(
			over(4790, cat(u32(0x0c000004, 7<<8), nsh(1, 2, v4))), over(4790, cat(u32(0x0c000004, 7<<8), nsh(3, 6, f6))))},
		{"mpls-in-udp.pcap", "MPLS in UDP", raw(over(6635, label(16, true, v4)), over(6635, label(16, false, label(17, true, v6))))},
		{"teredo.pcap", "Teredo, with authentication, with an origin, with both; a bubble", raw(
			over(3544, v6), over(3544, cat([]byte{0, 1, 0, 0}, make([]byte, 9), v6)), over(3544, cat(u16(0, 0x5555), u32(0xc0000201), v6)),
			over(3544, cat([]byte{0, 1, 2, 4}, make([]byte, 15), u16(0, 0x5555), u32(0xc0000201), v6)), over(3544, ip(client6, server6, 59, nil)))},
		{"tzsp-wireless.pcap", "TZSP of IEEE 802.11", raw(over(37008, cat([]byte{1, 0, 0, 18, 1}, wireless(0x08, 1, 24, typeIPv4, v4))))},
		{"pptp.pcap", "PPTP with and without a number and acknowledgements; GRE of PPP", raw(
			greOf(0x3001, typePPP, ppp(v4)), ip(near, far, gre, cat(u16(0x2081, typePPP, 99, 42), u32(6), []byte{0x21}, r4)), greOf(0, typePPP, ppp(v4)))},
		{"gtp.pcap", "GTP-U plain, with a sequence number, with an extension header; an echo", raw(
			over(2152, gtp(0x30, v4)), over(2152, gtp(0x32, v6, 0, 5, 0, 0)), over(2152, gtp(0x34, r4, 0, 0, 0, 0x85, 1, 0x10, 1, 0)),
			over(2152, cat([]byte{0x32, 1}, u16(4), make([]byte, 8))))},
		{"l2tp.pcap", "L2TP with few fields and with all; a message of control", raw(
			over(1701, cat(u16(2, 1, 2), ppp(v4))), over(1701, cat(u16(0x4a02, uint16(20+len(r4)), 1, 2, 8, 9, 2, 0), ppp(r4))),
			over(1701, cat(u16(0xc802, 12, 1, 0, 0, 0))))},
		{"ethernet-in-ip.pcap", "EtherIP; Ethernet and MPLS in IP", raw(
			ip(near, far, 97, cat(u16(0x3000), f4)), ip(near6, far6, 143, f6), ip(near, far, 137, label(16, true, r4)))},
		{"tunnel-nested.pcap", "ERSPAN of a VLAN with VXLAN in it; GRE of Geneve; four times IP in IP", raw(
			greOf(0x1000, 0x88be, cat(erspan2, ether(typeVLAN, tag(42, typeIPv4, vxlan(f4))))),
			greOf(0x2000, typeTEB, ether(typeIPv4, geneve(typeTEB, 4, f6))), nest(4))},
		{"tunnel-too-deep.pcap", "five and forty times IP in IP", raw(nest(5), nest(40))},
		{"tunnel-other-port.pcap", "another UDP port and ICMP inside a tunnel", raw(ip(near, far, ipip, ip(client, server, udpProto, udp(client, server, 4000, 123, make([]byte, 48)))), ip(near, far, ipip, ip(client, server, 1, make([]byte, 8))))},
		{"icmp-quoted.pcap", "a query quoted inside ICMP errors of both families, which does not count", raw(
			ip(server, client, 1, icmp(3, 3, v4)), ip(server6, client6, 58, icmp(1, 4, v6)), v4)},
	}
}

// icmp is an error that quotes a packet.
func icmp(kind, code byte, packet []byte) []byte {
	return cat([]byte{kind, code, 0, 0}, u32(0), packet)
}

// nsh is a packet of a service chain, whose header has so many words.
func nsh(next, words byte, packet []byte) []byte {
	kind := byte(2) // of metadata of any length, here none
	if words == 6 {
		kind = 1
	}
	return cat([]byte{0x0f, 0xc0 | words, kind, next}, u32(7<<8|255), make([]byte, 4*int(words)-8), packet)
}

// gtp is a packet of a user of a mobile network, with those octets behind the
// header's first eight.
func gtp(flags byte, packet []byte, more ...byte) []byte {
	return cat([]byte{flags, 255}, u16(uint16(len(more)+len(packet))), u32(42), more, packet)
}
