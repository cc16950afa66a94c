package packet

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ratadns/capture"
)

// wires are long UDP datagrams whose length fields say nothing, so that any
// beginning of one is one as well: to the port of DNS and another, each also
// with other octets behind the header.
var wires = func() (w [4][]byte) {
	r := rand.New(rand.NewPCG(3, 3))
	for i := range w {
		b := udp(4000, []uint16{53, 123}[i&1], make([]byte, 70_000))
		for k := 8; k < len(b); k++ {
			b[k] = byte(r.Uint32())
		}
		w[i] = put(b, 4, 0)
	}
	return w
}()

// A naive reassembler: what datagrams and their doors come to by the words of
// the package, without regard for speed or memory.
type naive struct {
	datagrams map[string]*naiveDatagram
	clock     clock
	now       int64
	stats     Stats
	dns       uint64
	lost      int
	payloads  [][]byte
}

type naiveDatagram struct {
	first   int64
	packets uint64
	pieces  map[[2]int]bool // offset and end
	octets  []int           // -1 where there is none
	end     int             // 0 before the last fragment
	refused bool
	other   bool
}

func (n *naive) giveUp(key string) {
	d := n.datagrams[key]
	if d.other {
		n.stats.NotDNSPort += d.packets
	} else {
		n.stats.Fragments += d.packets
		n.lost++
	}
	delete(n.datagrams, key)
}

// datagram counts a whole datagram of so many packets.
func (n *naive) datagram(payload []byte, packets uint64) {
	switch {
	case len(payload) < 8:
		n.stats.NotIP += packets
	case be.Uint16(payload[2:]) != 53:
		n.stats.NotDNSPort += packets
	default:
		n.dns++
		n.stats.Joined += packets - 1
		n.payloads = append(n.payloads, bytes.Clone(payload[8:]))
	}
}

func (n *naive) add(key string, time int64, off int, more bool, data []byte, size int) {
	n.stats.Received++
	n.now = n.clock.take(time)
	if off == 0 && !more { // is not a fragment
		if len(data) < size && (len(data) < 8 || be.Uint16(data[2:]) == 53) {
			n.stats.Cut++
		}
		n.datagram(data, 1)
		return
	}
	for key, d := range n.datagrams {
		if d.first < n.now-60e9 {
			n.giveUp(key)
		}
	}
	d := n.datagrams[key]
	if d == nil {
		d = &naiveDatagram{first: n.now, pieces: map[[2]int]bool{}}
		n.datagrams[key] = d
	}
	d.packets++
	end, again := off+size, d.pieces[[2]int{off, off + size}]
	d.other = d.other || off == 0 && len(data) >= 4 && be.Uint16(data[2:]) != 53
	switch {
	case len(data) < size, size == 0, more && size%8 != 0, end > 65535, len(d.pieces) >= 64,
		d.end > 0 && end > d.end, d.end > 0 && !more && end != d.end:
		d.refused = true
	case !again:
		for len(d.octets) < end {
			d.octets = append(d.octets, -1)
		}
		for i, c := range data {
			d.refused = d.refused || d.octets[off+i] >= 0 // an overlap
			d.octets[off+i] = int(c)
		}
	}
	if d.refused {
		return
	}
	d.pieces[[2]int{off, end}] = true
	if !more {
		d.end = end
	}
	// What reaches behind the end makes it a datagram that is never complete.
	if d.end != len(d.octets) || slices.Contains(d.octets, -1) {
		return
	}
	whole := make([]byte, d.end)
	for i := range whole {
		whole[i] = byte(d.octets[i])
	}
	delete(n.datagrams, key)
	n.datagram(whole, d.packets)
}

