package packet

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// msg is a message of n octets that no other i has: a response with one record,
// a query with one label, an error's header, and of other lengths nothing but a
// query's header with something behind it.
func msg(i, n int) []byte {
	b := make([]byte, n)
	for k := minMessage; k < n; k++ {
		b[k] = byte(i*7 + k*k + k/256)
	}
	be.PutUint16(b, uint16(i))
	switch {
	case n >= 28:
		copy(b[2:], "\x80\x00\x00\x01\x00\x01\x00\x00\x00\x00\x00\x00\x10\x00\x01\x00\x00\x10\x00\x01\x00\x00\x00\x00")
		be.PutUint16(b[26:], uint16(n-28))
	case n >= 19:
		b[2], b[5], b[12] = 1, 1, byte(n-18)
		copy(b[n-5:], "\x00\x00\x10\x00\x01")
	case n == minMessage:
		b[2], b[3] = 0x80, 5
	default:
		b[2], b[5] = 1, 1
	}
	return b
}

// frame puts lengths before messages, as they stand in a TCP stream.
func frame(messages ...[]byte) []byte {
	var b []byte
	for _, m := range messages {
		b = append(be.AppendUint16(b, uint16(len(m))), m...)
	}
	return b
}

// A conn makes segments of one direction of a connection and feeds them to
// Streams. What it wants of them is the part of a table.
type conn struct {
	*Streams
	isn  uint32
	port uint16
	time int64
	got  [][]byte
	size []int
	lost uint64
}

const isn = 1000

func newConn(cfg Config) *conn {
	c := &conn{isn: isn, port: 4000}
	c.Streams = NewStreams(cfg, func(p *Segment) {
		c.got = append(c.got, bytes.Clone(p.Payload))
		c.size = append(c.size, p.Size)
	})
	c.Streams.Lost = func(n uint64, source, dest netip.Addr, _ uint64) {
		if source != client4 || dest != server4 {
			panic(fmt.Sprint("lost between ", source, " and ", dest))
		}
		c.lost += n
	}
	return c
}

// send sends the octets [from, to) of the stream b; position 0 is the octet
// after the SYN's number. The segment is a millisecond after the one before.
func (c *conn) send(flags uint8, b []byte, from, to int) { c.sendCut(flags, b, from, to, to-from) }

// sendCut is send where the capture has only n octets.
func (c *conn) sendCut(flags uint8, b []byte, from, to, n int) {
	seq := c.isn + 1 + uint32(from)
	if flags&flagSYN != 0 {
		seq--
	}
	c.time += 1e6
	s := &Segment{
		Time: c.time, Source: client4, Dest: server4, SourcePort: c.port, DestPort: 53, TCP: true,
		Flags: flags, Seq: seq, Size: to - from,
	}
	if to > from {
		s.Payload = bytes.Clone(b[from : from+n])
	}
	c.Add(s)
	clear(s.Payload) // a segment's octets are gone with its batch
}

func (c *conn) syn() { c.send(flagSYN, nil, 0, 0) }

// balance closes c and checks the ledger.
func (c *conn) balance(t *testing.T) {
	t.Helper()
	c.Close()
	s := c.Stats
	if s.Segments != s.Used+s.NotDNS+s.Lost {
		t.Errorf("%d segments, used + not DNS + lost = %d + %d + %d", s.Segments, s.Used, s.NotDNS, s.Lost)
	}
	if s.Messages != uint64(len(c.got)) {
		t.Errorf("%d messages counted, %d seen", s.Messages, len(c.got))
	}
	// An incomplete message is told of when a hole or the capture took its rest.
	if c.lost < s.Lost || c.lost > s.Lost+s.Incomplete {
		t.Errorf("told of %d, lost + incomplete = %d + %d", c.lost, s.Lost, s.Incomplete)
	}
	if len(c.flows) != 0 || c.held != 0 || c.oldest != nil || c.newest != nil {
		t.Errorf("after Close: %d flows, %d octets, list %p %p", len(c.flows), c.held, c.oldest, c.newest)
	}
}

func wantMessages(t *testing.T, name string, got, want [][]byte) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d messages, want %d", name, len(got), len(want))
		return
	}
	for i := range got {
		if !bytes.Equal(got[i], want[i]) {
			t.Errorf("%s: message %d is\n%x, want\n%x", name, i, got[i], want[i])
			return
		}
	}
}

