package packet

import (
	"bytes"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"ratadns/capture"
)

// big is a DNS payload that takes several fragments.
var big = func() []byte {
	b := append([]byte(nil), query...)
	for len(b) < 3000 {
		b = append(b, byte(len(b)), byte(len(b)>>8))
	}
	return b
}()

// A part is a fragment of the datagram under test.
type part struct {
	off, end int
	more     bool
}

// split4 makes the fragments of an IPv4 datagram.
func split4(id uint16, payload []byte, parts ...part) (packets [][]byte) {
	for _, p := range parts {
		b := ipv4(protoUDP, nil, payload[p.off:p.end])
		be.PutUint16(b[4:], id)
		flags := uint16(p.off / 8)
		if p.more {
			flags |= 0x2000
		}
		be.PutUint16(b[6:], flags)
		packets = append(packets, b)
	}
	return packets
}

func split6(id uint32, payload []byte, parts ...part) (packets [][]byte) {
	for _, p := range parts {
		b := frag(protoUDP, uint16(p.off/8), p.more, payload[p.off:p.end])
		be.PutUint32(b[4:], id)
		packets = append(packets, ipv6(protoFragment, b))
	}
	return packets
}

// reassemble parses the packets a millisecond apart and returns the DNS
// payloads, after checking that every packet left by one door.
func reassemble(t *testing.T, gap time.Duration, packets ...[]byte) (payloads [][]byte, stats Stats, lost int) {
	t.Helper()
	p := NewParser(53)
	var s Segment
	dns := uint64(0)
	for i, b := range packets {
		pkt := capture.Packet{Time: int64(i) * int64(gap), Data: b, Wire: len(b), Link: capture.LinkRaw}
		if p.Parse(&pkt, &s) == DNS {
			dns++
			if s.Size != len(s.Payload) || s.Place != uint64(i) || s.SourcePort != 4000 {
				t.Errorf("packet %d: %+v", i, s)
			}
			payloads = append(payloads, bytes.Clone(s.Payload))
		}
		lost += len(p.TakeLost())
	}
	p.Close()
	lost += len(p.TakeLost())
	st := p.Stats
	if st.Received != st.NotIP+st.NotDNSPort+st.Joined+st.Fragments+dns {
		t.Errorf("doors of %+v and %d payloads do not add up", st, dns)
	}
	if f := p.fragments; len(f.waiting) != 0 || f.held != 0 {
		t.Errorf("after Close %d wait with %d octets", len(f.waiting), f.held)
	}
	return payloads, st, lost
}

func TestFragments(t *testing.T) {
	u := udp(4000, 53, big)
	n := len(u)
	a, b, c := part{0, 1480, true}, part{1480, 2960, true}, part{2960, n, false}
	f := func(name string, want, lost int, parts ...part) {
		t.Helper()
		for _, packets := range [][][]byte{split4(7, u, parts...), split6(7, u, parts...)} {
			got, stats, gone := reassemble(t, time.Millisecond, packets...)
			if len(got) != want || gone != lost {
				t.Errorf("%s: %d payloads, %d lost, want %d and %d: %+v", name, len(got), gone, want, lost, stats)
			}
			for _, p := range got {
				if !bytes.Equal(p, big) {
					t.Errorf("%s: another payload", name)
				}
			}
		}
	}
	f("in order", 1, 0, a, b, c)
	f("reversed", 1, 0, c, b, a)
	f("middle last", 1, 0, a, c, b)
	f("sent twice", 1, 0, a, a, b, b, c)
	f("the same datagram again", 2, 0, a, b, c, a, b, c)
	f("one missing", 0, 1, a, c)
	f("the first missing", 0, 1, b, c)
	f("the last missing", 0, 1, a, b)
	f("overlap", 0, 1, a, part{1472, 2960, true}, c)
	f("overlap from behind", 0, 1, b, part{0, 1488, true}, c)
	f("contained", 0, 1, part{0, 2960, true}, part{8, 16, true}, c)
	f("the same place, another length", 0, 1, a, part{0, 1472, true}, b, c)
	f("not a multiple of eight", 0, 1, part{0, 1479, true}, b, c)
	f("two ends", 0, 1, c, part{1480, 2960, false}, a)
	f("behind the end", 0, 1, part{1480, 2960, false}, part{2960, 2968, true}, a)
	f("refused to the end", 0, 1, a, part{1472, 2960, true}, b, c)
	f("empty", 0, 1, part{8, 8, true})
}

// What does not fit 65,535 octets is an attack (the ping of death).
func TestFragmentsTooLong(t *testing.T) {
	b := split4(1, make([]byte, 65536), part{65528, 65536, false})
	if got, stats, _ := reassemble(t, 0, b...); len(got) != 0 || stats.Fragments != 1 {
		t.Errorf("%+v", stats)
	}
}