// FuzzFragments takes fragments from the input, four octets each: of some
// datagrams, overlapping, sent again, cut, late, of other ports. The naive
// reassembler must get the same payloads and count the same.
func FuzzFragments(f *testing.F) {
	const more, ipv6Bit, cut, other, altered, back = 0x10, 0x20, 0x40, 0x80, 0x08, 0x04 // and the unit
	f.Add([]byte{more | 2, 0, 1, 0, more | 2, 1, 1, 0, 2, 2, 1, 0})
	f.Add([]byte{ipv6Bit | 2, 2, 1, 0, more | ipv6Bit | 2, 1, 1, 0, more | ipv6Bit | 2, 0, 1, 4})
	f.Add([]byte{more | 1, 0, 2, 0, more | 1, 1, 2, 0, 1, 3, 1, 0})                                  // overlap
	f.Add([]byte{more | 3, 0, 1, 0, more | 3 | altered, 0, 1, 0, 3, 1, 1, 0, more | other, 0, 9, 0}) // sent again
	f.Add([]byte{more, 0, 1, 0, 0, 1, 0xff, 250, more | cut | 1, 0, 3, 0, 1, 3, 0xf1, 0})            // late; cut
	f.Add([]byte{1, 2, 0x81, 0, more | 1, 0, 3, 0, back | more | 1, 0, 1, 9, 3, 44, 1, 0})           // behind the end
	f.Add([]byte{3, 46, 1, 0, 0, 0, 1, 0, ipv6Bit, 0, 0x41, 0})                                      // whole; too long
	var many []byte
	for i := range byte(66) {
		many = append(many, more, i, 1, 0)
	}
	f.Add(append(many, 0, 66, 1, 0))
	f.Fuzz(func(t *testing.T, in []byte) {
		p, n := NewParser(53), &naive{datagrams: map[string]*naiveDatagram{}}
		var s Segment
		var payloads [][]byte
		lost, time := 0, int64(0)
		for i := uint64(0); len(in) >= 4 && i < 300; i++ {
			c, length := in[0], in[2]
			unit := []int{8, 16, 488, 1480}[c&3]
			from := min(int(in[1])*unit, 65528)
			to := from + int(length&15)*unit + int(length>>4&1)
			if from == to && length&0x20 == 0 {
				to++
			}
			id := uint16(length >> 6)
			if c&back != 0 {
				time -= int64(in[3]) * 1e9 / 4
			} else {
				time += int64(in[3]) * 1e9 / 4
			}
			in = in[4:]
			octets := wires[c/other|c&altered/altered*2]
			to = min(to, len(octets))
			var b []byte
			size := to - from
			if c&ipv6Bit != 0 {
				b = split6(uint32(id), octets, part{from, to, c&more != 0})[0]
			} else {
				b = split4(id, octets, part{from, to, c&more != 0})[0]
			}
			head := len(b) - size
			pkt := capture.Packet{Time: time, Data: b, Wire: len(b), Link: capture.LinkRaw}
			if c&cut != 0 {
				pkt.Data = b[:len(b)-min(size, 5)]
			}
			n.add(fmt.Sprint(c&ipv6Bit, id), time, from, c&more != 0, pkt.Data[head:], size)
			if p.Parse(&pkt, &s) == DNS {
				payloads = append(payloads, bytes.Clone(s.Payload))
			}
			lost += len(p.TakeLost())
			if got := &p.fragments; got.held > fragmentsHeld || len(got.waiting) != len(n.datagrams) || p.joins != 0 || p.before != 0 || p.depth != 0 {
				t.Fatalf("packet %d: %d octets of %d datagrams, want %d of them", i, got.held, len(got.waiting), len(n.datagrams))
			}
		}
		p.Close()
		lost += len(p.TakeLost())
		for key := range n.datagrams {
			n.giveUp(key)
		}
		if p.Stats != n.stats || lost != n.lost || p.Stats.Received != p.Stats.NotIP+p.Stats.NotDNSPort+p.Stats.Joined+p.Stats.Fragments+n.dns {
			t.Errorf("got %+v, %d lost\nwant %+v, %d lost", p.Stats, lost, n.stats, n.lost)
		}
		if !slices.EqualFunc(payloads, n.payloads, bytes.Equal) {
			t.Errorf("%d payloads, want %d, or others", len(payloads), len(n.payloads))
		}
		if f := p.fragments; f.held != 0 || len(f.waiting) != 0 {
			t.Errorf("after Close: %d octets of %d datagrams", f.held, len(f.waiting))
		}
	})
}