func TestStreams(t *testing.T) {
	const seg = 0
	m := [][]byte{msg(1, 40), msg(2, 12), msg(3, 300)}
	b := frame(m...) // messages at 0-42, 42-56, 56-358
	second := frame(msg(9, 50))
	long := frame(msg(4, 5000), msg(5, 60)) // 0-5002, 5002-5064
	short := Config{MaxFlows: 10, MaxWaiting: 2000, MaxHeld: 1 << 20, IdleNS: 60e9}
	for _, c := range []struct {
		name string
		run  func(c *conn)
		want [][]byte
		// beside messages and used segments
		lost, incomplete uint64
	}{
		{"several in one segment", func(c *conn) { c.syn(); c.send(seg, b, 0, 358) }, m, 0, 0},
		{"acknowledgements", func(c *conn) {
			c.syn()
			c.send(seg, nil, 0, 0)
			c.send(seg, b, 0, 358)
			c.send(seg, nil, 358, 358)
		}, m, 0, 0},
		{"out of order", func(c *conn) {
			c.syn()
			c.send(seg, b, 100, 358)
			c.send(seg, b, 50, 100)
			c.send(seg, b, 0, 50)
		}, m, 0, 0},
		{"before the SYN", func(c *conn) { c.send(seg, b, 0, 50); c.syn(); c.send(seg, b, 50, 358) }, m, 0, 0},
		{"SYN twice", func(c *conn) { c.syn(); c.syn(); c.send(seg, b, 0, 50); c.syn(); c.send(seg, b, 50, 358) }, m, 0, 0},
		{"sent again whole", func(c *conn) {
			c.syn()
			for range 3 {
				c.send(seg, b, 0, 50)
			}
			c.send(seg, b, 50, 358)
			c.send(seg, b, 0, 358)
			c.send(seg, b, 56, 358)
		}, m, 0, 0},
		{"sent again overlapping", func(c *conn) {
			c.syn()
			c.send(seg, b, 0, 50)
			c.send(seg, b, 40, 60)
			c.send(seg, b, 0, 61)
			c.send(seg, b, 60, 358)
		}, m, 0, 0},
		{"waiting pieces overlap", func(c *conn) {
			c.syn()
			c.send(seg, b, 50, 100)
			c.send(seg, b, 50, 120)
			c.send(seg, b, 70, 90)
			c.send(seg, b, 50, 100)
			c.send(seg, b, 110, 358)
			c.send(seg, b, 0, 60)
		}, m, 0, 0},
		{"keep-alive", func(c *conn) {
			c.syn()
			c.send(seg, b, 0, 42)
			c.send(seg, []byte(string(make([]byte, 358))), 41, 42)
			c.send(seg, b, 42, 358)
		}, m, 0, 0},
		{"keep-alive of a connection not seen", func(c *conn) { c.send(seg, b, 41, 42); c.send(seg, b, 42, 358) }, m[1:], 0, 0},
		{"SYN with data", func(c *conn) { c.send(flagSYN, b, 0, 50); c.send(seg, b, 50, 358) }, m, 0, 0},
		{"SYN with data sent again", func(c *conn) {
			c.send(flagSYN, b, 0, 50)
			c.send(flagSYN, b, 0, 50)
			c.send(seg, b, 0, 358)
		}, m, 0, 0},
		{"FIN with data", func(c *conn) { c.syn(); c.send(seg, b, 0, 50); c.send(flagFIN, b, 50, 358) }, m, 0, 0},
		{"FIN sent again", func(c *conn) {
			c.syn()
			c.send(flagFIN, b, 0, 358)
			c.send(flagFIN, b, 0, 358)
			c.send(flagFIN, b, 56, 358)
			c.send(seg, b, 0, 358)
			c.send(flagFIN, nil, 358, 358)
			c.send(seg, nil, 359, 359)
			c.send(flagFIN, b, 0, 358)
		}, m, 0, 0},
		{"FIN before the data", func(c *conn) { c.syn(); c.send(flagFIN, b, 50, 358); c.send(seg, b, 0, 50) }, m, 0, 0},
		{"FIN inside a message", func(c *conn) { c.syn(); c.send(flagFIN, b, 0, 50) }, m[:1], 0, 1},
		{"nothing but FIN", func(c *conn) { c.send(flagFIN, nil, 0, 0) }, nil, 0, 0},
		{"RST", func(c *conn) {
			c.syn()
			c.send(seg, b, 0, 50)
			c.send(flagRST, nil, 50, 50)
			c.send(flagRST, nil, 50, 50)
		}, m[:1], 0, 1},
		{"RST while pieces wait", func(c *conn) {
			c.syn()
			c.send(seg, b, 100, 200)
			c.send(seg, b, 200, 358)
			c.send(flagRST, nil, 358, 358)
		}, nil, 2, 1},
		{"port used again", func(c *conn) {
			c.syn()
			c.send(seg, b, 0, 50)
			c.isn += 1 << 30
			c.syn()
			c.send(seg, second, 0, 52)
		}, [][]byte{m[0], msg(9, 50)}, 0, 1},
		{"port used again after FIN with the same number", func(c *conn) {
			c.syn()
			c.send(flagFIN, b, 0, 358)
			c.syn()
			c.send(seg, second, 0, 52)
		}, append(slices.Clone(m), msg(9, 50)), 0, 0},
		{"port used again after FIN, SYN not seen", func(c *conn) {
			c.syn()
			c.send(flagFIN, b, 0, 358)
			c.isn += 1 << 30
			c.send(seg, second, 0, 52)
		}, append(slices.Clone(m), msg(9, 50)), 0, 0},
		{"port used again after RST", func(c *conn) {
			c.syn()
			c.send(seg, b, 0, 358)
			c.send(flagRST, nil, 358, 358)
			c.isn -= 1 << 30
			c.send(seg, second, 0, 52)
		}, append(slices.Clone(m), msg(9, 50)), 0, 0},
		{"no SYN", func(c *conn) { c.send(seg, b, 42, 100); c.send(seg, b, 100, 358) }, m[1:], 0, 0},
		{"no SYN, inside a message", func(c *conn) { c.send(seg, b, 60, 358); c.send(seg, second, 0, 52) }, [][]byte{msg(9, 50)}, 1, 0},
		{"ends inside a message", func(c *conn) { c.syn(); c.send(seg, b, 0, 357) }, m[:2], 0, 1},
		{"ends inside a length", func(c *conn) { c.syn(); c.send(seg, b, 0, 57) }, m[:2], 0, 1},
		{"a hole at the end", func(c *conn) { c.syn(); c.send(seg, b, 0, 42); c.send(seg, b, 56, 358) }, [][]byte{m[0], m[2]}, 0, 1},
		{"a hole that never fills", func(c *conn) {
			c.syn()
			c.send(seg, long, 0, 1000)
			for i := 1100; i < 4900; i += 100 { // at the 13th piece too much waits
				c.send(seg, long, i, i+100)
			}
			c.send(seg, long, 4900, 5002)
			c.send(seg, long, 5002, 5064)
		}, [][]byte{msg(5, 60)}, 39, 1},
		{"a hole between messages that never fills", func(c *conn) {
			var all []byte
			for i := range 100 {
				all = append(all, frame(msg(i, 98))...)
			}
			c.syn()
			for i := range 100 {
				if i != 3 {
					c.send(seg, all, 100*i, 100*i+100)
				}
			}
		}, func() (w [][]byte) {
			for i := range 100 {
				if i != 3 {
					w = append(w, msg(i, 98))
				}
			}
			return w
		}(), 0, 1},
		{"a length of 0", func(c *conn) {
			c.syn()
			z := cat([]byte{0, 0}, b, []byte{0, 0, 0, 0}, second)
			c.send(seg, z, 0, 1)
			c.send(seg, z, 1, 200)
			c.send(seg, z, 200, 361) // ends inside a 0
			c.send(seg, z, 361, len(z))
		}, append(slices.Clone(m), msg(9, 50)), 0, 0},
		{"lengths below a header's", func(c *conn) {
			c.syn()
			z := cat(frame(make([]byte, 11), make([]byte, 1)), b, frame(make([]byte, 3)), second)
			c.send(seg, z, 0, 5)
			c.send(seg, z, 5, len(z))
		}, append(slices.Clone(m), msg(9, 50)), 0, 0},
		{"number wraps", func(c *conn) {
			c.isn = 1<<32 - 100
			c.syn()
			c.send(seg, b, 0, 50)
			c.send(seg, b, 120, 358)
			c.send(seg, b, 90, 110) // across
			c.send(seg, b, 45, 95)
			c.send(seg, b, 110, 120)
			c.send(seg, b, 0, 358)
		}, m, 0, 0},
		{"number wraps with the SYN", func(c *conn) { c.isn = 1<<32 - 1; c.syn(); c.send(seg, b, 0, 358) }, m, 0, 0},
		{"silent too long", func(c *conn) {
			c.syn()
			c.send(seg, b, 0, 50)
			c.time += 60e9
			c.send(seg, b, 50, 358)
		}, [][]byte{m[0], m[2]}, 0, 1},
		{"silent, not too long", func(c *conn) {
			c.syn()
			c.send(seg, b, 0, 50)
			c.time += 60e9 - 1e6
			c.send(seg, b, 50, 358)
		}, m, 0, 0},
		{"silent, then again from a message's beginning", func(c *conn) {
			c.syn()
			c.send(seg, b, 0, 42)
			c.time += 3600e9
			c.send(seg, b, 42, 358)
		}, m, 0, 0},
	} {
		conn := newConn(short)
		c.run(conn)
		conn.balance(t)
		wantMessages(t, c.name, conn.got, c.want)
		if s := conn.Stats; s.Lost != c.lost || s.Incomplete != c.incomplete || s.NotDNS != 0 {
			t.Errorf("%s: %+v, want %d lost, %d incomplete", c.name, s, c.lost, c.incomplete)
		}
		if t.Failed() {
			return
		}
	}
}

