package speedy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ratadns/capture"
	"ratadns/packet"
)

// ipPacket is a raw IPv4 packet of UDP, or of TCP with that sequence number
// and flags, between port 53 of one side and a client's.
func ipPacket(src, dst netip.Addr, sport, dport uint16, tcp bool, seq uint32, flags byte, payload []byte) []byte {
	h := make([]byte, 20)
	h[0], h[8] = 0x45, 64
	copy(h[12:], src.AsSlice())
	copy(h[16:], dst.AsSlice())
	h = be.AppendUint16(be.AppendUint16(h, sport), dport)
	if tcp {
		h[9] = 6
		h = be.AppendUint32(be.AppendUint32(h, seq), 0)
		h = append(h, 5<<4, flags, 0xff, 0xff, 0, 0, 0, 0)
	} else {
		h[9] = 17
		h = be.AppendUint32(h, uint32(8+len(payload))<<16)
	}
	h = append(h, payload...)
	be.PutUint16(h[2:], uint16(len(h)))
	return h
}

// generated is a capture of n messages: over UDP, and over TCP connections
// whose segments stand between the packets of all others, some in the wrong
// order; times are not in order either.
func generated(n int) []capture.Packet {
	r := rand.New(rand.NewPCG(1, 2))
	var out []capture.Packet
	type conn struct {
		addr    netip.Addr
		port    uint16
		seq     uint32
		pending [][]byte // packets
	}
	var conns []*conn
	for i := range 20 {
		c := &conn{addr: netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}), port: uint16(30000 + i), seq: r.Uint32()}
		c.pending = append(c.pending, ipPacket(c.addr, server, c.port, 53, true, c.seq-1, 2, nil))
		conns = append(conns, c)
	}
	add := func(b []byte) {
		at := moment + int64(len(out))*1e5 + int64(r.IntN(3e6)) - 1e6
		out = append(out, capture.Packet{Time: at, Data: b, Wire: len(b), Link: capture.LinkRaw})
	}
	next := func(c *conn) {
		if len(c.pending) > 1 && c.seq%2 == 0 && r.IntN(4) == 0 {
			c.pending[0], c.pending[1] = c.pending[1], c.pending[0]
		}
		add(c.pending[0])
		c.pending = c.pending[1:]
	}
	for i := range n {
		b := wire(uint16(i), 0x0100, [4]uint16{1}, question(name(fmt.Sprintf("n%d.example.org.", i)), uint16(1+i%60), 1))
		if i%17 == 0 {
			b = b[:len(b)-3] // malformed
		}
		if i%3 > 0 {
			a := netip.AddrFrom4([4]byte{192, 0, 2, byte(r.IntN(256))})
			add(ipPacket(a, server, uint16(1024+r.IntN(5000)), 53, false, 0, 0, b))
		} else {
			c := conns[r.IntN(len(conns))]
			for s := append(be.AppendUint16(nil, uint16(len(b))), b...); len(s) > 0; {
				k := min(1+r.IntN(40), len(s))
				c.pending = append(c.pending, ipPacket(c.addr, server, c.port, 53, true, c.seq, 0x10, s[:k]))
				c.seq += uint32(k)
				s = s[k:]
			}
		}
		if c := conns[r.IntN(len(conns))]; len(c.pending) > 0 {
			next(c)
		}
	}
	for _, c := range conns {
		for len(c.pending) > 0 {
			next(c)
		}
	}
	return out
}

// ledger checks that every packet left by one door.
func ledger(t testing.TB, s Stats) {
	t.Helper()
	if s.Received != s.NotIP+s.NotDNSPort+s.Joined+s.Fragments+s.Streams.Segments {
		t.Errorf("received is not the sum of the doors: %+v", s)
	}
	if s.Streams.Segments != s.Streams.Used+s.Streams.NotDNS+s.Streams.Lost {
		t.Errorf("segments are not the sum of their doors: %+v", s.Streams)
	}
}

// A batch with messages that become megabytes each, their questions being
// pointers to one long name, is written in parts: the octets are the same for any
// number of workers, and never very many wait.
func TestWriteMuch(t *testing.T) {
	long := name(strings.Repeat(strings.Repeat(`\000`, 63)+".", 3))
	questions := [][]byte{question(long, 1, 1)}
	for range 2000 {
		questions = append(questions, question(pointer(12), 1, 1))
	}
	bomb := wire(1, 0x0100, [4]uint16{uint16(len(questions))}, questions...)
	r := rand.New(rand.NewPCG(5, 6))
	var packets []capture.Packet
	for i := range 200 {
		b := bomb
		if i%8 > 0 {
			b = wire(uint16(i), 0x0100, [4]uint16{1}, question(name("www.example.org."), 1, 1))
		}
		b = ipPacket(netip.AddrFrom4([4]byte{192, 0, 2, byte(r.Uint32())}), server, uint16(1024+i), 53, false, 0, 0, b)
		packets = append(packets, capture.Packet{Time: moment + int64(i), Data: b, Wire: len(b), Link: capture.LinkRaw})
	}
	var want []byte
	for _, workers := range []int{1, 2, 3, 8} {
		var out bytes.Buffer
		most := 0
		w := writerFunc(func(b []byte) (int, error) {
			most = max(most, len(b))
			return out.Write(b)
		})
		s, err := Write(t.Context(), &slice{packets: packets, size: 1000}, w, DefaultConfig(), workers, FieldsDefault, anonymizer(t, None, Key{}))
		if err != nil {
			t.Fatal(err)
		}
		ledger(t, s)
		if s.Streams.Messages != 200 || out.Len() < 40<<20 {
			t.Errorf("%d workers: %d messages, %d octets", workers, s.Streams.Messages, out.Len())
		}
		if most > maxOutput+MaxObject {
			t.Errorf("%d workers: %d octets were written at once", workers, most)
		}
		if workers == 1 {
			want = out.Bytes()
		} else if !bytes.Equal(out.Bytes(), want) {
			t.Errorf("%d workers: %d octets, otherwise %d", workers, out.Len(), len(want))
		}
	}
}

