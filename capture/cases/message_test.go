package cases

import (
	"bytes"
	"strings"
)

// each is a capture with one query of a client for each message, or one
// response of the server.
func each(messages ...[]byte) []byte {
	var packets [][]byte
	for _, m := range messages {
		if len(m) > 2 && m[2]&0x80 != 0 {
			packets = append(packets, tell(client, m))
		} else {
			packets = append(packets, ask(client, m))
		}
	}
	return raw(packets...)
}

// asked is a query for that name as it stands on the wire.
func asked(id uint16, name []byte) []byte {
	return dns(id, fRD, list{question(name, tA, 1)}, nil, nil, nil)
}

// labels is a name of labels of those lengths.
func labels(lengths ...int) (b []byte) {
	for i, n := range lengths {
		b = cat(b, []byte{byte(n)}, bytes.Repeat([]byte{byte('a' + i%26)}, n))
	}
	return append(b, 0)
}

// messages are what DNS allows, and what it does not.
func messages() []capt {
	zone, www := dnsName("example.org."), dnsName("www.example.org.")
	soa := record(zone, tSOA, 1, 3600, cat(dnsName("ns1.example.org."), dnsName("hostmaster.example.org."), u32(7, 7200, 3600, 1209600, 300)))
	update := dns(2, 5<<11, list{question(zone, tSOA, 1)}, list{record(www, tANY, 254, 0, nil)},
		list{record(www, tA, 255, 0, nil), record(www, tA, 1, 300, []byte{192, 0, 2, 1})}, nil)
	whole := dns(1, fQR|fAA, list{question(www, tMX, 1)},
		list{record(pointer(12), tMX, 1, 60, cat(u16(10), []byte("\x04mail"), pointer(16)))},
		list{record(pointer(16), tNS, 1, 60, cat([]byte("\x02ns"), pointer(16)))},
		list{opt(0x8000, option(10, "12345678"))})
	var truncated list
	for n := range whole {
		truncated = append(truncated, whole[:n])
	}
	pointers := func(n int) []byte { // a question whose name comes over n pointers
		b := dns(9, fQR, list{question(www, tA, 1)}, nil, nil, nil)
		at := uint16(12)
		var chain list
		for range n {
			here := uint16(len(b) + 12*len(chain))
			chain = append(chain, record(pointer(at), tA, 1, 60, nil))
			at = here
		}
		b = cat(b, cat(chain...))
		be.PutUint16(b[6:], uint16(len(chain)))
		return b
	}
	lie := func(counts ...uint16) []byte {
		b := a(5, "www.example.org.")
		copy(b[4:], u16(counts...))
		return b
	}
	return []capt{
		{"dns-no-question.pcap", "no question: a status query, a response, a query of EDNS alone", each(
			dns(1, 2<<11, nil, nil, nil, nil), dns(2, fQR|1, nil, nil, nil, nil), dns(3, 0, nil, nil, nil, list{opt(0, option(10, "12345678"))}))},
		{"dns-several-questions.pcap", "two and three questions, the later names by pointers", each(
			dns(1, fRD, list{question(www, tA, 1), question(www, tAAAA, 1)}, nil, nil, nil),
			dns(2, fRD, list{question(www, tA, 1), question(pointer(12), tAAAA, 1), question(pointer(16), tNS, 1)}, nil, nil, nil))},
		{"dns-truncated.pcap", "TC, and the query again over TCP", raw(append([][]byte{ask(client, q(1, "www.example.org.")), tell(client, dns(1, fQR|fAA|fTC, list{question(www, tA, 1)}, nil, nil, nil))}, retry()...)...)},
		{"dns-opcodes.pcap", "NOTIFY with its response, UPDATE with its response, IQUERY, STATUS, DSO, an opcode that is not assigned", each(
			dns(1, 4<<11|fAA, list{question(zone, tSOA, 1)}, list{soa}, nil, nil), dns(1, fQR|4<<11|fAA, list{question(zone, tSOA, 1)}, nil, nil, nil),
			update, dns(2, fQR|5<<11|9, list{question(zone, tSOA, 1)}, nil, nil, nil),
			dns(3, 1<<11, nil, list{record([]byte{0}, tA, 1, 0, []byte{192, 0, 2, 1})}, nil, nil), dns(4, 2<<11, nil, nil, nil, nil),
			dns(5, 6<<11, nil, nil, nil, nil), dns(6, 15<<11, list{question(www, tA, 1)}, nil, nil, nil))},
		{"dns-ixfr.pcap", "IXFR with the SOA in the authority section, and a response", each(
			dns(1, 0, list{question(zone, tIXFR, 1)}, nil, list{soa}, nil), dns(1, fQR|fAA, list{question(zone, tIXFR, 1)}, list{soa}, nil, nil))},
		{"dns-classes.pcap", "CH, HS, NONE, ANY, 0, and the top bit as in mDNS", each(
			dns(1, 0, list{question(dnsName("version.bind."), tTXT, 3)}, nil, nil, nil), dns(2, 0, list{question(www, tA, 4)}, nil, nil, nil),
			dns(3, 0, list{question(www, tA, 254)}, nil, nil, nil), dns(4, 0, list{question(www, tANY, 255)}, nil, nil, nil),
			dns(5, 0, list{question(www, tA, 0)}, nil, nil, nil), dns(6, 0, list{question(www, tA, 0x8001)}, nil, nil, nil),
			dns(6, fQR, list{question(www, tA, 0x8001)}, list{record(pointer(12), tA, 0x8001, 60, []byte{192, 0, 2, 80})}, nil, nil))},
		{"dns-types.pcap", "QTYPEs 0, 255, 65280 and 65535", each(
			dns(1, 0, list{question(www, 0, 1)}, nil, nil, nil), dns(2, 0, list{question(www, tANY, 1)}, nil, nil, nil),
			dns(3, 0, list{question(www, 65280, 1)}, nil, nil, nil), dns(4, 0, list{question(www, 65535, 1)}, nil, nil, nil))},
		{"dns-rcodes.pcap", "every RCODE of the header, and all flags", each(rcodes()...)},
		{"dns-names.pcap", "the root, one label, mixed case, a label of 63 octets, 127 labels", each(
			asked(1, []byte{0}), asked(2, dnsName("org.")), asked(3, dnsName("wWw.eXample.ORG.")), asked(4, labels(63)), asked(5, labels(ones(127)...)))},
		{"dns-names-255.pcap", "names of 254, 255 and 256 octets", each(
			asked(1, labels(63, 63, 63, 60)), asked(2, labels(63, 63, 63, 61)), asked(3, labels(63, 63, 63, 62)))},
		{"dns-names-octets.pcap", "every octet in a label, one a message, then many together", each(octets()...)},
		{"dns-names-underscore.pcap", "names with underscores, of a service and others", each(q(1, "_sip._tcp.example.org."), q(2, "a_b.example.org."), q(3, "_.example.org."))},
		{"dns-pointer-loop.pcap", "a pointer at itself, two at each other, one behind a label at that label", each(
			asked(1, pointer(12)), dns(2, fRD, list{question(pointer(18), tA, 1), question(pointer(12), tA, 1)}, nil, nil, nil),
			asked(3, cat([]byte("\x03www"), pointer(12))))},
		{"dns-pointer-forward.pcap", "a question's name behind a pointer forward, and one behind the end", each(
			asked(1, pointer(18))[:18], cat(asked(1, pointer(18)), zone), asked(2, pointer(0x3fff)))},
		{"dns-pointer-header.pcap", "a pointer into the header", each(asked(0x0161, cat([]byte("\x03www"), pointer(10))))},
		{"dns-pointer-chain.pcap", "names over 1, 20 and 200 pointers, one to the next", each(pointers(1), pointers(20), pointers(200))},
		{"dns-label-types.pcap", "labels of types 01 and 10", each(asked(1, []byte("\x41\x20abcd\x00")), asked(2, []byte("\x03www\x80\x00")))},
		{"dns-truncated-everywhere.pcap", "a response with compression and EDNS, cut behind every octet", each(truncated...)},
		{"dns-trailing.pcap", "octets behind the message", each(cat(q(1, "www.example.org."), []byte("rubbish")), cat(a(2, "www.example.org."), make([]byte, 40)))},
		{"dns-counts.pcap", "counts that lie, up and down, in every section", each(
			lie(2, 1, 0, 0), lie(0, 1, 0, 0), lie(1, 2, 0, 0), lie(1, 0, 0, 0), lie(1, 0, 1, 0), lie(1, 0, 0, 1), lie(1, 1, 1, 0), lie(1, 1, 0, 65535), lie(65535, 65535, 65535, 65535))},
		{"dns-rdata-length.pcap", "an RDLENGTH behind the end", each(dns(1, fQR, list{question(www, tA, 1)}, list{cat(pointer(12), u16(tA, 1), u32(60), u16(5), []byte{192, 0, 2, 80})}, nil, nil))},
		{"dns-rdata.pcap", "a response for each type of record data with a presentation form of its own", each(rdata()...)},
		{"dns-short.pcap", "UDP payloads of 0 to 12 octets", each(short()...)},
		{"dns-not-dns.pcap", "payloads on port 53 that are not DNS", each([]byte("GET / HTTP/1.1\r\nHost: www.example.org\r\n\r\n"), bytes.Repeat([]byte{0xff}, 64), make([]byte, 64), []byte(strings.Repeat("\x16\x03\x01\x02", 20)))},
		{"dns-ports.pcap", "from port 53 to port 53, and ports that are not DNS's", raw(askFrom(client, 53, q(1, "www.example.org.")), ip(client, server, udpProto, udp(client, server, 4000, 5353, q(2, "www.example.org."))))},
	}
}