// Where the capture cuts packets, a message has the octets that are there and
// its size on the wire, and the next one is found.
func TestStreamsCut(t *testing.T) {
	one, two, three := msg(1, 200), msg(2, 100), msg(3, 3000)
	b := frame(one, two, three) // 0-202, 202-304, 304-3306
	c := newConn(DefaultConfig())
	c.syn()
	c.sendCut(0, b, 0, 202, 60)
	c.sendCut(0, b, 202, 304, 90)
	c.sendCut(0, b, 304, 1304, 100)
	c.sendCut(0, b, 1304, 2304, 0) // cut behind the TCP header
	c.sendCut(0, b, 2304, 3306, 100)
	c.send(0, frame(msg(4, 20)), 0, 0)
	wantMessages(t, "a message per segment", c.got, [][]byte{one[:58], two[:88], three[:98]})
	if want := []int{200, 100, 3000}; !slices.Equal(c.size, want) {
		t.Errorf("sizes %v, want %v", c.size, want)
	}
	c.balance(t)

	c = newConn(DefaultConfig())
	c.syn()
	c.sendCut(0, b, 0, 304, 60) // the second length is cut off
	c.send(0, b, 310, 400)      // begins behind a hole
	c.send(0, b, 304, 310)      // and is read again from a message's beginning
	c.send(0, b, 400, 3306)
	c.sendCut(0, cat(b, b), 3306, 3400, 1) // half a length
	c.send(0, cat(b, b, b), 3400, 3450)    // inside the message
	wantMessages(t, "a length cut off", c.got, [][]byte{one[:58], three})
	if s := c.Stats; s.Incomplete != 2 || s.Lost != 1 {
		t.Errorf("a length cut off: %+v", s)
	}
	c.balance(t)

	c = newConn(DefaultConfig())
	c.syn()
	c.sendCut(0, b, 0, 202, 8) // not even a header
	c.send(0, b, 202, 304)
	wantMessages(t, "a header cut off", c.got, [][]byte{two})
	c.balance(t)
}