// The output is the same octets for any number of workers and any size of
// batches.
func TestWriteWorkers(t *testing.T) {
	const n = 6000
	packets := generated(n)
	var want string
	var stats Stats
	for _, size := range []int{1000, 7, 1 << 20} {
		for _, workers := range []int{1, 2, 3, 8} {
			var out bytes.Buffer
			s, err := Write(t.Context(), &slice{packets: packets, size: size}, &out, DefaultConfig(), workers, FieldsDefault, anonymizer(t, Hash, Key{1}))
			if err != nil {
				t.Fatal(err)
			}
			ledger(t, s)
			if want == "" {
				want, stats = out.String(), s
			}
			if out.String() != want || s != stats {
				t.Errorf("%d workers, batches of %d: %d octets, %+v; want %d, %+v", workers, size, out.Len(), s, len(want), stats)
			}
		}
	}
	if stats.Streams.Messages != n || stats.Malformed != (n+16)/17 || stats.Streams.Lost+stats.Streams.Incomplete != 0 {
		t.Errorf("%+v", stats)
	}
	seen := make([]bool, n)
	var m Message
	r := NewReader(strings.NewReader(want))
	for r.Next(&m) == nil {
		if seen[m.ID] {
			t.Errorf("message %d twice", m.ID)
		}
		seen[m.ID] = true
		if (m.Transport == packet.TCP) != (m.ID%3 == 0) || (m.Malformed != 0) != (m.ID%17 == 0) {
			t.Errorf("message %d: %s, malformed %v", m.ID, m.Transport, m.Malformed)
		}
	}
	if r.Stats != (ReaderStats{Messages: n}) {
		t.Errorf("%+v", r.Stats)
	}
}

// A message's place is that of the packet that completes it.
func TestWriteOrder(t *testing.T) {
	b := func(id uint16) []byte { return wire(id, 0, [4]uint16{}) }
	stream := append(be.AppendUint16(nil, 12), b(1)...)
	other := netip.MustParseAddr("203.0.113.9")
	var packets []capture.Packet
	for i, p := range [][]byte{
		ipPacket(client, server, 4000, 53, true, 9, 2, nil),
		ipPacket(client, server, 4000, 53, true, 10, 0, stream[:5]),
		ipPacket(other, server, 4000, 53, false, 0, 0, b(2)),
		ipPacket(client, server, 4000, 53, true, 15, 0, stream[5:]),
		ipPacket(other, server, 4001, 53, false, 0, 0, b(3)),
	} {
		packets = append(packets, capture.Packet{Time: moment - int64(i), Data: p, Wire: len(p), Link: capture.LinkRaw})
	}
	for workers := 1; workers < 6; workers++ {
		var out bytes.Buffer
		if _, err := Write(t.Context(), &slice{packets: packets, size: 10}, &out, DefaultConfig(), workers, FieldTime, anonymizer(t, None, Key{})); err != nil {
			t.Fatal(err)
		}
		want := framed(`{"id":"2","flags":"0","time":1475762100.123456787}`) +
			framed(`{"id":"1","flags":"0","time":1475762100.123456786}`) +
			framed(`{"id":"3","flags":"0","time":1475762100.123456785}`)
		if out.String() != want {
			t.Errorf("%d workers: %s, want %s", workers, &out, want)
		}
	}
}

// failing takes n writes and then none.
type failing struct {
	n   int
	err error
}

func (f *failing) Write(b []byte) (int, error) {
	if f.n--; f.n < 0 {
		return 0, f.err
	}
	return len(b), nil
}

