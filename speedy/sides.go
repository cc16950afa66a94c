package speedy

import (
	"net/netip"
	"slices"
)

// Sides tell which side of a message is the server's: the one whose address is
// among Servers where that decides, else the one with a DNS port, else by QR.
type Sides struct {
	servers []netip.Prefix
	ports   [65536 / 64]uint64
}

// NewSides returns the Sides of those DNS ports and server addresses, of which
// there may be none.
func NewSides(ports []uint16, servers []netip.Prefix) *Sides {
	s := &Sides{servers: servers}
	for _, p := range ports {
		s.ports[p/64] |= 1 << (p % 64)
	}
	return s
}

func (s *Sides) isDNS(port uint16) bool { return s.ports[port/64]>>(port%64)&1 != 0 }

// Known reports whether servers are known by their addresses.
func (s *Sides) Known() bool { return len(s.servers) > 0 }

// IsServer reports whether a is the address of a known server.
func (s *Sides) IsServer(a netip.Addr) bool {
	a = a.Unmap()
	return slices.ContainsFunc(s.servers, func(p netip.Prefix) bool { return p.Contains(a) })
}

// Between reports whether one port is of DNS and the other is not.
func (s *Sides) Between(server, client uint16) bool { return s.isDNS(server) && !s.isDNS(client) }

// FromServer reports whether the source is the server's side.
func (s *Sides) FromServer(source, dest netip.Addr, sourcePort, destPort uint16, qr bool) bool {
	if len(s.servers) > 0 {
		if from, to := s.IsServer(source), s.IsServer(dest); from != to {
			return from
		}
	}
	if from, to := s.isDNS(sourcePort), s.isDNS(destPort); from != to {
		return from
	}
	return qr
}
