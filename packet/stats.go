package packet

import "ratadns/capture"

// Stats counts packets. Received is the sum of the others and of what goes on,
// which Streams counts further, once Close has been called.
type Stats struct {
	Received, NotIP, NotDNSPort uint64
	Joined                      uint64 // fragments of datagrams that another fragment completed
	Fragments                   uint64 // of datagrams that were never complete
	// UnknownLinks of NotIP have a link type that is not read, the greatest of
	// which is UnknownLink.
	UnknownLinks uint64
	UnknownLink  capture.LinkType
	// UnknownTypes of NotIP have an EtherType that is neither read nor known to
	// carry no IP, the greatest of which is UnknownType.
	UnknownTypes uint64
	UnknownType  uint16
	// Cut are those of DNS, or of NotIP, that the capture has not whole.
	Cut uint64
}

// Add adds what another parser counted.
func (s *Stats) Add(o Stats) {
	s.Received += o.Received
	s.NotIP += o.NotIP
	s.NotDNSPort += o.NotDNSPort
	s.Joined += o.Joined
	s.Fragments += o.Fragments
	s.UnknownLinks += o.UnknownLinks
	s.UnknownLink = max(s.UnknownLink, o.UnknownLink)
	s.UnknownTypes += o.UnknownTypes
	s.UnknownType = max(s.UnknownType, o.UnknownType)
	s.Cut += o.Cut
}

// StreamStats counts what Streams got: Segments is the sum of Used, NotDNS and
// Lost. Messages are those found; Incomplete those that were begun and never
// completed.
type StreamStats struct {
	Segments, Used, NotDNS, Lost uint64
	Messages, Incomplete         uint64
}