func TestWriteErrors(t *testing.T) {
	full := errors.New("disk full")
	packets := generated(2000)
	for n := range 4 {
		w := &failing{n, full}
		s, err := Write(t.Context(), &slice{packets: packets, size: 10}, w, DefaultConfig(), 2, FieldsDefault, anonymizer(t, None, Key{}))
		if err != full || w.n != -1 || s.Received > uint64(10*(n+1+5)) {
			t.Errorf("after %d writes: %v, %d more tried, %d packets", n, err, -1-w.n, s.Received)
		}
	}
	// What was read before an error of the source is written.
	cut := errors.New("cable cut")
	var out bytes.Buffer
	s, err := Write(t.Context(), &slice{packets: packets, size: 10, err: cut}, &out, DefaultConfig(), 2, FieldsDefault, anonymizer(t, None, Key{}))
	if err != cut || s.Received != uint64(len(packets)) || s.Streams.Messages != 2000 {
		t.Errorf("%v, %+v", err, s)
	}
	ledger(t, s)
}

// blocking gives its packets and then nothing until it is closed.
type blocking struct {
	slice
	blocked, closed chan struct{}
}

func (b *blocking) Read(batch *capture.Batch) error {
	if len(b.packets) == 0 {
		close(b.blocked)
		<-b.closed
		return io.EOF
	}
	return b.slice.Read(batch)
}

// When the context is done Write ends, though the source still blocks, and
// what was worked is written and counted.
func TestWriteCancel(t *testing.T) {
	packets := generated(500)
	for _, grace := range []time.Duration{0, time.Second} {
		synctest.Test(t, func(t *testing.T) {
			src := &blocking{slice{packets: packets, size: 10}, make(chan struct{}), make(chan struct{})}
			defer close(src.closed)
			ctx, cancel := context.WithCancel(t.Context())
			cfg := DefaultConfig()
			cfg.Grace = grace
			go func() {
				<-src.blocked
				cancel()
			}()
			start := time.Now()
			var out bytes.Buffer
			s, err := Write(ctx, src, &out, cfg, 2, FieldsDefault, anonymizer(t, None, Key{}))
			if took := time.Since(start); took != grace {
				t.Errorf("took %v, want %v", took, grace)
			}
			_, r, rerr := readAll(&out)
			if err != nil || rerr != io.EOF || r.Bad != 0 || r.Messages != s.Streams.Messages {
				t.Errorf("%v; %+v, written %+v", err, s, r)
			}
			if grace > 0 && s.Received != uint64(len(packets)) {
				t.Errorf("%d packets in the grace, want %d", s.Received, len(packets))
			}
			ledger(t, s)
		})
	}
}

// A source that never blocks and never ends is no reason to go on.
type endless struct{ packets []capture.Packet }

func (e *endless) Read(b *capture.Batch) error {
	b.Reset()
	for i := range e.packets {
		b.Append(&e.packets[i])
	}
	return nil
}

func (e *endless) Close() error { return nil }

func TestWriteCancelEndless(t *testing.T) {
	packets := generated(50)
	synctest.Test(t, func(t *testing.T) { // which also waits for its goroutines
		ctx, cancel := context.WithCancel(t.Context())
		out := writerFunc(func(b []byte) (int, error) {
			cancel() // while packets wait to be worked
			return len(b), nil
		})
		s, err := Write(ctx, &endless{packets}, out, DefaultConfig(), 3, FieldsDefault, anonymizer(t, None, Key{}))
		if err != nil || s.Streams.Messages == 0 {
			t.Errorf("%v, %+v", err, s)
		}
		ledger(t, s)
	})
}

// slow takes a while for each batch, as a pipe does.
type slow struct {
	endless
	reads int
}

func (s *slow) Read(b *capture.Batch) error {
	time.Sleep(10 * time.Millisecond)
	s.reads++
	return s.endless.Read(b)
}

// Where the output is slower than the source, what has been read when the grace is
// over is worked all the same.
func TestWriteCancelSlow(t *testing.T) {
	packets := generated(50)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		out := writerFunc(func(b []byte) (int, error) {
			cancel()
			time.Sleep(300 * time.Millisecond)
			return len(b), nil
		})
		cfg := DefaultConfig()
		cfg.Grace = time.Second
		src := &slow{endless: endless{packets}}
		s, err := Write(ctx, src, out, cfg, 2, FieldsDefault, anonymizer(t, None, Key{}))
		synctest.Wait()
		if err != nil || s.Received != uint64(src.reads*len(packets)) {
			t.Errorf("%v; received %d packets of %d that were read", err, s.Received, src.reads*len(packets))
		}
		ledger(t, s)
	})
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// full is a writer that fails after so many octets.
type full int

func (f *full) Write(b []byte) (int, error) {
	if *f -= full(len(b)); *f < 0 {
		return 0, io.ErrClosedPipe
	}
	return len(b), nil
}

// TestWriteError: after an error of the writer the doors add up to what was
// read, which is no more than what was under way of the capture's 52,041 packets.
func TestWriteError(t *testing.T) {
	for _, workers := range []int{1, 3} {
		w := full(100_000)
		s, err := Write(t.Context(), openPcap(t, sampleCapture(t)), &w, DefaultConfig(), workers, FieldsDefault, anonymizer(t, None, zeroKey))
		if err != io.ErrClosedPipe || s.Received == 0 || s.Received > 30_000 {
			t.Errorf("%d workers: %d packets, %v", workers, s.Received, err)
		}
		ledger(t, s)
	}
}
