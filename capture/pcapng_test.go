package capture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
)

// ng builds pcapng captures.
type ng struct {
	order binary.AppendByteOrder
	b     []byte
}

func (g *ng) block(kind uint32, body []byte) *ng {
	body = append(bytes.Clone(body), make([]byte, -len(body)&3)...)
	n := uint32(12 + len(body))
	g.b = g.order.AppendUint32(g.b, kind)
	g.b = g.order.AppendUint32(g.b, n)
	g.b = append(g.b, body...)
	g.b = g.order.AppendUint32(g.b, n)
	return g
}

func (g *ng) section() *ng {
	body := g.order.AppendUint32(nil, 0x1a2b3c4d)
	body = g.order.AppendUint32(body, 1) // version 1.0
	if g.order.String() == "BigEndian" {
		body = g.order.AppendUint32(body[:4], 1<<16)
	}
	body = g.order.AppendUint64(body, 1<<64-1) // length not given
	return g.block(ngSection, body)
}

type option struct {
	code  uint16
	value []byte
}

func (g *ng) iface(link LinkType, snap uint32, options ...option) *ng {
	body := g.order.AppendUint16(nil, uint16(link))
	body = g.order.AppendUint16(body, 0)
	body = g.order.AppendUint32(body, snap)
	for _, o := range options {
		body = g.order.AppendUint16(body, o.code)
		body = g.order.AppendUint16(body, uint16(len(o.value)))
		body = append(body, o.value...)
		body = append(body, make([]byte, -len(o.value)&3)...)
	}
	if len(options) > 0 {
		body = append(body, 0, 0, 0, 0)
	}
	return g.block(ngInterface, body)
}

// packet writes an enhanced packet with ts in the interface's own units.
func (g *ng) packet(iface uint32, ts uint64, data []byte, wire int) *ng {
	body := g.order.AppendUint32(nil, iface)
	body = g.order.AppendUint32(body, uint32(ts>>32))
	body = g.order.AppendUint32(body, uint32(ts))
	body = g.order.AppendUint32(body, uint32(len(data)))
	body = g.order.AppendUint32(body, uint32(wire))
	return g.block(ngEnhanced, append(body, data...))
}

func (g *ng) simple(data []byte, wire int) *ng {
	return g.block(ngSimple, append(g.order.AppendUint32(nil, uint32(wire)), data...))
}

func (g *ng) offset(seconds int64) option {
	return option{ngTsoffset, g.order.AppendUint64(nil, uint64(seconds))}
}

func resol(v byte) option { return option{ngTsresol, []byte{v}} }

// bothOrders runs f with a builder of each byte order.
func bothOrders(t *testing.T, f func(t *testing.T, g *ng)) {
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		t.Run(order.String(), func(t *testing.T) { f(t, &ng{order: order}) })
	}
}

func TestPcapngInterfaces(t *testing.T) {
	bothOrders(t, func(t *testing.T, g *ng) {
		sec := uint64(second / 1e9)
		g.section().
			iface(LinkEthernet, 0).                                         // microseconds when nothing is said
			iface(LinkRaw, 65535, option{2, []byte("eth0")}, resol(9)).     // nanoseconds, after a name
			iface(LinkSLL2, 96, resol(0x80|20)).                            // 2^-20 seconds
			iface(LinkEthernet, 0, resol(3), g.offset(second/1e9)).         // milliseconds since the offset
			iface(LinkEthernet, 0, resol(12)).                              // finer than we keep
			iface(LinkEthernet, 0, resol(0), option{0xfff, []byte("odd")}). // seconds
			packet(0, sec*1e6+123456, []byte("one"), 3).
			packet(1, sec*1e9+123456789, []byte("two"), 3).
			packet(2, sec<<20+1<<19+1, []byte("three"), 1500).
			packet(3, 1500, []byte("four"), 4).
			packet(4, 1500*1e12+987654321987, []byte("five"), 5).
			packet(5, sec, nil, 0)
		got, err := parse(g.b, quiet(t))
		if err != nil {
			t.Fatal(err)
		}
		wantPackets(t, got, []Packet{
			{second + 123456000, []byte("one"), 3, LinkEthernet, 0},
			{second + 123456789, []byte("two"), 3, LinkRaw, 0},
			{second + 500000953, []byte("three"), 1500, LinkSLL2, 0},
			{second + 1500000000, []byte("four"), 4, LinkEthernet, 0},
			{1500*1e9 + 987654321, []byte("five"), 5, LinkEthernet, 0},
			{second, nil, 0, LinkEthernet, 0},
		})
	})
}

