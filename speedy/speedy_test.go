package speedy

import (
	"encoding/binary"
	"io"
	"math"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ratadns/capture"
	"ratadns/dns"
	"ratadns/packet"
)

var be = binary.BigEndian

// wire is a DNS message of those parts behind a header.
func wire(id, flags uint16, counts [4]uint16, parts ...[]byte) []byte {
	b := be.AppendUint16(be.AppendUint16(nil, id), flags)
	for _, n := range counts {
		b = be.AppendUint16(b, n)
	}
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

// name is a name on the wire, from its presentation form.
func name(s string) []byte {
	b, _, err := dns.AppendWire(nil, []byte(s))
	if err != nil {
		panic(err)
	}
	return b
}

// pointer is a compressed name.
func pointer(off uint16) []byte { return be.AppendUint16(nil, 0xc000|off) }

func question(name []byte, qtype, qclass uint16) []byte {
	return be.AppendUint16(be.AppendUint16(append([]byte(nil), name...), qtype), qclass)
}

func record(name []byte, typ, class uint16, ttl uint32, rdata []byte) []byte {
	b := be.AppendUint32(question(name, typ, class), ttl)
	return append(be.AppendUint16(b, uint16(len(rdata))), rdata...)
}

// opt is an OPT record; ttl holds the extended RCODE, the version and DO.
func opt(udp uint16, ttl uint32, options ...[]byte) []byte {
	var rdata []byte
	for _, o := range options {
		rdata = append(rdata, o...)
	}
	return record([]byte{0}, 41, udp, ttl, rdata)
}

func option(code uint16, data string) []byte {
	return append(be.AppendUint16(be.AppendUint16(nil, code), uint16(len(data))), data...)
}

// The test messages' ends and time.
var (
	client, server = netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("198.51.100.53")
	zeroKey        Key
)

const moment = int64(1475762100)*1e9 + 123456789 // 2016-10-06 13:55:00 UTC

// message unpacks b as if it had come from packets over UDP.
func message(b []byte) *Message {
	m := &Message{
		Time: moment, Source: client, Dest: server, SourcePort: 4000, DestPort: 53,
		Transport: packet.UDP, Size: len(b), Has: FieldsAll,
	}
	m.Unpack(b)
	return m
}

func anonymizer(t testing.TB, method Method, key Key) *Anonymizer {
	t.Helper()
	a, err := NewAnonymizer(method, key)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// slice is a source of packets in memory, size of them at a time.
type slice struct {
	packets []capture.Packet
	size    int
	err     error // after the last; nil is io.EOF
}

func (s *slice) Read(b *capture.Batch) error {
	b.Reset()
	if len(s.packets) == 0 {
		if s.err != nil {
			return s.err
		}
		return io.EOF
	}
	n := min(s.size, len(s.packets))
	for i := range s.packets[:n] {
		b.Append(&s.packets[i])
	}
	s.packets = s.packets[n:]
	return nil
}

func (s *slice) Close() error { return nil }

// missing skips the test for want of something that CI must have.
func missing(t testing.TB, what any) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("%v; CI must have it", what)
	}
	t.Skip(what)
}

// program looks for a program that the test runs.
func program(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		missing(t, err)
	}
	return path
}

// shared returns the path of a file that is not part of the repository.
func shared(t testing.TB, name string) string {
	t.Helper()
	dir := os.Getenv("RATADNS_SHARED")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared")
	}
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err != nil {
		missing(t, err)
	}
	return path
}

type noHandler struct{}

func (noHandler) Order(*Load)       {}
func (noHandler) Work(*Load, int)   {}
func (noHandler) Flush(*Load) error { return nil }

// TestJoinAll: a load that passes at once becomes what it becomes one packet after the
// other, with the same word of what is lost.
func TestJoinAll(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Losses = true
	rng := rand.New(rand.NewPCG(7, 1))
	lost := 0
	for range 300 {
		at, each := NewEngine(cfg, noHandler{}), NewEngine(cfg, noHandler{})
		start, place := int64(1475762100e9), uint64(0)
		for load := range 4 {
			var all, one Load
			n := rng.IntN(12)
			if load == 3 {
				n, all.last, one.last = 0, true, true
			}
			all.place, one.place = place, place
			all.earliest, all.latest = math.MaxInt64, math.MinInt64
			one.earliest, one.latest = math.MaxInt64, math.MinInt64 // never at once
			for i := range n {
				start += rng.Int64N(20e6)
				s := packet.Segment{
					Time: start, Place: place + uint64(i), Source: netip.AddrFrom4([4]byte{192, 0, 2, byte(rng.IntN(3))}),
					Dest: netip.AddrFrom4([4]byte{192, 0, 2, 53}), SourcePort: 4000, DestPort: 53, Transport: packet.UDP,
				}
				switch rng.IntN(4) {
				case 0:
					s.Transport, s.TCP, s.Flags = packet.TCP, true, []uint8{2, 16, 17, 4}[rng.IntN(4)]
					s.Seq, s.Payload = uint32(rng.IntN(60)), append([]byte{0, byte(rng.IntN(40))}, make([]byte, rng.IntN(50))...)
				case 1:
					s.Payload = make([]byte, rng.IntN(20))
				default:
					s.Payload = make([]byte, 30)
				}
				s.Size = len(s.Payload) + rng.IntN(2)*rng.IntN(20)
				all.earliest, all.latest = min(all.earliest, start), max(all.latest, start)
				all.batch.Packets = append(all.batch.Packets, capture.Packet{Time: start})
				all.segments = append(all.segments, s)
			}
			one.batch.Packets, one.segments = slices.Clone(all.batch.Packets), slices.Clone(all.segments)
			place += uint64(n)
			at.join(&all)
			each.join(&one)
			if diff := cmp.Diff(one.Found, all.Found, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				t.Fatalf("load %d (-each +at once):\n%s", load, diff)
			}
			for _, s := range all.Found {
				if s.Lost {
					lost++
				}
			}
		}
		if at.Stats() != each.Stats() {
			t.Fatalf("%+v, want %+v", at.Stats(), each.Stats())
		}
	}
	if lost < 100 {
		t.Errorf("only %d lost", lost)
	}
}
