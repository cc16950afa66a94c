package cases

import (
	"fmt"
	"net/netip"
)

// TCP flags.
const finFlag, synFlag, rstFlag, pshFlag, ackFlag = 1, 2, 4, 8, 16

// segment is one of TCP without its IP header; options must fill words.
func segment(source, dest netip.Addr, sport, dport uint16, seq, ack uint32, flags uint8, options, payload []byte) []byte {
	b := cat(u16(sport, dport), u32(seq, ack), []byte{byte(5+len(options)/4) << 4, flags}, u16(0xffff, 0, 0), options, payload)
	return checksum(source, dest, tcpProto, b, 16)
}

// frame puts the length before each message (RFC 1035 §4.2.2).
func frame(messages ...[]byte) (b []byte) {
	for _, m := range messages {
		b = cat(b, u16(uint16(len(m))), m)
	}
	return b
}

// A conn is a connection of a client to port 53; it collects the packets.
type conn struct {
	client, server netip.Addr
	port           uint16
	seq, ack       uint32 // next of the client, next of the server
	wrap           func(b []byte) []byte
	packets        [][]byte
}

func newConn(client netip.Addr) *conn {
	return &conn{client: client, server: serverOf(client), port: 4000, seq: 1000, ack: 5000}
}

// ask is a segment of the client at that sequence number, tell the server's.
func (c *conn) ask(seq uint32, flags uint8, b []byte) {
	c.packets = append(c.packets, c.ip(c.client, c.server, segment(c.client, c.server, c.port, 53, seq, c.ack, flags, nil, b)))
}

func (c *conn) tell(ack uint32, flags uint8, b []byte) {
	c.packets = append(c.packets, c.ip(c.server, c.client, segment(c.server, c.client, 53, c.port, ack, c.seq, flags, nil, b)))
}

func (c *conn) ip(source, dest netip.Addr, s []byte) []byte {
	if c.wrap != nil { // IPv6 with extension headers
		s = c.wrap(s)
		return ip(source, dest, s[0], s[1:])
	}
	return ip(source, dest, tcpProto, s)
}

// syn opens the connection.
func (c *conn) syn() {
	c.ask(c.seq, synFlag, nil)
	c.seq++
	c.tell(c.ack, synFlag|ackFlag, nil)
	c.ack++
	c.ask(c.seq, ackFlag, nil)
}

// from sends octets of the client in one segment, to the server's.
func (c *conn) from(b []byte) {
	c.ask(c.seq, ackFlag|pshFlag, b)
	c.seq += uint32(len(b))
}

func (c *conn) to(b []byte) {
	c.tell(c.ack, ackFlag|pshFlag, b)
	c.ack += uint32(len(b))
}

// fin closes the connection from both ends.
func (c *conn) fin() {
	c.ask(c.seq, finFlag|ackFlag, nil)
	c.seq++
	c.tell(c.ack, finFlag|ackFlag, nil)
	c.ack++
	c.ask(c.seq, ackFlag, nil)
}

// exchange is a whole connection with one query and its response.
func (c *conn) exchange(query, response []byte) {
	c.syn()
	c.from(frame(query))
	c.to(frame(response))
	c.fin()
}

// axfr is a zone transfer of messages with ten records each.
func axfr(id uint16, messages int) (all [][]byte) {
	zone := dnsName("example.org.")
	soa := record(zone, tSOA, 1, 3600, cat(dnsName("ns1.example.org."), dnsName("hostmaster.example.org."), u32(1, 7200, 3600, 1209600, 300)))
	for i := range messages {
		var questions, records list
		if i == 0 { // only the first has the question (RFC 5936 §2.2.1)
			questions, records = list{question(zone, tAXFR, 1)}, list{soa}
		}
		for k := range 10 {
			records = append(records, record(dnsName(fmt.Sprintf("host%d-%d.example.org.", i, k)), tA, 1, 300, []byte{192, 0, 2, byte(10*i + k)}))
		}
		if i == messages-1 {
			records = append(records, soa)
		}
		all = append(all, dns(id, fQR|fAA, questions, records, nil, nil))
	}
	return all
}

