// Package capture is where packets come from: capture files of either format,
// plain or compressed, standard input, several of them merged by time, and the
// same packets again at the pace they were recorded. The frames of dnstap, from
// files and sockets, come the same way.
//
// A [Source] fills a [Batch] with packets that alias the batch's own octets, so
// that nothing is copied or allocated per packet and a batch can be handed to
// another goroutine whole. Time is always the time of capture. Start at [Open].
package capture

import "io"

// A LinkType says what a packet's first octets are: a value of the registry
// https://www.tcpdump.org/linktypes.html.
type LinkType uint16

// The link types that package packet reads.
const (
	LinkNull     LinkType = 0   // BSD loopback, address family in the writer's byte order
	LinkEthernet LinkType = 1   //
	LinkPPP      LinkType = 9   // PPP, perhaps without address and control
	LinkRaw12    LinkType = 12  // raw IP as some BSDs write it
	LinkRaw14    LinkType = 14  // raw IP as others do
	LinkPPPHDLC  LinkType = 50  // PPP in frames of HDLC, or Cisco's HDLC
	LinkPPPoE    LinkType = 51  // PPP over Ethernet, without Ethernet
	LinkRaw      LinkType = 101 // raw IP
	LinkHDLC     LinkType = 104 // Cisco's HDLC
	Link80211    LinkType = 105 // wireless
	LinkLoop     LinkType = 108 // OpenBSD loopback, address family in network byte order
	LinkEnc      LinkType = 109 // OpenBSD, what IPsec has decrypted
	LinkSLL      LinkType = 113 // Linux cooked
	LinkPflog    LinkType = 117 // OpenBSD, what its firewall logs
	LinkRadiotap LinkType = 127 // wireless, with a header of the receiver
	LinkPPI      LinkType = 192 // a header of the receiver, and any other link type
	LinkERF      LinkType = 197 // a record of Endace's cards
	LinkPPPDir   LinkType = 204 // PPP behind an octet for the direction
	LinkMPLS     LinkType = 219
	LinkIPv4     LinkType = 228
	LinkIPv6     LinkType = 229
	LinkNflog    LinkType = 239 // Linux, what its firewall logs
	LinkPktap    LinkType = 258 // macOS, a header of the kernel, and any other link type
	LinkSLL2     LinkType = 276 // Linux cooked, version 2
)

// LinkDnstap is not of the registry but ours: the packet is one dnstap frame.
// The registry grows from its low end. No capture is ever written with it, and
// one that claims it is read as the frames that it claims to hold.
const LinkDnstap LinkType = 65535

// A Packet is one packet of a capture. Data belong to the batch that holds it.
type Packet struct {
	Time int64  // nanoseconds since 1970-01-01 UTC
	Data []byte // as captured, perhaps cut
	Wire int    // octets on the wire
	Link LinkType
	// Interface of a live source, by its place in Live.Interfaces.
	Interface uint8
}

// A Batch is a run of consecutive packets and the octets they alias. Its
// packets are valid until it is given to Read again.
type Batch struct {
	Packets []Packet
	buf     []byte
}

// BlockSize is how much is read at once. Packets of one block stay in the
// processor's second-level cache while they are decoded.
const BlockSize = 128 << 10

// Reset empties b, keeping its memory.
func (b *Batch) Reset() { b.Packets, b.buf = b.Packets[:0], b.buf[:0] }

// Append copies p and its data into b.
func (b *Batch) Append(p *Packet) {
	n := len(b.buf)
	b.buf = append(b.buf, p.Data...)
	q := *p
	q.Data = b.buf[n:len(b.buf):len(b.buf)]
	b.Packets = append(b.Packets, q)
}

// full reports whether a batch that is filled by copying should be handed on.
func (b *Batch) full() bool { return len(b.buf) >= BlockSize || len(b.Packets) >= 2048 }

// A Source gives the packets of a capture in order.
type Source interface {
	// Read replaces b's packets by the next ones, at least one, or returns an
	// error and no packets: io.EOF at the end of the capture.
	Read(b *Batch) error
	io.Closer
}