// A simple packet has neither time nor interface: it is of the first, at the
// time of the packet before, and its length is what is left of the block.
func TestPcapngSimple(t *testing.T) {
	bothOrders(t, func(t *testing.T, g *ng) {
		g.section().iface(LinkRaw, 6, resol(9)).iface(LinkEthernet, 0).
			simple([]byte("abc"), 3).
			packet(0, uint64(second), []byte("x"), 1).
			simple([]byte("abcdef"), 900) // cut at the snap length
		got, err := parse(g.b, quiet(t))
		if err != nil {
			t.Fatal(err)
		}
		wantPackets(t, got, []Packet{
			{0, []byte("abc"), 3, LinkRaw, 0},
			{second, []byte("x"), 1, LinkRaw, 0},
			{second, []byte("abcdef"), 900, LinkRaw, 0},
		})
	})
}

func TestPcapngObsoletePacket(t *testing.T) {
	bothOrders(t, func(t *testing.T, g *ng) {
		g.section().iface(LinkRaw, 0, resol(9))
		body := g.order.AppendUint16(nil, 0)
		body = g.order.AppendUint16(body, 7) // drops
		body = g.order.AppendUint64(body, uint64(second))
		if g.order.String() == "LittleEndian" { // high word first in either order
			body = g.order.AppendUint32(body[:4], uint32(second>>32))
			body = g.order.AppendUint32(body, uint32(second&0xffffffff))
		}
		body = g.order.AppendUint32(body, 2)
		body = g.order.AppendUint32(body, 60)
		g.block(ngPacket, append(body, "hi"...))
		got, err := parse(g.b, quiet(t))
		if err != nil {
			t.Fatal(err)
		}
		wantPackets(t, got, []Packet{{second, []byte("hi"), 60, LinkRaw, 0}})
	})
}

// Blocks of no interest are skipped, also those larger than what is read at
// once, wherever they are.
func TestPcapngUnknownBlocks(t *testing.T) {
	bothOrders(t, func(t *testing.T, g *ng) {
		want := packets(second, 5)
		g.section().block(0x0bad, make([]byte, 3*BlockSize)).iface(LinkEthernet, 0, resol(9))
		for i, p := range want {
			g.packet(0, uint64(p.Time), p.Data, p.Wire).
				block(5, make([]byte, 60)).
				block(0x80000001, make([]byte, i*100_000))
		}
		got, err := parse(g.b, quiet(t))
		if err != nil {
			t.Fatal(err)
		}
		wantPackets(t, got, want)

		log, logged := logTo()
		got, err = parse(g.b[:len(g.b)-1000], log) // inside the last such block
		if err != nil {
			t.Fatal(err)
		}
		wantPackets(t, got, want)
		if s := logged.String(); !strings.Contains(s, "capture ends inside a record") {
			t.Errorf("logged %q", s)
		}
	})
}

// Each section has its own byte order and its own interfaces.
func TestPcapngSections(t *testing.T) {
	var all []byte
	var want []Packet
	for i, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian, binary.LittleEndian} {
		g := &ng{order: order}
		link := LinkType(100 + i)
		g.section().iface(link, 0, resol(9)).packet(0, uint64(second)+uint64(i), []byte("data"), 4)
		all = append(all, g.b...)
		want = append(want, Packet{second + int64(i), []byte("data"), 4, link, 0})
	}
	got, err := parse(all, quiet(t))
	if err != nil {
		t.Fatal(err)
	}
	wantPackets(t, got, want)
}