// streams are TCP connections. Each case ends with one more query over UDP, so
// that what follows the trouble is seen.
func streams() (all []capt) {
	one, two, three := frame(q(1, "one.example.org.")), frame(q(2, "two.example.org.")), frame(q(3, "three.example.org."))
	f := func(name, holds string, play func(c *conn)) {
		c := newConn(client)
		play(c)
		all = append(all, capt{"tcp-" + name + ".pcap", holds, raw(append(c.packets, ask(other, q(99, "after.example.org.")))...)})
	}
	opened := func(name, holds string, play func(c *conn)) {
		f(name, holds, func(c *conn) { c.syn(); play(c) })
	}
	pieces := func(c *conn, b []byte, n int) {
		for len(b) > 0 {
			k := min(n, len(b))
			c.from(b[:k])
			b = b[k:]
		}
	}
	f("exchange", "a query and its response", func(c *conn) { c.exchange(q(1, "one.example.org."), a(1, "one.example.org.")) })
	opened("split-length", "the length in two segments", func(c *conn) { c.from(one[:1]); c.from(one[1:]); c.fin() })
	opened("split-behind-length", "the length in a segment of its own", func(c *conn) { c.from(one[:2]); c.from(one[2:]); c.fin() })
	opened("split-octets", "each octet in a segment of its own", func(c *conn) { pieces(c, cat(one, two), 1); c.fin() })
	opened("split-anywhere", "three messages in segments of 17 octets", func(c *conn) { pieces(c, cat(one, two, three), 17); c.fin() })
	opened("many-in-segment", "three messages in one segment, and part of a fourth", func(c *conn) { c.from(cat(one, two, three, one[:20])); c.from(one[20:]); c.fin() })
	opened("long", "a response in many segments", func(c *conn) {
		c.from(one)
		for b := frame(long(1, "one.example.org.", 3000)); len(b) > 0; {
			k := min(536, len(b))
			c.to(b[:k])
			b = b[k:]
		}
		c.fin()
	})
	opened("out-of-order", "the second segment of three last", func(c *conn) {
		s := c.seq
		c.ask(s, ackFlag, one)
		c.ask(s+uint32(len(one)+20), ackFlag, cat(two[20:], three))
		c.ask(s+uint32(len(one)), ackFlag, two[:20])
		c.seq += uint32(len(one) + len(two) + len(three))
		c.fin()
	})
	opened("reversed", "the segments of a message from the last to the first", func(c *conn) {
		for i := (len(two) - 1) / 10 * 10; i >= 0; i -= 10 {
			c.ask(c.seq+uint32(i), ackFlag, two[i:min(i+10, len(two))])
		}
		c.seq += uint32(len(two))
		c.from(three)
	})
	opened("retransmitted", "segments sent again", func(c *conn) {
		s := c.seq
		c.from(one)
		c.ask(s, ackFlag, one)
		c.from(two[:9])
		c.ask(s+uint32(len(one)), ackFlag, two[:9])
		c.from(two[9:])
		c.fin()
	})
	opened("retransmitted-otherwise", "sent again in other segments: longer, shorter, across the border", func(c *conn) {
		s := c.seq
		c.from(one[:20])
		c.ask(s, ackFlag, one) // all of it, with what is new
		c.seq = s + uint32(len(one))
		c.ask(s+5, ackFlag, cat(one[5:], two[:30])) // the end of one, the beginning of two
		c.ask(s+7, ackFlag, one[7:9])
		c.ask(s+uint32(len(one))+10, ackFlag, cat(two[10:], three))
		c.seq += uint32(len(two) + len(three))
		c.fin()
	})
	f("without-syn", "the capture begins between two messages", func(c *conn) { c.from(one); c.to(frame(a(1, "one.example.org."))); c.from(two); c.fin() })
	f("starts-inside", "the capture begins inside a message, and a segment begins with the next", func(c *conn) { c.from(one[7:]); c.from(two); c.from(three); c.fin() })
	opened("hole", "a segment is missing, which the receiver acknowledges", func(c *conn) {
		c.from(one)
		c.seq += 40
		c.from(two)
		c.from(three)
		c.fin()
	})
	opened("keep-alive", "keep-alives of one octet and of none", func(c *conn) {
		c.from(one)
		c.ask(c.seq-1, ackFlag, []byte{0})
		c.tell(c.ack, ackFlag, nil)
		c.ask(c.seq-1, ackFlag, nil)
		c.tell(c.ack, ackFlag, nil)
		c.from(two)
		c.fin()
	})
	opened("never-closed", "a message that is never complete", func(c *conn) { c.from(one); c.from(two[:25]) })
	opened("reset", "RST inside a message", func(c *conn) {
		c.from(one)
		c.from(two[:25])
		c.tell(c.ack, rstFlag|ackFlag, nil)
		c.ask(c.seq, rstFlag, nil)
	})
	opened("hole-unanswered", "a segment is missing, of which the receiver says nothing", func(c *conn) {
		c.from(one)
		c.seq += 40
		c.from(two)
	})
	f("port-reuse-unopened", "the same ports again with numbers far below, without the SYN", func(c *conn) {
		c.seq = 0xf0000000
		c.syn()
		c.from(one)
		c.seq = 1000
		c.from(two)
		c.from(three)
	})
	f("port-reuse", "the same ports again with other numbers, after a close, after a reset, after nothing", func(c *conn) {
		c.exchange(q(1, "one.example.org."), a(1, "one.example.org."))
		c.seq, c.ack = 900_000, 700_000
		c.syn()
		c.from(two[:9])
		c.ask(c.seq, rstFlag, nil)
		c.seq, c.ack = 5, 6
		c.syn()
		c.from(three[:9])
		c.seq, c.ack = 3_000_000_000, 4_000_000_000
		c.exchange(q(4, "four.example.org."), a(4, "four.example.org."))
	})
	opened("axfr", "a zone transfer of six messages with ten records each, in segments that end anywhere", func(c *conn) {
		c.from(frame(dns(1, 0, list{question(dnsName("example.org."), tAXFR, 1)}, nil, nil, nil)))
		for b := frame(axfr(1, 6)...); len(b) > 0; {
			k := min(1000, len(b))
			c.to(b[:k])
			b = b[k:]
		}
		c.fin()
	})
	opened("length-zero", "lengths of zero between messages", func(c *conn) { c.from(cat(one, u16(0, 0), two)); c.from(three); c.fin() })
	opened("length-short", "a length of eight, less than a header", func(c *conn) { c.from(cat(u16(8), make([]byte, 8), two)); c.from(three); c.fin() })
	opened("length-too-large", "a length that no octets follow before the end", func(c *conn) { c.from(cat(u16(65535), one[2:])); c.fin() })
	opened("length-too-small", "a length less than the message behind it", func(c *conn) { c.from(cat(u16(20), one[2:])); c.from(two); c.fin() })
	opened("both-directions", "queries and responses in turn, in part", func(c *conn) {
		r1, r2 := frame(a(1, "one.example.org.")), frame(a(2, "two.example.org."))
		c.from(cat(one, two[:11]))
		c.to(r1[:13])
		c.from(two[11:])
		c.to(cat(r1[13:], r2[:1]))
		c.from(three[:2])
		c.to(r2[1:])
		c.from(three[2:])
		c.fin()
	})
	f("fast-open", "a query in the SYN (RFC 7413), the response in the SYN's", func(c *conn) {
		r := frame(a(1, "one.example.org."))
		cookie := cat([]byte{34, 10, 1, 2, 3, 4, 5, 6, 7, 8}, []byte{1, 1})
		c.packets = append(c.packets, ip(c.client, c.server, tcpProto, segment(c.client, c.server, c.port, 53, c.seq, 0, synFlag, cookie, one)))
		c.seq += 1 + uint32(len(one))
		c.tell(c.ack, synFlag|ackFlag, r)
		c.ack += 1 + uint32(len(r))
		c.ask(c.seq, ackFlag, nil)
		c.from(two)
		c.fin()
	})
	opened("fin-with-data", "the last message in the segment with FIN", func(c *conn) {
		c.ask(c.seq, finFlag|ackFlag|pshFlag, one)
		c.seq += 1 + uint32(len(one))
		c.tell(c.ack, finFlag|ackFlag|pshFlag, frame(a(1, "one.example.org.")))
	})
	opened("fin-early", "FIN before the segment that it follows", func(c *conn) {
		c.ask(c.seq+uint32(len(one)), finFlag|ackFlag, nil)
		c.ask(c.seq, ackFlag, one)
	})
	f("sequence-wraps", "sequence numbers that pass 2^32 inside a message", func(c *conn) {
		c.seq = 1<<32 - 20
		c.syn()
		pieces(c, cat(one, two), 8)
		c.fin()
	})
	f("syn-again", "SYN sent again, also after data", func(c *conn) {
		c.ask(c.seq, synFlag, nil)
		c.syn()
		c.from(one)
		c.ask(1000, synFlag, nil)
		c.from(two)
		c.fin()
	})
	c := newConn(client6)
	// The type of the routing header is one for experiments (RFC 4727), no segments left.
	c.wrap = func(s []byte) []byte {
		return cat([]byte{hopByHop}, ext(destOpts, 8, ext(routing, 16, cat([]byte{tcpProto, 0, 254, 0, 0, 0, 0, 0}, s))))
	}
	c.exchange(q(1, "one.example.org."), a(1, "one.example.org."))
	all = append(all, capt{"tcp-ipv6-extensions.pcap", "TCP behind hop-by-hop, destination and routing headers", raw(c.packets...)})
	return all
}
