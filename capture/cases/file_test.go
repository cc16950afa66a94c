package cases

import (
	"bytes"
	"encoding/binary"
)

// The captures' first packet, and how far the next ones are behind it.
const (
	moment = int64(1475762100)*1e9 + 123456789 // 2016-10-06 13:55:00 UTC
	step   = int64(1e6)
)

// pcapOf is a capture of packets a millisecond apart. unit is 1000 for
// microseconds and 1 for nanoseconds. What is longer than snap is cut.
func pcapOf(order binary.AppendByteOrder, unit int64, snap int, link uint32, packets ...[]byte) []byte {
	magic := uint32(0xa1b2c3d4)
	if unit == 1 {
		magic = 0xa1b23c4d
	}
	b := order.AppendUint32(nil, magic)
	b = order.AppendUint16(order.AppendUint16(b, 2), 4)
	b = order.AppendUint32(order.AppendUint64(b, 0), uint32(snap))
	b = order.AppendUint32(b, link)
	for i, p := range packets {
		at := moment + int64(i)*step
		b = order.AppendUint32(b, uint32(at/1e9))
		b = order.AppendUint32(b, uint32(at%1e9/unit))
		b = order.AppendUint32(b, uint32(min(len(p), snap)))
		b = order.AppendUint32(b, uint32(len(p)))
		b = append(b, p[:min(len(p), snap)]...)
	}
	return b
}

// patched is a capture of a program with so many octets more before each packet;
// version23 one of those programs that had the lengths of a record the other way
// round.
func patched(order binary.AppendByteOrder, magic uint32, more int, packets ...[]byte) []byte {
	b := pcapOf(order, 1000, 65535, linkEthernet, packets...)
	out := append(order.AppendUint32(nil, magic), b[4:24]...)
	b = b[24:]
	for _, p := range packets {
		out = append(append(out, b[:16]...), []byte{0, 2, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0}[:more]...)
		out = append(out, p...)
		b = b[16+len(p):]
	}
	return out
}

// The magic of captures, and that of Alexey Kuznetsov's patches.
const plainMagic, kuznetsovMagic = 0xa1b2c3d4, 0xa1b2cd34

func version23(snap int, packets ...[]byte) []byte {
	b := pcapOf(le, 1000, snap, linkRaw, packets...)
	b[6] = 3
	at := 24
	for _, p := range packets {
		n := bytes.Clone(b[at+8 : at+12])
		copy(b[at+8:], b[at+12:at+16])
		copy(b[at+12:], n)
		at += 16 + min(len(p), snap)
	}
	return b
}

// Link types.
const (
	linkNull, linkEthernet, linkRaw12, linkRaw14, linkRaw, linkLoop = 0, 1, 12, 14, 101, 108
	linkSLL, linkUser, linkIPv4, linkIPv6, linkSLL2                 = 113, 147, 228, 229, 276
	linkPPP, linkPPPHDLC, linkPPPDir, linkHDLC, linkWireless        = 9, 50, 204, 104, 105
	linkPflog, linkRadiotap, linkNflog, linkERF, linkPktap          = 117, 127, 239, 197, 258
)

// on is a capture of the usual format with packets of one link type.
func on(link uint32, packets ...[]byte) []byte {
	return pcapOf(le, 1, 65535, link, packets...)
}

func raw(packets ...[]byte) []byte { return on(linkRaw, packets...) }

// ng builds pcapng captures.
type ng struct {
	order binary.AppendByteOrder
	b     []byte
}

func (g *ng) block(kind uint32, body []byte) *ng {
	body = cat(body, make([]byte, -len(body)&3))
	n := uint32(12 + len(body))
	g.b = g.order.AppendUint32(g.order.AppendUint32(g.b, kind), n)
	g.b = g.order.AppendUint32(append(g.b, body...), n)
	return g
}

// section begins one in that byte order.
func (g *ng) section(order binary.AppendByteOrder, options ...ngOption) *ng {
	g.order = order
	body := order.AppendUint32(nil, 0x1a2b3c4d)
	body = order.AppendUint16(order.AppendUint16(body, 1), 0)
	body = order.AppendUint64(body, 1<<64-1) // length not given
	return g.block(0x0a0d0d0a, append(body, g.options(options)...))
}

type ngOption struct {
	code  uint16
	value []byte
}