// Fragments of other traffic leave by the door of other traffic.
func TestFragmentsOtherPort(t *testing.T) {
	u := udp(4000, 123, big)
	_, stats, lost := reassemble(t, 0, split4(1, u, part{0, 1480, true}, part{1480, len(u), false})...)
	if stats.NotDNSPort != 2 || lost != 0 {
		t.Errorf("%+v", stats)
	}
	_, stats, lost = reassemble(t, 0, split4(1, u, part{0, 1480, true})...)
	if stats.NotDNSPort != 1 || lost != 0 {
		t.Errorf("never complete: %+v", stats)
	}
}

// Fragments that cannot lead to DNS are of other traffic too, also of IPv6,
// where their number is that of the first header.
func TestFragmentsOtherProtocol(t *testing.T) {
	const icmp6, esp = 58, 50
	for _, proto := range []uint8{icmp6, esp} {
		ping := ipv6(protoFragment, frag(proto, 0, true, make([]byte, 1232)))
		_, stats, lost := reassemble(t, 0, ping)
		if stats.NotDNSPort != 1 || lost != 0 {
			t.Errorf("protocol %d: %+v, %d lost", proto, stats, lost)
		}
	}
	options := ipv6(protoFragment, frag(protoDestOpts, 0, true, make([]byte, 1232)))
	if _, stats, lost := reassemble(t, 0, options); stats.Fragments != 1 || lost != 1 {
		t.Errorf("what stands behind options nobody knows: %+v, %d lost", stats, lost)
	}
}

// A datagram with an authentication header (RFC 4302) is put together like any.
func TestFragmentsAuthenticated(t *testing.T) {
	payload := cat([]byte{protoUDP, 4, 0, 0}, make([]byte, 20), udp(4000, 53, big))
	packets := split4(7, payload, part{0, 1480, true}, part{1480, len(payload), false})
	for _, b := range packets {
		b[9] = protoAH
	}
	if got, stats, _ := reassemble(t, 0, packets...); len(got) != 1 || !bytes.Equal(got[0], big) {
		t.Errorf("%d payloads: %+v", len(got), stats)
	}
}

// A tunnel makes fragments of full packets, which may be fragments themselves.
func TestFragmentsInFragments(t *testing.T) {
	u := udp(4000, 53, big)
	var packets [][]byte
	for i, b := range split4(7, u, part{0, 1480, true}, part{1480, 2960, true}, part{2960, len(u), false}) {
		b = cat([]byte{0, 0, 0x08, 0}, b)   // GRE
		parts := []part{{0, len(b), false}} // the last one is short
		if len(b) > 1480 {
			parts = []part{{0, 1480, true}, {1480, len(b), false}}
		}
		for _, o := range split4(uint16(i), b, parts...) {
			o[9] = protoGRE
			copy(o[12:], []byte{203, 0, 113, 1, 203, 0, 113, 2})
			packets = append(packets, o)
		}
	}
	got, stats, lost := reassemble(t, 0, packets...)
	if len(got) != 1 || !bytes.Equal(got[0], big) || lost != 0 || stats.Joined != 4 {
		t.Errorf("%d payloads, %d lost: %+v", len(got), lost, stats)
	}
	// The packets of fragments that made a fragment are lost with it.
	got, stats, lost = reassemble(t, 0, packets[:4]...)
	if len(got) != 0 || lost != 1 || stats.Fragments != 4 {
		t.Errorf("without the last: %d payloads, %d lost: %+v", len(got), lost, stats)
	}
	// Those of other traffic leave by its door.
	be.PutUint16(packets[0][20+4+20+2:], 123)
	if got, stats, lost = reassemble(t, 0, packets...); len(got) != 0 || lost != 0 || stats.NotDNSPort != 5 {
		t.Errorf("of another port: %d payloads, %d lost: %+v", len(got), lost, stats)
	}
}

// A datagram that is not complete after a minute of capture time never will be.
func TestFragmentsTimeOut(t *testing.T) {
	u := udp(4000, 53, big)
	packets := split4(7, u, part{0, 1480, true}, part{1480, len(u), false})
	if got, _, _ := reassemble(t, 59*time.Second, packets...); len(got) != 1 {
		t.Error("a minute is not waited")
	}
	if got, stats, lost := reassemble(t, 61*time.Second, packets...); len(got) != 0 || lost != 2 || stats.Fragments != 2 {
		t.Errorf("more than a minute is waited: %+v", stats)
	}
}

// Of two hosts whose clocks differ, neither makes the other's fragments look old.
func TestFragmentsOfTwoClocks(t *testing.T) {
	u := udp(4000, 53, big)
	parts := []part{{0, 1480, true}, {1480, len(u), false}}
	p := NewParser(53)
	var doors []Door
	parse := func(time int64, b []byte) {
		doors = append(doors, p.Parse(&capture.Packet{Time: time, Data: b, Wire: len(b), Link: capture.LinkRaw}, new(Segment)))
	}
	for i, b := range split4(7, u, parts...) {
		for _, ahead := range split4(uint16(8+i), u, parts...) {
			parse(300e9, ahead)
		}
		parse(0, b)
	}
	if want := []Door{Fragment, DNS, Fragment, Fragment, DNS, DNS}; !slices.Equal(doors, want) {
		t.Errorf("doors %d, want %d", doors, want)
	}
}

