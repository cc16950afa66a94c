package cases

import "net/netip"

// A part is a fragment of a datagram.
type part struct {
	off, end int
	more     bool
}

// split makes the fragments of a datagram, UDP unless told.
func split(source netip.Addr, id uint32, proto uint8, payload []byte, parts ...part) (packets [][]byte) {
	dest := serverOf(source)
	if source == server || source == server6 {
		dest = client
		if source.Is6() {
			dest = client6
		}
	}
	for _, p := range parts {
		data, more := payload[p.off:p.end], uint16(0)
		if source.Is6() {
			if p.more {
				more = 1
			}
			packets = append(packets, ip(source, dest, fragment, cat([]byte{proto, 0}, u16(uint16(p.off)|more), u32(id), data)))
			continue
		}
		if p.more {
			more = 0x2000
		}
		b := ip(source, dest, proto, data)
		be.PutUint16(b[4:], uint16(id))
		be.PutUint16(b[6:], uint16(p.off/8)|more)
		be.PutUint16(b[10:], 0)
		be.PutUint16(b[10:], sum(b[:20]))
		packets = append(packets, b)
	}
	return packets
}

// fragments are datagrams in parts, the same cases for both families.
func fragments() []capt {
	var all []capt
	for _, v := range []struct {
		name, family          string
		client, other, server netip.Addr
	}{{"ipv4", "IPv4", client, other, server}, {"ipv6", "IPv6", client6, other6, server6}} {
		u := udp(v.server, v.client, 53, 4000, long(7, "big.example.org.", 1300))
		n := len(u)
		first, middle, last := part{0, 488, true}, part{488, 976, true}, part{976, n, false}
		f := func(name, holds string, parts ...part) {
			all = append(all, capt{v.name + "-fragments-" + name + ".pcap", v.family + ": " + holds, raw(split(v.server, 7, udpProto, u, parts...)...)})
		}
		f("ordered", "three fragments in order", first, middle, last)
		f("reversed", "the last one first", last, middle, first)
		f("shuffled", "the middle one last", last, first, middle)
		f("duplicated", "each twice before the last", first, first, middle, middle, last)
		f("after", "the first again after the last", first, middle, last, first)
		f("missing", "the middle one is missing", first, last)
		f("first-missing", "the first one is missing", middle, last)
		f("last-missing", "the last one is missing", first, middle)
		f("overlap", "two that overlap by eight octets with the same content, refused by RFC 5722", first, part{480, 976, true}, last)
		f("contained", "one inside another", part{0, 976, true}, part{8, 16, true}, last)
		f("two-ends", "two that say they are the last", part{0, 488, true}, part{488, 976, false}, last)

		ask := func(source netip.Addr, id uint16, name string) []byte {
			return udp(source, v.server, 4000, 53, dns(id, fRD, list{question(dnsName(name), tA, 1)}, nil, nil, list{opt(0, option(12, string(make([]byte, 300))))}))
		}
		x, y := ask(v.client, 1, "client.example.org."), ask(v.other, 2, "other.example.org.")
		parts := []part{{0, 160, true}, {160, 320, true}, {320, len(x), false}}
		one := split(v.client, 99, udpProto, x, parts...)
		parts[2].end = len(y)
		two := split(v.other, 99, udpProto, y, parts...)
		all = append(all, capt{v.name + "-fragments-interleaved.pcap", v.family + ": datagrams of two hosts with the same identification between each other", raw(one[0], two[0], two[2], one[1], one[2], two[1])})
		s := segment(v.client, v.server, 4000, 53, 1000, 0, synFlag, nil, nil)
		d := segment(v.client, v.server, 4000, 53, 1001, 1, ackFlag|pshFlag, nil, frame(q(1, "tcp.example.org.")))
		t := append([][]byte{ip(v.client, v.server, tcpProto, s)}, split(v.client, 5, tcpProto, d, part{0, 24, true}, part{24, len(d), false})...)
		all = append(all, capt{v.name + "-fragments-tcp.pcap", v.family + ": a TCP segment in fragments", raw(t...)})
	}
	w := udp(server6, client6, 53, 4000, long(7, "big.example.org.", 600))
	atomic := udp(client6, server6, 4000, 53, q(1, "atomic.example.org."))
	behind := split(server6, 7, udpProto, w, part{0, 488, true}, part{488, len(w), false})
	for i, b := range behind { // a header that every fragment has
		behind[i] = ip(server6, client6, hopByHop, ext(fragment, 8, b[40:]))
	}
	u4 := udp(server, client, 53, 4000, long(7, "big.example.org.", 600))
	var tunnelled [][]byte
	for _, p := range split(server, 9, udpProto, u4, part{0, 488, true}, part{488, len(u4), false}) {
		tunnelled = append(tunnelled, vxlan(ether(typeVLAN, tag(42, typeIPv4, p))))
	}
	outer := vxlan(ether(typeIPv4, tell(client, long(7, "big.example.org.", 600))))[20:]
	wrapped := split(client, 9, udpProto, outer, part{0, 488, true}, part{488, len(outer), false})
	var twice [][]byte // full packets do not fit in a tunnel
	for i, p := range split(server, 9, udpProto, u4, part{0, 240, true}, part{240, 480, true}, part{480, len(u4), false}) {
		p = vxlan(ether(typeIPv4, p))[20:]
		half := len(p) / 2 &^ 7
		twice = append(twice, split(client, uint32(10+i), udpProto, p, part{0, half, true}, part{half, len(p), false})...)
	}
	return append(all,
		capt{"ipv6-fragments-atomic.pcap", "IPv6: atomic fragments of equal identification, whole by RFC 6946", raw(append(split(client6, 7, udpProto, atomic, part{0, len(atomic), false}), split(client6, 7, udpProto, atomic, part{0, len(atomic), false})...)...)},
		capt{"ipv6-fragments-extensions.pcap", "IPv6: fragments behind a hop-by-hop header", raw(behind...)},
		capt{"fragments-in-tunnel.pcap", "fragments inside a tunnel", raw(tunnelled...)},
		capt{"fragments-of-tunnel.pcap", "a tunnel's packet in fragments", raw(wrapped...)},
		capt{"fragments-in-fragments.pcap", "fragments inside a tunnel, whose packets are in fragments", raw(twice...)},
	)
}