func (g *ng) options(options []ngOption) (b []byte) {
	for _, o := range options {
		b = g.order.AppendUint16(g.order.AppendUint16(b, o.code), uint16(len(o.value)))
		b = append(append(b, o.value...), make([]byte, -len(o.value)&3)...)
	}
	if len(options) > 0 {
		b = append(b, 0, 0, 0, 0)
	}
	return b
}

func (g *ng) iface(link uint16, snap uint32, options ...ngOption) *ng {
	body := g.order.AppendUint16(g.order.AppendUint16(nil, link), 0)
	return g.block(1, append(g.order.AppendUint32(body, snap), g.options(options)...))
}

// packet writes an enhanced packet with ts in the interface's own units.
func (g *ng) packet(iface uint32, ts uint64, data []byte, options ...ngOption) *ng {
	body := g.order.AppendUint32(nil, iface)
	body = g.order.AppendUint32(g.order.AppendUint32(body, uint32(ts>>32)), uint32(ts))
	body = g.order.AppendUint32(g.order.AppendUint32(body, uint32(len(data))), uint32(len(data)))
	body = cat(body, data, make([]byte, -len(data)&3))
	return g.block(6, append(body, g.options(options)...))
}

// obsolete writes a packet in the block that came before the enhanced one.
func (g *ng) obsolete(iface uint16, ts uint64, data []byte) *ng {
	body := g.order.AppendUint16(g.order.AppendUint16(nil, iface), 7) // packets dropped before it
	body = g.order.AppendUint32(g.order.AppendUint32(body, uint32(ts>>32)), uint32(ts))
	body = g.order.AppendUint32(g.order.AppendUint32(body, uint32(len(data))), uint32(len(data)))
	return g.block(2, append(body, data...))
}

func (g *ng) simple(data []byte, wire int) *ng {
	return g.block(3, append(g.order.AppendUint32(nil, uint32(wire)), data...))
}

func (g *ng) offset(seconds int64) ngOption {
	return ngOption{14, g.order.AppendUint64(nil, uint64(seconds))}
}

func resol(v byte) ngOption { return ngOption{9, []byte{v}} }

