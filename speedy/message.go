// Package speedy turns packets into DNS messages, and messages to and from
// length-prefixed JSON, with several workers and anonymised addresses.
//
// A flow belongs to one worker, which shares nothing with the others; what
// leaves is in the order of the capture, the same octets for any number of
// workers. Start at [Engine] for packets in, [Encoder] and [Reader] for JSON.
package speedy

import (
	"net/netip"

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
	Size       int // octets of the DNS message on the wire
	Has        Fields
}

// Client is the source of a query and the destination of a response.
func (m *Message) Client() netip.Addr {
	if m.QR() {
		return m.Dest
	}
	return m.Source
}

// Server is the other side.
func (m *Message) Server() netip.Addr {
	if m.QR() {
		return m.Source
	}
	return m.Dest
}
