package capture

import (
	"bytes"
	"encoding/binary"
	"io"
	"log/slog"
	"testing"
)

// mixed is a capture as a name server makes it: queries and responses.
func mixed(n int) []byte {
	var ps []Packet
	for i := range n {
		size := 82
		if i%2 == 1 {
			size = 150 + i%800
		}
		ps = append(ps, Packet{Time: second + int64(i)*5000, Data: make([]byte, size), Wire: size, Link: LinkEthernet})
	}
	return nanoPcap(ps)
}

func mixedNG(n int) []byte {
	g := &ng{order: binary.LittleEndian}
	g.section().iface(LinkEthernet, 0, resol(9))
	for i := range n {
		g.packet(0, uint64(second)+uint64(i)*5000, make([]byte, 82+i%2*(68+i%800)), 1500)
	}
	return g.b
}

const benchPackets = 200_000

// drain reads a capture into b and counts its packets.
func drain(tb testing.TB, capture []byte, b *Batch) (n int) {
	src, err := NewReader("bench", bytes.NewReader(capture), slog.New(slog.DiscardHandler))
	if err != nil {
		tb.Fatal(err)
	}
	defer src.Close()
	for {
		switch err := src.Read(b); err {
		case nil:
			n += len(b.Packets)
		case io.EOF:
			return n
		default:
			tb.Fatal(err)
		}
	}
}

func BenchmarkPcap(b *testing.B) { benchmark(b, mixed(benchPackets)) }

func BenchmarkPcapng(b *testing.B) { benchmark(b, mixedNG(benchPackets)) }

// One iteration is a whole capture; its few allocations are those of opening.
func benchmark(b *testing.B, capture []byte) {
	var batch Batch
	b.SetBytes(int64(len(capture)))
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n += drain(b, capture, &batch)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/packet")
}

// Reading allocates per capture, not per packet.
func TestReadAllocations(t *testing.T) {
	for name, make := range map[string]func(int) []byte{"pcap": mixed, "pcapng": mixedNG} {
		var batch Batch
		small, large := make(20_000), make(40_000)
		drain(t, large, &batch)
		a := testing.AllocsPerRun(5, func() { drain(t, small, &batch) })
		b := testing.AllocsPerRun(5, func() { drain(t, large, &batch) })
		if b-a > 10 {
			t.Errorf("%s: %v allocations for 20,000 packets more", name, b-a)
		}
	}
}
