package packet

import (
	"net/netip"
	"testing"

	dnstap "github.com/dnstap/golang-dnstap"
	"google.golang.org/protobuf/proto"

	"ratadns/capture"
)

// tapped is a dnstap frame as the senders' own library writes it.
func tapped(t testing.TB, m *dnstap.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(&dnstap.Dnstap{Type: dnstap.Dnstap_MESSAGE.Enum(), Identity: []byte("server1"), Message: m})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// exchange is a message of that type with all fields, of a client with a query
// and a server with a longer response.
func exchange(kind dnstap.Message_Type, protocol dnstap.SocketProtocol, client, server netip.Addr) *dnstap.Message {
	family := dnstap.SocketFamily_INET
	if client.Is6() {
		family = dnstap.SocketFamily_INET6
	}
	return &dnstap.Message{
		Type: &kind, SocketFamily: &family, SocketProtocol: &protocol,
		QueryAddress: client.AsSlice(), ResponseAddress: server.AsSlice(),
		QueryPort: proto.Uint32(4795), ResponsePort: proto.Uint32(853),
		QueryTimeSec: proto.Uint64(1475762100), QueryTimeNsec: proto.Uint32(250e6),
		ResponseTimeSec: proto.Uint64(1475762100), ResponseTimeNsec: proto.Uint32(250.4e6),
		QueryMessage: query, ResponseMessage: cat(query, []byte("answer")),
		QueryZone: []byte("\x07example\x03org\x00"),
	}
}

// read parses one frame.
func read(b []byte) (s Segment, d Door, p *Parser) {
	p = NewParser(53)
	pkt := capture.Packet{Time: 5, Data: b, Wire: len(b), Link: capture.LinkDnstap}
	d = p.Parse(&pkt, &s)
	return s, d, p
}

// All types of messages count, queries from the client to the server, responses
// the other way round, whatever carried them.
func TestDnstapTypes(t *testing.T) {
	for _, ends := range [][2]netip.Addr{{client4, server4}, {client6, server6}} {
		for kind := range dnstap.Message_Type_name {
			for protocol, want := range map[dnstap.SocketProtocol]string{
				1: "udp", 2: "tcp", 3: "dot", 4: "doh", 5: "dnscrypt", 6: "dnscrypt", 7: "doq", 8: "",
			} {
				s, d, p := read(tapped(t, exchange(dnstap.Message_Type(kind), protocol, ends[0], ends[1])))
				from, to, fromPort, toPort, size := ends[0], ends[1], uint16(4795), uint16(853), len(query)
				if kind%2 == 0 {
					from, to, fromPort, toPort, size = to, from, toPort, fromPort, size+len("answer")
				}
				if d != DNS || s.Source != from || s.Dest != to || s.SourcePort != fromPort || s.DestPort != toPort ||
					s.Size != size || len(s.Payload) != size || s.TCP || s.Time != 5 || s.Transport.String() != want {
					t.Fatalf("%s over %d: door %d, %+v", dnstap.Message_Type(kind), protocol, d, s)
				}
				if p.Stats != (Stats{Received: 1}) {
					t.Fatalf("%+v", p.Stats)
				}
			}
		}
	}
}

// What a frame does not say has a value that the chain can carry.
func TestDnstapMissing(t *testing.T) {
	f := func(name string, change func(m *dnstap.Message), source, dest string) {
		t.Helper()
		m := exchange(dnstap.Message_CLIENT_QUERY, dnstap.SocketProtocol_UDP, client4, server4)
		change(m)
		s, d, _ := read(tapped(t, m))
		if d != DNS || s.Source.String() != source || s.Dest.String() != dest {
			t.Errorf("%s: door %d, %s > %s", name, d, s.Source, s.Dest)
		}
	}
	inet6 := dnstap.SocketFamily_INET6.Enum()
	f("nothing", func(m *dnstap.Message) {}, "192.0.2.7", "198.51.100.53")
	f("no server", func(m *dnstap.Message) { m.ResponseAddress = nil }, "192.0.2.7", "0.0.0.0")
	f("no client", func(m *dnstap.Message) { m.QueryAddress = nil }, "0.0.0.0", "198.51.100.53")
	f("no addresses", func(m *dnstap.Message) { m.QueryAddress, m.ResponseAddress = nil, nil }, "0.0.0.0", "0.0.0.0")
	f("no addresses of IPv6", func(m *dnstap.Message) { m.QueryAddress, m.ResponseAddress, m.SocketFamily = nil, nil, inet6 }, "::", "::")
	f("no family, no addresses", func(m *dnstap.Message) { m.QueryAddress, m.ResponseAddress, m.SocketFamily = nil, nil, nil }, "0.0.0.0", "0.0.0.0")
	f("no server, and the wrong family", func(m *dnstap.Message) { m.ResponseAddress, m.SocketFamily = nil, inet6 }, "192.0.2.7", "0.0.0.0")
	f("no address at all in the field", func(m *dnstap.Message) { m.ResponseAddress = []byte("12345") }, "192.0.2.7", "0.0.0.0")
	f("IPv4 as IPv6", func(m *dnstap.Message) {
		m.QueryAddress = append([]byte("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff"), m.QueryAddress...)
		m.ResponseAddress, m.SocketFamily = nil, inet6
	}, "192.0.2.7", "0.0.0.0")

	m := exchange(dnstap.Message_AUTH_RESPONSE, dnstap.SocketProtocol_UDP, client4, server4)
	m.QueryPort, m.ResponsePort, m.SocketProtocol = nil, proto.Uint32(65536+53), nil
	if s, d, _ := read(tapped(t, m)); d != DNS || s.SourcePort != 0 || s.DestPort != 0 || s.Transport != UnknownTransport {
		t.Errorf("door %d, %+v", d, s)
	}
}

// What is no message leaves by a counted door, whoever else might take it.
func TestDnstapDoors(t *testing.T) {
	whole := tapped(t, exchange(dnstap.Message_AUTH_QUERY, dnstap.SocketProtocol_UDP, client4, server4))
	f := func(name string, b []byte) {
		t.Helper()
		if _, d, p := read(b); d != NotIP || p.Stats != (Stats{Received: 1, NotIP: 1}) {
			t.Errorf("%s: door %d, %+v", name, d, p.Stats)
		}
	}
	f("empty", nil)
	f("an IP packet", ipv4(protoUDP, nil, udp(4795, 53, query)))
	f("cut", whole[:len(whole)-1])
	empty, err := proto.Marshal(&dnstap.Dnstap{Type: dnstap.Dnstap_MESSAGE.Enum()})
	if err != nil {
		t.Fatal(err)
	}
	f("no message", empty)
	m := exchange(dnstap.Message_CLIENT_QUERY, dnstap.SocketProtocol_UDP, client4, server4)
	m.QueryMessage = nil
	f("only the other's message", tapped(t, m))

	// Under a header's length it is for Streams to count, as over UDP.
	m.QueryMessage = query[:11]
	s, d, _ := read(tapped(t, m))
	st := NewStreams(DefaultConfig(), func(*Segment) { t.Error("11 octets are a message") })
	st.Add(&s)
	if d != DNS || st.Stats != (StreamStats{Segments: 1, NotDNS: 1}) {
		t.Errorf("door %d, %+v", d, st.Stats)
	}
}

// FuzzDnstap holds the reading by hand against the senders' own library: both
// take a frame with equal fields, or both refuse it. Known differences:
//   - the library keeps a number that dnstap.proto does not have, which as proto2
//     has it we skip;
//   - a frame without a message is a frame to the library, and nothing to us.
func FuzzDnstap(f *testing.F) {
	for kind := range dnstap.Message_Type_name {
		f.Add(tapped(f, exchange(dnstap.Message_Type(kind), dnstap.SocketProtocol(kind%8), client6, server6)))
	}
	f.Add(tapped(f, &dnstap.Message{Type: dnstap.Message_TOOL_QUERY.Enum(), QueryMessage: query}))
	f.Add([]byte("\x78\x01\x72\x06\x08\x01\x52\x02aa\x73\x74\x0b\x0c"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, d, p := read(b)
		var want dnstap.Dnstap
		err := proto.Unmarshal(b, &want)
		m := want.GetMessage()
		if dnstap.Message_Type_name[int32(m.GetType())] == "" || want.GetType() != dnstap.Dnstap_MESSAGE {
			return
		}
		from, to, fromPort, toPort, payload := m.GetQueryAddress(), m.GetResponseAddress(), m.GetQueryPort(), m.GetResponsePort(), m.GetQueryMessage()
		if m.GetType()%2 == 0 {
			from, to, fromPort, toPort, payload = to, from, toPort, fromPort, m.GetResponseMessage()
		}
		if (d == DNS) != (err == nil && len(payload) > 0) {
			t.Fatalf("door %d, the library: %v, %d octets", d, err, len(payload))
		}
		if d != DNS {
			if d != NotIP || p.Stats.NotIP != 1 {
				t.Fatalf("door %d, %+v", d, p.Stats)
			}
			return
		}
		if string(s.Payload) != string(payload) || s.Size != len(payload) || s.TCP || s.Lost {
			t.Fatalf("%+v", s)
		}
		address := func(got netip.Addr, want []byte) {
			if a, ok := netip.AddrFromSlice(want); ok && got != a.Unmap() || !ok && !got.IsUnspecified() {
				t.Fatalf("address %s of %x", got, want)
			}
		}
		address(s.Source, from)
		address(s.Dest, to)
		port := func(got uint16, want uint32) {
			if uint32(got) != want && (got != 0 || want <= 65535) {
				t.Fatalf("port %d of %d", got, want)
			}
		}
		port(s.SourcePort, fromPort)
		port(s.DestPort, toPort)
		wants := map[dnstap.SocketProtocol]Transport{1: UDP, 2: TCP, 3: DoT, 4: DoH, 5: DNSCrypt, 6: DNSCrypt, 7: DoQ}
		if m.SocketProtocol == nil {
			if s.Transport != UnknownTransport {
				t.Fatalf("transport %q of none", s.Transport)
			}
		} else if want, known := wants[*m.SocketProtocol]; known && s.Transport != want {
			t.Fatalf("transport %q of %d", s.Transport, *m.SocketProtocol)
		}
	})
}

func TestDnstapAllocs(t *testing.T) {
	p, s := NewParser(53), Segment{}
	pkt := capture.Packet{Data: tapped(t, exchange(dnstap.Message_CLIENT_RESPONSE, dnstap.SocketProtocol_DOT, client6, server6)), Link: capture.LinkDnstap}
	if n := testing.AllocsPerRun(100, func() { p.Parse(&pkt, &s) }); n != 0 {
		t.Errorf("%v allocations for a frame", n)
	}
}

func BenchmarkDnstap(b *testing.B) {
	data := tapped(b, exchange(dnstap.Message_CLIENT_RESPONSE, dnstap.SocketProtocol_DOT, client4, server4))
	b.Run("parser", func(b *testing.B) {
		p, s := NewParser(53), Segment{}
		pkt := capture.Packet{Data: data, Link: capture.LinkDnstap}
		b.ReportAllocs()
		for b.Loop() {
			if p.Parse(&pkt, &s) != DNS {
				b.Fatal("refused")
			}
		}
	})
	b.Run("library", func(b *testing.B) {
		var d dnstap.Dnstap
		b.ReportAllocs()
		for b.Loop() {
			if err := proto.Unmarshal(data, &d); err != nil {
				b.Fatal(err)
			}
		}
	})
}