// One message, split into two and three segments everywhere.
func TestStreamsSplit(t *testing.T) {
	want := [][]byte{msg(1, 50), msg(2, 13)}
	b := frame(want...)
	for i := range b {
		for j := i; j <= len(b); j++ {
			for _, syn := range []bool{true, false} {
				c := newConn(DefaultConfig())
				if syn {
					c.syn()
				} else if i < 2 || j < 2 {
					continue // a beginning too short to be told from a keep-alive
				}
				c.send(0, b, 0, i)
				c.send(0, b, i, j)
				c.send(0, b, j, len(b))
				if c.balance(t); c.Stats.Lost+c.Stats.Incomplete > 0 {
					t.Errorf("%+v", c.Stats)
				}
				wantMessages(t, fmt.Sprintf("at %d and %d, SYN %v", i, j, syn), c.got, want)
				if t.Failed() {
					return
				}
			}
		}
	}
}

// UDP payloads are messages from the length of a header on.
func TestStreamsUDP(t *testing.T) {
	c := newConn(DefaultConfig())
	for n := range 14 {
		c.Add(&Segment{Source: client4, Dest: server4, SourcePort: 53, Size: n + 100, Payload: make([]byte, n)})
	}
	c.Add(&Segment{Source: client4, Dest: server4, Lost: true})
	want := StreamStats{Segments: 14, Used: 2, NotDNS: 12, Messages: 2}
	if diff := cmp.Diff(want, c.Stats); diff != "" || c.lost != 1 || !slices.Equal(c.size, []int{112, 113}) {
		t.Errorf("lost %d, sizes %v, %s", c.lost, c.size, diff)
	}
}