// wrappings put an IP packet into another, tunnel by tunnel.
var wrappings = []func(b []byte) []byte{
	func(b []byte) []byte { return outer(protoIPIP, b) },
	func(b []byte) []byte { return ipv6(protoDestOpts, ext(protoIPv6, 8, b)) },
	func(b []byte) []byte { return outer(protoGRE, cat([]byte{0xb0, 0, 0x08, 0}, make([]byte, 12), b)) },
	func(b []byte) []byte {
		return ipv6(protoGRE, cat([]byte{0x20, 0, 0x65, 0x58, 0, 0, 0, 1}, ether(0x86dd, b)))
	},
	func(b []byte) []byte { return outer(protoGRE, cat([]byte{0, 0, 0x88, 0xbe}, ether(0x0800, b))) },
	func(b []byte) []byte {
		return outer(protoGRE, cat([]byte{0x10, 0, 0x88, 0xbe}, make([]byte, 12), ether(0x8100, tag(0x0800, b))))
	},
	func(b []byte) []byte {
		return outer(protoGRE, cat([]byte{0x10, 0, 0x22, 0xeb}, make([]byte, 15), []byte{1}, make([]byte, 8), ether(0x0800, b)))
	},
	func(b []byte) []byte {
		return outer(protoGRE, cat([]byte{0, 0, 0x88, 0x47}, []byte{1, 2, 0, 9, 0, 0, 1, 9}, versioned(b)))
	},
	func(b []byte) []byte {
		return ipv6(protoUDP, udp(999, portVXLAN, cat([]byte{8, 0, 0, 0, 0, 0, 7, 0}, ether(0x0800, b))))
	},
	func(b []byte) []byte {
		return outer(protoUDP, udp(999, portGeneve, cat([]byte{1, 0, 0x86, 0xdd, 0, 0, 0, 0, 1, 2, 3, 4}, b)))
	},
	func(b []byte) []byte {
		return outer(protoUDP, udp(999, portTZSP, cat([]byte{1, 0, 0, 1, 0, 10, 2, 1, 1, 1}, ether(0x86dd, b))))
	},
	func(b []byte) []byte {
		return outer(protoUDP, udp(999, portMPLS, cat([]byte{0, 1, 1, 9}, versioned(b))))
	},
	func(b []byte) []byte {
		return ipv6(protoUDP, udp(999, portGPE, cat([]byte{0x0c, 0, 0, 4, 0, 0, 7, 0}, []byte{15, 0xc2, 2, 1, 0, 0, 1, 9}, b)))
	},
}

// versioned is b if an IP version begins it, else no more than that octet: what
// looks like a frame is one below MPLS (RFC 4448), and nowhere else.
func versioned(b []byte) []byte {
	if len(b) > 0 && b[0]>>4 != 4 && b[0]>>4 != 6 {
		return b[:1]
	}
	return b
}

// links put an IP packet into a frame, or leave it.
var links = []struct {
	link capture.LinkType
	wrap func(b []byte) []byte
}{
	{capture.LinkRaw, func(b []byte) []byte { return b }},
	{capture.LinkEthernet, func(b []byte) []byte { return ether(0x0800, b) }},
	{capture.LinkEthernet, func(b []byte) []byte { return ether(0x88a8, tag(0x8100, tag(0x86dd, b))) }},
	{capture.LinkEthernet, func(b []byte) []byte {
		return ether(0x8864, cat([]byte{0x11, 0, 0, 1, 0, 0, 0, 0x57}, b))
	}},
	{capture.LinkEthernet, func(b []byte) []byte { return ether(0x8847, cat([]byte{0, 0, 0, 9, 0, 0, 1, 9}, versioned(b))) }},
	{capture.LinkSLL, func(b []byte) []byte { return cat(make([]byte, 14), []byte{8, 0}, b) }},
	{capture.LinkSLL2, func(b []byte) []byte { return cat([]byte{0x86, 0xdd}, make([]byte, 18), b) }},
	{capture.LinkNull, func(b []byte) []byte { return cat([]byte{2, 0, 0, 0}, b) }},
}

