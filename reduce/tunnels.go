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
	carried, ok := e.value(of[0])
	if !ok || carried == 0 {
		return false
	}
	n[0], n[1], n[2] = 1, uint64(carried>>bitsCarried), uint64(carried&(1<<bitsCarried-1))
	return true
}, func(n *measured) float64 {
	if n[0] == 0 || n[2]/n[0] < minCarried {
		return 0
	}
	return float64(n[2])
})

// carriedFields are what the labels below a zone carry, found out once for each
// name: octets, and behind them their bits. Reverse zones carry none.
var carriedFields = []Field{ofLabels("(carried)", "", "", func(e *Event) uint32 {
	if e.under("arpa.") {
		return 0
	}
	octets, millibits := information(e.below())
	return octets<<bitsCarried | (millibits+500)/1000
})}

// bitsCarried is for the bits, of which an octet has eight and a name at most 255
// octets.
const bitsCarried = 16

// minCarried is the fewest bits that a query of a tunnel carries on average:
// host names of content networks, the longest that people use, have about 50.
const minCarried = 64
