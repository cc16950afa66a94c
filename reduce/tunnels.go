package reduce

// A tunnel carries data in the labels of the names it asks for, below a domain
// of its own: many octets that look like chance. Entropy tells how much they can
// carry: of each QNAME the Shannon entropy of the octets below the registered
// domain, times their number, is an estimate of its bits (as in Born and
// Gustafson, "Detecting DNS Tunnels Using Character Frequency Analysis", 2010,
// who look at the frequencies of characters). Octets and bits add up over
// queries, windows and servers.
//
// Zones are told by their bits, of those whose names carry minCarried on
// average. Reverse zones are not: what they carry are addresses.
var newTunnels = newShares("registered_domain", []string{"queries", "octets", "bits"}, carriedFields, func(e *Event, of []dim, n *measured) bool {
	octets, ok := e.value(of[0])
	if !ok || octets == 0 {
		return false
	}
	bits, _ := e.value(of[1])
	n[0], n[1], n[2] = 1, uint64(octets), uint64(bits)
	return true
}, func(n *measured) float64 {
	if n[0] == 0 || n[2]/n[0] < minCarried {
		return 0
	}
	return float64(n[2])
})

// carriedFields are what the labels below a zone carry. Both are found out once
// for each name.
var carriedFields = []Field{
	ofLabels("(octets carried)", "", "octets", func(e *Event) uint32 {
		octets, _ := e.carried()
		return octets
	}),
	ofLabels("(bits carried)", "", "bits", func(e *Event) uint32 {
		_, millibits := e.carried()
		return (millibits + 500) / 1000
	}),
}

// carried is the information in the labels below the registered domain, none of
// reverse zones.
func (e *Event) carried() (octets, millibits uint32) {
	if e.under("arpa.") {
		return 0, 0
	}
	return information(e.below())
}

// minCarried is the fewest bits that a query of a tunnel carries on average:
// host names of content networks, the longest that people use, have about 50.
const minCarried = 64