// A flood of first fragments holds no more than the bounds.
func TestFragmentsFlood(t *testing.T) {
	p := NewParser(53)
	var s Segment
	payload := udp(4000, 53, make([]byte, 65000))
	for i := range 20_000 {
		b := split6(uint32(i), payload, part{0, 8 + i*8%64000, true})[0]
		p.Parse(&capture.Packet{Time: int64(i), Data: b, Wire: len(b), Link: capture.LinkRaw}, &s)
		p.TakeLost()
		if f := &p.fragments; len(f.waiting) > maxDatagrams || f.held > fragmentsHeld+maxDatagram || len(f.queue) > 3*maxDatagrams {
			t.Fatalf("%d datagrams, %d octets, queue of %d", len(f.waiting), f.held, len(f.queue))
		}
	}
	p.Close()
	if p.Stats.Fragments != 20_000 {
		t.Errorf("%+v", p.Stats)
	}
}

// Random datagrams, cut and mixed at random, come out whole.
func TestFragmentsShuffled(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var packets [][]byte
		want := 0
		for id := range 5 {
			u := udp(4000, 53, big[:100+r.IntN(2900)])
			var parts []part
			for off := 0; off < len(u); {
				end := off + 8*(1+r.IntN(100))
				if end >= len(u) {
					parts = append(parts, part{off, len(u), false})
					break
				}
				parts = append(parts, part{off, end, true})
				off = end
			}
			if len(parts) == 1 || len(parts) > maxFragments {
				continue
			}
			want++
			packets = append(packets, split4(uint16(id), u, parts...)...)
		}
		r.Shuffle(len(packets), func(i, j int) { packets[i], packets[j] = packets[j], packets[i] })
		if got, stats, lost := reassemble(t, time.Microsecond, packets...); len(got) != want || lost != 0 {
			t.Fatalf("%d payloads, want %d: %+v", len(got), want, stats)
		}
	}
}

// What the capture cut cannot be put together; fragments of two datagrams are
// not mixed.
func TestFragmentsCutAndMixed(t *testing.T) {
	u := udp(4000, 53, big)
	parts := []part{{0, 1480, true}, {1480, len(u), false}}
	one, other := split4(7, u, parts...), split4(8, u, parts...)
	if got, stats, lost := reassemble(t, 0, one[0], other[1]); len(got) != 0 || lost != 2 || stats.Fragments != 2 {
		t.Errorf("mixed: %d payloads, %d lost, %+v", len(got), lost, stats)
	}
	if got, stats, lost := reassemble(t, 0, one[0], other[1], other[0], one[1]); len(got) != 2 || lost != 0 || stats.Joined != 2 {
		t.Errorf("interleaved: %d payloads, %d lost, %+v", len(got), lost, stats)
	}
	one[0] = one[0][:1000]
	if got, stats, lost := reassemble(t, 0, one...); len(got) != 0 || lost != 1 || stats.Fragments != 2 {
		t.Errorf("cut: %d payloads, %d lost, %+v", len(got), lost, stats)
	}
}

// Never-ending fragments, whatever their kind, take no more memory than is set.
func TestFragmentsMemory(t *testing.T) {
	payload := make([]byte, 60000)
	pair := udp(4000, 53, big[:100])
	for _, c := range []struct {
		name string
		next func(i int) [][]byte
	}{
		{"many datagrams, each filled", func(i int) [][]byte {
			off := i / 4000 * 1400
			return split4(uint16(i%4000), payload, part{off, off + 1400, true})
		}},
		{"one that waits, all others whole", func(i int) [][]byte {
			if i == 0 {
				return split6(1, payload, part{0, 8, true})
			}
			return split4(uint16(i), pair, part{0, 56, true}, part{56, 108, false})
		}},
	} {
		p := NewParser(53)
		var s Segment
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		for i := range 100_000 {
			for _, b := range c.next(i) {
				p.Parse(&capture.Packet{Data: b, Wire: len(b), Link: capture.LinkRaw}, &s)
				p.TakeLost()
			}
			if f := &p.fragments; f.held > fragmentsHeld || len(f.waiting) > maxDatagrams || len(f.queue) > 3*maxDatagrams {
				t.Fatalf("%s: %d octets, %d datagrams, queue of %d", c.name, f.held, len(f.waiting), len(f.queue))
			}
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		if got := int64(after.HeapAlloc) - int64(before.HeapAlloc); got > fragmentsHeld*3/2 {
			t.Errorf("%s: %d octets on the heap, %d counted", c.name, got, p.fragments.held)
		}
		runtime.KeepAlive(p)
	}
}
