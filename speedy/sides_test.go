package speedy

import (
	"net/netip"
	"testing"
)

func TestSides(t *testing.T) {
	addr := netip.MustParseAddr
	for _, c := range []struct {
		name                 string
		servers              string // "" for none
		source, dest         string
		sourcePort, destPort uint16
		qr                   bool
		want                 bool // from the server
	}{
		{"query", "", "192.0.2.10", "192.0.2.53", 4000, 53, false, false},
		{"response", "", "192.0.2.53", "192.0.2.10", 53, 4000, true, true},
		{"a response that nobody asked for, to a server", "", "192.0.2.10", "192.0.2.53", 4000, 53, true, false},
		{"a query out of the DNS port", "", "192.0.2.53", "192.0.2.10", 53, 4000, false, true},
		{"both ports: by QR", "", "192.0.2.10", "192.0.2.53", 53, 53, false, false},
		{"both ports: by QR, response", "", "192.0.2.10", "192.0.2.53", 53, 53, true, true},
		{"ports not known: by QR", "", "192.0.2.10", "192.0.2.53", 0, 0, true, true},
		{"by address", "192.0.2.53/32", "192.0.2.10", "192.0.2.53", 53, 53, true, false},
		{"by address against the port", "192.0.2.53/32", "192.0.2.53", "192.0.2.10", 4000, 53, false, true},
		{"by prefix", "192.0.2.0/26", "192.0.2.53", "192.0.2.100", 853, 4000, false, true},
		{"by address of version 6", "2001:db8::/64", "2001:db8::53", "2001:db8:1::1", 53, 53, false, true},
		{"an IPv4 address in version 6", "192.0.2.53/32", "::ffff:192.0.2.53", "2001:db8::1", 1, 2, false, true},
		{"neither is a server: by port", "198.51.100.0/24", "192.0.2.53", "192.0.2.10", 53, 4000, false, true},
		{"both are: by port", "192.0.2.0/24", "192.0.2.53", "192.0.2.10", 4000, 53, true, false},
	} {
		var servers []netip.Prefix
		if c.servers != "" {
			servers = append(servers, netip.MustParsePrefix(c.servers))
		}
		s := NewSides([]uint16{53}, servers)
		if got := s.FromServer(addr(c.source), addr(c.dest), c.sourcePort, c.destPort, c.qr); got != c.want {
			t.Errorf("%s: from the server %v, want %v", c.name, got, c.want)
		}
	}
}