func TestPcapngCut(t *testing.T) {
	g := &ng{order: binary.LittleEndian}
	g.section().iface(LinkEthernet, 0, resol(9))
	head := len(g.b)
	g.packet(0, uint64(second), []byte("12345"), 5)
	one := len(g.b)
	g.packet(0, uint64(second), []byte("12345"), 5)
	for cut := head; cut < len(g.b); cut++ {
		n, offset := 0, head
		if cut >= one {
			n, offset = 1, one
		}
		log, logged := logTo()
		got, err := parse(g.b[:cut], log)
		if err != nil || len(got) != n {
			t.Fatalf("cut at %d: %d packets, want %d; %v", cut, len(got), n, err)
		}
		want := fmt.Sprintf("offset=%d\n", offset)
		if cut == offset {
			want = ""
		}
		if s := logged.String(); (want == "") != (s == "") || !strings.HasSuffix(s, want) {
			t.Fatalf("cut at %d: logged %q, want %q", cut, s, want)
		}
	}
}

// What cannot be is an error that says where, after all that comes before.
func TestPcapngErrors(t *testing.T) {
	bad := func(name string, build func(g *ng), want string) {
		t.Run(name, func(t *testing.T) {
			bothOrders(t, func(t *testing.T, g *ng) {
				g.section().iface(LinkEthernet, 0, resol(9)).packet(0, uint64(second), []byte("fine"), 4)
				offset := len(g.b)
				build(g)
				got, err := parse(g.b, quiet(t))
				wantPackets(t, got, []Packet{{second, []byte("fine"), 4, LinkEthernet, 0}})
				want := fmt.Sprintf("t.pcap: offset %d: %s", offset, want)
				if err == nil || err.Error() != want {
					t.Errorf("got %v\nwant %s", err, want)
				}
			})
		})
	}
	length := func(kind, n uint32) func(g *ng) {
		return func(g *ng) {
			offset := len(g.b)
			g.block(kind, make([]byte, 32))
			copy(g.b[offset+4:], g.order.AppendUint32(nil, n))
		}
	}
	bad("no such interface", func(g *ng) { g.packet(7, 0, nil, 0) }, "packet of interface 7, which is not described")
	bad("short block", length(ngEnhanced, 8), "block of 8 octets")
	bad("odd block", length(99, 33), "block of 33 octets")
	bad("absurd block", length(ngEnhanced, 1<<31), "block of 2147483648 octets, more than the limit of 16777216")
	bad("two lengths", func(g *ng) {
		g.packet(0, 0, []byte("1234"), 4)
		copy(g.b[len(g.b)-4:], g.order.AppendUint32(nil, 40))
	}, "block of 36 octets, of 40 by its end")
	bad("short packet", func(g *ng) { g.block(ngEnhanced, make([]byte, 16)) }, "block's length does not fit its type")
	bad("short simple packet", func(g *ng) { g.block(ngSimple, nil) }, "block's length does not fit its type")
	bad("short interface", func(g *ng) { g.block(ngInterface, make([]byte, 4)) }, "block's length does not fit its type")
	bad("packet longer than its block", func(g *ng) {
		offset := len(g.b)
		g.packet(0, 0, []byte("1234"), 4)
		copy(g.b[offset+8+12:], g.order.AppendUint32(nil, 5))
	}, "block's length does not fit its type")
	bad("no byte order", func(g *ng) {
		offset := len(g.b)
		g.section()
		copy(g.b[offset+8:], "????")
	}, "section header without a byte-order magic")

	// A section does not know the interfaces of the one before.
	bothOrders(t, func(t *testing.T, g *ng) {
		g.section().iface(LinkEthernet, 0).section().simple([]byte("a"), 1)
		_, err := parse(g.b, quiet(t))
		if err == nil || !strings.HasSuffix(err.Error(), "packet without an interface") {
			t.Errorf("got %v", err)
		}
	})
}
