package packet

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ratadns/capture"
)

// wantPlain checks that plain, where it reads a packet, reads what the walk through
// all that there might be reads.
func wantPlain(t *testing.T, pkt *capture.Packet) (ok bool) {
	t.Helper()
	p, q := NewParser(53), NewParser(53)
	var got, want Segment
	door, ok := p.plain(pkt, &got)
	if !ok {
		return false
	}
	if d := q.link(pkt, capture.LinkEthernet, pkt.Data, &want); d != door {
		t.Errorf("door %d, want %d: % x", door, d, pkt.Data)
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); door == DNS && diff != "" {
		t.Errorf("%s\n% x", diff, pkt.Data)
	}
	if p.Stats != q.Stats {
		t.Errorf("%+v, want %+v: % x", p.Stats, q.Stats, pkt.Data)
	}
	return true
}

// TestPlain: whatever is cut off of packets, and whatever stands in their headers,
// they are read as others are.
func TestPlain(t *testing.T) {
	u := udp(4000, 53, query)
	tunnel := udp(4000, portVXLAN, cat([]byte{8, 0, 0, 0, 0, 0, 0, 0}, ether(0x0800, ipv4(protoUDP, nil, u))))
	plain := 0
	try := func(b []byte) {
		for _, wire := range []int{len(b), len(b) + 9} {
			if wantPlain(t, &capture.Packet{Data: b, Wire: wire, Link: capture.LinkEthernet}) {
				plain++
			}
		}
	}
	for _, b := range [][]byte{
		ether(0x0800, ipv4(protoUDP, nil, u)), ether(0x86dd, ipv6(protoUDP, u)), ether(0x0800, ipv4(protoUDP, nil, tunnel)),
		ether(0x86dd, ipv6(protoUDP, tunnel)), ether(0x0800, ipv4(protoUDP, nil, udp(4000, 4001, query))),
		ether(0x0800, ipv4(protoTCP, nil, tcp(4000, 53, 1, 2, nil, query))),
		cat(ether(0x0800, ipv4(protoUDP, nil, u)), make([]byte, 20)), // padding
	} {
		for n := range len(b) + 1 {
			try(b[:n:n])
		}
		headers := min(len(b), 14+40+8)
		for i := range headers {
			for c := range 256 {
				other := bytes.Clone(b)
				other[i] = byte(c)
				try(other)
			}
		}
	}
	if plain < 10_000 {
		t.Errorf("only %d were plain", plain)
	}
}