// FuzzTunnels: a packet inside tunnels, frames and padding is what it is
// without, whatever it is, down to the depth that is read.
func FuzzTunnels(f *testing.F) {
	u := udp(4000, 53, query)
	inside := [][]byte{
		ipv4(protoUDP, nil, u), ipv6(protoUDP, u), put(ipv4(protoUDP, nil, u), 6, 0x2000), put(ipv6(protoUDP, u), 4, 0),
		ipv6(protoHopByHop, ext(protoFragment, 8, frag(protoUDP, 0, false, u))),
	}
	for i := range wrappings {
		inside = append(inside, wrappings[i](inside[0]))
		f.Add([]byte{byte(i)}, byte(i), inside[i%5])
		f.Add([]byte{byte(i), byte(len(wrappings) - 1 - i), byte(i * i)}, byte(i+3*len(links)), inside[i%len(inside)])
	}
	f.Fuzz(func(t *testing.T, tunnels []byte, frame byte, b []byte) {
		if len(tunnels) > maxNesting+1 || len(b) > 9000 {
			return
		}
		read := func(depth int, link capture.LinkType, b []byte) (d Door, s Segment, st Stats, lost []Segment) {
			p := NewParser(53)
			p.depth = depth // as if in so many tunnels
			d = p.Parse(&capture.Packet{Time: 7, Data: b, Wire: len(b), Link: link}, &s)
			if p.depth != depth || p.joins != 0 || p.before != 0 {
				t.Errorf("depth %d, was %d", p.depth, depth)
			}
			p.Close()
			return d, s, p.Stats, p.TakeLost()
		}
		d, want, wantStats, wantLost := read(min(len(tunnels), maxNesting), capture.LinkRaw, b)
		if len(tunnels) > maxNesting {
			d, wantStats, wantLost = NotIP, Stats{Received: 1, NotIP: 1}, nil
		}
		for _, i := range tunnels {
			b = wrappings[int(i)%len(wrappings)](b)
		}
		l := links[int(frame)%len(links)]
		b = l.wrap(b)
		if len(tunnels) > 0 { // the outermost length tells where the padding begins
			b = append(b, make([]byte, int(frame)/len(links))...)
		}
		got, s, stats, lost := read(0, l.link, b)
		if got != d || stats != wantStats || len(lost) != len(wantLost) {
			t.Fatalf("door %d, %+v, want %d, %+v", got, stats, d, wantStats)
		}
		if d == DNS {
			lost, wantLost = append(lost, s), append(wantLost, want)
		}
		if diff := cmp.Diff(fmt.Sprintf("%+v", wantLost), fmt.Sprintf("%+v", lost)); diff != "" {
			t.Fatalf("door %d (-want +got):\n%s", d, diff)
		}
	})
}

// Any way to cut a stream into segments, send them again, and mix up their
// order, gives the messages in order.
func TestStreamsRandom(t *testing.T) {
	for seed := range uint64(500) {
		if testMixedStream(t, fmt.Sprint("seed ", seed), rand.New(rand.NewPCG(seed, 1)).IntN); t.Failed() {
			return
		}
	}
}

// testMixedStream makes a stream and its segments by the choices that intN
// takes, each below its argument.
func testMixedStream(t *testing.T, name string, intN func(int) int) {
	var want [][]byte
	for i := range 1 + intN(30) {
		want = append(want, msg(i, minMessage+intN(1<<intN(11))))
	}
	b := frame(want...)
	c := newConn(DefaultConfig())
	c.isn = uint32(intN(1<<16))<<16 + uint32(intN(1<<16))
	type seg struct{ from, to, at int }
	var segs []seg
	for at := 0; at < len(b); {
		n := min(1+intN(1<<intN(12)), len(b)-at)
		for range 1 + intN(2)*intN(2) { // again, more or less of it
			from := max(0, at-intN(2)*intN(50))
			to := min(len(b), at+n+intN(2)*intN(50))
			segs = append(segs, seg{from, to, len(segs) + intN(8)})
		}
		at += n
	}
	slices.SortStableFunc(segs, func(a, b seg) int { return a.at - b.at })
	// Without the SYN a malformed message is not told from the inside of one.
	malformed := len(want[0]) < 19 && len(want[0]) != minMessage
	if intN(2) == 0 || segs[0].from != 0 || segs[0].to < 2 || malformed {
		c.syn()
	}
	for _, s := range segs {
		flags := uint8(0)
		if s.to == len(b) {
			flags = flagFIN
		}
		c.send(flags, b, s.from, s.to)
		if intN(20) == 0 {
			c.Exchange(nil)
		}
	}
	c.balance(t)
	wantMessages(t, name, c.got, want)
	if s := c.Stats; s.Lost+s.Incomplete+s.NotDNS > 0 {
		t.Errorf("%s: %+v", name, s)
	}
}

// FuzzReassembly cuts a stream into segments, sends them again and mixes them
// up by the choices in the input; all its messages must come out, in order.
func FuzzReassembly(f *testing.F) {
	f.Add([]byte("x"))
	f.Add(bytes.Repeat([]byte("\x05\x00\x17\xff\x02"), 60))
	f.Add(bytes.Repeat([]byte("\xc3\x80\x01\x7f\x10\x31\x44"), 90))
	f.Fuzz(func(t *testing.T, in []byte) {
		testMixedStream(t, "input", func(n int) int {
			if len(in) < 2 || n == 0 {
				return 0
			}
			v := int(be.Uint16(in))
			in = in[2:]
			return v % n
		})
	})
}