// files are the formats.
func files() []capt {
	two := func() [][]byte {
		return [][]byte{ask(client, q(1, "one.example.org.")), tell(client, a(1, "one.example.org.")), ask(client6, q(2, "two.example.org.")), tell(client6, a(2, "two.example.org."))}
	}
	us, ns := uint64(moment/1e3), uint64(moment)
	sections := new(ng)
	for i, order := range []binary.AppendByteOrder{le, be, le} {
		sections.section(order).iface(linkRaw, 0).packet(0, us+uint64(i), ask(client, q(uint16(i), "section.example.org.")))
	}
	ifaces := new(ng).section(le).
		iface(linkRaw, 0).iface(linkRaw, 0, resol(9)).iface(linkRaw, 0, resol(3)).iface(linkRaw, 0, resol(0)).
		iface(linkRaw, 0, resol(0x80|20)).iface(linkRaw, 0, resol(0x80|10)).iface(linkRaw, 0, resol(0x80))
	sec, frac := uint64(moment/1e9), uint64(moment%1e9)
	for i, ts := range []uint64{us, ns, us / 1000, sec, sec<<20 | frac<<20/1e9, sec<<10 | frac<<10/1e9, sec} {
		ifaces.packet(uint32(i), ts, ask(client, q(uint16(i), "resolution.example.org.")))
	}
	offsets := new(ng).section(be)
	offsets.iface(linkRaw, 0, resol(9), offsets.offset(1475762000)).iface(linkRaw, 0, offsets.offset(-100)).iface(linkRaw, 0, offsets.offset(0))
	offsets.packet(0, 100e9+5, ask(client, q(1, "offset.example.org."))).packet(1, us+100e6, ask(client, q(2, "offset.example.org."))).
		packet(2, us, ask(client, q(3, "offset.example.org.")))
	blocks := new(ng).section(le).iface(linkEthernet, 0).iface(linkRaw, 0)
	blocks.packet(1, us, ask(client, q(1, "enhanced.example.org."))).
		obsolete(1, us+1, ask(client, q(2, "obsolete.example.org.")))
	p := ether(typeIPv4, ask(client, q(3, "simple.example.org.")))
	blocks.simple(p, len(p)).packet(1, us+2, ask(client, q(4, "enhanced.example.org.")))
	p = ether(typeIPv4, ask(client, q(5, "snap.example.org.")))
	snapped := new(ng).section(be).iface(linkEthernet, 60).simple(p[:60], len(p)).simple(p[:42], 42)
	unknown := new(ng).section(le).block(0x0abc, []byte("nobody knows this block")).iface(linkRaw, 0).
		block(4, u32(0)).                              // name resolution, no names
		block(5, make([]byte, 12)).                    // statistics of interface 0
		block(0x80000abc, bytes.Repeat([]byte{7}, 3)). // local use
		block(0x0bad, cat(u32(32473), []byte("custom"))).
		packet(0, us, ask(client, q(1, "unknown.example.org."))).
		block(0x0abd, nil).packet(0, us+1, ask(client, q(2, "unknown.example.org.")))
	comment := ngOption{1, []byte("a comment")}
	options := new(ng).section(be, ngOption{4, []byte("made by hand")}, comment)
	options.iface(linkRaw, 0, ngOption{2, []byte("eth0")}, resol(6), ngOption{4, make([]byte, 8)}, comment).
		packet(0, us, ask(client, q(1, "options.example.org.")), comment, ngOption{2, make([]byte, 4)}).
		packet(0, us+1, ask(client, q(2, "options.example.org.")), ngOption{2988, []byte("\x00\x00\x00\x20custom")})
	links := new(ng).section(le).iface(linkEthernet, 0).iface(linkRaw, 0).iface(linkLoop, 0).iface(linkSLL2, 0)
	for i, p := range [][]byte{ether(typeIPv4, ask(client, q(0, "link.example.org."))), ask(client6, q(1, "link.example.org.")), loop(be, 2, ask(client, q(2, "link.example.org."))), sll2(typeIPv4, ask(client, q(3, "link.example.org.")))} {
		links.packet(uint32(i), us+uint64(i), p)
	}
	frames := [][]byte{ether(typeIPv4, two()[0]), ether(typeIPv4, two()[1])}
	return []capt{
		{"pcap-us-little.pcap", "microseconds, little-endian", pcapOf(le, 1000, 65535, linkRaw, two()...)},
		{"pcap-us-big.pcap", "microseconds, big-endian", pcapOf(be, 1000, 65535, linkRaw, two()...)},
		{"pcap-ns-little.pcap", "nanoseconds, little-endian", pcapOf(le, 1, 65535, linkRaw, two()...)},
		{"pcap-ns-big.pcap", "nanoseconds, big-endian", pcapOf(be, 1, 65535, linkRaw, two()...)},
		{"pcap-kuznetsov-little.pcap", "eight octets more before each packet, little-endian", patched(le, kuznetsovMagic, 8, frames...)},
		{"pcap-kuznetsov-big.pcap", "the same, big-endian", patched(be, kuznetsovMagic, 8, frames...)},
		{"pcap-suse-6.3.pcap", "four octets more than those", patched(le, kuznetsovMagic, 12, frames...)},
		{"pcap-nokia.pcap", "four octets more before each packet than the file says", patched(be, plainMagic, 4, frames...)},
		{"pcap-redhat-6.1.pcap", "eight octets more than the file says", patched(le, plainMagic, 8, frames...)},
		{"pcap-version-2.3.pcap", "the lengths of records the other way round", version23(76, two()...)},
		{"pcap-fcs.pcap", "a link type that tells of a frame check sequence, which is there", on(0x24000000|linkEthernet, cat(ether(typeIPv4, two()[0]), u32(0x12345678)))},
		{"pcap-snap.pcap", "a snap length that leaves the header, the question, or less of packets", pcapOf(le, 1, 76, linkRaw, two()...)},
		{"pcap-snap-header.pcap", "a snap length inside the header of DNS", pcapOf(le, 1, 36, linkRaw, two()...)},
		{"pcapng-sections.pcapng", "three sections, little-endian, big-endian, little-endian", sections.b},
		{"pcapng-tsresol.pcapng", "interfaces with times in microseconds, nanoseconds, milliseconds, seconds, 2^-20 s, 2^-10 s, 2^0 s", ifaces.b},
		{"pcapng-tsoffset.pcapng", "interfaces with offsets of their times, one of them negative", offsets.b},
		{"pcapng-blocks.pcapng", "enhanced, obsolete and simple packet blocks", blocks.b},
		{"pcapng-simple-snap.pcapng", "simple packets cut by the interface's snap length, and not", snapped.b},
		{"pcapng-unknown-blocks.pcapng", "blocks without packets, known and unknown, between the others", unknown.b},
		{"pcapng-options.pcapng", "options of sections, interfaces and packets", options.b},
		{"pcapng-links.pcapng", "interfaces of four link types", links.b},
	}
}
