package packet

import (
	"bytes"
	"testing"

	"ratadns/capture"
)

// outer wraps a payload in UDP to that port, in IPv4 of other addresses, so that
// a parser that stops outside shows.
func outer(proto uint8, payload []byte) []byte {
	b := ipv4(proto, nil, payload)
	copy(b[12:], []byte{203, 0, 113, 1, 203, 0, 113, 2})
	return b
}

func TestTunnels(t *testing.T) {
	v4, v6 := ipv4(protoUDP, nil, udp(4000, 53, query)), ipv6(protoUDP, udp(4000, 53, query))
	frame := ether(0x0800, v4)
	words := func(n ...uint16) (b []byte) {
		for _, w := range n {
			b = be.AppendUint16(b, w)
		}
		return b
	}
	gre := func(flags, proto uint16, optional int, payload []byte) []byte {
		return outer(protoGRE, cat(words(flags, proto), make([]byte, optional), payload))
	}
	vxlan := cat([]byte{8, 0, 0, 0, 0, 0, 7, 0}, frame)
	geneve := func(proto uint16, options int, payload []byte) []byte {
		return outer(protoUDP, udp(50000, portGeneve, cat([]byte{byte(options / 4), 0}, words(proto), make([]byte, 4+options), payload)))
	}
	tzsp := func(tags string, payload []byte) []byte {
		return outer(protoUDP, udp(50000, portTZSP, cat([]byte{1, 0, 0, 1}, []byte(tags), payload)))
	}
	f := func(name string, link capture.LinkType, b []byte, want parsed) {
		t.Helper()
		wantParsed(t, name, parse(t, link, b, 0), want)
	}
	raw, eth := capture.LinkRaw, capture.LinkEthernet
	f("IP in IP", raw, outer(protoIPIP, v4), query4)
	f("6in4", raw, outer(protoIPv6, v6), query6)
	f("4in6", raw, ipv6(protoIPIP, v4), query4)
	f("6in6 behind options", raw, ipv6(protoDestOpts, ext(protoIPv6, 8, v6)), query6)
	f("GRE", raw, gre(0, 0x0800, 0, v4), query4)
	f("GRE of IPv6", raw, gre(0, 0x86dd, 0, v6), query6)
	f("GRE with checksum, key and number", raw, gre(0xb000, 0x0800, 12, v4), query4)
	f("GRE of Ethernet", raw, gre(0x2000, etherTEB, 4, frame), query4)
	f("GRE cut", raw, gre(0x2000, 0x0800, 0, nil), notIP)
	ppp := cat([]byte{0xff, 3, 0, 0x21}, v4)
	f("PPTP", raw, gre(0x3001, 0x880b, 8, ppp), query4)
	f("PPTP with acknowledgements", raw, gre(0x3081, 0x880b, 12, ppp), query4)
	f("PPTP of no PPP", raw, gre(0x3001, 0x0800, 8, v4), otherPort)
	f("GRE of a version that is none", raw, gre(2, 0x0800, 0, v4), otherPort)
	over := func(port uint16, b ...[]byte) []byte { return outer(protoUDP, udp(50000, port, cat(b...))) }
	f("VXLAN of Linux", raw, over(portFlat, vxlan), query4)
	f("VXLAN-GPE", raw, over(portGPE, []byte{0x0c, 0, 0, 2, 0, 0, 7, 0}, v6), query6)
	f("VXLAN-GPE of Ethernet", raw, over(portGPE, []byte{0x0c, 0, 0, 3, 0, 0, 7, 0}, frame), query4)
	f("VXLAN-GPE of another", raw, over(portGPE, []byte{0x0c, 0, 0, 9, 0, 0, 7, 0}, frame), otherPort)
	f("GTP", raw, over(portGTP, []byte{0x30, 255, 0, 99, 0, 0, 0, 1}, v4), query4)
	f("GTP with extensions", raw, over(portGTP, []byte{0x34, 255, 0, 99, 0, 0, 0, 1, 0, 0, 0, 0x85, 1, 0x10, 1, 0x85, 2, 0, 0, 0, 0, 0, 0, 0}, v6), query6)
	f("GTP, an extension of no length", raw, over(portGTP, []byte{0x34, 255, 0, 99, 0, 0, 0, 1, 0, 0, 0, 0x85, 0, 0, 0, 0}), notIP)
	f("GTP, cut", raw, over(portGTP, []byte{0x34, 255, 0, 99, 0, 0, 0, 1, 0, 0, 0, 0x85, 1, 0x10}), notIP)
	f("GTP of an echo", raw, over(portGTP, []byte{0x32, 1, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0}), otherPort)
	f("L2TP", raw, over(portL2TP, []byte{0, 2, 0, 1, 0, 2}, ppp), query4)
	f("L2TP with all fields, to the client", raw, outer(protoUDP, udp(portL2TP, 50000, cat([]byte{0x4a, 2, 0, 99, 0, 1, 0, 2, 0, 0, 0, 0, 0, 3, 0, 0, 0}, ppp))), query4)
	f("L2TP of control", raw, over(portL2TP, []byte{0xc8, 2, 0, 12, 0, 1, 0, 2, 0, 0, 0, 0}), otherPort)
	f("L2TP, cut", raw, over(portL2TP, []byte{2, 2, 0, 1, 0, 2, 9, 9}), notIP)
	f("Ethernet in IP", raw, outer(protoEtherIP, cat([]byte{0x30, 0}, frame)), query4)
	f("Ethernet in IPv6", raw, ipv6(protoEthernet, frame), query4)
	f("MPLS in IP", raw, outer(protoMPLS, cat([]byte{0, 1, 1, 64}, v4)), query4)
	f("a pseudowire", eth, ether(0x8847, cat([]byte{0, 1, 1, 64}, frame)), query4)
	f("a pseudowire with a control word", eth, ether(0x8847, cat([]byte{0, 1, 1, 64, 0, 0, 0, 9}, frame)), query4)
	for _, tag := range []uint16{0x8100, 0x88a8, 0x9100, 0x9200, 0x9300} {
		f("a pseudowire of a VLAN", eth, ether(0x8847, cat([]byte{0, 1, 1, 64, 0, 0, 0, 9}, ether(tag, cat([]byte{0, 42, 8, 0}, v4)))), query4)
	}
	f("a pseudowire of MPLS", eth, ether(0x8847, cat([]byte{0, 1, 1, 64, 0, 0, 0, 9}, ether(0x8847, cat([]byte{0, 1, 1, 64}, v4)))), query4)
	f("a pseudowire of PPPoE", eth, ether(0x8847, cat([]byte{0, 1, 1, 64, 0, 0, 0, 9}, ether(0x8864, cat([]byte{0x11, 0, 0, 1}, words(uint16(len(v4)+2), 0x21), v4)))), query4)
	f("a backbone's tag", eth, ether(0x88e7, cat(make([]byte, 4), frame)), query4)
	f("a security group's tag", eth, ether(0x8909, cat([]byte{1, 1, 0, 1, 0, 9, 8, 0}, v4)), query4)
	f("MPLS in its pseudowire, and so on", eth, bytes.Repeat(ether(0x8847, []byte{0, 1, 1, 64}), 1000), notIP)
	f("ERSPAN I", raw, gre(0, etherERSPAN2, 0, frame), query4)
	f("ERSPAN II", raw, gre(0x1000, etherERSPAN2, 4+8, frame), query4)
	f("ERSPAN III", raw, gre(0x1000, etherERSPAN3, 4+12, frame), query4)
	f("ERSPAN III with subheader", raw, gre(0x1000, etherERSPAN3, 4, cat(make([]byte, 11), []byte{1}, make([]byte, 8), frame)), query4)
	f("ERSPAN III of IP", raw, gre(0x1000, etherERSPAN3, 4, cat(make([]byte, 10), []byte{2 << 2, 0}, v6)), query6)
	f("ERSPAN III, cut", raw, gre(0x1000, etherERSPAN3, 4, make([]byte, 11)), notIP)
	f("VXLAN", raw, outer(protoUDP, udp(50000, portVXLAN, vxlan)), query4)
	f("VXLAN without its flag", raw, outer(protoUDP, udp(50000, portVXLAN, put(vxlan, 0, 0))), otherPort)
	f("VXLAN over IPv6", raw, ipv6(protoUDP, udp(50000, portVXLAN, vxlan)), query4)
	f("Geneve", raw, geneve(etherTEB, 0, frame), query4)
	f("Geneve of IP with options", raw, geneve(0x86dd, 8, v6), query6)
	f("TZSP", raw, tzsp("\x01", frame), query4)
	f("TZSP with tags", raw, tzsp("\x0a\x01\x05\x00\x0c\x02ab\x01", frame), query4)
	f("TZSP without an end", raw, tzsp("\x0a\x01\x05", nil), notIP)
	f("MPLS", eth, ether(0x8847, cat([]byte{0, 1, 0, 64}, []byte{0, 2, 1, 64}, v4)), query4)
	f("MPLS of IPv6 in a VLAN", eth, ether(0x8100, tag(0x8848, cat([]byte{0, 2, 1, 64}, v6))), query6)
	f("MPLS without a bottom", eth, ether(0x8847, []byte{0, 1, 0, 64, 0, 1, 0, 64}), notIP)
	f("PPPoE", eth, ether(0x8864, cat([]byte{0x11, 0, 0, 1, 0, byte(len(v4) + 2), 0, 0x21}, v4)), query4)
	f("PPPoE of IPv6", eth, ether(0x8864, cat([]byte{0x11, 0, 0, 1, 0, 99, 0, 0x57}, v6)), query6)
	f("PPPoE, no IP", eth, ether(0x8864, cat([]byte{0x11, 0, 0, 1, 0, 99, 0xc0, 0x21}, v6)), notIP)
	f("a mirrored overlay", raw, gre(0x1000, etherERSPAN2, 12, ether(0x8100, tag(0x0800, outer(protoUDP, udp(50000, portVXLAN, vxlan))))), query4)
	f("another port inside", raw, outer(protoIPIP, ipv4(protoUDP, nil, udp(4000, 123, query))), otherPort)

	nested := v4
	for range maxNesting {
		nested = outer(protoIPIP, nested)
	}
	f("as deep as it goes", raw, nested, query4)
	f("deeper", raw, outer(protoIPIP, nested), notIP)
}

// A tunnel's packet may come in fragments, as the wrapping makes it longer.
func TestTunnelFragments(t *testing.T) {
	for _, u := range [][]byte{
		udp(50000, portVXLAN, cat([]byte{8, 0, 0, 0, 0, 0, 7, 0}, ether(0x0800, ipv4(protoUDP, nil, udp(4000, 53, big))))),
	} {
		got, stats, lost := reassemble(t, 0, split4(9, u, part{0, 1480, true}, part{1480, 2960, true}, part{2960, len(u), false})...)
		if len(got) != 1 || string(got[0]) != string(big) || lost != 0 || stats.Joined != 2 {
			t.Errorf("%d payloads, %+v", len(got), stats)
		}
	}
}
