package reduce

// withOPT adds an OPT record with options, which are code, length and data.
func withOPT(udp uint16, version byte, do bool, options ...byte) func([]byte) []byte {
	return func(wire []byte) []byte {
		wire[11]++
		wire = append(wire, 0, 0, 41, byte(udp>>8), byte(udp), 0, version, byte(bit(do))<<7, 0, byte(len(options)>>8), byte(len(options)))
		return append(wire, options...)
	}
}

// inClass changes the QCLASS, which is at the end of the message.
func inClass(class byte) func([]byte) []byte {
	return func(wire []byte) []byte { wire[len(wire)-1] = class; return wire }
}

// special is traffic that some reducer looks for, after that of mixed.
var special = []msg{
	// With EDNS: client subnet, NSID, extended error, cookie; a version unknown.
	{at: 3.00, from: bob, to: ns, id: 0x2001, flags: query, qname: "www.example.co.uk.", qtype: 1, change: withOPT(1232, 0, true, 0, 8, 0, 7, 0, 1, 24, 0, 203, 0, 113)},
	{at: 3.0012, from: ns, to: bob, id: 0x2001, flags: 0x81a0, qname: "www.example.co.uk.", qtype: 1, change: withOPT(1232, 0, true, 0, 3, 0, 3, 'n', 's', '1')},
	{at: 3.10, from: carol, to: ns6, id: 0x2002, flags: query, qname: "broken.example.org.", qtype: 28, change: withOPT(4096, 0, false, 0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8)},
	{at: 3.30, from: ns6, to: carol, id: 0x2002, flags: 0x8182, qname: "broken.example.org.", qtype: 28, change: withOPT(65535, 0, false, 0, 15, 0, 2, 0, 22, 0, 3, 0, 2, 0xff, '\\')},
	{at: 3.40, from: alice, to: ns, id: 0x2003, flags: query, qname: "a.b.example.org.", qtype: 1, change: withOPT(512, 1, false)},
	{at: 3.40005, from: ns, to: alice, id: 0x2003, flags: 0x8185, qname: "a.b.example.org.", qtype: 1},
	// Class CH.
	{at: 3.50, from: alice, to: ns, id: 0x2004, flags: 0, qname: "version.BIND.", qtype: 16, change: inClass(3)},
	{at: 3.51, from: ns, to: alice, id: 0x2004, flags: 0x8400, qname: "version.BIND.", qtype: 16, change: inClass(3)},
	// Internationalised names, one of which cannot be decoded.
	{at: 3.60, from: alice, to: ns, id: 0x2005, flags: query, qname: "XN--e1afmkfd.xn--p1ai.", qtype: 1},
	{at: 3.61, from: alice, to: ns, id: 0x2006, flags: query, qname: `xn--\255\000.example.net.`, qtype: 1},
	// What resolvers ask root servers, and what nobody should.
	{at: 3.70, from: alice, to: ns, id: 0x2007, flags: 0, qname: ".", qtype: 2, change: withOPT(1232, 0, true)},
	{at: 3.71, from: ns, to: alice, id: 0x2007, flags: 0x8400, qname: ".", qtype: 2},
	{at: 3.72, from: bob, to: ns, id: 0x2008, flags: query, qname: "localhost.", qtype: 1},
	{at: 3.73, from: bob, to: ns, id: 0x2009, flags: query, qname: "B.Root-Servers.NET.", qtype: 28},
	{at: 3.74, from: bob, to: ns, id: 0x200a, flags: query, qname: "192.0.2.1.", qtype: 1},
	{at: 3.75, from: bob, to: ns, id: 0x200b, flags: query, qname: ".", qtype: 1},
	{at: 3.76, from: bob, to: ns, id: 0x200c, flags: query, qname: "router.lan.", qtype: 1},
	{at: 3.77, from: bob, to: ns, id: 0x200d, flags: query, qname: "1.1.168.192.in-addr.arpa.", qtype: 12},
	{at: 3.78, from: bob, to: ns, id: 0x200e, flags: query, qname: "www.example.org.", qtype: 1, change: inClass(7)},
	{at: 3.79, from: "203.0.113.9:0", to: ns, id: 0x200f, flags: query, qname: "www.example.org.", qtype: 1},
	// A response that was sent to the server.
	{at: 3.80, from: "203.0.113.9:53", to: ns, id: 0x2010, flags: 0x8580, qname: "amplify.example.org.", qtype: 255},
}
