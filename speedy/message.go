// Package speedy turns packets into DNS messages, and messages to and from
// length-prefixed JSON, with several workers and anonymised addresses.
//
// What leaves is in the order of the capture, the same for any number of
// workers. Start at [Write] for packets to JSON, [Reader] for JSON to messages,
// and [Engine] for packets to handlers, each of which has flows of its own.
package speedy

import (
	"net/netip"

	"golang.org/x/sys/cpu"

	"ratadns/dns"
	"ratadns/packet"
)

// A Message is a DNS message with its flow and time. The addresses are the real
// ones where it came from packets, and as Speedy wrote them where it came from
// JSON. Has tells which members are known.
type Message struct {
	dns.Message
	Time       int64  // of capture, nanoseconds since 1970
	Place      uint64 // ordinal in the capture
	Source     netip.Addr
	Dest       netip.Addr
	SourcePort uint16
	DestPort   uint16
	Transport  packet.Transport
	Interface  uint8 // of a live source
	Size       int   // octets of the DNS message on the wire
	FromServer bool  // the source is the server's side; see [Sides]
	Has        Fields
}

// Client is the address on the client's side.
func (m *Message) Client() netip.Addr {
	if m.FromServer {
		return m.Dest
	}
	return m.Source
}

// Server is the address on the server's side.
func (m *Message) Server() netip.Addr {
	if m.FromServer {
		return m.Source
	}
	return m.Dest
}

// A Decoder makes messages of what carried them. One worker owns it.
type Decoder struct {
	Malformed uint64 // messages
	sides     *Sides
	msg       Message
	_         cpu.CacheLinePad
}

// NewDecoder returns a decoder that keeps the records of a message only where
// they are wanted. Without sides it does not tell clients from servers.
func NewDecoder(sides *Sides, records bool) *Decoder {
	d := &Decoder{sides: sides}
	d.msg.SkipRecords = !records
	return d
}

// OnlyQuestions lets what stands behind the questions unread, for those who
// look at nothing there. It is not counted as malformed then either.
func (d *Decoder) OnlyQuestions() { d.msg.OnlyQuestions = true }

// Decode reads the message of s, which it aliases and is good until the next call.
func (d *Decoder) Decode(s *packet.Segment) *Message {
	m := &d.msg
	if m.Unpack(s.Payload) != nil {
		d.Malformed++
	}
	m.Time, m.Place = s.Time, s.Place
	m.Source, m.Dest = s.Source, s.Dest
	m.SourcePort, m.DestPort = s.SourcePort, s.DestPort
	m.Transport, m.Interface = s.Transport, s.Interface
	m.Size = s.Size
	if d.sides != nil {
		m.FromServer = d.sides.FromServer(m.Source, m.Dest, m.SourcePort, m.DestPort, m.QR())
	}
	m.Has = FieldsAll
	return m
}