// rcodes are a response for each, then one with all flags.
func rcodes() (all list) {
	for r := range uint16(16) {
		all = append(all, dns(r, fQR|r, list{question(dnsName("www.example.org."), tA, 1)}, nil, nil, nil))
	}
	return append(all, dns(16, 0x87ff&^15, list{question(dnsName("www.example.org."), tA, 1)}, nil, nil, nil))
}

// ones are n labels of one octet.
func ones(n int) (all []int) {
	for range n {
		all = append(all, 1)
	}
	return all
}

// octets asks for names with every octet in a label, eight a label, and for one
// name of each half.
func octets() (all list) {
	var halves list
	for c := 0; c < 256; c += 8 {
		if c%128 == 0 {
			halves = append(halves, nil)
		}
		label := []byte{8}
		for i := range 8 {
			label = append(label, byte(c+i))
		}
		all = append(all, asked(uint16(c), cat(label, dnsName("example.org."))))
		half := &halves[len(halves)-1]
		*half = cat(*half, label)
	}
	return append(all, asked(256, append(halves[0], 0)), asked(257, append(halves[1], 0)))
}

func short() (all list) {
	for n := range 13 {
		all = append(all, dns(1, fRD, nil, nil, nil, nil)[:n])
	}
	return all
}

// retry is the connection behind a truncated response.
func retry() [][]byte {
	c := newConn(client)
	c.exchange(q(2, "www.example.org."), a(2, "www.example.org."))
	return c.packets
}