// Of two hosts whose clocks differ, neither makes the other's flows look quiet.
func TestStreamsOfTwoClocks(t *testing.T) {
	c := newConn(DefaultConfig())
	b := frame(msg(1, 50))
	for _, cut := range [][2]int{{0, 20}, {20, 52}} {
		for _, ahead := range []int64{10 * c.cfg.IdleNS, 0} {
			c.time += ahead
			c.port = uint16(1 + ahead/c.cfg.IdleNS)
			c.send(0, b, cut[0], cut[1])
			c.time -= ahead
		}
	}
	if len(c.got) != 2 {
		t.Errorf("%d messages, %+v", len(c.got), c.Stats)
	}
	c.balance(t)
}

// FuzzStreams takes segments from the input: eight octets about each, then its
// octets. The ledger must balance and memory stay within its limits.
func FuzzStreams(f *testing.F) {
	b := frame(msg(1, 40), msg(2, 200))
	segment := func(flags, flow, cut uint8, seq uint16, wait uint8, data []byte) []byte {
		return cat([]byte{flags, flow, cut}, be.AppendUint16(nil, seq), []byte{wait, byte(len(data) >> 8), byte(len(data))}, data)
	}
	f.Add(cat(segment(flagSYN, 0, 0, 999, 0, nil), segment(0, 0, 0, 1000, 1, b), segment(flagFIN, 0, 0, 1244, 1, nil)))
	f.Add(cat(segment(0, 1, 0, 1010, 0, b[10:]), segment(0, 1, 9, 1000, 200, b[:10]), segment(flagRST, 1, 0, 0, 0, nil)))
	f.Add(cat(segment(flagFIN, 2, 0, 1010, 0, b[10:]), segment(0, 2, 0, 1000, 0, b[:12]), segment(0, 2, 0, 2000, 0, b)))
	f.Fuzz(func(t *testing.T, in []byte) {
		cfg := Config{MaxFlows: 3, MaxWaiting: 500, MaxHeld: 3000, IdleNS: 60e9}
		c := newConn(cfg)
		for len(in) >= 8 {
			n := min(int(binary.BigEndian.Uint16(in[6:])), len(in)-8)
			c.time += int64(in[5]) * 1e9 / 2
			c.Add(&Segment{
				Time: c.time, Source: client4, Dest: server4, SourcePort: uint16(in[1] % 8), DestPort: 53, TCP: in[1]&8 == 0,
				Flags: in[0], Seq: uint32(binary.BigEndian.Uint16(in[3:])) - 0x8000, Size: n + int(in[2]), Payload: in[8 : 8+n],
			})
			if len(c.flows) > cfg.MaxFlows || c.held > cfg.MaxHeld {
				t.Fatalf("%d flows, %d octets", len(c.flows), c.held)
			}
			in = in[8+n:]
		}
		for i, m := range c.got {
			if len(m) < minMessage || c.size[i] < len(m) {
				t.Errorf("message of %d octets, size %d", len(m), c.size[i])
			}
		}
		c.balance(t)
	})
}

func BenchmarkStreams(b *testing.B) {
	m := frame(msg(1, 60))
	messages := 0
	t := NewStreams(DefaultConfig(), func(*Segment) { messages++ })
	s := Segment{Source: client4, Dest: server4, SourcePort: 4000, DestPort: 53, TCP: true, Seq: isn, Size: len(m), Payload: m}
	b.ReportAllocs()
	for b.Loop() {
		t.Add(&s)
		s.Seq += uint32(len(m))
	}
	if messages == 0 {
		b.Error("no messages")
	}
}
